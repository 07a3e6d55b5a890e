"""Calendar expressions mean what systemd says they mean."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from deployer.schedule.calendar import parse
from deployer.schedule.cron import cron_times

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC).timestamp()  # a Monday
UNDERSTOOD = (
    "Mon..Fri 10:00",
    "monday,Wed 4,16:30",
    "Sat,Sun *-1..6-1/7 8..10:30",
    "*:0/15",
    "*-*-01 04:30:15",
    "*-02-29",
    "*-02~03 10:00",
    "Mon *-*~7/1 09:00",
    "2031-*-* 1:2:3",
    "10:00 Europe/Berlin",
    "Tue",
    "05-03",
    "*-*-* *:*:*",
    *("minutely", "hourly", "daily", "weekly", "monthly", "quarterly", "semiannually", "yearly"),
)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="nobody to compare with")
@pytest.mark.parametrize("text", UNDERSTOOD)
def test_it_is_due_when_systemd_says_so(text: str) -> None:
    argv = ["systemd-analyze", "calendar", "--iterations=4", "--base-time=2026-11-23 12:00:00", text]
    env = {"PATH": os.environ["PATH"], "TZ": "UTC", "LC_ALL": "C"}
    said = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True, env=env).stdout
    wanted = [
        line.partition(": ")[2].strip()
        for line in said.splitlines()
        if "Next elapse" in line or "Iteration" in line or "Iter." in line
    ]
    calendar, at, found = parse(text), NOON, []
    for _ in wanted:
        after = calendar.next_after(at)
        assert after is not None
        at = after
        found.append(f"{datetime.fromtimestamp(at, UTC):%a %Y-%m-%d %H:%M:%S UTC}")
    assert found == wanted


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected a calendar expression"),
        ("soon", "'soon' is no day of the week"),
        ("Mon..Frei 10:00", "'Frei' is no day"),
        ("Fri..Mon 10:00", "ends before it begins"),
        ("25:00", "'25' is not within 0 to 23"),
        ("10:00 10:00", "'10:00' is not understood"),
        ("*-02-30", "there is no such day"),
        ("10h", "'10h' is no date"),
        ("*:0/0", "'0/0' is not within"),
        ("10:00 Europe/Atlantis", "not a time zone that this machine knows"),
    ],
)
def test_what_is_not_understood_is_said(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"expected|not a time zone") as caught:
        parse(text)
    assert why in str(caught.value)


def test_clocks_that_are_turned_do_not_skip_a_run() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    for day, hour in (("2027-03-28", 1), ("2027-10-31", 1)):  # 02:30 is not there; 02:30 is there twice
        noon_before = datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=berlin).timestamp() - 43_200
        at = parse("02:30").next_after(noon_before, berlin)
        assert at is not None
        assert f"{datetime.fromtimestamp(at, berlin):%Y-%m-%d}" == day
        assert datetime.fromtimestamp(at, UTC).hour in (hour, hour - 1)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("Mon..Fri 10:00", "0 10 * * 1-5"),
        ("Sat,Sun 8..10:30", "30 8-10 * * 0,6"),
        ("*:0/15", "*/15 * * * *"),
        ("*-01,07-01 00:05", "5 0 1 1,7 *"),
        ("hourly", "0 * * * *"),
    ],
)
def test_cron_says_the_same(text: str, fields: str) -> None:
    assert cron_times(parse(text)) == fields


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("10:00 Europe/Berlin", "the time zone Europe/Berlin"),
        ("*:*:0/10", "seconds"),
        ("2031-*-* 10:00", "a year"),
        ("*-*~1", "the end of the month"),
        ("Mon *-*-01..07 10:00", "a weekday and a day of the month together"),
    ],
)
def test_what_cron_cannot_do_is_said(text: str, why: str) -> None:
    with pytest.raises(ValueError, match="needs a systemd timer") as caught:
        cron_times(parse(text))
    assert why in str(caught.value)
