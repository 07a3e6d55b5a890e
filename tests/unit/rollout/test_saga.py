"""The table and its one function: what follows what, forwards, back, and after a crash."""

from __future__ import annotations

import itertools

import pytest

from deployer.model import Event, State
from deployer.rollout.saga import (
    STEPS,
    TABLE,
    Do,
    Goal,
    HostLog,
    IllegalEvent,
    Step,
    TakeBack,
    Undo,
    next_action,
)


def through(last: Step, *, ending: State = State.SUCCEEDED) -> HostLog:
    log = HostLog()
    for step in STEPS[: STEPS.index(last) + 1]:
        log = log.after(step, State.STARTED)
        log = log.after(step, ending if step is last else State.SUCCEEDED)
    return log


def walk(log: HostLog, goal: Goal, *, outcome: State = State.SUCCEEDED) -> list[str]:
    """Do what is asked, each time with success, until nothing is asked; the names in order."""
    names: list[str] = []
    for _ in range(50):
        match next_action(log, goal):
            case None:
                return names
            case Do(step):
                names.append(step.value)
                log = log.after(step, State.STARTED).after(step, outcome)
            case TakeBack(step, undo):
                names.append(undo.value)
                log = log.after(step, State.UNDO_STARTED).after(step, State.UNDO_SUCCEEDED)
    raise AssertionError(f"never ends: {names}")


def test_forward_goes_through_the_table_in_order() -> None:
    assert walk(HostLog(), Goal.PROMOTED) == [step.value for step in Step]


@pytest.mark.parametrize("goal", [Goal.BEGUN, Goal.PREPARED, Goal.VERIFIED, Goal.CONFIRMED])
def test_a_goal_is_where_it_stops(goal: Goal) -> None:
    done = walk(HostLog(), goal)
    assert done == [step.value for step in STEPS[: len(done)]]
    assert (Step.ACTIVATE.value in done) == (goal >= Goal.VERIFIED)


@pytest.mark.parametrize("last", STEPS)
def test_a_failed_step_is_not_tried_again_and_everything_before_it_is_taken_back(last: Step) -> None:
    log = through(last, ending=State.FAILED)
    assert next_action(log, Goal.PROMOTED) is None
    expected = [row.undo.value for row in reversed(TABLE[: STEPS.index(last) + 1]) if row.undo]
    assert walk(log, Goal.UNWOUND) == expected


@pytest.mark.parametrize("last", STEPS)
def test_a_step_that_never_answered_is_repeated_or_taken_back(last: Step) -> None:
    log = HostLog()
    for step in STEPS[: STEPS.index(last)]:
        log = log.after(step, State.STARTED).after(step, State.SUCCEEDED)
    log = log.after(last, State.STARTED)
    assert next_action(log, Goal.PROMOTED) == Do(last)
    undo = TABLE[STEPS.index(last)].undo
    if undo is not None:
        assert next_action(log, Goal.UNWOUND) == TakeBack(last, undo)


def test_no_step_changes_anything_unguarded() -> None:
    for row in TABLE:
        assert (row.guarded_until is not None) == row.changes
        assert row.guarded_until is None or STEPS.index(row.guarded_until) > STEPS.index(row.step)


@pytest.mark.parametrize("last", STEPS)
@pytest.mark.parametrize("ending", [State.SUCCEEDED, State.FAILED])
def test_a_host_is_guarded_from_its_activation_to_its_confirmation_or_return(
    last: Step, ending: State
) -> None:
    log = through(last, ending=ending)
    confirmed = STEPS.index(last) > STEPS.index(Step.CONFIRM) or log.done(Step.CONFIRM)
    assert log.guarded == (Step.ACTIVATE in log.states and not confirmed)
    if log.guarded:
        undone = log.after(Step.ACTIVATE, State.UNDO_STARTED)
        assert undone.guarded
        assert undone.after(Step.ACTIVATE, State.UNDO_FAILED).guarded
        assert not undone.after(Step.ACTIVATE, State.UNDO_SUCCEEDED).guarded


def test_ownership_is_given_up_even_when_the_release_could_not_be_put_back() -> None:
    log = through(Step.VERIFY, ending=State.FAILED)
    log = log.after(Step.ACTIVATE, State.UNDO_STARTED).after(Step.ACTIVATE, State.UNDO_FAILED)
    assert log.stuck
    assert next_action(log, Goal.UNWOUND) == TakeBack(Step.BEGIN, Undo.RELEASE)


def test_a_release_that_could_not_be_told_is_not_stuck() -> None:
    log = through(Step.PREPARE, ending=State.FAILED)
    log = log.after(Step.BEGIN, State.UNDO_STARTED).after(Step.BEGIN, State.UNDO_FAILED)
    assert not log.stuck
    assert next_action(log, Goal.UNWOUND) is None


def test_left_confirms_what_is_verified_and_gives_it_up() -> None:
    assert walk(through(Step.VERIFY), Goal.LEFT) == ["confirm", "release"]
    assert walk(through(Step.CONFIRM), Goal.LEFT) == ["release"]


@pytest.mark.parametrize(("before", "state"), list(itertools.product([None, *State], State)))
def test_an_illegal_event_raises_and_changes_nothing(before: State | None, state: State) -> None:
    legal = {
        None: {"started"},
        State.STARTED: {"started", "succeeded", "failed", "undo_started"},
        State.SUCCEEDED: {"undo_started"},
        State.FAILED: {"undo_started"},
        State.UNDO_STARTED: {"undo_started", "undo_succeeded", "undo_failed"},
        State.UNDO_SUCCEEDED: set[str](),
        State.UNDO_FAILED: {"undo_started"},
    }[before]
    log = HostLog({Step.BEGIN: before} if before else {})
    if state.value in legal:
        assert log.after(Step.BEGIN, state).states[Step.BEGIN] is state
        return
    with pytest.raises(IllegalEvent):
        log.after(Step.BEGIN, state)
    assert log.states == ({Step.BEGIN: before} if before else {})


def test_no_step_starts_before_the_ones_before_it_have_succeeded() -> None:
    for step in STEPS[1:]:
        with pytest.raises(IllegalEvent):
            HostLog().after(step, State.STARTED)


def test_any_prefix_of_a_journal_can_be_read_and_gone_on_from() -> None:
    both = (State.STARTED, State.SUCCEEDED)
    events = [Event("d", "web1", step, state, 0.0) for step in STEPS for state in both]
    for cut in range(len(events) + 1):
        log = HostLog.of(events[:cut])
        assert walk(log, Goal.PROMOTED) == [s.value for s in STEPS[cut // 2 :]]
        back = walk(log, Goal.UNWOUND)
        assert back == sorted(back, key=["restore", "release"].index)
        assert ("restore" in back) == log.changed


def test_the_log_of_a_version_that_did_not_rehearse_is_read_as_it_was_meant() -> None:
    log = HostLog()
    for step in (Step.BEGIN, Step.PREPARE, Step.ACTIVATE):
        log = log.after(step, State.STARTED).after(step, State.SUCCEEDED)
    assert log.done(Step.REHEARSE)
    assert next_action(log, Goal.VERIFIED) == Do(Step.VERIFY)
    assert next_action(log, Goal.UNWOUND) == TakeBack(Step.ACTIVATE, Undo.RESTORE)


def test_what_is_prepared_is_rehearsed_before_anything_changes() -> None:
    log = HostLog().upto(Step.PREPARE)
    assert not log.done(Step.REHEARSE)
    assert next_action(log, Goal.PROMOTED) == Do(Step.REHEARSE)
    assert not log.after(Step.REHEARSE, State.STARTED).changed
