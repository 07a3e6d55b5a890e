"""Times as people type them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from deployer.report.when import parse_time

SUMMER = timezone(timedelta(hours=2), "CEST")
NOW = datetime(2024, 6, 12, 16, 40, 5, tzinfo=SUMMER)  # 14:40:05 UTC


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("16:15", "2024-06-12 14:15:00"),
        ("16:15:30", "2024-06-12 14:15:30"),
        ("14:15Z", "2024-06-12 14:15:00"),
        ("14:15 UTC", "2024-06-12 14:15:00"),
        ("today 9:00", "2024-06-12 07:00:00"),
        ("yesterday 16:15", "2024-06-11 14:15:00"),
        ("Yesterday at 16:15", "2024-06-11 14:15:00"),
        ("yesterday", "2024-06-10 22:00:00"),
        ("now", "2024-06-12 14:40:05"),
        ("2h ago", "2024-06-12 12:40:05"),
        ("1h 30m ago", "2024-06-12 13:10:05"),
        ("90 minutes ago", "2024-06-12 13:10:05"),
        ("3 days ago", "2024-06-09 14:40:05"),
        ("2024-06-12T14:15Z", "2024-06-12 14:15:00"),
        ("2024-06-12T16:15:00+02:00", "2024-06-12 14:15:00"),
        ("2024-06-12 16:15", "2024-06-12 14:15:00"),
        ("2024-06-12", "2024-06-11 22:00:00"),
    ],
)
def test_what_is_understood(text: str, utc: str) -> None:
    when = parse_time(text, NOW)
    assert datetime.fromtimestamp(when.seconds, UTC).strftime("%Y-%m-%d %H:%M:%S") == utc


def test_the_zone_is_named() -> None:
    assert parse_time("16:15", NOW).shown == "12 June 2024, 16:15 CEST (14:15 UTC)"
    assert parse_time("14:15Z", NOW).shown == "12 June 2024, 14:15 UTC"
    assert parse_time("14:15", NOW.astimezone(UTC)).shown == "12 June 2024, 14:15 UTC"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "noon",
        "24:15",
        "14:61",
        "14",
        "2 fortnights ago",
        "ago",
        "2024-13-01",
        "h ago",
        "9" * 400 + "d ago",
    ],
)
def test_what_is_not_is_told_what_is(text: str) -> None:
    with pytest.raises(ValueError, match="yesterday 14:15"):
        parse_time(text, NOW)
