"""Unattended runs that found nothing to do: one row for as many as follow each other, not one for each.

A run every quarter of an hour is 35,000 rows a year, and their events, that say: nothing new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future

    from deployer.journal.database import Session
    from deployer.journal.store import Store

# Only what was marked here is ever taken together: `times` is null in every other deployment's row. Such a
# row, of what did something, was typed, or has not ended, stays, and nothing is taken together across it.
OURS = "SELECT * FROM deployment WHERE id = :id"
TOUCHED = "SELECT seq FROM event WHERE deployment = :id AND host IS NOT NULL LIMIT 1"
BARRIER = """
SELECT max(started) AS at FROM deployment
WHERE inventory = :inventory AND times IS NULL AND started < :started
"""
ALIKE = """
SELECT id, times, first_started FROM deployment
WHERE inventory = :inventory AND times IS NOT NULL AND started < :started AND started > :barrier
  AND kind = :kind AND outcome = :outcome AND options = :options
  AND COALESCE(playbook, '') = :playbook AND COALESCE(commit_id, '') = :commit_id
  AND COALESCE(source_hash, '') = :source_hash
"""
MARK = "UPDATE deployment SET times = :times, first_started = :first WHERE id = :id"
EVENTS = "DELETE FROM event WHERE deployment = :id"
ROW = "DELETE FROM deployment WHERE id = :id"


def fold(store: Store, deployment: str) -> Future[int]:
    """Let the row of a run that changed nothing stand for those before it that were like it, without waiting.

    :param deployment: an unattended run that has ended; one that did anything to a host is let be.
    :returns: how many rows went.
    """
    return store.call(lambda session: _folded(session, deployment))


def _folded(session: Session, deployment: str) -> int:
    ours = next(iter(session.rows(OURS, {"id": deployment})), None)
    if ours is None or ours["finished"] is None or session.rows(TOUCHED, {"id": deployment}):
        return 0
    where: dict[str, Any] = {"inventory": ours["inventory"], "started": ours["started"]}
    barrier = session.rows(BARRIER, where)[0]["at"]
    alike = {name: ours[name] for name in ("kind", "outcome", "options")}
    alike |= {name: ours[name] or "" for name in ("playbook", "commit_id", "source_hash")}
    before = session.rows(ALIKE, {**where, **alike, "barrier": barrier if barrier is not None else 0.0})
    # Where this is tried twice, the first time may have been well: then there is nothing left to take over.
    times = (ours["times"] or 1) + sum(row["times"] for row in before)
    first = min([ours["first_started"] or ours["started"], *(row["first_started"] for row in before)])
    session.change(MARK, {"id": deployment, "times": times, "first": first})
    for row in before:
        session.change(EVENTS, {"id": row["id"]})
        session.change(ROW, {"id": row["id"]})
    return len(before)
