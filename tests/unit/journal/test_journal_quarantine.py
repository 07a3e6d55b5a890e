"""What the store keeps of quarantine and evidence, in a file and on a server alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from deployer.errors import StoreUnavailable
from deployer.journal import Store
from deployer.journal.fallback import NullStore
from deployer.model import DeploymentRecord, Outcome, Result
from deployer.model.barriers import Quarantined

NOON = 1718201700.0  # 2024-06-12 14:15:00 UTC
BAD = Quarantined("4f4f4f4f4f4f-0123456789ab", "20240612-141500-aaaa", NOON, "web1: answered 503, fünf")
TREE = "ab" * 20

Record = Callable[..., DeploymentRecord]


def test_what_is_in_quarantine_is_there_until_it_is_released(store: Store, url: str) -> None:
    other = replace(BAD, release="cccccccccccc-ffffffffffff", time=NOON - 5)
    store.quarantine("prod", [BAD, other])
    store.quarantine("prod", [BAD])  # said twice
    store.quarantine("staging", [BAD])
    assert store.quarantined("prod") == (("prod", other), ("prod", BAD))
    assert len(store.quarantined()) == 3
    with Store.open(url, read_only=True) as reading:
        assert reading.quarantined("staging") == (("staging", BAD),)
        with pytest.raises(StoreUnavailable):
            reading.release_quarantine("prod", BAD.hash, "ann@ops1")
    assert store.release_quarantine("prod", BAD.hash, "ann@ops1") == 1
    assert store.release_quarantine("prod", BAD.hash, "ann@ops1") == 0
    assert store.quarantined("prod") == (("prod", other),)
    assert len(store.quarantined("staging")) == 1


def test_what_was_released_comes_back_by_a_new_failure_only(store: Store) -> None:
    store.quarantine("prod", [BAD])
    store.release_quarantine("prod", BAD.hash, "ann@ops1")
    store.quarantine("prod", [BAD])  # a host that was away tells of it again
    assert store.quarantined("prod") == ()
    again = replace(
        BAD, release="dddddddddddd-0123456789ab", deployment="20240613-100000-bbbb", time=NOON + 9
    )
    store.quarantine("prod", [again])
    assert store.quarantined("prod") == (("prod", again),)
    assert store.release_quarantine("prod", BAD.hash, "ann@ops1") == 1


def test_one_release_of_the_hash_ends_all_its_entries(store: Store) -> None:
    store.quarantine("prod", [BAD, replace(BAD, deployment="20240613-100000-bbbb")])
    assert store.release_quarantine("prod", BAD.hash, "ann@ops1") == 2


def test_odd_bytes_do_no_harm(store: Store) -> None:
    odd = replace(BAD, release="baseline-0123456789ab", why="a\0b \udcff '); DROP TABLE quarantine; --")
    store.quarantine("prod", [odd])
    ((_, entry),) = store.quarantined("prod")
    assert "DROP TABLE" in entry.why


def test_evidence_is_what_was_promoted_of_that_very_source(
    store: Store, record: Record, result: Result
) -> None:
    def ended(name: str, finished: float, outcome: Outcome = Outcome.DEPLOYED, **given: object) -> None:
        store.start(record(name, **{"source_hash": TREE, "inventory": "staging", **given}))
        store.finish(name, replace(result, id=name, outcome=outcome), finished=finished)

    ended("d1", NOON + 10)
    ended("d2", NOON + 20, Outcome.UNCHANGED, started=NOON + 15)
    ended("d3", NOON + 30, Outcome.ROLLED_BACK)
    ended("d4", NOON + 30, source_hash="cd" * 20)
    ended("d5", NOON + 30, inventory="prod")
    ended("d6", NOON + 30, kind="adopt")
    ended("d7", NOON - 99)
    ended("r1", NOON + 40, Outcome.ROLLED_BACK, kind="rollback", started=NOON + 35, source_hash=None)
    store.start(record("d8", source_hash=TREE, inventory="staging"))
    found = store.promoted("staging", TREE, NOON)
    assert [one.id for one in found] == ["d2", "d1"]
    assert found[0].source_hash == TREE
    assert found[0].result is not None
    assert [one.id for one in store.rolled_back("staging", NOON)] == ["r1"]
    assert store.rolled_back("staging", NOON + 36) == ()
    assert store.known("d4") is not None


def test_an_emergency_queues_it_and_waits_for_nobody(url: str, record: Record, result: Result) -> None:
    said: list[str] = []
    store = Store.best_effort(url, said.append)
    store.start(record())
    store.quarantine("prod", [BAD])
    store.finish(record().id, result)
    store.close()
    assert said == []
    with Store.open(url, read_only=True) as reading:
        assert reading.quarantined("prod") == (("prod", BAD),)
    gone = Store.best_effort("sqlite:////proc/nowhere/state.db", said.append)
    gone.quarantine("prod", [BAD])
    gone.close()
    NullStore().quarantine("prod", [BAD])
