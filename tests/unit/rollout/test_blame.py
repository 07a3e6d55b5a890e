"""Whose fault a failure was: only what went away with the rollback is the release's own."""

from __future__ import annotations

import pytest

from deployer.errors import (
    AgentError,
    ConfigRefused,
    Drifted,
    Fate,
    HostError,
    NotProved,
    Reverted,
    Stopped,
    TransportError,
)
from deployer.model import Event, State
from deployer.rollout.blame import ANSWERS, MEMORY, Blame, Unwell, suspects, symptoms_of
from deployer.rollout.saga import Step

BAD, SAME, OTHER = "aaaaaaaaaaaa-0123456789ab", "bbbbbbbbbbbb-0123456789ab", "aaaaaaaaaaaa-ffffffffffff"


def blame(*hosts: str, symptoms: tuple[str, ...] = ("c1",)) -> Blame:
    made = Blame("d1")
    for host in hosts:
        made.suspect(host, BAD, symptoms, f"{host}: 503")
    return made


@pytest.mark.parametrize(
    ("step", "error", "found"),
    [
        (Step.VERIFY, Unwell("503", host="web1", failing=("c1",)), ("c1",)),
        (Step.VERIFY, Unwell("worse", host="web1", failing=(ANSWERS,)), (ANSWERS,)),
        (Step.VERIFY, Unwell("it failed before, too", host="web1"), ()),
        (Step.ACTIVATE, NotProved("not in memory", host="web1", code=68), (MEMORY,)),
        (Step.CONFIRM, NotProved("not in memory any more", host="web1", code=68), (MEMORY,)),
        # Before the switch, by somebody else, or nobody knows.
        (Step.PREPARE, ConfigRefused("no", host="web1", code=65), ()),
        (Step.PREPARE, NotProved("the baseline", host="web1", code=68), ()),
        (Step.ACTIVATE, ConfigRefused("what was carried", host="web1", code=65), ()),
        (Step.ACTIVATE, Drifted("edited", host="web1", code=66), ()),
        (Step.ACTIVATE, AgentError("no space", host="web1", code=67), ()),
        (Step.VERIFY, Stopped("by a signal", host="web1"), ()),
        (Step.VERIFY, TransportError("gone", host="web1", fate=Fate.UNKNOWN), ()),
        (Step.CONFIRM, Reverted("the guard was faster", host="web1", code=74), ()),
        (Step.PROMOTE, NotProved("late", host="web1", code=68), ()),
    ],
)
def test_what_says_something_of_the_release(step: Step, error: HostError, found: tuple[str, ...]) -> None:
    assert symptoms_of(step, error) == found


def test_what_went_away_is_its_own_fault() -> None:
    made = blame("web1")
    assert not made.guilty  # not yet: the host is not back
    made.back("web1", BAD, ())
    (entry,) = made.guilty
    assert (entry.release, entry.deployment, entry.why) == (BAD, "d1", "web1: 503")
    assert made.acquitted == {}


def test_what_fails_on_from_too_was_the_environment() -> None:
    made = blame("web1", symptoms=("c1", "c2"))
    assert made.entry("web1", BAD) is not None
    assert made.entry("web2", BAD) is not None  # goes back as well, with the same release
    made.back("web1", BAD, ("c2", "c1", "c3"))
    assert made.guilty == ()
    assert made.acquitted == {BAD: ("web1", "web2")}


def test_one_of_two_failures_that_went_away_is_enough() -> None:
    made = blame("web1", symptoms=("c1", "c2"))
    made.back("web1", BAD, ("c2",))
    assert [entry.release for entry in made.guilty] == [BAD]


def test_one_host_of_two_is_enough() -> None:
    made = blame("web1", "web2")
    made.back("web1", BAD, ("c1",))
    made.back("web2", BAD, ())
    assert len(made.guilty) == 1
    assert made.acquitted == {}


def test_where_a_host_is_not_back_nobody_is_acquitted() -> None:
    made = blame("web1", "web2")
    made.back("web1", BAD, ("c1",))
    assert made.guilty == ()
    assert made.acquitted == {}


def test_hosts_are_told_of_what_they_serve_themselves() -> None:
    made = blame("web1")
    assert made.entry("web2", SAME) is not None  # another commit, the same bytes
    assert made.entry("web3", OTHER) is None  # rendered differently: nobody saw that fail
    assert made.symptoms("web1", BAD) == ("c1",)
    assert made.symptoms("web2", BAD) == made.symptoms("web1", OTHER) == ()
    made.back("web3", OTHER, ())
    assert made.guilty == ()


def test_secrets_are_hidden_before_anybody_hears_them() -> None:
    made = Blame("d1", lambda text: text.replace("hunter2", "********"))
    made.suspect("web1", BAD, ("c1",), "web1: hunter2")
    entry = made.entry("web1", BAD)
    assert entry is not None
    assert "hunter2" not in entry.line


def test_the_journal_says_what_failed() -> None:
    def event(host: str | None, step: str, state: State, **detail: object) -> Event:
        return Event("d1", host, step, state, 1.0, detail)

    events = [
        event(None, "precheck", State.FAILED, failing=["c0"]),
        event("web1", "verify", State.STARTED),
        event("web1", "verify", State.FAILED, error="503", failing=["c1"]),
        event("web2", "activate", State.FAILED, error="not in memory", code=68),
        event("web3", "activate", State.FAILED, error="no space", code=67),
        event("web4", "prepare", State.FAILED, error="invalid", code=65),
        event("web5", "verify", State.FAILED, error="it failed before, too"),
    ]
    assert suspects(events) == {"web1": (("c1",), "web1: 503"), "web2": ((MEMORY,), "web2: not in memory")}
