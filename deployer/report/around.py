"""What changed near a time: every deployment, rollback and recovery, the most suspicious first. Pure.

Whoever looks for the cause of an outage asks first what changed before it. What was being switched at that
very time is more suspicious than what was done, that more than what was taken back, and what changed nothing
is only named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from deployer.model import DeploymentRecord, Event, State
from deployer.report.exposure import Ended, stays
from deployer.report.history import record_json
from deployer.report.phrases import KINDS
from deployer.report.when import When
from deployer.report.words import clean, clock, day, duration, iso, names

MOST_IDLE = 3  #: lines for what changed nothing
_TOUCHING = frozenset({State.STARTED, State.UNDO_STARTED, State.UNDO_SUCCEEDED})


class Suspicion(IntEnum):
    """How much a deployment has to do with it, the most first."""

    THEN = 0  #: some host served what was not decided yet, or what failed
    CHANGED = 1  #: it changed hosts, and they stayed so
    WENT_BACK = 2  #: it changed hosts, and took that back
    NOTHING = 3  #: it changed no host


@dataclass(frozen=True)
class Suspect:
    """One deployment near that time.

    :ivar at: when it last touched a host before that time; else when it began.
    :ivar hosts: those that it touched in that time.
    """

    record: DeploymentRecord
    suspicion: Suspicion
    at: float
    hosts: tuple[str, ...]
    words: str


@dataclass(frozen=True)
class Note:
    """Something else that happened near that time, and changed no host by itself.

    :ivar opens: it let something be deployed that was kept out before.
    """

    at: float
    text: str
    opens: bool = False


@dataclass(frozen=True)
class Lookout:
    """The answer.

    :ivar suspects: from ``since`` to the time that was asked for, the most suspicious first.
    :ivar later: begun after it: no cause of it, perhaps its cure.
    :ivar nearest: the last one before all that which changed something.
    :ivar inventories: those that were looked at.
    :ivar notes: what came into quarantine or was released from it.
    """

    when: When
    since: float
    suspects: tuple[Suspect, ...]
    later: tuple[DeploymentRecord, ...]
    nearest: DeploymentRecord | None
    inventories: tuple[str, ...]
    notes: tuple[Note, ...] = ()


def suspect(record: DeploymentRecord, events: Sequence[Event], since: float, at: float) -> Suspect:
    """Judge one that has a part in the time from ``since`` to ``at``."""
    touched = [
        event
        for event in events
        if event.host is not None
        and event.step == "activate"
        and event.state in _TOUCHING
        and since <= event.time <= at
    ]
    hosts = tuple(dict.fromkeys(str(event.host) for event in touched))
    open_then = [
        stay.host
        for stay in stays(events)
        if stay.began <= at
        and (
            (stay.until is None and stay.how is not Ended.KEPT)
            or (stay.until is not None and stay.until > at)
            or (stay.how is Ended.KEPT and _kept_at(events, stay.host) > at)
        )
    ]
    last = max((event.time for event in touched), default=min(at, max(since, record.started)))
    if open_then:
        words = f"at that time {names(open_then)} served, or was getting, what was not decided yet"
        return Suspect(record, Suspicion.THEN, last, tuple(open_then), words)
    if not hosts:
        return Suspect(record, Suspicion.NOTHING, last, (), _did_nothing(record))
    first = min(event.time for event in touched)
    span = f"between {clock(first)} and {clock(last)}" if last - first >= 1 else f"at {clock(last)}"
    back = {str(e.host) for e in touched if e.state is State.UNDO_SUCCEEDED}
    if record.kind == "deploy" and set(hosts) <= back:
        words = f"changed {names(hosts)} {span}, and took that back"
        return Suspect(record, Suspicion.WENT_BACK, last, hosts, words)
    verb = "took back" if record.kind == "rollback" else "changed"
    return Suspect(record, Suspicion.CHANGED, last, hosts, f"{verb} {names(hosts)} {span}")


def _kept_at(events: Sequence[Event], host: str) -> float:
    done = [e.time for e in events if e.host == host and e.step == "confirm" and e.state is State.SUCCEEDED]
    return min(done, default=0.0)


def _did_nothing(record: DeploymentRecord) -> str:
    if record.outcome is None:
        return "is not finished, and switched no host in that time"
    return f"switched no host in that time ({str(record.outcome).replace('_', ' ')})"


def ordered(found: Sequence[Suspect]) -> tuple[Suspect, ...]:
    """The most suspicious first, and of those that are alike the latest."""
    return tuple(sorted(found, key=lambda each: (each.suspicion, -each.at)))


def around_text(look: Lookout) -> str:
    """The answer in lines."""
    return "\n".join(_lines(look))


def _lines(look: Lookout) -> Iterator[str]:
    minutes = duration(look.when.seconds - look.since).removesuffix(" 0 s")
    guilty = [each for each in look.suspects if each.suspicion is not Suspicion.NOTHING]
    idle = [each for each in look.suspects if each.suspicion is Suspicion.NOTHING]
    yield f"In the {minutes} before {look.when.shown}:"
    if not guilty:
        known = ", ".join(map(clean, look.inventories[:12])) or "none"
        yield f"  NOTHING was changed by deployer on any of these inventories: {known}."
    for number, each in enumerate(guilty, 1):
        yield f"  {number}. {_who(each.record)}"
        before = duration(look.when.seconds - each.at)
        yield f"     {each.words}; the last of it {before} before"
        yield f"     deployer show {clean(each.record.id)}"
    yield from _idle(idle)
    for note in sorted(look.notes, key=lambda note: (not note.opens, -note.at)):
        yield f"  -  {clock(note.at)}  {clean(note.text)}"
    if look.later:
        yield "Begun after it, so not its cause, but perhaps its cure:"
        yield from (f"  {clock(record.started)}  {_who(record)}" for record in look.later)
    if not guilty and look.nearest is not None:
        near = look.nearest
        ended = near.finished if near.finished is not None else near.started
        since = f"{duration(look.when.seconds - ended)} before"
        yield f"The last change before that: {_who(near)}, over at {day(ended)}, {clock(ended)}, {since}."
    yield "Not seen here: what was changed by hand (deployer status INV names drift), and other journals."


def _idle(idle: Sequence[Suspect]) -> Iterator[str]:
    """What switched no host: each by itself while they are few, and whatever is not over."""
    ended = [each for each in idle if each.record.outcome is not None]
    shown = idle if len(idle) <= MOST_IDLE else [each for each in idle if each.record.outcome is None]
    yield from (f"  -  {_who(each.record)} {each.words}" for each in shown)
    if len(shown) < len(idle):
        outcomes = Counter(str(each.record.outcome).replace("_", " ") for each in ended)
        which = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.most_common())
        yield f"  -  {len(ended)} more switched no host in that time ({which}): deployer history"


def _who(record: DeploymentRecord) -> str:
    kind = KINDS.get(record.kind, record.kind)
    what = " ".join(filter(None, [record.revision, (record.commit or "")[:12]]))
    subject = f' "{record.subject}"' if record.subject else ""
    outcome = "not finished" if record.outcome is None else str(record.outcome).replace("_", " ")
    of = f" of {what}{subject}" if what else ""
    if glass := record.options.get("break_glass"):
        outcome += f", with break-glass: {glass}"
    return clean(f"{record.inventory}: {kind} {record.id}{of} by {record.who}: {outcome}")


def around_json(look: Lookout) -> dict[str, Any]:
    """The same for ``--json``."""
    return {
        "around": iso(look.when.seconds),
        "since": iso(look.since),
        "changed": any(each.suspicion is not Suspicion.NOTHING for each in look.suspects),
        "suspects": [
            {
                "suspicion": each.suspicion.name.lower(),
                "at": iso(each.at),
                "seconds_before": round(look.when.seconds - each.at, 3),
                "hosts": list(each.hosts),
                "why": each.words,
                "deployment": record_json(each.record),
            }
            for each in look.suspects
        ],
        "quarantine": [
            {"at": iso(note.at), "text": clean(note.text), "released": note.opens} for note in look.notes
        ],
        "later": [record_json(record) for record in look.later],
        "nearest_before": None if look.nearest is None else record_json(look.nearest),
        "inventories": list(look.inventories),
    }
