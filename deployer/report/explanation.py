"""One deployment, explained: what happened, to whom, why, how it ended and what follows. Pure.

A failed one is a draft of a post-mortem, in the form in which the outage of 12 June 2024 was written up; one
that went well is a short report. What the journal does not know is said to be unknown, with the command that
would find it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from shlex import quote

from deployer.model import DeploymentRecord, Event, HostOutcome, State
from deployer.report.cause import Cause, Fault, cause_of, failed_undos, unseen
from deployer.report.ending import ended, headline
from deployer.report.exposure import Ended, Stay, is_back, stays
from deployer.report.followups import Case, Task, tasks
from deployer.report.history import took
from deployer.report.hunks import Blamed, Change, blame, change_of
from deployer.report.impact import exposure_lines, measured_lines, outage, unmeasured
from deployer.report.phrases import KINDS
from deployer.report.result import reason
from deployer.report.story import Moment, failures, lines_of, moments, text_of
from deployer.report.traffic import Traffic, traffic_of
from deployer.report.words import clean, clock, count, day, duration, names

MOST_LINES = 20  #: of what a host said about its failure


@dataclass(frozen=True)
class Unknown:
    """Something that is not known, and how to find it out."""

    what: str
    command: str | None = None


@dataclass(frozen=True)
class Around:
    """Other deployments that belong to the story.

    :ivar undoes: what a rollback took back, with its events.
    :ivar later: those of the same inventory that came after, oldest first.
    :ivar undone_by: ids among ``later`` that took this one back.
    :ivar undoing: their events.
    """

    undoes: tuple[DeploymentRecord, Sequence[Event]] | None = None
    later: Sequence[DeploymentRecord] = ()
    undone_by: frozenset[str] = frozenset()
    undoing: Sequence[Event] = ()


@dataclass(frozen=True)
class Explanation:
    """What is told, before it is dressed as text, Markdown or HTML. Every text in it is one clean line.

    :ivar trouble: it did not end as asked: the explanation is a draft of a post-mortem.
    :ivar moments: each with its time, the date too once it is another day.
    :ivar failure: what the host said that failed first, a title and its lines.
    :ivar hosts: name, how it ended, why.
    """

    record: DeploymentRecord
    title: str
    trouble: bool
    summary: tuple[tuple[str, str], ...]
    outage: tuple[tuple[str, str], ...]
    impact: tuple[str, ...]
    traffic: Traffic | None
    cause: Cause | None
    change: Change
    blamed: Blamed
    moments: tuple[tuple[str, Moment], ...]
    failure: tuple[str, tuple[str, ...]] | None
    resolution: tuple[str, ...]
    tasks: tuple[Task, ...]
    unknown: tuple[Unknown, ...]
    hosts: tuple[tuple[str, str, str], ...]
    stays: tuple[Stay, ...]
    waves: tuple[tuple[int, float], ...]


def explain(record: DeploymentRecord, events: Sequence[Event], around: Around | None = None) -> Explanation:
    """Make it from the journal.

    :param events: in the order of the journal.
    """
    around = around or Around()
    found, traffic = stays([*events, *around.undoing]), traffic_of(events)
    undone = next((each for each in around.later if each.id in around.undone_by), None)
    cause = cause_of(record, events) or (unseen(undone) if undone is not None else None)
    change = change_of(around.undoes[1] if around.undoes is not None else events)
    trouble = record.finished is None or bool(record.exit_code) or undone is not None
    blamed = _blamed(cause, change)
    case = Case(record, events, cause, change, blamed, found, traffic)
    everybody = tuple(record.result.hosts) if record.result is not None else ()
    switches = record.kind == "deploy"
    return Explanation(
        record=record,
        title=_title(record),
        trouble=trouble,
        summary=tuple(_summary(record, events, around)),
        outage=tuple(_dated(record, outage(found, traffic))) if trouble and switches else (),
        impact=tuple(_impact(found, traffic, everybody)) if switches else (),
        traffic=traffic,
        cause=cause,
        change=change,
        blamed=blamed,
        moments=tuple(_moments(record, events)),
        failure=_failure(events, cause),
        resolution=tuple(_resolution(case, around)) if trouble else tuple(_sequel(record, around)),
        tasks=tasks(case) if trouble else (),
        unknown=tuple(_unknown(case)) if trouble else (),
        hosts=tuple(_hosts(record, events)),
        stays=found,
        waves=tuple(_waves(events)),
    )


def _title(record: DeploymentRecord) -> str:
    outcome = "not finished" if record.outcome is None else str(record.outcome).replace("_", " ")
    return f"{KINDS.get(record.kind, record.kind).capitalize()} {clean(record.id)}: {outcome}"


def _blamed(cause: Cause | None, change: Change) -> Blamed:
    if cause is None or cause.fault is not Fault.CONFIG:
        return Blamed()
    return blame(change.hunks, cause.evidence, cause.hosts)


def _moments(record: DeploymentRecord, events: Sequence[Event]) -> list[tuple[str, Moment]]:
    told = moments(events)
    if told and events[0].step == "deployment":  # journalled when git and the hosts had answered
        told[0] = replace(told[0], time=min(told[0].time, record.started))
    if record.finished is None and told:
        told.append(Moment(told[-1].time, "The journal ends here: still running, or its controller was lost"))
    return [(_stamp(record, moment), moment) for moment in told]


def _stamp(record: DeploymentRecord, moment: Moment) -> str:
    same = day(moment.time) == day(record.started)
    return clock(moment.time) if same else f"{day(moment.time)}, {clock(moment.time)}"


def _dated(record: DeploymentRecord, said: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, f"{day(record.started)}, {text}" if name == "Start" else text) for name, text in said]


def _summary(record: DeploymentRecord, events: Sequence[Event], around: Around) -> list[tuple[str, str]]:
    lines = [("Asked", f"{_asked(record)} on {record.inventory}"), ("By", record.who)]
    if around.undoes is not None:
        undone = around.undoes[0]
        lines.append(
            ("Undoes", f"{_asked(undone)}, {undone.id} of {undone.who}, begun {clock(undone.started)}")
        )
    lines.append(("When", _when(record, events)))
    if record.result is None:
        lines.append(("Outcome", "Not finished: still running, or its controller was lost."))
    else:
        lines.append(("Outcome", f"{headline(record.result, kind=record.kind)} (exit {record.exit_code})"))
    if glass := record.options.get("break_glass"):
        lines.append(("Break-glass", f"by {record.who}: {glass}"))
    why = reason(record.result) if record.result else None
    if why or record.reason:
        lines.append(("Reason", why or record.reason or ""))
    return [(name, clean(text)) for name, text in lines]


def _asked(record: DeploymentRecord) -> str:
    asked = " ".join(filter(None, [record.kind, record.revision and f"of {record.revision}"]))
    commit = " ".join(filter(None, [(record.commit or "")[:12], record.subject and f'"{record.subject}"']))
    return f"{asked} ({commit})" if commit else asked


def _when(record: DeploymentRecord, events: Sequence[Event]) -> str:
    start = f"{day(record.started)}, {clock(record.started)}"
    seconds = took(record)
    if record.finished is not None and seconds is not None:
        return f"{start} to {clock(record.finished)} ({duration(seconds)})"
    return f"{start}; last heard of at {clock(events[-1].time)}" if events else start


def _impact(found: Sequence[Stay], traffic: Traffic | None, everybody: Sequence[str]) -> list[str]:
    lines = exposure_lines(found, everybody)
    return [
        clean(line) for line in (*lines, *(measured_lines(traffic, found) if traffic is not None else ()))
    ]


def _failure(events: Sequence[Event], cause: Cause | None) -> tuple[str, tuple[str, ...]] | None:
    """The first failure, with all that the host said of it, unless the cause says just that."""
    for event in failures(events):
        lines = lines_of(event)
        if lines and not (cause is not None and all(line in cause.sentence for line in lines)):
            title = f"What {names([event.host or ''])} said when it failed ({clean(event.step)})"
            more = len(lines) - MOST_LINES
            # The newest lines are last, and they decide.
            return title, ((f"({count(more, 'line')} before)",) if more > 0 else ()) + lines[-MOST_LINES:]
    return None


def _hosts(record: DeploymentRecord, events: Sequence[Event]) -> list[tuple[str, str, str]]:
    if record.result is not None:
        ends = record.result.hosts.items()
        ill, kind = record.result.ill, record.kind
        return [(clean(n), ended(host, kind, ill=n in ill), clean(host.reason or "")) for n, host in ends]
    last = {event.host: event for event in events if event.host is not None}
    return [
        (clean(name), f"{clean(e.step)} {e.state.replace('_', ' ')}", text_of(e.detail, "error") or "")
        for name, e in last.items()
    ]


def _waves(events: Sequence[Event]) -> list[tuple[int, float]]:
    """Number of each wave and when it began."""
    found: dict[int, float] = {}
    for event in events:
        wave = event.detail.get("wave")
        begins = event.step == "decision" and event.detail.get("decision") == "wave"
        if begins and isinstance(wave, int) and 0 <= event.time < 1e11:
            found.setdefault(wave, event.time)
    return list(found.items())


def _resolution(case: Case, around: Around) -> list[str]:
    record, lines = case.record, []
    policy = case.plan.get("policy")
    scope = f" (rollout.on_failure: {policy.get('on_failure')})" if isinstance(policy, dict) else ""
    for event in case.events:
        if event.step == "decision" and event.detail.get("decision") == "unwind":
            hosts = event.detail.get("scope")
            who = names(map(str, hosts)) if isinstance(hosts, list | tuple) else "the hosts"
            lines.append(f"At {clock(event.time)} it was decided to roll back {who}{scope}.")
            break
    lines += _backs(case)
    for event in failed_undos(case.events):
        said = text_of(event.detail, "error") or "no reason is recorded"
        what = "is back on the release it had, proved, but" if is_back(event) else "could not be taken back:"
        lines.append(f"NOT resolved: {event.host} {what} {said}.")
    if not case.stays and record.finished is not None and record.kind == "deploy":
        lines.append("Nothing had to be undone: no host had been switched.")
    if record.finished is None:
        lines.append("Not resolved as far as this journal knows.")
    return [clean(line) for line in (*lines, *_sequel(record, around))]


def _backs(case: Case) -> list[str]:
    alike: dict[str, list[Event]] = {}
    for event in case.events:
        if event.host is not None and event.step == "activate" and event.state is State.UNDO_SUCCEEDED:
            release = text_of(event.detail, "release", "memory") or "the release it had"
            alike.setdefault(release, []).append(event)
    # Only a deployment asks the checks again before it says so.
    asked = case.record.kind == "deploy" and not any(event.step == "recovery" for event in case.events)
    health = ", and the hosts are as healthy as before" if asked else ""
    lines = []
    for release, events in alike.items():
        hosts = names(str(event.host) for event in events)
        was = "was" if len(events) == 1 else "were"
        last = clock(max(event.time for event in events))
        lines.append(
            f"{hosts} {was} switched back to {release} by {last}, and loaded it: "
            f"disk and the memory of master and workers are proved to hold it{health}."
        )
    return lines


def _sequel(record: DeploymentRecord, around: Around) -> list[str]:
    lines = [
        f"It was taken back by the rollback {each.id} of {each.who} at {clock(each.started)}."
        for each in around.later
        if each.id in around.undone_by
    ]
    good = next(
        (r for r in around.later if r.kind == "deploy" and r.exit_code == 0 and r.result is not None), None
    )
    bad = record.finished is None or bool(record.exit_code) or bool(around.undone_by)
    if bad and good is not None:
        lines.append(
            f"The next deployment of {record.inventory} that went well was {good.id} "
            f"({_asked(good)}) at {day(good.started)}, {clock(good.started)}."
        )
    return [clean(line) for line in lines]


def _unknown(case: Case) -> list[Unknown]:
    record, found = case.record, []
    shown = f"deployer show {record.id}"
    for why, hosts in _by_reason(unmeasured(case.traffic, case.stays)).items():
        text = f"How many requests failed on {names(hosts)}: {why}"
        found.append(Unknown(text, f"{shown} --measure {quote(record.inventory)}"))
    wanted = case.cause is not None and case.cause.fault in (Fault.CONFIG, Fault.UNKNOWN, Fault.UNSEEN)
    if wanted and not case.change.known and record.kind == "deploy":
        found.append(Unknown("What exactly changed: the journal has no diff of it", _git(case)))
    elif wanted and case.change.hunks and not case.blamed.hunks:
        found.append(Unknown("Which line of the change is at fault: nothing that was said points at one"))
    elif wanted and case.blamed.hunks and not case.blamed.proved:
        found.append(
            Unknown(f"Whether that part of the change is at fault: {case.blamed.why}, which is no proof")
        )
    if case.change.cut:
        found.append(
            Unknown(f"{count(case.change.cut, 'line')} of the diff, which were too many to keep", _git(case))
        )
    if any(stay.how is Ended.UNKNOWN for stay in case.stays) or record.finished is None:
        found.append(Unknown("What the hosts serve now", f"deployer status {quote(record.inventory)}"))
    lost = _unreachable(record)
    if lost:
        command = f"deployer status {quote(record.inventory)} --limit {quote(':'.join(lost[:8]))}"
        found.append(Unknown(f"Why {names(lost)} could not be reached", command))
    if case.stays:
        found.append(Unknown("What it cost: nothing that deployer reads says so"))
    return [Unknown(clean(each.what), each.command and clean(each.command)) for each in found]


def _by_reason(missing: object) -> dict[str, list[str]]:
    alike: dict[str, list[str]] = {}
    for host, why in missing.items() if isinstance(missing, dict) else ():
        alike.setdefault(why, []).append(host)
    return alike


def _unreachable(record: DeploymentRecord) -> list[str]:
    if record.result is None:
        return []
    return [name for name, host in record.result.hosts.items() if host.outcome is HostOutcome.UNREACHABLE]


def _git(case: Case) -> str | None:
    """The command that shows the change: by git where both ends are commits, else by asking the hosts."""
    hosts = case.plan.get("hosts")
    sources = (
        [plan.get("from") for plan in hosts.values() if isinstance(plan, dict)]
        if isinstance(hosts, dict)
        else []
    )
    commits = [str(source).partition("-")[0] for source in sources if source]
    old = next((c for c in commits if len(c) == 12 and set(c) <= set("0123456789abcdef")), None)
    if not case.record.commit:
        return None
    if old is None:
        return f"deployer plan {quote(case.record.inventory)} --rev {clean(case.record.commit[:12])}"
    return f"git diff {old} {clean(case.record.commit[:12])}"
