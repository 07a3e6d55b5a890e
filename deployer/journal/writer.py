"""The one thread that writes: it opens the database and commits whatever waits, in groups.

Up to 32 threads append at once, and each must know its event durable before it acts. One transaction, hence
one fsync, for all that wait is an order faster than one each.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from deployer.errors import StoreUnavailable

if TYPE_CHECKING:
    from deployer.journal.database import Database, Session

MAX_BATCH = 500
CLOSE_DEADLINE_S = 10.0
AGAIN_S = 5.0  #: how long a server that is gone is looked for again: a restart, a connection that was cut
PAUSE_S = 0.1

T = TypeVar("T")


@dataclass(frozen=True)
class _Job(Generic[T]):
    """Something to write.

    :ivar statement: with its row, so that many of a kind can go together; ``None`` for work of its own.
    :ivar work: what to do in the transaction, and its answer; may be done again when the server went away.
    """

    done: Future[T]
    work: Callable[[Session], T]
    statement: str | None = None
    row: Mapping[str, Any] | None = None


class Writer:
    """Writes jobs in the order they come; each job's future ends when the job is durable or has failed."""

    def __init__(self, open_database: Callable[[], Database]) -> None:
        self._open = open_database
        self.database: Future[Database] = Future()
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = threading.Event()
        self._patient = True  #: a server that is gone has not been waited for yet
        # A daemon: a caller that returned has its event on disk, so nothing is lost when the program ends.
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def submit(self, statement: str, row: Mapping[str, Any]) -> Future[None]:
        """Queue one statement, which may be carried out together with its neighbours."""

        def alone(session: Session) -> None:
            session.change(statement, row)

        return self._put(_Job(Future(), alone, statement, row))

    def call(self, work: Callable[[Session], T]) -> Future[T]:
        """Queue a transaction of its own; it may be tried twice, when the server went away meanwhile."""
        return self._put(_Job(Future(), work))

    def close(self, within_s: float = CLOSE_DEADLINE_S) -> None:
        """Write what is queued, then end the thread. Harmless when said twice."""
        with self._closing:
            if not self._closed.is_set():
                self._closed.set()
                self._jobs.put(None)
        self._thread.join(within_s)

    def _put(self, job: _Job[T]) -> Future[T]:
        with self._closing:
            if self._closed.is_set():
                raise StoreUnavailable("the journal is closed already")
            self._jobs.put(job)
        return job.done

    def _run(self) -> None:
        try:
            self.database.set_result(self._open())
        except BaseException as error:  # raised again in every caller
            self.database.set_exception(error)
        while batch := self._next_batch():
            for together, jobs in groupby(batch, key=lambda job: job.statement is not None):
                if together:
                    self._write(list(jobs))
                else:
                    for job in jobs:
                        self._write([job])
        if self.database.exception() is None:
            self.database.result().close()

    def _next_batch(self) -> list[_Job[Any]]:
        """All that waits, at least one; empty when the writer is to end."""
        batch: list[_Job[Any]] = []
        while len(batch) < MAX_BATCH:
            try:
                job = self._jobs.get(block=not batch)
            except queue.Empty:
                break
            if job is None:
                if batch:
                    self._jobs.put(None)  # nothing comes after it, so it is the next to be read
                break
            batch.append(job)
        return batch

    def _write(self, batch: list[_Job[Any]]) -> None:
        try:
            answers = self._lasting(batch)
        except BaseException as error:  # raised again in every caller
            if len(batch) > 1 and _is_about_one_row(error):
                for job in batch:  # one bad row must not fail its neighbours
                    self._write([job])
            else:
                for job in batch:
                    job.done.set_exception(error)
        else:
            for job, answer in zip(batch, answers, strict=True):
                job.done.set_result(answer)

    def _lasting(self, batch: list[_Job[Any]]) -> list[Any]:
        """Carry a batch out, and again when the connection broke: the server may have been restarted."""
        from deployer.journal.database import ServerGone

        database = self.database.result()
        until = time.monotonic() + AGAIN_S
        while True:
            try:
                with database.writing() as session:
                    answers = _carry_out(batch, session)
            except ServerGone:
                if not self._patient or time.monotonic() > until or self._closed.wait(PAUSE_S):
                    self._patient = False
                    raise
            else:
                self._patient = True
                return answers


def _carry_out(batch: list[_Job[Any]], session: Session) -> list[Any]:
    if len(batch) == 1:
        return [batch[0].work(session)]
    for statement, jobs in groupby(batch, key=lambda job: job.statement):
        session.change_many(str(statement), [job.row or {} for job in jobs])
    return [None] * len(batch)


def _is_about_one_row(error: BaseException) -> bool:
    from deployer.journal.database import BadRow

    return isinstance(error, BadRow) or not isinstance(error, StoreUnavailable)
