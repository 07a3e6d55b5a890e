"""The emergency: every host back to where it came from, by what the hosts themselves know.

No git, no waiting for a database, no waiting for a host that does not answer before the others are helped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from shlex import quote
from typing import TYPE_CHECKING, Any

from deployer.errors import HostError
from deployer.journal.ids import who
from deployer.model import HostOutcome, HostResult, Outcome, Ownership, Result, State
from deployer.model.barriers import Quarantined
from deployer.planning.context import Context
from deployer.planning.gating import note_gates, quarantine
from deployer.report.words import count, names
from deployer.rollout import back
from deployer.rollout.back import Way
from deployer.rollout.effects import BACK_S, persist, put_back, release, told_back
from deployer.rollout.engine import Run
from deployer.rollout.gates import Gatekeeping, on_hosts, quarantined
from deployer.rollout.looking import failing_checks
from deployer.rollout.saga import Step
from deployer.rollout.summing import told
from deployer.rollout.survey import Contact, Survey
from deployer.running.leasing import lease_name
from deployer.running.undertaking import Undertaking
from deployer.running.unfinished import settle
from deployer.shortage import only_bugs

if TYPE_CHECKING:
    from deployer.journal.store import Journal
    from deployer.planning.audience import Audience
    from deployer.rollout.back import BackPlan, HostBack
    from deployer.rollout.split import Split
    from deployer.rollout.waves import Fleet


_OPEN = Gatekeeping()


@dataclass(frozen=True)
class Wishes:
    """What was asked for on the command line."""

    to: str | None = None  #: a release, or the beginning of a commit; ``None``: undo the latest deployment
    confirmed: bool = False  #: ``--yes``
    quarantine: bool = True  #: not with ``--no-quarantine``: what it leaves may be deployed again
    break_glass: str | None = None  #: ``--break-glass``: why a release in quarantine is gone back to


def rollback(
    context: Context, wishes: Wishes, journal: Journal, audience: Audience, stop: threading.Event
) -> Result:
    """Take every reachable host back, prove it, and name those that could not be helped.

    :param stop: a signal; what was begun is finished all the same, for half a rollback helps nobody.
    :raises Refused: when a named release is not on some host; then nothing was touched.
    """
    own = Undertaking("rollback", context, journal, audience)
    result = Rollback(own, wishes, journal, stop).run()
    if result.outcome is not Outcome.REFUSED:
        settle(context, journal, result, before=own.began)
    return result


class Rollback:
    """One rollback, from the first question to the result."""

    def __init__(
        self, undertaking: Undertaking, wishes: Wishes, journal: Journal, stop: threading.Event
    ) -> None:
        self._own, self._wishes, self._stop = undertaking, wishes, stop
        self._journal = journal
        self._context, self._audience = undertaking.context, undertaking.audience
        self._hide = undertaking.context.veil.hide

    def run(self) -> Result:
        """Tell the story."""
        hosts, target = self._context.hosts, self._context.playbook.target_spec()
        with Survey(
            hosts, target, self._context.ssh, parallel=len(hosts), any_version=True, hide=self._hide
        ) as survey:
            self._audience.saying(f"asking {count(len(hosts))} where they stand")
            survey.observe(hash_disk=False)
            to = self._wishes.to
            plan = back.to_release(survey.answered, to) if to else back.undo_latest(survey.answered)
            gates = self._gates(survey, plan)
            self._audience.shows_way_back(plan, survey.silent)
            if gates.refusal is not None:
                return self._result(plan, survey.silent, refused=gates.refusal, gates=gates)
            if plan.moving and not self._wishes.confirmed and not self._audience.agrees_to_go_back(plan):
                return self._result(plan, survey.silent, refused="not confirmed")
            with self._record(plan, gates):
                note_gates(self._own.recorder, gates, self._audience)
                fleet, run = self._carry_out(survey, plan)
                bad = self._quarantine(plan)
            result = self._result(plan, survey.silent, fleet=fleet, run=run, gates=gates)
            result = replace(result, quarantined=bad)
            if plan.split is not None and result.outcome is not Outcome.PARTIAL:
                self._audience.warns(self._said(plan.split))
            self._own.finish(result)
            for bug in only_bugs(run.bugs, self._audience.warns):
                raise bug
            ill = self._look(survey, plan)
        # Only what is said: what was promised is proved, and what was healthy before nobody knows.
        return replace(result, ill=ill) if result.outcome is Outcome.ROLLED_BACK else result

    def _said(self, split: Split) -> str:
        serve = "serves" if len(split.stayed) == 1 else "serve"
        return (
            f"{names(split.stayed)} still {serve} what was taken back on {names(split.back)}; "
            f"back there, too: deployer rollback {self._context.name} --limit {quote(split.pattern)}"
        )

    def _gates(self, survey: Survey, plan: BackPlan) -> Gatekeeping:
        """Only where a release was named, and only by what hosts say: an emergency waits for no store."""
        wishes = self._wishes
        if wishes.to is None:
            return Gatekeeping()
        targets = [str(b.target) for b in plan.moving if b.way is Way.BACK]
        bad = on_hosts(survey.answered)
        return Gatekeeping(quarantined(targets, bad, self._context.name), wishes.break_glass)

    def _quarantine(self, plan: BackPlan) -> tuple[str, ...]:
        entries = _entries(plan, self._own.id) if self._wishes.quarantine else {}
        for release_id in sorted({entry.release for entry in entries.values()}):
            said = f"{release_id}: {taken_back()}"
            self._own.recorder.note("quarantine", State.SUCCEEDED, release=release_id, reason=said)
        return quarantine(self._context, self._journal, entries.values(), self._audience)

    @contextmanager
    def _record(self, plan: BackPlan, gates: Gatekeeping) -> Iterator[None]:
        wishes = self._wishes
        options: dict[str, Any] = {"to": wishes.to} if wishes.to else {}
        options |= {} if wishes.quarantine else {"no_quarantine": True}
        options |= gates.options
        hosts = {
            b.host: {"action": b.way.value, "from": b.leaves, "to": b.target, "reason": b.reason}
            for b in plan.hosts.values()
        }
        story = {"undoes": plan.deployment, "lease": lease_name(self._context)}
        with self._own.recorded(revision=self._wishes.to, options=options, story=story):
            moving = [[b.host for b in plan.moving]]
            self._own.recorder.note("plan", State.SUCCEEDED, hosts=hosts, waves=moving)
            yield

    def _carry_out(self, survey: Survey, plan: BackPlan) -> tuple[Fleet, Run]:
        bad = _entries(plan, self._own.id) if self._wishes.quarantine else {}
        effects = _Effects(survey, plan, self._own.id, bad)
        run = Run(effects, self._own.recorder, back.orders, self._stop, survey.parallel, self._hide)
        return run.drive(back.fleet_of(plan, tuple(survey.silent))), run

    def _look(self, survey: Survey, plan: BackPlan) -> Mapping[str, str]:
        """Ask the checks once more, to inform. Returns, by host, what does not pass."""
        moved = [b.host for b in plan.moving]
        ill: dict[str, str] = {}
        for name, failing in failing_checks(survey, self._context.playbook, moved):
            reason = self._hide(failing)
            ill.setdefault(name, reason)
            self._audience.warns(f"{name}: after the rollback a check does not pass: {reason}")
        return ill

    def _result(
        self,
        plan: BackPlan,
        silent: Mapping[str, HostError],
        *,
        fleet: Fleet | None = None,
        run: Run | None = None,
        refused: str | None = None,
        gates: Gatekeeping = _OPEN,
    ) -> Result:
        hosts = {name: _host_result(b, fleet, run, refused) for name, b in plan.hosts.items()}
        for name, error in silent.items():
            hosts[name] = HostResult(HostOutcome.UNREACHABLE, None, None, str(error), 0.0)
        bad = {n: h for n, h in hosts.items() if h.outcome in (HostOutcome.STUCK, HostOutcome.UNREACHABLE)}
        if refused is not None:
            outcome, code, reason = Outcome.REFUSED, 3, refused
        elif bad:
            outcome, code = Outcome.STUCK, 5
            reason = "; ".join(f"{name}: {host.reason}" for name, host in bad.items())
        elif plan.split is not None and plan.moving:
            outcome, code, reason = Outcome.PARTIAL, 6, self._said(plan.split)
        else:
            outcome, code, reason = (Outcome.ROLLED_BACK if plan.moving else Outcome.UNCHANGED), 0, ""
        return Result(
            id=self._own.id,
            outcome=outcome,
            exit_code=code,
            revision=None,
            reason=reason or None,
            hosts={name: hosts[name] for name in (h.name for h in self._context.hosts)},
            waves=(),
            seconds=self._own.seconds,
            gates=gates.as_json(),
        )


class _Effects:
    """The undo half of the table, on the hosts."""

    def __init__(
        self, survey: Survey, plan: BackPlan, deployment: str, bad: Mapping[str, Quarantined]
    ) -> None:
        self._survey, self._plan, self._deployment = survey, plan, deployment
        self._bad = bad  #: what each host is told to remember as bad
        self._owned: dict[str, Ownership] = {}
        self._let_go: set[str] = set()  #: hosts whose ownership was given up when they were back

    def do(self, host: str, step: Step) -> Mapping[str, Any]:
        """Take the host over, from whoever has it."""
        if step is not Step.BEGIN:
            raise AssertionError(f"a rollback does not {step}")
        with self._survey.turn(host) as contact:
            epoch = persist(contact, lambda: self._begin(contact), for_s=BACK_S)
        self._owned[host] = Ownership(self._deployment, epoch, who())
        return {"epoch": epoch}

    def _begin(self, contact: Contact) -> int:
        return contact.agent.begin(self._deployment, who(), preempt=True)

    def undo(self, host: str, step: Step) -> Mapping[str, Any]:
        """Take one step back and prove it."""
        with self._survey.turn(host) as contact:
            return self._undo(contact, step)

    def _undo(self, contact: Contact, step: Step) -> Mapping[str, Any]:
        host = contact.host.name
        own, plan = self._owned[host], self._plan.hosts[host]
        if step is Step.BEGIN:
            return {} if host in self._let_go else release(contact, own)
        switched = put_back(contact, own, str(plan.target), let_go=True, quarantine=self._bad.get(host))
        if switched.released:
            self._let_go.add(host)
        return told_back(str(plan.target), switched)


def taken_back() -> str:
    """Why what a rollback leaves is quarantined."""
    return f"taken back by {who()}"


def _entries(plan: BackPlan, deployment: str) -> dict[str, Quarantined]:
    """What each host leaves, as it is to be remembered."""
    now = time.time()
    left = {b.host: b.leaves for b in plan.moving if b.way is Way.BACK and b.leaves}
    return {host: Quarantined(release_id, deployment, now, taken_back()) for host, release_id in left.items()}


def _host_result(plan: HostBack, fleet: Fleet | None, run: Run | None, refused: str | None) -> HostResult:
    if plan.way is Way.HELPLESS:
        return HostResult(HostOutcome.STUCK, None, None, plan.reason, 0.0)
    if refused is not None:
        return HostResult(HostOutcome.UNTOUCHED, plan.leaves, plan.leaves, refused, 0.0)
    if fleet is None or run is None or plan.way is Way.STAY:
        return HostResult(HostOutcome.UNCHANGED, plan.target, plan.leaves, plan.reason, 0.0)
    seconds = round(run.seconds.get(plan.host, 0.0), 3)
    trouble = run.undo_failures.get(plan.host) or run.first_failures.get(plan.host)
    if fleet.members[plan.host].log.restored:
        return HostResult(HostOutcome.ROLLED_BACK, plan.target, plan.leaves, None, seconds)
    why = told(trouble) if trouble is not None else "it was not finished"
    return HostResult(HostOutcome.STUCK, plan.target, plan.leaves, why, seconds)
