"""The fleet's rules: who may go how far, and when all go back. Pure, like saga.py.

:func:`orders` is asked after every event and gives each host its goal; :func:`verdict` says how it ended once
nobody has anything left to do. Both look only at facts that stay (logs, causes), so asking twice, or after a
crash, gives the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from deployer.model import Amount, HostOutcome, Outcome
from deployer.rollout.saga import Goal, HostLog, Step

EVERYBODY = Amount(100, percent=True)
NOBODY = Amount(0)


class Scope(StrEnum):
    """Which hosts go back when the budget is spent (``rollout.on_failure``)."""

    HOST = "host"  #: those that failed
    WAVE = "wave"  #: the wave that is not decided yet
    ALL = "all"  #: every changed host, confirmed ones too


@dataclass(frozen=True, slots=True)
class Policy:
    """``rollout`` of the playbook, as far as it decides."""

    waves: tuple[Amount, ...] = (EVERYBODY,)
    max_failures: Amount = NOBODY
    on_failure: Scope = Scope.ALL


class Cause(StrEnum):
    """Why a host stopped going forward."""

    REFUSED = "refused"  #: the host, or its validator, said no before anything changed
    UNREACHABLE = "unreachable"
    FAILED = "failed"
    STOPPED = "stopped"  #: told to stop by a signal: nobody's failure
    FENCED = "fenced"  #: a newer owner took the host over: nothing more is done there, not even back


@dataclass(frozen=True, slots=True)
class Member:
    """One host of the deployment."""

    log: HostLog = field(default_factory=HostLog)
    cause: Cause | None = None


@dataclass(frozen=True)
class Fleet:
    """All that the decision needs to know.

    :ivar waves: host names, wave by wave; every member is in exactly one.
    :ivar lost: hosts that were unreachable before the deployment began. They count against the budget.
    :ivar abandoned: its controller was lost before every wave was confirmed: a recovery unwinds it.
    :ivar overdue: a wave was not decided by its deadline.
    """

    waves: tuple[tuple[str, ...], ...]
    members: Mapping[str, Member]
    policy: Policy = Policy()
    lost: tuple[str, ...] = ()
    interrupted: bool = False
    abandoned: bool = False
    overdue: bool = False
    prepare_only: bool = False
    total: int = field(default=0)  #: hosts that a percentage of failures is taken of; 0: members and lost

    @property
    def budget(self) -> int:
        """How many hosts may fail."""
        return self.policy.max_failures.of(self.total or len(self.members) + len(self.lost), up=False)

    @property
    def failures(self) -> int:
        """Hosts that failed or were unreachable. A promotion that was not heard does not count."""
        failed = [name for name in _failed(self) if self.members[name].cause is not Cause.STOPPED]
        return len(failed) + len(self.lost)

    @property
    def alive(self) -> Mapping[str, Member]:
        """Members that have not failed."""
        return {name: m for name, m in self.members.items() if m.cause is None}


class Ending(StrEnum):
    """Why a deployment does not go on to the end."""

    INTERRUPTED = "interrupted"
    REFUSED = "refused"
    BUDGET = "budget"
    OVERDUE = "overdue"  #: a wave took too long: who goes back is as if the budget were spent
    ABANDONED = "abandoned"  #: what was decided stays, as ``on_failure`` says


def split(hosts: Sequence[tuple[str, tuple[str, ...]]], policy: Policy) -> tuple[tuple[str, ...], ...]:
    """Deal (name, groups) into waves: cumulative amounts, rounded up, spread over the groups.

    One host of each set of groups is dealt in turn, so a canary wave of three meets three kinds of host.
    """
    kinds: dict[tuple[str, ...], list[str]] = {}
    for name, groups in hosts:
        kinds.setdefault(groups, []).append(name)
    dealt: list[str] = []
    for turn in range(max((len(names) for names in kinds.values()), default=0)):
        dealt += [names[turn] for names in kinds.values() if turn < len(names)]
    waves, start = [], 0
    for amount in (*policy.waves, EVERYBODY):
        end = max(start, amount.of(len(dealt), up=True))
        if end > start:
            waves.append(tuple(dealt[start:end]))
        start = end
    return tuple(waves)


def ending(fleet: Fleet) -> Ending | None:
    """Why everything stops now, or ``None``. Once the promotion has begun nothing is taken back any more."""
    if any(m.cause is Cause.FENCED for m in fleet.members.values()):
        return Ending.INTERRUPTED
    if any(Step.PROMOTE in m.log.states for m in fleet.members.values()):
        return None
    reasons = {
        Ending.REFUSED: any(m.cause is Cause.REFUSED for m in fleet.members.values()),
        Ending.BUDGET: fleet.failures > fleet.budget,
        Ending.OVERDUE: fleet.overdue,
        Ending.ABANDONED: fleet.abandoned,
        Ending.INTERRUPTED: fleet.interrupted,
    }
    return next((end for end, true in reasons.items() if true), None)


def orders(fleet: Fleet) -> Mapping[str, Goal]:
    """How far each host should go now. A host that is not named waits."""
    end = ending(fleet)
    if end is not None:
        ours = [name for name, m in fleet.members.items() if m.cause is not Cause.FENCED]
        return {name: _goal_at_end(fleet, end, name) for name in ours}
    return {**_forward(fleet), **dict.fromkeys(_failed(fleet), Goal.UNWOUND)}


def _failed(fleet: Fleet) -> list[str]:
    members = fleet.members.items()
    return [name for name, m in members if m.cause is not None and m.log.failed is not Step.PROMOTE]


def _forward(fleet: Fleet) -> Mapping[str, Goal]:
    alive = fleet.alive
    if fleet.prepare_only and not _missing(alive, Step.REHEARSE):
        return dict.fromkeys(alive, Goal.UNWOUND)
    waiting = sorted(name for name, m in alive.items() if not m.log.done(Step.BEGIN))
    if waiting:
        # The first host of all decides between two controllers, so that one of them loses before it has
        # taken anything, instead of each taking half and both giving up.
        first = len(waiting) == len(alive)
        return dict.fromkeys(waiting[:1] if first else waiting, Goal.BEGUN)
    if _missing(alive, Step.REHEARSE):
        return dict.fromkeys(alive, Goal.PREPARED)
    for wave in fleet.waves:
        here = {name: alive[name] for name in wave if name in alive}
        if _missing(here, Step.VERIFY):
            return dict.fromkeys(here, Goal.VERIFIED)
        if _missing(here, Step.CONFIRM):
            return dict.fromkeys(here, Goal.CONFIRMED)
    return dict.fromkeys(alive, Goal.PROMOTED)


def _missing(members: Mapping[str, Member], step: Step) -> bool:
    return any(not m.log.done(step) for m in members.values())


def _goal_at_end(fleet: Fleet, end: Ending, name: str) -> Goal:
    member = fleet.members[name]
    by_scope = end in (Ending.BUDGET, Ending.OVERDUE, Ending.ABANDONED)
    if not by_scope or member.cause is not None or fleet.policy.on_failure is Scope.ALL:
        return Goal.UNWOUND
    stays = member.log.done(Step.ACTIVATE) and member.log.done(Step.VERIFY)
    if fleet.policy.on_failure is Scope.WAVE:
        stays = stays and name not in current_wave(fleet)
    return Goal.LEFT if stays else Goal.UNWOUND


def current_wave(fleet: Fleet) -> tuple[str, ...]:
    """The first wave that is not wholly confirmed; empty when all are."""
    for wave in fleet.waves:
        if any(not fleet.members[name].log.done(Step.CONFIRM) for name in wave):
            return wave
    return ()


def undecided(fleet: Fleet) -> tuple[str, ...]:
    """The hosts whose guards are renewed: activated in a wave that is not decided yet.

    Once it is, or everybody goes back, the deadline is real: a host that is not told in time goes back.
    """
    if ending(fleet) is not None:
        return ()
    alive = fleet.alive
    wave = {name: alive[name] for name in current_wave(fleet) if name in alive}
    if not _missing(wave, Step.VERIFY):
        return ()
    return tuple(name for name, m in wave.items() if m.log.guarded and m.log.done(Step.ACTIVATE))


def waiting(fleet: Fleet) -> tuple[str, ...]:
    """The hosts that are ours and have no guard: before their wave, and once they are confirmed.

    A host that hears nothing of its owner for ten minutes may be taken by somebody else. One whose wave is
    decided and that is not confirmed yet is not named: its guard's deadline is real and must not be moved.
    """
    if ending(fleet) is not None:
        return ()
    alive = fleet.alive.items()
    ours = [(name, m) for name, m in alive if m.log.done(Step.BEGIN) and not m.log.done(Step.PROMOTE)]
    return tuple(name for name, m in ours if not m.log.guarded)


@dataclass(frozen=True, slots=True)
class Phase:
    """What the whole fleet is about, for the journal and for people.

    :ivar name: begin, prepare, wave, confirm, promote, unwind or release.
    :ivar wave: 1-based, 0 outside the waves.
    """

    name: str
    hosts: tuple[str, ...]
    wave: int = 0


def phase(fleet: Fleet) -> Phase:
    """Name what :func:`orders` asks for."""
    goals = orders(fleet)
    end = ending(fleet)
    if end is not None:
        back = tuple(n for n, goal in goals.items() if goal is Goal.UNWOUND and fleet.members[n].log.changed)
        return Phase("unwind", back) if back else Phase("release", tuple(goals))
    ahead = {name: goal for name, goal in goals.items() if name in fleet.alive}
    names = {Goal.BEGUN: "begin", Goal.PREPARED: "prepare", Goal.VERIFIED: "wave", Goal.CONFIRMED: "confirm"}
    goal = min(ahead.values(), default=Goal.UNWOUND)
    name = names.get(goal, "promote" if goal is Goal.PROMOTED else "release")
    if name == "begin":
        return Phase(name, tuple(fleet.members))
    if name not in ("wave", "confirm"):
        return Phase(name, tuple(ahead))
    number = next(i for i, wave in enumerate(fleet.waves, 1) if set(ahead) <= set(wave))
    return Phase(name, fleet.waves[number - 1], number)


def verdict(fleet: Fleet) -> Outcome:
    """How the deployment ended. Asked when no host has anything left to do."""
    logs = [m.log for m in fleet.members.values()]
    end = ending(fleet)
    # A host with a newer owner is that one's to prove: this deployment was interrupted, it is not stuck.
    if any(m.log.stuck for m in fleet.members.values() if m.cause is not Cause.FENCED):
        return Outcome.STUCK
    if end in (Ending.INTERRUPTED, Ending.ABANDONED):
        return Outcome.INTERRUPTED
    if end is not None:
        return _verdict_at_end(end, logs)
    if fleet.prepare_only or not (fleet.members or fleet.lost):
        return Outcome.PARTIAL if fleet.failures else Outcome.UNCHANGED
    return Outcome.PARTIAL if fleet.lost or len(fleet.alive) < len(fleet.members) else Outcome.DEPLOYED


def _verdict_at_end(end: Ending, logs: Iterable[HostLog]) -> Outcome:
    changed = [log for log in logs if log.changed]
    if any(not log.restored for log in changed):
        return Outcome.PARTIAL
    failed = end in (Ending.BUDGET, Ending.OVERDUE)
    return Outcome.ROLLED_BACK if changed and failed else Outcome.REFUSED


def host_outcome(fleet: Fleet, name: str) -> HostOutcome:
    """How the deployment ended for one member."""
    member = fleet.members[name]
    log = member.log
    if log.stuck or (log.changed and member.cause is Cause.FENCED):
        return HostOutcome.STUCK
    if log.restored:
        return HostOutcome.ROLLED_BACK
    if log.changed:
        return HostOutcome.DEPLOYED
    if member.cause is not None:
        return HostOutcome.UNREACHABLE if member.cause is Cause.UNREACHABLE else HostOutcome.REFUSED
    prepared = fleet.prepare_only and log.done(Step.REHEARSE)
    return HostOutcome.PREPARED if prepared else HostOutcome.UNTOUCHED
