"""One deployment as the post-mortem would tell it: summary, timeline in UTC, and where every host ended."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from deployer.model import DeploymentRecord, Event
from deployer.report.ending import ended, headline
from deployer.report.history import record_json, took
from deployer.report.phrases import KINDS
from deployer.report.result import reason
from deployer.report.story import Moment, failures, lines_of, moments, text_of
from deployer.report.words import clean, clock, count, day, duration, iso, names

Format = Literal["text", "markdown", "json"]

MOST_LINES = 20  #: of what a host said about its failure
MARKUP = re.compile(r"([\\`*_<>\[\]#|])")


@dataclass(frozen=True)
class _Story:
    """What is told, before it is dressed as text or Markdown."""

    title: str
    summary: tuple[tuple[str, str], ...]
    moments: tuple[tuple[str, Moment], ...]  #: each with its time, the date too once it is another day
    failure: tuple[str, tuple[str, ...]] | None
    hosts: tuple[tuple[str, str, str], ...]  #: name, how it ended, why


def timeline(record: DeploymentRecord, events: Sequence[Event], *, format: Format = "text") -> str:  # noqa: A002
    """The story of one deployment.

    :param events: in the order of the journal.
    """
    story = _tell(record, events)
    if format == "json":
        return json.dumps(_document(record, events, story), indent=2, default=str)
    return _markdown(story) if format == "markdown" else _text(story)


def _tell(record: DeploymentRecord, events: Sequence[Event]) -> _Story:
    told = moments(events)
    if record.finished is None and told:
        told.append(Moment(told[-1].time, "The journal ends here: still running, or its controller was lost"))
    outcome = "not finished" if record.outcome is None else str(record.outcome).replace("_", " ")
    return _Story(
        f"{KINDS.get(record.kind, record.kind).capitalize()} {record.id}: {outcome}",
        tuple(_summary(record, events)),
        tuple((_stamp(record, moment), moment) for moment in told),
        _failure(events),
        tuple(_hosts(record, events)),
    )


def _stamp(record: DeploymentRecord, moment: Moment) -> str:
    same = day(moment.time) == day(record.started)
    return clock(moment.time) if same else f"{day(moment.time)}, {clock(moment.time)}"


def _summary(record: DeploymentRecord, events: Sequence[Event]) -> list[tuple[str, str]]:
    asked = " ".join(filter(None, [record.kind, record.revision and f"of {record.revision}"]))
    commit = " ".join(filter(None, [(record.commit or "")[:12], record.subject and f'"{record.subject}"']))
    lines = [
        ("Asked", f"{asked} on {record.inventory}" + (f" ({commit})" if commit else "")),
        ("By", record.who),
        ("When", _when(record, events)),
    ]
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


def _when(record: DeploymentRecord, events: Sequence[Event]) -> str:
    start = f"{day(record.started)}, {clock(record.started)}"
    seconds = took(record)
    if record.finished is not None and seconds is not None:
        return f"{start} to {clock(record.finished)} ({duration(seconds)})"
    return f"{start}; last heard of at {clock(events[-1].time)}" if events else start


def _failure(events: Sequence[Event]) -> tuple[str, tuple[str, ...]] | None:
    """The first failure, with all that the host said of it."""
    for event in failures(events):
        if lines := lines_of(event):
            title = f"What {names([event.host or ''])} said when it failed ({clean(event.step)})"
            more = len(lines) - MOST_LINES
            # The newest lines are last, and they decide.
            return title, ((f"({count(more, 'line')} before)",) if more > 0 else ()) + lines[-MOST_LINES:]
    return None


def _hosts(record: DeploymentRecord, events: Sequence[Event]) -> list[tuple[str, str, str]]:
    if record.result is not None:
        ends = record.result.hosts.items()
        return [(clean(name), ended(host, record.kind), clean(host.reason or "")) for name, host in ends]
    last = {event.host: event for event in events if event.host is not None}
    return [
        (clean(name), f"{clean(e.step)} {e.state.replace('_', ' ')}", text_of(e.detail, "error") or "")
        for name, e in last.items()
    ]


def _text(story: _Story) -> str:
    width = max(len(name) for name, _ in story.summary)
    lines = [story.title, ""]
    lines += [f"  {name.ljust(width)}  {text}" for name, text in story.summary]
    lines += ["", "Timeline"]
    for stamp, moment in story.moments:
        lines.append(f"  {stamp}  {'! ' if moment.failed else '  '}{moment.text}")
        lines += [f"{' ' * 18}| {detail}" for detail in moment.details]
    if story.failure:
        lines += ["", story.failure[0], *(f"  | {line}" for line in story.failure[1])]
    if story.hosts:
        lines += ["", "Hosts at the end"]
        widths = [max(len(row[column]) for row in story.hosts) for column in (0, 1)]
        for name, ended, why in story.hosts:
            lines.append(f"  {name.ljust(widths[0])}  {ended.ljust(widths[1])}  {why}".rstrip())
    return "\n".join(lines)


def _markdown(story: _Story) -> str:
    lines = [f"# {_escape(story.title)}", "", "## Issue summary", ""]
    lines += [f"- **{name}:** {_escape(text)}" for name, text in story.summary]
    lines += ["", "## Timeline", ""]
    for stamp, moment in story.moments:
        text = _escape(moment.text)
        lines.append(f"- **{stamp}:** {f'**{text}**' if moment.failed else text}")
        lines += [f"  - {_code(detail)}" for detail in moment.details]
    if story.failure:
        lines += ["", f"## {_escape(story.failure[0])}", "", *(f"    {line}" for line in story.failure[1])]
    if story.hosts:
        lines += ["", "## Hosts at the end", "", "| host | ended | why |", "|---|---|---|"]
        lines += [f"| {' | '.join(map(_escape, row))} |" for row in story.hosts]
    return "\n".join(lines)


def _escape(text: str) -> str:
    return MARKUP.sub(r"\\\1", text)


def _code(text: str) -> str:
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def _document(record: DeploymentRecord, events: Sequence[Event], story: _Story) -> Mapping[str, Any]:
    return {
        "deployment": record_json(record),
        "summary": dict(story.summary),
        "timeline": [asdict(moment) | {"time": iso(moment.time)} for _, moment in story.moments],
        "result": None if record.result is None else record.result.as_json(),
        "events": [_event(event) for event in events],
    }


def _event(event: Event) -> dict[str, Any]:
    detail = dict(event.detail)
    return {
        "time": iso(event.time),
        "host": event.host,
        "step": event.step,
        "state": str(event.state),
        "detail": detail,
    }
