"""The store: deployments and their events, durable before anything is done, readable while others write."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from difflib import get_close_matches
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from deployer.errors import StoreUnavailable, UsageError
from deployer.journal import kept_out, statements
from deployer.journal.database import open_readable, open_writable
from deployer.journal.location import place_of
from deployer.journal.writer import CLOSE_DEADLINE_S, Writer
from deployer.model import DeploymentRecord, Event, Result

if TYPE_CHECKING:
    from types import TracebackType

    from deployer.journal.database import Database, Parameters, Row, Session
    from deployer.journal.fallback import BestEffortStore
    from deployer.model.barriers import Quarantined

BUSY_S = 10.0  #: how long another program's lock is waited for
ANSWER_S = 15.0  #: how long any call waits for the disk, or the server
LATE_S = 5.0  #: how long a journal that was lost is tried at the end
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

    def make_up(self, missed: Iterable[Event], deployment: str, result: Result, /) -> bool:
        """Record what could not be recorded in time, if that can be done now; whether it was done."""

    def quarantine(self, inventory: str, entries: Iterable[Quarantined]) -> None:
        """Record what is not to be deployed there again until it is released; saying it twice is harmless."""

    def unfinished(self, inventory: str) -> tuple[DeploymentRecord, ...]:
        """Deployments of an inventory that run, or whose controller was lost, newest first."""

    def events(self, deployment: str) -> tuple[Event, ...]:
        """All events of a deployment, in the order they were appended."""

    def close(self) -> None:
        """Write what is left."""


class Store:
    """A journal in a database. Every method raises :class:`StoreUnavailable` when it cannot be had.

    :ivar shown: how messages name it.
    """

    def __init__(self, shown: str, database: Future[Database], writer: Writer | None) -> None:
        self.shown = shown
        self._database, self._writer = database, writer
        self._silent = False  #: it did not answer in time: it is not waited for again

    @classmethod
    def open(cls, url: str | None = None, *, read_only: bool = False, busy_s: float = BUSY_S) -> Store:
        """Open the journal that ``--state`` names; ``None`` is the default place.

        :param read_only: for ``history`` and ``show``: nothing is created, others may be writing.
        :param busy_s: how long another program's lock is waited for, in seconds.
        :raises UsageError: for a URL that names no journal, without its driver, and for a newer schema.
        :raises StoreUnavailable: not writable, damaged, full, not there, locked for too long.
        """
        if read_only:
            place = place_of(url)
            place.need_driver()
            store = cls(place.shown, _aside(lambda: open_readable(place, busy_s=busy_s)), None)
        else:
            store = cls.open_in_background(url, busy_s=busy_s)
        try:
            store._opened()
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def open_in_background(cls, url: str | None = None, *, busy_s: float = BUSY_S) -> Store:
        """As :meth:`open`, but at once: the first call that needs the database waits for it, or raises.

        :raises UsageError: for a URL that names no journal, or one without its driver.
        """
        place = place_of(url)
        place.need_driver()
        writer = Writer(lambda: open_writable(place, busy_s=busy_s))
        return cls(place.shown, writer.database, writer)

    @staticmethod
    def best_effort(url: str | None, warn: Callable[[str], None]) -> BestEffortStore:
        """A journal that is written if it can be, and never waited for; see :class:`BestEffortStore`."""
        from deployer.journal.fallback import BestEffortStore

        return BestEffortStore(url, warn)

    def start(self, record: DeploymentRecord) -> None:
        """Record a deployment before its first event; durable when this returns."""
        self.wait(self.submit_start(record))

    def append(self, event: Event) -> None:
        """Record an event of a started deployment; durable when this returns. Safe from many threads."""
        self.wait(self.submit(event))

    def finish(self, deployment: str, result: Result, *, finished: float | None = None) -> None:
        """Record how the deployment ended; durable when this returns."""
        self.wait(self.submit_finish(deployment, result, finished=finished))

    def make_up(self, missed: Iterable[Event], deployment: str, result: Result, /) -> bool:
        """Write what was missed when the journal was lost; ``False``: it is not back within a few seconds.

        An event that was written after all is not written twice.
        """
        if self._silent:
            return False
        with suppress(StoreUnavailable):
            waiting = [*map(self.submit, missed), self.submit_finish(deployment, result)]
            until = time.monotonic() + LATE_S
            for future in waiting:
                self.wait(future, max(0.0, until - time.monotonic()))
            return True
        return False

    def submit(self, event: Event) -> Future[None]:
        """As :meth:`append`, without waiting."""
        return self._writes().submit(statements.INSERT_EVENT, statements.event_row(event))

    def submit_start(self, record: DeploymentRecord) -> Future[None]:
        """As :meth:`start`, without waiting."""
        return self._writes().submit(statements.INSERT_DEPLOYMENT, statements.record_row(record))

    def submit_finish(
        self, deployment: str, result: Result, *, finished: float | None = None
    ) -> Future[None]:
        """As :meth:`finish`, without waiting."""
        at = time.time() if finished is None else finished
        return self._writes().submit(statements.FINISH, statements.result_row(deployment, result, at))

    def call(self, work: Callable[[Session], T]) -> Future[T]:
        """Queue a transaction of its own, without waiting; it may be tried twice."""
        return self._writes().call(work)

    def wait(self, future: Future[T], within_s: float = ANSWER_S) -> T:
        """What was queued, when it is done.

        :raises StoreUnavailable: also when it takes longer than ``within_s``.
        """
        try:
            answer = future.result(within_s)
            self._silent = False
            return answer
        except TimeoutError as error:
            self._silent = True
            raise StoreUnavailable(
                f"the journal {self.shown} has not answered for {within_s:.0f} s; look at the disk or the "
                "server under it, or name another with --state"
            ) from error

    def events(self, deployment: str) -> tuple[Event, ...]:
        """All events of a deployment, in the order they were appended."""
        return tuple(map(statements.event_of, self._rows(statements.EVENTS, {"deployment": deployment})))

    def deployments(
        self, inventory: str | None = None, *, limit: int = 50, unfinished: bool = False
    ) -> tuple[DeploymentRecord, ...]:
        """The newest ``limit`` deployments, newest first.

        :param inventory: only those of this inventory.
        :param unfinished: only those that run, or whose controller was lost.
        """
        conditions = ["inventory = :inventory"] if inventory is not None else []
        conditions += ["finished IS NULL"] if unfinished else []
        return self._deployments(*conditions, inventory=inventory, limit=limit)

    def quarantine(self, inventory: str, entries: Iterable[Quarantined]) -> None:
        """Record what is not to be deployed there again until it is released; durable when this returns."""
        for future in self.submit_quarantine(inventory, entries):
            self.wait(future)

    def submit_quarantine(self, inventory: str, entries: Iterable[Quarantined]) -> list[Future[None]]:
        """As :meth:`quarantine`, without waiting."""
        rows = kept_out.rows(inventory, entries)
        return [self._writes().submit(kept_out.INSERT, row) for row in rows]

    def quarantined(self, inventory: str | None = None) -> tuple[tuple[str, Quarantined], ...]:
        """What is in quarantine (of one inventory), oldest first, each with its inventory."""
        where = " AND inventory = :inventory" if inventory is not None else ""
        given = {"inventory": inventory} if inventory is not None else {}
        return tuple(map(kept_out.entry_of, self._rows(kept_out.HELD.format(where=where), given)))

    def release_quarantine(self, inventory: str, hash_: str, who: str) -> int:
        """Let a release be deployed again; how many entries that ended."""
        given = {"inventory": inventory, "hash": hash_, "released": time.time(), "released_by": who}
        return self.wait(self.call(lambda session: session.change(kept_out.RELEASE, given)))

    def promoted(self, inventory: str, source_hash: str, since: float) -> tuple[DeploymentRecord, ...]:
        """Deployments of that very source that ended well there, newest first."""
        given = {"inventory": inventory, "source_hash": source_hash, "since": since}
        return self._deployments(*kept_out.PROMOTED, limit=50, **given)

    def rolled_back(self, inventory: str, since: float) -> tuple[DeploymentRecord, ...]:
        """Rollbacks there since, newest first."""
        return self._deployments(*kept_out.ROLLED_BACK, limit=200, inventory=inventory, since=since)

    def quarantine_between(self, since: float, until: float) -> tuple[Row, ...]:
        """What came into quarantine, or was released from it, in that time, oldest first."""
        return tuple(self._rows(kept_out.BETWEEN, {"since": since, "until": until}))

    def page(
        self,
        where: Sequence[str],
        parameters: Parameters,
        *,
        before: DeploymentRecord | None = None,
        limit: int,
    ) -> tuple[DeploymentRecord, ...]:
        """Deployments of which all this is true, newest first.

        :param where: conditions of our own, in SQL; what people say is in ``parameters``.
        :param before: only those that come after it in this order: the next page.
        """
        said = {**parameters, "limit": limit}
        if before is not None:
            where = [*where, "(started < :at OR (started = :at AND id < :last))"]
            said |= {"at": before.started, "last": before.id}
        return self._deployments(*where, **said)

    def unfinished(self, inventory: str) -> tuple[DeploymentRecord, ...]:
        """Deployments of an inventory that run, or whose controller was lost, newest first."""
        return self.deployments(inventory, unfinished=True)

    def inventories(self) -> tuple[str, ...]:
        """The inventories that anything was ever done on, by name."""
        return tuple(row["inventory"] for row in self._rows(statements.INVENTORIES, {}))

    def known(self, deployment: str) -> DeploymentRecord | None:
        """One deployment by its whole id; ``None``: this journal has never heard of it."""
        return next(iter(self._deployments("id = :id", id=deployment, limit=1)), None)

    def deployment(self, name: str) -> DeploymentRecord:
        """One deployment by its id, by any beginning or end of it that fits only one, or "last".

        :raises UsageError: when none or several fit, naming near ones.
        """
        name = str(statements.text_of(name))
        if name == "last":
            found = self._deployments(limit=1)
        else:
            found = self._deployments("id = :id", id=name, limit=1) or self._deployments(
                statements.FITS, **statements.fitting(name), limit=NEAR + 1
            )
        if len(found) == 1:
            return found[0]
        raise UsageError(self._no_such(name, [record.id for record in found]))

    def rows(self, statement: str, parameters: Parameters) -> list[Row]:
        """What a query of our own finds."""
        return self._rows(statement, parameters)

    def close(self, within_s: float = CLOSE_DEADLINE_S) -> None:
        """Write what is queued and let go of the database. Harmless when said twice."""
        if self._writer is not None:
            self._writer.close(0.0 if self._silent else within_s)
        elif self._database.done() and self._database.exception() is None:
            self._database.result().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _writes(self) -> Writer:
        if self._writer is None:
            raise StoreUnavailable("this journal was opened for reading only")
        return self._writer

    def _opened(self) -> Database:
        return self.wait(self._database)

    def _deployments(self, *conditions: str, **parameters: object) -> tuple[DeploymentRecord, ...]:
        return tuple(map(statements.record_of, self._rows(statements.deployments(*conditions), parameters)))

    def _rows(self, statement: str, parameters: Parameters) -> list[Row]:
        database = self._opened()

        # A name that is no text in this machine's alphabet is kept as it can be, and so it is looked for.
        asked = {name: statements.text_of(v) if isinstance(v, str) else v for name, v in parameters.items()}

        def read() -> list[Row]:
            with database.reading() as session:
                return session.rows(statement, asked)

        return self.wait(_aside(read))

    def _no_such(self, name: str, found: list[str]) -> str:
        if found:
            more = " and more" if len(found) > NEAR else ""
            return f"several deployments fit {name!r}: {', '.join(found[:NEAR])}{more}; write more of the id"
        known = [record.id for record in self.deployments(limit=500)]
        if not known:
            return f"there is no deployment {name!r}: the journal is empty"
        near = get_close_matches(name, known, n=NEAR, cutoff=0.5) or known[:NEAR]
        return f"there is no deployment {name!r} in the journal; near it: {', '.join(near)}"


def _aside(work: Callable[[], T]) -> Future[T]:
    """Begin something in a thread of its own: whoever waits for it can stop waiting."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # raised again in who waits
            future.set_exception(error)

    threading.Thread(target=run, name="journal, reading", daemon=True).start()
    return future
