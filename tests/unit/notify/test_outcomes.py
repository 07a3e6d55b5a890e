"""How loud an end is, whether it is a problem or the end of one, and what a person should do now."""

from __future__ import annotations

from typing import Any

import pytest

from deployer.config.notify import Level
from deployer.errors import Interrupted, LeaseHeld, SourceUnavailable, UsageError
from deployer.model import EXIT_CODE, Event, HostOutcome, HostResult, Outcome, Result, State
from deployer.notify.happenings import noteworthy
from deployer.notify.messages import text
from deployer.notify.notices import Notice, Turn
from deployer.notify.outcomes import FLEET, Command, ended, failed

COMMIT = "1c0dd7e22656" + 28 * "0"
BAD = "1c0dd7e22656-597acc53a410"


def result(outcome: Outcome, **more: Any) -> Result:
    hosts = more.pop("hosts", {"web1": HostOutcome.ROLLED_BACK})
    what: dict[str, Any] = {
        "id": "20240612-141500-a2cd",
        "outcome": outcome,
        "exit_code": EXIT_CODE[outcome],
        "revision": COMMIT,
        "reason": "web1: it said no",
        "hosts": {
            name: HostResult(how, BAD, "baseline-000000000000", None, 1.0) for name, how in hosts.items()
        },
        "waves": (),
        "seconds": 3.0,
    }
    return Result(**{**what, **more})


def of(kind: str, outcome: Outcome, *, whole: bool = True, **more: Any) -> Notice:
    notice = ended(Command(kind, "lab", "ann@ops1", whole=whole), result(outcome, **more))
    assert notice is not None
    return notice


@pytest.mark.parametrize(
    ("kind", "outcome", "host", "level", "topic"),
    [
        ("deploy", Outcome.DEPLOYED, HostOutcome.DEPLOYED, Level.INFO, None),
        ("deploy", Outcome.UNCHANGED, HostOutcome.UNCHANGED, None, None),
        ("deploy", Outcome.UNCHANGED, HostOutcome.PREPARED, Level.INFO, None),
        ("deploy", Outcome.REFUSED, HostOutcome.REFUSED, Level.WARNING, "deploy"),
        ("deploy", Outcome.ROLLED_BACK, HostOutcome.ROLLED_BACK, Level.WARNING, "deploy"),
        ("deploy", Outcome.PARTIAL, HostOutcome.UNREACHABLE, Level.WARNING, FLEET),
        ("deploy", Outcome.STUCK, HostOutcome.STUCK, Level.CRITICAL, FLEET),
        ("deploy", Outcome.INTERRUPTED, HostOutcome.STUCK, Level.CRITICAL, FLEET),
        ("rollback", Outcome.STUCK, HostOutcome.UNREACHABLE, Level.CRITICAL, FLEET),
        ("rollback", Outcome.REFUSED, HostOutcome.UNTOUCHED, Level.WARNING, "rollback"),
        ("adopt", Outcome.REFUSED, HostOutcome.REFUSED, Level.WARNING, "adopt"),
        ("recover", Outcome.REFUSED, HostOutcome.UNTOUCHED, Level.WARNING, "recover"),
    ],
)
def test_how_loud_an_end_is(
    kind: str, outcome: Outcome, host: HostOutcome, level: Level | None, topic: str | None
) -> None:
    notice = of(kind, outcome, hosts={"web1": host})
    assert (notice.level, notice.topic) == (level, topic)
    assert notice.event == f"{kind}.{outcome.value}"
    assert (notice.turn is Turn.PROBLEM) == (topic is not None)


def test_a_rollback_as_asked_is_loud_and_the_end_of_what_was_stuck() -> None:
    notice = of("rollback", Outcome.ROLLED_BACK, exit_code=0, quarantined=(BAD,))
    assert (notice.level, notice.turn) == (Level.WARNING, Turn.NEWS)
    assert FLEET in notice.ends
    assert "deploy" not in notice.ends  # what is in git is as bad as before


def test_only_the_whole_fleet_is_the_end_of_a_problem() -> None:
    assert "deploy" in of("deploy", Outcome.UNCHANGED, hosts={"web1": HostOutcome.UNCHANGED}).ends
    assert of("deploy", Outcome.DEPLOYED, hosts={"web1": HostOutcome.DEPLOYED}, whole=False).ends == ()


def test_the_same_refusal_is_the_same_problem_and_another_commit_is_another() -> None:
    def mark(reason: str, **more: Any) -> str:
        return of("deploy", Outcome.REFUSED, reason=reason, **more).fingerprint

    assert mark("web1: heard 3 s ago (pid 71)") == mark("web1: heard 9 s ago (pid 4711)")
    assert mark("web1: no") != mark("web1: never")
    assert mark("web1: no") != mark("web1: no", revision="f" * 40)
    freeze = {"gate": "freeze", "why": "frozen", "opens": "it ends", "release": None, "broken": False}
    assert mark("x", gates=(freeze,)) == mark("y", gates=(freeze,), revision="f" * 40)


def test_a_refusal_for_quarantine_alone_is_covered_by_what_put_it_there() -> None:
    def gate(name: str) -> dict[str, Any]:
        return {"gate": name, "why": "w", "opens": "o", "release": BAD, "broken": False}

    assert of("deploy", Outcome.REFUSED, gates=(gate("quarantine"),)).covers == (BAD,)
    assert of("deploy", Outcome.REFUSED, gates=(gate("quarantine"), gate("freeze"))).covers == ()
    assert of("deploy", Outcome.REFUSED).covers == ()


def test_a_message_says_what_to_type() -> None:
    stuck = of("deploy", Outcome.STUCK, hosts={"web1": HostOutcome.STUCK})
    said = text(stuck, where="ops1:/srv/nginx")
    assert "Look at web1 NOW" in said
    assert "Command (ops1:/srv/nginx):\n    deployer status lab\n    deployer rollback lab\n" in said
    opens = {"gate": "freeze", "why": "f", "opens": "it ends mon", "release": None, "broken": False}
    refused = of("deploy", Outcome.REFUSED, gates=(opens,))
    assert refused.now == "It ends mon; then once more."
    other = ended(Command("deploy", "lab", "a@b", more="--playbook 'a b'"), result(Outcome.REFUSED))
    assert other is not None
    assert other.commands[-1] == "deployer deploy lab --playbook 'a b'"


def test_who_said_no_is_not_told_and_a_slip_of_the_fingers_only_where_nobody_sees_it() -> None:
    command = Command("deploy", "lab", "ann@ops1")
    assert ended(command, result(Outcome.REFUSED, reason="not confirmed")) is None
    assert failed(command, Interrupted("before anything"), attended=False) is None
    assert failed(command, UsageError("no such branch"), attended=True) is None
    unattended = failed(command, UsageError("no such branch"), attended=False)
    assert unattended is not None
    assert (unattended.event, unattended.topic) == ("deploy.refused", "deploy")


def test_an_end_without_result_is_told_too() -> None:
    command = Command("deploy", "lab", "ann@ops1")
    busy = failed(command, LeaseHeld("taken by bob"), attended=True)
    git = failed(command, SourceUnavailable("git does not answer"), attended=True)
    bug = failed(command, KeyError("x"), attended=True)
    assert busy is not None
    assert (busy.event, busy.level, busy.topic) == ("deploy.busy", Level.INFO, None)
    assert git is not None
    assert (git.event, git.level, git.topic) == ("deploy.refused", Level.WARNING, "deploy")
    assert bug is not None
    assert (bug.event, bug.level, bug.topic) == ("deploy.failed", Level.CRITICAL, FLEET)


@pytest.mark.parametrize(
    ("heard", "event", "level"),
    [
        ((None, "gates", State.SUCCEEDED, {"reason": "ann broke it"}), "gates.broken", Level.WARNING),
        ((None, "lease", State.FAILED, {"reason": "taken over"}), "lease.lost", Level.WARNING),
        ((None, "quarantine", State.SUCCEEDED, {"release": BAD}), "quarantine.added", Level.INFO),
        ((None, "guard", State.FAILED, {"hosts": ["web1"]}), "guard.not_renewed", Level.INFO),
        (("web1", "confirm", State.FAILED, {"code": 74}), "guard.fired", Level.INFO),
    ],
)
def test_what_is_told_on_the_way(
    heard: tuple[str | None, str, State, dict[str, Any]], event: str, level: Level
) -> None:
    command = Command("deploy", "lab", "ann@ops1")
    host, step, state, detail = heard
    notice = noteworthy(command, Event("20240612-1", host, step, state, 1.0, detail))
    assert notice is not None
    assert (notice.event, notice.level, notice.inventory) == (event, level, "lab")
    assert (notice.deployment, notice.who) == ("20240612-1", "ann@ops1")
    text(notice, where="x")


@pytest.mark.parametrize(
    ("step", "state", "host"),
    [("gates", State.FAILED, None), ("confirm", State.FAILED, "web1"), ("plan", State.SUCCEEDED, None)],
)
def test_what_the_end_will_say_is_not_told_before(step: str, state: State, host: str | None) -> None:
    event = Event("20240612-1", host, step, state, 1.0, {"code": 65})
    assert noteworthy(Command("deploy", "lab", "a@b"), event) is None
