"""A journal in one SQLite file: durable, shared by the programs of one machine."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Self
from urllib.parse import quote

from deployer.errors import StoreUnavailable
from deployer.journal import migrations
from deployer.journal.database import NONE, BadRow, Database, Parameters, Row, Session
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
BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class SqliteDatabase(Database):
    """An opened file."""

    def __init__(self, path: Path, mode: str, *, busy_s: float) -> None:
        self.path, self.shown = path, str(path)
        self._mode, self._busy_s = mode, busy_s
        self._kept: sqlite3.Connection | None = None  #: the one that writes
        self._lock = threading.Lock()

    @classmethod
    def open_writable(cls, path: Path, *, busy_s: float) -> Self:
        """See :func:`deployer.journal.database.open_writable`."""
        make_private(path)
        database = cls(path, "rw", busy_s=busy_s)
        deadline_s = time.monotonic() + busy_s
        while True:
            try:
                # Two programs that make one new file meet at the switch to WAL, where SQLite does not wait.
                database._migrate()
                return database
            except StoreUnavailable as error:
                if _code(error.__cause__) not in BUSY or time.monotonic() > deadline_s:
                    raise
                time.sleep(0.01)

    @classmethod
    def open_readable(cls, path: Path, *, busy_s: float) -> Self | None:
        """Open for reading while others write; ``None`` for a file that is not there yet."""
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreUnavailable(
                f"the journal {path} cannot be read: {error.strerror}; "
                "mend its permissions, or name another with --state"
            ) from error
        # Beside a WAL journal SQLite wants to write; where nobody can, the file stands alone.
        alone = not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists()
        database = cls(path, "ro&immutable=1" if alone else "ro", busy_s=busy_s)
        if database._version() < len(migrations.MIGRATIONS):
            return cls.open_writable(path, busy_s=busy_s)
        return database

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A connection of its own, so that it sees one moment while others write."""
        with self._sentences(), closing(self._connect()) as connection, _transaction(connection, "BEGIN"):
            yield _Session(connection)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Under the write lock from its beginning: asked for later, SQLite may not wait for it."""
        with self._sentences(), self._lock:
            if self._kept is None:
                self._kept = self._connect()
            with _transaction(self._kept, "BEGIN IMMEDIATE"):
                yield _Session(self._kept)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock, suppress(sqlite3.Error):
            if self._kept is not None:
                self._kept.close()
                self._kept = None

    def _version(self) -> int:
        with self.reading() as session:
            try:
                found: int = session.rows(migrations.NEWEST)[0]["newest"] or 0
            except sqlite3.OperationalError as error:
                if "no such table" not in str(error):
                    raise
                return 0
        migrations.refuse_newer(found, len(migrations.MIGRATIONS), self.shown)
        return found

    def _migrate(self) -> None:
        if self._version() == len(migrations.MIGRATIONS):
            return
        from sqlalchemy import create_engine, event
        from sqlalchemy.exc import DBAPIError
        from sqlalchemy.pool import NullPool

        engine = create_engine("sqlite://", creator=self._connect, poolclass=NullPool)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        with self._sentences():
            try:
                with engine.begin() as connection:
                    migrations.migrate(connection, self.shown)
            except DBAPIError as error:
                if isinstance(error.orig, sqlite3.Error):
                    raise error.orig from error
                raise

    def _connect(self) -> sqlite3.Connection:
        uri = f"file:{quote(self.shown)}?mode={self._mode}"
        connection = sqlite3.connect(
            uri, uri=True, timeout=self._busy_s, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA foreign_keys=ON")
            if self._mode == "rw":
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            kind = BadRow if isinstance(error, sqlite3.IntegrityError) else StoreUnavailable
            advice = ADVICE.get(_code(error) or 0) or f"it cannot be used: {error}"
            raise kind(f"the journal {self.shown}: {advice}") from error


class _Session:
    now = "((julianday('now') - 2440587.5) * 86400.0)"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, parameters: Parameters = NONE) -> list[Row]:
        cursor = self._connection.execute(statement, parameters)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def change(self, statement: str, parameters: Parameters = NONE) -> int:
        return self._connection.execute(statement, parameters).rowcount

    def change_many(self, statement: str, rows: Iterable[Parameters]) -> None:
        self._connection.executemany(statement, rows)


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _code(error: BaseException | None) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None
