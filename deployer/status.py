"""Where each host stands now: live, in memory, good, drift, health. Looks only."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any

from deployer.errors import HostError
from deployer.model import Guard, GuardState, Observation
from deployer.report.words import clean, duration, names
from deployer.rollout.resume import traces
from deployer.rollout.split import split_of
from deployer.rollout.survey import Contact, Survey

if TYPE_CHECKING:
    from deployer.context import Context


Health = tuple[bool | None, tuple[str, ...], tuple[str, ...]]  #: healthy (None: not asked), reasons, warnings


@dataclass(frozen=True)
class HostStatus:
    """One host as it stands.

    :ivar troubles: a sentence for each thing that is not as it should be; none: all is well.
    :ivar healthy: ``None`` when nothing was, or could be, asked.
    """

    host: str
    seen: Observation | None
    healthy: bool | None
    troubles: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """One value of ``hosts`` in ``status --json``."""
        seen = self.seen
        return {
            "reachable": seen is not None,
            "adopted": seen.adopted if seen else None,
            "live": seen.live if seen else None,
            "memory": seen.memory if seen else None,
            "memory_note": seen.memory_note if seen else None,
            "good": [g.release for g in seen.good] if seen else [],
            "last_known_good": seen.lkg if seen else None,
            "promoted": seen.promoted if seen else None,
            "running": seen.running if seen else None,
            "drifted": seen.drifted if seen else None,
            "drift": list(seen.facts.get("drift", ())) if seen else [],
            "guard": _guard_json(seen.guard) if seen and seen.guard else None,
            "owner": seen.owner if seen else None,
            "last_deployment": seen.last_deployment if seen else None,
            "healthy": self.healthy,
            "troubles": list(self.troubles),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Unended:
    """A deployment that hosts still belong to, or wait for.

    :ivar on_target: those of its hosts that serve what it brought.
    :ivar elsewhere: the others.
    """

    deployment: str
    owner: Observation
    on_target: tuple[str, ...]
    elsewhere: tuple[str, ...]

    @property
    def split(self) -> bool:
        """Its hosts do not all serve the same."""
        return bool(self.on_target and self.elsewhere)

    def told(self, inventory: str) -> str:
        """One sentence, with what to do."""
        heard = f" of {clean(self.owner.owner_controller)}, heard {duration(self.owner.owner_silent_s)} ago,"
        where = f"{names(self.on_target)} on its target" if self.on_target else ""
        others = f"{names(self.elsewhere)} not" if self.elsewhere else ""
        stand = ", ".join(filter(None, (where, others)))
        begin = "the fleet is split: " if self.split else ""
        return (
            f"{begin}deployment {clean(self.deployment)}{heard if self.owner.owner else ''} has not ended "
            f"({stand}); should its controller be dead: deployer recover {inventory}"
        )

    def as_json(self) -> dict[str, Any]:
        """One of ``unfinished`` in ``status --json``."""
        return {
            "deployment": self.deployment,
            "controller": self.owner.owner_controller if self.owner.owner else None,
            "silent_seconds": self.owner.owner_silent_s if self.owner.owner else None,
            "on_target": list(self.on_target),
            "elsewhere": list(self.elsewhere),
            "split": self.split,
        }


@dataclass(frozen=True)
class FleetStatus:
    """All hosts, in inventory order."""

    inventory: str
    hosts: Mapping[str, HostStatus]

    @property
    def split(self) -> str | None:
        """A sentence, when a deployment was left half-way, or its hosts were taken back only in part."""
        for each in self.unfinished:
            if each.split:
                return each.told(self.inventory)
        found = split_of(host.seen for host in self.hosts.values() if host.seen is not None)
        if found is None:
            return None
        still = "serves" if len(found.stayed) == 1 else "serve"
        return (
            f"the fleet is split: {names(found.stayed)} {still} what was taken back on {names(found.back)}; "
            f"take it back there, too (deployer rollback {self.inventory} --limit {quote(found.pattern)}), "
            "or deploy again"
        )

    @property
    def exit_code(self) -> int:
        """0, or 6 when something is not as it should be."""
        return 6 if self.split or any(host.troubles for host in self.hosts.values()) else 0

    @property
    def unfinished(self) -> tuple[Unended, ...]:
        """Deployments that are at work, or were left."""
        seen = {name: host.seen for name, host in self.hosts.items() if host.seen is not None}
        return tuple(unended(seen, deployment, hosts) for deployment, hosts in traces(seen).items())

    def as_json(self) -> dict[str, Any]:
        """The document of ``status --json``."""
        return {
            "inventory": self.inventory,
            "exit_code": self.exit_code,
            "split": self.split,
            "unfinished": [each.as_json() for each in self.unfinished],
            "hosts": {name: host.as_json() for name, host in self.hosts.items()},
        }


def unended(seen: Mapping[str, Observation], deployment: str, hosts: Sequence[str]) -> Unended:
    """What became of the hosts of a deployment so far. Pure."""
    there = [n for n, o in seen.items() if n in hosts or o.last_deployment == deployment]
    brought = {
        n
        for n in there
        if (o := seen[n]).last_deployment == deployment and o.live == o.last_target != o.last_from
    }
    owner = min((seen[n] for n in hosts), key=lambda o: (o.owner != deployment, o.owner_silent_s))
    on_target = tuple(n for n in there if n in brought)
    return Unended(deployment, owner, on_target, tuple(n for n in there if n not in brought))


def status(context: Context, *, checks: bool = True) -> FleetStatus:
    """Ask every host, and every check.

    :param checks: ``False``: only what the host says of itself.
    """
    healths: dict[str, Health] = {}

    def look(contact: Contact) -> None:
        if checks:
            healths[contact.host.name] = _health(context, contact)

    target, hide = context.playbook.target_spec(), context.veil.hide
    with Survey(context.hosts, target, context.ssh, parallel=32, hide=hide) as survey:
        survey.observe(then=look)
        hosts = {
            name: judge(name, contact.seen, contact.error, healths.get(name))
            for name, contact in survey.contacts.items()
        }
    return FleetStatus(context.name, hosts)


def judge(
    name: str,
    seen: Observation | None,
    error: HostError | None,
    health: Health | None,
) -> HostStatus:
    """What is not as it should be on one host. Pure."""
    if seen is None:
        return HostStatus(name, None, None, (f"cannot be asked: {error}",))
    healthy, reasons, warnings = health or (None, (), ())
    troubles = [*seen.problems]
    if not seen.running:
        troubles.append("nginx is not running")
    if seen.adopted:
        troubles += _store_troubles(seen)
    if seen.guard is not None and seen.guard.state is GuardState.EXPIRED:
        troubles.append(_expired(seen.guard))
    if not healthy:
        troubles += reasons
    notes = [*warnings]
    if seen.guard is not None and seen.guard.state is not GuardState.EXPIRED:
        notes.append(_guard_note(seen.guard))
    if not seen.adopted:
        notes.append("not adopted yet: 'deployer adopt' or the first 'deployer deploy' does it")
    if seen.owner is not None:
        notes.append(f"deployment {seen.owner} is working on it")
    return HostStatus(name, seen, healthy, tuple(troubles), tuple(notes))


def _store_troubles(seen: Observation) -> list[str]:
    troubles = []
    if seen.drifted:
        paths = seen.facts.get("drift", ())
        troubles.append(f"edited since it was deployed: {', '.join(paths[:5]) or 'see deployer plan'}")
    if seen.running and seen.memory != seen.live:
        held = seen.memory or "nothing that can be proved"
        troubles.append(f"{seen.live} is on disk, but memory holds {held} ({seen.memory_note})")
    if not seen.promoted:
        ended = seen.owner is None or seen.owner != seen.last_deployment
        early = "a deployment ended early; deploy again, or roll back"
        why = early if ended else "its deployment has not ended"
        troubles.append(f"{seen.live} was never promoted: {why}")
    return troubles


def _guard_json(guard: Guard) -> dict[str, Any]:
    return {
        "state": guard.state.value,
        "deployment": guard.deployment,
        "release": guard.release,
        "from": guard.source,
        "seconds_left": guard.left_s,
        "stuck": guard.stuck,
        "fired": guard.time,
    }


def _expired(guard: Guard) -> str:
    said = f"{guard.release} was not confirmed in time and is not taken back to {guard.source} yet"
    if guard.stuck:
        return f"{said}: {guard.stuck} It is tried again every 10 s"
    if guard.carried:
        return f"{said}: its guard is at it"
    return f"{said}, and nothing carries its guard (a reboot without systemd?): 'deployer rollback' does it"


def _guard_note(guard: Guard) -> str:
    if guard.state is GuardState.ARMED:
        goes = f"{guard.release} goes back to {guard.source} by itself in {guard.left_s:.0f} s"
        return f"{goes}, unless confirmed"
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(guard.time or 0))
    return (
        f"its guard took {guard.release} of {guard.deployment} back to {guard.source} at {at} UTC: "
        "nobody had confirmed it; see 'deployer show', then deploy again, or 'deployer rollback' the rest"
    )


def _health(context: Context, contact: Contact) -> Health:
    if not context.playbook.checks:
        return None, (), ()
    from deployer.checks.health import Once, until_healthy

    pace = Once(min(context.playbook.health.deadline_s, 5.0), context.playbook.health.interval_s)
    report = until_healthy(context.playbook.checks, contact.connection, pace, address=contact.host.address)
    return report.healthy, tuple(map(context.veil.hide, report.reasons)), report.warnings
