"""Status and releases as plain aligned text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployer.barriers import hash_of
from deployer.cli.runbooks import of_status
from deployer.model import GuardState
from deployer.report.words import clean, minute, names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deployer.model import Guard, Observation
    from deployer.status import FleetStatus, HostStatus


MOST_QUARANTINED = 3  #: lines of a table


def status_table(found: FleetStatus) -> str:
    """A row per host, then what is wrong, a line each, then one sentence about the fleet."""
    rows = [("HOST", "LIVE", "MEMORY", "GOOD", "GUARD", "DRIFT", "HEALTH"), *map(_row, found.hosts.values())]
    lines = _aligned(rows)
    for host in found.hosts.values():
        lines += [f"! {host.host}: {trouble}" for trouble in host.troubles]
        lines += [f"  {host.host}: {note}" for note in host.notes]
    lines += [f"! {each.told(found.inventory)}" for each in found.unfinished]
    lines += _outside(found)
    if found.split and not any(each.split for each in found.unfinished):
        lines.append(f"! {found.split}")
    bad = sum(bool(h.troubles) for h in found.hosts.values())
    total = len(found.hosts)
    if bad or not found.split:
        lines.append(
            f"{bad} of {total} hosts need attention." if bad else f"All {total} hosts are as they should be."
        )
    if page := of_status(found):
        lines.append(f"Help: {page}")
    return "\n".join(lines)


def releases_table(found: FleetStatus) -> str:
    """The releases on each host: which is live, which is good, which is where a rollback leads."""
    lines = []
    for host in found.hosts.values():
        lines.append(f"{host.host}:")
        if host.seen is None:
            lines.append(f"  {host.troubles[0]}")
            continue
        seen = host.seen
        lines += [f"  {r}  {', '.join(_marks(seen, r))}".rstrip() for r in seen.releases]
        if not host.seen.releases:
            lines.append("  none: not adopted yet")
    return "\n".join(lines)


def _outside(found: FleetStatus) -> list[str]:
    """What git and the journal say."""
    lines = []
    told = {each.deployment for each in found.unfinished}
    if found.past is not None:
        lines += [f"! {left.sentence}" for left in found.past.left if left.id not in told]
        lines += [f"{'!' if late.loud else ' '} {late.sentence}" for late in found.past.schedules]
        lines += [f"  journal: it cannot be read: {found.past.error}"] if found.past.error else []
    lines += _quarantine(found)
    origin = found.origin
    if origin is not None and origin.error:
        lines.append(f"  git: it cannot be asked: {origin.error}")
    behind = [n for n, host in found.hosts.items() if host.look is not None and host.look.behind]
    if origin is not None and origin.commit and behind:
        files = {f for n in behind for f in _differing(found.hosts[n])}
        which = f" ({', '.join(sorted(files)[:5])}{' …' if len(files) > 5 else ''})" if files else ""
        head = f"{origin.ref} is at {origin.commit[:12]} ({clean(origin.subject)})"
        lines.append(f"  git: {head}, which is not on {names(behind)}{which}")
    return lines


def _quarantine(found: FleetStatus) -> list[str]:
    """What nobody deploys again, and whether git has just that."""
    known = found.quarantine
    wanted = {host.look.wanted.release for host in found.hosts.values() if host.look and host.look.wanted}
    aimed_at = {entry.hash for entry in known} & {hash_of(release) for release in wanted}
    refused = f"; git has it, and deploy refuses it (deployer quarantine release {found.inventory} {{}})"
    lines = [
        f"  quarantine: {clean(entry.release)}, since {minute(entry.time)} UTC: {clean(entry.why)}"
        + refused.format(entry.hash) * (entry.hash in aimed_at)
        for entry in list(known)[:MOST_QUARANTINED]
    ]
    more = len(known) - MOST_QUARANTINED
    return lines + [f"  quarantine: {more} more (deployer quarantine list {found.inventory})"] * (more > 0)


def _differing(host: HostStatus) -> tuple[str, ...]:
    wanted = host.look.wanted if host.look is not None else None
    return (wanted.files or ()) if wanted is not None else ()


def _marks(seen: Observation, release: str) -> list[str]:
    undone = seen.live == seen.last_target and release == seen.last_from
    marks = {
        "live": release == seen.live,
        "in memory": release == seen.memory,
        "good": any(g.release == release for g in seen.good),
        "last known good": release == seen.lkg,
        "baseline": release == seen.baseline,
        "where a rollback leads": undone,
    }
    return [mark for mark, holds in marks.items() if holds]


def _row(host: HostStatus) -> tuple[str, ...]:
    seen = host.seen
    if seen is None:
        return (host.host, "?", "?", "?", "?", "?", "unreachable")
    health = {True: "ok", False: "FAILING", None: "not asked"}[host.healthy] if seen.running else "NGINX DOWN"
    return (
        host.host,
        seen.live or "not adopted",
        "the same" if seen.live and seen.memory == seen.live else seen.memory or "not proved",
        "yes" if seen.promoted else "no",
        _guard(seen.guard),
        "DRIFTED" if seen.drifted else "none",
        health,
    )


def _guard(guard: Guard | None) -> str:
    if guard is None:
        return "none"
    if guard.state is GuardState.ARMED:
        return f"armed, {guard.left_s:.0f} s"
    return "EXPIRED" if guard.state is GuardState.EXPIRED else "fired"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
