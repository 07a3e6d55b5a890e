"""What can stand in the way of a deployment, as nouns: gates that are closed, releases in quarantine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum
from typing import Any

_LINE = re.compile(r"([a-z0-9]{1,12}-[0-9a-f]{12}) ([0-9a-z-]{1,40}) ([0-9]{1,12})(?: (.*))?")


class Gate(StrEnum):
    """What is looked at before any host changes (a value of ``--json``)."""

    FREEZE = "freeze"
    AFTER = "after"
    SIGNATURE = "signature"
    QUARANTINE = "quarantine"
    LINT = "lint"


@dataclass(frozen=True, slots=True)
class Closed:
    """A gate that is closed.

    :ivar why: what closes it: part of a sentence, beginning in lower case.
    :ivar opens: what opens it, without breaking it: likewise.
    :ivar release: the release that is meant, where it is about one.
    """

    gate: Gate
    why: str
    opens: str
    release: str | None = None

    def as_json(self, *, broken: bool) -> dict[str, Any]:
        """For ``--json`` and the journal.

        :param broken: it was passed with ``--break-glass``.
        """
        return {
            "gate": self.gate.value,
            "why": self.why,
            "opens": self.opens,
            "release": self.release,
            "broken": broken,
        }


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A release that is not deployed again until somebody releases it.

    :ivar deployment: what put it there: a deployment that failed, or the rollback that left it.
    :ivar time: seconds since the epoch, the clock of the controller that put it there.
    :ivar why: one line.
    """

    release: str
    deployment: str
    time: float
    why: str

    @property
    def hash(self) -> str:
        """What is quarantined: the first 12 hex digits of the tree's hash, whatever commit brought it."""
        return hash_of(self.release)

    @property
    def line(self) -> str:
        """As a host keeps it (docs/agent.md): ``RELEASE DEPLOYMENT TIME WHY``, printable, not long."""
        why = "".join(c if c.isprintable() else " " for c in self.why)
        text = f"{self.release} {self.deployment} {self.time:.0f} {why}"[:400].rstrip()
        return text.encode("ascii", "backslashreplace").decode("ascii")

    @classmethod
    def of_line(cls, line: str) -> Quarantined | None:
        """Read :attr:`line` back; ``None`` when it is none."""
        match = _LINE.fullmatch(line)
        return cls(match[1], match[2], float(match[3]), match[4] or "") if match else None


def hash_of(release: str) -> str:
    """The hash in a release's id."""
    return release.rpartition("-")[2]


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment as a calendar or a clock on the wall shows it.

    :ivar day: a date; a weekday, Monday being 0; or ``None``: every day.
    """

    at: time
    day: date | int | None = None

    @property
    def kind(self) -> str:
        """Two moments that bound a window are of the same kind."""
        return "date" if isinstance(self.day, date) else "daily" if self.day is None else "weekly"


@dataclass(frozen=True, slots=True)
class Window:
    """A freeze: from one moment to another, the latter no longer part of it.

    :ivar zone: an IANA name; the walls that those clocks hang on.
    """

    name: str
    start: Moment
    end: Moment
    zone: str = "UTC"
