"""Numbered steps, each once, all or nothing; also when two programs begin them together."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, inspect

from deployer.journal import Store
from deployer.journal.location import place_of
from deployer.journal.migrations import MIGRATIONS, migrate, schema_version
from deployer.model import DeploymentRecord, Event

OLD = MIGRATIONS[:1]
OPENS = """
import sys
from deployer.journal import Store
print("ready", flush=True)
sys.stdin.readline()
Store.open(sys.argv[1]).close()
"""


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """SQLAlchemy on the same database, to do what this program does not."""
    place = place_of(url)
    if place.file is not None:
        place.file.parent.mkdir(exist_ok=True)
    engine = create_engine(place.url or f"sqlite:///{place.file}")
    yield engine
    engine.dispose()


@contextmanager
def undone(engine: Engine) -> Iterator[Connection]:
    """A transaction that changes nothing in the end."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        yield connection
        connection.rollback()


def _adds_a_column(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE deployment ADD COLUMN ticket TEXT")


def _fails_half_way(connection: Connection) -> None:
    _adds_a_column(connection)
    raise RuntimeError("half-way")


def _columns(connection: Connection, table: str) -> set[str]:
    return {column["name"] for column in inspect(connection).get_columns(table)}


def test_a_new_step_runs_once_and_keeps_what_is_there(
    url: str, engine: Engine, record: Callable[..., DeploymentRecord]
) -> None:
    with Store.open(url) as store:
        store.start(record())
    steps = (*MIGRATIONS, _adds_a_column)
    for _ in range(2):
        with engine.begin() as connection:
            migrate(connection, "here", steps)
    with engine.connect() as connection:
        assert schema_version(connection) == len(steps)
        assert "ticket" in _columns(connection, "deployment")
        assert connection.exec_driver_sql("SELECT count(*) FROM deployment").scalar() == 1


def test_a_step_that_fails_leaves_nothing(url: str, engine: Engine) -> None:
    Store.open(url).close()
    with undone(engine) as connection, pytest.raises(RuntimeError):
        migrate(connection, "here", (*MIGRATIONS, _fails_half_way))
    with engine.connect() as connection:
        assert schema_version(connection) == len(MIGRATIONS)
        assert "ticket" not in _columns(connection, "deployment")


@pytest.mark.parametrize("read_only", [False, True])
def test_an_older_journal_is_brought_up_to_date_by_whoever_opens_it(
    url: str,
    engine: Engine,
    record: Callable[..., DeploymentRecord],
    event: Callable[..., Event],
    read_only: bool,
) -> None:
    with engine.begin() as connection:
        migrate(connection, "here", OLD)
        connection.exec_driver_sql(
            "INSERT INTO deployment (id, kind, inventory, who, options, started) "
            "VALUES ('20240612-141500-aaaa', 'deploy', 'prod', 'ann@ops1', '{}', 1.0)"
        )
        connection.exec_driver_sql(
            "INSERT INTO event (deployment, host, step, state, time, detail) "
            "VALUES ('20240612-141500-aaaa', 'web1', 'stage', 'started', 1.0, '{}')"
        )
    with Store.open(url, read_only=read_only) as store:
        assert len(store.events("20240612-141500-aaaa")) == 1
    with engine.connect() as connection:
        assert schema_version(connection) == len(MIGRATIONS)
    with Store.open(url) as store:
        store.append(event())
        assert len(store.events("20240612-141500-aaaa")) == 2


@pytest.mark.slow
@pytest.mark.parametrize("begin_with", [0, len(OLD)], ids=["nothing", "an older journal"])
def test_programs_that_migrate_at_once(url: str, engine: Engine, begin_with: int) -> None:
    if begin_with:
        with engine.begin() as connection:
            migrate(connection, "here", OLD)
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    pipe = subprocess.PIPE
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", OPENS, url], stdin=pipe, stdout=pipe, stderr=pipe, env=env, text=True
        )
        for _ in range(4)
    ]
    for program in programs:
        assert program.stdout
        assert program.stdout.readline() == "ready\n"
    for program in programs:  # the slow part is done: from here on they are side by side
        assert program.stdin
        program.stdin.write("go\n")
        program.stdin.flush()
    said = [program.communicate(timeout=60)[1] for program in programs]
    assert [program.returncode for program in programs] == [0] * 4, said
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT number FROM schema_version ORDER BY number").scalars()
        assert list(rows) == list(range(1, len(MIGRATIONS) + 1))
