"""A fleet of which one part went back and another did not is told from one that only differs."""

from __future__ import annotations

from typing import Any

import pytest

from deployer.model import Observation
from deployer.rollout.back import Way, to_release, undo_latest
from deployer.rollout.split import Split, split_of
from tests.unit.seen import fresh, good, seen

R1, R2, R3 = (f"{letter * 12}-{digit * 12}" for letter, digit in ("a1", "b2", "c3"))
R2_HERE = "bbbbbbbbbbbb-999999999999"  #: the same revision, rendered otherwise


def host(name: str, live: str, last: tuple[str, str, str], **differs: Any) -> Observation:
    """A host with the deployment that it remembers: id, target, ``from``."""
    deployment, target, source = last
    usual = {"good": good(R1, live), "releases": (R1, live)}
    record = {"last_deployment": deployment, "last_target": target, "last_from": source}
    return seen(name, live=live, **{**usual, **record, **differs})


ON, BACK = ("d2", R2, R1), ("d2", R2, R1)


@pytest.mark.parametrize(
    ("hosts", "split"),
    [
        ([host("a", R2, ON), host("b", R2, ON)], None),
        ([host("a", R1, BACK), host("b", R1, BACK)], None),
        ([host("a", R2, ON), host("b", R1, BACK)], (("a",), ("b",))),
        # Two deployments brought one revision, and the later one was taken back.
        ([host("a", R2, ON), host("b", R1, ("d3", R2, R1))], (("a",), ("b",))),
        # One deployment, rendered differently on each host.
        ([host("a", R2_HERE, ("d2", R2_HERE, R1)), host("b", R1, BACK)], (("a",), ("b",))),
        # One was never reached, one has gone on since: they differ, and nothing was taken back.
        ([host("a", R2, ON), host("b", R1, ("d1", R1, R3))], None),
        ([host("a", R3, ("d3", R3, R1)), host("b", R1, BACK)], None),
        # The cure of a dead nginx deploys what is live: nowhere to go back from.
        ([host("a", R2, ON), host("b", R2, ("d3", R2, R2))], None),
        ([fresh("a"), seen("b"), host("c", R2, ON)], None),
        ([], None),
    ],
)
def test_what_is_a_split(
    hosts: list[Observation], split: tuple[tuple[str, ...], tuple[str, ...]] | None
) -> None:
    found = split_of(hosts)
    assert (None if found is None else (found.stayed, found.back)) == split


def test_the_shorter_pattern_names_those_that_stayed() -> None:
    assert Split(("a",), ("b", "c")).pattern == "a"
    assert Split(("a", "b"), ("c",)).pattern == "all:!c"
    assert Split(("a", "b"), ("c", "d")).pattern == "a,b"


def test_a_rollback_says_who_goes_on_serving_what_it_takes_back() -> None:
    hosts = {"a": host("a", R2, ON), "b": host("b", R2, ("d3", R2, R1))}
    plan = undo_latest(hosts)
    assert [plan.hosts[name].way for name in "ab"] == [Way.STAY, Way.BACK]
    assert plan.split == Split(("a",), ("b",))
    assert plan.hosts["a"].reason == f"stays on {R2}, which deployment d2 brought"
    # With the limit that is proposed the other one goes, too, and then there is no split.
    assert undo_latest({"a": hosts["a"]}).hosts["a"].way is Way.BACK
    assert undo_latest({"a": hosts["a"]}).split is None


def test_a_rollback_of_all_leaves_no_split() -> None:
    hosts = {name: host(name, R2, ON) for name in "ab"}
    assert undo_latest(hosts).split is None
    assert to_release(hosts, R1).split is None
