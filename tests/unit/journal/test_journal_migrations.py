"""Numbered steps, each once, all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect

from deployer.journal.database import Database
from deployer.journal.migrations import MIGRATIONS, migrate, schema_version
from deployer.journal.store import Store
from deployer.journal.tables import DEPLOYMENT, EVENT
from deployer.model import DeploymentRecord


@pytest.fixture
def database(tmp_path: Path, record: Callable[..., DeploymentRecord]) -> Iterator[Database]:
    with Store.open(f"sqlite:///{tmp_path}/state.db") as store:
        store.start(record())
    database = Database.open_writable(tmp_path / "state.db", busy_s=5)
    yield database
    database.close()


def _adds_a_column(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE deployment ADD COLUMN ticket TEXT")


def _fails_half_way(connection: Connection) -> None:
    _adds_a_column(connection)
    raise RuntimeError("half-way")


def _columns(connection: Connection, table: str) -> set[str]:
    return {column["name"] for column in inspect(connection).get_columns(table)}


def test_the_steps_make_the_tables_that_are_used(database: Database) -> None:
    with database.reading() as connection:
        for table in (DEPLOYMENT, EVENT):
            assert _columns(connection, table.name) == set(table.c.keys())


def test_a_new_step_runs_once_and_keeps_what_is_there(database: Database) -> None:
    steps = (*MIGRATIONS, _adds_a_column)
    for _ in range(2):
        with database.writing() as connection:
            migrate(connection, "here", steps)
    with database.reading() as connection:
        assert schema_version(connection) == len(steps)
        assert "ticket" in _columns(connection, "deployment")
        assert connection.exec_driver_sql("SELECT count(*) FROM deployment").scalar() == 1


def test_a_step_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError), database.writing() as connection:
        migrate(connection, "here", (*MIGRATIONS, _fails_half_way))
    with database.reading() as connection:
        assert schema_version(connection) == len(MIGRATIONS)
        assert "ticket" not in _columns(connection, "deployment")
