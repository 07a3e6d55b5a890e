"""From what stood to what stands: one event for each change of condition, none said twice. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from deployer.report.words import duration
from deployer.watch.findings import Finding, Judgement, Kind


class Turn(StrEnum):
    """What happened to a condition."""

    BEGINS = "begins"
    CHANGES = "changes"  #: it is about something else now: other files, other checks
    ENDS = "ends"


@dataclass(frozen=True, slots=True)
class Standing:
    """A condition that holds.

    :ivar since: seconds since the epoch.
    """

    sentence: str
    subject: str
    loud: bool
    since: float


Conditions = Mapping[Kind, Standing]


@dataclass(frozen=True, slots=True)
class Change:
    """One event.

    :ivar host: ``None``: it is about the fleet.
    :ivar sentence: of what begins, or of what has ended.
    :ivar since: when the condition began.
    """

    time: float
    host: str | None
    kind: Kind
    turn: Turn
    sentence: str
    loud: bool
    since: float

    @property
    def told(self) -> str:
        """For a person."""
        where = f"{self.host}: " if self.host is not None else ""
        kind = self.kind.value.replace("_", " ")
        if self.turn is Turn.ENDS:
            return f"{where}{kind} is over, after {duration(self.time - self.since)}"
        return f"{where}{kind}: {self.sentence}"


def changes(
    before: Conditions, judgement: Judgement, host: str | None, *, now: float
) -> tuple[dict[Kind, Standing], tuple[Change, ...]]:
    """What stands after a look, and what changed by it. What was not looked for stands as it stood."""
    by_kind: dict[Kind, list[Finding]] = {}
    for finding in judgement.findings:
        by_kind.setdefault(finding.kind, []).append(finding)
    after: dict[Kind, Standing] = {}
    turned: list[Change] = []
    for kind in Kind:
        old, found = before.get(kind), by_kind.get(kind)
        if found:
            new = _standing(found, old.since if old else now)
            after[kind] = new
            if old is None:
                turned.append(Change(now, host, kind, Turn.BEGINS, new.sentence, new.loud, now))
            elif (old.subject, old.loud) != (new.subject, new.loud):
                turned.append(Change(now, host, kind, Turn.CHANGES, new.sentence, new.loud, new.since))
        elif old is not None and kind in judgement.asked:
            turned.append(Change(now, host, kind, Turn.ENDS, old.sentence, old.loud, old.since))
        elif old is not None:
            after[kind] = old
    return after, tuple(turned)


def _standing(found: list[Finding], since: float) -> Standing:
    sentence = "; ".join(dict.fromkeys(f.sentence for f in found))
    subject = "\n".join(sorted({f.subject for f in found}))
    return Standing(sentence, subject, any(f.loud for f in found), since)
