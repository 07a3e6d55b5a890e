"""One deployment as it is told: text, Markdown, HTML, or JSON. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

from deployer.model import DeploymentRecord, Event
from deployer.report.explanation import Around, Explanation, explain
from deployer.report.exposure import Stay
from deployer.report.history import record_json
from deployer.report.html import html
from deployer.report.impact import measured
from deployer.report.markdown import markdown
from deployer.report.text import text
from deployer.report.words import iso

Format = Literal["text", "markdown", "html", "json"]
FORMATS: tuple[Format, ...] = ("text", "markdown", "html", "json")


def timeline(
    record: DeploymentRecord,
    events: Sequence[Event],
    *,
    format: Format = "text",  # noqa: A002
    around: Around | None = None,
) -> str:
    """The story of one deployment.

    :param events: in the order of the journal.
    :param around: what else belongs to it.
    """
    story = explain(record, events, around)
    if format == "json":
        return json.dumps(_document(record, events, story), indent=2, default=str)
    dressed = {"text": text, "markdown": markdown, "html": html}
    return dressed[format](story)


def _document(record: DeploymentRecord, events: Sequence[Event], story: Explanation) -> Mapping[str, Any]:
    return {
        "deployment": record_json(record),
        "summary": dict(story.summary),
        "explanation": _explanation(story),
        "timeline": [asdict(moment) | {"time": iso(moment.time)} for _, moment in story.moments],
        "result": None if record.result is None else record.result.as_json(),
        "events": [_event(event) for event in events],
    }


def _explanation(story: Explanation) -> dict[str, Any]:
    cause = story.cause
    return {
        "trouble": story.trouble,
        "impact": {
            "sentences": list(story.impact),
            "hosts": {stay.host: _stay(stay) for stay in story.stays},
            "measured": _measured(story),
        },
        "cause": cause
        and {
            "fault": cause.fault.value,
            "step": cause.step or None,
            "hosts": list(cause.hosts),
            "sentence": cause.sentence,
            "evidence": list(cause.evidence),
            "certainty": cause.sure,
        },
        "change": {
            "known": story.change.known,
            "lines_cut": story.change.cut,
            "commits": [asdict(commit) for commit in story.change.brings],
            "dropped": [asdict(commit) for commit in story.change.drops],
            "hunks": [asdict(hunk) | {"decided": hunk in story.blamed.hunks} for hunk in story.change.hunks],
            "proved": story.blamed.proved,
            "why": story.blamed.why or None,
        },
        "resolution": list(story.resolution),
        "tasks": [asdict(task) for task in story.tasks],
        "unknown": [asdict(each) for each in story.unknown],
    }


def _stay(stay: Stay) -> dict[str, Any]:
    return {"from": iso(stay.began), "until": iso(stay.until), "ended": stay.how.value}


def _measured(story: Explanation) -> dict[str, Any] | None:
    if story.traffic is None:
        return None
    seen = measured(story.traffic, story.stays)
    return {
        "requests": seen.requests,
        "failed": seen.failed,
        "first_failed": iso(seen.first),
        "last_failed": iso(seen.last),
        "before_seconds": seen.before_s,
        "before_requests": seen.before,
        "before_failed": seen.before_failed,
        "width_seconds": story.traffic.width,
        "spans": [
            {"time": iso(at), "requests": total, "failed": bad} for at, total, bad in story.traffic.together()
        ],
        "unread": dict(story.traffic.unread),
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
