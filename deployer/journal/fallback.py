"""Journals for an emergency: a rollback must not wait for a database, nor fail for want of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TypeVar

from deployer.journal.location import place_of
from deployer.journal.store import Store
from deployer.model import DeploymentRecord, Event, Result
from deployer.model.barriers import Quarantined

T = TypeVar("T")

CLOSE_S = 3.0  #: how long an emergency's end waits for the journal


class NullStore:
    """Keeps events in memory only.

    :ivar kept: every event that was appended, in order.
    """

    def __init__(self) -> None:
        self.kept: list[Event] = []

    def start(self, record: DeploymentRecord) -> None:
        """Nothing is recorded."""

    def append(self, event: Event) -> None:
        """Keep the event in memory."""
        self.kept.append(event)

    def finish(self, deployment: str, result: Result, *, finished: float | None = None) -> None:
        """Nothing is recorded."""

    def make_up(self, _missed: Iterable[Event], _deployment: str, _result: Result, /) -> bool:
        """Nothing is missed where nothing is recorded."""
        return True

    def quarantine(self, _inventory: str, _entries: Iterable[Quarantined], /) -> None:
        """Nothing is recorded: the hosts know."""

    def unfinished(self, _inventory: str, /) -> tuple[DeploymentRecord, ...]:
        """Nothing is known of others."""
        return ()

    def events(self, deployment: str, /) -> tuple[Event, ...]:
        """What was kept of it."""
        return tuple(event for event in self.kept if event.deployment == deployment)

    def close(self) -> None:
        """Nothing is open."""


class BestEffortStore(NullStore):
    """Writes to the journal if it can, without waiting for it; warns once when it cannot, and goes on.

    No effect waits for its event here: the hosts keep their own log, and what a rollback did is proved by
    asking them. :meth:`finish` waits a few seconds, so that the history is whole on a good day.
    """

    def __init__(self, url: str | None, warn: Callable[[str], None], *, busy_s: float = CLOSE_S) -> None:
        """Open nothing yet: that costs time that the first look at the hosts needs more.

        :param warn: called at most once, with a sentence, from any thread.
        :raises UsageError: for a URL that names no journal.
        """
        super().__init__()
        place_of(url)
        self._url, self._busy_s = url, busy_s
        self._opened: Store | None = None
        self._warn: list[Callable[[str], None]] = [warn]
        self._last: Future[None] | None = None
        self._late = False

    @property
    def _store(self) -> Store:
        if self._opened is None:
            self._opened = Store.open_in_background(self._url, busy_s=self._busy_s)
        return self._opened

    def start(self, record: DeploymentRecord) -> None:
        """Begin to open the journal, and queue the deployment."""
        self._follow(lambda: self._store.submit_start(record))

    def append(self, event: Event) -> None:
        """Keep the event and queue it."""
        super().append(event)
        self._follow(lambda: self._store.submit(event))

    def finish(self, deployment: str, result: Result, *, finished: float | None = None) -> None:
        """Queue the result and wait, at most :data:`CLOSE_S`, until all is written."""
        self._follow(lambda: self._store.submit_finish(deployment, result, finished=finished))
        if self._last is not None:
            try:
                self._last.exception(CLOSE_S)
            except TimeoutError:
                self._late = True
                self._say(f"it has not answered for {CLOSE_S:.0f} s")

    def quarantine(self, inventory: str, entries: Iterable[Quarantined], /) -> None:
        """Queue what is not to be deployed again."""
        for entry in entries:
            self._follow(partial(self._quarantine, inventory, entry))

    def unfinished(self, inventory: str, /) -> tuple[DeploymentRecord, ...]:
        """As a journal, if it has answered so far; otherwise nothing is known."""
        return self._asked(lambda: self._store.unfinished(inventory))

    def events(self, deployment: str, /) -> tuple[Event, ...]:
        """As a journal, likewise."""
        return self._asked(lambda: self._store.events(deployment))

    def _quarantine(self, inventory: str, entry: Quarantined) -> Future[None]:
        return self._store.submit_quarantine(inventory, (entry,))[0]

    def _asked(self, ask: Callable[[], tuple[T, ...]]) -> tuple[T, ...]:
        if self._late or not self._warn or self._last is None or not self._last.done():
            return ()
        try:
            return ask()
        except Exception as error:  # the hosts are helped by now, and history alone is at stake
            self._say(str(error))
            return ()

    def close(self) -> None:
        """Let go of the journal."""
        if self._opened is not None:
            self._opened.close(0.0 if self._late else CLOSE_S)

    def _follow(self, submit: Callable[[], Future[None]]) -> None:
        try:
            self._last = submit()
        except Exception as error:  # whatever it is, the hosts come first
            self._say(str(error))
        else:
            self._last.add_done_callback(self._judge)

    def _judge(self, done: Future[None]) -> None:
        error = done.exception()
        if error is not None:
            self._say(str(error))

    def _say(self, reason: str) -> None:
        with suppress(IndexError):  # pop is atomic: one thread gets it
            self._warn.pop()(f"this is not journalled, and goes on all the same: {reason}")
