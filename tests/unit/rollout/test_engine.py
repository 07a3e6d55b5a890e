"""The engine with real threads: the order of things, and what goes wrong on a host."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from deployer.errors import AgentError, Busy, Fenced, HostError, Stopped, Unreachable
from deployer.model import Amount, Outcome, State
from deployer.rollout import back
from deployer.rollout.saga import STEPS, TABLE, Step
from deployer.rollout.waves import Cause, Policy
from tests.unit.rollout.driven import AT_ONCE, DEADLINE_S, Key, Memory, drive, fleet, lost, refused, unproved
from tests.unit.seen import good, seen

# --- the order of things


def test_all_well() -> None:
    memory = Memory()
    done = drive(memory, fleet(5))
    assert done.outcome is Outcome.DEPLOYED
    assert set(done.outcomes()) == {"deployed"}
    assert {step: len(memory.did(step)) for step in STEPS} == dict.fromkeys(STEPS, 5)
    assert done.heard == memory.events
    assert (done.run.first_failures, done.run.undo_failures, done.run.bugs) == ({}, {}, [])
    assert set(done.run.seconds) == set(done.end.members)


@pytest.mark.parametrize(
    "fails", [{}, {("web3", "verify"): unproved("web3")}, {("web3", "prepare"): refused("web3")}]
)
def test_nothing_is_done_before_it_is_journalled(fails: dict[Key, Exception]) -> None:
    memory = Memory(fails)
    drive(memory, fleet(5))
    undo_of = {str(row.undo): row.step.value for row in TABLE if row.undo}
    announced: Counter[tuple[str | None, str]] = Counter()
    for kind, host, step, state in memory.story:
        if kind == "journal" and state == "started":
            announced[host, step] += 1
        elif kind == "journal" and state == "undo_started":
            announced[host, f"undo {step}"] += 1
        elif kind == "effect":
            name = f"undo {undo_of[step]}" if step in undo_of else step
            assert announced[host, name] > 0, f"{host} {step} was not announced"
            announced[host, name] -= 1
    assert sum(count for (host, _), count in announced.items() if host) == 0, "announced and not done"


def test_no_host_is_changed_before_all_are_prepared() -> None:
    memory = Memory()
    drive(memory, fleet(6))
    effects = [(host, step) for kind, host, step, _ in memory.story if kind == "effect"]
    first_change = next(i for i, (_, step) in enumerate(effects) if step == "activate")
    assert {host for host, step in effects[:first_change] if step == "prepare"} == {
        f"web{n}" for n in range(1, 7)
    }


def test_the_phases_are_named_once_in_their_order() -> None:
    memory = Memory()
    done = drive(memory, fleet(3))
    named = [(e.detail["decision"], e.detail["wave"]) for e in memory.events if e.step == "decision"]
    assert named == [
        ("begin", 0),
        ("prepare", 0),
        ("wave", 1),
        ("confirm", 1),
        ("wave", 2),
        ("confirm", 2),
        ("promote", 0),
    ]
    assert [(phase.name, phase.wave) for phase, _ in done.run.phases] == named
    began = [at for _, at in done.run.phases]
    assert began == sorted(began)


@pytest.mark.parametrize("parallel", [1, 2, 3])
def test_never_more_than_allowed_at_once(parallel: int) -> None:
    full = threading.Barrier(parallel)
    reached = threading.Event()

    def meet(_host: str, what: str) -> None:
        if what == "prepare" and not reached.is_set():
            full.wait(DEADLINE_S)  # so many really are at work at once
            reached.set()

    memory = Memory(before=meet)
    done = drive(memory, fleet(parallel * 3, AT_ONCE), parallel=parallel)
    assert done.outcome is Outcome.DEPLOYED
    assert reached.is_set()
    assert memory.most == parallel


def test_going_back_comes_before_going_forward() -> None:
    """With one thread and a budget: the host that failed is restored before any other is activated."""
    policy = Policy(waves=(Amount(1), Amount(100, percent=True)), max_failures=Amount(1))
    memory = Memory({("web1", "verify"): unproved("web1")})
    done = drive(memory, fleet(4, policy), parallel=1)
    assert done.outcome is Outcome.PARTIAL
    changes = [(s, h) for kind, h, s, _ in memory.story if kind == "effect" and s in ("activate", "restore")]
    assert changes[:2] == [("activate", "web1"), ("restore", "web1")]
    assert done.outcomes() == ["rolled_back", "deployed", "deployed", "deployed"]


def test_a_rollback_is_driven_by_the_same_engine() -> None:
    live, before = "bbbbbbbbbbbb-222222222222", "aaaaaaaaaaaa-111111111111"
    hosts = [
        seen(n, live=live, good=good(before, live), last_deployment="1", last_target=live, last_from=before)
        for n in ("web1", "web2", "web3")
    ]
    start = back.fleet_of(back.undo_latest({h.host: h for h in hosts}), lost=())
    stop = threading.Event()
    stop.set()  # half a rollback helps nobody: it is finished
    memory = Memory({("web2", "restore"): Fenced("somebody else's rollback", host="web2")})
    done = drive(memory, start, stop=stop, orders=back.orders)
    assert [m.log.restored for m in done.end.members.values()] == [True, False, True]
    assert sorted(memory.did("begin")) == ["web1", "web2", "web3"]
    assert sorted(memory.did("release")) == ["web1", "web3"]


# --- what goes wrong on a host


@pytest.mark.parametrize(
    ("step", "error", "cause"),
    [
        (Step.BEGIN, Busy("busy", host="web1"), Cause.REFUSED),
        (Step.PREPARE, refused("web1"), Cause.REFUSED),
        (Step.ACTIVATE, refused("web1"), Cause.FAILED),
        (Step.VERIFY, HostError("503", host="web1"), Cause.FAILED),
        (Step.PREPARE, lost("web1"), Cause.UNREACHABLE),
        (Step.ACTIVATE, Unreachable("no route", host="web1"), Cause.UNREACHABLE),
        (Step.VERIFY, Stopped("interrupted", host="web1"), Cause.STOPPED),
        (Step.CONFIRM, Fenced("newer owner", host="web1"), Cause.FENCED),
    ],
)
def test_a_failure_has_a_cause_and_is_remembered(step: Step, error: HostError, cause: Cause) -> None:
    done = drive(Memory({("web1", step.value): error}), fleet(1))
    assert done.end.members["web1"].cause is cause
    assert done.run.first_failures == {"web1": error}
    failed = next(e for e in done.heard if e.state is State.FAILED)
    assert failed.detail["error"] == str(error)
    assert failed.detail["seconds"] >= 0
    assert failed.detail.get("code") == (error.code if isinstance(error, AgentError) else None)
    assert failed.detail.get("details", []) == list(getattr(error, "details", ()))


def test_a_refusal_while_preparing_changes_nobody_and_gives_all_up() -> None:
    memory = Memory({("web4", "prepare"): refused("web4")})
    done = drive(memory, fleet(5))
    assert done.outcome is Outcome.REFUSED
    assert memory.did("activate") == []
    assert sorted(memory.did("release")) == [f"web{n}" for n in range(1, 6)]


def test_a_failed_canary_is_restored_and_nobody_else_is_touched() -> None:
    memory = Memory({("web1", "verify"): unproved("web1")})
    done = drive(memory, fleet(5))
    assert done.outcome is Outcome.ROLLED_BACK
    assert (memory.did("activate"), memory.did("restore")) == (["web1"], ["web1"])


def test_one_that_cannot_be_restored_is_stuck_and_given_up_and_the_others_are_restored() -> None:
    fails = {("web2", "verify"): unproved("web2"), ("web2", "restore"): refused("web2")}
    memory = Memory(fails)
    done = drive(memory, fleet(4))
    assert done.outcome is Outcome.STUCK
    assert done.outcomes()[1] == "stuck"
    assert sorted(memory.did("restore")) == sorted(memory.did("activate"))
    assert "web2" in memory.did("release")
    assert set(done.run.undo_failures) == {"web2"}


def test_a_fenced_host_is_left_alone_and_the_others_are_taken_back() -> None:
    memory = Memory({("web2", "verify"): Fenced("newer owner", host="web2")})
    done = drive(memory, fleet(4))
    assert done.outcome is Outcome.INTERRUPTED
    assert "web2" not in memory.did("restore")
    assert set(memory.did("activate")) - {"web2"} == set(memory.did("restore"))
    assert done.outcomes()[1] == "stuck"


def test_fenced_on_the_way_back_nothing_more_is_done_there() -> None:
    fails = {("web1", "verify"): unproved("web1"), ("web1", "restore"): Fenced("newer", host="web1")}
    memory = Memory(fails)
    done = drive(memory, fleet(3))
    assert done.outcome is Outcome.INTERRUPTED  # the newer owner proves what it serves now
    assert done.outcomes()[0] == "stuck"
    assert memory.did("restore") == ["web1"]
    assert "web1" not in memory.did("release")


def test_stopped_checks_are_nobodys_failure() -> None:
    stop = threading.Event()

    def interrupt(_host: str, what: str) -> None:
        if what == "verify":
            stop.set()

    memory = Memory({("web1", "verify"): Stopped("interrupted", host="web1")}, before=interrupt)
    done = drive(memory, fleet(3), stop=stop)
    assert done.outcome is Outcome.INTERRUPTED
    assert done.end.failures == 0
    assert done.outcomes() == ["rolled_back", "untouched", "untouched"]


def test_a_wave_has_a_deadline_of_its_own() -> None:
    free = threading.Event()

    def slow(host: str, what: str) -> None:
        if (host, what) == ("web3", "verify"):
            free.wait(DEADLINE_S)
        elif what == str(TABLE[STEPS.index(Step.ACTIVATE)].undo):
            free.set()  # the others do not wait for it

    memory = Memory(before=slow)
    done = drive(memory, fleet(3), wave_within_s=0.3)
    assert done.outcome is Outcome.ROLLED_BACK
    assert done.run.overdue is not None
    assert done.run.overdue.wave == 2
    said = [e.detail["decision"] for e in memory.events if e.step == "decision"]
    assert said == ["begin", "prepare", "wave", "confirm", "wave", "overdue", "unwind"]
    assert set(done.outcomes()) == {"rolled_back"}
    assert done.run.first_failures == {}


def test_a_wave_that_is_decided_in_time_knows_of_no_deadline() -> None:
    done = drive(Memory(), fleet(3), wave_within_s=DEADLINE_S)
    assert done.outcome is Outcome.DEPLOYED
    assert done.run.overdue is None
