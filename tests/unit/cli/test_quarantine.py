"""``deployer quarantine``: what is said, what is meant, and what is left when no host answers."""

from __future__ import annotations

import json

import pytest

from deployer.errors import UsageError
from deployer.journal import Store
from deployer.model.barriers import Quarantined
from deployer.quarantine import Entry, Kept, lines, meant
from tests.unit.cli.conftest import Call
from tests.unit.project import Project

SSH = ("--ssh-config", "ssh_config")
NOON = 1718201700.0  # 2024-06-12 14:15:00 UTC
BAD = Quarantined("4f4f4f4f4f4f-0123456789ab", "20240612-141500-aaaa", NOON, "web1: \x1b[31m503")
OTHER = Quarantined("cccccccccccc-0123ffffffff", "20240612-141500-bbbb", NOON + 9, "taken back by ann@ops1")


def put(*entries: Quarantined, inventory: str = "lab") -> None:
    with Store.open() as store:
        store.quarantine(inventory, entries)


def left() -> list[str]:
    with Store.open() as store:
        return [entry.release for _, entry in store.quarantined()]


def test_nothing_is_in_quarantine(call: Call) -> None:
    ran = call("quarantine", "list")
    assert (ran.code, ran.out) == (0, "nothing is in quarantine\n")


def test_without_an_inventory_the_journal_is_read_and_nobody_asked(call: Call) -> None:
    put(BAD)
    put(OTHER, inventory="staging")
    ran = call("quarantine", "list")
    assert ran.code == 0
    assert "lab  4f4f4f4f4f4f-0123456789ab  since 2024-06-12 14:15 UTC" in ran.out
    assert "by 20240612-141500-bbbb: taken back by ann@ops1" in ran.out
    assert "\x1b" not in ran.out
    document = json.loads(call("quarantine", "list", "--json").out)
    assert [entry["inventory"] for entry in document["quarantine"]] == ["lab", "staging"]
    assert document["quarantine"][0]["since"] == "2024-06-12T14:15:00.000Z"


def test_hosts_that_do_not_answer_are_named_and_the_journal_lets_go(project: Project, call: Call) -> None:
    put(BAD)
    listed = call("quarantine", "list", "lab", *SSH)
    assert listed.code == 0
    assert "DOES NOT ANSWER" in listed.out
    ran = call("quarantine", "release", "lab", BAD.release, "--yes", "--json", *SSH)
    document = json.loads(ran.out)
    assert (ran.code, document["exit_code"], document["released"]) == (6, 6, True)
    assert document["unreachable"]
    assert "could not be told" in ran.err
    assert left() == []


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["lab", "0123456789ab"], "there is no terminal: say --yes"),
        (["lab", "", "--yes"], "RELEASE|HASH is empty"),
        (["lab", "ffffffffffff", "--yes"], "is not in quarantine; there is 4f4f4f4f4f4f-0123456789ab"),
        (["lab", "0123", "--yes"], "6 hexadecimal digits at least"),
        (["lab", "main", "--yes"], "is no release, nor its hash"),
        (["nowhere", "0123456789ab", "--yes"], "nowhere"),
    ],
)
def test_what_is_meant_has_to_be_said(project: Project, call: Call, argv: list[str], why: str) -> None:
    put(BAD)
    ran = call("quarantine", "release", *argv, *SSH)
    assert (ran.code, why in ran.err) == (2, True), ran
    assert left() == [BAD.release]


@pytest.mark.parametrize("command", [["deploy", "lab"], ["rollback", "lab", "--to", "x"]])
def test_a_glass_is_not_broken_for_nothing(project: Project, call: Call, command: list[str]) -> None:
    ran = call(*command, "--yes", "--break-glass", " ", *SSH)
    assert (ran.code, "--break-glass is empty" in ran.err) == (2, True), ran


def test_a_hash_is_enough_where_it_fits_one() -> None:
    found = Kept((Entry("lab", BAD), Entry("lab", OTHER, ("web2",), stored=False)), {"web3": "no route"})
    for asked in ("0123456789ab", "012345", BAD.release, "ffffffffffff-0123456789ab", BAD.hash + "0" * 52):
        assert [entry.quarantined for entry in meant(found, asked).entries] == [BAD], asked
    both = Kept((Entry("lab", BAD), Entry("lab", Quarantined("a-012345999999", "d", NOON, ""))))
    with pytest.raises(UsageError, match="write more of it"):
        meant(both, "012345")
    with pytest.raises(UsageError, match=r"web3 could not be asked"):
        meant(found, "ffffff")
    told = "\n".join(lines(found))
    assert "known to the journal\n" in told
    assert "known to web2\n" in told
    assert "web3: DOES NOT ANSWER" in told
