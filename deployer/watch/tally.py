"""What the logs of a host have told so far: counters that only grow, and how far each log was read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployer.model.inspected import Inspection

MAX_LOGS = 64  #: of a host; as many as its agent looks at


@dataclass(frozen=True)
class Tally:
    """One host's.

    :ivar offsets: by inode; empty: its logs were never looked at.
    :ivar read_at: when they were looked at last, seconds since the epoch; ``None``: never.
    """

    answers: Mapping[str, int] = field(default_factory=dict)
    levels: Mapping[str, int] = field(default_factory=dict)
    other: int = 0
    skipped: int = 0
    offsets: Mapping[int, int] = field(default_factory=dict)
    read_at: float | None = None

    def after(self, inspection: Inspection | None, now: float) -> Tally:
        """With what a look found. While nginx is down its logs stay where they were read to."""
        if inspection is None or inspection.offsets is None:
            return self
        counts = inspection.counts
        return Tally(
            _sum(self.answers, counts.answers),
            _sum(self.levels, counts.levels),
            self.other + counts.other,
            self.skipped + counts.skipped,
            dict(list(inspection.offsets.items())[:MAX_LOGS]),
            now,
        )

    def since_s(self, now: float) -> float | None:
        """What time the next counts will be of; ``None``: they will be the first."""
        return None if self.read_at is None else max(0.0, now - self.read_at)


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}
