"""``--limit`` where it is stricter than Ansible, or says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.config.inventory import Inventory, load_inventory
from deployer.errors import UsageError

from .conftest import Write

TEXT = """
    web: {hosts: {"web[1:5]": , "2001:db8::1": }}
    db: {hosts: {"db[1:2]": }}
    dc1: {hosts: {web1: , web2: , db1: }}
    empty:
"""


@pytest.fixture
def inventory(write: Write) -> Inventory:
    return load_inventory(write("i.yml", TEXT))


def names(inventory: Inventory) -> list[str]:
    return [host.name for host in inventory.hosts]


def test_none_is_everybody(inventory: Inventory) -> None:
    assert inventory.limit(None) is inventory


def test_the_order_is_the_inventorys(inventory: Inventory) -> None:
    assert names(inventory.limit("db2,web3,web1")) == ["web1", "web3", "db2"]


def test_limits_add_up(inventory: Inventory) -> None:
    limited = inventory.limit("web").limit("dc1")
    assert names(limited) == ["web1", "web2"]
    assert limited.groups["all"] == inventory.groups["all"]


def test_spaces_and_files(inventory: Inventory, tmp_path: Path) -> None:
    (tmp_path / "some").write_text("# these\nweb1\n\n!db1\ndc1\n")
    assert names(inventory.limit(f"@{tmp_path / 'some'}")) == ["web1", "web2"]
    assert names(inventory.limit(" web1 , db1 ")) == ["web1", "db1"]


def test_a_glob_means_groups_and_hosts_a_name_only_the_group(write: Write) -> None:
    inventory = load_inventory(write("two.yml", "web: {hosts: {w1: }}\nother: {hosts: {webby: , web: }}"))
    assert names(inventory.limit("web*")) == ["w1", "webby", "web"]
    assert names(inventory.limit("web")) == ["web"]  # a host outranks a group of its name


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("wbe", 'did you mean "web"'),
        ("web:!wbe3", "'wbe3' matches no host and no group"),
        ("web:&dc9", 'did you mean "dc1"'),
        ("xyz", "the groups web, db, dc1, empty and the hosts web1, web2"),
        ("web1:!web1", "leaves no host"),
        ("empty", "leaves no host"),
        ("web[9]", "leaves no host"),
        ("web[-9]", "leaves no host"),
        ("~(", "not a regular expression"),
        ("~[", "a [ without ]"),
        ("web[1", "a [ without ]"),
        ("web1]:db", "a ] without ["),
        ("", "is empty"),
        (",", "is empty"),
        ("@/nowhere", "cannot be read"),
        ("!", "matches no host"),
    ],
)
def test_what_matches_nothing_is_refused(inventory: Inventory, pattern: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        inventory.limit(pattern)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("web[-1]", ["2001:db8::1"]),
        ("web[-2]", ["web5"]),
        ("web[0:0]", ["web1"]),
        ("web[4:99]", ["web5", "2001:db8::1"]),
        ("[2001:db8::1]", ["2001:db8::1"]),
        ("!2001:db8::1", ["web1", "web2", "web3", "web4", "web5", "db1", "db2"]),
        ("~web[12]:&dc1", ["web1", "web2"]),
    ],
)
def test_corners(inventory: Inventory, pattern: str, expected: list[str]) -> None:
    assert names(inventory.limit(pattern)) == expected
