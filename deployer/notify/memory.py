"""What recipients were told, asked of the store and never waited for long: better told twice than never."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from deployer.errors import DeployerError, StoreUnavailable
from deployer.journal import told
from deployer.journal.told import Claim, Key, Open
from deployer.notify.notices import Notice, same_problem

if TYPE_CHECKING:
    from deployer.journal.database import Session
    from deployer.journal.store import Store
    from deployer.model import Event

WAIT_S = 3.0  #: how long the store is waited for, each time
SULK_S = 30.0  #: how long a store that did not answer is left alone

T = TypeVar("T")


class Memory:
    """The store's table of who was told what; opened when it is first asked. Safe from many threads."""

    def __init__(self, state: str | None, scope: str) -> None:
        """Open nothing yet.

        :param state: URL of the journal.
        :param scope: of which problems are one another's: an inventory of one project.
        """
        self._state, self._scope = state, scope
        self._lock = threading.Lock()
        self._store: Store | None = None
        self._silent_until = 0.0

    def claim(self, notice: Notice, recipient: str) -> Claim | None:
        """Make a problem ours to tell; ``None``: it was told already.

        A store that cannot be asked knows of nothing: then it is told.
        """
        key = self._key(str(notice.topic), recipient)

        def ask(session: Session) -> Claim | None:
            same = same_problem(notice)
            return told.claim(session, key, notice.fingerprint, notice.about, notice.time, same=same)

        try:
            return self._asked(ask)
        except DeployerError:
            return Claim("")

    def settle(self, notice: Notice, recipient: str, claimed: Claim, *, taken: bool) -> None:
        """Record that a problem was told, or let whoever comes next tell it."""
        if not claimed.token:
            return
        key = self._key(str(notice.topic), recipient)

        def record(session: Session) -> None:
            if taken:
                told.done(session, key, claimed.token)
            else:
                told.give_back(session, key, claimed)

        with suppress(DeployerError):
            self._asked(record)

    def open(self, recipient: str) -> tuple[Open, ...]:
        """Problems that a recipient was told of and that are not over, as far as is known."""
        try:
            return self._asked(lambda session: told.still_open(session, self._scope, recipient))
        except DeployerError:
            return ()

    def ended(self, ends: Collection[str], recipient: str) -> list[Open]:
        """Problems that a recipient was told of and whose end this is; each is now ours to tell."""
        found = [problem for problem in self.open(recipient) if problem.topic in ends]
        return [problem for problem in found if self._forget(problem, recipient)]

    def remember(self, problem: Open, recipient: str) -> None:
        """Put back a problem whose end could not be told."""
        key = self._key(problem.topic, recipient)
        with suppress(DeployerError):
            self._asked(lambda session: told.remember(session, key, problem))

    def journal(self, event: Event) -> None:
        """Append an event to the history, if that can be done."""
        with suppress(DeployerError):
            store = self._opened()
            store.wait(store.submit(event), WAIT_S)

    def close(self) -> None:
        """Let go of the store."""
        with self._lock:
            if self._store is not None:
                self._store.close(0.0 if time.monotonic() < self._silent_until else WAIT_S)
                self._store = None

    def _forget(self, problem: Open, recipient: str) -> bool:
        key = self._key(problem.topic, recipient)
        try:
            return self._asked(lambda session: told.forget(session, key, problem.claim))
        except DeployerError:
            return False

    def _key(self, topic: str, recipient: str) -> Key:
        return Key(self._scope, topic, recipient)

    def _asked(self, work: Callable[[Session], T]) -> T:
        store = self._opened()
        try:
            return store.wait(store.call(work), WAIT_S)
        except StoreUnavailable:
            self._silent_until = time.monotonic() + SULK_S
            raise

    def _opened(self) -> Store:
        from deployer.journal.store import Store

        if time.monotonic() < self._silent_until:
            raise StoreUnavailable("the journal did not answer just now")
        with self._lock:
            if self._store is None:
                self._store = Store.open_in_background(self._state)
            return self._store
