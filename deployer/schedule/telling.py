"""What of an unattended run is news, and what was told before. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer.errors import DeployerError, LeaseHeld, SourceUnavailable, StoreUnavailable
from deployer.model import HostOutcome, Outcome, Result
from deployer.report.words import clean, count, duration, minute

if TYPE_CHECKING:
    from deployer.model.scheduled import Scheduled

STANDING = (Outcome.REFUSED, Outcome.PARTIAL)
"""Outcomes that may stay as they are from run to run."""

NOT_MOVED = frozenset(
    {HostOutcome.UNCHANGED, HostOutcome.UNREACHABLE, HostOutcome.REFUSED, HostOutcome.UNTOUCHED}
)
"""What became of hosts that the run has not changed."""

ALWAYS_ALIKE: tuple[type[DeployerError], ...] = (LeaseHeld, SourceUnavailable, StoreUnavailable)
"""Errors whose words differ each time (a pid, a duration) though nothing else does."""

_PASSING = re.compile(r"\b\d+(?:\.\d+)? (?:ms|s|min|h)\b|\bpid \d+|\(\d+ failed of \d+\)")
_RELEASE = re.compile(r"\b[0-9a-f]{12}-([0-9a-f]{12})\b")


@dataclass(frozen=True, slots=True)
class Ending:
    """How an unattended run is told.

    :ivar line: the one line of a run that is no news, or that leads the rest.
    :ivar news: somebody should know; otherwise the line is all there is, and the run answers 0.
    :ivar over: what was told of before, or failed, is over; who was told then should hear it.
    :ivar idle: it did nothing, and says nothing that the run before did not say.
    :ivar problem: what is told now or was told before; ``None``: there is none.
    """

    line: str
    news: bool
    problem: str | None = None
    problem_since: float | None = None
    idle: bool = False
    over: bool = False


def problem_of(ended: Result | DeployerError) -> str | None:
    """What stands in the way, in words that stay the same while it does; ``None``: nothing that lasts.

    What has changed a host is never the same again: it is always news.
    """
    if isinstance(ended, DeployerError):
        if isinstance(ended, ALWAYS_ALIKE):
            return type(ended).__name__
        return lasting(str(ended)) if ended.exit_code == 3 else None
    if ended.outcome not in STANDING or any(h.outcome not in NOT_MOVED for h in ended.hosts.values()):
        return None
    return lasting(ended.reason or str(ended.outcome))


def ending(ended: Result | DeployerError, before: Scheduled | None, *, inventory: str, now: float) -> Ending:
    """What to say of a run.

    :param before: what was known of the runs before it.
    :param inventory: as it was typed.
    """
    known = before.problem if before is not None else None
    since = before.problem_since if before is not None else None
    problem = problem_of(ended)
    why = clean(str(ended) if isinstance(ended, DeployerError) else ended.reason or str(ended.outcome))
    name = clean(inventory)
    if problem is not None and problem == known:
        line = f"{name}: still refused, as told {minute(since or now)} UTC: {why}"
        return Ending(line, news=False, problem=problem, problem_since=since, idle=True)
    over = _over(before, now)
    if problem is not None:
        return Ending(f"{name}: refused: {why}", news=True, problem=problem, problem_since=now)
    if isinstance(ended, DeployerError) or ended.exit_code:
        return Ending(f"{name}: {why}", news=True)
    idle = ended.outcome is Outcome.UNCHANGED and not over
    return Ending(f"{name}: {_good(ended)}{over}", news=False, idle=idle, over=bool(over))


def _over(before: Scheduled | None, now: float) -> str:
    if before is None or not (before.problem is not None or before.exit_code):
        return ""
    if before.problem is not None:
        return f"; what was in the way since {minute(before.problem_since or now)} UTC is over"
    return f"; the failure of {minute(before.started or now)} UTC is over"


def _good(result: Result) -> str:
    took = duration(result.seconds)
    revision = (result.revision or "")[:12]
    prepared = sum(host.outcome is HostOutcome.PREPARED for host in result.hosts.values())
    if prepared:
        return f"prepared {revision} on {count(prepared)} ({took})"
    if result.outcome is Outcome.UNCHANGED:
        return f"nothing new, {count(len(result.hosts))} on {revision} ({took})"
    moved = sum(host.outcome is HostOutcome.DEPLOYED for host in result.hosts.values())
    return f"deployed {revision} to {count(moved)} ({took}): deployer show {result.id}"


def lasting(text: str) -> str:
    """A reason without what differs each time: durations, counts, pids, the commit of a release."""
    return clean(_RELEASE.sub(r"\1", _PASSING.sub("", clean(text))))
