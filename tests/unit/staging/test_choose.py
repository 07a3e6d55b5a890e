"""Which hosts get an image."""

from __future__ import annotations

import pytest

from deployer.staging.choose import choose, groups_of, machine_names

HOSTS = ("web1", "web2", "web3", "api1", "api2", "db1")
GROUPS = {
    "all": HOSTS,
    "ungrouped": ("db1",),
    "web": ("web1", "web2", "web3"),
    "api": ("api1", "api2"),
    "front": ("web1", "web2", "web3", "api1", "api2"),
    "canary": ("web2",),
}


@pytest.mark.parametrize(
    ("per_group", "chosen"),
    [
        # web2 is the canary, and so the web of which one is enough; front is served by both.
        (1, ("web2", "api1", "db1")),
        (2, ("web1", "web2", "api1", "api2", "db1")),
        (9, HOSTS),
    ],
)
def test_each_group_has_its_hosts_and_none_is_taken_twice(per_group: int, chosen: tuple[str, ...]) -> None:
    assert choose(HOSTS, GROUPS, per_group) == chosen


def test_a_limit_leaves_the_other_hosts_of_a_group() -> None:
    assert choose(("web3", "api2"), GROUPS, 1) == ("web3", "api2")


def test_an_inventory_without_groups() -> None:
    assert choose(("a", "b"), {"all": ("a", "b"), "ungrouped": ("a", "b")}, 1) == ("a",)
    assert choose(("a", "b"), {"all": ("a", "b")}, 1) == ("a",)


def test_groups_of_the_fleet() -> None:
    assert groups_of(("web2", "db1"), GROUPS) == {"web": ("web2",), "front": ("web2",), "canary": ("web2",)}


def test_names_that_files_and_the_kernel_take() -> None:
    hosts = ("web1.example.com", "2001:db8::1", "2001-db8-1", "outside", "Web/1")
    names = machine_names(hosts, reserved=("outside",))
    assert len(set(names.values())) == len(hosts)
    assert names["web1.example.com"] == "web1.example.com"
    assert names["outside"] == "outside-2"
    assert all(not set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789.-") for name in names.values())
