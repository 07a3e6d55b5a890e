"""An interrupted deployment as the rules need it: rebuilt from the journal, or from what hosts say. Pure.

A recovery asks the same ``orders`` and the same ``next_action`` as the deployment did. What is decided here
is only where everybody stands, and whether every wave was confirmed when the controller was lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from deployer.model import Amount, Event, Guard, GuardState, Observation, State
from deployer.rollout import waves
from deployer.rollout.saga import EARLY, STEPS, Do, HostLog, IllegalEvent, Step, TakeBack, next_action
from deployer.rollout.waves import Cause, Fleet, Member, Policy, Scope

RECOVERY = "recovery"  #: the event with which a recovery begins, or ends
LAPSES_S = 600.0  #: so long an owner is silent before the host lets anybody have it (agent: owner_silent_s)
FORWARD, BACK = "promote", "unwind"  #: what it decided, as the journal has it

_NAMES = frozenset(step.value for step in STEPS)


@dataclass(frozen=True, slots=True)
class Pin:
    """What a deployment leaves (``from``) and aims at on one host, pinned before anything moved."""

    source: str | None = None
    target: str | None = None


@dataclass(frozen=True)
class Unfinished:
    """A deployment that has not ended.

    :ivar lost: hosts that it could not reach in the beginning.
    :ivar total: hosts that were planned for; a percentage of failures is taken of them.
    :ivar gave_up: that it is unwound was decided already, by itself or by an earlier recovery.
    :ivar guessed: no journal knows of it, and not all hosts could be asked: who is concerned is not known.
    """

    deployment: str
    pins: Mapping[str, Pin] = field(default_factory=dict)
    members: Mapping[str, Member] = field(default_factory=dict)
    waves: tuple[tuple[str, ...], ...] = ()
    policy: Policy = field(default_factory=Policy)
    lost: tuple[str, ...] = ()
    total: int = 0
    prepare_only: bool = False
    gave_up: bool = False
    guessed: bool = False


@dataclass(frozen=True)
class Recovery:
    """What a recovery will do.

    :ivar fleet: to be driven by :func:`deployer.rollout.waves.orders`.
    :ivar notes: of hosts on which nothing is done, why.
    """

    unfinished: Unfinished
    fleet: Fleet
    notes: Mapping[str, str]

    @property
    def deployment(self) -> str:
        """Which one is recovered."""
        return self.unfinished.deployment

    @property
    def decision(self) -> str:
        """:data:`FORWARD` or :data:`BACK`."""
        return FORWARD if waves.ending(self.fleet) is None else BACK

    @property
    def deeds(self) -> Mapping[str, Do | TakeBack]:
        """What is first done on each host; one on which there is nothing to do is not named."""
        goals = waves.orders(self.fleet)
        found = {n: next_action(self.fleet.members[n].log, goal) for n, goal in goals.items()}
        return {name: deed for name, deed in found.items() if deed is not None}

    @property
    def reason(self) -> str:
        """Why it is decided so, for a person."""
        if self.decision == FORWARD:
            return "every wave was confirmed, so it is promoted everywhere"
        if not any(m.log.changed for m in self.fleet.members.values()):
            if self.notes:
                return "what it changed is not there any more, so there is nothing to take back"
            return "nothing was changed yet, so the hosts are given up"
        if self.unfinished.gave_up:
            return "it is being taken back already"
        return "not every wave is known to be confirmed, so it is taken back"


def from_journal(
    deployment: str, events: Iterable[Event], policy: Policy, *, prepare_only: bool = False
) -> Unfinished:
    """Read what was journalled, however far it came; each prefix of it is a state that can be gone on from.

    :param policy: of the playbook as it is now, for what the journal does not say.
    """
    logs: dict[str, HostLog] = {}
    causes: dict[str, Cause] = {}
    plan: Mapping[str, Any] = {}
    gave_up = False
    for event in events:
        if event.host is not None and event.step in _NAMES:
            _follow(event, logs, causes)
        elif event.step == "plan" and "waves" in event.detail:
            plan = event.detail
        elif event.step == RECOVERY and event.state is State.STARTED:
            logs = {name: log.again() for name, log in logs.items()}
        if event.host is None and event.detail.get("decision") == BACK:
            gave_up = True  # decided by the deployment itself, or by a recovery of it
    members = [str(name) for wave in plan.get("waves", ()) for name in wave]
    logs = {name: logs.get(name, HostLog()).again() for name in members}
    hosts = plan.get("hosts", {})
    return Unfinished(
        deployment,
        pins={name: Pin(hosts[name].get("from"), hosts[name].get("to")) for name in members if name in hosts},
        members={name: Member(log, causes.get(name) if log.failed else None) for name, log in logs.items()},
        waves=tuple(tuple(map(str, wave)) for wave in plan.get("waves", ())),
        policy=_policy(plan.get("policy"), policy),
        lost=tuple(name for name, host in hosts.items() if host.get("action") == "unreachable"),
        total=len(hosts),
        prepare_only=prepare_only,
        gave_up=gave_up,
    )


def _follow(event: Event, logs: dict[str, HostLog], causes: dict[str, Cause]) -> None:
    host, step = str(event.host), Step(event.step)
    try:
        logs[host] = logs.get(host, HostLog()).after(step, event.state)
    except IllegalEvent:
        return  # of a controller that was believed dead and spoke once more: hosts had fenced it
    if event.state is State.FAILED:
        causes.setdefault(host, _cause(event.detail.get("cause"), step))


def _cause(said: object, step: Step) -> Cause:
    try:
        cause = Cause(str(said))
    except ValueError:
        return Cause.REFUSED if step in EARLY else Cause.FAILED
    # Who owns it now is asked of the host, not of the journal.
    return Cause.FAILED if cause is Cause.FENCED else cause


def policy_note(policy: Policy) -> dict[str, str]:
    """What the journal keeps of the rules, with the plan."""
    return {"max_failures": str(policy.max_failures), "on_failure": policy.on_failure.value}


def _policy(said: object, otherwise: Policy) -> Policy:
    if not isinstance(said, Mapping):
        return otherwise
    budget = str(said.get("max_failures", "0"))
    failures = Amount(int(budget.rstrip("%")), percent=budget.endswith("%"))
    return replace(otherwise, max_failures=failures, on_failure=Scope(said.get("on_failure", "all")))


def from_hosts(
    deployment: str,
    seen: Mapping[str, Observation],
    groups: Mapping[str, tuple[str, ...]],
    policy: Policy,
    *,
    everybody: bool,
) -> Unfinished:
    """Read it from what the hosts say, where no journal knows of it.

    Whoever was to change was begun before anybody was prepared, so those that name it are its members, and
    the waves come out as they were dealt then.

    :param everybody: every host of the inventory was asked, and answered.
    """
    members: dict[str, Member] = {}
    pins: dict[str, Pin] = {}
    for name, host in seen.items():
        if (log := _log_of(host, deployment)) is not None:
            members[name], pins[name] = Member(log), _pin_of(host, deployment)
    named = [(name, groups.get(name, ())) for name in members]
    return Unfinished(
        deployment,
        pins,
        members,
        waves=waves.split(named, policy) if everybody else (tuple(members),) if members else (),
        policy=policy,
        total=len(seen),
        guessed=not everybody,
    )


def _log_of(seen: Observation, deployment: str) -> HostLog | None:
    """The least that must have been done there; ``None``: it does not know that deployment."""
    step = _reached(seen, deployment)
    return None if step is None else HostLog().upto(step)


def _reached(seen: Observation, deployment: str) -> Step | None:
    guard = guard_of(seen, deployment)
    if seen.last_deployment != deployment and guard is None:
        return Step.BEGIN if seen.owner == deployment else None
    if _promoted(seen, deployment):
        return Step.PROMOTE
    pin = _pin_of(seen, deployment)
    if guard is None and seen.live == pin.target:
        return Step.CONFIRM  # nobody but a confirmation disarms a guard without going back
    moved_on = guard is None and seen.live != pin.source
    return Step.PREPARE if moved_on else Step.ACTIVATE


def _pin_of(seen: Observation, deployment: str) -> Pin:
    if seen.last_deployment == deployment:
        return Pin(seen.last_from, seen.last_target)
    guard = guard_of(seen, deployment)
    return Pin(guard.source, guard.release) if guard is not None else Pin(seen.live)


def guard_of(seen: Observation, deployment: str | None = None) -> Guard | None:
    """The guard, if it is for this target (and of that deployment), not another playbook's."""
    guard = seen.guard
    if guard is None or guard.elsewhere or (deployment is not None and guard.deployment != deployment):
        return None
    return guard


def _promoted(seen: Observation, deployment: str) -> bool:
    # At first contact the baseline is good in its name, too, and it is what a guard goes back to.
    is_target = seen.live == _pin_of(seen, deployment).target
    return is_target and any((g.release, g.deployment) == (seen.live, deployment) for g in seen.good)


def resume(unfinished: Unfinished, seen: Mapping[str, Observation]) -> Recovery:
    """Where everybody stands by the journal and the hosts, and so which way it goes.

    Once a promotion was begun, or every wave is confirmed, it goes forward; else back. On the way forward
    nothing is switched any more: a host that was not confirmed then goes back.
    """
    notes: dict[str, str] = {}
    members = dict(unfinished.members)
    for name, member in unfinished.members.items():
        if name in seen:
            log, note = _as_seen(member.log, seen[name], unfinished.deployment)
            members[name] = Member(log, member.cause if log.failed else None)
            if note:
                notes[name] = note
    fleet = Fleet(
        waves=unfinished.waves,
        members=members,
        policy=unfinished.policy,
        lost=unfinished.lost,
        prepare_only=unfinished.prepare_only,
        total=unfinished.total,
    )
    if any(Step.PROMOTE in m.log.states for m in members.values()):
        left_behind = {
            name: replace(m, cause=Cause.FAILED, log=replace(m.log, failed=m.log.failed or Step.CONFIRM))
            for name, m in members.items()
            if m.cause is None and not m.log.done(Step.CONFIRM)
        }
        return Recovery(unfinished, replace(fleet, members={**members, **left_behind}), notes)
    sure = not (unfinished.gave_up or unfinished.guessed or unfinished.prepare_only)
    live = (m.log for m in fleet.alive.values())
    confirmed = bool(fleet.alive) and all(g.done(Step.ACTIVATE) and g.done(Step.CONFIRM) for g in live)
    return Recovery(unfinished, replace(fleet, abandoned=not (sure and confirmed)), notes)


def _as_seen(log: HostLog, seen: Observation, deployment: str) -> tuple[HostLog, str | None]:
    """What the journal says of a host, corrected by what the host says itself."""
    reached = _reached(seen, deployment)
    if log.restored:
        return log, None
    if reached in (None, Step.BEGIN, Step.PREPARE):
        # It was never switched, or others have been there since: not ours to take back.
        since = log.done(Step.ACTIVATE) or reached is Step.PREPARE
        kept = log.before(Step.ACTIVATE)
        if seen.owner == deployment and Step.BEGIN not in kept.states:
            kept = kept.upto(Step.BEGIN)
        return kept, _since(seen) if since else None
    if reached is not Step.ACTIVATE:
        return (log if log.failed else log.upto(Step(reached))), None
    log = log if Step.ACTIVATE in log.states else log.upto(Step.ACTIVATE)
    guard = guard_of(seen, deployment)
    waits = guard is not None and guard.pending and seen.live == guard.release
    return log.before(Step.CONFIRM if waits else Step.VERIFY), None


def _since(seen: Observation) -> str:
    """What became of a host that is no more where the deployment had brought it."""
    if seen.live is not None:
        return f"it has gone on to {seen.live} since"
    return (
        "it knows nothing of any deployment any more: it was made anew, or 'adopt --undo' was said there, or "
        "target.state is another now; nothing is done there"
    )


def found(before: HostLog, after: HostLog) -> list[tuple[Step, State]]:
    """The events that the journal lacks to know what a host has told."""
    lacks: list[tuple[Step, State]] = []
    for step in STEPS:
        state = before.states.get(step)
        if after.done(step) and state is not State.SUCCEEDED:
            lacks += [(step, State.STARTED)] if state is not State.STARTED else []
            lacks.append((step, State.SUCCEEDED))
    return lacks


def traces(seen: Mapping[str, Observation]) -> dict[str, list[str]]:
    """The deployments that hosts still belong to, or wait for, newest first, each with its hosts.

    A guard that fired leaves its host to its owner. An owner that lapsed on a host where nothing is unproven
    is only a name. One whose guard is for another playbook's target on the same nginx is not ours to end.
    """
    named: dict[str, list[str]] = {}
    for name, host in seen.items():
        guard = guard_of(host)
        waits = guard is not None and guard.state is not GuardState.FIRED
        lapsed = host.owner_silent_s >= LAPSES_S and host.promoted and not waits
        others = host.guard is not None and host.guard.elsewhere and host.guard.deployment == host.owner
        owner = None if lapsed or others else host.owner
        for deployment in dict.fromkeys((guard.deployment if waits and guard else None, owner)):
            if deployment is not None:
                named.setdefault(deployment, []).append(name)
    return dict(sorted(named.items(), reverse=True))
