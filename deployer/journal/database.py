"""A database as the journal needs it: transactions, ``:name`` parameters, every failure a sentence.

Two modules keep this promise: sqlite.py with Python's own, for SQLAlchemy would cost every command a fifth of
a second of computing before the first row; postgres.py through SQLAlchemy. The statements are the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from deployer.errors import StoreUnavailable
from deployer.journal.location import Place

Row = Mapping[str, Any]
Parameters = Mapping[str, Any]
NONE: Parameters = {}


class BadRow(StoreUnavailable):
    """The database refuses what one row says; other rows are not concerned."""


class ServerGone(StoreUnavailable):
    """The connection broke, or none could be made; whether the transaction was carried out is not known."""


class Session(Protocol):
    """One transaction."""

    @property
    def now(self) -> str:
        """SQL for the database's own clock, in seconds since the epoch."""

    def rows(self, statement: str, parameters: Parameters = NONE, /) -> list[Row]:
        """What a query finds."""

    def change(self, statement: str, parameters: Parameters = NONE, /) -> int:
        """Carry out one statement; how many rows it changed."""

    def change_many(self, statement: str, rows: Iterable[Parameters], /) -> None:
        """Carry out one statement for each of these."""


class Database(ABC):
    """An opened journal. Everything raises :class:`StoreUnavailable` when it cannot be had.

    :ivar shown: how messages name it.
    """

    shown: str

    @abstractmethod
    def reading(self) -> AbstractContextManager[Session]:
        """A transaction that sees one moment of the journal and changes nothing."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Session]:
        """A transaction that is durable when the block is left, and undone when it raises."""

    @abstractmethod
    def close(self) -> None:
        """Give back what is held."""


def open_writable(place: Place, *, busy_s: float) -> Database:
    """Open a journal, make it where there is none, and bring its schema up to date.

    :param busy_s: how long another program's lock is waited for.
    :raises StoreUnavailable: not writable, damaged, full, not there, locked for too long.
    :raises StoreUnusable: a newer schema, no driver.
    """
    if place.file is not None:
        from deployer.journal.sqlite import SqliteDatabase

        return SqliteDatabase.open_writable(place.file, busy_s=busy_s)
    from deployer.journal.postgres import PostgresDatabase

    return PostgresDatabase.open_writable(place, busy_s=busy_s)


def open_readable(place: Place, *, busy_s: float) -> Database:
    """Open for reading while others write; where no journal is yet, an empty one is read and none is made.

    :raises StoreUnavailable: as :func:`open_writable`.
    :raises StoreUnusable: likewise.
    """
    if place.file is not None:
        from deployer.journal.sqlite import SqliteDatabase

        return SqliteDatabase.open_readable(place.file, busy_s=busy_s) or Empty(place.shown)
    from deployer.journal.postgres import PostgresDatabase

    return PostgresDatabase.open_readable(place, busy_s=busy_s) or Empty(place.shown)


class Empty(Database):
    """The journal that is not there yet, for reading."""

    now = "0"

    def __init__(self, shown: str) -> None:
        self.shown = shown

    def reading(self) -> AbstractContextManager[Session]:
        """Sees nothing."""
        return nullcontext(self)

    def writing(self) -> AbstractContextManager[Session]:
        """It cannot be written."""
        raise StoreUnavailable(f"the journal {self.shown} is not there yet")

    def close(self) -> None:
        """Nothing is held."""

    def rows(self, _statement: str, _parameters: Parameters = NONE, /) -> list[Row]:
        """Nothing."""
        return []

    def change(self, _statement: str, _parameters: Parameters = NONE, /) -> int:
        """Nothing."""
        return 0

    def change_many(self, _statement: str, _rows: Iterable[Parameters], /) -> None:
        """Nothing."""
