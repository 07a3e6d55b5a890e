"""What is said to the database, and the way between its rows and the nouns.

How the tables came to be is in migrations.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from deployer.journal.database import Row
from deployer.model import DeploymentRecord, Event, Outcome, Result, State

INSERT_DEPLOYMENT = """
INSERT INTO deployment
  (id, kind, inventory, playbook, revision, commit_id, source_hash, subject, who, options, started)
VALUES
  (:id, :kind, :inventory, :playbook, :revision, :commit_id, :source_hash, :subject, :who, :options, :started)
"""
# Said again, because the answer to the first was lost, it must not be there twice: hence its mark.
INSERT_EVENT = """
INSERT INTO event (deployment, host, step, state, time, detail, mark)
VALUES (:deployment, :host, :step, :state, :time, :detail, :mark)
ON CONFLICT (mark) DO NOTHING
"""
FINISH = """
UPDATE deployment
SET finished = :finished, outcome = :outcome, exit_code = :exit_code, reason = :reason, result = :result
WHERE id = :which
"""
EVENTS = "SELECT * FROM event WHERE deployment = :deployment ORDER BY seq"
NEWEST_FIRST = "SELECT * FROM deployment{where} ORDER BY started DESC, id DESC LIMIT :limit"
INVENTORIES = "SELECT DISTINCT inventory FROM deployment ORDER BY inventory"
FITS = "(id LIKE :begins ESCAPE '/' OR id LIKE :ends ESCAPE '/')"


def deployments(*conditions: str) -> str:
    """The query for the newest deployments of which all this is true."""
    return NEWEST_FIRST.format(where=f" WHERE {' AND '.join(conditions)}" if conditions else "")


def fitting(name: str) -> dict[str, str]:
    """Parameters of :data:`FITS`: ids that begin or end like this."""
    text = "".join(f"/{sign}" if sign in "/%_" else sign for sign in name.replace("\0", ""))
    return {"begins": f"{text}%", "ends": f"%{text}"}


def event_row(event: Event) -> dict[str, Any]:
    """Parameters of :data:`INSERT_EVENT`."""
    return {
        "deployment": event.deployment,
        "host": text_of(event.host),
        "step": event.step,
        "state": str(event.state),
        "time": event.time,
        "detail": _json(event.detail),
        "mark": _mark(event),
    }


def event_of(row: Row) -> Event:
    """An event as it was appended."""
    return Event(
        row["deployment"],
        row["host"],
        row["step"],
        State(row["state"]),
        row["time"],
        json.loads(row["detail"]),
    )


def record_row(record: DeploymentRecord) -> dict[str, Any]:
    """Parameters of :data:`INSERT_DEPLOYMENT`."""
    return {
        "id": record.id,
        "kind": record.kind,
        "inventory": text_of(record.inventory),
        "playbook": text_of(record.playbook),
        "revision": text_of(record.revision),
        "commit_id": record.commit,
        "source_hash": record.source_hash,
        "subject": text_of(record.subject),
        "who": text_of(record.who),
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
        "reason": text_of(result.reason),
        "result": _json(result.as_json()),
    }


def record_of(row: Row) -> DeploymentRecord:
    """A deployment as it was started and, perhaps, finished."""
    return DeploymentRecord(
        id=row["id"],
        kind=row["kind"],
        inventory=row["inventory"],
        playbook=row["playbook"],
        revision=row["revision"],
        commit=row["commit_id"],
        source_hash=row["source_hash"],
        subject=row["subject"],
        started=row["started"],
        who=row["who"],
        options=json.loads(row["options"]),
        finished=row["finished"],
        outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
        exit_code=row["exit_code"],
        reason=row["reason"],
        result=None if row["result"] is None else Result.from_json(json.loads(row["result"])),
        times=row["times"] or 1,
        first_started=row["first_started"],
    )


def _mark(event: Event) -> int:
    parts = (event.deployment, event.host, event.step, str(event.state), repr(event.time))
    digest = blake2b(repr(parts).encode("utf-8", "backslashreplace"), digest_size=8).digest()
    return int.from_bytes(digest) >> 1  # as much as a signed column of 64 bits holds


def _json(value: Any) -> str:
    # ASCII, so that a path with bytes that are no UTF-8 (surrogates) survives every database's encoding.
    return json.dumps(value, default=_plain, separators=(",", ":"))


def _plain(value: object) -> Any:
    # An event that cannot be written stops a deployment: a Path or a set in a detail must not do that.
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, (set, frozenset)) else str(value)


def text_of(value: str | None) -> str | None:
    """Text as every database takes it: no NUL, no half of a pair, no byte that is no UTF-8."""
    if value is None:
        return None
    return value.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "")
