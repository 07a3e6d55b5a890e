"""From what the hosts said and what is wanted to a plan, host by host. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from deployer.model import Changes, Guard, GuardState, Manifest, Observation, Release, TargetKind
from deployer.report.words import count
from deployer.rollout.edits import beside, is_edit, not_loaded, source_of_edit
from deployer.rollout.waves import Policy, split


class Action(StrEnum):
    """What a plan says of one host."""

    UNCHANGED = "unchanged"
    CHANGE = "change"
    DRIFTED = "drifted"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Permissions:
    """What the operator allowed on the command line."""

    fix_forward: bool = False
    overwrite_drift: bool = False
    accept_deletions: bool = False
    accept_unproven: bool = False


@dataclass(frozen=True)
class HostPlan:
    """One host's part of the plan.

    :ivar source: the release to go back to, pinned now (``from`` in the docs); it may not be on the host yet
        when the deployment itself makes it (adopting a baseline, freezing a drifted tree).
    :ivar target: the release aimed at.
    :ivar freeze: the drifted live tree is first kept as ``source``.
    :ivar changes: by path, against what stands on disk now.
    """

    host: str
    action: Action
    source: str | None = None
    target: str | None = None
    freeze: bool = False
    reason: str | None = None
    changes: Changes | None = None


@dataclass(frozen=True)
class Plan:
    """The whole plan, as shown before the question."""

    hosts: Mapping[str, HostPlan]
    waves: tuple[tuple[str, ...], ...]

    def with_action(self, *actions: Action) -> tuple[HostPlan, ...]:
        """The hosts' plans that have one of these actions, in inventory order."""
        return tuple(p for p in self.hosts.values() if p.action in actions)

    @property
    def refusal(self) -> HostPlan | None:
        """The first host that refuses; one is enough to end a deployment."""
        return next(iter(self.with_action(Action.REFUSED, Action.DRIFTED)), None)


def plan_host(seen: Observation, release: Release, live: Manifest | None, allowed: Permissions) -> HostPlan:
    """Judge one reachable host.

    :param live: manifest of what stands on its disk now, ``None`` when nothing could be read.
    """
    changes = Changes.between(live, release.manifest) if live is not None else None

    def plan(action: Action, reason: str | None = None) -> HostPlan:
        return HostPlan(
            seen.host,
            action,
            source=_return_release(seen, allowed),
            target=release.id,
            freeze=seen.drifted and seen.adopted,
            reason=reason,
            changes=changes,
        )

    if reason := _cannot(seen):
        return plan(Action.REFUSED, reason)
    if seen.drifted and not allowed.overwrite_drift:
        return plan(Action.DRIFTED, _drift_sentence(seen))
    if _agrees(seen, release):
        return plan(Action.UNCHANGED)
    if not allowed.fix_forward and (reason := _ill(seen)):
        return plan(Action.REFUSED, reason)
    if reason := _deletions(seen, changes, allowed):
        return plan(Action.REFUSED, reason)
    return plan(Action.CHANGE)


def without_boot_unit(seen: Mapping[str, Observation]) -> str | None:
    """A warning that names the hosts on which nothing takes an unconfirmed release back at boot."""
    hosts = [name for name, o in seen.items() if not o.systemd]
    if not hosts:
        return None
    named = ", ".join(hosts[:5]) + (f" and {len(hosts) - 5} more" if len(hosts) > 5 else "")
    return (
        f"{named}: no systemd there, so after a reboot in the middle of a deployment the new release stays "
        "live until deployer comes by (rollback, or the deployment that goes on)"
    )


def unreachable(host: str, reason: str) -> HostPlan:
    """The plan of a host that could not be asked."""
    return HostPlan(host, Action.UNREACHABLE, reason=reason)


def whole(plans: Sequence[HostPlan], groups: Mapping[str, tuple[str, ...]], policy: Policy) -> Plan:
    """The plan of the fleet, with the changing hosts dealt into waves."""
    changing = [(p.host, groups.get(p.host, ())) for p in plans if p.action is Action.CHANGE]
    return Plan({p.host: p for p in plans}, split(changing, policy))


def same_tree(release_id: str | None, release: Release) -> bool:
    """Whether a deployed release holds the bytes of this one, whatever commit brought them.

    A baseline with the same bytes does not count: its identity in memory cannot be proved, and going through
    the deployment once gives it one.
    """
    if release_id is None or release_id.startswith("baseline-") or is_edit(release_id):
        return False
    return release_id.endswith(f"-{release.manifest.hash[:12]}")


def baseline_id(seen: Observation) -> str | None:
    """The name that adopting will give to what is on disk now."""
    return f"baseline-{seen.disk_hash[:12]}" if seen.disk_hash else None


def _agrees(seen: Observation, release: Release) -> bool:
    """Disk, memory and good all agree with the target."""
    return (
        seen.adopted
        and not seen.drifted
        and seen.target_kind is TargetKind.LINK
        and seen.running
        and same_tree(seen.live, release)
        and seen.memory == seen.live
        and any(g.release == seen.live for g in seen.good)
    )


def _return_release(seen: Observation, allowed: Permissions) -> str | None:
    if not seen.adopted:
        return baseline_id(seen)
    if seen.drifted and allowed.overwrite_drift:
        return source_of_edit(seen)
    if instead := beside(seen):
        return instead
    if seen.live is not None and any(g.release == seen.live for g in seen.good):
        return seen.live
    return seen.lkg or seen.live


def _cannot(seen: Observation) -> str | None:
    if seen.problems:
        return seen.problems[0]
    if seen.guard is not None and seen.guard.pending:
        return _guarded(seen.guard)
    match seen.target_kind:
        case TargetKind.ABSENT:
            return "the target directory is not there; restore it, or name another target.directory"
        case TargetKind.MOUNT:
            return "the target directory is a mount point and cannot be switched; choose a directory below it"
        case TargetKind.FOREIGN:
            return "the target is a symbolic link of somebody else; make it a plain directory first"
        case _:
            return None


def _guarded(guard: Guard) -> str:
    if guard.state is GuardState.ARMED:
        return (
            f"deployment {guard.deployment} owns this host: {guard.release} is not confirmed yet, and "
            f"goes back by itself in {guard.left_s:.0f} s; wait for it, or take the host over by "
            "'deployer rollback'"
        )
    return (
        f"{guard.release} of {guard.deployment} was never confirmed and is not back on {guard.source} yet; "
        "'deployer rollback' takes it back"
    )


def _ill(seen: Observation) -> str | None:
    if not seen.running:
        return (
            "nginx is not running, so nothing could be compared or rolled back to a working state; "
            "start it, run 'deployer rollback', or deploy the cure with --fix-forward"
        )
    if seen.adopted and seen.memory != seen.live and beside(seen) is None:
        return (
            f"memory is not proved to hold what is on disk ({seen.memory_note or 'they differ'}); "
            "run 'deployer rollback' to make them agree, or deploy the cure with --fix-forward"
        )
    return None


def _drift_sentence(seen: Observation) -> str:
    paths = seen.facts.get("drift", ())
    named = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    return (
        f"edited by hand or by a package since it was deployed: {named or 'see the diff'}{not_loaded(seen)}; "
        "bring the change into git, or replace it with --overwrite-drift (it is kept as a release)"
    )


def _deletions(seen: Observation, changes: Changes | None, allowed: Permissions) -> str | None:
    first = not seen.adopted or (seen.live or "").startswith("baseline-")
    if not first or allowed.accept_deletions or changes is None or not changes.removed:
        return None
    named = ", ".join(changes.removed[:5])
    more = f" and {len(changes.removed) - 5} more" if len(changes.removed) > 5 else ""
    return (
        f"the first deployment would delete {count(len(changes.removed), 'file')} that git does not have: "
        f"{named}{more}; put them into git or target.preserve, or say --accept-deletions"
    )
