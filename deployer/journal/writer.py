"""The one thread that writes: it opens the database and commits whatever waits, in groups.

Up to 32 threads append at once, and each must know its event durable before it acts. One transaction, hence
one fsync, for all that wait is an order faster than one each.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from deployer.errors import StoreUnavailable

if TYPE_CHECKING:
    from sqlalchemy import Executable

    from deployer.journal.database import Database

MAX_BATCH = 500
CLOSE_DEADLINE_S = 10.0

Work = tuple["Executable", dict[str, Any]]  #: a statement and its parameters


@dataclass
class _Job:
    prepare: Callable[[], Work]
    done: Future[None] = field(default_factory=Future)


class Writer:
    """Writes jobs in the order they come; each job's future ends when the job is durable or has failed."""

    def __init__(self, open_database: Callable[[], Database]) -> None:
        self._open = open_database
        self.database: Future[Database] = Future()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        # A daemon: a caller that returned has its event on disk, so nothing is lost when the program ends.
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def submit(self, prepare: Callable[[], Work]) -> Future[None]:
        """Queue one statement. ``prepare`` runs in the writer's thread, where SQLAlchemy is imported."""
        job = _Job(prepare)
        with self._closing:
            if self._closed:
                raise StoreUnavailable("the journal is closed already")
            self._jobs.put(job)
        return job.done

    def close(self) -> None:
        """Write what is queued, then end the thread. Harmless when said twice."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join(CLOSE_DEADLINE_S)

    def _run(self) -> None:
        try:
            self.database.set_result(self._open())
        except BaseException as error:  # raised again in every caller
            self.database.set_exception(error)
        while batch := self._next_batch():
            self._write(batch)
        if self.database.exception() is None:
            self.database.result().close()

    def _next_batch(self) -> list[_Job]:
        """All that waits, at least one; empty when the writer is to end."""
        batch: list[_Job] = []
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

    def _write(self, batch: list[_Job]) -> None:
        try:
            self._commit([job.prepare() for job in batch])
        except BaseException as error:  # raised again in every caller
            if len(batch) > 1 and _is_about_one_row(error):
                for job in batch:  # one bad row must not fail its neighbours
                    self._write([job])
            else:
                for job in batch:
                    job.done.set_exception(error)
        else:
            for job in batch:
                job.done.set_result(None)

    def _commit(self, works: list[Work]) -> None:
        with self.database.result().writing() as connection:
            for _, group in groupby(works, key=lambda work: id(work[0])):
                same = list(group)
                connection.execute(same[0][0], [parameters for _, parameters in same])


def _is_about_one_row(error: BaseException) -> bool:
    from sqlalchemy.exc import IntegrityError

    return isinstance(error.__cause__, IntegrityError) or not isinstance(error, StoreUnavailable)
