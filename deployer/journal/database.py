"""One SQLite file behind SQLAlchemy: durable, shared by several programs, every failure one sentence.

Imports SQLAlchemy: import this only where a database is about to be used.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool, StaticPool

from deployer.errors import StoreUnavailable
from deployer.journal import migrations
from deployer.journal.location import make_private

ADVICE = {
    sqlite3.SQLITE_FULL: "there is no space left; make room",
    sqlite3.SQLITE_CORRUPT: "it is damaged; move it away and a new one is begun",
    sqlite3.SQLITE_NOTADB: "it is not a journal; move it away or name another with --state",
    sqlite3.SQLITE_READONLY: "it may not be written; mend its permissions or name another with --state",
    sqlite3.SQLITE_PERM: "it may not be written; mend its permissions or name another with --state",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; look at its directory's permissions and space",
    sqlite3.SQLITE_BUSY: "another program has held it locked for too long; try again",
    sqlite3.SQLITE_LOCKED: "another program has held it locked for too long; try again",
    sqlite3.SQLITE_IOERR: "its disk does not answer as it should; look at the disk",
}


class Database:
    """An opened journal file.

    :ivar path: the file, as messages name it.
    """

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine, self.path = engine, path
        event.listen(engine, "begin", _begin)

    @classmethod
    def open_writable(cls, path: Path, *, busy_s: float) -> Database:
        """Create or open the file and bring its schema up to date.

        :param busy_s: how long another program's lock is waited for.
        :raises StoreUnavailable: see :data:`ADVICE`, and for a newer schema.
        """
        make_private(path)
        database = cls(_engine(path, "rw", busy_s), path)
        deadline_s = time.monotonic() + busy_s
        while True:
            try:
                # Two programs that make one new file meet at the switch to WAL, where SQLite does not wait.
                database._migrate()
                return database
            except StoreUnavailable as error:
                if not _is_busy(error) or time.monotonic() > deadline_s:
                    database.close()
                    raise
                time.sleep(0.01)

    @classmethod
    def open_readable(cls, path: Path, *, busy_s: float) -> Database:
        """Open for reading while others write; a file that is not there yet reads as an empty journal."""
        if not path.exists():
            return cls._empty(path)
        # Beside a WAL journal SQLite wants to write; where nobody can, the file stands alone.
        alone = not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists()
        database = cls(_engine(path, "ro&immutable=1" if alone else "ro", busy_s), path)
        with database.reading() as connection:
            found = migrations.schema_version(connection)
        migrations.refuse_newer(found, len(migrations.MIGRATIONS), str(path))
        if found < len(migrations.MIGRATIONS):
            return cls.open_writable(path, busy_s=busy_s)
        return database

    @classmethod
    def _empty(cls, path: Path) -> Database:
        database = cls(create_engine("sqlite://", poolclass=StaticPool), path)
        database._migrate()
        return database

    def _migrate(self) -> None:
        with self.reading() as connection:
            found = migrations.schema_version(connection)
        if found != len(migrations.MIGRATIONS):
            with self.writing() as connection:
                migrations.migrate(connection, str(self.path))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one moment of the journal."""
        with self._sentences(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction under the write lock from its beginning; durable when the block is left."""
        with self._sentences(), self._engine.connect() as connection:
            writes = connection.execution_options(deployer_writes=True)
            with writes.begin():
                yield writes

    def close(self) -> None:
        """Give back the connections."""
        with suppress(SQLAlchemyError):
            self._engine.dispose()

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"the journal {self.path}: {_advice(error)}") from error


def _engine(path: Path, mode: str, busy_s: float) -> Engine:
    def connect() -> sqlite3.Connection:
        uri = f"file:{quote(str(path))}?mode={mode}"
        connection = sqlite3.connect(
            uri, uri=True, timeout=busy_s, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA foreign_keys=ON")
        if mode == "rw":
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=QueuePool)


def _begin(connection: Connection) -> None:
    # SQLite's own default asks for the write lock only at the first write, and then may not wait for it.
    writes = connection.get_execution_options().get("deployer_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _code(error: BaseException | None) -> int | None:
    original = error.orig if isinstance(error, DBAPIError) else None
    code = getattr(original, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def _is_busy(error: StoreUnavailable) -> bool:
    return _code(error.__cause__) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _advice(error: SQLAlchemyError) -> str:
    original = error.orig if isinstance(error, DBAPIError) else error
    return ADVICE.get(_code(error) or 0) or f"it cannot be used: {original}"
