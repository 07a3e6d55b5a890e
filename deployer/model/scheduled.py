"""An unattended deployment as the journal knows it, for those who run, list and watch it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scheduled:
    """When it is due, and how it went the last time. All times are seconds since the epoch.

    :ivar lease: what is deployed where, as the lease has it; with ``part`` it tells schedules apart.
    :ivar part: the pattern of ``--limit``; empty: all hosts.
    :ivar calendar: a calendar expression; ``None``: somebody else knows when (a CI system).
    :ivar zone: IANA name of the zone that the expression is meant in, unless it names one itself.
    :ivar host: the controller that ran it last, or on which it was installed.
    :ivar since: since when it is due by that expression.
    :ivar started: when the last run began; ``None``: there was none.
    :ivar finished: when that run ended; ``None``: it has not.
    :ivar exit_code: as the deployment had it, also where the run answered 0 because it was told before.
    :ivar problem: what stands in the way and was told; the same again is not told again.
    :ivar problem_since: since when.
    """

    lease: str
    part: str
    inventory: str
    project: str
    calendar: str | None
    zone: str
    host: str
    since: float
    started: float | None = None
    finished: float | None = None
    deployment: str | None = None
    outcome: str | None = None
    exit_code: int | None = None
    reason: str | None = None
    problem: str | None = None
    problem_since: float | None = None
