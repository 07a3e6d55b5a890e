"""The engine with real threads, on hosts and a journal that live in memory and fail when they are told to."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.errors import (
    AgentError,
    Busy,
    ConfigRefused,
    Fate,
    Fenced,
    HostError,
    NotProved,
    Stopped,
    StoreUnavailable,
    TransportError,
    Unreachable,
)
from deployer.model import Amount, Event, HostOutcome, Outcome, State
from deployer.rollout import back, waves
from deployer.rollout.engine import Recorder, Run
from deployer.rollout.saga import STEPS, TABLE, HostLog, Step
from deployer.rollout.waves import Cause, Fleet, Member, Policy, Scope, host_outcome, verdict
from tests.unit.seen import good, seen

DEADLINE_S = 20.0
CANARY = Policy(waves=(Amount(1), Amount(100, percent=True)))
AT_ONCE = Policy()

Key = tuple[str, str]


@dataclass
class Memory:
    """Journal and hosts in one, so that what came first can be told.

    :ivar story: ``("journal" | "effect", host, step or undo, state)`` in the order it happened.
    :ivar fails: what an effect raises, by host and step (or undo).
    :ivar before: called before an effect, in its thread.
    :ivar loses: the journal fails for good with the first event for which this says so.
    """

    fails: Mapping[Key, Exception] = field(default_factory=dict)
    before: Callable[[str, str], None] = lambda _host, _what: None
    loses: Callable[[Event], bool] = lambda _event: False
    story: list[tuple[str, str | None, str, str]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    most: int = 0
    _busy: int = 0
    _gone: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def append(self, event: Event) -> None:
        with self._lock:
            if self._gone or self.loses(event):
                self._gone = True
                raise StoreUnavailable("the disk is full")
            self.events.append(event)
            self.story.append(("journal", event.host, event.step, event.state.value))

    def do(self, host: str, step: Step) -> Mapping[str, Any]:
        return self._act(host, step.value)

    def undo(self, host: str, step: Step) -> Mapping[str, Any]:
        return self._act(host, str(TABLE[STEPS.index(step)].undo))

    def _act(self, host: str, what: str) -> Mapping[str, Any]:
        with self._lock:
            self._busy += 1
            self.most = max(self.most, self._busy)
            self.story.append(("effect", host, what, "began"))
        try:
            self.before(host, what)
            if (host, what) in self.fails:
                raise self.fails[host, what]
            return {"did": what}
        finally:
            with self._lock:
                self._busy -= 1

    def did(self, what: str) -> list[str]:
        return [str(host) for kind, host, step, _ in self.story if kind == "effect" and step == what]

    def of(self, host: str) -> list[Event]:
        return [e for e in self.events if e.host == host]


def fleet(count: int, policy: Policy = CANARY, **more: Any) -> Fleet:
    names = [f"web{n}" for n in range(1, count + 1)]
    return Fleet(waves.split([(n, ()) for n in names], policy), {n: Member() for n in names}, policy, **more)


@dataclass
class Driven:
    """A run that has ended."""

    run: Run
    end: Fleet
    heard: list[Event]

    @property
    def outcome(self) -> Outcome:
        return verdict(self.end)

    def outcomes(self) -> list[str]:
        return [host_outcome(self.end, name).value for name in self.end.members]


def drive(
    memory: Memory,
    start: Fleet,
    *,
    stop: threading.Event | None = None,
    parallel: int = 32,
    listener: Callable[[Event], None] | None = None,
    orders: Any = waves.orders,
) -> Driven:
    """Drive it in a thread, so that a run which never ends fails the test instead of holding it up."""
    heard: list[Event] = []
    run = Run(
        effects=memory,
        recorder=Recorder("d1", memory, listener or heard.append),
        orders=orders,
        stop=stop or threading.Event(),
        parallel=parallel,
        describe=waves.phase if orders is waves.orders else None,
    )
    ends: list[Fleet] = []
    thread = threading.Thread(target=lambda: ends.append(run.drive(start)), daemon=True)
    thread.start()
    thread.join(DEADLINE_S)
    assert not thread.is_alive(), "never ends"
    assert ends, "the engine itself failed"
    return Driven(run, ends[0], heard)


def refused(host: str) -> HostError:
    return ConfigRefused("nginx refuses it", host=host, code=65, details=("[emerg] no",))


def unproved(host: str) -> HostError:
    return NotProved("not in memory", host=host, code=68)


def lost(host: str) -> HostError:
    return TransportError("connection lost", host=host, fate=Fate.UNKNOWN)


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


# --- interrupts

CHANGING = ("activate", "verify", "confirm")


@pytest.mark.parametrize("scope", list(Scope), ids=str)
@pytest.mark.parametrize("step", [s.value for s in STEPS if s is not Step.PROMOTE])
def test_an_interrupt_in_any_phase_takes_everything_back(step: str, scope: Scope) -> None:
    stop = threading.Event()

    def interrupt(host: str, what: str) -> None:
        if (host, what) == ("web3", step):
            stop.set()

    memory = Memory(before=interrupt)
    done = drive(memory, fleet(4, Policy(CANARY.waves, on_failure=scope)), stop=stop)
    assert done.outcome is Outcome.INTERRUPTED
    assert sorted(memory.did("restore")) == sorted(memory.did("activate"))
    assert bool(memory.did("activate")) == (step in CHANGING)
    assert memory.did("promote") == []
    assert all(m.log.states[Step.BEGIN] is State.UNDO_SUCCEEDED for m in done.end.members.values())


def test_an_interrupt_while_promoting_comes_too_late() -> None:
    stop = threading.Event()

    def interrupt(_host: str, what: str) -> None:
        if what == "promote":
            stop.set()

    done = drive(Memory(before=interrupt), fleet(4), stop=stop, parallel=1)
    assert done.outcome is Outcome.DEPLOYED
    assert set(done.outcomes()) == {"deployed"}


def test_an_interrupt_before_anything_does_nothing() -> None:
    stop = threading.Event()
    stop.set()
    memory = Memory()
    done = drive(memory, fleet(3), stop=stop)
    assert done.outcome is Outcome.INTERRUPTED
    assert memory.story == []


# --- the controller's own troubles


@pytest.mark.parametrize("scope", list(Scope), ids=str)
@pytest.mark.parametrize("state", [State.STARTED, State.SUCCEEDED])
@pytest.mark.parametrize("step", [s.value for s in STEPS if s is not Step.PROMOTE])
def test_a_journal_that_is_lost_ends_it_and_everybody_is_taken_back(
    step: str, state: State, scope: Scope
) -> None:
    memory = Memory(loses=lambda e: (e.host, e.step, e.state) == ("web3", step, state))
    done = drive(memory, fleet(4, Policy(CANARY.waves, on_failure=scope)))
    assert done.run.recorder.lost is not None
    assert done.outcome is Outcome.INTERRUPTED
    assert sorted(memory.did("restore")) >= sorted(memory.did("activate"))
    assert memory.did("promote") == []
    if state is State.STARTED:
        assert "web3" not in memory.did(step), "done though it could not be journalled"


def test_after_the_journal_is_lost_nothing_goes_forward() -> None:
    lost_at: list[int] = []
    memory = Memory(loses=lambda e: (e.host, e.step, e.state) == ("web1", "verify", State.SUCCEEDED))

    def listen(_event: Event) -> None:
        if memory._gone and not lost_at:
            lost_at.append(len(memory.story))

    drive(memory, fleet(3), listener=listen)
    later = [step for kind, _, step, _ in memory.story[lost_at[0] :] if kind == "effect"]
    assert set(later) == {"restore", "release"}


def test_a_bug_in_an_effect_is_kept_and_the_others_are_taken_back() -> None:
    bug = ZeroDivisionError("bug")
    memory = Memory({("web3", "verify"): bug})
    done = drive(memory, fleet(4))
    assert done.run.bugs == [bug]
    assert done.outcome is Outcome.ROLLED_BACK
    assert sorted(memory.did("restore")) == sorted(memory.did("activate"))
    assert "ZeroDivisionError" in str(done.run.first_failures["web3"])


def test_a_bug_on_the_way_back_is_stuck_and_holds_up_nobody() -> None:
    fails: dict[Key, Exception] = {("web3", "verify"): unproved("web3"), ("web3", "restore"): KeyError("x")}
    memory = Memory(fails)
    done = drive(memory, fleet(4))
    assert done.outcome is Outcome.STUCK
    assert [type(b) for b in done.run.bugs] == [KeyError]
    assert done.outcomes().count("rolled_back") == 3


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(5, "Input/output error")])
def test_a_terminal_that_is_gone_does_not_stop_it(error: OSError) -> None:
    def gone(_event: Event) -> None:
        raise error

    memory = Memory()
    done = drive(memory, fleet(3), listener=gone)
    assert done.outcome is Outcome.DEPLOYED
    assert done.run.bugs == []


def test_a_bug_in_who_listens_is_kept_and_does_not_stop_it() -> None:
    def broken(_event: Event) -> None:
        raise KeyError("x")

    done = drive(Memory(), fleet(3), listener=broken)
    assert done.outcome is Outcome.DEPLOYED
    assert [type(b) for b in done.run.bugs] == [KeyError]


def test_a_bug_in_the_journal_counts_as_its_loss() -> None:
    def broken(event: Event) -> bool:
        if event.step == "verify":
            raise KeyError("x")
        return False

    memory = Memory(loses=broken)
    done = drive(memory, fleet(3))
    assert done.outcome is Outcome.INTERRUPTED
    assert sorted(memory.did("restore")) == sorted(memory.did("activate")) == ["web1"]
    assert {type(b) for b in done.run.bugs} == {KeyError}


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


# --- whatever fails

ERRORS: Mapping[str, Callable[[str], Exception]] = {
    "refused": refused,
    "unproved": unproved,
    "lost": lost,
    "unreachable": lambda host: Unreachable("no route", host=host),
    "fenced": lambda host: Fenced("newer owner", host=host),
    "bug": lambda _host: RuntimeError("bug"),
}
WHATS = (*(step.value for step in STEPS), "restore", "release")


@st.composite
def failures(draw: st.DrawFn, names: list[str]) -> dict[Key, Exception]:
    keys = st.tuples(st.sampled_from(names), st.sampled_from(WHATS))
    chosen = draw(st.dictionaries(keys, st.sampled_from(sorted(ERRORS)), max_size=4))
    return {key: ERRORS[kind](key[0]) for key, kind in chosen.items()}


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_invariants_hold_whatever_fails(data: st.DataObject) -> None:
    policy = Policy(
        waves=tuple(Amount(n) for n in data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))),
        max_failures=Amount(data.draw(st.integers(0, 3))),
        on_failure=data.draw(st.sampled_from(list(Scope))),
    )
    start = fleet(data.draw(st.integers(1, 5)), policy, prepare_only=data.draw(st.booleans()))
    fails = data.draw(failures(list(start.members)))
    cut = data.draw(st.one_of(st.none(), st.integers(1, 40)))
    losing = data.draw(st.booleans())
    stop, counter = threading.Event(), itertools.count(1)

    def count(_event: Event) -> bool:
        reached = cut is not None and next(counter) >= cut
        if reached and not losing:
            stop.set()
        return reached and losing

    memory = Memory(fails, loses=count)
    done = drive(memory, start, stop=stop, parallel=data.draw(st.integers(1, 4)))
    check(memory, done)


def check(memory: Memory, done: Driven) -> None:
    """What must be true at the end of any deployment."""
    for name, member in done.end.members.items():
        log = member.log
        proved = log.done(Step.ACTIVATE) and log.done(Step.VERIFY)
        left_to_the_new_owner = member.cause is Cause.FENCED
        assert not log.changed or log.restored or log.stuck or proved or left_to_the_new_owner, name
        if done.run.recorder.lost is None:
            assert HostLog.of(memory.of(name)) == log, "the journal tells another story"
        else:
            HostLog.of(memory.of(name))  # what is there can be read
    activated = set(memory.did("activate"))
    assert {n for n, m in done.end.members.items() if m.log.changed} >= activated
    prepared_first = [
        s for kind, _, s, _ in memory.story if kind == "effect" and s in ("prepare", "activate")
    ]
    assert prepared_first == sorted(prepared_first, key=["prepare", "activate"].index)
    outcomes = Counter(done.outcomes())
    match done.outcome:
        case Outcome.DEPLOYED:
            assert set(outcomes) == {HostOutcome.DEPLOYED.value}
        case Outcome.REFUSED | Outcome.UNCHANGED:
            assert not activated
        case Outcome.ROLLED_BACK:
            assert activated == set(memory.did("restore"))
    ours = [m.log for m in done.end.members.values() if m.cause is not Cause.FENCED]
    assert (done.outcome is Outcome.STUCK) == any(log.stuck for log in ours)
    times = Counter((host, what) for kind, host, what, _ in memory.story if kind == "effect")
    assert set(times.values()) <= {1}, "an effect was had twice"
