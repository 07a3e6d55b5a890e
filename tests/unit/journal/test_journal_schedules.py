"""What the store keeps of schedules, in a file and on a server."""

from __future__ import annotations

from dataclasses import replace

from deployer.journal import Store, schedules
from deployer.model.scheduled import Scheduled

FIRST = Scheduled("lab 0123", "", "lab", "/srv/p", "daily", "UTC", "ops1", since=100.0)


def all_of(store: Store) -> tuple[Scheduled, ...]:
    return schedules.all_of(store, "lab")


def test_a_run_is_known_with_how_it_ended(store: Store) -> None:
    store.wait(schedules.install(store, FIRST))
    assert all_of(store) == (FIRST,)
    began = replace(FIRST, since=200.0, started=200.0, host="ops2")
    assert store.wait(schedules.begin(store, began)) == FIRST
    assert all_of(store) == (replace(began, since=100.0),)  # it has been due by that expression since then
    ended = replace(
        began,
        finished=210.0,
        deployment="20240612-141500-aaaa",
        outcome="refused",
        exit_code=3,
        reason="frozen\0",
        problem="frozen",
        problem_since=210.0,
    )
    store.wait(schedules.end(store, ended))
    kept = replace(ended, since=100.0, reason="frozen")
    assert all_of(store) == (kept,)
    # The next run finds what was told, until it has ended itself.
    assert store.wait(schedules.begin(store, replace(FIRST, since=300.0, started=300.0))) == kept
    (now,) = all_of(store)
    assert (now.started, now.finished, now.problem) == (300.0, None, "frozen")


def test_another_expression_is_due_from_now_and_a_run_by_hand_keeps_it(store: Store) -> None:
    store.wait(schedules.begin(store, replace(FIRST, started=100.0)))
    store.wait(schedules.install(store, replace(FIRST, since=500.0, calendar="weekly")))
    (now,) = all_of(store)
    assert (now.calendar, now.since, now.started) == ("weekly", 500.0, 100.0)
    store.wait(schedules.begin(store, replace(FIRST, since=600.0, started=600.0, calendar=None)))
    (now,) = all_of(store)
    assert (now.calendar, now.since, now.started) == ("weekly", 500.0, 600.0)


def test_parts_and_inventories_are_apart_and_can_be_forgotten(store: Store) -> None:
    part = replace(FIRST, part="web:!web3")
    other = replace(FIRST, lease="staging 0123", inventory="staging")
    for each in (FIRST, part, other):
        store.wait(schedules.install(store, each))
    assert all_of(store) == (FIRST, part)
    assert schedules.all_of(store) == (FIRST, part, other)
    assert store.wait(schedules.forget(store, FIRST.lease, FIRST.part)) == 1
    assert store.wait(schedules.forget(store, FIRST.lease, FIRST.part)) == 0
    assert schedules.all_of(store) == (part, other)
