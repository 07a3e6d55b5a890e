"""Whether an unattended deployment does what it should: missed, failing, refused, never ended. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, tzinfo
from enum import StrEnum
from shlex import quote
from typing import TYPE_CHECKING

from deployer.report.words import clean, duration, minute
from deployer.schedule.calendar import Calendar, parse, zone_of
from deployer.schedule.telling import lasting

if TYPE_CHECKING:
    from deployer.model.scheduled import Scheduled

MOST_DELAY_S = 120  #: a timer starts at most so much later than it is due
GRACE_S = 900.0  #: what is not heard so long after it should have begun was missed
NEVER_ENDED_S = 6 * 3600.0  #: a run that takes longer than this was killed, or hangs


class Trouble(StrEnum):
    """What can be wrong with a schedule."""

    MISSED = "missed"  #: it was due, and nothing ran
    FAILED = "failed"  #: the last run ended with a failure
    REFUSED = "refused"  #: the last run was refused, for a reason that was told then
    NEVER_ENDED = "never_ended"  #: a run began and was not heard of again


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong.

    :ivar sentence: what, since when, where, and what to do next.
    :ivar subject: what tells it from another: the sentence changes while it lasts.
    """

    trouble: Trouble
    sentence: str
    schedule: Scheduled
    subject: str = ""

    @property
    def loud(self) -> bool:
        """Somebody should look. A refusal may be meant (a freeze), and its first run has said it."""
        return self.trouble is not Trouble.REFUSED


def delay_s(calendar: Calendar, now: float, local: tzinfo = UTC) -> int:
    """By how much a timer may be late, in seconds: a tenth of its interval, at most two minutes."""
    interval = calendar.interval_s(now, local)
    return int(min(MOST_DELAY_S, MOST_DELAY_S if interval is None else interval / 10))


def expected(found: Scheduled) -> float | None:
    """When the next run should begin, as things were at the last one, in seconds since the epoch.

    ``None``: never, or nobody here knows: no expression, or none that can be understood.
    """
    if found.calendar is None:
        return None
    try:
        local = zone_of(found.zone)
    except ValueError:
        local = UTC
    try:
        return parse(found.calendar).next_after(max(found.since, found.started or 0.0), local)
    except ValueError:
        return None


def verdicts(all_: Iterable[Scheduled], now: float) -> tuple[Verdict, ...]:
    """What is wrong with each of these; those that are well are left out."""
    return tuple(found for found in (verdict(each, now) for each in all_) if found is not None)


def verdict(found: Scheduled, now: float) -> Verdict | None:
    """What is wrong with one, the most urgent first; ``None``: it is well."""
    name, at = _name(found), f"on {clean(found.host)}"
    running = found.started is not None and found.finished is None
    if running and now - (found.started or 0.0) > NEVER_ENDED_S:
        said = (
            f"{name}: the run that began {minute(found.started or 0.0)} UTC {at} was not heard of again: "
            f"deployer status {quote(found.inventory)}, then deployer recover {quote(found.inventory)}"
        )
        return _verdict(Trouble.NEVER_ENDED, said, found, found.started)
    if found.exit_code and found.problem is None:
        # Also while another is under way: it may fail as well, and then nothing was over.
        which = f"the last run ({minute(found.started or 0.0)} UTC, {at})"
        which = f"the run before the one that is under way {at}" if running else which
        said = f"{name}: {which} ended with {found.exit_code}{_because(found)}{_story(found)}"
        subject = f"{found.part} {Trouble.FAILED} {found.exit_code} {lasting(found.reason or '')}".strip()
        return Verdict(Trouble.FAILED, said, found, subject)
    due = expected(found)
    if due is not None and due + GRACE_S < now and not running:
        last = f" since {minute(found.started)} UTC" if found.started is not None else ""
        said = (
            f"{name} was missed: it was due {minute(due)} UTC, {duration(now - due)} ago, "
            f"and has not run{last}; look why {at}: deployer schedule {quote(found.inventory)} --list"
        )
        return _verdict(Trouble.MISSED, said, found, due)
    if found.problem is not None:
        since = minute(found.problem_since or found.started or 0.0)
        said = f"{name}: refused since {since} UTC{_because(found)}"
        return _verdict(Trouble.REFUSED, said, found, found.problem_since)
    return None


def _verdict(trouble: Trouble, said: str, found: Scheduled, at: float | None) -> Verdict:
    return Verdict(trouble, said, found, f"{found.part} {trouble} {at or 0:.0f}".strip())


def _name(found: Scheduled) -> str:
    part = f" --limit {quote(found.part)}" if found.part else ""
    return f"the unattended deployment of {clean(found.inventory)}{clean(part)}"


def _because(found: Scheduled) -> str:
    return f": {clean(found.reason)}" if found.reason else ""


def _story(found: Scheduled) -> str:
    return f"; the whole story: deployer show {found.deployment}" if found.deployment else ""
