"""Where each host stands now: live, in memory, good, drift, health. Looks only."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deployer.errors import HostError
from deployer.model import Guard, GuardState, Observation
from deployer.model.barriers import Quarantined
from deployer.report.words import clean, duration, iso, names
from deployer.rollout.gates import on_hosts
from deployer.rollout.resume import traces
from deployer.rollout.split import split_of
from deployer.rollout.survey import Survey
from deployer.watch.findings import Rules, guard_note, judge_look, split_told
from deployer.watch.look import Health, Look, Origin, Past

if TYPE_CHECKING:
    from deployer.planning.context import Context
    from deployer.watch.once import Round


@dataclass(frozen=True)
class HostStatus:
    """One host as it stands.

    :ivar troubles: a sentence for each thing that is not as it should be; none: all is well.
    :ivar healthy: ``None`` when nothing was, or could be, asked.
    :ivar look: what all this was taken from.
    """

    host: str
    seen: Observation | None
    healthy: bool | None
    troubles: tuple[str, ...]
    notes: tuple[str, ...] = ()
    look: Look | None = None

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
            **_look_json(self.look or Look(self.host, 0.0)),
        }


def _look_json(look: Look) -> dict[str, Any]:
    """What only an inspection, a check or git knows; ``None`` for what was not, or could not be, asked."""
    found, wanted = look.inspection, look.wanted
    counts = found.counts if found is not None and found.offsets is not None else None
    return {
        "valid": found.valid if found else None,
        "invalid": list(found.invalid) if found else [],
        "written": [{"path": w.path, "owner": w.owner, "time": iso(w.time)} for w in found.wrote]
        if found
        else [],
        "logged_in_then": list(found.present) if found else [],
        "failing_checks": list(look.health.failing) if look.health else [],
        "certificates": [
            {"path": d.path, "names": list(d.certificate.names), "not_after": iso(d.certificate.not_after)}
            for d in look.certificates or ()
        ],
        "answers": {f"{k}xx": n for k, n in sorted(counts.answers.items())} if counts else None,
        "log_lines": dict(sorted(counts.levels.items())) if counts else None,
        "counted_seconds": round(look.since_s, 3) if look.since_s is not None else None,
        "wanted": wanted.release if wanted else None,
        "behind": look.behind,
        "differing": list(wanted.files) if wanted and wanted.files is not None and look.behind else None,
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
    """All hosts, in inventory order.

    :ivar origin: what git has; ``None``: not asked.
    :ivar past: what the journal has; ``None``: not asked.
    """

    inventory: str
    hosts: Mapping[str, HostStatus]
    origin: Origin | None = None
    past: Past | None = None

    @property
    def split(self) -> str | None:
        """A sentence, when a deployment was left half-way, or its hosts were taken back only in part."""
        for each in self.unfinished:
            if each.split:
                return each.told(self.inventory)
        found = split_of(host.seen for host in self.hosts.values() if host.seen is not None)
        return split_told(found, self.inventory) if found is not None else None

    @property
    def quarantine(self) -> Mapping[Quarantined, tuple[str, ...]]:
        """What nobody deploys again, newest first; each with the hosts that know of it."""
        known = on_hosts({name: host.seen for name, host in self.hosts.items() if host.seen is not None})
        told = {(entry.hash, entry.deployment) for entry in known}
        for entry in self.past.quarantined if self.past is not None else ():
            if (entry.hash, entry.deployment) not in told:
                known[entry] = []
        newest_first = sorted(known.items(), key=lambda item: -item[0].time)
        return {entry: tuple(hosts) for entry, hosts in newest_first}

    @property
    def exit_code(self) -> int:
        """0, or 6 when something is not as it should be."""
        return 6 if self.split or self.late or any(host.troubles for host in self.hosts.values()) else 0

    @property
    def late(self) -> bool:
        """An unattended deployment was missed, failed, or was not heard of again."""
        return self.past is not None and any(each.loud for each in self.past.schedules)

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
            "quarantine": [_quarantined_json(entry, hosts) for entry, hosts in self.quarantine.items()],
            "source": _origin_json(self.origin) if self.origin is not None else None,
            "journal": _past_json(self.past) if self.past is not None else None,
            "hosts": {name: host.as_json() for name, host in self.hosts.items()},
        }


def _quarantined_json(entry: Quarantined, hosts: Sequence[str]) -> dict[str, Any]:
    said = {"hash": entry.hash, "release": entry.release, "deployment": entry.deployment, "why": entry.why}
    return {**said, "since": iso(entry.time), "hosts": list(hosts)}


def _origin_json(origin: Origin) -> dict[str, Any]:
    said = {"ref": origin.ref, "commit": origin.commit, "subject": origin.subject or None}
    return {**said, "error": origin.error}


def _past_json(past: Past) -> dict[str, Any]:
    left = [{"deployment": each.id, "reason": each.sentence} for each in past.left]
    wrong = [{"trouble": each.trouble.value, "reason": each.sentence} for each in past.schedules]
    return {"error": past.error, "left": left, "schedules": wrong}


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
    """Ask every host, and every check; git and the journal too.

    :param checks: ``False``: only what the host says of itself.
    """
    if checks:
        from deployer.watch.once import look_once

        return of_round(look_once(context))
    target, hide = context.playbook.target_spec(), context.veil.hide
    with Survey(context.hosts, target, context.ssh, parallel=32, hide=hide) as survey:
        survey.observe()
        hosts = {name: judge(name, c.seen, c.error, None) for name, c in survey.contacts.items()}
    return FleetStatus(context.name, hosts)


def judge(
    name: str,
    seen: Observation | None,
    error: HostError | None,
    health: Health | None,
) -> HostStatus:
    """What is not as it should be on one host, by what it says of itself. Pure."""
    return of_look(Look(name, time.time(), seen=seen, error=str(error), health=health), Rules(math.inf))


def of_look(look: Look, rules: Rules) -> HostStatus:
    """What is not as it should be on one host that was looked at. Pure."""
    found = judge_look(look, rules, now=look.time, patient=False).findings
    troubles = tuple(dict.fromkeys(f.sentence for f in found if f.loud))
    seen, notes = look.seen, list(look.health.warnings if look.health is not None else ())
    if seen is not None:
        if seen.guard is not None and seen.guard.state is GuardState.ARMED:
            notes.append(guard_note(seen.guard))
        notes += [f.sentence for f in found if not f.loud]
        if not seen.adopted:
            notes.append("not adopted yet: 'deployer adopt' or the first 'deployer deploy' does it")
        if seen.owner is not None:
            notes.append(f"deployment {seen.owner} is working on it")
    healthy = look.health.healthy if look.health is not None else None
    return HostStatus(look.host, seen, healthy, troubles, tuple(notes), look)


def of_round(found: Round) -> FleetStatus:
    """What one look at everything means."""
    hosts = {name: of_look(look, found.rules) for name, look in found.looks.items()}
    return FleetStatus(found.inventory, hosts, found.origin, found.past)


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
