"""How the schema came to be: numbered steps, forward only, never edited once released.

Each step runs once, in one transaction with the others and under the database's write lock, so two programs
that open a new journal at the same moment do not both build it. A step holds its own definitions: tables.py
says what is there *now*, which is not what an old step made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    inspect,
    select,
)

from deployer.errors import StoreUnavailable

Migration = Callable[[Connection], None]

VERSIONS = Table(
    "schema_version",
    MetaData(),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", String(60), nullable=False),
    Column("applied", Float, nullable=False),
)


def _deployments_and_events(connection: Connection) -> None:
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


MIGRATIONS: Sequence[Migration] = (_deployments_and_events,)


def schema_version(connection: Connection) -> int:
    """Number of the newest step that was run; 0 for a database that is empty."""
    if not inspect(connection).has_table(VERSIONS.name):
        return 0
    return connection.scalar(select(func.max(VERSIONS.c.number))) or 0


def refuse_newer(found: int, known: int, where: str) -> None:
    """Raise :class:`StoreUnavailable` when the schema is newer than this program."""
    if found > known:
        raise StoreUnavailable(
            f"the journal {where} is of a newer deployer (its schema is {found}, this one knows {known}); "
            "upgrade this deployer, or name another journal with --state"
        )


def migrate(connection: Connection, where: str, steps: Sequence[Migration] = MIGRATIONS) -> None:
    """Run the steps that are missing. The caller holds the write lock and commits.

    :raises StoreUnavailable: for a newer schema.
    """
    found = schema_version(connection)
    refuse_newer(found, len(steps), where)
    VERSIONS.create(connection, checkfirst=True)
    for number, step in enumerate(steps[found:], start=found + 1):
        step(connection)
        row = {"number": number, "name": step.__name__.strip("_"), "applied": time.time()}
        connection.execute(VERSIONS.insert().values(row))
