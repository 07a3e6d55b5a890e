"""Calendar expressions as systemd.time(7) has them, understood without systemd. Pure.

``Mon..Fri 10:00``, ``*-*-01 04:30``, ``hourly``, ``*:0/15 Europe/Berlin``. The parts that schedules of
deployments need: no moments (``@…``), no fractions of a second.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise

SHORTCUTS = {
    "minutely": "*-*-* *:*:00",
    "hourly": "*-*-* *:00:00",
    "daily": "*-*-* 00:00:00",
    "weekly": "Mon *-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
    "quarterly": "*-01,04,07,10-01 00:00:00",
    "semiannually": "*-01,07-01 00:00:00",
    "yearly": "*-01-01 00:00:00",
    "annually": "*-01-01 00:00:00",
}
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LAST_YEAR = 2199  #: as systemd has it
MOST_DAYS = 366 * 9  #: of which one is a 29 February, whatever the century
EXAMPLES = "'Mon..Fri 10:00', '*:0/15' or 'daily'"
_ZONE = re.compile(r"UTC|[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)+")
_ITEM = re.compile(r"(\d{1,4})(?:\.\.(\d{1,4}))?(?:/(\d{1,4}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Calendar:
    """An expression that was understood.

    :ivar years: ``None``: every year.
    :ivar from_end: ``days`` count from the end of the month, 1 being its last day.
    :ivar zone: an IANA name; ``None``: the local one.
    """

    text: str
    weekdays: frozenset[int]  #: Monday is 0
    years: frozenset[int] | None
    months: frozenset[int]
    days: frozenset[int]
    from_end: bool
    hours: frozenset[int]
    minutes: frozenset[int]
    seconds: frozenset[int]
    zone: str | None

    def next_after(self, after: float, local: tzinfo = UTC) -> float | None:
        """When it is due next, in seconds since the epoch; ``None``: never again.

        :param local: the zone of an expression that names none.
        """
        zone = zone_of(self.zone) if self.zone is not None else local
        begin = datetime.fromtimestamp(after, UTC).astimezone(zone)
        day = begin.date() - timedelta(days=1)  # clocks may have been turned back over midnight
        if self.years is not None and day.year < min(self.years):
            day = date(min(self.years), 1, 1)
        for _ in range(MOST_DAYS):
            if self.years is not None and day.year > max(self.years):
                return None
            if self._on(day):
                for at in self._times(day, begin):
                    # The first of two, where clocks are turned back; where they jump, after the jump.
                    seconds = at.replace(tzinfo=zone).timestamp()
                    if seconds > after:
                        return seconds
            day += timedelta(days=1)
        return None

    def interval_s(self, after: float, local: tzinfo = UTC) -> float | None:
        """The shortest time between two of the next runs; ``None``: there are not two."""
        times, last = [], after
        for _ in range(12):
            at = self.next_after(last, local)
            if at is None:
                break
            times.append(at)
            last = at
        return min((later - earlier for earlier, later in pairwise(times)), default=None)

    def _on(self, day: date) -> bool:
        number = day.day
        if self.from_end:
            following = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
            number = (following - day).days
        return (
            day.weekday() in self.weekdays
            and day.month in self.months
            and number in self.days
            and (self.years is None or day.year in self.years)
        )

    def _times(self, day: date, begin: datetime) -> Iterator[datetime]:
        first = begin.hour - 4 if day == begin.date() else 0  # no clock was ever set by more than that
        for hour in sorted(self.hours):
            if hour < first or day < begin.date() - timedelta(days=1):
                continue
            for minute in sorted(self.minutes):
                for second in sorted(self.seconds):
                    yield datetime(day.year, day.month, day.day, hour, minute, second)  # noqa: DTZ001 - a wall's


def parse(text: str) -> Calendar:
    """Understand an expression.

    :raises ValueError: a sentence that says what of it is not understood.
    """
    words = text.split()
    if not words:
        raise ValueError(f"expected a calendar expression such as {EXAMPLES}")
    if len(words) == 1 or (len(words) == 2 and _ZONE.fullmatch(words[1])):
        words = [*SHORTCUTS.get(words[0].lower(), words[0]).split(), *words[1:]]
    zone = words.pop() if len(words) > 1 and _ZONE.fullmatch(words[-1]) else None
    if zone is not None:
        zone_of(zone)
    weekdays = frozenset(range(7))
    if words[0][0].isalpha():
        weekdays = _weekdays(words.pop(0), text)
    date_, time_ = "*-*-*", "00:00:00"
    if words and ":" not in words[0]:
        date_ = words.pop(0)
    if words and ":" in words[0]:
        time_ = words.pop(0)
    if words:
        raise _wrong(text, f"{words[0]!r} is not understood")
    years, months, days, from_end = _date(date_, text)
    hours, minutes, seconds = _time(time_, text)
    found = Calendar(
        " ".join(text.split()), weekdays, years, months, days, from_end, hours, minutes, seconds, zone
    )
    if found.next_after(0) is None:
        raise _wrong(text, "there is no such day")
    return found


def zone_of(name: str) -> tzinfo:
    """The zone of an IANA name.

    :raises ValueError: when this machine knows none of that name.
    """
    from zoneinfo import ZoneInfo

    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise ValueError(f"{name!r} is not a time zone that this machine knows") from None


def _wrong(text: str, why: str) -> ValueError:
    return ValueError(f"{text!r} is no calendar expression ({why}); expected one such as {EXAMPLES}")


def _weekdays(word: str, text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in word.rstrip(",").split(","):
        first, between, last = part.partition("..")
        begin = _weekday(first, text)
        end = _weekday(last, text) if between else begin
        if end < begin:
            raise _wrong(text, f"{part!r} ends before it begins")
        found |= set(range(begin, end + 1))
    return frozenset(found)


def _weekday(word: str, text: str) -> int:
    for number, name in enumerate(DAYS):
        if word.lower() in (name, name[:3]):
            return number
    raise _wrong(text, f"{word!r} is no day of the week")


def _date(word: str, text: str) -> tuple[frozenset[int] | None, frozenset[int], frozenset[int], bool]:
    from_end = "~" in word
    parts = word.replace("~", "-").split("-")
    if not 2 <= len(parts) <= 3 or word.count("~") > 1 or (from_end and "-" in word.rpartition("~")[2]):
        raise _wrong(text, f"{word!r} is no date such as *-*-01")
    year = parts.pop(0) if len(parts) == 3 else "*"
    years = None if year == "*" else _numbers(year, 1970, LAST_YEAR, text)
    days = parts[1]
    if from_end and (match := re.fullmatch(r"(\d{1,2})/(\d{1,2})", days, re.ASCII)):
        # Counted from the end a repetition goes towards the end: ~7/1 are the last seven days.
        found = frozenset(range(int(match[1]), 0, -max(1, int(match[2]))))
        return years, _numbers(parts[0], 1, 12, text), found or _numbers(match[1], 1, 31, text), True
    return years, _numbers(parts[0], 1, 12, text), _numbers(days, 1, 31, text), from_end


def _time(word: str, text: str) -> tuple[frozenset[int], frozenset[int], frozenset[int]]:
    parts = word.split(":")
    if not 2 <= len(parts) <= 3:
        raise _wrong(text, f"{word!r} is no time such as 10:00")
    second = parts[2] if len(parts) == 3 else "0"
    hour, minute = parts[0], parts[1]
    return _numbers(hour, 0, 23, text), _numbers(minute, 0, 59, text), _numbers(second, 0, 59, text)


def _numbers(word: str, least: int, most: int, text: str) -> frozenset[int]:
    if word == "*":
        return frozenset(range(least, most + 1))
    found: set[int] = set()
    for part in word.split(","):
        match = _ITEM.fullmatch(part)
        if match is None:
            raise _wrong(text, f"{part!r} is no number, range (1..5) or repetition (0/15)")
        first, step = int(match[1]), int(match[3] or 1)
        last = int(match[2]) if match[2] else most if match[3] else first
        if not least <= first <= last <= most or step < 1:
            raise _wrong(text, f"{part!r} is not within {least} to {most}")
        found |= set(range(first, last + 1, step))
    return frozenset(found)
