"""The table at a terminal, drawn as it is while a deployment goes on."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from deployer.cli.live import Live
from deployer.cli.signals import Signals
from deployer.errors import HostError
from deployer.model import Event, State
from deployer.rollout.back import BackPlan, undo_latest
from tests.unit.seen import seen

OLD, NEW = "aaaaaaaaaaaa-111111111111", "bbbbbbbbbbbb-222222222222"


def test_rows_stand_where_the_inventory_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    hosts = {f"web{n}": seen(f"web{n}", live=NEW, last_target=NEW, last_from=OLD) for n in (1, 2, 3)}
    plan: BackPlan = undo_latest(hosts)
    silent: dict[str, HostError] = {}
    with Signals() as signals, Live(signals) as live:
        live.shows_way_back(plan, silent)
        for name in ("web3", "web1", "web2"):
            live.hears(Event("d1", name, "activate", State.STARTED, 0.0, {}))
        drawn = io.StringIO()
        Console(file=drawn, width=80).print(live._table())
    assert [line.split()[0] for line in drawn.getvalue().splitlines()[-3:]] == ["web1", "web2", "web3"]
