"""On a real terminal: the plan, a question, a table with a row per host."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

import pytest

from tests.lab.story import PROGRAM, Ran, Story, get

pytestmark = pytest.mark.lab

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(story: Story, *argv: str, answer: str | None, **env: str) -> Ran:
    """Run it on a terminal of 120 columns and answer its question; ``out`` is all that the terminal got."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    process = subprocess.Popen(
        [*PROGRAM, *argv],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**story.environment(), "TERM": "xterm-256color", **env},
        cwd=story.directory,
        start_new_session=True,
    )
    os.close(theirs)
    got = b""
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            ready, _, _ = select.select([ours], [], [], 1)
            if not ready:
                continue
            try:
                read = os.read(ours, 65536)
            except OSError:  # Linux says EIO when nobody holds the other end any more
                break
            if not read:
                break
            got += read
            if answer is not None and b"[y/N]" in got:
                os.write(ours, f"{answer}\n".encode())
                answer = None
        return Ran(process.wait(timeout=10), got.decode(), "")
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@pytest.mark.parametrize("answer", ["n", pytest.param("", marks=pytest.mark.slow)])
def test_no_changes_nothing(story: Story, answer: str) -> None:
    before = story.trees()
    story.shop("shop 2")
    ran = on_a_terminal(story, "deploy", "lab", answer=answer)
    assert ran.code == 3, ran.out
    assert "Deploy to 3 hosts?" in ran.out
    assert 'return 200 "shop 2' in ran.out, "the diff is not shown"
    assert "\x1b[32m+" in ran.out, "the diff is not coloured"
    assert story.trees() == before
    for seen in story.status().values():
        assert seen["adopted"] is False


def test_yes_deploys_and_shows_every_host(story: Story) -> None:
    story.shop("shop 2")
    ran = on_a_terminal(story, "deploy", "lab", answer="y")
    assert ran.code == 0, ran.out
    after = _ESCAPES.sub("", ran.out.partition("[y/N]")[2])
    for name in ("web1", "web2", "web3"):
        assert re.search(rf"^{name}\s+promoted", after, re.MULTILINE), after
    story.assert_serving("shop 2")
    back = on_a_terminal(story, "rollback", "lab", answer="y")
    assert back.code == 0, back.out
    assert "Roll back 3 hosts?" in back.out
    story.assert_serving("shop 1")


def test_no_color(story: Story) -> None:
    story.shop("shop 2")
    ran = on_a_terminal(story, "deploy", "lab", answer="y", NO_COLOR="1")
    assert ran.code == 0, ran.out
    colours = {c for c in re.findall(r"\x1b\[([0-9;]*)m", ran.out) if re.search(r"(^|;)[34][0-9](;|$)", c)}
    assert not colours, colours
    table = on_a_terminal(story, "status", "lab", answer=None, NO_COLOR="1")
    assert "\x1b[" not in table.out


def test_json_on_a_terminal_is_one_document(story: Story) -> None:
    story.shop("shop 2")
    ran = on_a_terminal(story, "status", "lab", "--json", answer=None)
    assert ran.document["exit_code"] == ran.code == 0


def test_quiet_says_only_how_it_ended(story: Story) -> None:
    story.shop("shop 2")
    loud = story.run("deploy", "lab", "--yes")
    assert loud.code == 0, loud
    assert "web3: promoted" in loud.err
    story.shop("shop 3")
    quiet = story.run("deploy", "lab", "--yes", "-q")
    assert quiet.code == 0, quiet
    assert len((quiet.out + quiet.err).splitlines()) <= 6, quiet
    story.shop("out of order", 503)
    failed = story.run("deploy", "lab", "--yes", "--quiet")
    assert failed.code == 4, failed
    assert "503" in failed.out + failed.err
    for host in story.lab.hosts:
        assert get(host) == (200, "shop 3\n")


def test_a_log_has_no_colours_and_says_how_it_ended(story: Story) -> None:
    story.shop("shop 2")
    ran = story.run("deploy", "lab", "--yes")
    assert "\x1b" not in ran.out + ran.err
    status = story.run("status", "lab")
    assert status.code == 0, status
    assert "All 3 hosts are as they should be." in status.out
