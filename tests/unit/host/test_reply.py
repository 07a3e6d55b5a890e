"""The agent's answers, read: what is tolerated and what is not."""

from __future__ import annotations

import pytest

from deployer.errors import (
    AgentError,
    Busy,
    ConfigRefused,
    DeployerError,
    Drifted,
    Fenced,
    NotProved,
    Reverted,
)
from deployer.host.reply import Answer, VerbAnswer, failure, no_answer, parse

HEAD = b"protocol=1\nagent=0123456789ab\n"


def read(raw: bytes) -> Answer:
    answer = parse(raw)
    assert answer is not None
    return answer


def test_an_answer() -> None:
    answer = read(HEAD + b"verb=observe\nlive=a-1\ncheck=x\ncheck=y=z\nfuture=1\nend=0\n")
    assert (answer.protocol, answer.agent, answer.complete) == (1, "0123456789ab", True)
    verb = answer.verbs[0]
    assert (verb.name, verb.code, verb.one("live"), verb.all("check")) == ("observe", 0, "a-1", ("x", "y=z"))
    assert (verb.one("nothing", "-"), verb.all("nothing"), verb.yes("live")) == ("-", (), False)
    assert (verb.number("future"), verb.number("live", -1)) == (1.0, -1)


def test_several_verbs_in_order() -> None:
    answer = read(HEAD + b"verb=stage\nend=0\nverb=validate\nerror=No.\ndetail=why\nend=65\n")
    assert [(v.name, v.code) for v in answer.verbs] == [("stage", 0), ("validate", 65)]
    assert answer.verbs[0].all("detail") == ()


@pytest.mark.parametrize("noise", [b"", b"Welcome!\n", b"no newline", b"protocol=7\nnot it\n", b"a=b\r\n\n"])
def test_what_start_up_files_print_before_it_does_not_matter(noise: bytes) -> None:
    assert read(noise + HEAD + b"verb=begin\nepoch=3\nend=0\n").verbs[0].one("epoch") == "3"


def test_what_comes_after_it_does_not_matter() -> None:
    assert read(HEAD + b"verb=begin\nend=0\nlogout\n").complete


def test_bytes_may_be_anything() -> None:
    blob = b"end=70\nverb=x\n\0\xff"
    raw = HEAD + b"verb=manifest\nbytes=%d\n%bend=0\n" % (len(blob), blob)
    assert read(raw).verbs == (VerbAnswer("manifest", {}, 0, blob),)
    for cut in range(1, len(b"end=0\n") + len(blob)):
        assert not read(raw[:-cut]).complete


@pytest.mark.parametrize(
    "raw",
    [b"", b"verb=begin\n", b"verb=begin\nepoch=3\n", b"verb=begin\nend=0", b"verb=a\nend=0\nverb=b\nx=1\n"],
)
def test_an_answer_without_its_end_is_a_lost_one(raw: bytes) -> None:
    assert not read(HEAD + raw).complete


@pytest.mark.parametrize(
    "raw", [b"", b"sh: not found\n", b"protocol=x\nagent=1\n", b"agent=1\nverb=x\nend=0\n"]
)
def test_no_agent_spoke(raw: bytes) -> None:
    assert parse(raw) is None


def test_text_that_is_not_utf8_survives() -> None:
    assert read(HEAD + b"verb=observe\ndrift=\xff\nend=0\n").verbs[0].one("drift") == "\udcff"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (65, ConfigRefused),
        (66, Drifted),
        (68, NotProved),
        (75, Busy),
        (76, Fenced),
        (74, Reverted),
        (67, AgentError),
    ]
    + [(code, AgentError) for code in (69, 70, 77, 1, 99)],
)
def test_a_refusal_keeps_the_agents_sentence(code: int, kind: type[AgentError]) -> None:
    verb = VerbAnswer("activate", {"error": ("It says no.",), "detail": ("a", "b"), "owner": ("d1",)}, code)
    error = failure(verb, "web1")
    assert type(error) is kind
    assert isinstance(error, AgentError)
    assert (str(error), error.host, error.code) == ("It says no.", "web1", code)
    assert error.details == (("a", "b", "owner=d1") if code == 75 else ("a", "b"))


def test_a_malformed_request_is_a_bug() -> None:
    error = failure(VerbAnswer("begin", {"error": ("no epoch",)}, 64), "web1")
    assert type(error) is DeployerError
    assert error.exit_code == 1
    assert "web1" in str(error)


@pytest.mark.parametrize(
    ("status", "stderr", "expected"),
    [
        (1, "sudo: a password is required\n", "wants a password"),
        (1, "sudo: unable to resolve host web1\nsudo: a password is required\n", "wants a password"),
        (1, "sudo: sorry, you must have a tty to run sudo\n", "wants a terminal"),
        (1, "sudo: a terminal is required to read the password; …\n", "wants a terminal"),
        (1, "bob is not in the sudoers file.\n", "does not let bob"),
        (1, "sudo: Ein Passwort ist notwendig\n", "sudo refuses bob (sudo: Ein Passwort"),
        (127, "bash: line 1: sudo: command not found\n", "there is no sudo"),
        (127, "sh: 1: sudo: not found\n", "there is no sudo"),
        (1, "This account is currently not available.\n", "login shell of bob cannot run"),
    ],
)
def test_why_nothing_ran_at_all(status: int, stderr: str, expected: str) -> None:
    error = no_answer(status, stderr, user="bob", sudo=True, host="web1")
    assert error is not None
    assert expected in str(error)
    assert error.code == 77


def test_what_cannot_be_told_is_not_guessed() -> None:
    assert no_answer(-1, "", user="bob", sudo=True, host="web1") is None
    assert no_answer(0, "sudo: hello", user="bob", sudo=True, host="web1") is None
