"""The store: deployments and their events, durable before anything is done, readable while others write."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from difflib import get_close_matches
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from deployer.errors import StoreUnavailable, UsageError
from deployer.journal.location import path_of
from deployer.journal.writer import Work, Writer
from deployer.model import DeploymentRecord, Event, Result

if TYPE_CHECKING:
    from types import TracebackType

    from deployer.journal.database import Database
    from deployer.journal.fallback import BestEffortStore

BUSY_S = 10.0  #: how long another program's lock is waited for
ANSWER_S = 30.0  #: how long any call waits for the disk
NEAR = 5  #: ids that a message names

T = TypeVar("T")


class Journal(Protocol):
    """What the engine writes to."""

    def start(self, record: DeploymentRecord) -> None:
        """Record a deployment before its first event."""

    def append(self, event: Event) -> None:
        """Record an event; the effect it announces may begin when this returns."""

    def finish(self, deployment: str, result: Result, *, finished: float | None = None) -> None:
        """Record how the deployment ended, at ``finished`` seconds since the epoch (now)."""

    def close(self) -> None:
        """Write what is left."""


class Store:
    """A journal in a database. Every method raises :class:`StoreUnavailable` when it cannot be had."""

    def __init__(self, database: Future[Database], writer: Writer | None) -> None:
        self._database, self._writer = database, writer

    @classmethod
    def open(cls, url: str | None = None, *, read_only: bool = False, busy_s: float = BUSY_S) -> Store:
        """Open the journal that ``--state`` names; ``None`` is the default place.

        :param read_only: for ``history`` and ``show``: nothing is created, others may be writing.
        :param busy_s: how long another program's lock is waited for, in seconds.
        :raises UsageError: for a URL that names no journal.
        :raises StoreUnavailable: not writable, damaged, full disk, newer schema, locked for too long.
        """
        if read_only:
            from deployer.journal.database import Database

            database: Future[Database] = Future()
            database.set_result(Database.open_readable(path_of(url), busy_s=busy_s))
            return cls(database, None)
        store = cls.open_in_background(url, busy_s=busy_s)
        store._opened()
        return store

    @classmethod
    def open_in_background(cls, url: str | None = None, *, busy_s: float = BUSY_S) -> Store:
        """As :meth:`open`, but at once: the first call that needs the database waits for it, or raises.

        :raises UsageError: for a URL that names no journal.
        """
        path = path_of(url)

        def open_database() -> Database:
            from deployer.journal.database import Database

            return Database.open_writable(path, busy_s=busy_s)

        writer = Writer(open_database)
        return cls(writer.database, writer)

    @staticmethod
    def best_effort(url: str | None, warn: Callable[[str], None]) -> BestEffortStore:
        """A journal that is written if it can be, and never waited for; see :class:`BestEffortStore`."""
        from deployer.journal.fallback import BestEffortStore

        return BestEffortStore(url, warn)

    def start(self, record: DeploymentRecord) -> None:
        """Record a deployment before its first event; durable when this returns."""
        _within(self.submit_start(record))

    def append(self, event: Event) -> None:
        """Record an event of a started deployment; durable when this returns. Safe from many threads."""
        _within(self.submit(event))

    def finish(self, deployment: str, result: Result, *, finished: float | None = None) -> None:
        """Record how the deployment ended; durable when this returns."""
        _within(self.submit_finish(deployment, result, finished=finished))

    def submit(self, event: Event) -> Future[None]:
        """As :meth:`append`, without waiting."""

        def prepare() -> Work:
            from deployer.journal import tables

            return tables.INSERT_EVENT, tables.event_row(event)

        return self._submit(prepare)

    def submit_start(self, record: DeploymentRecord) -> Future[None]:
        """As :meth:`start`, without waiting."""

        def prepare() -> Work:
            from deployer.journal import tables

            return tables.INSERT_DEPLOYMENT, tables.record_row(record)

        return self._submit(prepare)

    def submit_finish(
        self, deployment: str, result: Result, *, finished: float | None = None
    ) -> Future[None]:
        """As :meth:`finish`, without waiting."""
        at = time.time() if finished is None else finished

        def prepare() -> Work:
            from deployer.journal import tables

            return tables.FINISH, tables.result_row(deployment, result, at)

        return self._submit(prepare)

    def events(self, deployment: str) -> tuple[Event, ...]:
        """All events of a deployment, in the order they were appended."""
        from sqlalchemy import select

        from deployer.journal.tables import EVENT, event_of

        query = select(EVENT).where(EVENT.c.deployment == deployment).order_by(EVENT.c.seq)
        with self._opened().reading() as connection:
            return tuple(event_of(row) for row in connection.execute(query))

    def deployments(
        self, inventory: str | None = None, *, limit: int = 50, unfinished: bool = False
    ) -> tuple[DeploymentRecord, ...]:
        """The newest ``limit`` deployments, newest first.

        :param inventory: only those of this inventory.
        :param unfinished: only those that run, or whose controller was lost.
        """
        from sqlalchemy import select

        from deployer.journal.tables import DEPLOYMENT, record_of

        query = select(DEPLOYMENT).order_by(DEPLOYMENT.c.started.desc(), DEPLOYMENT.c.id.desc()).limit(limit)
        if inventory is not None:
            query = query.where(DEPLOYMENT.c.inventory == inventory)
        if unfinished:
            query = query.where(DEPLOYMENT.c.finished.is_(None))
        with self._opened().reading() as connection:
            return tuple(record_of(row) for row in connection.execute(query))

    def deployment(self, name: str) -> DeploymentRecord:
        """One deployment by its id, by any beginning or end of it that fits only one, or "last".

        :raises UsageError: when none or several fit, naming near ones.
        """
        from sqlalchemy import or_, select

        from deployer.journal.tables import DEPLOYMENT, record_of

        key = DEPLOYMENT.c.id
        fits = or_(key.startswith(name, autoescape=True), key.endswith(name, autoescape=True))
        query = select(DEPLOYMENT).order_by(DEPLOYMENT.c.started.desc(), key.desc())
        query = query.limit(1) if name == "last" else query.where(fits).limit(NEAR + 1)
        with self._opened().reading() as connection:
            found = [record_of(row) for row in connection.execute(query)]
        exact = [record for record in found if record.id == name]
        if len(exact or found) == 1:
            return (exact or found)[0]
        raise UsageError(self._no_such(name, [record.id for record in found]))

    def close(self) -> None:
        """Write what is queued and let go of the file. Harmless when said twice."""
        if self._writer is not None:
            self._writer.close()
        elif self._database.exception() is None:
            self._database.result().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _submit(self, prepare: Callable[[], Work]) -> Future[None]:
        if self._writer is None:
            raise StoreUnavailable("this journal was opened for reading only")
        return self._writer.submit(prepare)

    def _opened(self) -> Database:
        return _within(self._database)

    def _no_such(self, name: str, found: list[str]) -> str:
        if found:
            more = " and more" if len(found) > NEAR else ""
            return f"several deployments fit {name!r}: {', '.join(found[:NEAR])}{more}; write more of the id"
        known = [record.id for record in self.deployments(limit=500)]
        if not known:
            return f"there is no deployment {name!r}: the journal is empty"
        near = get_close_matches(name, known, n=NEAR, cutoff=0.5) or known[:NEAR]
        return f"there is no deployment {name!r} in the journal; near it: {', '.join(near)}"


def _within(future: Future[T]) -> T:
    try:
        return future.result(ANSWER_S)
    except TimeoutError as error:
        raise StoreUnavailable(
            f"the journal has not answered for {ANSWER_S:.0f} s; look at the disk under it, "
            "or name another with --state"
        ) from error
