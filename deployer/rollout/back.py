"""What a rollback does on each host, from what the hosts say alone: no git, no database. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from shlex import quote

from deployer.errors import Refused
from deployer.model import RELEASE_ID, Observation, State
from deployer.rollout.edits import beside, is_edit
from deployer.rollout.resume import guard_of
from deployer.rollout.saga import Goal, HostLog, Step
from deployer.rollout.split import Split, split_of
from deployer.rollout.waves import Cause, Fleet, Member

_LONG_COMMIT = re.compile(r"[0-9a-f]{13,40}")  # longer than the part of it that a release's id holds


class Way(StrEnum):
    """What a rollback means for one host."""

    BACK = "back"  #: to another release
    SETTLE = "settle"  #: nothing is undone, but nginx is dead, or disk and memory are made to agree
    STAY = "stay"
    HELPLESS = "helpless"  #: it needs help, and there is nothing to go back to


@dataclass(frozen=True, slots=True)
class HostBack:
    """One host's part of a rollback.

    :ivar leaves: the release that is live now.
    :ivar target: the release it will be on.
    """

    host: str
    way: Way
    leaves: str | None
    target: str | None
    reason: str


@dataclass(frozen=True)
class BackPlan:
    """The whole rollback.

    :ivar deployment: the one it undoes, ``None`` when hosts are only settled or a release was named.
    :ivar split: the hosts that will go on serving what it takes back on others.
    """

    hosts: Mapping[str, HostBack]
    deployment: str | None = None
    split: Split | None = None

    @property
    def moving(self) -> tuple[HostBack, ...]:
        """The hosts that something is done on."""
        return tuple(b for b in self.hosts.values() if b.way in (Way.BACK, Way.SETTLE))


def undo_latest(seen: Mapping[str, Observation]) -> BackPlan:
    """Undo the latest deployment that is recorded on the hosts; said twice it changes nothing more.

    A host that is not promoted goes to the release it came from, whichever deployment left it so.
    """
    latest = max((o.last_deployment for o in seen.values() if o.last_deployment), default=None)
    hosts = {name: _undo(o, latest) for name, o in seen.items()}
    split = split_of(replace(o, live=hosts[name].target) for name, o in seen.items())
    for name in split.stayed if split is not None else ():
        if hosts[name].way is Way.STAY:
            reason = f"stays on {seen[name].live}, which deployment {seen[name].last_deployment} brought"
            hosts[name] = replace(hosts[name], reason=reason)
    return BackPlan(hosts, latest, split)


def to_release(seen: Mapping[str, Observation], wanted: str) -> BackPlan:
    """Go to a named release: its id, or enough of the beginning of its commit.

    :raises Refused: when a host does not have it any more, or several fit.
    """
    return BackPlan({name: _to(o, wanted) for name, o in seen.items()})


def _undo(seen: Observation, latest: str | None) -> HostBack:
    instead = beside(seen)
    if instead is None:
        return _undo_live(seen, latest)
    # The edits on its disk were never served: what is undone is what a user would call live.
    undone = _undo_live(replace(seen, live=instead), latest)
    return undone if undone.way is Way.BACK else _put_beside(seen, instead)


def _put_beside(seen: Observation, instead: str) -> HostBack:
    held = instead == seen.memory
    why = "nginx holds it, not" if held else "it is the last known good one, and nginx does not hold"
    return HostBack(seen.host, Way.SETTLE, seen.live, instead, f"{why} the edits of {seen.live}")


def _undo_live(seen: Observation, latest: str | None) -> HostBack:
    if not seen.adopted:
        return _nothing_known(seen)
    guard = guard_of(seen)
    if guard is not None and guard.pending and seen.live == guard.release:
        return _back(seen, guard.source, f"undoes {guard.deployment}, which is not confirmed")
    if seen.live == seen.last_from or is_edit(seen.live) or (guard is not None and seen.live == guard.source):
        # Taken back already, not switched yet, or made by hand: nothing that a deployment brought.
        return _stay(seen)
    on_target = seen.live == seen.last_target
    good = any(g.release == seen.live for g in seen.good)
    if on_target and seen.last_from and (not good or seen.last_deployment == latest):
        return _back(seen, seen.last_from, f"undoes {seen.last_deployment}")
    if not good and seen.lkg and seen.lkg != seen.last_target:
        return _back(seen, seen.lkg, "what is live was never promoted")
    return _stay(seen)


def _nothing_known(seen: Observation) -> HostBack:
    if seen.running:
        return HostBack(seen.host, Way.STAY, None, None, "nothing was deployed here yet")
    why = "nginx is not running and no release is known to go back to; start it by hand"
    return HostBack(seen.host, Way.HELPLESS, None, None, why)


def _to(seen: Observation, wanted: str) -> HostBack:
    begin = wanted[:12] if _LONG_COMMIT.fullmatch(wanted) else wanted
    fits = [r for r in seen.releases if r == wanted] or [r for r in seen.releases if r.startswith(begin)]
    if len(fits) == 1 and fits[0] == beside(seen):
        return _put_beside(seen, fits[0])
    if len(fits) == 1:
        return _stay(seen) if fits[0] == seen.live else _back(seen, fits[0], "as asked")
    if fits:
        raise Refused(f"{seen.host}: {', '.join(fits)} all begin with {wanted!r}; say which with --to")
    revision = wanted.partition("-")[0] if RELEASE_ID.fullmatch(wanted) else wanted
    known_to_git = revision not in ("baseline", "drift")
    bring = f" (to bring it: deployer deploy INVENTORY --rev {quote(revision)})" if known_to_git else ""
    has = ", ".join(seen.releases) or "none"
    raise Refused(f"{seen.host}: release {wanted!r} is not there{bring}. There are: {has}")


def _back(seen: Observation, target: str, reason: str) -> HostBack:
    return HostBack(seen.host, Way.BACK, seen.live, target, reason)


def _stay(seen: Observation) -> HostBack:
    reason = _unsettled(seen)
    way = Way.SETTLE if reason else Way.STAY
    return HostBack(seen.host, way, seen.live, seen.live, reason or "already where it should be")


def _unsettled(seen: Observation) -> str | None:
    """Why something is to be done on a host whose release is the right one."""
    if not seen.running:
        return "nginx is not running"
    if seen.memory != seen.live:
        return "memory does not hold what is on disk"
    if (guard := guard_of(seen)) is not None:
        what = "is armed: taken over from it" if guard.pending else f"took {guard.release} back: proved"
        return f"the guard of {guard.deployment} {what}"
    if seen.owner is not None and seen.guard is None:
        # Whoever has it, dead or alive, must not go on; and the next deployment must not wait for its ghost.
        return f"taken over from {seen.owner}"
    return None


def fleet_of(plan: BackPlan, lost: tuple[str, ...]) -> Fleet:
    """The moving hosts as the saga sees them: activated, to be taken back."""
    members = {}
    for host in plan.moving:
        members[host.host] = Member(HostLog({Step.ACTIVATE: State.SUCCEEDED}))
    return Fleet(waves=(tuple(members),), members=members, lost=lost)


def orders(fleet: Fleet) -> Mapping[str, Goal]:
    """Everybody at once, nobody waits for anybody: take the host over, then take everything back.

    A host with a newer owner (somebody else's rollback) is left to it.
    """
    ours = {name: m.log for name, m in fleet.members.items() if m.cause is not Cause.FENCED}
    begun = {name for name, log in ours.items() if log.states.get(Step.BEGIN) not in _NOT_BEGUN}
    return {name: Goal.UNWOUND if name in begun else Goal.BEGUN for name in ours}


_NOT_BEGUN = (None, State.STARTED, State.FAILED)
