"""The deployment, as the story is told: propose, precheck, begin, prepare on all, waves, promote."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from deployer.errors import HostError
from deployer.journal.ids import who
from deployer.model import EXIT_CODE, HostOutcome, HostResult, Outcome, Result, State
from deployer.planning.context import Context
from deployer.planning.gating import gatekeeping, learn, note_gates
from deployer.planning.proposal import Prepared, Wishes
from deployer.planning.propose import policy, propose
from deployer.planning.sentence import sentenced
from deployer.recover import Wishes as Recovering
from deployer.recover import recovered
from deployer.report.words import duration
from deployer.rollout import waves
from deployer.rollout.blame import Blame
from deployer.rollout.credentials import askers_of
from deployer.rollout.effects import DeployEffects, HostRun
from deployer.rollout.engine import Recorder, Run
from deployer.rollout.guards import Deadlines, Renewals
from deployer.rollout.health import Physician
from deployer.rollout.inquiring import Inquiries
from deployer.rollout.keeping import DIFF, changes_note
from deployer.rollout.measuring import measured_at_the_end
from deployer.rollout.plan import Action, HostPlan, Plan
from deployer.rollout.rehearsing import grouped, rehearsals_of
from deployer.rollout.resume import policy_note
from deployer.rollout.summing import environment, told, wave_results
from deployer.rollout.survey import Survey
from deployer.rollout.waves import Fleet, Member
from deployer.running.leasing import Tenure, lease_name, leased
from deployer.running.undertaking import Undertaking
from deployer.running.unfinished import in_the_way
from deployer.shortage import lack, only_bugs

if TYPE_CHECKING:
    from deployer.comparison.asker import Asker
    from deployer.journal.store import Store
    from deployer.planning.audience import Audience
    from deployer.planning.propose import Source
    from deployer.rollout.gates import Gatekeeping


def deploy(
    context: Context,
    wishes: Wishes,
    journal: Store,
    audience: Audience,
    stop: threading.Event,
    *,
    source: Source | None = None,
) -> Result:
    """Bring a revision to the fleet, prove that it is served, and take it back where it is not.

    :param stop: set by a signal; the deployment is then unwound.
    :param source: the revision is being resolved already (:func:`deployer.planning.propose.resolving`).
    :raises ConfigError: what ``compare.as`` refers to cannot be had.
    :raises LeaseHeld: when somebody else is at work, as the store knows it.
    :raises DeployerError: when it could not even be recorded; otherwise the result says what happened.
    """
    askers = askers_of(context.playbook)
    own = Undertaking("deploy", context, journal, audience)
    with leased(own, journal, wait_s=wishes.lock_wait_s) as tenure:
        return Deployment(own, wishes, journal, stop, tenure, source=source, askers=askers).run()


class Deployment:
    """One deployment, from the proposal to the result."""

    def __init__(
        self,
        undertaking: Undertaking,
        wishes: Wishes,
        journal: Store,
        stop: threading.Event,
        tenure: Tenure,
        *,
        source: Source | None,
        askers: tuple[Asker, ...] = (),
    ) -> None:
        self._source = source
        self._own, self._wishes, self._stop, self._tenure = undertaking, wishes, stop, tenure
        self._journal = journal
        rules = undertaking.context.playbook.compare
        self._inquiries = Inquiries(rules, stop, wishes.accepted, askers)
        self._in_the_way: str | None = None
        self._afterwards: Callable[[], None] = lambda: None  #: when the result is recorded
        self._bugs: list[Exception] = []
        self._context, self._audience = undertaking.context, undertaking.audience
        self._recorder, self._hide = undertaking.recorder, undertaking.context.veil.hide

    def run(self) -> Result:
        """Tell the story, after the end of another where that was asked for."""
        result = self._attempt()
        if result is None:
            ended = recovered(self._whole(), Recovering(confirmed=True), self._journal, self._audience)
            if ended.exit_code:
                return ended
            self._wishes = replace(self._wishes, recover=False)
            result = self._attempt()
        return cast("Result", result)

    def _whole(self) -> Context:
        """All hosts of the inventory: what is recovered was not limited as this is."""
        return replace(self._context, hosts=self._context.inventory.hosts)

    def _attempt(self) -> Result | None:
        """``None``: something unfinished is in the way, and may be recovered first."""
        context = self._context
        target, parallel = context.playbook.target_spec(), context.playbook.rollout.parallel
        with Survey(context.hosts, target, context.ssh, parallel=parallel, hide=self._hide) as survey:
            source, self._source = self._source, None  # a second time it may be another
            prepared = propose(context, self._wishes, survey, self._audience, source)
            self._tenure.granted()
            prepared = self._gated(prepared, survey)
            self._in_the_way = in_the_way(context, self._journal, survey.answered)
            if self._in_the_way is not None and self._wishes.recover:
                return None
            self._audience.proposes(prepared.proposal)
            with self._record(prepared):
                result = self._decide(survey, prepared)
            self._own.finish(result)
            self._measure()
        for bug in only_bugs(self._bugs, self._audience.warns):
            raise bug
        return result

    def _gated(self, prepared: Prepared, survey: Survey) -> Prepared:
        context, wishes = self._context, self._wishes
        seen, asked, reason = survey.answered, wishes.revision, wishes.break_glass
        learn(context, seen, self._journal)
        found = gatekeeping(context, prepared, seen, self._journal, asked=asked, reason=reason)
        return replace(prepared, proposal=replace(prepared.proposal, gates=found))

    @contextmanager
    def _record(self, prepared: Prepared) -> Iterator[None]:
        proposal = prepared.proposal
        asked = self._wishes.revision or self._context.playbook.source.ref
        commit, plan = proposal.commit, proposal.plan
        hosts = {
            p.host: {"action": p.action.value, "from": p.source, "to": p.target, "reason": p.reason}
            for p in plan.hosts.values()
        }
        story = {"revision": asked, "commit": commit.sha, "lease": lease_name(self._context)}
        with self._own.recorded(
            revision=asked,
            commit=commit,
            source_hash=prepared.source_hash,
            options=self._options(proposal.gates),
            story=story,
        ):
            waves_of = [list(wave) for wave in plan.waves]
            rules = policy_note(policy(self._context))
            self._recorder.note("plan", State.SUCCEEDED, hosts=hosts, waves=waves_of, policy=rules)
            note_gates(self._recorder, proposal.gates, self._audience)
            shown = (*proposal.drifted, *proposal.diffs)
            if changes := changes_note(shown, proposal.between, self._hide):
                self._recorder.note(DIFF, State.SUCCEEDED, **changes)
            yield

    def _decide(self, survey: Survey, prepared: Prepared) -> Result:
        plan = prepared.proposal.plan
        lost = plan.with_action(Action.UNREACHABLE)
        fleet = Fleet(
            waves=plan.waves,
            members={name: Member() for wave in plan.waves for name in wave},
            policy=policy(self._context),
            lost=tuple(p.host for p in lost),
            prepare_only=self._wishes.prepare_only,
            total=len(plan.hosts),
        )
        refused = plan.refusal or (lost[0] if waves.ending(fleet) is not None and lost else None)
        shut = self._in_the_way or prepared.proposal.gates.refusal
        if shut is not None or refused is not None:
            said = f"{refused.host}: {refused.reason}" if refused else None
            reason = self._in_the_way or "; and ".join(filter(None, (shut, said)))
            return self._result(prepared, fleet, None, outcome=Outcome.REFUSED, reason=reason)
        if not fleet.members:
            return self._result(prepared, fleet, None)
        runs = {name: self._host_run(survey, prepared, name) for name in fleet.members}
        if ill := self._precheck(survey, runs):
            name, error = next(iter(ill.items()))
            return self._result(
                prepared, fleet, None, outcome=Outcome.REFUSED, reason=f"{name}: {error}", ill=ill
            )
        if not self._wishes.confirmed and not self._audience.agrees(prepared.proposal):
            return self._result(prepared, fleet, None, outcome=Outcome.REFUSED, reason="not confirmed")
        return self._carry_out(prepared, fleet, runs)

    def _host_run(self, survey: Survey, prepared: Prepared, name: str) -> HostRun:
        contact = survey.contacts[name]
        release = prepared.releases[name]
        base = prepared.live[str(contact.seen.disk_hash)] if contact.seen is not None else release.manifest
        playbook, inquiries = self._context.playbook, self._inquiries
        witness = inquiries.witness(contact, playbook.health)
        physician = Physician(contact, playbook, self._stop, release, inquiries.why, witness)
        return HostRun(contact, prepared.proposal.plan.hosts[name], release, base, physician)

    def _precheck(self, survey: Survey, runs: Mapping[str, HostRun]) -> Mapping[str, HostError]:
        self._recorder.note("precheck", State.STARTED)
        gate = not self._wishes.allowed.fix_forward
        answers = survey.each(lambda contact: runs[contact.host.name].physician.before(gate=gate), runs)
        ill = {name: error for name, error in answers.items() if isinstance(error, HostError)}
        for name, error in ill.items():
            self._recorder.note("precheck", State.FAILED, hosts=[name], error=str(error))
        if not ill:
            checks = [check.name for check in self._context.playbook.checks]
            self._recorder.note("precheck", State.SUCCEEDED, checks=checks)
        return ill

    def _carry_out(self, prepared: Prepared, fleet: Fleet, runs: Mapping[str, HostRun]) -> Result:
        guards = Deadlines(self._context.playbook.rollout.confirm_within_s)
        blame = Blame(self._own.id, self._hide)
        rehearsals = rehearsals_of(self._context.playbook.rehearse, fleet.waves, runs)
        rehearsals.inquire = self._inquiries
        own = (self._own.id, who())
        effects = DeployEffects(runs, own, self._wishes.allowed, guards, blame, rehearsals=rehearsals)
        with Renewals(effects.renew, guards.within_s, self._not_renewed) as renewals:
            run = Run(
                effects=effects,
                recorder=self._recorder,
                orders=waves.orders,
                stop=self._stop,
                parallel=self._context.playbook.rollout.parallel,
                hide=self._hide,
                describe=waves.phase,
                renewals=renewals,
                wave_within_s=self._context.playbook.wave_within_s,
            )
            end = run.drive(fleet)
        for note in (*grouped(rehearsals.notes), *grouped(self._inquiries.unshown)):
            self._audience.warns(self._hide(note))
        for host in runs.values():
            for warning in host.physician.warnings:
                self._audience.warns(f"{host.name}: {self._hide(warning)}")
        contacts = {name: run.contact for name, run in runs.items()}
        # Before the result is recorded: until then a recovery repeats it, should this process be lost.
        bad: tuple[str, ...] = ()
        try:
            bad = sentenced(
                self._context, self._recorder, self._journal, blame, contacts, audience=self._audience
            )
        except Exception as error:
            run.bugs.append(error)
        self._afterwards = lambda: measured_at_the_end(contacts, end, run)
        self._bugs = run.bugs
        kept = {name: host.kept for name, host in runs.items() if host.kept is not None}
        result = replace(self._result(prepared, end, run), quarantined=bad, kept=kept)
        return environment(result, run, lambda name: blame.environment(name, runs[name].release.id))

    def _measure(self) -> None:
        """Count what users met: nice to know, so nothing of the result may depend on it."""
        try:
            self._afterwards()
        except Exception as error:
            why = lack(error) or f"a bug in deployer ({type(error).__name__}: {error})"
            self._audience.warns(
                f"what users met was not counted: {why}; "
                f"'deployer show {self._own.id} --measure {self._context.name}' counts it later"
            )

    def _not_renewed(self, host: str, error: HostError) -> None:
        # It has failed when it is confirmed, not before: it may be heard again in time.
        self._recorder.note("guard", State.FAILED, hosts=[host], error=told(error))

    def _result(
        self,
        prepared: Prepared,
        fleet: Fleet,
        run: Run | None,
        *,
        outcome: Outcome | None = None,
        reason: str | None = None,
        ill: Mapping[str, HostError] | None = None,
    ) -> Result:
        outcome = outcome or waves.verdict(fleet)
        plan = prepared.proposal.plan
        hosts = {name: _host_result(p, fleet, run, (ill or {}).get(name)) for name, p in plan.hosts.items()}
        return Result(
            id=self._own.id,
            outcome=outcome,
            exit_code=EXIT_CODE[outcome],
            revision=prepared.proposal.commit.sha,
            reason=reason or _reason(run, self._recorder, fleet, outcome) or _lost(plan, fleet.lost),
            hosts=hosts,
            waves=wave_results(fleet, run, time.monotonic()),
            seconds=self._own.seconds,
            gates=prepared.proposal.gates.as_json(),
            compared=self._inquiries.documents,
        )

    def _options(self, gates: Gatekeeping) -> dict[str, Any]:
        """What was asked for, as the history keeps it; of what may be evidence: whether it was all hosts."""
        limited = len(self._context.hosts) < len(self._context.inventory.hosts)
        return {**_options(self._wishes), **({"limited": True} if limited else {}), **gates.options}


def _options(wishes: Wishes) -> dict[str, Any]:
    given = {
        "fix_forward": wishes.allowed.fix_forward,
        "overwrite_drift": wishes.allowed.overwrite_drift,
        "accept_deletions": wishes.allowed.accept_deletions,
        "accept_unproven": wishes.allowed.accept_unproven,
        "prepare_only": wishes.prepare_only,
        "accept_change": [{"route": route, "reason": reason} for route, reason in wishes.accepted],
    }
    return {name: value for name, value in given.items() if value}


def _host_result(plan: HostPlan, fleet: Fleet, run: Run | None, ill: HostError | None) -> HostResult:
    name = plan.host
    if name not in fleet.members:
        outcome = {
            Action.UNCHANGED: HostOutcome.UNCHANGED,
            Action.UNREACHABLE: HostOutcome.UNREACHABLE,
        }.get(plan.action, HostOutcome.REFUSED)
        return HostResult(outcome, plan.target, plan.source, plan.reason, 0.0)
    if ill is not None:
        return HostResult(HostOutcome.REFUSED, plan.target, plan.source, str(ill), 0.0)
    outcome = waves.host_outcome(fleet, name)
    seconds = round(run.seconds.get(name, 0.0), 3) if run is not None else 0.0
    return HostResult(outcome, plan.target, plan.source, _host_reason(name, run), seconds)


def _host_reason(name: str, run: Run | None) -> str | None:
    if run is None:
        return None
    errors = (run.first_failures.get(name), run.undo_failures.get(name))
    said = [told(error) for error in errors if error]
    return "; then: ".join(said) or None


def _reason(run: Run | None, recorder: Recorder, fleet: Fleet, outcome: Outcome) -> str | None:
    if recorder.lost is not None:
        return f"the journal was lost on the way: {recorder.lost}"
    if run is None:
        return None
    stuck = {name: error for name, error in run.undo_failures.items() if fleet.members[name].log.stuck}
    for name, error in {**stuck, **run.first_failures}.items():
        return f"{name}: {told(error)}"
    if outcome is Outcome.INTERRUPTED:
        return "interrupted by a signal"
    if run.overdue is not None:
        wave, within = run.overdue.wave, duration(run.wave_within_s)
        return f"wave {wave} was not decided within {within} (rollout.wave_within)"
    return None


def _lost(plan: Plan, lost: Sequence[str]) -> str | None:
    """Who could not be reached, and why the first of them: its key may be wrong, its name unknown."""
    if not lost:
        return None
    why = f"{lost[0]}: {plan.hosts[lost[0]].reason}"
    return why if len(lost) == 1 else f"{', '.join(lost)} could not be reached; {why}"
