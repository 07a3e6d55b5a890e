"""Status and releases as plain aligned text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from deployer.cli.runbooks import of_status
from deployer.model import GuardState
from deployer.model.barriers import hash_of
from deployer.report.words import clean, minute, names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deployer.model import Guard, Observation
    from deployer.status import FleetStatus, HostStatus


_TOOK = re.compile(r" in [0-9.]+ m?s\b| \(\d+ failed of \d+\)")
"""Hosts that fail alike never take equally long, and are not asked equally often."""
MOST_QUARANTINED = 3  #: lines of a table


def status_table(found: FleetStatus) -> str:
    """A row per host, then what is wrong, a line each, then one sentence about the fleet."""
    rows = [("HOST", "LIVE", "MEMORY", "GOOD", "GUARD", "DRIFT", "HEALTH"), *map(_row, found.hosts.values())]
    lines = _aligned(rows)
    lines += [f"! {names(hosts)}: {said}" for said, hosts in _alike(found, "troubles")]
    lines += [f"  {names(hosts)}: {said}" for said, hosts in _alike(found, "notes")]
    lines += [f"! {each.told(found.inventory)}" for each in found.unfinished]
    lines += _outside(found)
    if found.split and not any(each.split for each in found.unfinished):
        lines.append(f"! {found.split}")
    bad = sum(bool(h.troubles) for h in found.hosts.values())
    total = len(found.hosts)
    if bad:
        lines.append(f"{bad} of {total} hosts {'needs' if bad == 1 else 'need'} attention.")
    elif not found.split:
        well = "The host is as it should be" if total == 1 else f"All {total} hosts are as they should be"
        lines.append(f"{well}, unattended deployments are not." if found.late else f"{well}.")
    if page := of_status(found):
        lines.append(f"Help: {page}")
    return "\n".join(lines)


def releases_table(found: FleetStatus) -> str:
    """The releases on each host, once for hosts that are alike: which is live, and where a rollback leads."""
    alike: dict[tuple[object, ...], list[HostStatus]] = {}
    for host in found.hosts.values():
        alike.setdefault((_releases(host), host.seen is None and host.troubles), []).append(host)
    lines = []
    for hosts in alike.values():
        releases = _releases(hosts[0])
        since = {good.release: good.time for h in hosts if h.seen for good in h.seen.good}
        width = max((len(name) for name, _ in releases), default=0)
        lines.append(f"{names(host.host for host in hosts)}:")
        lines += [f"  {n:<{width}}  {_since(since.get(n))}  {marks}".rstrip() for n, marks in releases]
        if not releases:
            seen = hosts[0].seen
            lines.append("  none: not adopted yet" if seen else f"  {hosts[0].troubles[0]}")
    return "\n".join(lines)


def _releases(host: HostStatus) -> tuple[tuple[str, str], ...]:
    """The releases of a host with what is to be said of each: what is live, then the newest good one."""
    seen = host.seen
    if seen is None:
        return ()
    since = {good.release: good.time for good in seen.good}
    first = sorted(seen.releases, key=lambda r: (r != seen.live, r == seen.baseline, -since.get(r, 0.0)))
    return tuple((release, ", ".join(_marks(seen, release))) for release in first)


def _since(time: float | None) -> str:
    said = f"good since {minute(time)} UTC" if time is not None else "never good"
    return f"{said:<31}"


def _alike(found: FleetStatus, which: str) -> list[tuple[str, list[str]]]:
    """What is said of hosts, each sentence once, in the order in which it is first said."""
    said: dict[str, tuple[str, list[str]]] = {}
    for host in found.hosts.values():
        for sentence in dict.fromkeys(getattr(host, which)):
            said.setdefault(_TOOK.sub("", sentence), (sentence, []))[1].append(host.host)
    return list(said.values())


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
