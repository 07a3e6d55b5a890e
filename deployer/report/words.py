"""Times, durations, host names and foreign text, as a person reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

MOST_NAMES = 8  #: host names, or ranges of them, that one sentence holds
UNKNOWN = "unknown time"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NUMBERED = re.compile(r"(.*?)([0-9]+)([^0-9]*)", re.DOTALL)


def moment(seconds: float) -> datetime | None:
    """Seconds since the epoch as UTC; ``None`` for what no calendar has."""
    try:
        return EPOCH + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return None


def clock(seconds: float) -> str:
    """Time of day: ``14:15:03 UTC``."""
    at = moment(seconds)
    return at.strftime("%H:%M:%S UTC") if at else UNKNOWN


def day(seconds: float) -> str:
    """Date: ``12 June 2024``."""
    at = moment(seconds)
    return f"{at.day} {at.strftime('%B')} {at.year}" if at else UNKNOWN


def minute(seconds: float) -> str:
    """Date and time for a column: ``2024-06-12 14:15``."""
    at = moment(seconds)
    return at.strftime("%Y-%m-%d %H:%M") if at else UNKNOWN


def iso(seconds: float | None) -> str | None:
    """Date and time for programs, to the millisecond: ``2024-06-12T14:15:03.250Z``."""
    at = None if seconds is None else moment(seconds)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None


def duration(seconds: float) -> str:
    """``0.8 s``, ``42 s``, ``2 min 5 s``, ``1 h 30 min``."""
    if not -1e9 < seconds < 1e9:
        return UNKNOWN
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def count(number: int, noun: str = "host") -> str:
    """``1 host``, ``5 hosts``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def names(hosts: Iterable[str]) -> str:
    """Host names with runs folded: ``web1..web5, db1``; at most :data:`MOST_NAMES` of them."""
    folded: list[str] = []
    for run in _runs(hosts):
        folded += [clean(f"{run[0]}..{run[-1]}")] if len(run) > 2 else map(clean, run)
    if len(folded) > MOST_NAMES:
        folded = [*folded[: MOST_NAMES - 1], f"{len(folded) - MOST_NAMES + 1} more"]
    return ", ".join(folded) or "no host"


def one_or_many(hosts: Sequence[str], one: str, many: str) -> str:
    """What fits the number of hosts."""
    return one if len(hosts) == 1 else many


def clean(text: str) -> str:
    """Foreign text on one line, with nothing in it that a terminal would obey."""
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


def laid_out(text: str) -> str:
    """As :func:`clean`, with the spaces that make columns."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text.expandtabs().rstrip())


def _runs(hosts: Iterable[str]) -> list[list[str]]:
    runs: list[list[str]] = []
    for name in sorted(dict.fromkeys(hosts), key=_natural):
        if runs and _follows(runs[-1][-1], name):
            runs[-1].append(name)
        else:
            runs.append([name])
    return runs


def _follows(before: str, name: str) -> bool:
    one, two = NUMBERED.fullmatch(before), NUMBERED.fullmatch(name)
    if not one or not two or (one[1], one[3]) != (two[1], two[3]):
        return False
    return two[2] == str(int(one[2]) + 1).zfill(len(one[2]))


def _natural(name: str) -> list[tuple[int, str]]:
    # Numbers by their length first, so that web10 comes after web9, however long they are.
    return [(len(part) if part.isdigit() else 0, part) for part in re.split(r"([0-9]+)", name)]
