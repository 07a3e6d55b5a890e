"""Which gates are closed: by the clock, also where it is turned; by evidence; by what is in quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any

import pytest

from deployer.model import DeploymentRecord, HostOutcome, HostResult, Outcome, Result
from deployer.model.barriers import Closed, Gate, Moment, Quarantined, Window
from deployer.rollout.gates import (
    BREAKABLE,
    Evidence,
    Gatekeeping,
    after,
    frozen,
    frozen_until,
    may_be_broken,
    quarantined,
    refusal,
    zone_of,
)

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
FRIDAY, MONDAY, SATURDAY = 4, 0, 5
TREE = "ab" * 20
NOW = 1_790_000_000.0
DAY = 86_400.0


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def dated(start: str, end: str, zone: str = BERLIN) -> Window:
    def moment(text: str) -> Moment:
        at = datetime.fromisoformat(text)
        return Moment(at.time(), at.date())

    return Window("window", moment(start), moment(end), zone)


def weekly(start: tuple[int, str], end: tuple[int, str], zone: str = BERLIN) -> Window:
    first, last = (Moment(time.fromisoformat(at), day) for day, at in (start, end))
    return Window("weekend", first, last, zone)


def daily(start: str, end: str, zone: str = BERLIN) -> Window:
    return Window("night", Moment(time.fromisoformat(start)), Moment(time.fromisoformat(end)), zone)


BLACK_FRIDAY = dated("2026-11-27T00:00", "2026-11-30T06:00")
WEEKEND = weekly((FRIDAY, "16:00"), (MONDAY, "06:00"))
NIGHT = daily("22:00", "06:00")
NOON = daily("11:00", "13:00")
BACKUP = weekly((SATURDAY, "23:00"), (SATURDAY, "01:00"))  # all week but for two hours


@pytest.mark.parametrize(
    ("window", "now", "until"),
    [
        (BLACK_FRIDAY, "2026-11-26T22:59:59", None),
        (BLACK_FRIDAY, "2026-11-26T23:00", "2026-11-30T05:00"),
        (BLACK_FRIDAY, "2026-11-30T04:59:59", "2026-11-30T05:00"),
        (BLACK_FRIDAY, "2026-11-30T05:00", None),
        (BLACK_FRIDAY, "2027-11-28T12:00", None),
        (WEEKEND, "2026-06-05T13:59:59", None),  # Friday, CEST
        (WEEKEND, "2026-06-05T14:00", "2026-06-08T04:00"),
        (WEEKEND, "2026-06-07T12:00", "2026-06-08T04:00"),
        (WEEKEND, "2026-06-08T03:59", "2026-06-08T04:00"),
        (WEEKEND, "2026-06-08T04:00", None),
        (WEEKEND, "2026-06-10T12:00", None),
        (NIGHT, "2026-06-10T19:59", None),
        (NIGHT, "2026-06-10T20:00", "2026-06-11T04:00"),
        (NIGHT, "2026-06-11T03:59", "2026-06-11T04:00"),
        (NIGHT, "2026-06-11T04:00", None),
        (NOON, "2026-06-11T08:59", None),
        (NOON, "2026-06-11T09:00", "2026-06-11T11:00"),
        (NOON, "2026-06-11T11:00", None),
        (BACKUP, "2026-06-06T22:00", "2026-06-12T23:00"),  # Saturday 24:00 in Berlin
        (BACKUP, "2026-06-12T23:30", None),
        (BACKUP, "2026-06-13T20:59", None),
        (BACKUP, "2026-06-13T21:00", "2026-06-19T23:00"),
    ],
)
def test_a_window_is_open_from_its_beginning_and_not_at_its_end(
    window: Window, now: str, until: str | None
) -> None:
    assert frozen_until(window, utc(now)) == (utc(until) if until else None)


@pytest.mark.parametrize(
    ("window", "now", "until"),
    [
        # 29 March 2026: from 02:00 clocks go to 03:00 (01:00 UTC). No clock ever shows 02:30.
        (dated("2026-03-29T02:30", "2026-03-29T04:00"), "2026-03-29T00:59:59", None),
        (dated("2026-03-29T02:30", "2026-03-29T04:00"), "2026-03-29T01:00", "2026-03-29T02:00"),
        (dated("2026-03-29T01:00", "2026-03-29T02:30"), "2026-03-29T00:59:59", "2026-03-29T01:00"),
        (dated("2026-03-29T01:00", "2026-03-29T02:30"), "2026-03-29T01:00", None),
        # 25 October 2026: at 03:00 clocks go back to 02:00 (01:00 UTC). 02:30 is there twice.
        (dated("2026-10-25T02:30", "2026-10-25T05:00"), "2026-10-25T00:29:59", None),
        (dated("2026-10-25T02:30", "2026-10-25T05:00"), "2026-10-25T00:30", "2026-10-25T04:00"),
        (
            dated("2026-10-25T02:30", "2026-10-25T05:00"),
            "2026-10-25T01:10",
            "2026-10-25T04:00",
        ),  # 02:10 again
        (dated("2026-10-25T01:00", "2026-10-25T02:30"), "2026-10-25T01:29:59", "2026-10-25T01:30"),
        (dated("2026-10-25T01:00", "2026-10-25T02:30"), "2026-10-25T01:30", None),
        # The weekend of that change is an hour longer, the other one shorter; Monday 06:00 is what it is.
        (WEEKEND, "2026-10-26T04:59:59", "2026-10-26T05:00"),
        (WEEKEND, "2026-10-26T05:00", None),
        (WEEKEND, "2026-03-30T03:59:59", "2026-03-30T04:00"),
        (WEEKEND, "2026-03-30T04:00", None),
        (daily("02:30", "03:30"), "2026-03-29T01:00", "2026-03-29T01:30"),
        (daily("02:30", "03:30", NEW_YORK), "2026-11-01T06:29:59", None),
        (daily("01:30", "03:30", NEW_YORK), "2026-11-01T06:10", "2026-11-01T08:30"),
    ],
)
def test_where_clocks_are_turned_a_freeze_is_never_shorter_than_written(
    window: Window, now: str, until: str | None
) -> None:
    assert frozen_until(window, utc(now)) == (utc(until) if until else None)


@pytest.mark.parametrize(
    "zone", ["UTC", BERLIN, NEW_YORK, "Pacific/Apia", "Australia/Lord_Howe", "Asia/Kolkata"]
)
def test_a_weekly_window_has_no_hole_and_no_end_of_its_own(zone: str) -> None:
    """A year, hour by hour: frozen exactly while the clock on the wall is in it."""
    window = weekly((FRIDAY, "16:00"), (MONDAY, "06:00"), zone)
    for hour in range(365 * 24):
        now = datetime.fromtimestamp(NOW + hour * 3600, UTC)
        wall = now.astimezone(zone_of(zone))
        inside = (wall.weekday(), wall.time()) >= (FRIDAY, time(16)) or (wall.weekday(), wall.time()) < (
            MONDAY,
            time(6),
        )
        until = frozen_until(window, now)
        assert (until is not None) == inside, (now, wall)
        if until is not None:
            end = until.astimezone(zone_of(zone))
            assert (end.weekday(), end.time()) == (MONDAY, time(6))


def test_all_open_windows_are_named_with_their_end() -> None:
    first, second = frozen([BLACK_FRIDAY, NOON, WEEKEND], utc("2026-11-28T03:00"))
    assert (first.gate, first.why) == (Gate.FREEZE, "frozen by 'window'")
    assert first.opens == "it ends Mon 2026-11-30 06:00 Europe/Berlin"
    assert second.why == "frozen by 'weekend'"


@pytest.mark.parametrize("name", ["Europe/Nowhere", "Europe", "../../etc/passwd", "/etc/localtime", ""])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a time zone"):
        zone_of(name)


# --- evidence


def record(
    name: str, *, ago_d: float = 1.0, hosts: Mapping[str, HostResult] | None = None, **given: Any
) -> Any:
    at = NOW - ago_d * DAY
    outcome = given.pop("outcome", Outcome.DEPLOYED)
    told = hosts or {
        "s1": HostResult(HostOutcome.DEPLOYED, "4f4f4f4f4f4f-0123456789ab", "x-000000000000", None, 1.0)
    }
    result = Result(name, outcome, 0, None, None, told, (), 1.0)
    rest: dict[str, Any] = {"kind": "deploy", "options": {}, **given}
    return DeploymentRecord(
        id=name,
        inventory="staging",
        playbook="nginx",
        revision="main",
        commit="4f" * 20,
        subject=None,
        started=at - 60,
        who="ann@ops1",
        source_hash=TREE,
        finished=at,
        outcome=outcome,
        exit_code=0,
        result=result,
        **rest,
    )


def rollback(release: str, *, ago_d: float, outcome: HostOutcome = HostOutcome.ROLLED_BACK) -> Any:
    hosts = {"s1": HostResult(outcome, "x-000000000000", release, None, 1.0)}
    return record("r1", ago_d=ago_d, kind="rollback", outcome=Outcome.ROLLED_BACK, hosts=hosts)


@pytest.mark.parametrize(
    ("evidence", "why"),
    [
        (Evidence(), "was not promoted to staging within 7 days"),
        (Evidence([record("d1")]), None),
        (Evidence([record("d1", outcome=Outcome.UNCHANGED)]), None),
        (Evidence([record("d1", ago_d=6.99)]), None),
        (Evidence([record("d1", ago_d=7.01)]), "was not promoted"),
        (Evidence([record("d1", outcome=Outcome.PARTIAL)]), "was not promoted"),
        (
            Evidence([record("d1", outcome=Outcome.UNCHANGED, options={"prepare_only": True})]),
            "was not promoted",
        ),
        (Evidence([record("d1", options={"limited": True})]), "was not promoted"),
        (Evidence([record("d2", options={"limited": True}), record("d1", ago_d=3)]), None),
        (Evidence([record("d1", kind="adopt")]), "was not promoted"),
        # Taken back since, whatever commit brought the same bytes; before, or something else, is nothing.
        (
            Evidence([record("d1", ago_d=3)], [rollback("dddd-0123456789ab", ago_d=2)]),
            "was taken back from staging by r1",
        ),
        (Evidence([record("d1", ago_d=3)], [rollback("4f4f-0123456789ab", ago_d=4)]), None),
        (Evidence([record("d1", ago_d=3)], [rollback("4f4f-aaaaaaaaaaaa", ago_d=2)]), None),
        (
            Evidence(
                [record("d1", ago_d=3)], [rollback("4f-0123456789ab", ago_d=2, outcome=HostOutcome.UNCHANGED)]
            ),
            None,
        ),
        (Evidence([record("d2"), record("d1", ago_d=3)], [rollback("4f-0123456789ab", ago_d=2)]), None),
    ],
)
def test_the_same_source_has_to_be_good_elsewhere(evidence: Evidence, why: str | None) -> None:
    closed = after("staging", 7 * DAY, TREE, evidence, NOW)
    if why is None:
        assert closed is None
    else:
        assert closed is not None
        assert why in closed.why
        assert "deployer deploy staging" in closed.opens


# --- quarantine


def entry(release: str = "aaaaaaaaaaaa-0123456789ab", **given: Any) -> Quarantined:
    return Quarantined(**{"release": release, "deployment": "d7", "time": NOW, "why": "web1: 503", **given})


def test_the_hash_is_what_is_quarantined_whatever_the_commit() -> None:
    known = {entry(): ["web1"], entry(deployment="d6", time=NOW - 9): []}
    assert quarantined(["bbbbbbbbbbbb-aaaaaaaaaaaa"], known, "lab") == ()
    (closed,) = quarantined(["bbbbbbbbbbbb-0123456789ab", "cccccccccccc-0123456789ab"], known, "my lab")
    assert closed.release == "bbbbbbbbbbbb-0123456789ab"
    assert "known to web1" in closed.why
    assert "by d7: web1: 503" in closed.why
    assert "deployer quarantine release 'my lab' 0123456789ab" in closed.opens


def test_a_line_of_a_host_is_read_back_and_holds_nothing_odd() -> None:
    odd = entry(why="web1: \n\x1b[31mfünf\t" + "x" * 900)
    assert "\n" not in odd.line
    assert odd.line.isascii()
    assert odd.line.isprintable()
    assert len(odd.line) < 450
    back = Quarantined.of_line(odd.line)
    assert back is not None
    assert (back.release, back.deployment, back.time) == (odd.release, "d7", NOW)
    assert Quarantined.of_line(entry(why="").line) == entry(why="")
    assert Quarantined.of_line("") is Quarantined.of_line("x y z") is None


# --- all of them


def test_a_refusal_is_one_line_that_names_every_gate() -> None:
    one = Closed(Gate.FREEZE, "frozen by 'weekend'", "it ends Monday")
    two = Closed(Gate.SIGNATURE, "commit 4f is not signed", "have it signed")
    assert refusal([one]) == "frozen by 'weekend': it ends Monday (--break-glass \"REASON\" passes it)"
    assert refusal([one, two]) == (
        "2 gates are closed: frozen by 'weekend': it ends Monday; commit 4f is not signed: have it signed "
        '(--break-glass "REASON" passes them all)'
    )


def test_what_is_broken_is_named_with_who_and_why() -> None:
    closed = (Closed(Gate.FREEZE, "frozen by 'weekend'", "it ends Monday"),)
    shut, broken = Gatekeeping(closed), Gatekeeping(closed, "the shop\nis down")
    assert (shut.refusing, shut.broken) == (closed, ())
    assert (broken.refusal, broken.broken) == (None, closed)
    assert broken.broken_by("ann@ops1") == (
        "BREAK-GLASS by ann@ops1 ('the shop is down') passes: frozen by 'weekend'"
    )
    assert [gate["broken"] for gate in broken.as_json()] == [True]
    assert (broken.options, shut.options) == ({"break_glass": "the shop\nis down"}, {})
    assert (Gatekeeping().refusal, Gatekeeping(reason="in vain").options) == (None, {})


def test_every_gate_may_be_broken_today() -> None:
    assert set(Gate) == BREAKABLE
    assert all(map(may_be_broken, Gate))


def test_dates_are_dates() -> None:
    assert Moment(time(), date(2026, 1, 1)).kind == "date"
    assert (Moment(time(), 0).kind, Moment(time()).kind) == ("weekly", "daily")
