"""The engine driven with real threads, on hosts and a journal in memory that fail when they are told to."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deployer.errors import ConfigRefused, Fate, HostError, NotProved, StoreUnavailable, TransportError
from deployer.model import Amount, Event, Outcome
from deployer.rollout import waves
from deployer.rollout.engine import Recorder, Run
from deployer.rollout.saga import STEPS, TABLE, Step
from deployer.rollout.waves import Fleet, Member, Policy, host_outcome, verdict

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
    wave_within_s: float = math.inf,
) -> Driven:
    """Drive it in a thread, so that a run which never ends fails the test instead of holding it up."""
    heard: list[Event] = []
    run = Run(
        effects=memory,
        recorder=Recorder("d1", memory, listener or heard.append),
        orders=orders,
        stop=stop or threading.Event(),
        parallel=parallel,
        wave_within_s=wave_within_s,
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
