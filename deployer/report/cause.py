"""What decided that a deployment failed: the step, the line, and how sure that is. Pure.

Nothing is invented: where the journal has no answer there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from deployer.model import DeploymentRecord, Event, HostOutcome, Outcome, State
from deployer.report.exposure import Ended, is_back, stays
from deployer.report.result import reason
from deployer.report.story import BAD, LOUD, failures, lines_of, text_of
from deployer.report.words import clean, clock, names


class Fault(StrEnum):
    """Where the cause lies."""

    CONFIG = "config"  #: the release
    BEFORE = "before"  #: the hosts were ill before
    DRIFT = "drift"  #: somebody edited by hand
    LOST = "lost"  #: a host, or the way to it
    BUSY = "busy"  #: somebody else was at work
    STOPPED = "stopped"  #: a signal, or nobody said yes
    CONTROLLER = "controller"  #: the machine that deployed
    JOURNAL = "journal"
    RULE = "rule"  #: a gate, a lint rule, an unfinished deployment in the way
    ENVIRONMENT = "environment"  #: what the hosts depend on: the old release is as ill
    UNSEEN = "unseen"  #: every check passed, and an operator took it back
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Cause:
    """The answer to "why?".

    :ivar step: of the saga, empty where none failed.
    :ivar hosts: where it showed first.
    :ivar sentence: one sentence for the summary.
    :ivar evidence: what the host said, the deciding line first.
    :ivar sure: why the cause is believed to lie there, or that it is not known.
    """

    fault: Fault
    sentence: str
    step: str = ""
    hosts: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    sure: str = ""
    at: float | None = None


#: What a step that failed on the way forward proves.
_STEPS = {
    "prepare": (Fault.CONFIG, "the validator on {hosts} refused it"),
    "stage": (Fault.CONFIG, "it could not be staged on {hosts}"),
    "validate": (Fault.CONFIG, "the validator on {hosts} refused it"),
    "rehearse": (Fault.CONFIG, "its rehearsal on {hosts} failed"),
    "activate": (Fault.CONFIG, "{hosts} did not load it"),
    "verify": (Fault.CONFIG, "{hosts} served it, and a check did not pass"),
    "confirm": (Fault.LOST, "{hosts} could not be told in time that it is confirmed"),
    "promote": (Fault.UNKNOWN, "{hosts} could not promote it"),
    "begin": (Fault.BUSY, "{hosts} could not be reserved"),
}
_CAUSES = {"unreachable": Fault.LOST, "fenced": Fault.BUSY, "stopped": Fault.STOPPED}


def cause_of(record: DeploymentRecord, events: Sequence[Event]) -> Cause | None:
    """Why it failed; ``None`` when it did not."""
    if record.outcome in (Outcome.DEPLOYED, Outcome.UNCHANGED) or (record.exit_code == 0):
        return None
    forward = [event for event in failures(events) if event.state is State.FAILED]
    if forward:
        return _of_a_step(forward, events)
    for event in events:
        if event.host is None and event.step == "precheck" and event.state is State.FAILED:
            said = text_of(event.detail, "error") or "its checks did not pass"
            hosts = _hosts(event)
            sentence = f"what was live on {names(hosts)} was ill before anything was changed: {said}"
            sure = "The new release was not live anywhere: this is not its fault."
            return Cause(Fault.BEFORE, sentence, "precheck", hosts, (said,), sure, event.time)
    return _without_a_step(record, events)


def unseen(undone: DeploymentRecord) -> Cause:
    """Of one that went well, and that a rollback took back later."""
    sentence = f"every check passed, and {clean(undone.who)} took it back at {clock(undone.started)}"
    sure = "What was wrong with it no check saw, and the journal does not say."
    return Cause(Fault.UNSEEN, sentence, sure=sure, at=undone.started)


def _of_a_step(forward: Sequence[Event], events: Sequence[Event]) -> Cause:
    first = forward[0]
    alike = [e for e in forward if e.step == first.step and _error(e) == _error(first)]
    hosts = tuple(dict.fromkeys(str(event.host) for event in alike))
    fault, template = _STEPS.get(
        clean(first.step), (Fault.UNKNOWN, f"{clean(first.step)} failed on {{hosts}}")
    )
    fault = _CAUSES.get(text_of(first.detail, "cause") or "", fault)
    lines = tuple(map(clean, lines_of(first)))
    loud = [line for line in lines if any(mark in line for mark in LOUD)]
    said = _error(first)
    if fault is Fault.CONFIG and "promised" in first.detail:
        template = "{hosts} served it"  # the rest is what it said
    evidence = tuple(dict.fromkeys([*loud, *([said] if said else []), *lines]))
    if fault is Fault.LOST:
        template = "{hosts} could not be reached any more"
    sentence = template.replace("{hosts}", names(hosts))
    if fault is Fault.CONFIG and any(e.host is None and e.step == "acquittal" for e in events):
        fault = Fault.ENVIRONMENT
    decisive = (loud or [said])[0]
    sentence += f": {decisive}" if decisive else ""
    return Cause(fault, sentence, clean(first.step), hosts, evidence, _sure(fault, first, events), first.time)


def _sure(fault: Fault, first: Event, events: Sequence[Event]) -> str:
    if fault is Fault.ENVIRONMENT:
        return (
            "It did not go away with the release: the old one is back, proved, and fails the same. "
            "So it was the environment, not the release."
        )
    if fault is not Fault.CONFIG:
        return ""
    if first.step in ("prepare", "stage", "validate", "rehearse"):
        return "The host said so before anything was changed there; nothing of the release was live."
    return _as_it_ended(first, events)


def _as_it_ended(first: Event, events: Sequence[Event]) -> str:
    """What the way back says of whose fault it was."""
    last = [event for event in failed_undos(events) if event.host == first.host]
    here = [stay for stay in stays(events) if stay.host == first.host]
    if last and is_back(last[0]):
        return (
            "The release is gone again, proved, and the host is not as healthy as before: "
            "whether the release is at fault is not known."
        )
    if last:
        return (
            "It did not go away with the release, or the way back could not be proved: "
            "whether the release is at fault is not known."
        )
    if not here or here[0].how is not Ended.RESTORED:
        return "Whether it went away with the release is not recorded."
    if any(event.step == "recovery" for event in events):
        return "A recovery brought it back: whether it is as healthy as before is not recorded."
    return (
        "It went away with the release: the host is proved to be as healthy as before. "
        "So the release is at fault, or how it meets this host."
    )


def _without_a_step(record: DeploymentRecord, events: Sequence[Event]) -> Cause:
    why = (reason(record.result) if record.result else None) or clean(record.reason or "")
    hosts = record.result.hosts if record.result is not None else {}
    drifted = _with_action(events, "drifted")
    if drifted:
        return Cause(
            Fault.DRIFT, f"files on {names(drifted)} were edited by hand: {why}", "plan", drifted, (why,)
        )
    lost = tuple(name for name, host in hosts.items() if host.outcome is HostOutcome.UNREACHABLE)
    if lost:
        return Cause(Fault.LOST, f"{names(lost)} could not be reached: {why}", "plan", lost, (why,))
    if "the lint found " in why:
        sure = "The rules read the files alone; no host was asked to change anything."
        return Cause(Fault.CONFIG, why, "lint", evidence=(why,), sure=sure)
    if record.finished is None:
        sentence = "nothing says how it ended: it still runs, or its controller was lost"
        return Cause(Fault.CONTROLLER, sentence, sure="The journal has no failure before its last line.")
    stopped = record.outcome is Outcome.INTERRUPTED or why == "not confirmed"
    fault = next((fault for words, fault in _WORDS if words in why), None)
    refused = record.outcome is Outcome.REFUSED
    fault = fault or (Fault.STOPPED if stopped else Fault.RULE if refused and why else Fault.UNKNOWN)
    return Cause(fault, why or "the journal does not say why", evidence=(why,) if why else ())


#: In the reason of a result, what it is about.
_WORDS = (("journal was lost", Fault.JOURNAL), ("controller was lost", Fault.CONTROLLER))


def _with_action(events: Sequence[Event], action: str) -> tuple[str, ...]:
    for event in events:
        hosts = event.detail.get("hosts")
        if event.step == "plan" and isinstance(hosts, dict):
            return tuple(
                str(name)
                for name, plan in hosts.items()
                if isinstance(plan, dict) and plan.get("action") == action
            )
    return ()


def _hosts(event: Event) -> tuple[str, ...]:
    found = event.detail.get("hosts")
    return tuple(map(str, found)) if isinstance(found, list | tuple | dict) else ()


def _error(event: Event) -> str:
    return text_of(event.detail, "error", "reason") or ""


def failed_undos(events: Sequence[Event]) -> list[Event]:
    """Hosts that could not be taken back, the last word of each; without those that were at last."""
    last: dict[str, Event] = {}
    for event in events:
        if (
            event.host is not None
            and event.step == "activate"
            and (event.state in BAD or "undo" in event.state)
        ):
            last[event.host] = event
    return [event for event in last.values() if event.state is State.UNDO_FAILED]
