"""Who is to be looked at when: spread over the interval, and later where nobody answers. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

BACK_OFF_MOST_S = 120.0
"""A host that does not answer is tried again after one interval, two, four …, at the latest after that."""


class Timetable:
    """Times are seconds of a monotonic clock.

    :param interval_s: from one look at a host to the next.
    """

    def __init__(self, interval_s: float) -> None:
        self.interval_s = interval_s
        self._due: list[tuple[float, str]] = []
        self._at: dict[str, float] = {}  #: what holds of the entries of the heap
        self._failed: dict[str, int] = {}

    def set_hosts(self, names: Iterable[str], now: float) -> None:
        """These and no others; who is new comes within one interval, evenly spread.

        Within the first tenth of it, that is: who begins to watch wants to know soon.
        """
        names = list(names)
        gone = set(self._at) - set(names)
        for name in gone:
            del self._at[name]
            self._failed.pop(name, None)
        new = [name for name in names if name not in self._at]
        for number, name in enumerate(new):
            self._put(name, now + self.interval_s / 10 * number / len(new))

    def take(self, now: float) -> list[str]:
        """Who is due; each is out until :meth:`looked` brings it back."""
        due = []
        while self._due and self._due[0][0] <= now:
            at, name = heapq.heappop(self._due)
            if self._at.get(name) == at:
                due.append(name)
        return due

    def looked(self, name: str, *, answered: bool, began: float, now: float) -> None:
        """A look is over; the next one begins an interval after this one began, or later."""
        if name not in self._at:
            return
        if answered:
            self._failed.pop(name, None)
            pause_s = self.interval_s
        else:
            failed = self._failed.get(name, 0)
            self._failed[name] = failed + 1
            most_s = max(BACK_OFF_MOST_S, self.interval_s)
            pause_s = min(self.interval_s * 2.0 ** min(failed, 20), most_s)
        self._put(name, max(now, began + pause_s))

    @property
    def next_at(self) -> float | None:
        """When somebody is due next; ``None``: nobody is waiting."""
        while self._due and self._at.get(self._due[0][1]) != self._due[0][0]:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def _put(self, name: str, at: float) -> None:
        self._at[name] = at
        heapq.heappush(self._due, (at, name))
