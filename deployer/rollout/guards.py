"""Keeps the guards of an undecided wave armed and the other hosts ours, and knows until when a guard may be.

A thread of its own, so that neither a slow check nor a slow host keeps the others' guards from being renewed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from deployer.crew import Crew
from deployer.errors import HostError

HEARD_EVERY_S = 180.0  #: a host without a guard: its owner has lost it when it is silent for 600 s
AT_ONCE = 16  #: renewals at the same time: each is one short call over a connection that is there


class Deadlines:
    """Until when the guards may be armed, by our own clock: never earlier than it is on the host.

    :ivar within_s: ``rollout.confirm_within``.
    """

    def __init__(self, within_s: float) -> None:
        self.within_s = within_s
        self._until: dict[str, float] = {}

    def armed(self, host: str) -> None:
        """A call that arms or renews is over, whatever came of it."""
        self._until[host] = time.monotonic() + self.within_s

    def disarmed(self, host: str) -> None:
        """The host confirmed, or is back."""
        self._until.pop(host, None)

    def left_s(self, host: str) -> float | None:
        """Seconds until it goes back by itself; ``None`` when it has nothing to go back from."""
        until = self._until.get(host)
        return None if until is None else max(0.0, until - time.monotonic())


class Renewals:
    """Renews, every third of the deadline, the guards of the hosts that :meth:`keep` named last.

    :param renew: one host's renewal; raises ``HostError``.
    :param failed: told of a renewal that failed; it is tried again all the same.
    :param heard_every_s: how often a host without a guard is told that it still has an owner.
    """

    def __init__(
        self,
        renew: Callable[[str], None],
        within_s: float,
        failed: Callable[[str, HostError], None],
        *,
        heard_every_s: float = HEARD_EVERY_S,
    ) -> None:
        self._renew, self._every_s, self._failed = renew, within_s / 3, failed
        self._heard_every_s = heard_every_s
        self._due: dict[str, float] = {}
        self._every: dict[str, float] = {}
        self._busy: set[str] = set()
        self._news = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._work, name="guards", daemon=True)

    def keep(self, guarded: Iterable[str], waiting: Iterable[str] = ()) -> None:
        """These, and no others, from now on.

        :param waiting: hosts without a guard.
        """
        every = dict.fromkeys(waiting, self._heard_every_s) | dict.fromkeys(guarded, self._every_s)
        with self._news:
            if every == self._every:
                return
            now = time.monotonic()
            same = {host for host, s in every.items() if self._every.get(host) == s}
            self._due = {h: self._due[h] if h in same else now + s for h, s in every.items()}
            self._every = every
            self._news.notify()

    def _work(self) -> None:
        with Crew(max_workers=AT_ONCE, thread_name_prefix="guard") as pool:
            while True:
                with self._news:
                    if self._over:
                        return
                    now = time.monotonic()
                    ready = [h for h, due in self._due.items() if due <= now and h not in self._busy]
                    for host in ready:
                        self._due[host] = now + self._every[host]
                    self._busy.update(ready)
                    if not ready:
                        later = [due for h, due in self._due.items() if h not in self._busy]
                        self._news.wait(max(0.0, min(later) - now) if later else None)
                for host in ready:
                    pool.submit(self._one, host)

    def _one(self, host: str) -> None:
        try:
            self._renew(host)
        except HostError as error:
            self._tell(host, error)
        except Exception as error:
            self._tell(host, HostError(f"unexpected {type(error).__name__} in deployer itself", host=host))
        finally:
            with self._news:
                self._busy.discard(host)
                self._news.notify()

    def _tell(self, host: str, error: HostError) -> None:
        with self._news:
            wanted = host in self._due
        if wanted:  # one that was decided meanwhile is no news
            self._failed(host, error)

    def __enter__(self) -> Self:
        self._thread.start()  # before there is a guard: a machine that has no thread for it says so in time
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A call that is on its way has a deadline of its own; nobody waits for it here.
        with self._news:
            self._over = True
            self._news.notify()
