"""How a drill is judged, by records made up: no fleet, no clock."""

from __future__ import annotations

from typing import Any

from deployer.drill.keeper import due
from deployer.drill.model import Later
from deployer.drill.record import Entry, Users
from deployer.drill.score import Score, score, zero_of
from deployer.drill.telling import score_sheet


def entry(at: float, what: str, **detail: Any) -> Entry:
    return Entry(at, what, detail)


def said(began: float, ended: float, verb: str, code: int = 0) -> Entry:
    return entry(ended, "command", began=began, code=code, verb=verb, typed=f"{verb} lab --yes")


def proof(at: float, *missing: str) -> Entry:
    return entry(at, "proof", repaired=not missing, missing=list(missing))


def users(first: int, last: int, *, bad: bool, rate: int = 60) -> list[Users]:
    """A second each, from ``first`` up to ``last``."""
    return [
        Users(at, at + 1, rate, rate, {at: rate}, at + 0.5, at + 0.9, 20.0)
        if bad
        else Users(at, at + 1, rate, 0, {}, None, None, 20.0)
        for at in range(first, last)
    ]


BROKE = [entry(100, "breaking"), entry(110, "broken")]
OUTAGE = [*users(90, 105, bad=False), *users(105, 165, bad=True), *users(165, 200, bad=False)]


def judged(*entries: Entry, met: list[Users] = OUTAGE, now: float = 200.0) -> Score:
    return score("june", sorted([*BROKE, *entries], key=lambda e: e.at), met, now)


WELL = (said(120, 122, "status", 6), entry(130, "found", right=True), said(150, 165, "rollback"), proof(180))


def test_a_drill_that_went_well() -> None:
    it = judged(*WELL)
    assert it.won
    assert (it.first_look_s, it.cause_s, it.recovered_s) == (14.5, 24.5, 59.5)
    assert (it.users.failed, it.users.bad_seconds, it.users.worst_second) == (3600, 60, 60)
    assert it.points == 100
    assert "WON" in score_sheet(it)


def test_it_broke_when_the_first_user_failed() -> None:
    assert zero_of(BROKE, OUTAGE) == 105.5
    assert zero_of(BROKE, users(90, 200, bad=False)) == 110
    earlier = [*users(90, 95, bad=True), *users(120, 130, bad=True)]
    assert zero_of(BROKE, earlier) == 110, (
        "what failed before the breaking, or after it, is not its beginning"
    )


def test_nothing_done_wins_nothing() -> None:
    nothing = judged(met=users(90, 200, bad=True))
    assert (nothing.won, nothing.points) == (False, 0)
    looked = judged(said(120, 122, "status", 6), proof(150, "web1: 503"), met=users(90, 200, bad=True))
    assert (looked.won, looked.points, looked.recovered_s) == (False, 0, None)
    assert "NOT REPAIRED" in score_sheet(looked)
    assert "web1: 503" in score_sheet(looked)


def test_a_repair_that_did_not_last_is_none() -> None:
    assert not judged(*WELL, proof(190, "web2: edited since it was deployed")).won


def test_a_command_that_did_not_repair_does_not_date_the_repair() -> None:
    by_hand = judged(said(120, 125, "deploy"), proof(130, "still broken"), proof(190))
    assert by_hand.recovered_s == 190 - 105.5, "nothing was said since: when it was first seen"
    second = judged(
        said(120, 125, "deploy"), proof(130, "still broken"), said(160, 170, "rollback"), proof(190)
    )
    assert second.recovered_s == 170 - 105.5
    looking = judged(said(120, 125, "deploy"), said(170, 175, "status"), proof(190))
    assert looking.recovered_s == 164.9 + 1 - 1 - 105.5, "never before the last user who failed"


def test_hints_and_wrong_causes_cost() -> None:
    it = judged(
        *WELL, entry(111, "hint", number=1), entry(112, "hint", number=2), entry(113, "found", right=False)
    )
    assert (it.points, it.hints, it.wrong_causes) == (85, 2, 1)
    assert it.cause_s == 24.5


def test_as_slow_as_the_story_is_worth_nothing() -> None:
    met = [*users(90, 5600, bad=True), *users(5600, 5700, bad=False)]
    late = judged(
        entry(105.5 + 3900, "found", right=True), said(5500, 5600, "rollback"), proof(5650), met=met
    )
    assert late.won
    assert (late.points_for["cause"], late.points_for["recovery"], late.points_for["users"]) == (0, 0, 0)
    half = judged(entry(105.5 + 120 + 1890, "found", right=True), met=met)
    assert half.points_for["cause"] == 20


def test_what_happens_by_itself_waits_for_a_command_or_its_time() -> None:
    later = Later("rollback", 3.0, 600.0, lambda _scene: None)
    assert not due(later, [], 1000.0)
    assert not due(later, BROKE, 150.0)
    assert due(later, BROKE, 711.0)
    assert not due(later, [*BROKE, said(120, 150, "rollback", 5)], 152.0)
    assert due(later, [*BROKE, said(120, 150, "rollback", 5)], 153.5)
    assert not due(later, [*BROKE, said(120, 150, "deploy")], 160.0)
