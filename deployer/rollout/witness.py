"""Holds a host to what its rehearsal promised, once it is live, and looks again when it was taken back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deployer.comparison.promise import Expected, Promise
    from deployer.comparison.reality import Kept
    from deployer.config.playbook import Health
    from deployer.rollout.survey import Contact

NAP_S = 0.1  #: how soon a signal is noticed while two things are done at once

Job = Callable[[threading.Event], None]


@dataclass
class Witness:
    """Asks one host's live nginx what was asked before it changed.

    :ivar promised: what it has to answer; ``None``: nothing was rehearsed there.
    :ivar tell: hears how that was kept.
    """

    contact: Contact
    health: Health
    promised: Callable[[], Promise | None]
    tell: Callable[[Kept], None]
    _broken: tuple[Expected, ...] = ()
    _promise: Promise | None = None

    @property
    def waits(self) -> bool:
        """Whether there is anything to ask."""
        return self.promised() is not None

    def look(self, stop: threading.Event) -> Kept | None:
        """Ask, with the new release live."""
        promise = self._promise = self.promised()
        if promise is None:
            return None
        kept = self._ask(promise, stop)
        worse = {difference.question for difference in kept.worse}
        self._broken = tuple(e for e in promise.expected if e.question in worse)
        self.tell(kept)
        return kept

    def look_back(self) -> Kept | None:
        """Ask what was worse again, with the old release back: is it as it was before?"""
        if not self._broken or self._promise is None:
            return None
        was = [replace(e, reference=e.before, rehearsed=False, back=True) for e in self._broken]
        return self._ask(replace(self._promise, expected=tuple(was)), threading.Event())

    def _ask(self, promise: Promise, stop: threading.Event) -> Kept:
        from deployer.comparison.reality import DOUBT_S, Reality

        doubt_s = min(self.health.deadline_s, DOUBT_S)
        return Reality(promise, self.contact.connection, self.health.consecutive, doubt_s, stop).run()


def beside(one: Job, other: Job, stop: threading.Event) -> None:
    """Do both at the same time. The first that raises, or a stop, ends both; that is then raised."""
    end = threading.Event()
    with ThreadPoolExecutor(2, thread_name_prefix="beside") as pool:
        left: set[Future[None]] = {pool.submit(job, end) for job in (one, other)}
        failed: BaseException | None = None
        while left:
            done, left = wait(left, timeout=NAP_S, return_when=FIRST_COMPLETED)
            for job in done:
                failed = failed or job.exception()
            if failed is not None or stop.is_set():
                end.set()
    if failed is not None:
        raise failed
