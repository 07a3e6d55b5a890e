"""Which gates are closed, and which may be broken. Pure: the time, the store's and git's answers come in.

A freeze is never shorter than it is written: where clocks are turned back, the hour that is there twice is
frozen both times; a moment that clocks jump over is when they jump.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from shlex import quote
from typing import Any

from deployer.model import DeploymentRecord, HostOutcome, HostResult, Observation, Outcome
from deployer.model.barriers import Closed, Gate, Quarantined, Window, hash_of
from deployer.report.words import clean, duration, minute, names

BREAKABLE = frozenset({Gate.FREEZE, Gate.AFTER, Gate.SIGNATURE, Gate.QUARANTINE, Gate.LINT})
PROMOTED = (Outcome.DEPLOYED, Outcome.UNCHANGED)  #: every host of it serves the release, proved and good


def may_be_broken(gate: Gate) -> bool:
    """Whether ``--break-glass`` passes it. What is no gate (a host's refusal, validation) it never passes."""
    return gate in BREAKABLE


def refusing(closed: Iterable[Closed], *, break_glass: bool) -> tuple[Closed, ...]:
    """Those that still end the command."""
    return tuple(each for each in closed if not (break_glass and may_be_broken(each.gate)))


def refusal(closed: Sequence[Closed]) -> str:
    """All of them in one line: what closes each, what opens it, and how to break them."""
    said = "; ".join(f"{each.why}: {each.opens}" for each in closed)
    many = f"{len(closed)} gates are closed: " if len(closed) > 1 else ""
    them = "them all" if len(closed) > 1 else "it"
    breakable = all(may_be_broken(each.gate) for each in closed)
    return many + said + (f' (--break-glass "REASON" passes {them})' if breakable else "")


@dataclass(frozen=True)
class Gatekeeping:
    """What the gates said.

    :ivar closed: those that are closed; empty also where nothing would change.
    :ivar reason: why they are broken all the same; ``None``: they are not.
    :ivar signer: who signed, where signatures are wanted and this one is good.
    """

    closed: tuple[Closed, ...] = ()
    reason: str | None = None
    signer: str | None = None

    @property
    def refusing(self) -> tuple[Closed, ...]:
        """Those that end the command."""
        return refusing(self.closed, break_glass=self.reason is not None)

    @property
    def broken(self) -> tuple[Closed, ...]:
        """Those that are passed all the same."""
        return tuple(each for each in self.closed if each not in self.refusing)

    @property
    def refusal(self) -> str | None:
        """All that are closed, in one line; ``None``: the way is free."""
        return refusal(self.refusing) if self.refusing else None

    @property
    def options(self) -> Mapping[str, str]:
        """What the history keeps: why gates were broken, if any were."""
        return {"break_glass": self.reason} if self.broken and self.reason else {}

    def as_json(self) -> tuple[Mapping[str, Any], ...]:
        """For ``--json`` and the journal."""
        return tuple(each.as_json(broken=each in self.broken) for each in self.closed)

    def broken_by(self, who: str) -> str:
        """What is said loudly."""
        passed = "; ".join(each.why for each in self.broken)
        return f"BREAK-GLASS by {clean(who)} ({clean(self.reason or '')!r}) passes: {passed}"


# --- freeze


def frozen(windows: Iterable[Window], now: datetime) -> tuple[Closed, ...]:
    """The windows that are open now: nothing is deployed.

    :param now: aware of its zone.
    """
    found = []
    for window in windows:
        until = frozen_until(window, now)
        if until is not None:
            local = until.astimezone(zone_of(window.zone))
            end = f"{local:%a %Y-%m-%d %H:%M} {window.zone}"
            found.append(Closed(Gate.FREEZE, f"frozen by {clean(window.name)!r}", f"it ends {end}"))
    return tuple(found)


def frozen_until(window: Window, now: datetime) -> datetime | None:
    """When the window that is open now ends, in UTC; ``None``: it is not open."""
    zone = zone_of(window.zone)
    for start, end in _occurrences(window, now.astimezone(zone).date()):
        until = _instant(end, zone, last=True)
        if _instant(start, zone, last=False) <= now < until:
            return until
    return None


def zone_of(name: str) -> tzinfo:
    """The time zone of an IANA name.

    :raises ValueError: when there is none of that name, or this machine has no time zone data.
    """
    from zoneinfo import ZoneInfo

    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise ValueError(f"{name!r} is not a time zone that this machine knows") from None


def _occurrences(window: Window, today: date) -> Iterable[tuple[datetime, datetime]]:
    """The window as local clocks show it, each time it may be open on that day."""
    start, end = window.start, window.end
    if isinstance(start.day, date) and isinstance(end.day, date):
        yield datetime.combine(start.day, start.at), datetime.combine(end.day, end.at)
        return
    days = 0
    if isinstance(start.day, int) and isinstance(end.day, int):
        days = (end.day - start.day) % 7
    if days == 0 and end.at <= start.at:
        days = 1 if start.day is None else 7
    for ago in range(days + 2):  # a day more, for a clock that was turned back over midnight
        first = today + timedelta(days=1 - ago)
        if start.day is None or first.weekday() == start.day:
            last = first + timedelta(days=days)
            yield datetime.combine(first, start.at), datetime.combine(last, end.at)


def _instant(wall: datetime, zone: tzinfo, *, last: bool) -> datetime:
    """When a clock on the wall shows that: the first or the last time, where it does so twice."""
    early, late = sorted(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if early == late:
        return early
    if early.astimezone(zone).replace(tzinfo=None, fold=0) == wall:
        return late if last else early
    # No clock ever shows it: it is jumped over, somewhere between the two.
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) / 2
        if middle.astimezone(zone).replace(tzinfo=None, fold=0) < wall:
            early = middle
        else:
            late = middle
    return late.replace(microsecond=0)


# --- evidence


@dataclass(frozen=True)
class Evidence:
    """What the store knows of a source in the inventory that has to have it first.

    :ivar promoted: deployments of the very source that ended well there, newest first.
    :ivar rollbacks: rollbacks there since the oldest of them, in any order.
    """

    promoted: Sequence[DeploymentRecord] = ()
    rollbacks: Sequence[DeploymentRecord] = ()


def after(
    inventory: str, within_s: float, source_hash: str, evidence: Evidence, now_s: float
) -> Closed | None:
    """The gate ``gates.after``: was the same source promoted there, whole, and not taken back since?"""
    why = f"tree {source_hash[:12]} was not promoted to {inventory} within {_days(within_s)}"
    for record in evidence.promoted:
        if record.finished is None or now_s - record.finished > within_s or not _whole(record):
            continue
        back = _taken_back(record, evidence.rollbacks)
        if back is None:
            return None
        why = f"tree {source_hash[:12]} was taken back from {inventory} by {back.id}"
        break
    opens = f"deploy it there first: deployer deploy {quote(inventory)} --rev REVISION"
    return Closed(Gate.AFTER, why, opens)


def _whole(record: DeploymentRecord) -> bool:
    """It ended with every host of the inventory on it; not a rehearsal, nor a part of the fleet."""
    partly = record.options.get("prepare_only") or record.options.get("limited")
    return record.kind == "deploy" and record.outcome in PROMOTED and not partly


def _taken_back(record: DeploymentRecord, rollbacks: Iterable[DeploymentRecord]) -> DeploymentRecord | None:
    served = {hash_of(host.release) for host in (_hosts(record)) if host.release}
    for rollback in rollbacks:
        left = {
            hash_of(host.previous)
            for host in _hosts(rollback)
            if host.previous and host.outcome is HostOutcome.ROLLED_BACK
        }
        if rollback.started >= (record.finished or 0.0) and left & served:
            return rollback
    return None


def _hosts(record: DeploymentRecord) -> Iterable[HostResult]:
    return record.result.hosts.values() if record.result is not None else ()


def _days(seconds: float) -> str:
    days = seconds / 86400
    return f"{days:g} days" if days >= 2 and days == int(days) else duration(seconds)


# --- quarantine


def on_hosts(seen: Mapping[str, Observation]) -> dict[Quarantined, list[str]]:
    """What hosts keep in quarantine, each with the hosts that know of it."""
    found: dict[Quarantined, list[str]] = {}
    for name, host in seen.items():
        for line in host.facts.get("quarantine", ()):
            if (entry := Quarantined.of_line(line)) is not None:
                found.setdefault(entry, []).append(name)
    return found


def quarantined(
    targets: Iterable[str], known: Mapping[Quarantined, Sequence[str]], inventory: str
) -> tuple[Closed, ...]:
    """The gate of the quarantine: releases aimed at that are known to be bad, whatever commit brings them.

    :param targets: release ids.
    :param known: what is in quarantine, each with the hosts that say so (none: the store alone does).
    :param inventory: as it is typed, for the command that opens it.
    """
    found: dict[str, Closed] = {}
    for target in targets:
        entries = [entry for entry in known if entry.hash == hash_of(target)]
        if not entries or hash_of(target) in found:
            continue
        entry = max(entries, key=lambda one: one.time)
        hosts = sorted({host for one in entries for host in known[one]})
        where = f" (known to {names(hosts)})" if hosts else ""
        found[entry.hash] = Closed(
            Gate.QUARANTINE,
            f"release {target} is quarantined{where} since {minute(entry.time)} UTC by "
            f"{clean(entry.deployment)}: {clean(entry.why)}",
            f"mend it, or release it: deployer quarantine release {quote(inventory)} {entry.hash}",
            release=target,
        )
    return tuple(found.values())
