"""The agent answering request after request in one process, in each shell."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from deployer.host.reply import parse
from deployer.host.request import Request
from tests.agent_text import agent

SHELLS = (("dash",), ("busybox", "ash"), ("bash",))

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the agent refuses to work for anybody but root")


def serve(shell: tuple[str, ...], *requests: bytes) -> tuple[list[bytes], int]:
    """The answers, as the tokens part them, and the exit status."""
    done = subprocess.run(
        [*shell, *agent("serve")],
        input=b"".join(requests),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert not done.stderr
    return done.stdout.split(b"done="), done.returncode


def asked(token: str, *verbs: str, target: Path, payload: bytes = b"", **more: str) -> bytes:
    header = [
        ("target", str(target)),
        ("state", str(target.parent / "state")),
        ("argv", "true"),
        *more.items(),
    ]
    return b"".join(Request(verbs, header, payload).parts(token))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "t"
    path.mkdir()
    (path / "a").write_text("x")
    return path


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_each_request_is_answered_in_turn_with_a_payload_of_its_own(
    shell: tuple[str, ...], target: Path
) -> None:
    wanted = b"a\0" + b"b" * 100_000 + b"\0"
    answers, status = serve(
        shell,
        asked("a1", "fetch", target=target, payload=wanted, reload="true"),
        asked("a2", "manifest", target=target),
        asked("a3", "observe", "manifest", target=target, reload="true"),
    )
    assert status == 0
    assert [answer.split(b"\n", 1)[0] for answer in answers[1:]] == [b"a1", b"a2", b"a3"]
    parsed = [parse(answer) for answer in answers[:3]]
    assert [[(v.name, v.code) for v in answer.verbs] for answer in parsed if answer] == [
        [("fetch", 0)],
        [("manifest", 0)],
        [("observe", 0), ("manifest", 0)],
    ]
    assert hashlib.sha256(b"x").hexdigest().encode() in answers[1]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_name_in_pieces_is_not_sent_and_no_piece_is_reckoned_with(
    shell: tuple[str, ...], target: Path
) -> None:
    """The sign that parts names may stand in one, and what follows it where a size is looked for."""
    names = [b"plain", b"x\x01a[$(touch pwned)] plain", b"x\x01b", b"x\x012 gone"]
    for name in names:
        (target / os.fsdecode(name)).write_bytes(b"here")
    wanted = b"".join(name + b"\0" for name in names)
    answers, status = serve(shell, asked("a1", "fetch", target=target, payload=wanted))
    assert status == 0
    said = parse(answers[0])
    assert said
    assert [(v.name, v.code) for v in said.verbs] == [("fetch", 0)]
    assert not (target / "pwned").exists()
    assert b"plain" in answers[0]
    assert b"x\x01b" not in answers[0]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_one_that_fails_is_the_last(shell: tuple[str, ...], target: Path) -> None:
    unread = asked("b2", "manifest", target=target)  # a payload that looks like a request
    answers, status = serve(
        shell, asked("b1", "promote", target=target, payload=unread), asked("b3", "manifest", target=target)
    )
    assert status == 64
    (answer,) = answers
    said = parse(answer)
    assert said
    assert [(v.name, v.code) for v in said.verbs] == [("promote", 64)]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize(
    ("verbs", "token"),
    [
        ("serve", "c1"),
        ("*", "c1"),
        ("", "c1"),
        ("observe;id", "c1"),
        ("observe", ""),
        ("observe", "c1\x01"),
        ("observe", "../x"),
    ],
)
def test_nonsense_ends_it_with_a_sentence(
    shell: tuple[str, ...], target: Path, verbs: str, token: str
) -> None:
    answers, status = serve(shell, asked(token, verbs, target=target, reload="true"))
    assert status == 64
    said = parse(answers[0])
    assert said
    assert len(said.verbs[-1].all("error")) == 1


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_nothing_of_one_request_is_left_for_the_next(shell: tuple[str, ...], target: Path) -> None:
    answers, status = serve(
        shell,
        asked("d1", "manifest", target=target, preserve="[.]/a", deployment="d", epoch="7"),
        asked("d2", "manifest", target=target),
    )
    assert status == 0
    assert b"./a" not in answers[0]
    assert b"./a" in answers[1]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_request_that_was_cut_off_is_not_answered(shell: tuple[str, ...], target: Path) -> None:
    whole = asked("e1", "manifest", target=target)
    answers, status = serve(shell, whole, asked("e2", "manifest", target=target)[:-1])
    assert (len(answers), status) == (2, 0)
