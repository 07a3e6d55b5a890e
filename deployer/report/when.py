"""Times as people type them: ``14:15``, ``2h ago``, ``yesterday 14:15``, ISO 8601. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

ACCEPTED = (
    "write 14:15 (today, in this machine's time zone; 14:15Z is UTC), 'yesterday 14:15', '2h ago', "
    "'3d ago', or ISO 8601 such as 2024-06-12T14:15Z"
)
_AGO = re.compile(r"((?:\d+(?:\.\d+)?\s*[a-z]+\s*)+)ago")
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")
_DAY = re.compile(r"(?:(today|yesterday)\s*)?(?:at\s+)?(\d{1,2}):(\d{2})(?::(\d{2}))?\s*(z|utc)?")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), _SECONDS["s"]),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), _SECONDS["m"]),
    **dict.fromkeys(("h", "hour", "hours"), _SECONDS["h"]),
    **dict.fromkeys(("d", "day", "days"), _SECONDS["d"]),
    **dict.fromkeys(("w", "week", "weeks"), _SECONDS["w"]),
}


@dataclass(frozen=True)
class When:
    """A moment, and how it was meant.

    :ivar seconds: since the epoch.
    :ivar shown: the moment in the zone it was meant in, that zone named, and in UTC where that differs.
    """

    seconds: float
    shown: str


def parse_time(text: str, now: datetime) -> When:
    """Read a time.

    :param now: with the zone in which a time without one is meant.
    :raises ValueError: with what is accepted.
    """
    said = " ".join(text.strip().lower().split())
    try:
        at = _relative(said, now) or _of_a_day(said, now) or _iso(text.strip(), now)
        if at is None:
            raise ValueError
        return When(at.timestamp(), shown(at))
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} is no time that is understood; {ACCEPTED}") from None


def shown(at: datetime) -> str:
    """``12 June 2024, 16:15 CEST (14:15 UTC)``."""
    clock = "%H:%M:%S" if at.second else "%H:%M"
    name = at.tzname() or "UTC"
    text = f"{at.day} {at.strftime('%B %Y')}, {at.strftime(clock)} {name}"
    if not at.utcoffset():
        return text
    return f"{text} ({at.astimezone(UTC).strftime(clock)} UTC)"


def _relative(said: str, now: datetime) -> datetime | None:
    if said == "now":
        return now
    match = _AGO.fullmatch(said)
    if match is None:
        return None
    parts = _PART.findall(match[1])
    if any(unit not in _UNITS for _, unit in parts):
        raise ValueError
    # In UTC, so that an hour is an hour also when the clocks are changed.
    before = now.astimezone(UTC) - timedelta(seconds=sum(float(n) * _UNITS[unit] for n, unit in parts))
    return before.astimezone(now.tzinfo)


def _of_a_day(said: str, now: datetime) -> datetime | None:
    if said in ("today", "yesterday"):
        said += " 00:00"
    match = _DAY.fullmatch(said)
    if match is None:
        return None
    day, hour, minute, second, utc = match.groups()
    zone = UTC if utc else now.tzinfo
    date = now.astimezone(zone).date() - timedelta(days=day == "yesterday")
    return _placed(datetime.combine(date, time(int(hour), int(minute), int(second or 0))), now, utc=bool(utc))


def _iso(text: str, now: datetime) -> datetime | None:
    if not re.match(r"\d{4}-", text):
        return None
    found = datetime.fromisoformat(text.replace("z", "Z"))
    return found if found.tzinfo is not None else _placed(found, now, utc=False)


def _placed(naive: datetime, now: datetime, *, utc: bool) -> datetime:
    """In the zone it was meant in: this machine's rules for that day, or the zone that ``now`` came with."""
    if utc:
        return naive.replace(tzinfo=UTC)
    local = now.tzinfo
    if local is None or local == now.astimezone().tzinfo:
        return naive.astimezone()  # summer time is that day's, not today's
    return naive.replace(tzinfo=local)
