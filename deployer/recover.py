"""The recovery: what an interrupted controller left is promoted, or taken back, by the rules it worked by.

From the journal and the hosts; where the journal is lost, or another machine's, from the hosts alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from deployer.errors import Refused
from deployer.journal.ids import who
from deployer.journal.process import this_process
from deployer.model import (
    EXIT_CODE,
    DeploymentRecord,
    Event,
    HostOutcome,
    HostResult,
    Outcome,
    Result,
    State,
)
from deployer.planning.context import Context
from deployer.planning.gating import learn
from deployer.planning.propose import policy
from deployer.planning.sentence import sentenced
from deployer.report.words import clean, count, duration, names
from deployer.rollout import waves
from deployer.rollout.aftermath import bystanders, edits_left, host_results, outcome_of
from deployer.rollout.blame import Blame, suspects
from deployer.rollout.engine import Recorder, Run
from deployer.rollout.looking import failing_checks, quick_look
from deployer.rollout.recovering import RecoveryEffects
from deployer.rollout.resume import RECOVERY, Recovery, from_hosts, from_journal, resume, traces
from deployer.rollout.resume import found as told_by_host
from deployer.rollout.summing import wave_results
from deployer.rollout.survey import Contact, Survey
from deployer.rollout.waves import Fleet
from deployer.running.leasing import lease_name, leased
from deployer.running.undertaking import Undertaking
from deployer.running.unfinished import Open, at_work, close, cure, decisive, open_records
from deployer.shortage import only_bugs

if TYPE_CHECKING:
    from deployer.journal.store import Store
    from deployer.planning.audience import Audience
    from deployer.rollout.resume import Unfinished

NOTHING = "nothing to recover"


@dataclass(frozen=True)
class Wishes:
    """What was asked for on the command line."""

    confirmed: bool = False  #: ``--yes``


def recover(context: Context, wishes: Wishes, journal: Store, audience: Audience) -> Result:
    """Finish or unwind the newest deployment that has not ended.

    :raises LeaseHeld: when its controller, or somebody else, is at work as the store knows it.
    :raises Refused: when its controller lives, or was heard on the hosts just now.
    :raises DeployerError: when it could not even be recorded; otherwise the result says what happened.
    """
    own = Undertaking("recover", context, journal, audience)
    with leased(own, journal) as tenure:
        tenure.granted()
        return recovered(context, wishes, journal, audience)


def recovered(context: Context, wishes: Wishes, journal: Store, audience: Audience) -> Result:
    """As :func:`recover`, for somebody who has the lease already."""
    began = time.monotonic()
    target, hide = context.playbook.target_spec(), context.veil.hide
    parallel = context.playbook.rollout.parallel
    with Survey(context.hosts, target, context.ssh, parallel=parallel, any_version=True, hide=hide) as survey:
        audience.saying(f"asking {count(len(context.hosts))} where they stand")
        survey.observe(hash_disk=False)
        return Recoverer(context, wishes, journal, audience, survey, began=began).run()


class Recoverer:
    """One recovery, from the first question to the result."""

    def __init__(
        self,
        context: Context,
        wishes: Wishes,
        journal: Store,
        audience: Audience,
        survey: Survey,
        *,
        began: float,
    ) -> None:
        self._context, self._wishes, self._journal = context, wishes, journal
        self._audience, self._survey, self._began = audience, survey, began

    def run(self) -> Result:
        """Tell the story."""
        left_open = open_records(self._context, self._journal)
        learn(self._context, self._survey.answered, self._journal)
        self._let_the_living_work(left_open)
        unfinished = self._unfinished(left_open)
        if unfinished is None:
            close(left_open, self._journal, "its controller was lost; nothing of it was left on any host")
            return self._nothing()
        whole = resume(unfinished, self._survey.answered)
        here = _within(whole, self._survey)
        outside = sorted(set(whole.fleet.members) - set(here.fleet.members))
        self._audience.shows_recovery(here, self._survey.silent)
        if outside:
            self._audience.warns(self._left_out(outside))
        if here.deeds and not self._wishes.confirmed and not self._audience.agrees_to_recover(here):
            return self._refused(here)
        recorder = self._recorded(here)
        blame = self._suspected(here)
        end, run = self._carry_out(here, recorder, blame)
        there, audience = self._survey.contacts, self._audience
        bad: tuple[str, ...] = ()
        try:
            bad = sentenced(self._context, recorder, self._journal, blame, there, audience=audience)
        except Exception as error:
            run.bugs.append(error)  # what became of the hosts is recorded first
        result = replace(self._result(here, end, run), quarantined=bad)
        self._finish(recorder, here, result, open_still=self._waiting(whole, outside))
        close(self._superseded(left_open, unfinished), self._journal, f"settled with {unfinished.deployment}")
        for bug in only_bugs(run.bugs, audience.warns):
            raise bug
        self._look(result)  # to inform: nothing that was recorded depends on it
        return result

    # Which one

    def _let_the_living_work(self, left_open: list[Open]) -> None:
        """Whose controller lives, as seen from here, or was heard on the hosts, is not disturbed."""
        seen, within_s = self._survey.answered, self._context.playbook.rollout.confirm_within_s
        for each in left_open:
            if each.alive:
                raise Refused(at_work(each, self._context.name))
        for deployment in traces(seen):
            record = self._journal.known(deployment)
            if record is not None and Open(record, self._journal.events(deployment)).alive is False:
                continue
            owned = [host for host in seen.values() if host.owner == deployment]
            last = min(owned, key=lambda host: host.owner_silent_s, default=None)
            if last is not None and last.owner_silent_s < within_s:
                name, silent = self._context.name, duration(last.owner_silent_s)
                raise Refused(
                    f"deployment {clean(deployment)} of {clean(last.owner_controller)} was heard on "
                    f"{last.host} {silent} ago and may be at work: let it end; once it has been silent for "
                    f"{duration(within_s)}, 'deployer recover {name}' takes it over, and "
                    f"'deployer rollback {name}' does at once"
                )

    def _unfinished(self, left_open: list[Open]) -> Unfinished | None:
        seen = self._survey.answered
        known = {each.record.id for each in left_open if each.record.kind == "deploy" and each.hosts}
        for host in seen.values():
            unproved = host.live == host.last_target and not host.promoted
            record = self._journal.known(host.last_deployment) if unproved and host.last_deployment else None
            if record is not None and record.outcome is Outcome.STUCK:
                known.add(record.id)
        newest = max((*known, *traces(seen)), default=None)
        return self._read(newest) if newest is not None else None

    def _read(self, deployment: str) -> Unfinished:
        record, rules = self._journal.known(deployment), policy(self._context)
        command = cure(self._context, record)
        if command != cure(self._context, None):
            kind = record.kind if record is not None else "deployment"
            raise Refused(f"what was interrupted is the {kind} {deployment}; this ends it: {command}")
        events = self._journal.events(deployment) if record is not None else ()
        if record is not None and decisive(events):
            prepare_only = bool(record.options.get("prepare_only"))
            return from_journal(deployment, events, rules, prepare_only=prepare_only)
        everybody = not self._survey.silent and len(self._context.hosts) == len(self._context.inventory.hosts)
        answered, groups = self._survey.answered, self._context.groups
        return from_hosts(deployment, answered, groups, rules, everybody=everybody)

    # How it is done, and recorded

    def _recorded(self, recovery: Recovery) -> Recorder:
        """Write down what is known and what is decided, before anything is done."""
        journal, deployment = self._journal, recovery.deployment
        if (known := journal.known(deployment)) is None:
            journal.start(self._record(deployment))
        if known is None or not decisive(journal.events(deployment)):
            self._append(deployment, "plan", _plan_of(recovery))
        recorder = Recorder(deployment, journal, self._audience.hears)
        recorder.note(
            RECOVERY,
            State.STARTED,
            decision=recovery.decision,
            reason=f"by {who()}: {recovery.reason}",
            process=asdict(this_process()),
            lease=lease_name(self._context),
        )
        for name, member in recovery.fleet.members.items():
            before = recovery.unfinished.members[name].log if known is not None else waves.Member().log
            for step, state in told_by_host(before, member.log):
                self._append(deployment, step, {"found": "as the host says"}, state, name)
        return recorder

    def _append(
        self,
        deployment: str,
        step: str,
        detail: Mapping[str, object],
        state: State = State.SUCCEEDED,
        host: str | None = None,
    ) -> None:
        self._journal.append(Event(deployment, host, step, state, time.time(), detail))

    def _record(self, deployment: str) -> DeploymentRecord:
        owners = [s for s in self._survey.answered.values() if s.owner == deployment]
        return DeploymentRecord(
            id=deployment,
            kind="deploy",
            inventory=self._context.name,
            playbook=self._context.playbook.name,
            revision=None,
            commit=None,
            subject=None,
            started=_began(deployment),
            who=clean(owners[0].owner_controller) if owners else who(),
            options={"found": "on the hosts"},
        )

    def _suspected(self, recovery: Recovery) -> Blame:
        """What the journal says failed, and where: the same rules as a deployment's."""
        blame = Blame(recovery.deployment, self._context.veil.hide)
        for host, (symptoms, why) in suspects(self._journal.events(recovery.deployment)).items():
            pin = recovery.unfinished.pins.get(host)
            if pin is not None and pin.target is not None:
                blame.suspect(host, pin.target, symptoms, why)
                member = recovery.fleet.members.get(host)
                if member is not None and member.log.restored:  # and it was as healthy as before
                    blame.back(host, pin.target, ())
        return blame

    def _carry_out(self, recovery: Recovery, recorder: Recorder, blame: Blame) -> tuple[Fleet, Run]:
        playbook = self._context.playbook

        def passing(contact: Contact) -> frozenset[str]:
            return quick_look(contact, playbook).passed if playbook.checks else frozenset()

        effects = RecoveryEffects(
            self._survey, recovery.unfinished.pins, (recovery.deployment, who()), passing, blame
        )
        # A signal does not turn it round: half a recovery helps nobody, and what is begun is soon over.
        never = threading.Event()
        run = Run(
            effects,
            recorder,
            waves.orders,
            never,
            self._survey.parallel,
            self._context.veil.hide,
            waves.phase,
        )
        return run.drive(recovery.fleet), run

    def _look(self, result: Result) -> None:
        settled = (HostOutcome.DEPLOYED, HostOutcome.ROLLED_BACK)
        put_right = [name for name, host in result.hosts.items() if host.outcome in settled]
        for name, reason in failing_checks(self._survey, self._context.playbook, put_right):
            said = f"{name}: after the recovery a check does not pass: {reason}"
            self._audience.warns(self._context.veil.hide(said))

    def _finish(self, recorder: Recorder, recovery: Recovery, result: Result, *, open_still: bool) -> None:
        done = State.SUCCEEDED if result.exit_code == 0 else State.FAILED
        recorder.note(RECOVERY, done, outcome=result.outcome.value, reason=result.reason)
        if open_still:
            return
        undone = result.outcome in (Outcome.ROLLED_BACK, Outcome.UNCHANGED)
        outcome = Outcome.INTERRUPTED if undone else result.outcome
        why = f"its controller was lost; recovered by {who()}: {result.reason or recovery.reason}"
        record = replace(result, outcome=outcome, exit_code=EXIT_CODE[outcome], reason=why)
        if recorder.lost is None:
            self._journal.finish(recovery.deployment, record)
        elif not self._journal.make_up(recorder.missed, recovery.deployment, record):
            self._audience.warns(f"the history will not show this recovery whole: {recorder.lost}")

    # What is said of it

    def _result(self, recovery: Recovery, end: Fleet, run: Run) -> Result:
        hosts = host_results(recovery, end, run, self._survey)
        outcome, reason = outcome_of(recovery, end, hosts)
        proved = outcome not in (Outcome.STUCK, Outcome.INTERRUPTED)
        return Result(
            id=recovery.deployment,
            outcome=outcome,
            exit_code=0 if proved else EXIT_CODE[outcome],
            revision=None,
            reason=reason,
            hosts=hosts,
            waves=wave_results(end, run, time.monotonic()),
            seconds=self._seconds,
            kept=edits_left(hosts, self._survey),
        )

    def _nothing(self) -> Result:
        hosts = bystanders(self._survey, NOTHING)
        silent = {n: h.reason for n, h in hosts.items() if h.outcome is HostOutcome.UNREACHABLE}
        outcome = Outcome.STUCK if silent else Outcome.UNCHANGED
        reason = "; ".join(f"{name}: {why}" for name, why in silent.items()) or NOTHING
        return Result("", outcome, EXIT_CODE[outcome], None, reason, hosts, (), self._seconds)

    def _refused(self, recovery: Recovery) -> Result:
        hosts = {
            h.name: HostResult(HostOutcome.UNTOUCHED, None, None, "not confirmed", 0.0)
            for h in self._context.hosts
        }
        return Result(
            recovery.deployment, Outcome.REFUSED, 3, None, "not confirmed", hosts, (), self._seconds
        )

    @property
    def _seconds(self) -> float:
        return round(time.monotonic() - self._began, 3)

    def _left_out(self, outside: list[str]) -> str:
        there = {host.name for host in self._context.inventory.hosts}
        limited = [name for name in outside if name in there]
        if limited:
            return f"{names(limited)}: outside --limit and still to be recovered"
        return f"{names(outside)}: not in the inventory any more, so nothing is done or proved there"

    def _waiting(self, whole: Recovery, outside: list[str]) -> bool:
        """Whether hosts that ``--limit`` left out are still to be recovered."""
        there = {host.name for host in self._context.inventory.hosts}
        return any(name in there and name in whole.deeds for name in outside)

    def _superseded(self, left_open: list[Open], unfinished: Unfinished) -> list[Open]:
        """Older ones that no host knows any more."""
        pointed = traces(self._survey.answered)
        older = [each for each in left_open if each.record.id != unfinished.deployment]
        waiting = [each for each in older if each.record.id in pointed]
        for each in waiting:
            self._audience.warns(f"{each.told}, is unfinished too: recover once more")
        return [each for each in older if each not in waiting]


def _within(recovery: Recovery, survey: Survey) -> Recovery:
    """Only the hosts that this command works with."""
    fleet = recovery.fleet
    members = {name: member for name, member in fleet.members.items() if name in survey.contacts}
    dealt = tuple(tuple(name for name in wave if name in members) for wave in fleet.waves)
    return replace(
        recovery, fleet=replace(fleet, members=members, waves=tuple(wave for wave in dealt if wave))
    )


def _plan_of(recovery: Recovery) -> dict[str, object]:
    unfinished = recovery.unfinished
    hosts = {n: {"action": "change", "from": p.source, "to": p.target} for n, p in unfinished.pins.items()}
    return {"hosts": hosts, "waves": [list(wave) for wave in unfinished.waves], "found": "as the hosts say"}


def _began(deployment: str) -> float:
    """When, as its id has it."""
    try:
        return datetime.strptime(deployment[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return time.time()
