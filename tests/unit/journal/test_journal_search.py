"""Finding deployments again: by host, revision, outcome and time; and what changed before a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from deployer.explain import belonging, look_around
from deployer.journal import Store
from deployer.journal.search import Wanted, search
from deployer.model import (
    EXIT_CODE,
    DeploymentRecord,
    Event,
    HostOutcome,
    HostResult,
    Outcome,
    Result,
    State,
)
from deployer.model.barriers import Quarantined
from deployer.report.around import Suspicion, around_json, around_text
from deployer.report.when import When

NOON = 1718201700.0  # 2024-06-12 14:15:00 UTC
Make = Callable[..., DeploymentRecord]
AT = When(NOON, "12 June 2024, 14:15 UTC")


class Past:
    """A journal in which things are said to have happened."""

    def __init__(self, store: Store, record: Make) -> None:
        self.store, self._record = store, record

    def add(
        self,
        name: str,
        minutes: float,
        outcome: Outcome | None = Outcome.DEPLOYED,
        *,
        hosts: Iterable[str] = ("web1", "web2"),
        restored: bool = False,
        switched: bool = True,
        release: str = "4f4f4f4f4f4f-0123456789ab",
        undoes: str | None = None,
        **changes: Any,
    ) -> str:
        """A deployment that many minutes before 14:15, which took one."""
        began = NOON - 60 * minutes
        record = self._record(name, started=began, **changes)
        self.store.start(record)

        def say(after: float, host: str | None, step: str, state: State, **detail: Any) -> None:
            self.store.append(Event(name, host, step, state, began + after, detail))

        say(0, None, "deployment", State.STARTED, **({"undoes": undoes} if undoes else {}))
        say(1, None, "plan", State.SUCCEEDED, hosts={host: {"action": "change"} for host in hosts})
        back = record.kind == "rollback"
        for host in hosts if switched else ():
            if not back:
                say(10, host, "activate", State.STARTED)
            if back or restored:
                say(30, host, "activate", State.UNDO_SUCCEEDED)
            elif outcome is not None:
                say(20, host, "confirm", State.SUCCEEDED)
        if outcome is not None:
            ends = {host: HostResult(HostOutcome.DEPLOYED, release, None, None, 1.0) for host in hosts}
            code = 0 if back else EXIT_CODE[outcome]
            result = Result(name, outcome, code, record.commit, None, ends, (), 60.0)
            self.store.finish(name, result, finished=began + 60)
        return name


@pytest.fixture
def past(store: Store, record: Make) -> Past:
    return Past(store, record)


def found(past: Past, limit: int = 50, **wanted: Any) -> list[str]:
    return [record.id for record in search(past.store, Wanted(**wanted), limit=limit)]


def test_filters(past: Past) -> None:
    past.add("d1", 300, Outcome.ROLLED_BACK, hosts=["web1", "db1"])
    past.add("d2", 200, inventory="staging", commit="5e" * 20, revision="v2")
    past.add("d3", 100, Outcome.REFUSED, hosts=["web2"])
    past.add("d4", 50, None, hosts=["web3"])
    past.add(
        "r5",
        40,
        Outcome.ROLLED_BACK,
        kind="rollback",
        commit=None,
        revision=None,
        release="5e5e5e5e5e5e-0123456789ab",
    )
    assert found(past) == ["r5", "d4", "d3", "d2", "d1"]
    assert found(past, limit=2) == ["r5", "d4"]
    assert found(past, inventory="prod") == ["r5", "d4", "d3", "d1"]
    assert found(past, outcome="rolled_back") == ["r5", "d1"]
    assert found(past, outcome="unfinished") == ["d4"]
    assert found(past, outcome="failed") == ["d4", "d3", "d1"]
    assert found(past, host="db1") == ["d1"]
    assert found(past, host="web3") == ["d4"], "nothing but its plan says so"
    assert found(past, host="web*:!web1") == ["r5", "d4", "d3", "d2"]
    assert found(past, host="nobody") == []
    assert found(past, revision="v2") == ["d2"]
    assert found(past, revision="main") == ["d4", "d3", "d1"]
    assert found(past, revision="5e5e") == ["r5", "d2"], "what a rollback went back to is of that commit, too"
    assert found(past, revision="5e" * 20) == ["r5", "d2"]
    assert found(past, revision="5e5e5e5e5e5e-0123456789ab") == ["r5"]
    assert found(past, revision="ma") == []
    assert found(past, since=NOON - 60 * 99.5, until=NOON - 60 * 45) == ["d4", "d3"]
    assert found(past, until=NOON - 60 * 250) == ["d1"]
    assert past.store.inventories() == ("prod", "staging")


def test_many_pages(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployer.journal.search.PAGE", 3)
    for number in range(10):
        past.add(
            f"d{number}", 7 if number in (4, 5, 6) else 10 - number, hosts=["web1" if number % 2 else "web2"]
        )
    listed = found(past)
    assert len(listed) == len(set(listed)) == 10
    assert found(past, host="web1", limit=4) == [name for name in listed if int(name[1:]) % 2][:4]


def test_what_is_typed_is_no_sql(past: Past) -> None:
    past.add("d1", 10)
    for text in ("' OR 1=1 --", "%", "_", "4f4f' --"):
        assert found(past, inventory=text) == []
        assert found(past, revision=text) == []
        assert found(past, host=text) == []


def test_the_most_suspicious_first(past: Past) -> None:
    past.add("early", 14)
    past.add("late", 5, inventory="staging")
    past.add("refused", 2, Outcome.REFUSED, switched=False)
    past.add("back", 8, Outcome.ROLLED_BACK, restored=True)
    past.add("then", 0.5, None, hosts=["web7"])
    past.add("after", -10, kind="rollback")
    past.add("long", 300)
    look = look_around(past.store, AT, 15)
    assert [(each.record.id, each.suspicion) for each in look.suspects] == [
        ("then", Suspicion.THEN),
        ("late", Suspicion.CHANGED),
        ("early", Suspicion.CHANGED),
        ("back", Suspicion.WENT_BACK),
        ("refused", Suspicion.NOTHING),
    ]
    assert look.suspects[0].hosts == ("web7",)
    assert [record.id for record in look.later] == ["after"]
    text = around_text(look)
    assert text.startswith("In the 15 min before 12 June 2024, 14:15 UTC:\n  1. prod: deployment then")
    assert "changed web1, web2" in text
    assert "deployer show late" in text
    assert "perhaps its cure" in text
    assert "NOTHING" not in text
    document = around_json(look)
    assert document["changed"] is True
    assert document["suspects"][0]["suspicion"] == "then"
    assert [each.record.id for each in look_around(past.store, AT, 15, "staging").suspects] == ["late"]


def test_many_that_changed_nothing_are_counted(past: Past) -> None:
    past.add("good", 5)
    for number in range(4):
        past.add(f"refused{number}", 2, Outcome.REFUSED, switched=False)
    text = around_text(look_around(past.store, AT, 15))
    assert "  -  4 more switched no host in that time (4 refused): deployer history" in text
    assert "refused2" not in text


def test_nothing_changed_is_said_plainly(past: Past) -> None:
    past.add("long", 300, inventory="staging")
    past.add("refused", 2, Outcome.REFUSED, switched=False)
    look = look_around(past.store, AT, 15)
    text = around_text(look)
    assert "NOTHING was changed by deployer on any of these inventories: prod, staging." in text
    assert "The last change before that: staging: deployment long" in text
    assert "4 h 59 min before" in text
    assert "refused" in text
    assert around_json(look)["changed"] is False


def test_a_recovery_of_something_old_is_seen(past: Past) -> None:
    past.add("old", 300, None)
    past.store.append(Event("old", None, "recovery", State.STARTED, NOON - 200))
    past.store.append(Event("old", "web1", "activate", State.UNDO_SUCCEEDED, NOON - 100))
    (only,) = look_around(past.store, AT, 15).suspects
    assert only.record.id == "old"
    assert only.suspicion is Suspicion.THEN, "web2 has no end"
    assert only.at == NOON - 100


def test_quarantine_is_named(past: Past) -> None:
    past.add("d1", 600)
    entry = Quarantined("4f4f4f4f4f4f-0123456789ab", "d1", NOON - 300, "answers 503")
    past.store.quarantine("prod", [entry])
    look = look_around(past.store, AT, 15)
    assert "4f4f4f4f4f4f-0123456789ab was put in quarantine by d1: answers 503" in around_text(look)
    assert look_around(past.store, AT, 1).notes == ()
    assert look_around(past.store, AT, 15, "staging").notes == ()


def test_a_rollback_and_what_it_undid_know_each_other(past: Past) -> None:
    past.add("d1", 60)
    past.add("d2", 50)
    past.add("r3", 40, Outcome.ROLLED_BACK, kind="rollback", undoes="d2")
    past.add("d4", 30)
    store = past.store

    def around(name: str) -> Any:
        return belonging(store, store.deployment(name), store.events(name))

    assert around("d2").undone_by == {"r3"}
    assert {event.state for event in around("d2").undoing if event.host} == {State.UNDO_SUCCEEDED}
    assert [record.id for record in around("d2").later] == ["r3", "d4"]
    assert around("d1").undone_by == set()
    assert around("r3").undoes[0].id == "d2"
    assert around("d4").undoes is None


def test_an_address_is_a_name() -> None:
    assert Wanted(host="2001:db8::1").matches("2001:db8::1")
    assert not Wanted(host="2001:db8::1").matches("web1")
