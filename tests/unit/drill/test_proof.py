"""What counts as repaired, by the documents of ``deployer status``; and the files of a drill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deployer.drill.proof import fleet_lacks, users_lack
from deployer.drill.record import Record, Users

GOOD = "0123456789ab" + 28 * "0"
RELEASE = "0123456789ab-aaaaaaaaaaaa"


def status(live: str | None = RELEASE, exit_code: int = 0, **changed: Any) -> dict[str, Any]:
    hosts = {"web1": {"live": live, "troubles": changed.pop("troubles", [])}}
    return {"hosts": hosts, "split": None, "unfinished": [], "exit_code": exit_code, **changed}


def test_the_release_that_is_meant_by_its_commit_or_its_tree() -> None:
    assert fleet_lacks(status(), {GOOD}, set()) == []
    assert fleet_lacks(status("ffffffffffff-aaaaaaaaaaaa"), set(), {RELEASE}) == []
    assert (
        "which is not what users need"
        in fleet_lacks(status("ffffffffffff-bbbbbbbbbbbb"), {GOOD}, {RELEASE})[0]
    )


def test_a_release_that_is_meant_is_not_enough() -> None:
    assert fleet_lacks(status(troubles=["nginx is not running"], exit_code=6), {GOOD}, set()) == [
        "web1: nginx is not running"
    ]
    unfinished = [{"deployment": "20240612-1"}]
    assert fleet_lacks(status(unfinished=unfinished), {GOOD}, set()) == [
        "deployment 20240612-1 has not ended"
    ]
    assert fleet_lacks(status(split="the fleet is split: …"), {GOOD}, set()) == ["the fleet is split: …"]
    assert fleet_lacks(status(exit_code=6), {GOOD}, set()) == ["deployer status ends with 6"]
    assert fleet_lacks(status(None, 6, troubles=["cannot be asked"]), {GOOD}, set()) == [
        "web1: cannot be asked"
    ]


def test_users_have_the_last_word() -> None:
    met = Users(1.0, 2.0, 60, 0, {}, None, None, 5.0)
    assert users_lack(met, "shop") == []
    bad = Users(1.0, 2.0, 60, 20, {1: 20}, 1.0, 1.9, 5.0)
    assert users_lack(bad, "shop 3") == ["20 of the last 60 users did not get 'shop 3'"]
    assert "drill end" in users_lack(None, "shop")[0]


def test_a_line_that_is_being_written_is_not_read_yet(tmp_path: Path) -> None:
    record = Record(tmp_path)
    assert record.entries() == []
    record.add("hint", number=1)
    record.add_users(Users(1.0, 2.0, 60, 20, {1: 20}, 1.0, 1.9, 5.0))
    record.commands.write_text("1.5\t2.5\t6\tstatus\tstatus lab \n9.0\t9.5\t0\troll")
    assert [(each.what, each.detail.get("verb")) for each in record.entries()] == [
        ("command", "status"),
        ("hint", None),
    ]
    assert record.users()[0].failures == {1: 20}
