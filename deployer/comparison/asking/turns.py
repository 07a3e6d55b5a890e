"""Which question is put next, when several are put at a time over connections that are kept.

Questions that can share a connection go the same *way*. Whoever asks stays with a way for as long as it has
questions: a new connection costs more than a few questions on an old one.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence

from deployer.comparison.asked import Question
from deployer.comparison.pace import Limits

JOINED = 6
"""So many questions of one way for everybody who asks them are worth another connection."""

_GLANCE_S = 0.1  #: how soon a stop is noticed


class Turns:
    """Gives out questions to those who ask them, never faster than the limits allow."""

    def __init__(
        self,
        plan: Sequence[tuple[float, Question]],
        way_of: Callable[[Question], Hashable],
        limits: Limits,
        *,
        within_s: float,
        stop: threading.Event,
    ) -> None:
        """Begin to count.

        :param plan: the earliest time of each question (:func:`deployer.comparison.pace.schedule`).
        :param within_s: nothing is given out later.
        """
        self._limits, self._stop = limits, stop
        self._began = time.monotonic()
        self._end = self._began + within_s
        self._news = threading.Condition()
        self._left: dict[Hashable, deque[tuple[float, Question]]] = {}
        for at_s, question in plan:
            self._left.setdefault(way_of(question), deque()).append((self._began + at_s, question))
        self._there: Counter[Hashable] = Counter()
        self._free: dict[str, float] = {}
        self._inside: Counter[str] = Counter()

    def next(self, mine: Hashable | None) -> tuple[Hashable, Question] | None:
        """The next question, waited for where that is needed; ``None``: there is none any more.

        :param mine: the way the last one went, to which there is a connection.
        """
        with self._news:
            while (
                not self._stop.is_set() and (now := time.monotonic()) < self._end and any(self._left.values())
            ):
                way = mine if self._is_ready(mine, now) else self._chosen(now)
                if way is not None:
                    self._there[mine] -= 1
                    self._there[way] += 1
                    _, question = self._left[way].popleft()
                    self._count(question, now)
                    return way, question
                self._news.wait(self._pause_s(now))
            self._there[mine] -= 1
            return None

    def done(self, question: Question) -> None:
        """It was answered."""
        with self._news:
            crowds = [zone for zone, pause_s, _ in self._limits.get(question, ()) if not pause_s]
            self._inside.subtract(crowds)
            if crowds or not any(self._left.values()):
                self._news.notify_all()

    def _is_ready(self, way: Hashable, now: float) -> bool:
        left = self._left.get(way)
        if not left:
            return False
        at, question = left[0]
        return self._wait_s(at, question, now) <= 0

    def _chosen(self, now: float) -> Hashable | None:
        """Another way: one that nobody asks, or the longest."""
        ready = [way for way in self._left if self._is_ready(way, now)]
        alone = [way for way in ready if self._there[way] <= 0]
        shared = [way for way in ready if len(self._left[way]) >= JOINED * self._there[way]]
        return max(alone or shared, key=lambda way: len(self._left[way]), default=None)

    def _wait_s(self, at: float, question: Question, now: float) -> float:
        """Until it may go out."""
        for zone, pause_s, most in self._limits.get(question, ()):
            if pause_s:
                at = max(at, self._free.get(zone, 0.0) - (most - 1) * pause_s)
            elif self._inside[zone] >= most:
                return _GLANCE_S
        return at - now

    def _count(self, question: Question, now: float) -> None:
        for zone, pause_s, _ in self._limits.get(question, ()):
            if pause_s:
                self._free[zone] = max(self._free.get(zone, 0.0), now) + pause_s
            else:
                self._inside[zone] += 1

    def _pause_s(self, now: float) -> float:
        waits = [self._wait_s(*left[0], now) for left in self._left.values() if left]
        return min([_GLANCE_S, self._end - now, *(w for w in waits if w > 0)])
