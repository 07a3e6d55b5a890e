"""Wherever a controller is lost, and however often: what is rebuilt is legal, ends, and ends well."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.errors import HostError, Reverted, StoreUnavailable
from deployer.model import Amount, Event, Good, Guard, GuardState, Observation, State
from deployer.rollout import waves
from deployer.rollout.engine import Recorder, Run
from deployer.rollout.resume import (
    BACK,
    FORWARD,
    RECOVERY,
    Unfinished,
    found,
    from_hosts,
    from_journal,
    policy_note,
    resume,
    traces,
)
from deployer.rollout.saga import STEPS, HostLog, Step
from deployer.rollout.waves import Cause, Fleet, Member, Policy, Scope
from tests.unit.rollout.driven import lost, refused, unproved
from tests.unit.seen import seen

X = "20240612-141500-x7f3"
OLD, NEW = "aaaaaaaaaaaa-111111111111", "bbbbbbbbbbbb-222222222222"


@dataclass
class Box:
    """A host, as far as it matters here."""

    live: str = OLD
    last: str | None = None
    owner: str | None = None
    guard: GuardState | None = None
    good: tuple[Good, ...] = (Good(OLD, "d0", 0.0),)

    def observed(self, name: str) -> Observation:
        guard = Guard(self.guard, X, NEW, OLD, 9.0, carried=True) if self.guard else None
        return seen(
            name,
            live=self.live,
            owner=self.owner,
            guard=guard,
            good=self.good,
            last_deployment=self.last,
            last_target=NEW if self.last else None,
            last_from=OLD if self.last else None,
        )


@dataclass
class World:
    """Hosts and a journal; after so many events and effects the controller is dead."""

    boxes: dict[str, Box]
    fails: Mapping[tuple[str, str], Exception] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    left: int = 1000
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def _dead(self) -> bool:
        self.left -= 1
        return self.left < 0

    def append(self, event: Event) -> None:
        with self._lock:
            if self._dead():
                raise StoreUnavailable("nobody writes any more")
            self.events.append(event)

    def do(self, host: str, step: Step) -> Mapping[str, Any]:
        return self._act(host, step, getattr(self, f"_{step.value}"))

    def undo(self, host: str, step: Step) -> Mapping[str, Any]:
        return self._act(host, step, self._restore if step is Step.ACTIVATE else self._release, "undo ")

    def _act(self, host: str, step: Step, effect: Any, prefix: str = "") -> Mapping[str, Any]:
        with self._lock:
            if self._dead():
                raise lost(host)
            if error := self.fails.get((host, prefix + step.value)):
                raise error
            effect(self.boxes[host], host)
        return {}

    def _begin(self, box: Box, _host: str) -> None:
        box.owner = X

    def _prepare(self, box: Box, _host: str) -> None:
        assert box.live == OLD

    def _activate(self, box: Box, _host: str) -> None:
        box.guard, box.last, box.live = GuardState.ARMED, X, NEW

    def _verify(self, box: Box, _host: str) -> None:
        assert box.live == NEW

    def _confirm(self, box: Box, host: str) -> None:
        if box.guard is GuardState.FIRED:
            raise Reverted("too late", host=host)
        assert box.live == NEW
        box.guard = None

    def _promote(self, box: Box, _host: str) -> None:
        assert (box.live, box.guard) == (NEW, None), "promoted what is not confirmed"
        box.good, box.owner = (Good(OLD, "d0", 0.0), Good(NEW, X, 1.0)), None

    def _restore(self, box: Box, _host: str) -> None:
        box.live, box.guard, box.good, box.owner = OLD, None, (Good(OLD, "d0", 0.0),), None

    def _release(self, box: Box, _host: str) -> None:
        box.owner = None

    def fire(self, hosts: set[str]) -> None:
        for name in hosts:
            box = self.boxes[name]
            if box.guard is GuardState.ARMED:
                box.live, box.guard = OLD, GuardState.FIRED

    def observed(self) -> dict[str, Observation]:
        return {name: box.observed(name) for name, box in self.boxes.items()}

    def drive(self, fleet: Fleet) -> Fleet:
        run = Run(self, Recorder(X, self), waves.orders, threading.Event(), 2, describe=waves.phase)
        return run.drive(fleet)


def deployed(world: World, policy: Policy) -> None:
    """A deployment that goes as far as its controller lives."""
    names = list(world.boxes)
    dealt = waves.split([(name, ()) for name in names], policy)
    hosts = {name: {"action": "change", "from": OLD, "to": NEW} for name in names}
    detail = {"hosts": hosts, "waves": [list(wave) for wave in dealt], "policy": policy_note(policy)}
    world.events.append(Event(X, None, "plan", State.SUCCEEDED, 0.0, detail))
    world.drive(Fleet(dealt, {name: Member() for name in names}, policy))


def rebuilt(world: World, policy: Policy, *, journal: bool) -> Unfinished:
    if journal:
        return from_journal(X, world.events, Policy())
    return from_hosts(X, world.observed(), {}, policy, everybody=True)


def recovered(world: World, unfinished: Unfinished) -> Fleet:
    """As recover.py does it."""
    recovery = resume(unfinished, world.observed())
    try:
        world.append(Event(X, None, RECOVERY, State.STARTED, 0.0, {"decision": recovery.decision}))
        for name, member in recovery.fleet.members.items():
            for step, state in found(unfinished.members[name].log, member.log):
                world.append(Event(X, name, step, state, 0.0))
    except StoreUnavailable:
        return recovery.fleet
    return world.drive(recovery.fleet)


POLICIES = st.builds(
    Policy,
    waves=st.lists(st.integers(1, 3).map(Amount), min_size=1, max_size=3).map(tuple),
    max_failures=st.integers(0, 2).map(Amount),
    on_failure=st.sampled_from(list(Scope)),
)
WHATS = [step.value for step in STEPS]


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_wherever_it_is_lost_and_however_often_every_host_ends_on_one_of_two(data: st.DataObject) -> None:
    policy, names = data.draw(POLICIES), [f"web{n}" for n in range(1, data.draw(st.integers(1, 4)) + 1)]
    failing = st.tuples(st.sampled_from(names), st.sampled_from(WHATS))
    kinds = st.sampled_from([refused, unproved, lost])
    fails = {
        key: make(key[0]) for key, make in data.draw(st.dictionaries(failing, kinds, max_size=2)).items()
    }
    world = World({name: Box() for name in names}, fails, left=data.draw(st.integers(0, 60)))
    deployed(world, policy)
    world.fails = {}
    journal = data.draw(st.booleans())
    before = world.observed()
    promoted = any(len(box.good) > 1 for box in world.boxes.values())
    confirmed = all(b.last == X and b.live == NEW and b.guard is None for b in world.boxes.values())
    for cut in (*data.draw(st.lists(st.integers(0, 12), max_size=3)), 1000):
        world.fire(data.draw(st.sets(st.sampled_from(names))))
        world.left = cut
        end = recovered(world, rebuilt(world, policy, journal=journal))
    for name, member in end.members.items():
        assert not member.log.stuck, (name, before)
        assert not member.log.changed or member.log.restored or member.log.done(Step.CONFIRM), name
    for name, box in world.boxes.items():
        assert box.guard is None or (box.guard is GuardState.FIRED and box.owner is None), (name, before)
        assert box.live in (OLD, NEW)
        assert box.owner is None, (name, before)
    lives = {box.live for box in world.boxes.values()}
    if policy.on_failure is Scope.ALL and not promoted and not fails:
        assert len(lives) == 1, before
    if confirmed and not fails:
        assert lives == {NEW}
        if policy.on_failure is Scope.ALL:
            assert all(len(box.good) > 1 for box in world.boxes.values()), before
    assert traces(world.observed()) == {}
    assert resume(rebuilt(world, policy, journal=True), world.observed()).deeds == {} or not journal


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_prefix_of_a_journal_is_a_state_with_an_ending(data: st.DataObject) -> None:
    """An old copy of the journal, and hosts that have gone on: nothing is switched, and it ends."""
    names = ["web1", "web2", "web3"]
    world = World({name: Box() for name in names}, left=data.draw(st.integers(0, 60)))
    deployed(world, Policy(waves=(Amount(1),)))
    recovered(world, rebuilt(world, Policy(), journal=True)) if data.draw(st.booleans()) else None
    prefix = world.events[: data.draw(st.integers(0, len(world.events)))]
    unfinished = from_journal(X, prefix, Policy())
    again = World(world.boxes, events=list(prefix))
    end = recovered(again, unfinished)
    for name in end.members:
        assert again.boxes[name].guard is None or again.boxes[name].owner is None
        assert again.boxes[name].owner is None, name
    assert from_journal(X, again.events, Policy()).members.keys() == unfinished.members.keys()
    assert resume(from_journal(X, again.events, Policy()), again.observed()).deeds == {}


def journal_of(*steps: tuple[str, str, State], **more: Any) -> list[Event]:
    hosts = {n: {"action": "change", "from": OLD, "to": NEW} for n in ("web1", "web2")}
    plan = {"hosts": hosts, "waves": [["web1"], ["web2"]], **more}
    return [
        Event(X, None, "plan", State.SUCCEEDED, 0.0, plan),
        *(Event(X, host, step, state, 1.0) for host, step, state in steps),
    ]


def done(host: str, upto: Step) -> list[tuple[str, str, State]]:
    steps = STEPS[: STEPS.index(upto) + 1]
    return [(host, s.value, state) for s in steps for state in (State.STARTED, State.SUCCEEDED)]


CONFIRMED = Box(NEW, X, X, good=(Good(OLD, "d0", 0.0),)).observed
ARMED = Box(NEW, X, X, GuardState.ARMED).observed
FIRED = Box(OLD, X, X, GuardState.FIRED).observed


def test_every_wave_confirmed_goes_forward() -> None:
    events = journal_of(*done("web1", Step.CONFIRM), *done("web2", Step.CONFIRM))
    recovery = resume(from_journal(X, events, Policy()), {})
    assert recovery.decision == FORWARD
    assert set(recovery.deeds) == {"web1", "web2"}


def test_a_confirmation_without_an_answer_is_asked_of_the_host() -> None:
    events = journal_of(
        *done("web1", Step.CONFIRM), *done("web2", Step.VERIFY), ("web2", "confirm", State.STARTED)
    )
    unfinished = from_journal(X, events, Policy())
    both = {"web1": CONFIRMED("web1"), "web2": CONFIRMED("web2")}
    assert resume(unfinished, both).decision == FORWARD
    assert resume(unfinished, {**both, "web2": ARMED("web2")}).decision == BACK
    assert resume(unfinished, {**both, "web2": FIRED("web2")}).decision == BACK
    assert resume(unfinished, {"web1": CONFIRMED("web1")}).decision == BACK  # it does not answer


@pytest.mark.parametrize(("scope", "back"), [(Scope.ALL, {"web1", "web2"}), (Scope.WAVE, {"web2"})])
def test_what_goes_back_is_what_on_failure_says(scope: Scope, back: set[str]) -> None:
    policy = {"max_failures": "25%", "on_failure": scope.value}
    events = journal_of(*done("web1", Step.CONFIRM), *done("web2", Step.ACTIVATE), policy=policy)
    unfinished = from_journal(X, events, Policy())
    assert unfinished.policy.max_failures == Amount(25, percent=True)
    recovery = resume(unfinished, {"web1": CONFIRMED("web1"), "web2": FIRED("web2")})
    undone = {n for n, deed in recovery.deeds.items() if deed.step is Step.ACTIVATE}
    assert undone == back


def test_a_host_that_went_on_is_left_alone() -> None:
    later = seen("web1", live="cccccccccccc-333333333333", last_deployment="20250101-000000-aaaa")
    events = journal_of(*done("web1", Step.CONFIRM))
    recovery = resume(from_journal(X, events, Policy()), {"web1": later})
    assert "gone on" in recovery.notes["web1"]
    assert recovery.deeds["web1"].step is Step.BEGIN  # at most it is given up


def test_the_hosts_alone_are_not_believed_to_be_all_when_one_is_silent() -> None:
    hosts = {"web1": CONFIRMED("web1"), "web2": CONFIRMED("web2")}
    assert resume(from_hosts(X, hosts, {}, Policy(), everybody=True), hosts).decision == FORWARD
    assert resume(from_hosts(X, hosts, {}, Policy(), everybody=False), hosts).decision == BACK
    promoted = Box(NEW, X, None, good=(Good(OLD, "d0", 0.0), Good(NEW, X, 1.0))).observed("web3")
    proof = {**hosts, "web3": promoted}
    assert resume(from_hosts(X, proof, {}, Policy(), everybody=False), proof).decision == FORWARD


def test_a_recovery_that_failed_is_tried_again() -> None:
    events = [
        *journal_of(*done("web1", Step.ACTIVATE)),
        Event(X, None, RECOVERY, State.STARTED, 2.0, {"decision": BACK}),
        Event(X, "web1", "activate", State.UNDO_STARTED, 2.0),
        Event(X, "web1", "activate", State.UNDO_FAILED, 2.0),
    ]
    unfinished = from_journal(X, events, Policy())
    assert unfinished.gave_up
    assert resume(unfinished, {"web1": ARMED("web1")}).deeds["web1"].step is Step.ACTIVATE
    events.append(Event(X, None, RECOVERY, State.STARTED, 3.0, {"decision": BACK}))
    events.append(Event(X, "web1", "activate", State.UNDO_STARTED, 3.0))
    events.append(Event(X, "web1", "activate", State.UNDO_SUCCEEDED, 3.0))
    assert from_journal(X, events, Policy()).members["web1"].log.restored


def test_causes_and_those_that_were_lost_are_remembered() -> None:
    events = journal_of(*done("web1", Step.BEGIN), ("web1", "prepare", State.STARTED))
    failed = Event(X, "web1", "prepare", State.FAILED, 2.0, {"cause": "unreachable"})
    unfinished = from_journal(X, [*events, failed], Policy())
    assert unfinished.members["web1"].cause is Cause.UNREACHABLE
    assert from_journal(X, events, Policy()).members["web1"].cause is None
    fenced = Event(X, "web1", "prepare", State.FAILED, 2.0, {"cause": "fenced"})
    assert from_journal(X, [*events, fenced], Policy()).members["web1"].cause is Cause.FAILED


def test_a_late_word_of_a_dead_controller_changes_nothing() -> None:
    events = journal_of(*done("web1", Step.VERIFY))
    events += [Event(X, "web1", "activate", s, 2.0) for s in (State.UNDO_STARTED, State.UNDO_SUCCEEDED)]
    late = Event(X, "web1", "activate", State.UNDO_FAILED, 3.0)
    assert from_journal(X, [*events, late], Policy()).members["web1"].log.restored


def test_traces_name_owners_and_guards_that_wait_and_no_ghosts() -> None:
    hosts = {
        "web1": ARMED("web1"),
        "web2": FIRED("web2"),
        "web3": seen("web3", owner="20240101-000000-aaaa", facts={"owner_silent": ("700",)}),
        "web4": seen("web4"),
    }
    assert traces(hosts) == {X: ["web1", "web2"]}


def test_the_log_of_a_host_can_be_cut_and_filled() -> None:
    log = HostLog().upto(Step.VERIFY)
    assert log.done(Step.VERIFY)
    assert not log.done(Step.CONFIRM)
    assert log.before(Step.ACTIVATE) == HostLog().upto(Step.REHEARSE)
    assert isinstance(lost("web1"), HostError)


def test_hosts_that_were_made_anew_are_said_to_know_nothing() -> None:
    """The fleet was taken down in the middle of it, and another one answers to its names."""
    events = journal_of(*done("web1", Step.CONFIRM))
    anew = seen("web1", live=None, baseline=None, adopted=False, good=(), memory=None)
    recovery = resume(from_journal(X, events, Policy()), {"web1": anew})
    assert recovery.deeds["web1"].step is Step.BEGIN  # it is given up, where it is anybody's
    assert "knows nothing of any deployment any more" in recovery.notes["web1"]
    assert "None" not in recovery.notes["web1"]
    assert recovery.reason == "what it changed is not there any more, so there is nothing to take back"


def test_a_baseline_that_it_adopted_itself_is_no_promotion() -> None:
    """At first contact; the guard took the release back before the recovery came."""
    box = Box(live=OLD, last=X, owner=X, guard=GuardState.FIRED, good=(Good(OLD, X, 0.0),))
    events = [
        Event(
            X,
            None,
            "plan",
            State.SUCCEEDED,
            0.0,
            {"hosts": {"a": {"from": OLD, "to": NEW}}, "waves": [["a"]]},
        )
    ]
    for step in ("begin", "prepare", "activate"):
        events += [Event(X, "a", step, state, 1.0, {}) for state in (State.STARTED, State.SUCCEEDED)]
    here = {"a": box.observed("a")}
    for unfinished in (from_journal(X, events, Policy()), from_hosts(X, here, {}, Policy(), everybody=True)):
        assert resume(unfinished, here).decision == BACK
