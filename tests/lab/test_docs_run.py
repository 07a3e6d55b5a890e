"""The tutorial, the how-tos and the runbooks are run as they are read (tests/pages.py: what blocks mean)."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import pytest

from tests.conftest import need_root
from tests.pages import DOCS, Step, blocks, steps

pytestmark = pytest.mark.lab
WITHIN_S = 90.0
END = "--- end of what was typed:"
PAGES = (
    "tutorial.md",
    "howto/values.md",
    "howto/certificates.md",
    "howto/ansible.md",
    "runbooks/site-down.md",
    "runbooks/refused.md",
    "runbooks/rolled-back.md",
    "runbooks/rollback-failed.md",
    "runbooks/split.md",
    "runbooks/controller-lost.md",
)
"""In the order in which they are read; each goes on where the one before ended."""


class Reader:
    """Somebody who types what a page says: one shell, from the first page to the last."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(home),
            cwd=home,
            start_new_session=True,
        )
        self.rest = b""

    def type(self, command: str) -> tuple[int, str]:
        """A command's exit status and all that it wrote. Directory and variables stay for the next one."""
        assert self.shell.stdin is not None
        # The status is still $? for the next command, as at a prompt.
        typed = f"{{ {command}\n}} </dev/null\n__status=$?; echo; echo '{END}' $__status; (exit $__status)\n"
        self.shell.stdin.write(typed.encode())
        self.shell.stdin.flush()
        mark = re.compile(rb"(?s)(.*?)\n" + END.encode() + rb" (\d+)\n")
        deadline = time.monotonic() + WITHIN_S
        while (found := mark.match(self.rest)) is None:
            self._read(deadline, command)
        self.rest = self.rest[found.end() :]
        return int(found[2]), found[1].decode()

    def _read(self, deadline: float, command: str) -> None:
        assert self.shell.stdout is not None
        left = deadline - time.monotonic()
        assert left > 0, f"not done within {WITHIN_S} s: {command}\n{self.rest.decode()}"
        if select.select([self.shell.stdout], [], [], left)[0]:
            read = os.read(self.shell.stdout.fileno(), 1 << 16)
            assert read, f"the shell is gone: {command}\n{self.rest.decode()}"
            self.rest += read

    def write(self, name: str, text: str) -> None:
        """A file that a page shows, in the directory the shell is in."""
        _, here = self.type("pwd")
        path = Path(here.strip(), name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def close(self) -> None:
        os.killpg(self.shell.pid, signal.SIGKILL)
        self.shell.communicate(timeout=10)


def environment(home: Path) -> dict[str, str]:
    """What a person at a terminal has, and nothing of the lab's or of those who run the tests."""
    (home / "bin").mkdir(parents=True)
    program = home / "bin/deployer"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m deployer "$@"\n')
    program.chmod(0o755)
    (home / ".gitconfig").write_text("[user]\nname = Ann\nemail = ann@example.com\n")
    return {
        "PATH": f"{home}/bin:{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": str(DOCS.parent),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
        "COLUMNS": "120",
        # Two runs at once on one machine must not meet.
        "DEPLOYER_LAB_NAME": f"docs{os.getpid()}",
        "DEPLOYER_LAB_DIR": str(home / ".local/state/deployer/lab/lab"),
    }


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    need_root()
    made = Reader(tmp_path / "home")
    try:
        yield made
    finally:
        made.type("deployer lab down")
        made.close()


@pytest.mark.timeout(900)  # half a minute on a machine that does nothing else
def test_every_page_does_what_it_says(reader: Reader) -> None:
    last: list[Step] = []
    known: set[str] = set()
    for name in PAGES:
        for block in blocks(DOCS / name):
            if block.title is not None:
                reader.write(block.title, block.text)
            elif block.language == "console":
                # Runbooks begin alike: what shows no output is typed once in all of them.
                typed = [step for step in steps(block) if step.shown or step.command not in known]
                last += [step for step in typed if "lab down" in step.command]
                follow(reader, [step for step in typed if step not in last], name)
                known |= {step.command for step in typed if name.startswith("runbooks/")}
    follow(reader, last, PAGES[0])  # the other pages needed the hosts


def follow(reader: Reader, typed: list[Step], page: str) -> None:
    """Type the commands of a block. A status has to be 0, unless the page asks for it (``echo $?``)."""
    for step, then in zip_longest(typed, typed[1:]):
        status, came = reader.type(step.command)
        story = f"docs/{page}:{step.line}: {step.command}\n--- it was (status {status})\n{came}"
        assert status == 0 or (then is not None and then.command == "echo $?"), story
        shown = "\n".join(step.shown)
        assert fits(shown, came), f"{story}\n--- the page shows\n{shown}"


def fits(shown: str, came: str) -> bool:
    """Whether output is as a page shows it: ``…`` is anything, times, ids, hashes and columns may differ."""
    if not shown.strip():
        return True
    pattern = re.escape(plain(shown)).replace("…", ".*?")
    return re.search(rf"(?s)(?:^|\n)\s*{pattern}\s*(?:$|\n)", plain(came)) is not None


def plain(text: str) -> str:
    """A text without what is another one every time."""
    for pattern, word in (
        (r"\d{4}-\d\d-\d\d", "DATE"),
        (r"\b\d\d:\d\d(:\d\d)?\b", "TIME"),
        (r"\b\d{8}-\d{6}-[0-9a-z]{4}\b", "ID"),
        (r"\b[0-9a-f]{12}\b", "HASH"),
        (r"\b\d+(\.\d+)? (s|ms|min)\b", "TOOK"),
        (r"[ \t]+", " "),
    ):
        text = re.sub(pattern, word, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
