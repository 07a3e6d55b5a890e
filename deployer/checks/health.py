"""Checks until they pass several times in a row, or for as long as a release bakes.

A *round* asks every check once. Rounds begin at a fixed cadence and may overlap: with 100 ms to a host three
rounds in a row cost one round trip more than one, not three times as much. "In a row" is by their beginning.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from deployer.checks.probe import run_check
from deployer.checks.reach import Transport, reopen
from deployer.checks.verdict import CheckReport, Finding, Record, Verdict, merge
from deployer.crew import Crew

if TYPE_CHECKING:
    from deployer.config.playbook import Check

    Ask = Callable[[Check, float], Verdict]

PRECHECK_S = 10.0
"""What is live already needs no time to start: a precheck is not given more than this."""

PATIENCE_S = 2.0
"""A check that passed before the change and answers wrongly in every round for so long is given up: the new
release is proved to be served, so this is its answer, and users wait (docs/decisions/0005)."""

_ENOUGH_ROUNDS = 5
_GRACE_S = 3.5  # a probe that met the deadline may still be asking whether the SSH connection lives
_WORKERS = 12
_TICK_S = 0.01  # an interval of nothing must not become a busy loop
_NAP_S = 0.2  # how soon a stop is noticed
_LATE_S = 1.0  # a round that is unanswered for so long is not counted on any more: others are begun meanwhile


class Pace(Protocol):
    """How often and how long: ``config.playbook.Health`` is one."""

    @property
    def deadline_s(self) -> float: ...
    @property
    def interval_s(self) -> float: ...
    @property
    def consecutive(self) -> int: ...


class Bake(Pace, Protocol):
    """A pace with the time a release has to prove itself."""

    @property
    def bake_s(self) -> float: ...


@dataclass(frozen=True)
class Once:
    """The pace of a precheck: one pass is enough, a blip is forgiven."""

    deadline_s: float
    interval_s: float
    consecutive: int = 1


@dataclass(frozen=True)
class Precheck:
    """What the checks say of what is live before a deployment.

    :ivar gating: passed at the last promotion, so they must pass now.
    :ivar report: of all checks; ``as_before`` compares with it after a rollback.
    """

    gating: CheckReport
    report: CheckReport


def split_checks(
    checks: Sequence[Check], remembered: Sequence[str]
) -> tuple[tuple[Check, ...], tuple[Check, ...]]:
    """(gating, fresh): those the host has seen pass as they are written now, and the new and edited ones."""
    known = frozenset(remembered)
    return (
        tuple(c for c in checks if c.digest in known),
        tuple(c for c in checks if c.digest not in known),
    )


def precheck(
    checks: Sequence[Check],
    remembered: Sequence[str],
    transport: Transport,
    health: Pace,
    *,
    address: str = "",
    stop: threading.Event | None = None,
) -> Precheck:
    """Ask what is live: the gating checks until they pass (for a few seconds), the fresh ones once."""
    gating, fresh = split_checks(checks, remembered)
    limit_s = min(health.deadline_s, PRECHECK_S)
    pace = Once(limit_s, health.interval_s)
    told = until_healthy(gating, transport, pace, address=address, stop=stop)
    return Precheck(told, merge((told, ask_once(fresh, transport, limit_s, address=address))))


def until_healthy(
    checks: Sequence[Check],
    transport: Transport,
    health: Pace,
    *,
    address: str = "",
    stop: threading.Event | None = None,
    passed_before: Collection[str] = (),
) -> CheckReport:
    """Rounds until ``consecutive`` of them passed in a row, or until ``deadline_s`` has passed.

    Never raises for what a service or a network does. A broken probe is tried again like a failed one.

    :param passed_before: digests of checks that are given up after :data:`PATIENCE_S` of wrong answers only.
    """
    from tenacity import Retrying, retry_if_result, stop_after_delay, stop_when_event_set

    stop = stop or threading.Event()
    started = time.monotonic()
    if not checks:
        return CheckReport(healthy=True, records=(), rounds=0, seconds=0.0)
    deadline, interval_s = started + health.deadline_s, max(health.interval_s, _TICK_S)

    def step() -> bool:
        reopen(transport)
        return rounds.step()

    rounds = _Rounds(
        checks, lambda c, d: run_check(c, transport, address=address, deadline=d), health, deadline
    )
    over = stop_after_delay(health.deadline_s) | stop_when_event_set(stop)
    try:
        healthy = Retrying(
            stop=lambda state: over(state) or _given_up(rounds, started, passed_before),
            wait=lambda state: max(0.0, started + state.attempt_number * interval_s - time.monotonic()),
            sleep=lambda seconds: rounds.rest(seconds, stop),
            retry=retry_if_result(lambda healthy: not healthy),
            retry_error_callback=lambda _: False,
        )(step)
        if not healthy and not stop.is_set():
            rounds.drain()
        stopped = stop.is_set() and not healthy
        return CheckReport(healthy, rounds.records(), rounds.begun, time.monotonic() - started, stopped)
    finally:
        rounds.close()


def _given_up(rounds: _Rounds, started: float, passed_before: Collection[str]) -> bool:
    return time.monotonic() - started >= PATIENCE_S and rounds.hopeless(passed_before)


def bake(
    checks: Sequence[Check],
    transport: Transport,
    health: Bake,
    *,
    address: str = "",
    stop: threading.Event | None = None,
) -> CheckReport:
    """Keep asking for ``bake_s``. One bad answer is asked again at once; failed twice running ends it.

    A probe that breaks is tried in every round: only when it is still broken at the end, so is the bake.
    """
    stop = stop or threading.Event()
    started = time.monotonic()
    end, due, interval_s = started + health.bake_s, started, max(health.interval_s, _TICK_S)
    seen: list[list[Verdict]] = [[] for _ in checks]
    number, healthy = 0, True
    with Crew(min(_WORKERS, len(checks)) or 1, thread_name_prefix="bake") as pool:
        while checks and healthy and not stop.is_set() and time.monotonic() < end:
            number += 1
            due = max(due + interval_s, time.monotonic())  # a slow round delays the next, it owes no burst
            if stop.wait(max(0.0, min(due, end) - time.monotonic())):
                break
            reopen(transport)
            for mine, asked in zip(
                seen, pool.map(lambda c: _twice(c, transport, address), checks), strict=True
            ):
                mine.extend(asked)
                healthy = healthy and not all(v.finding is Finding.FAILED for v in asked)
    records = tuple(Record.of(c.name, c.digest, v) for c, v in zip(checks, seen, strict=True))
    settled = all(r.ok for r in records if r.last is not None)
    return CheckReport(healthy and settled, records, number, time.monotonic() - started, stop.is_set())


def _twice(check: Check, transport: Transport, address: str) -> list[Verdict]:
    first = run_check(check, transport, address=address)
    return (
        [first] if first.finding is Finding.PASSED else [first, run_check(check, transport, address=address)]
    )


def ask_once(
    checks: Sequence[Check], transport: Transport, limit_s: float, *, address: str = ""
) -> CheckReport:
    """One round, within that many seconds. Never raises for what a service or a network does."""
    started = time.monotonic()
    deadline = started + limit_s
    with Crew(min(_WORKERS, len(checks)) or 1, thread_name_prefix="check") as pool:
        verdicts = pool.map(lambda c: run_check(c, transport, address=address, deadline=deadline), checks)
        records = tuple(Record.of(c.name, c.digest, [v]) for c, v in zip(checks, verdicts, strict=True))
    return CheckReport(all(r.ok for r in records), records, 1 if checks else 0, time.monotonic() - started)


class _Rounds:
    """Rounds in flight and done. The main thread begins them; those of the pool note the verdicts."""

    def __init__(self, checks: Sequence[Check], ask: Ask, health: Pace, deadline: float) -> None:
        self._checks, self._ask, self._deadline = checks, ask, deadline
        self._in_a_row = health.consecutive
        self._in_flight = max(2, health.consecutive)
        self._rounds: list[list[Future[Verdict]]] = []
        self._begun_at: list[float] = []
        self._lock = threading.Lock()
        self._passed = threading.Event()
        workers = min(_WORKERS, len(checks) * self._in_flight)
        self._pool = Crew(workers, thread_name_prefix="check")

    def step(self) -> bool:
        """Begin one more round, unless enough have passed, too many are unanswered, or time is up."""
        with self._lock:
            unanswered = sum(not _answered(r) for r in self._rounds[-self._in_flight :])
            now = time.monotonic()
            if (
                not self._passed.is_set()
                and unanswered < self._in_flight
                and not self._may_suffice(now)
                and now < self._deadline
            ):
                self._begun_at.append(now)
                self._rounds.append([self._pool.submit(self._ask, c, self._deadline) for c in self._checks])
                begun = self._rounds[-1]
            else:
                begun = []
        for future in begun:
            future.add_done_callback(self._note)
        return self._passed.is_set()

    def _may_suffice(self, now: float) -> bool:
        """The latest rounds have passed or may still pass, and are enough: one more would be for nothing."""
        row = self._rounds[-self._in_a_row :]
        if len(row) < self._in_a_row:
            return False
        late = now - _LATE_S
        return all(
            all(map(_passed, round_)) if _answered(round_) else begun > late
            for round_, begun in zip(row, self._begun_at[-self._in_a_row :], strict=True)
        )

    def rest(self, seconds: float, stop: threading.Event) -> None:
        """Wait for the next beginning; shorter when enough have passed, when stopped and at the deadline."""
        until = min(time.monotonic() + seconds, self._deadline)
        while (left := until - time.monotonic()) > 0 and not stop.is_set():
            if self._passed.wait(min(left, _NAP_S)):
                return

    def _note(self, _: Future[Verdict]) -> None:
        """The latest answered round and those before it must be answered without a gap, and all passed."""
        with self._lock:
            latest = next((n for n in reversed(range(self.begun)) if _answered(self._rounds[n])), -1)
            row = self._rounds[max(0, latest + 1 - self._in_a_row) : latest + 1]
            if len(row) == self._in_a_row and all(_answered(r) and all(map(_passed, r)) for r in row):
                self._passed.set()

    @property
    def begun(self) -> int:
        """How many rounds have begun."""
        return len(self._rounds)

    def records(self) -> tuple[Record, ...]:
        """Each check over the rounds, with what was answered so far."""
        return tuple(
            Record.of(check.name, check.digest, [r[i].result() for r in self._rounds if r[i].done()])
            for i, check in enumerate(self._checks)
        )

    def hopeless(self, digests: Collection[str]) -> bool:
        """One of these checks was answered wrongly in every round so far; being late is not being wrong."""
        for at, check in enumerate(self._checks):
            verdicts = [r[at].result() for r in self._rounds if r[at].done()]
            wrong = [v for v in verdicts if v.finding is Finding.FAILED and v.seconds < check.expect.within_s]
            if check.digest in digests and len(wrong) == len(verdicts) >= _ENOUGH_ROUNDS:
                return True
        return False

    def drain(self) -> None:
        """Wait for the probes that met the deadline."""
        wait([f for r in self._rounds for f in r], timeout=_GRACE_S)

    def close(self) -> None:
        """Forget the rest; what is in flight ends by its own time limit."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _answered(round_: Sequence[Future[Verdict]]) -> bool:
    return all(f.done() for f in round_)


def _passed(future: Future[Verdict]) -> bool:
    return not future.cancelled() and future.exception() is None and future.result().finding is Finding.PASSED
