"""A journal on a PostgreSQL server, for a team: the same statements, through SQLAlchemy and psycopg.

Imports SQLAlchemy and psycopg: import this only where a server's journal is about to be used.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, Self

from sqlalchemy import Connection, TextClause, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from deployer.errors import DeployerError, StoreUnavailable, StoreUnusable
from deployer.journal import migrations
from deployer.journal.database import NONE, BadRow, Database, Parameters, Row, ServerGone, Session
from deployer.journal.location import Place, no_driver

try:
    import psycopg
except ImportError as missing:  # there, but without the library it needs
    raise no_driver("on PostgreSQL", str(missing).partition("\n")[0]) from missing

CONNECT_S = 5.0  #: how long one address may take to let us in
MIGRATION_LOCK = 0x6465706C6F796572  # "deployer": whoever migrates holds this advisory lock

BY_STATE = {
    "25006": "it may only be read (is it a standby?); name the primary server with --state",
    "28000": "the server does not let this user in; look at its pg_hba.conf",
    "28P01": "the password is wrong, or none was given; put it into the URL or into ~/.pgpass",
    "3D000": "the server has no database of that name; create it, or name another with --state",
    "42501": "this user may not do that there; let it own the database",
    "53100": "the server has no space left; make room there",
    "53300": "the server has no connection left; raise its max_connections, or end some",
    "55P03": "another program has held it locked for too long; try again",
    "57014": "the server took too long to answer; look at its load and its disk",
    "57P01": "the server ended the connection",
    "57P02": "the server went away in the middle",
    "57P03": "the server is starting or stopping; try again",
}
BY_WORDS = (
    ("password authentication failed", BY_STATE["28P01"]),
    ("no password supplied", BY_STATE["28P01"]),
    ("no pg_hba.conf entry", BY_STATE["28000"]),
    ('" does not exist', "the server knows no such database or user; create it, or mend --state"),
    ("too many connections", BY_STATE["53300"]),
    ("connections are reserved", BY_STATE["53300"]),
    ("Connection refused", "nothing answers there; is the server running?"),
    ("No such file or directory", "nothing answers there; is the server running?"),
    ("the database system is", "the server is starting or stopping; try again"),
    ("timeout", "the server has not answered within {seconds} s; is the network there?"),
    ("resolve", "the name of its server cannot be resolved"),
    ("closed the connection", "the server went away in the middle"),
    ("connection is lost", "the server went away in the middle"),
)
SETTINGS = """
SELECT set_config('statement_timeout', %(busy)s, false),
       set_config('lock_timeout', %(busy)s, false),
       set_config('idle_in_transaction_session_timeout', %(busy)s, false),
       set_config('default_transaction_read_only', CASE WHEN %(read_only)s
                  THEN 'on' ELSE current_setting('default_transaction_read_only') END, false),
       set_config('synchronous_commit', CASE current_setting('synchronous_commit')
                  WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)
"""


class PostgresDatabase(Database):
    """An opened database of a server."""

    def __init__(self, place: Place, *, busy_s: float, read_only: bool = False) -> None:
        self.shown = place.shown
        logging.getLogger("psycopg").setLevel(logging.CRITICAL)  # every failure is told by an exception
        self._settings = {"busy": f"{busy_s * 1000:.0f}ms", "read_only": read_only}
        try:
            url = make_url(place.url or "")
        except (ArgumentError, ValueError):  # whose text may hold the password
            raise StoreUnusable("--state is no URL of a PostgreSQL database that can be read") from None
        self._secrets, patience = _secrets(url), _patience(url, busy_s)
        self._connect_s = {**url.query, **patience}["connect_timeout"]
        # No wait without an end: not for a server that lets nobody in, nor for one whose host has died.
        self._engine = create_engine(
            url,
            connect_args=patience,
            hide_parameters=True,
            pool_timeout=busy_s,
        )
        event.listen(self._engine, "connect", self._settle)

    @classmethod
    def open_writable(cls, place: Place, *, busy_s: float) -> Self:
        """See :func:`deployer.journal.database.open_writable`."""
        database = cls(place, busy_s=busy_s)
        try:
            database._migrate()
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def open_readable(cls, place: Place, *, busy_s: float) -> Self | None:
        """Open for reading; ``None`` for a database in which no journal was begun yet."""
        database = cls(place, busy_s=busy_s, read_only=True)
        found = database._version()
        if 0 < found < len(migrations.MIGRATIONS):
            database.close()
            return cls.open_writable(place, busy_s=busy_s)
        return database if found else None

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One moment of the journal."""
        with self._sentences(), self._engine.connect() as connection:
            yield _Session(connection.execution_options(isolation_level="REPEATABLE READ"))

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction; durable on the server when the block is left."""
        with self._sentences(), self._engine.begin() as connection:
            yield _Session(connection)

    def close(self) -> None:
        """Give back the connections."""
        with suppress(SQLAlchemyError, psycopg.Error):
            self._engine.dispose()

    def _version(self) -> int:
        with self._sentences(), self._engine.connect() as connection:
            found = migrations.schema_version(connection)
        migrations.refuse_newer(found, len(migrations.MIGRATIONS), self.shown)
        return found

    def _migrate(self) -> None:
        if self._version() == len(migrations.MIGRATIONS):
            return
        with self._sentences(), self._engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
            if connection.scalar(text("SHOW server_encoding")) != "UTF8":
                raise StoreUnusable(
                    f"the journal {self.shown}: the database is not in UTF8; "
                    "create one with ENCODING 'UTF8' TEMPLATE template0"
                )
            migrations.migrate(connection, self.shown)

    def _settle(self, connection: Any, _record: object) -> None:
        # Said to the server, for a pooler between us and it may not pass options of the connection on.
        with connection.cursor() as cursor:
            cursor.execute(SETTINGS, self._settings)
        connection.commit()

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise self._sentence(error, error.orig if isinstance(error, DBAPIError) else error) from error
        except psycopg.Error as error:  # from the settings of a new connection
            raise self._sentence(error, error) from error

    def _sentence(self, error: Exception, original: BaseException | None) -> DeployerError:
        advice = _advice(original, self._secrets).replace("{seconds}", str(self._connect_s))
        said = f"the journal {self.shown}: {advice}"
        if isinstance(original, psycopg.IntegrityError | psycopg.DataError):
            return BadRow(said)
        if isinstance(original, psycopg.ProgrammingError) and original.sqlstate is None:
            return StoreUnusable(said)  # a word of the URL that the driver does not know
        broken = isinstance(error, DBAPIError) and error.connection_invalidated
        never_made = isinstance(original, psycopg.OperationalError) and original.sqlstate is None
        return (ServerGone if broken or never_made else StoreUnavailable)(said)


class _Session:
    now = "cast(extract(epoch FROM clock_timestamp()) AS double precision)"

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, parameters: Parameters = NONE) -> list[Row]:
        return [dict(row._mapping) for row in self._connection.execute(_statement(statement), parameters)]

    def change(self, statement: str, parameters: Parameters = NONE) -> int:
        return self._connection.execute(_statement(statement), parameters).rowcount

    def change_many(self, statement: str, rows: Iterable[Parameters]) -> None:
        self._connection.execute(_statement(statement), list(rows))


@cache
def _statement(statement: str) -> TextClause:
    return text(statement)


def _patience(url: URL, busy_s: float) -> Mapping[str, Any]:
    """What the driver is told beside the URL, where the URL does not say it itself."""
    told = {
        "connect_timeout": max(2, round(min(CONNECT_S, busy_s))),
        "tcp_user_timeout": round(CONNECT_S * 1000),  # what was sent is not even received
        "keepalives_idle": 5,  # s; and while an answer is awaited
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "application_name": "deployer",
        "prepare_threshold": None,  # a pooler gives each transaction another connection
    }
    return {name: value for name, value in told.items() if name not in url.query}


def _secrets(url: URL) -> tuple[str, ...]:
    found = [url.password, *(url.query.get(name) for name in ("password", "sslpassword"))]
    return tuple(str(secret) for secret in found if secret)


def _advice(error: BaseException | None, secrets: Iterable[str]) -> str:
    state = getattr(error, "sqlstate", None)
    if state in BY_STATE:
        return BY_STATE[state]
    said = str(error)
    if state is None:  # from the way to the server, where there are only words
        for sign, advice in BY_WORDS:
            if sign in said:
                return advice
    for secret in secrets:
        said = said.replace(secret, "***")
    return f"it cannot be used: {said.strip().partition(chr(10))[0]}"
