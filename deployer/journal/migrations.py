"""How the schema came to be: numbered steps, forward only, never edited once released.

Each step runs once, in one transaction with the others and under the database's lock, so two programs that
open a new journal at the same moment do not both build it. A step holds its own definitions: statements.py
knows what is there *now*, which is not what an old step made.

SQLAlchemy writes the schema, so that one text serves every database; it is imported only when there is
something to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from deployer.errors import StoreUnusable

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

Migration = Callable[["Connection"], None]
VERSIONS = "schema_version"
NEWEST = f"SELECT max(number) AS newest FROM {VERSIONS}"  # noqa: S608 (no text from outside)


@cache
def _versions() -> Table:
    from sqlalchemy import Column, Float, Integer, MetaData, String, Table

    return Table(
        VERSIONS,
        MetaData(),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("name", String(60), nullable=False),
        Column("applied", Float, nullable=False),
    )


def _deployments_and_events(connection: Connection) -> None:
    from sqlalchemy import (
        BigInteger,
        Column,
        Float,
        ForeignKey,
        Index,
        Integer,
        MetaData,
        String,
        Table,
        Text,
    )

    metadata = MetaData()
    deployment = Table(
        "deployment",
        metadata,
        Column("id", String(40), primary_key=True),
        Column("kind", String(20), nullable=False),
        Column("inventory", Text, nullable=False),
        Column("playbook", Text),
        Column("revision", Text),
        Column("commit_id", String(64)),
        Column("subject", Text),
        Column("who", Text, nullable=False),
        Column("options", Text, nullable=False),
        Column("started", Float, nullable=False),
        Column("finished", Float),
        Column("outcome", String(20)),
        Column("exit_code", Integer),
        Column("reason", Text),
        Column("result", Text),
    )
    Index("deployment_by_time", deployment.c.started)
    event = Table(
        "event",
        metadata,
        # SQLite counts by itself only for a column that is exactly INTEGER.
        Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("deployment", String(40), ForeignKey("deployment.id"), nullable=False),
        Column("host", Text),
        Column("step", String(40), nullable=False),
        Column("state", String(20), nullable=False),
        Column("time", Float, nullable=False),
        Column("detail", Text, nullable=False),
        sqlite_autoincrement=True,  # a number is never given twice
    )
    Index("event_by_deployment", event.c.deployment, event.c.seq)
    metadata.create_all(connection)


def _events_said_twice(connection: Connection) -> None:
    from sqlalchemy import text

    connection.execute(text("ALTER TABLE event ADD COLUMN mark BIGINT"))
    connection.execute(text("CREATE UNIQUE INDEX event_by_mark ON event (mark)"))


def _leases(connection: Connection) -> None:
    from sqlalchemy import BigInteger, Column, Float, Integer, MetaData, String, Table, Text

    lease = Table(
        "lease",
        MetaData(),
        Column("name", Text, primary_key=True),
        Column("token", String(40), nullable=False),
        Column("deployment", String(40), nullable=False),
        Column("kind", String(20), nullable=False),
        Column("who", Text, nullable=False),
        Column("host", Text, nullable=False),
        Column("machine", Text),
        Column("pid", Integer, nullable=False),
        Column("born", BigInteger),
        Column("since", Float, nullable=False),
        Column("renewed", Float, nullable=False),
        Column("expires", Float, nullable=False),
    )
    lease.create(connection)


def _evidence_and_quarantine(connection: Connection) -> None:
    from sqlalchemy import Column, Float, MetaData, String, Table, Text, text

    connection.execute(text("ALTER TABLE deployment ADD COLUMN source_hash VARCHAR(64)"))
    connection.execute(text("CREATE INDEX deployment_by_source ON deployment (source_hash)"))
    quarantine = Table(
        "quarantine",
        MetaData(),
        Column("inventory", Text, primary_key=True),
        Column("hash", String(64), primary_key=True),
        Column("deployment", String(40), primary_key=True),  # no reference: hosts tell of others' too
        Column("release_id", Text, nullable=False),
        Column("since", Float, nullable=False),
        Column("why", Text, nullable=False),
        Column("released", Float),
        Column("released_by", Text),
    )
    quarantine.create(connection)


def _schedules(connection: Connection) -> None:
    from sqlalchemy import Column, Float, Integer, MetaData, String, Table, Text

    schedule = Table(
        "schedule",
        MetaData(),
        Column("lease", Text, primary_key=True),
        Column("part", Text, primary_key=True),
        Column("inventory", Text, nullable=False),
        Column("project", Text, nullable=False),
        Column("calendar", Text),
        Column("zone", Text, nullable=False),
        Column("host", Text, nullable=False),
        Column("since", Float, nullable=False),
        Column("started", Float),
        Column("finished", Float),
        Column("deployment", String(40)),
        Column("outcome", String(20)),
        Column("exit_code", Integer),
        Column("reason", Text),
        Column("problem", Text),
        Column("problem_since", Float),
    )
    schedule.create(connection)


def _told(connection: Connection) -> None:
    from sqlalchemy import Column, Float, MetaData, String, Table, Text

    told = Table(
        "told",
        MetaData(),
        Column("scope", Text, primary_key=True),
        Column("topic", Text, primary_key=True),
        Column("recipient", String(64), primary_key=True),
        Column("fingerprint", String(64), nullable=False),
        Column("about", Text, nullable=False),
        Column("since", Float, nullable=False),
        Column("claim", String(40), nullable=False),
        Column("claimed", Float, nullable=False),
        Column("told", Float),
    )
    told.create(connection)


def _idle_runs(connection: Connection) -> None:
    from sqlalchemy import text

    # Null in every row that is there, and in each but those of unattended runs with nothing to do.
    connection.execute(text("ALTER TABLE deployment ADD COLUMN times INTEGER"))
    connection.execute(text("ALTER TABLE deployment ADD COLUMN first_started DOUBLE PRECISION"))


MIGRATIONS: Sequence[Migration] = (
    _deployments_and_events,
    _events_said_twice,
    _leases,
    _evidence_and_quarantine,
    _schedules,
    _told,
    _idle_runs,
)


def schema_version(connection: Connection) -> int:
    """Number of the newest step that was run; 0 for a database that is empty."""
    from sqlalchemy import func, inspect, select

    if not inspect(connection).has_table(VERSIONS):
        return 0
    return connection.scalar(select(func.max(_versions().c.number))) or 0


def refuse_newer(found: int, known: int, where: str) -> None:
    """Raise :class:`StoreUnusable` when the schema is newer than this program."""
    if found > known:
        raise StoreUnusable(
            f"the journal {where} is of a newer deployer (its schema is {found}, this one knows {known}): "
            "upgrade this deployer, or name another journal with --state"
        )


def migrate(connection: Connection, where: str, steps: Sequence[Migration] = MIGRATIONS) -> None:
    """Run the steps that are missing. The caller holds the lock and commits.

    :raises StoreUnusable: for a newer schema.
    """
    found = schema_version(connection)
    refuse_newer(found, len(steps), where)
    _versions().create(connection, checkfirst=True)
    for number, step in enumerate(steps[found:], start=found + 1):
        step(connection)
        row = {"number": number, "name": step.__name__.strip("_"), "applied": time.time()}
        connection.execute(_versions().insert().values(row))
