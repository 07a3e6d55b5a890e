"""What a look means."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from deployer.checks.certificate import Certificate
from deployer.model import Guard, GuardState, Observation
from deployer.model.inspected import Counts, Inspection, Written
from deployer.model.scheduled import Scheduled
from deployer.schedule.due import verdicts
from deployer.watch.findings import Finding, Kind, Rules, judge_fleet, judge_look
from deployer.watch.look import Dated, Health, Left, Look, Origin, Past, Wanted
from tests.unit.seen import fresh, good, seen

NOW = 1_718_200_000.0
RULES = Rules(confirm_within_s=120.0)
LIVE = "aaaaaaaaaaaa-111111111111"
ARMED = Guard(GuardState.ARMED, "d9", LIVE, "baseline-000000000000", left_s=90.0, carried=True)


def look(host: Observation | None, **more: Any) -> Look:
    return Look("web1", NOW, seen=host, **more)


def judged(host: Observation | None, **more: Any) -> list[Finding]:
    return list(judge_look(look(host, **more), RULES, now=NOW).findings)


def asked(host: Observation | None, **more: Any) -> frozenset[Kind]:
    return judge_look(look(host, **more), RULES, now=NOW).asked


def owned(silent_s: float, **more: Any) -> Observation:
    return seen(
        owner="d9", facts={"owner_silent": (str(silent_s),), "owner_controller": ("ann@ops1",)}, **more
    )


def test_all_is_well() -> None:
    counts = Inspection(valid=True, offsets={1: 2}, counts=Counts({"2": 1000}))
    assert judged(seen(), inspection=counts, health=Health(True), certificates=(), since_s=30.0) == []


def test_of_a_host_that_is_silent_nothing_else_is_known() -> None:
    (found,) = judged(None, error="no route to host")
    assert (found.kind, found.sentence) == (Kind.UNREACHABLE, "cannot be asked: no route to host")
    assert asked(None, error="x") == {Kind.UNREACHABLE}


@pytest.mark.parametrize(
    ("host", "kind", "words"),
    [
        (seen(problems=("Less than 10 MB are free.",)), Kind.PROBLEM, "10 MB"),
        (seen(running=False, memory=None), Kind.DOWN, "not running"),
        (seen(drifted=True, facts={"drift": ("a.conf", "b.conf")}), Kind.DRIFT, "a.conf, b.conf"),
        (seen(memory="bbbbbbbbbbbb-222222222222"), Kind.NOT_LOADED, "memory holds bbbbbbbbbbbb"),
        (seen(good=good("baseline-000000000000")), Kind.NOT_PROMOTED, "a deployment ended early"),
        (seen(guard=replace(ARMED, state=GuardState.EXPIRED)), Kind.GUARD, "its guard is at it"),
        (seen(guard=replace(ARMED, carried=False)), Kind.GUARD, "nothing carries it"),
        (seen(guard=replace(ARMED, state=GuardState.FIRED, time=0.0)), Kind.REVERTED, "1970-01-01"),
        (owned(81.0, guard=ARMED), Kind.GUARD, "was left armed: its controller was not heard for 1 min 21 s"),
    ],
)
def test_each_condition_is_one_sentence(host: Observation, kind: Kind, words: str) -> None:
    (found,) = judged(host)
    assert found.kind is kind
    assert words in found.sentence


def test_who_wrote_what_drifted_is_told() -> None:
    host = seen(drifted=True, facts={"drift": ("a.conf", "b.conf")})
    wrote = (Written("a.conf", "root", NOW - 60), Written("b.conf", "www-data", NOW))
    (found,) = judged(host, inspection=Inspection(wrote=wrote, present=("ann 10.0.0.1",)))
    assert found.sentence == (
        "edited since it was deployed: a.conf, b.conf (last: b.conf, of www-data, written "
        "2024-06-12 13:46 UTC; logged in then: ann from 10.0.0.1)"
    )


@pytest.mark.parametrize(
    "host",
    [
        owned(5.0, memory="bbbbbbbbbbbb-222222222222", good=()),
        owned(599.0, good=()),
        seen(guard=ARMED, memory=None, good=()),
        owned(70.0, guard=ARMED),
    ],
)
def test_a_deployment_at_work_is_let_be(host: Observation) -> None:
    assert judged(host) == []
    assert not {Kind.NOT_LOADED, Kind.NOT_PROMOTED} & asked(host)


def test_an_owner_that_has_lapsed_is_at_work_no_more() -> None:
    assert [f.kind for f in judged(owned(601.0, good=()))] == [Kind.NOT_PROMOTED]


def test_a_host_that_was_never_adopted_has_nothing_to_drift_from() -> None:
    assert judged(fresh()) == []


@pytest.mark.parametrize(
    ("valid", "kinds", "known"), [(True, [], True), (False, [Kind.INVALID], True), (None, [], False)]
)
def test_validity(valid: bool | None, kinds: list[Kind], known: bool) -> None:
    lines = ("nginx: [warn] x", "nginx: [emerg] host not found in upstream")
    inspection = Inspection(valid=valid, invalid=lines)
    found = judged(seen(), inspection=inspection)
    assert [f.kind for f in found] == kinds
    assert all(f.sentence.endswith("host not found in upstream") for f in found)
    assert (Kind.INVALID in asked(seen(), inspection=inspection)) is known


def test_what_nginx_says_again_a_second_later_is_the_same() -> None:
    said = (
        "2024/06/12 14:15:00 [emerg] 7#7: no port in upstream",
        "2024/06/12 14:15:01 [emerg] 8#8: no port in upstream",
    )
    (one, other) = (judged(seen(), inspection=Inspection(valid=False, invalid=(line,))) for line in said)
    assert one == other
    assert one[0].sentence == "what is live would not start again: nginx: [emerg] no port in upstream"


@pytest.mark.parametrize(
    ("answers", "since_s", "ill"),
    [
        ({"2": 95, "5": 5}, 30.0, True),
        ({"2": 96, "5": 4}, 30.0, False),
        ({"5": 19}, 30.0, False),
        ({"5": 20}, 30.0, True),
        ({"5": 20}, None, False),
        ({}, 30.0, False),
    ],
)
def test_the_share_of_failed_answers(answers: dict[str, int], since_s: float | None, ill: bool) -> None:
    inspection = Inspection(offsets={1: 2}, counts=Counts(answers))
    found = judged(seen(), inspection=inspection, since_s=since_s)
    assert [f.kind for f in found] == ([Kind.ERRORS] if ill else [])
    assert (Kind.ERRORS in asked(seen(), inspection=inspection, since_s=since_s)) is (since_s is not None)


def test_without_a_running_nginx_nothing_is_known_of_its_logs() -> None:
    assert Kind.ERRORS not in asked(seen(), inspection=Inspection(), since_s=30.0)


@pytest.mark.parametrize(
    ("days", "told", "loud"), [(15, False, False), (13, True, False), (2, True, True), (-1, True, True)]
)
def test_certificates(days: float, told: bool, loud: bool) -> None:
    dated = Dated("/etc/ssl/shop.pem", Certificate(NOW + days * 86_400, ("shop.example.com",), False))
    found = judged(seen(), certificates=(dated,))
    assert [(f.kind, f.loud) for f in found] == ([(Kind.CERTIFICATE, loud)] if told else [])
    assert Kind.CERTIFICATE not in asked(seen())


def test_checks() -> None:
    failing = Health(False, ("shop: 503", "api: late"), failing=("shop", "api"))
    found = judged(seen(), health=failing)
    assert {f.subject for f in found} == {"shop api"}
    assert Kind.CHECKS not in asked(seen())


def test_what_git_has_is_compared_with_the_disk() -> None:
    wanted = Wanted("bbbbbbbbbbbb-222222222222", "2" * 64, ("a.conf",))
    assert look(seen(disk_hash="1" * 64), wanted=wanted).behind is True
    assert look(seen(disk_hash="2" * 64), wanted=wanted).behind is False
    assert look(seen(disk_hash=None), wanted=wanted).behind is None
    assert look(seen(disk_hash="1" * 64)).behind is None
    assert judged(seen(disk_hash="1" * 64), wanted=wanted) == [], "not yet deployed is no illness"


# --- the fleet


def fleet(*hosts: Observation, origin: Origin | None = None, past: Past | None = None) -> list[Finding]:
    looks = [Look(host.host, NOW, seen=host) for host in hosts]
    return list(judge_fleet(looks, origin, past, inventory="lab").findings)


def test_what_a_dead_controller_left_is_told_by_the_journal_at_once() -> None:
    past = Past((Left("d9", "deployment d9 was never finished: deployer recover lab"),))
    (found,) = fleet(owned(5.0), past=past)
    assert (found.kind, found.subject) == (Kind.UNFINISHED, "d9")


def test_without_the_journal_the_hosts_tell_when_the_owner_has_lapsed() -> None:
    assert fleet(owned(5.0)) == []
    (found,) = (
        f for f in fleet(owned(700.0, good=()), past=Past(error="no server")) if f.kind is Kind.UNFINISHED
    )
    assert found.sentence == (
        "deployment d9, not heard for 11 min 40 s, was left on web1; "
        "finish it or take it back: deployer recover lab"
    )


def test_who_was_at_work_on_a_host_that_is_silent_since_lapses_there_too() -> None:
    gone, there = owned(5.0, good=()), seen("web2")

    def kinds(later_s: float) -> list[Kind]:
        looks = [look(gone), Look("web2", NOW + later_s, seen=there)]
        return [f.kind for f in judge_fleet(looks, None, None, inventory="lab").findings]

    assert kinds(500.0) == []
    assert kinds(600.0) == [Kind.UNFINISHED]


def test_what_cannot_be_asked_is_told_and_what_was_known_stays() -> None:
    judgement = judge_fleet([], Origin(error="no route"), Past(error="no server"), inventory="lab")
    assert [f.kind for f in judgement.findings] == [Kind.JOURNAL, Kind.SOURCE]
    assert judgement.asked == {Kind.JOURNAL, Kind.SOURCE, Kind.SPLIT}


def test_a_schedule_that_is_not_well_is_told_and_a_standing_refusal_is_no_alarm() -> None:
    known = Scheduled("lab 0123", "", "lab", "/srv/p", "daily", "UTC", "ops1", since=NOW - 2 * 86_400.0)
    missed = fleet(past=Past(schedules=verdicts([known], NOW)))
    assert [(f.kind, f.loud) for f in missed] == [(Kind.SCHEDULE, True)]
    later = fleet(past=Past(schedules=verdicts([known], NOW + 60.0)))
    assert later[0].sentence != missed[0].sentence
    assert later[0].subject == missed[0].subject  # so it is told once
    held = replace(
        known, since=NOW, started=NOW, finished=NOW, exit_code=3, problem="frozen", reason="frozen"
    )
    assert [f.loud for f in fleet(past=Past(schedules=verdicts([held], NOW)))] == [False]
    assert Kind.SCHEDULE in judge_fleet([], None, Past(), inventory="lab").asked
    assert Kind.SCHEDULE not in judge_fleet([], None, Past(error="no server"), inventory="lab").asked


def test_a_split_fleet_is_told_when_nobody_is_at_work() -> None:
    old, new = "aaaaaaaaaaaa-111111111111", "bbbbbbbbbbbb-222222222222"
    last = {"last_deployment": "d2", "last_target": new, "last_from": old}
    web1, web2 = seen("web1", live=new, **last), seen("web2", live=old, **last)
    (found,) = fleet(web1, web2)
    assert (found.kind, found.sentence[:55]) == (
        Kind.SPLIT,
        "the fleet is split: web1 serves what was taken back on ",
    )
    assert fleet(replace(web1, owner="d3", facts={"owner_silent": ("1",)}), web2) == []


@pytest.mark.parametrize(
    ("levels", "since_s", "said"),
    [
        ({"emerg": 2, "error": 9}, 30.0, "nginx wrote 2 [emerg] into its error log in the last 30 s"),
        ({"emerg": 1, "alert": 3}, 30.0, "nginx wrote 1 [emerg] and 3 [alert] into its error log"),
        ({"error": 900, "crit": 1}, 30.0, None),
        ({"emerg": 1}, None, None),
    ],
)
def test_what_nginx_cries_out_is_told(
    levels: dict[str, int], since_s: float | None, said: str | None
) -> None:
    inspection = Inspection(valid=True, offsets={1: 2}, counts=Counts(levels=levels))
    found = judged(seen(), inspection=inspection, since_s=since_s)
    assert [f.kind for f in found] == ([Kind.EMERGENCIES] if said else [])
    assert said is None or found[0].sentence.startswith(said)
    at_work = judged(owned(1.0), inspection=inspection, since_s=since_s)
    assert at_work == [], "a deployment whose reload is refused takes itself back, and says so"


def test_rules_without_an_end_never_call_a_guard_left() -> None:
    assert judge_look(look(owned(9e5, guard=ARMED)), Rules(math.inf), now=NOW).findings == ()
