"""What became of each host of a deployment that was recovered, and of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from deployer.errors import HostError, TransportError
from deployer.model import HostOutcome, HostResult, Outcome
from deployer.rollout.edits import beside
from deployer.rollout.resume import BACK, Pin, Recovery
from deployer.rollout.saga import Step
from deployer.rollout.summing import told
from deployer.rollout.waves import Cause

if TYPE_CHECKING:
    from deployer.rollout.engine import Run
    from deployer.rollout.survey import Survey
    from deployer.rollout.waves import Fleet

UNPROVED = (HostOutcome.STUCK, HostOutcome.UNREACHABLE)


def host_results(recovery: Recovery, end: Fleet, run: Run, survey: Survey) -> dict[str, HostResult]:
    """Of every host that the command works with, in inventory order."""
    apart = f"{recovery.deployment} has changed nothing there"
    # Where the journal says who took part, a silent host that did not is none of our business.
    hosts = bystanders(survey, apart, asked=not recovery.unfinished.guessed)
    return hosts | {name: _member_result(name, recovery, end, run) for name in end.members}


def bystanders(survey: Survey, why: str, *, asked: bool = False) -> dict[str, HostResult]:
    """Hosts on which nothing is done.

    :param asked: also those that do not answer are known to be concerned by nothing.
    """
    hosts = dict.fromkeys(survey.contacts, HostResult(HostOutcome.UNTOUCHED, None, None, why, 0.0))
    for name, error in {} if asked else survey.silent.items():
        said = f"it could not be asked, and only it knows what was done there: {error}"
        hosts[name] = HostResult(HostOutcome.UNREACHABLE, None, None, said, 0.0)
    return hosts


def outcome_of(recovery: Recovery, end: Fleet, hosts: Mapping[str, HostResult]) -> tuple[Outcome, str]:
    """How it ended, and why."""
    unproved = {name: host for name, host in hosts.items() if host.outcome in UNPROVED}
    if any(member.cause is Cause.FENCED for member in end.members.values()):
        return Outcome.INTERRUPTED, "somebody else took hosts over meanwhile"
    if unproved:
        return Outcome.STUCK, "; ".join(f"{name}: {host.reason}" for name, host in unproved.items())
    ends = {host.outcome for host in hosts.values()}
    if HostOutcome.DEPLOYED in ends:
        split = HostOutcome.ROLLED_BACK in ends or recovery.decision == BACK
        return Outcome.PARTIAL if split else Outcome.DEPLOYED, recovery.reason
    back = HostOutcome.ROLLED_BACK in ends
    return Outcome.ROLLED_BACK if back else Outcome.UNCHANGED, recovery.reason


def edits_left(hosts: Mapping[str, HostResult], survey: Survey) -> dict[str, str]:
    """By host that is left as it is, the release that holds an edit by hand which nginx never loaded."""
    seen = {name: survey.contacts[name].seen for name, host in hosts.items() if name in survey.contacts}
    return {
        name: str(found.live)
        for name, found in seen.items()
        if hosts[name].outcome is HostOutcome.UNTOUCHED and found is not None and beside(found) is not None
    }


def _member_result(name: str, recovery: Recovery, end: Fleet, run: Run) -> HostResult:
    log, pin = end.members[name].log, recovery.unfinished.pins.get(name, Pin())
    errors: list[HostError] = [e for e in (run.first_failures.get(name), run.undo_failures.get(name)) if e]
    why = "; then: ".join(map(told, errors)) or recovery.notes.get(name)
    if log.restored:
        outcome = HostOutcome.ROLLED_BACK
    elif log.done(Step.PROMOTE):
        outcome = HostOutcome.DEPLOYED
    elif not log.changed:
        outcome = HostOutcome.UNTOUCHED
    elif errors:
        lost = isinstance(errors[-1], TransportError)
        outcome = HostOutcome.UNREACHABLE if lost else HostOutcome.STUCK
    elif log.done(Step.CONFIRM):
        outcome, why = HostOutcome.DEPLOYED, "it stays, as on_failure says, and was not promoted"
    else:
        outcome, why = HostOutcome.STUCK, why or "it was not finished"
    return HostResult(outcome, pin.target, pin.source, why, round(run.seconds.get(name, 0.0), 3))
