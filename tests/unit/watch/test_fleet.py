"""What is known of a fleet whose hosts are looked at one after the other."""

from __future__ import annotations

import time

import pytest

from deployer.model import Observation
from deployer.watch.findings import Kind, Rules
from deployer.watch.fleet import Fleet
from deployer.watch.kept import Kept
from deployer.watch.look import Look
from tests.unit.seen import seen

OLD, NEW = "aaaaaaaaaaaa-111111111111", "bbbbbbbbbbbb-222222222222"
NAMES = ("web1", "web2")


def at(name: str, live: str) -> Observation:
    return seen(name, live=live, last_deployment="d2", last_target=NEW, last_from=OLD)


def looked(fleet: Fleet, name: str, live: str) -> list[Kind]:
    """A look, and what stands of the fleet after it."""
    fleet.looked(Look(name, time.time(), seen=at(name, live)))
    fleet.whole()
    return list(fleet.now().fleet)


@pytest.fixture
def fleet() -> Fleet:
    """Every host serves what a deployment brought."""
    made = Fleet("lab", NAMES, Rules(), Kept(), interval_s=30.0)
    for name in NAMES:
        assert looked(made, name, NEW) == []
    return made


def test_a_rollback_that_passes_between_two_looks_is_no_split(fleet: Fleet) -> None:
    assert looked(fleet, "web1", OLD) == []
    assert looked(fleet, "web2", OLD) == []


def test_a_split_is_told_when_everybody_was_looked_at_since(fleet: Fleet) -> None:
    assert looked(fleet, "web1", OLD) == []
    assert looked(fleet, "web2", NEW) == []
    assert looked(fleet, "web1", OLD) == [Kind.SPLIT]
    assert looked(fleet, "web2", NEW) == [Kind.SPLIT]
    assert looked(fleet, "web2", OLD) == []


def test_who_looks_once_waits_for_no_second_look() -> None:
    once = Fleet("lab", NAMES, Rules(), Kept(), interval_s=0.0)
    looked(once, "web1", OLD)
    assert looked(once, "web2", NEW) == [Kind.SPLIT]
