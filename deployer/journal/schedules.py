"""What the store keeps of unattended deployments: one row for each, with how it went the last time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from deployer.journal.statements import text_of
from deployer.model.scheduled import Scheduled

if TYPE_CHECKING:
    from concurrent.futures import Future

    from deployer.journal.database import Row, Session
    from deployer.journal.store import Store

# `since` says how long it has been due by this expression: what it was due by before does not count.
KNOWN = """
INSERT INTO schedule (lease, part, inventory, project, calendar, zone, host, since, started)
VALUES (:lease, :part, :inventory, :project, :calendar, :zone, :host, :since, :started)
ON CONFLICT (lease, part) DO UPDATE
SET inventory = excluded.inventory, project = excluded.project, zone = excluded.zone, host = excluded.host,
    since = CASE WHEN excluded.calendar IS NULL OR excluded.calendar = schedule.calendar
                 THEN schedule.since ELSE excluded.since END,
    calendar = COALESCE(excluded.calendar, schedule.calendar),
    finished = CASE WHEN excluded.started IS NULL THEN schedule.finished ELSE NULL END,
    started = COALESCE(excluded.started, schedule.started)
"""
ENDED = """
UPDATE schedule
SET finished = :finished, deployment = :deployment, outcome = :outcome, exit_code = :exit_code,
    reason = :reason, problem = :problem, problem_since = :problem_since
WHERE lease = :lease AND part = :part
"""
# Of a playbook that cannot be read it is not known what it deploys where: only where just one can be meant.
STILLBORN = """
UPDATE schedule
SET started = :at, finished = :at, host = :host, deployment = NULL, outcome = 'refused',
    exit_code = :exit_code, reason = :reason, problem = NULL, problem_since = NULL
WHERE inventory = :inventory AND project = :project AND part = :part
  AND (SELECT count(*) FROM schedule
       WHERE inventory = :inventory AND project = :project AND part = :part) = 1
"""
ONE = "SELECT * FROM schedule WHERE lease = :lease AND part = :part"
ALL = "SELECT * FROM schedule{where} ORDER BY inventory, part, lease"
FORGET = "DELETE FROM schedule WHERE lease = :lease AND part = :part"
_TEXTS = ("lease", "part", "inventory", "project", "host", "reason", "problem")


def install(store: Store, found: Scheduled) -> Future[Scheduled | None]:
    """Record when it is due from now on, without waiting; how it went so far stays.

    :returns: what was known of it.
    """
    return begin(store, replace(found, started=None))


def begin(store: Store, found: Scheduled) -> Future[Scheduled | None]:
    """Record that a run begins, without waiting; what was known of the runs before it."""
    row = _row(found)
    return store.call(lambda session: _known(session, row))


def end(store: Store, found: Scheduled) -> Future[int]:
    """Record how a run ended, without waiting."""
    row = {name: value for name, value in _row(found).items() if f":{name}" in ENDED}
    return store.call(lambda session: session.change(ENDED, row))


def stillborn(store: Store, found: Scheduled) -> Future[int]:
    """Record of a run that it failed before it could read its files, without waiting.

    :param found: with inventory, project, part, host, when (``started``), ``exit_code`` and ``reason``.
    :returns: how many schedules can be meant by that: one or none.
    """
    row = {name: value for name, value in _row(found).items() if f":{name}" in STILLBORN}
    return store.call(lambda session: session.change(STILLBORN, {**row, "at": found.started}))


def forget(store: Store, lease: str, part: str) -> Future[int]:
    """Let it be known no more, without waiting; how many rows that were."""
    key = {"lease": text_of(lease), "part": text_of(part)}
    return store.call(lambda session: session.change(FORGET, key))


def all_of(store: Store, inventory: str | None = None) -> tuple[Scheduled, ...]:
    """Every unattended deployment that the store knows (of one inventory).

    :raises StoreUnavailable: when it cannot be asked.
    """
    where = " WHERE inventory = :inventory" if inventory is not None else ""
    given = {"inventory": text_of(inventory)} if inventory is not None else {}
    return tuple(map(_of, store.rows(ALL.format(where=where), given)))


def _known(session: Session, row: Mapping[str, Any]) -> Scheduled | None:
    before = session.rows(ONE, {"lease": row["lease"], "part": row["part"]})
    session.change(KNOWN, {name: value for name, value in row.items() if f":{name}" in KNOWN})
    return _of(before[0]) if before else None


def _row(found: Scheduled) -> dict[str, Any]:
    row = {each.name: getattr(found, each.name) for each in fields(found)}
    return row | {name: text_of(row[name]) for name in _TEXTS}


def _of(row: Row) -> Scheduled:
    return Scheduled(**{each.name: row[each.name] for each in fields(Scheduled)})
