"""Drives the table (saga.py) under the fleet's rules (waves.py) with threads, and journals before it acts.

The engine knows neither SSH nor nginx: it asks what to do, writes it down, has it done by ``Effects``, writes
down how that went, and asks again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from deployer.crew import Crew
from deployer.errors import (
    AgentError,
    DeployerError,
    Fenced,
    HostError,
    Stopped,
    StoreUnavailable,
    TransportError,
)
from deployer.model import Event, State
from deployer.rollout.hiding import Hide, hidden
from deployer.rollout.saga import EARLY, Action, Do, Goal, Step, TakeBack, next_action
from deployer.rollout.waves import Cause, Fleet, Member, Phase, undecided, waiting
from deployer.shortage import lack

if TYPE_CHECKING:
    import threading

    from deployer.rollout.guards import Renewals

POLL_S = 0.25  #: how soon an interrupt is noticed while every thread is busy

Orders = Callable[[Fleet], Mapping[str, Goal]]
Effect = Callable[[str, Step], Mapping[str, Any]]


class Effects(Protocol):
    """What is really done on a host. Every effect may be repeated under the same deployment."""

    def do(self, host: str, step: Step) -> Mapping[str, Any]:
        """Have the step's effect; returns what the journal should keep. Raises ``HostError``."""

    def undo(self, host: str, step: Step) -> Mapping[str, Any]:
        """Take the step back and prove it; returns what the journal should keep. Raises ``HostError``."""


class Journal(Protocol):
    """Where events go before their effects."""

    def append(self, event: Event) -> None:
        """Durable when it returns. Raises ``StoreUnavailable``."""


def _nobody(_event: Event) -> None:
    """Listens to nothing."""


@dataclass
class Recorder:
    """Writes events to the journal and shows them to whoever listens.

    When the journal is lost on the way, the hosts are made safe first: ``lost`` says why, nothing more goes
    forward, and the deployment ends as interrupted. That nobody listens any more (a closed pipe, a lost
    terminal) changes nothing.

    :ivar begun: something was announced of a host.
    :ivar missed: what was not written since, in order; nor, perhaps, the first of them.
    :ivar bugs: what the journal or the listener raised that they should not.
    """

    deployment: str
    journal: Journal
    listener: Callable[[Event], None] = _nobody
    lost: StoreUnavailable | None = None
    begun: bool = False
    missed: list[Event] = field(default_factory=list)
    bugs: list[Exception] = field(default_factory=list)

    def note(self, step: str, state: State, *, host: str | None = None, **detail: Any) -> None:
        """Record one event."""
        event = Event(self.deployment, host, step, state, time.time(), detail)
        self.begun = self.begun or host is not None
        try:
            if self.lost is None:
                self.journal.append(event)
        except StoreUnavailable as error:
            self.lost = error
        except Exception as error:
            if (lacked := lack(error)) is None:
                self.bugs.append(error)
            self.lost = StoreUnavailable(lacked or f"unexpected {type(error).__name__} in the journal")
        if self.lost is not None:
            self.missed.append(event)
        try:
            self.listener(event)
        except OSError:
            return
        except Exception as error:
            self.listener = _nobody
            self.bugs.append(error)


@dataclass
class Run:
    """One drive through the table.

    :ivar orders: the fleet's rules: which goal each host has now.
    :ivar hide: takes secrets out of what hosts say.
    :ivar describe: names the phase for the journal, ``None`` where there is nothing to name.
    :ivar renewals: keeps the guards of an undecided wave armed meanwhile.
    :ivar wave_within_s: the deadline of each wave: by then it is decided, or everything ends.
    :ivar overdue: which wave was not decided by then.
    :ivar first_failures: the first failure of each host, as a person should read it.
    """

    effects: Effects
    recorder: Recorder
    orders: Orders
    stop: threading.Event
    parallel: int = 32
    hide: Hide = str
    describe: Callable[[Fleet], Phase] | None = None
    renewals: Renewals | None = None
    wave_within_s: float = math.inf
    overdue: Phase | None = None
    first_failures: dict[str, HostError] = field(default_factory=dict)
    undo_failures: dict[str, HostError] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    bugs: list[Exception] = field(default_factory=list)
    phases: list[tuple[Phase, float]] = field(default_factory=list)  #: each with the time it began

    def drive(self, fleet: Fleet) -> Fleet:
        """Go on until no host has anything left to do; returns the fleet as it ended."""
        with Crew(max_workers=self.parallel, thread_name_prefix="host") as pool:
            running: dict[Future[Member], str] = {}
            finished: SimpleQueue[Future[Member]] = SimpleQueue()
            while True:
                interrupted = self.stop.is_set() or self.recorder.lost is not None
                fleet = replace(fleet, interrupted=interrupted, overdue=self._is_overdue())
                self._submit(fleet, pool, running, finished)
                if self.renewals is not None:
                    self.renewals.keep(undecided(fleet), waiting(fleet))
                if not running:
                    self.bugs += self.recorder.bugs
                    return fleet
                news = {running.pop(future): future.result() for future in _all_of(finished)}
                if news:
                    fleet = replace(fleet, members={**fleet.members, **news})

    def _is_overdue(self) -> bool:
        if self.overdue is None and self.phases:
            phase, began = self.phases[-1]
            if phase.name == "wave" and time.monotonic() - began > self.wave_within_s:
                self.overdue = phase
                within_s, note = self.wave_within_s, self.recorder.note
                note("decision", State.FAILED, decision="overdue", wave=phase.wave, within=within_s)
        return self.overdue is not None

    def _submit(
        self,
        fleet: Fleet,
        pool: Crew,
        running: dict[Future[Member], str],
        finished: SimpleQueue[Future[Member]],
    ) -> None:
        todo: list[tuple[str, Action]] = []
        busy = set(running.values())
        for host, goal in self.orders(fleet).items():
            action = next_action(fleet.members[host].log, goal) if host not in busy else None
            if action is not None:
                todo.append((host, action))
        if todo:
            self._name_phase(fleet)
        # Going back comes first: a host that serves a bad release is worse than one that waits.
        todo.sort(key=lambda item: isinstance(item[1], Do))
        for host, action in todo[: self.parallel - len(running)]:
            future = pool.submit(self._act, host, fleet.members[host], action)
            running[future] = host
            future.add_done_callback(finished.put)

    def _name_phase(self, fleet: Fleet) -> None:
        if self.describe is None:
            return
        phase = self.describe(fleet)
        if self.phases and (self.phases[-1][0].name, self.phases[-1][0].wave) == (phase.name, phase.wave):
            return
        self.phases.append((phase, time.monotonic()))
        self.recorder.note(
            "decision", State.STARTED, decision=phase.name, wave=phase.wave, scope=list(phase.hosts)
        )

    def _act(self, host: str, member: Member, action: Action) -> Member:
        started = time.monotonic()
        try:
            return (
                self._do(host, member, action) if isinstance(action, Do) else self._undo(host, member, action)
            )
        finally:
            self.seconds[host] = self.seconds.get(host, 0.0) + time.monotonic() - started

    def _do(self, host: str, member: Member, action: Do) -> Member:
        log = member.log.after(action.step, State.STARTED)
        self.recorder.note(action.step, State.STARTED, host=host)
        if self.recorder.lost is not None:  # nothing is done that is not journalled first
            return Member(log.after(action.step, State.FAILED), Cause.STOPPED)
        began = time.monotonic()
        try:
            kept = self._guarded(self.effects.do, host, action.step)
        except HostError as error:
            self.first_failures.setdefault(host, error)
            cause = _cause(error, action.step)
            self.recorder.note(
                action.step, State.FAILED, host=host, cause=cause.value, **_story(error, began)
            )
            return Member(log.after(action.step, State.FAILED), cause)
        seconds = round(time.monotonic() - began, 3)
        self.recorder.note(action.step, State.SUCCEEDED, host=host, **{"seconds": seconds, **kept})
        return replace(member, log=log.after(action.step, State.SUCCEEDED))

    def _guarded(self, effect: Effect, host: str, step: Step) -> Mapping[str, Any]:
        # A bug must not leave the other hosts half-way: it counts as this host's failure, the fleet is
        # unwound by the rules, and the bug is raised when everybody is safe.
        try:
            kept = effect(host, step)
        except HostError as error:
            raise hidden(error, self.hide) from error.__cause__
        except Exception as error:
            if (lacked := lack(error)) is None:
                self.bugs.append(error)
            said = lacked or f"unexpected {type(error).__name__} in deployer itself"
            raise HostError(said, host=host) from error
        if "warnings" not in kept:
            return kept
        return {**kept, "warnings": list(map(self.hide, kept["warnings"]))}

    def _undo(self, host: str, member: Member, action: TakeBack) -> Member:
        log = member.log.after(action.step, State.UNDO_STARTED)
        self.recorder.note(action.step, State.UNDO_STARTED, host=host, undo=action.undo.value)
        began = time.monotonic()
        try:
            kept = self._guarded(self.effects.undo, host, action.step)
        except Fenced as error:
            self.first_failures.setdefault(host, error)
            self.recorder.note(action.step, State.UNDO_FAILED, host=host, **_story(error, began))
            return Member(log.after(action.step, State.UNDO_FAILED), Cause.FENCED)
        except HostError as error:
            self.undo_failures.setdefault(host, error)  # that it could not be given up either is less
            self.recorder.note(action.step, State.UNDO_FAILED, host=host, **_story(error, began))
            return replace(member, log=log.after(action.step, State.UNDO_FAILED))
        detail = {"undo": action.undo.value, "seconds": round(time.monotonic() - began, 3), **kept}
        self.recorder.note(action.step, State.UNDO_SUCCEEDED, host=host, **detail)
        return replace(member, log=log.after(action.step, State.UNDO_SUCCEEDED))


def _all_of(finished: SimpleQueue[Future[Member]]) -> Iterator[Future[Member]]:
    """What has finished, once something has; nothing when that takes longer than :data:`POLL_S`."""
    try:
        yield finished.get(timeout=POLL_S)
        while True:
            yield finished.get_nowait()
    except Empty:
        return


def _cause(error: HostError, step: Step) -> Cause:
    if isinstance(error, Fenced):
        return Cause.FENCED
    if isinstance(error, Stopped):
        return Cause.STOPPED
    if isinstance(error, TransportError):
        return Cause.UNREACHABLE
    return Cause.REFUSED if step in EARLY else Cause.FAILED


def _story(error: DeployerError, began: float) -> dict[str, Any]:
    story: dict[str, Any] = {"error": str(error), "seconds": round(time.monotonic() - began, 3)}
    if isinstance(error, AgentError):
        story["code"] = error.code
        if error.net:
            story["net"] = error.net
    if failing := getattr(error, "failing", ()):
        story["failing"] = list(failing)
    if details := getattr(error, "details", ()):
        story["details"] = list(details)
    if back := getattr(error, "back", None):
        story["back"] = dict(back)
    if kept := getattr(error, "kept", None):
        story["promised"] = dict(kept)
    return story
