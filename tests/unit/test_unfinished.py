"""What was never finished, by the journal and by the hosts, and how it is settled."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from deployer.cli import setup
from deployer.cli.common import Common
from deployer.journal.process import Process, this_process
from deployer.journal.store import Store
from deployer.model import DeploymentRecord, Event, HostOutcome, HostResult, Outcome, Result, State
from deployer.planning.context import Context
from deployer.running.leasing import lease_name
from deployer.running.unfinished import in_the_way, open_records, settle
from tests.unit.project import Project
from tests.unit.seen import seen

X, Y = "20240612-141500-x7f3", "20240612-150000-yyyy"
NOON = 1718201700.0
HEARD = {"owner_silent": ("7",), "owner_controller": ("ann@ops1",)}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return setup.load("lab", Common(project=Project(tmp_path / "project").path))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/state.db") as opened:
        yield opened


def gone() -> Process:
    """A process that has ended."""
    child = subprocess.Popen(["/bin/true"])
    process = replace(this_process(), pid=child.pid, born=0)
    child.wait(timeout=10)
    return process


def begun(store: Store, context: Context, process: Process, *hosts: str, **more: Any) -> None:
    record = DeploymentRecord(
        id=X,
        kind="deploy",
        inventory="lab",
        playbook="nginx",
        revision=None,
        commit=None,
        subject=None,
        started=NOON,
        who="ann@ops1",
    )
    record = replace(record, **more)
    store.start(record)
    first = {"process": asdict(process), "lease": lease_name(context)}
    store.append(Event(record.id, None, "deployment", State.STARTED, NOON, first))
    for host in hosts:
        store.append(Event(record.id, host, "begin", State.STARTED, NOON + 1))


def rolled_back(*hosts: str) -> Result:
    back = HostResult(HostOutcome.ROLLED_BACK, "a", "b", None, 1.0)
    return Result(Y, Outcome.ROLLED_BACK, 0, None, None, dict.fromkeys(hosts, back), (), 1.0)


def test_nothing_is_in_the_way_of_a_first_deployment(context: Context, store: Store) -> None:
    assert in_the_way(context, store, {"web1": seen("web1")}) is None


def test_a_dead_controller_is_named_with_the_command(context: Context, store: Store) -> None:
    begun(store, context, gone(), "web1")
    told = in_the_way(context, store, {})
    assert told == (
        f"deployment {X} of ann@ops1, begun 2024-06-12 14:15 UTC, was never finished; "
        "recover it first: deployer recover lab"
    )


def test_a_living_one_is_named_with_its_process(context: Context, store: Store) -> None:
    begun(store, context, this_process(), "web1")
    told = str(in_the_way(context, store, {}))
    assert f"is still at work (pid {os.getpid()}: " in told
    assert f"stop it with Ctrl-C where it runs, or 'kill {os.getpid()}'" in told
    assert told.endswith("in an emergency 'deployer rollback lab' takes its hosts over at once")


def test_what_never_began_is_closed_and_not_in_the_way(context: Context, store: Store) -> None:
    begun(store, context, gone())
    assert in_the_way(context, store, {}) is None
    record = store.known(X)
    assert record is not None
    assert (record.outcome, record.exit_code) == (Outcome.INTERRUPTED, 130)


def test_another_project_of_the_same_store_is_left_alone(
    context: Context, store: Store, tmp_path: Path
) -> None:
    other = setup.load("lab", Common(project=Project(tmp_path / "other").path))
    begun(store, other, gone(), "web1")
    assert open_records(context, store) == []
    assert [each.record.id for each in open_records(other, store)] == [X]


def test_an_owner_on_the_hosts_is_in_the_way(context: Context, store: Store) -> None:
    hosts = {n: seen(n, owner=Y, facts=HEARD) for n in ("web1", "web2")}
    told = str(in_the_way(context, store, hosts))
    assert told.startswith(f"web1, web2: deployment {Y} of ann@ops1, heard 7.0 s ago, owns these hosts")
    assert told.endswith("should its controller be dead: deployer recover lab")


@pytest.mark.parametrize(
    ("record", "command"),
    [
        ({"kind": "rollback"}, "deployer rollback lab"),
        ({"playbook": "extra"}, "deployer recover lab --playbook extra"),
    ],
    ids=["rollback", "another playbook"],
)
def test_each_is_ended_by_its_own_command(
    context: Context, store: Store, record: dict[str, str], command: str
) -> None:
    begun(store, replace(context, name="x"), gone(), "web1", **record)
    assert str(in_the_way(context, store, {"web1": seen("web1", owner=X)})).endswith(command)


def test_a_rollback_settles_what_it_took_back(context: Context, store: Store) -> None:
    begun(store, context, gone(), "web1")
    settle(context, store, rolled_back("web1", "web2"), before=NOON + 60)
    record = store.known(X)
    assert record is not None
    assert (record.outcome, record.exit_code) == (Outcome.INTERRUPTED, 130)
    assert record.reason == f"its controller was lost; settled by {Y}"
    assert record.result is not None
    assert record.result.hosts["web1"].outcome is HostOutcome.ROLLED_BACK
    assert set(record.result.hosts) == {"web1"}


@pytest.mark.parametrize("why", ["it lives", "it began later", "a host was not looked at"])
def test_and_nothing_else(context: Context, store: Store, why: str) -> None:
    process = this_process() if why == "it lives" else gone()
    begun(store, context, process, "web9" if why == "a host was not looked at" else "web1")
    settle(context, store, rolled_back("web1"), before=NOON - 1 if why == "it began later" else NOON + 60)
    assert [record.id for record in store.unfinished("lab")] == [X]
