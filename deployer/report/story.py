"""From events to moments: what many hosts did alike is told once, in the order in which it was over.

Tolerant on purpose: the journal of a newer or older program must still read as a story.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deployer.model import Event, State
from deployer.report import phrases
from deployer.report.exposure import is_back
from deployer.report.words import clean, count, duration, laid_out, names

ENDS = frozenset({State.SUCCEEDED, State.FAILED, State.UNDO_SUCCEEDED, State.UNDO_FAILED})
BAD = frozenset({State.FAILED, State.UNDO_FAILED})
NOTICED_S = 0.05  #: what took less took no time
LOUD = ("[emerg]", "[alert]", "[crit]")


@dataclass(frozen=True)
class Moment:
    """One line of a timeline.

    :ivar time: seconds since the epoch, when it was over.
    :ivar details: the deciding lines of a failure: the validator's, nginx's, a check's.
    """

    time: float
    text: str
    hosts: tuple[str, ...] = ()
    failed: bool = False
    details: tuple[str, ...] = ()


@dataclass
class _Group:
    """Events of several hosts that say the same."""

    events: list[Event] = field(default_factory=list)
    position: int = 0


def moments(events: Sequence[Event]) -> list[Moment]:
    """The story, oldest first."""
    groups: dict[tuple[Any, ...], _Group] = {}
    began: dict[tuple[str | None, str], tuple[int, Event]] = {}
    took: dict[int, float] = {}
    chapter = 0
    for position, event in enumerate(events):
        key: tuple[Any, ...]
        if event.host is None:
            chapter += 1
            key = (chapter, None)
        elif event.state in ENDS:
            _, start = began.pop((event.host, event.step), (0, None))
            seconds = _number(event.detail, "seconds", event.time - start.time if start else None)
            if seconds is not None:
                took[id(event)] = seconds
            if "skipped" in event.detail:
                continue
            said = (text_of(event.detail, "error"), _notes(event), _as_rehearsed(event))
            key = (chapter, event.step, event.state, said, _undo(event))
        else:
            began[event.host, event.step] = (position, event)
            continue
        group = groups.setdefault(key, _Group())
        group.events.append(event)
        group.position = position
    for position, event in began.values():
        group = groups.setdefault((None, event.step, event.state), _Group())
        group.events.append(event)
        group.position = position
    ordered = sorted(groups.values(), key=lambda group: group.position)
    return [moment for group in ordered if (moment := _moment(group.events, took)) is not None]


def failures(events: Iterable[Event]) -> list[Event]:
    """Events of single hosts that say a step, or its undo, failed; in order."""
    return [event for event in events if event.host is not None and event.state in BAD]


def lines_of(event: Event) -> tuple[str, ...]:
    """All that the host said of a failure, as lines fit to be shown."""
    raw = event.detail.get("details")
    if isinstance(raw, str):
        raw = raw.splitlines()
    lines = raw if isinstance(raw, (list, tuple)) else ()
    return tuple(text for line in lines if (text := laid_out(str(line))))


def text_of(detail: Mapping[str, Any], *keys: str) -> str | None:
    """The first of these keys that holds something to say."""
    for key in keys:
        value = detail.get(key)
        if isinstance(value, (str, int, float)) and str(value).strip():
            return clean(str(value))
    return None


def _moment(events: Sequence[Event], took: Mapping[int, float]) -> Moment | None:
    last = events[-1]
    if last.host is None:
        text = _fleet_text(last)
        return Moment(last.time, text, _hosts(last.detail), failed=last.state in BAD) if text else None
    hosts = tuple(dict.fromkeys(event.host for event in events if event.host is not None))
    seconds = max((took[id(event)] for event in events if id(event) in took), default=None)
    text = f"{names(hosts)} {_host_text(events)}"
    size = [count(len(hosts))] if len(hosts) > 1 else []
    size += [duration(seconds)] if seconds and seconds >= NOTICED_S else []
    if size and last.state not in BAD:
        text += f" ({', '.join(size)})"
    return Moment(last.time, text, hosts, failed=last.state in BAD, details=_deciding(events))


def _notes(event: Event) -> str:
    """What a step that succeeded has to say besides."""
    notes = event.detail.get("notes")
    return "; ".join(clean(str(note)) for note in notes) if isinstance(notes, (list, tuple)) else ""


def _as_rehearsed(event: Event) -> str:
    """How many questions of its rehearsal the live host answered as well, once more."""
    promised = event.detail.get("promised")
    asked = promised.get("asked") if isinstance(promised, Mapping) else None
    if not isinstance(promised, Mapping) or not isinstance(asked, int):
        return ""
    unsteady = promised.get("unsteady")
    odd = len(unsteady) if isinstance(unsteady, list) else 0
    text = f", and answered {count(asked - odd, 'question')} as rehearsed"
    return text + (f" ({odd} now well, now not)" if odd else "")


def _host_text(events: Sequence[Event]) -> str:
    step, state, undo = clean(events[-1].step), events[-1].state, _undo(events[-1])
    if state is State.SUCCEEDED:
        phrase = _notes(events[-1]) or phrases.DONE.get(step, f"{step}: done") + _as_rehearsed(events[-1])
    elif state is State.UNDO_SUCCEEDED:
        phrase = phrases.UNDONE.get(undo, f"{step}: taken back")
    elif state in (State.UNDO_STARTED, State.UNDO_FAILED):
        phrase = phrases.UNDOING.get(undo, f"take back {step}")
    else:
        phrase = phrases.DOING.get(step, f"do {step}")
    phrase = phrase.replace("{release}", _release(events))
    if state in (State.STARTED, State.UNDO_STARTED):
        return phrases.UNANSWERED.replace("{doing}", phrase)
    if state not in BAD:
        return phrase
    error = text_of(events[-1].detail, "error", "reason")
    if is_back(events[-1]):
        release = text_of(events[-1].detail["back"], "release") or "its release"
        phrase = phrases.UNDONE_ILL.format(release=release)
    else:
        phrase = f"could NOT {phrase}"
    return phrase + (f": {error}" if error else "")


def _fleet_text(event: Event) -> str | None:
    detail, step = event.detail, clean(event.step)
    why = text_of(detail, "reason", "error")
    tail = f": {why}" if why else ""
    if step == "interrupt":
        return phrases.INTERRUPTED + tail
    if step in phrases.UNTOLD:
        return None
    if step == "plan":
        return _plan_text(detail) + tail if event.state is not State.STARTED or detail else None
    if step == "decision":
        decision = text_of(detail, "decision") or "?"
        template = phrases.DECISIONS.get(decision, f"Decided: {decision}")
        if not _hosts(detail):
            template = template.replace(" {hosts}", "")
    elif event.state is State.STARTED and step == "precheck":
        return None
    else:
        template = phrases.FLEET.get((step, event.state), f"{step}: {event.state.replace('_', ' ')}")
        if not _hosts(detail):
            template = template.replace(": {hosts}", "").replace(" on {hosts}", "")
    return _filled(template, detail) + tail


def _filled(template: str, detail: Mapping[str, Any]) -> str:
    kind = text_of(detail, "kind") or "deploy"
    values = {
        "{hosts}": names(_hosts(detail)),
        "{wave}": text_of(detail, "number", "wave") or "?",
        "{kind}": phrases.KINDS.get(kind, kind),
        "{outcome}": (text_of(detail, "outcome") or "?").replace("_", " "),
    }
    for mark, value in values.items():
        template = template.replace(mark, value)
    return template


def _plan_text(detail: Mapping[str, Any]) -> str:
    actions: dict[str, list[str]] = {}
    hosts = detail.get("hosts")
    for name, plan in hosts.items() if isinstance(hosts, Mapping) else ():
        action = text_of(plan, "action") if isinstance(plan, Mapping) else None
        actions.setdefault(action or "?", []).append(str(name))
    words = [
        phrases.PLAN.get(action, f"{action} {{hosts}}").replace("{hosts}", names(found))
        for action, found in actions.items()
    ]
    told = "; ".join(words) or "nothing to do"
    waves = detail.get("waves")
    number = len(waves) if isinstance(waves, (list, tuple)) else 0
    return f"Plan: {told}" + (f"; in {count(number, 'wave')}" if number else "")


def _deciding(events: Sequence[Event]) -> tuple[str, ...]:
    """The line that decided each failure: nginx's own verdict if there is one, else the last."""
    found: dict[str, None] = {}
    for event in events:
        if event.state in BAD and (lines := lines_of(event)):
            loud = [line for line in lines if any(mark in line for mark in LOUD)]
            found[(loud or _worst_row(lines) or lines[-1:])[0].strip()] = None
    return tuple(found)


def _worst_row(lines: Sequence[str]) -> Sequence[str]:
    """Of a table of answers, which has the worst first; none: it is no such table."""
    return lines[1:2] if lines[0].split()[-1:] == ["verdict"] else ()


def _undo(event: Event) -> str:
    return text_of(event.detail, "undo") or phrases.UNDO_OF.get(event.step, "")


def _release(events: Sequence[Event]) -> str:
    found = {text_of(event.detail, "release", "memory", "baseline", "frozen") for event in events}
    only = found.pop() if len(found) == 1 else None
    return only or ("their releases" if len(events) > 1 else "the release")


def _hosts(detail: Mapping[str, Any]) -> tuple[str, ...]:
    raw = detail.get("scope", detail.get("hosts"))
    return tuple(map(str, raw)) if isinstance(raw, (list, tuple, Mapping)) else ()


def _number(detail: Mapping[str, Any], key: str, otherwise: float | None) -> float | None:
    value = detail.get(key)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else otherwise
