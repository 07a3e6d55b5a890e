"""What is not as it should be on a host, said in sentences."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from deployer.cli.tables import status_table
from deployer.errors import Unreachable
from deployer.model import Guard, GuardState, Observation
from deployer.model.barriers import Quarantined
from deployer.model.scheduled import Scheduled
from deployer.schedule.due import verdicts
from deployer.status import FleetStatus, HostStatus, judge, of_look
from deployer.watch.findings import Rules
from deployer.watch.look import Health, Look, Past, Wanted
from tests.unit.seen import fresh, good, seen

WELL = Health(True)
BAD = "aaaaaaaaaaaa-111111111111"


def judged(host: Observation, health: Any = WELL) -> HostStatus:
    return judge(host.host, host, None, health)


def test_a_host_that_is_as_it_should_be_has_no_troubles() -> None:
    status = judged(seen())
    assert (status.troubles, status.notes, status.healthy) == ((), (), True)


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (seen(problems=("the file system is read-only",)), "read-only"),
        (seen(running=False, memory=None), "nginx is not running"),
        (fresh(running=False), "nginx is not running"),
        (seen(drifted=True, facts={"drift": ("a.conf", "b.conf")}), "a.conf, b.conf"),
        (seen(drifted=True), "deployer plan"),
        (seen(memory="cccccccccccc-333333333333"), "memory holds cccccccccccc-333333333333"),
        (seen(memory=None, memory_note="workers differ"), "nothing that can be proved (workers differ)"),
        (seen(good=good("baseline-000000000000")), "never promoted"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_trouble_is_one_sentence(host: Observation, words: str) -> None:
    status = judged(host)
    assert len(status.troubles) == 1
    assert words in status.troubles[0]


def test_a_dead_nginx_is_not_also_told_to_hold_the_wrong_release() -> None:
    assert judged(seen(running=False, memory=None)).troubles == ("nginx is not running",)


def test_many_drifted_files_are_not_all_named() -> None:
    status = judged(seen(drifted=True, facts={"drift": tuple(f"{n}.conf" for n in range(100))}))
    assert "4.conf" in status.troubles[0]
    assert "5.conf" not in status.troubles[0]


def test_a_host_that_was_never_adopted_is_only_noted() -> None:
    status = judged(fresh())
    assert status.troubles == ()
    assert "not adopted" in status.notes[0]


def test_somebody_at_work_is_noted() -> None:
    assert "20240612-2" in judged(seen(owner="20240612-2")).notes[0]


def test_checks_that_fail_are_troubles_and_warnings_are_notes() -> None:
    status = judged(seen(), Health(False, ("shop: 503",), ("shop: certificate ends in 3 days",)))
    assert status.healthy is False
    assert status.troubles == ("shop: 503",)
    assert status.notes == ("shop: certificate ends in 3 days",)


def test_a_host_that_cannot_be_asked_is_in_trouble() -> None:
    status = judge("web1", None, Unreachable("web1: no route to host", host="web1"), None)
    assert status.troubles == ("cannot be asked: web1: no route to host",)
    assert (status.seen, status.healthy) == (None, None)


def test_without_checks_asked_health_is_unknown() -> None:
    assert judged(seen(), None).healthy is None
    assert judged(seen(), None).troubles == ()


@pytest.mark.parametrize(
    ("hosts", "code"),
    [
        ([seen("a"), fresh("b")], 0),
        ([seen("a"), seen("b", drifted=True)], 6),
        ([seen("a", running=False)], 6),
        ([], 0),
    ],
)
def test_the_exit_code_is_6_when_anything_is_wrong(hosts: list[Observation], code: int) -> None:
    fleet = FleetStatus("lab", {h.host: judged(h) for h in hosts})
    assert fleet.exit_code == code
    assert fleet.as_json()["exit_code"] == code


ARMED = Guard(GuardState.ARMED, "d9", BAD, "baseline-000000000000", left_s=90.0, carried=True)


@pytest.mark.parametrize(
    ("guard", "trouble", "words"),
    [
        (ARMED, False, "by itself in 90 s"),
        (
            replace(ARMED, state=GuardState.FIRED, time=0.0),
            False,
            "at 1970-01-01 00:00:00 UTC",
        ),
        (replace(ARMED, state=GuardState.EXPIRED), True, "its guard is at it"),
        (replace(ARMED, state=GuardState.EXPIRED, carried=False), True, "'deployer rollback' does it"),
        (replace(ARMED, state=GuardState.EXPIRED, stuck="No such name."), True, "No such name. It is tried"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_guard_is_at_is_said(guard: Guard, trouble: bool, words: str) -> None:
    status = judged(seen(guard=guard))
    (said,) = status.troubles if trouble else status.notes
    assert words in said
    document = json.loads(json.dumps(status.as_json()))["guard"]
    assert (document["state"], document["from"]) == (guard.state.value, guard.source)


def test_a_fleet_of_which_a_part_was_taken_back_is_split_though_each_host_is_well() -> None:
    old, new = "aaaaaaaaaaaa-111111111111", "bbbbbbbbbbbb-222222222222"
    last = {"last_deployment": "d2", "last_target": new, "last_from": old}
    there = [seen(f"web{n}", live=new, **last) for n in (1, 2)]
    fleet = FleetStatus("lab", {h.host: judged(h) for h in (*there, seen("web3", live=old, **last))})
    assert fleet.exit_code == 6
    assert fleet.split == (
        "the fleet is split: web1, web2 serve what was taken back on web3; "
        "take it back there, too (deployer rollback lab --limit 'all:!web3'), or deploy again"
    )
    assert fleet.as_json()["split"] == fleet.split
    assert status_table(fleet).splitlines()[-2:] == [f"! {fleet.split}", "Help: docs/runbooks/split.md"]
    whole = FleetStatus("lab", {h.host: judged(h) for h in there})
    assert (whole.exit_code, whole.split) == (0, None)


def test_what_is_in_quarantine_is_told_and_whether_git_has_it() -> None:
    line = "bbbbbbbbbbbb-222222222222 d2 1718200000 taken back by ann@ops1"
    elsewhere = Quarantined("cccccccccccc-333333333333", "d1", 1_718_100_000.0, "checks failed")
    looks = [Look(f"web{n}", 0.0, seen=seen(f"web{n}", facts={"quarantine": (line,)})) for n in (1, 2)]
    wanted = Wanted("dddddddddddd-222222222222", "2" * 64)
    hosts = {look.host: of_look(replace(look, wanted=wanted), Rules()) for look in looks}
    same = Quarantined("bbbbbbbbbbbb-222222222222", "d2", 1_718_200_000.4, "taken back by ann@ops1")
    fleet = FleetStatus("lab", hosts, past=Past(quarantined=(same, elsewhere)))
    shown = status_table(fleet)
    assert (
        "  quarantine: bbbbbbbbbbbb-222222222222, since 2024-06-12 13:46 UTC: taken back by ann@ops1; "
        "git has it, and deploy refuses it (deployer quarantine release lab 222222222222)\n"
        "  quarantine: cccccccccccc-333333333333, since 2024-06-11 10:00 UTC: checks failed\n"
    ) in shown
    assert [(q["hash"], q["hosts"]) for q in fleet.as_json()["quarantine"]] == [
        ("222222222222", ["web1", "web2"]),
        ("333333333333", []),
    ]
    assert fleet.exit_code == 0


def test_the_document_says_all_that_is_known() -> None:
    drifted = seen(
        "web1", live=BAD, drifted=True, facts={"drift": ("a.conf",)}, owner="d9", last_deployment="d8"
    )
    silent = judge("web2", None, Unreachable("gone", host="web2"), None)
    fleet = FleetStatus("lab", {"web1": judged(drifted), "web2": silent})
    document = json.loads(json.dumps(fleet.as_json()))
    assert document["inventory"] == "lab"
    assert list(document["hosts"]) == ["web1", "web2"]
    web1, web2 = document["hosts"].values()
    unknown = dict.fromkeys(
        ("valid", "answers", "log_lines", "counted_seconds", "wanted", "behind", "differing")
    )
    nothing: dict[str, list[str]] = {
        key: [] for key in ("invalid", "written", "logged_in_then", "failing_checks", "certificates")
    }
    assert (document["source"], document["journal"]) == (None, None)
    assert web1 == unknown | nothing | {
        "reachable": True,
        "adopted": True,
        "live": BAD,
        "memory": BAD,
        "memory_note": "master and workers hold it open",
        "good": ["baseline-000000000000", BAD],
        "last_known_good": BAD,
        "promoted": True,
        "running": True,
        "drifted": True,
        "drift": ["a.conf"],
        "guard": None,
        "owner": "d9",
        "last_deployment": "d8",
        "healthy": True,
        "troubles": ["edited since it was deployed: a.conf"],
        "notes": ["deployment d9 is working on it"],
    }
    assert set(web2) == set(web1)
    assert (web2["reachable"], web2["live"], web2["good"]) == (False, None, [])


def left(name: str, live: str, **differs: Any) -> HostStatus:
    heard = {"owner_silent": ("42",), "owner_controller": ("ann@ops1",)}
    known = {
        "owner": "20240612-1",
        "last_deployment": "20240612-1",
        "last_target": BAD,
        "last_from": "baseline-000000000000",
        "good": good("baseline-000000000000"),
    }
    return judged(seen(name, live=live, facts=heard, **{**known, **differs}))


def test_a_deployment_that_was_left_half_way_is_told_with_the_command() -> None:
    hosts = {"web1": left("web1", BAD), "web2": left("web2", "baseline-000000000000")}
    found = FleetStatus("production", hosts)
    assert found.exit_code == 6
    told = (
        "the fleet is split: deployment 20240612-1 of ann@ops1, heard 42 s ago, has not ended "
        "(web1 on its target, web2 not); should its controller be dead: deployer recover production"
    )
    assert [each.told("production") for each in found.unfinished] == [told]
    assert found.split == told
    assert found.as_json()["unfinished"][0]["on_target"] == ["web1"]
    assert "its deployment has not ended" in hosts["web1"].troubles[0]


def test_hosts_that_all_went_back_are_only_not_given_up_yet() -> None:
    found = FleetStatus("production", {"web2": left("web2", "baseline-000000000000")})
    assert (found.exit_code, found.split) == (0, None)
    assert "deployer recover production" in found.unfinished[0].told("production")


def test_nobodys_hosts_have_nothing_unfinished() -> None:
    assert FleetStatus("production", {"web1": left("web1", BAD, owner=None)}).unfinished == ()


def test_a_schedule_that_was_missed_is_shown_and_is_6() -> None:
    known = Scheduled("lab 0123", "", "lab", "/srv/p", "daily", "UTC", "ops1", since=1.0)
    held = replace(
        known, since=2e9, started=2e9, finished=2e9, exit_code=3, problem="frozen", reason="frozen"
    )
    host = {"web1": judged(seen("web1"))}
    missed = FleetStatus("lab", host, past=Past(schedules=verdicts([known], 2e9)))
    refused = FleetStatus("lab", host, past=Past(schedules=verdicts([held], 2e9)))
    assert (FleetStatus("lab", host).exit_code, missed.exit_code, refused.exit_code) == (0, 6, 0)
    *_, said, ending, page = status_table(missed).splitlines()
    assert said.startswith("! the unattended deployment of lab was missed")
    assert ending == "The host is as it should be, unattended deployments are not."
    assert page == "Help: docs/schedule.md#who-notices-that-it-does-not-run"
    assert "\n  the unattended deployment of lab: refused since" in status_table(refused)
    (said,) = missed.as_json()["journal"]["schedules"]
    assert said["trouble"] == "missed"
