"""A rollback does without its journal, whatever is the matter with the server."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import pytest

from deployer.journal import Store
from deployer.model import DeploymentRecord, Event, Result
from tests.postgres import QUOTED, Server, silence

Make = Callable[..., DeploymentRecord]
MakeEvent = Callable[..., Event]
pytestmark = pytest.mark.slow  # a server that is gone is waited for

SOON_S = 2.0  #: more than anything takes that does not wait
DEPLOYMENT = "20240612-141500-aaaa"


@pytest.fixture
def emergency(record: Make, event: MakeEvent, result: Result) -> Callable[[str], None]:
    """What a rollback does with a journal that cannot be had."""

    def happens(url: str) -> None:
        warnings: list[str] = []
        began = time.monotonic()
        best = Store.best_effort(url, warnings.append)
        best.start(record())
        for n in range(5):
            best.append(event(n))
        assert time.monotonic() - began < SOON_S, "the hosts do not wait for it"
        best.finish(DEPLOYMENT, result)
        best.close()
        assert len(best.kept) == 5
        assert time.monotonic() - began < 3 + SOON_S
        assert len(warnings) == 1
        assert "this is not journalled, and goes on all the same" in warnings[0]
        assert "wr0ng" not in warnings[0]

    return happens


def test_best_effort_with_a_server_that_is_down(emergency: Callable[[str], None]) -> None:
    emergency("postgresql://ann:wr0ng@127.0.0.1:1/journal")


def test_best_effort_with_a_server_behind_a_wall(emergency: Callable[[str], None]) -> None:
    with silence() as port:
        emergency(f"postgresql://ann:wr0ng@127.0.0.1:{port}/journal")


def test_best_effort_with_a_server_that_stands_still(
    postgres: Server, server_url: str, emergency: Callable[[str], None]
) -> None:
    with postgres.frozen():
        emergency(server_url)


def test_best_effort_with_a_wrong_password(server_url: str, emergency: Callable[[str], None]) -> None:
    emergency(server_url.replace(QUOTED, "wr0ng"))


def test_best_effort_without_a_driver(
    server_url: str, emergency: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    emergency(server_url)
