"""A journal of the test's own, in a file or on a server, and things to put in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployer.journal import Store
from deployer.model import (
    DeploymentRecord,
    Event,
    HostOutcome,
    HostResult,
    Outcome,
    Result,
    State,
    WaveResult,
)
from tests.postgres import Server

NOON = 1718201700.0  # 2024-06-12 14:15:00 UTC


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    """A new SQLite file."""
    return f"sqlite:///{tmp_path}/state/state.db"


@pytest.fixture
def database(postgres: Server) -> Iterator[str]:
    """The name of a new database on the server."""
    name = postgres.database()
    yield name
    postgres.drop(name)


@pytest.fixture
def server_url(postgres: Server, database: str) -> str:
    """A new PostgreSQL database."""
    return postgres.url(database)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest) -> str:
    """A new journal, once in a file and once on a server."""
    wanted: str = request.getfixturevalue("file_url" if request.param == "sqlite" else "server_url")
    return wanted


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as store:
        yield store


@pytest.fixture
def record() -> Callable[..., DeploymentRecord]:
    def make(name: str = "20240612-141500-aaaa", **changes: Any) -> DeploymentRecord:
        given = {
            "id": name,
            "kind": "deploy",
            "inventory": "prod",
            "playbook": "nginx",
            "revision": "main",
            "commit": "4f" * 20,
            "subject": "Raise the limit",
            "started": NOON,
            "who": "ann@ops1",
            "options": {"limit": "web", "yes": True},
        }
        return DeploymentRecord(**{**given, **changes})

    return make


@pytest.fixture
def event() -> Callable[..., Event]:
    def make(number: int = 0, deployment: str = "20240612-141500-aaaa", **changes: Any) -> Event:
        given = {"host": "web1", "step": "stage", "state": State.STARTED, "detail": {"number": number}}
        return Event(deployment=deployment, time=NOON + number, **{**given, **changes})

    return make


@pytest.fixture
def result() -> Result:
    host = HostResult(HostOutcome.DEPLOYED, "4f4f4f4f4f4f-0123456789ab", "baseline-ba9876543210", None, 1.5)
    waves = (WaveResult(("web1",), "passed", 2.0),)
    return Result("20240612-141500-aaaa", Outcome.DEPLOYED, 0, "main", None, {"web1": host}, waves, 3.0)
