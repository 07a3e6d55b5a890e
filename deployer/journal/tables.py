"""The tables as they are now, and the way between rows and nouns. How they came to be is in migrations.py.

Imports SQLAlchemy: import this only where a database is about to be used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, Float, Integer, Row, String, bindparam, column, insert, table, update
from sqlalchemy.sql.expression import TableClause

from deployer.model import DeploymentRecord, Event, Outcome, Result, State

DEPLOYMENT: TableClause = table(
    "deployment",
    column("id", String),
    column("kind", String),
    column("inventory", String),
    column("playbook", String),
    column("revision", String),
    column("commit_id", String),
    column("subject", String),
    column("who", String),
    column("options", String),
    column("started", Float),
    column("finished", Float),
    column("outcome", String),
    column("exit_code", Integer),
    column("reason", String),
    column("result", String),
)

EVENT: TableClause = table(
    "event",
    column("seq", BigInteger),
    column("deployment", String),
    column("host", String),
    column("step", String),
    column("state", String),
    column("time", Float),
    column("detail", String),
)

# Made once: the writer groups jobs by the statement object, and SQLAlchemy compiles each only once.
INSERT_DEPLOYMENT = insert(DEPLOYMENT)
INSERT_EVENT = insert(EVENT)
FINISH = update(DEPLOYMENT).where(DEPLOYMENT.c.id == bindparam("which"))


def event_row(event: Event) -> dict[str, Any]:
    """Parameters of :data:`INSERT_EVENT`."""
    return {
        "deployment": event.deployment,
        "host": _text(event.host),
        "step": event.step,
        "state": str(event.state),
        "time": event.time,
        "detail": _json(event.detail),
    }


def event_of(row: Row[Any]) -> Event:
    """An event as it was appended."""
    return Event(row.deployment, row.host, row.step, State(row.state), row.time, json.loads(row.detail))


def record_row(record: DeploymentRecord) -> dict[str, Any]:
    """Parameters of :data:`INSERT_DEPLOYMENT`."""
    return {
        "id": record.id,
        "kind": record.kind,
        "inventory": _text(record.inventory),
        "playbook": _text(record.playbook),
        "revision": _text(record.revision),
        "commit_id": record.commit,
        "subject": _text(record.subject),
        "who": _text(record.who),
        "options": _json(record.options),
        "started": record.started,
    }


def result_row(deployment: str, result: Result, finished: float) -> dict[str, Any]:
    """Parameters of :data:`FINISH`."""
    return {
        "which": deployment,
        "finished": finished,
        "outcome": str(result.outcome),
        "exit_code": result.exit_code,
        "reason": _text(result.reason),
        "result": _json(result.as_json()),
    }


def record_of(row: Row[Any]) -> DeploymentRecord:
    """A deployment as it was started and, perhaps, finished."""
    return DeploymentRecord(
        id=row.id,
        kind=row.kind,
        inventory=row.inventory,
        playbook=row.playbook,
        revision=row.revision,
        commit=row.commit_id,
        subject=row.subject,
        started=row.started,
        who=row.who,
        options=json.loads(row.options),
        finished=row.finished,
        outcome=None if row.outcome is None else Outcome(row.outcome),
        exit_code=row.exit_code,
        reason=row.reason,
        result=None if row.result is None else Result.from_json(json.loads(row.result)),
    )


def _json(value: Any) -> str:
    # ASCII, so that a path with bytes that are no UTF-8 (surrogates) survives every database's encoding.
    return json.dumps(value, default=_plain, separators=(",", ":"))


def _plain(value: object) -> Any:
    # An event that cannot be written stops a deployment: a Path or a set in a detail must not do that.
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, (set, frozenset)) else str(value)


def _text(value: str | None) -> str | None:
    if value is None:
        return None
    return value.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "")
