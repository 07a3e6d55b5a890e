"""Files and tables that say nothing any more: cut off while they were written, or lost in a merge. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deployer.comparison.asked import Question
from deployer.comparison.reading.foresight import Foresight
from deployer.nginx.tables import Table

_SEVERAL = 2
"""So many rows nobody takes out of a table one by one, and leaves the table."""


def emptied(insight: Foresight, questions: Sequence[Question]) -> Iterator[tuple[Question, str]]:
    """Files that live read something from and the candidate, which still reads them, nothing at all.

    Whoever means to do without one takes its ``include`` out, or leaves a comment.
    """
    live, candidate = insight.live.config, insight.candidate.config
    if live is None or candidate is None or not questions:
        return
    for name in sorted(live.read & candidate.read):
        if live.files.get(name, b"").strip() and not candidate.files.get(name, b"-").strip():
            yield questions[0], f"{name} is empty now, and still included: what it said is lost"


def without_rows(was: Table, now: Table) -> str | None:
    """A table that has no row left."""
    if now.rows or not was.rows or was.source != now.source:
        return None
    always = f"${now.target} is always {now.default or 'empty'}"
    if was.includes and not now.includes:
        return f"{always}: its table no longer includes {', '.join(was.includes[:2])}"
    if was.includes == now.includes and len(was.rows) >= _SEVERAL:
        return f"{always}: of {len(was.rows)} rows its table has none left"
    return None
