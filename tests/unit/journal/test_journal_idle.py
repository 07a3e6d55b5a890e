"""Unattended runs with nothing to do become one row; nothing that did anything is ever lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from deployer.journal import Store, idle
from deployer.journal.search import Wanted, search
from deployer.model import DeploymentRecord, Event, Outcome, Result
from deployer.report.history import history_table
from tests.unit.journal.conftest import NOON

EVERY_S = 900.0


def test_what_follows_each_other_and_is_alike_is_one_row_and_the_rest_stays(
    store: Store, record: Callable[..., DeploymentRecord], event: Callable[..., Event], result: Result
) -> None:
    runs = 0

    def ran(outcome: Outcome = Outcome.UNCHANGED, *, fold: bool = True, **changes: object) -> str:
        nonlocal runs
        runs += 1
        name, at = f"run-{runs:02}", NOON + runs * EVERY_S
        store.start(record(name, started=at, **changes))
        store.append(event(runs, name, host=None, step="plan"))
        store.finish(name, replace(result, id=name, outcome=outcome), finished=at + 1)
        if fold:
            store.wait(idle.fold(store, name))
        return name

    def rows() -> list[tuple[str, int]]:
        return [(each.id, each.times) for each in store.deployments()]

    first = [ran() for _ in range(3)]
    part = [ran(options={"limited": True}) for _ in range(2)]  # another schedule, in turn with the first
    last = ran()
    assert rows() == [(last, 4), (part[-1], 2)]
    assert [bool(store.events(name)) for name in (*first, last)] == [False, False, False, True]

    typed = ran(fold=False)  # by a person, who may look for it
    did = ran(Outcome.DEPLOYED, fold=False)
    again = [ran(), ran()][-1]
    refused = [ran(Outcome.REFUSED), ran(Outcome.REFUSED)][-1]
    newer = ran(commit="5e" * 20)
    unfinished = "run-left"
    store.start(record(unfinished, started=NOON + (runs + 0.5) * EVERY_S))
    after = [ran(), ran()][-1]
    kept = [(after, 2), (unfinished, 1), (newer, 1), (refused, 2), (again, 2), (did, 1), (typed, 1)]
    assert rows() == [*kept, (last, 4), (part[-1], 2)]

    touched = ran(fold=False)
    store.append(event(1, touched))  # it did something to a host, whatever its outcome says
    assert store.wait(idle.fold(store, touched)) == 0
    beyond = ran()
    assert rows()[:3] == [(beyond, 1), (touched, 1), (after, 2)]

    # Said twice, because the answer to the first was lost, it is the same.
    assert store.wait(idle.fold(store, again)) == 0
    assert (again, 2) in rows()
    between = NOON + 2 * EVERY_S
    (found,) = search(store, Wanted(since=between, until=between + 2), limit=9)
    assert found.id == last, "it stands for the time of all of them"
    assert "unchanged 4 times since 2024-06-12 14:30" in history_table([found])
