"""One host's way through a deployment: a table of steps, each with its undo, and one pure function over it.

Nothing here talks to a host, a clock or a database. Deploy, rollback and recovery ask the same
:func:`next_action` what to do next, given what the journal says of a host and how far it should go; so does
every fault test. A new step is a new row, and its place in the undo comes with it.

How a log of steps is read follows the six states of oxide's saga log: a step that was started and never
answered *may* have had its effect, so going forward it is done again (every effect can be repeated under
the same deployment and epoch) and going back it is undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import cached_property

from deployer.model import Event, State


class Step(StrEnum):
    """What is done on one host, in this order."""

    BEGIN = "begin"
    PREPARE = "prepare"
    REHEARSE = "rehearse"
    ACTIVATE = "activate"
    VERIFY = "verify"
    CONFIRM = "confirm"
    PROMOTE = "promote"


class Undo(StrEnum):
    """What takes a step back."""

    RELEASE = "release"  #: give the ownership up
    RESTORE = "restore"  #: put ``from`` back, prove it; what it leaves is not good any more


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    :ivar undo: ``None``: nothing to take back (a staged release that is not live harms nobody; a check has
        no effect).
    :ivar changes: whether users can notice the step.
    :ivar guarded_until: the host's guard is armed in the same call, before the effect, and takes it back by
        itself unless this step disarms it. Every step that changes has one, and the host refuses it without.
    :ivar newer: journals of earlier versions lack it; there a later step says that it is over.
    """

    step: Step
    undo: Undo | None
    changes: bool = False
    guarded_until: Step | None = None
    newer: bool = False


TABLE: tuple[Row, ...] = (
    Row(Step.BEGIN, Undo.RELEASE),
    Row(Step.PREPARE, None),  # adopt at first contact, stage, validate
    Row(Step.REHEARSE, None, newer=True),  # in private namespaces, of which nothing remains
    Row(Step.ACTIVATE, Undo.RESTORE, changes=True, guarded_until=Step.CONFIRM),
    Row(Step.VERIFY, None),
    Row(Step.CONFIRM, None),  # only disarms the guard; a host whose guard was faster says so, and has failed
    Row(Step.PROMOTE, None),  # restore demotes; the ownership is given up with it, in the same call
)


class Goal(IntEnum):
    """How far a host should go. The fleet's rules (waves.py) set it, host by host."""

    BEGUN = 1
    PREPARED = 2
    VERIFIED = 4
    CONFIRMED = 5
    PROMOTED = 6
    LEFT = 7  #: stays where it is, but is nobody's any more
    UNWOUND = 8  #: everything taken back


@dataclass(frozen=True, slots=True)
class Do:
    """Do this step now."""

    step: Step


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Undo this step now."""

    step: Step
    undo: Undo


Action = Do | TakeBack

STEPS: tuple[Step, ...] = tuple(row.step for row in TABLE)
EARLY: frozenset[Step] = frozenset(STEPS[: next(i for i, row in enumerate(TABLE) if row.changes)])
"""The steps before any that changes: who says no in one of them refuses the deployment."""
_NEWER = frozenset(row.step for row in TABLE if row.newer)
_LAST: Mapping[Goal, Step] = {
    Goal.BEGUN: Step.BEGIN,
    Goal.PREPARED: Step.REHEARSE,
    Goal.VERIFIED: Step.VERIFY,
    Goal.CONFIRMED: Step.CONFIRM,
    Goal.PROMOTED: Step.PROMOTE,
}


class IllegalEvent(ValueError):
    """An event that cannot follow what the journal already says of this host."""


_MAY_FOLLOW: Mapping[State | None, frozenset[State]] = {
    None: frozenset({State.STARTED}),
    State.STARTED: frozenset({State.STARTED, State.SUCCEEDED, State.FAILED, State.UNDO_STARTED}),
    State.SUCCEEDED: frozenset({State.UNDO_STARTED}),
    State.FAILED: frozenset({State.UNDO_STARTED}),
    State.UNDO_STARTED: frozenset({State.UNDO_STARTED, State.UNDO_SUCCEEDED, State.UNDO_FAILED}),
    State.UNDO_SUCCEEDED: frozenset(),
    State.UNDO_FAILED: frozenset({State.UNDO_STARTED}),  # an operator, or recovery, tries again
}


_UNDOING = (State.UNDO_STARTED, State.UNDO_SUCCEEDED, State.UNDO_FAILED)


@dataclass(frozen=True)
class HostLog:
    """What the journal says of one host.

    :ivar states: the last state of each step.
    :ivar failed: the first step whose effect failed on the way forward; it stays when it is undone.
    """

    states: Mapping[Step, State] = field(default_factory=dict)
    failed: Step | None = None

    @classmethod
    def of(cls, events: Iterable[Event]) -> HostLog:
        """Read one host's events in their order.

        :raises IllegalEvent: when an event cannot follow the ones before it.
        """
        log = cls()
        for event in events:
            log = log.after(Step(event.step), event.state)
        return log

    def after(self, step: Step, state: State) -> HostLog:
        """The log with one more event; the log itself does not change.

        :raises IllegalEvent: when the event cannot follow; then nothing changes.
        """
        before = self.states.get(step)
        if state not in _MAY_FOLLOW[before]:
            raise IllegalEvent(f"{step} cannot be {state} after {before or 'nothing'}")
        if state is State.STARTED:
            self._check_order(step)
        failed = self.failed or (step if state is State.FAILED else None)
        return HostLog({**self.states, step: state}, failed)

    def _check_order(self, step: Step) -> None:
        for earlier in STEPS[: STEPS.index(step)]:
            if self.states.get(earlier) is not State.SUCCEEDED and not self._lacks(earlier):
                raise IllegalEvent(f"{step} cannot start before {earlier} has succeeded")

    def again(self) -> HostLog:
        """What a recovery begins with: an undo, or a promotion, that failed is tried once more."""
        states = {
            step: State.UNDO_STARTED
            if state is State.UNDO_FAILED
            else State.STARTED
            if (step, state) == (Step.PROMOTE, State.FAILED)
            else state
            for step, state in self.states.items()
        }
        return HostLog(states, None if self.failed is Step.PROMOTE else self.failed)

    def before(self, step: Step) -> HostLog:
        """The log without that step and those after it: they never had, or no longer have, any effect."""
        kept = STEPS[: STEPS.index(step)]
        failed = self.failed if self.failed in kept else None
        return HostLog({s: state for s, state in self.states.items() if s in kept}, failed)

    def upto(self, step: Step) -> HostLog:
        """The log in which that step and those before it have succeeded; what is being undone, is."""
        gone = {s: state for s, state in self.states.items() if state in _UNDOING}
        whole = dict.fromkeys(STEPS[: STEPS.index(step) + 1], State.SUCCEEDED)
        return HostLog({**self.states, **whole, **gone}, None)

    def done(self, step: Step) -> bool:
        """The step succeeded and was not taken back."""
        return step in self._done

    @cached_property
    def _done(self) -> frozenset[Step]:
        # Every log is asked again whenever something happens on any host of the fleet.
        return frozenset(step for at, step in enumerate(STEPS) if self._is_done(at, step))

    def _is_done(self, at: int, step: Step) -> bool:
        if self._lacks(step):
            return any(later in self.states for later in STEPS[at + 1 :])
        return self.states.get(step) is State.SUCCEEDED

    def _lacks(self, step: Step) -> bool:
        """Whether it may be the log of a version that did not know the step."""
        return step in _NEWER and step not in self.states

    @property
    def changed(self) -> bool:
        """Users may have noticed: a step that changes was started (and perhaps taken back)."""
        return any(row.changes and row.step in self.states for row in TABLE)

    @cached_property
    def guarded(self) -> bool:
        """A guard may be armed: the host would go back by itself."""
        return any(
            row.guarded_until is not None
            and self.states.get(row.step) not in (None, State.UNDO_SUCCEEDED)
            and not self.done(row.guarded_until)
            for row in TABLE
        )

    @property
    def stuck(self) -> bool:
        """A step that changes could not be taken back: what the host serves is not proved to be ``from``."""
        return any(row.changes and self.states.get(row.step) is State.UNDO_FAILED for row in TABLE)

    @property
    def restored(self) -> bool:
        """A step that changes was taken back, and that was proved."""
        return any(row.changes and self.states.get(row.step) is State.UNDO_SUCCEEDED for row in TABLE)


def next_action(log: HostLog, goal: Goal) -> Action | None:
    """What to do next on a host, or ``None`` when it is where it should be or cannot get there.

    Going forward stops at a failed step: the fleet decides whether to unwind. Going back takes every
    step with an undo, last first, that may have had its effect. An undo that failed is not tried again
    here (the effect itself retries, with a deadline), but the ownership is given up all the same.
    """
    if goal is Goal.UNWOUND:
        return _next_back(log, TABLE)
    if goal is Goal.LEFT:
        if log.done(Step.VERIFY) and not log.failed and not log.done(Step.CONFIRM):
            return Do(Step.CONFIRM)
        return _next_back(log, TABLE[:1])
    for step in STEPS[: STEPS.index(_LAST[goal]) + 1]:
        state = log.states.get(step)
        if log.done(step):
            continue
        if state in (None, State.STARTED):
            return Do(step)
        return None
    return None


def _next_back(log: HostLog, rows: tuple[Row, ...]) -> TakeBack | None:
    for row in reversed(rows):
        if row.undo is None or row.step not in log.states:
            continue
        if log.states[row.step] in (State.UNDO_SUCCEEDED, State.UNDO_FAILED):
            continue
        return TakeBack(row.step, row.undo)
    return None
