"""How a drill went, and what it is worth. Pure: from what was recorded, nothing else.

All times count from the break: the first request that failed, or, where nobody notices, when it was done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from deployer.drill.record import CHANGING, Entry, Users

STORY_CAUSE_S = 65 * 60.0  #: 12 June: from the alert (14:15) to the root cause (15:20)
STORY_END_S = 90 * 60.0  #: from the alert to the end (15:45)
FULL_CAUSE_S = 2 * 60.0  #: all points up to here
FULL_END_S = 5 * 60.0
POINTS = {"cause": 40, "recovery": 40, "users": 20}
HINT, WRONG = 5, 5  #: points that a hint, and a cause that was not it, cost


@dataclass(frozen=True, slots=True)
class Met:
    """What users met, from the break until it was over (or until now)."""

    total: int
    failed: int
    bad_seconds: int  #: seconds in which at least one request failed
    worst_second: int  #: requests that failed in the worst of them
    slowest_ms: float


@dataclass(frozen=True, slots=True)
class Score:
    """How it went. Seconds count from the break; ``None``: it did not come to that."""

    scenario: str
    won: bool
    first_look_s: float | None  #: to the first command of deployer
    cause_s: float | None  #: to the right cause
    recovered_s: float | None  #: to a fleet that is repaired, proved afterwards
    wrong_causes: int
    hints: int
    users: Met
    points: int
    points_for: dict[str, int]
    missing: tuple[str, ...]  #: what was not as it should be at the last look
    unwatched_s: float  #: seconds in which nobody counted users

    def as_json(self) -> dict[str, Any]:
        """The document of ``--json``."""
        return asdict(self) | {"story_cause_s": STORY_CAUSE_S, "story_end_s": STORY_END_S}


def score(scenario: str, entries: Sequence[Entry], users: Sequence[Users], now: float) -> Score:
    """Judge a drill by its record."""
    zero = zero_of(entries, users)
    proofs = [entry for entry in entries if entry.what == "proof"]
    recovered = recovered_at(entries, users)
    found = [entry for entry in entries if entry.what == "found"]
    right = next((entry.at for entry in found if entry.detail["right"]), None)
    looks = [e.detail["began"] for e in entries if e.what == "command" and e.detail["began"] >= zero]
    met = met_by(users, zero, recovered or now)
    wrong = sum(not entry.detail["right"] for entry in found)
    hints = sum(entry.what == "hint" for entry in entries)
    cause_s, recovered_s = _since(zero, right), _since(zero, recovered)
    worth = {
        "cause": _worth("cause", cause_s, FULL_CAUSE_S, STORY_CAUSE_S),
        "recovery": _worth("recovery", recovered_s, FULL_END_S, STORY_END_S),
        "users": 0 if recovered is None else round(POINTS["users"] * (1 - _lost(met, zero, recovered))),
        "hints": -HINT * hints,
        "wrong causes": -WRONG * wrong,
    }
    return Score(
        scenario=scenario,
        won=recovered is not None,
        first_look_s=_since(zero, min(looks, default=None)),
        cause_s=cause_s,
        recovered_s=recovered_s,
        wrong_causes=wrong,
        hints=hints,
        users=met,
        points=max(0, sum(worth.values())),
        points_for=worth,
        missing=tuple(proofs[-1].detail["missing"]) if proofs else ("nobody has looked yet",),
        unwatched_s=sum(entry.detail["seconds"] for entry in entries if entry.what == "unwatched"),
    )


def zero_of(entries: Iterable[Entry], users: Iterable[Users]) -> float:
    """When it broke: the first failure since the breaking began, if there was one before it was done."""
    at = {entry.what: entry.at for entry in entries if entry.what in ("breaking", "broken")}
    firsts = [each.first_failure for each in users if each.first_failure is not None]
    early = [first for first in firsts if at["breaking"] <= first <= at["broken"]]
    return min(early, default=at["broken"])


def recovered_at(entries: Sequence[Entry], users: Iterable[Users]) -> float | None:
    """Since when the fleet is repaired; ``None`` unless the last look found it so.

    The first look that found it so, dated back to the end of the last command before it that can have
    repaired it; never before a look that found it broken, nor before the last failed request.
    """
    proofs = [entry for entry in entries if entry.what == "proof"]
    if not proofs or not proofs[-1].detail["repaired"]:
        return None
    bad = max((p.at for p in proofs if not p.detail["repaired"]), default=0.0)
    first = next(p.at for p in proofs if p.at > bad)
    repairs = [e.at for e in entries if e.what == "command" and e.detail["verb"] in CHANGING]
    done = max((at for at in repairs if bad < at <= first), default=first)
    lasts = [each.last_failure for each in users if each.last_failure is not None]
    return max([done, *(last for last in lasts if last <= first)])


def met_by(users: Iterable[Users], zero: float, until: float) -> Met:
    """What users met from ``zero`` on; all that began before ``until``."""
    spans = [each for each in users if each.ended > zero and each.began < until]
    failures: Counter[int] = Counter()
    for each in spans:
        failures.update({second: n for second, n in each.failures.items() if int(zero) <= second <= until})
    return Met(
        total=sum(each.total for each in spans),
        failed=sum(failures.values()),
        bad_seconds=len(failures),
        worst_second=max(failures.values(), default=0),
        slowest_ms=max((each.slowest_ms for each in spans), default=0.0),
    )


def _since(zero: float, at: float | None) -> float | None:
    return None if at is None else max(0.0, at - zero)


def _worth(what: str, took_s: float | None, full_s: float, none_s: float) -> int:
    """All points up to ``full_s``, none from ``none_s`` on, a straight line between."""
    if took_s is None:
        return 0
    share = (none_s - took_s) / (none_s - full_s)
    return round(POINTS[what] * min(1.0, max(0.0, share)))


def _lost(met: Met, zero: float, until: float) -> float:
    """The share of the story's outage (everybody, 90 minutes) that users had here."""
    if not met.total:
        return 0.0
    return min(1.0, met.failed / met.total * (until - zero) / STORY_END_S)
