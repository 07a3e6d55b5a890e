"""The deployments of a journal as a table, newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from deployer.model import DeploymentRecord
from deployer.report.words import clean, duration, iso, minute, names

HEADER = ("ID", "WHEN (UTC)", "INVENTORY", "WHAT", "REVISION", "OUTCOME", "HOSTS", "TOOK", "WHO")


def history_table(records: Sequence[DeploymentRecord], *, hosts: Callable[[str], bool] | None = None) -> str:
    """Aligned columns, a line each, in the order given (the journal's: newest first).

    :param hosts: of these hosts it is said how they ended.
    """
    if not records:
        return "The journal has no deployment yet."
    rows = [HEADER, *map(_row, records)]
    if hosts is not None:
        ends = ["THERE", *(_there(record, hosts) for record in records)]
        rows = [(*row, end) for row, end in zip(rows, ends, strict=True)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def history_json(records: Iterable[DeploymentRecord]) -> list[dict[str, Any]]:
    """The same for ``--json``."""
    return [record_json(record) for record in records]


def record_json(record: DeploymentRecord) -> dict[str, Any]:
    """One deployment; times as ISO 8601 in UTC."""
    return {
        "id": record.id,
        "kind": record.kind,
        "inventory": record.inventory,
        "playbook": record.playbook,
        "revision": record.revision,
        "commit": record.commit,
        "subject": record.subject,
        "who": record.who,
        "options": dict(record.options),
        "started": iso(record.started),
        "finished": iso(record.finished),
        "seconds": took(record),
        "outcome": None if record.outcome is None else str(record.outcome),
        "exit_code": record.exit_code,
        "reason": record.reason,
        "hosts": None if record.result is None else len(record.result.hosts),
        "times": record.times,
        "first_started": iso(record.first_started),
    }


def took(record: DeploymentRecord) -> float | None:
    """Seconds from start to end, ``None`` for what did not end."""
    return None if record.finished is None else round(record.finished - record.started, 3)


def _row(record: DeploymentRecord) -> tuple[str, ...]:
    commit = record.commit[:12] if record.commit else ""
    revision = record.revision or ""
    both = f"{revision} {commit}" if commit and not commit.startswith(revision or "-") else revision or commit
    seconds = took(record)
    return (
        record.id,
        minute(record.started),
        clean(record.inventory),
        clean(record.kind) + (" BREAK-GLASS" if record.options.get("break_glass") else ""),
        clean(both) or "-",
        _ended(record),
        "-" if record.result is None else str(len(record.result.hosts)),
        "-" if seconds is None else duration(seconds),
        clean(record.who),
    )


def _ended(record: DeploymentRecord) -> str:
    if record.outcome is None:
        return "unfinished"
    if record.times == 1:
        return str(record.outcome)
    since = f" since {minute(record.first_started)}" if record.first_started is not None else ""
    return f"{record.outcome} {record.times} times{since}"


def _there(record: DeploymentRecord, hosts: Callable[[str], bool]) -> str:
    alike: dict[str, list[str]] = {}
    for name, host in record.result.hosts.items() if record.result is not None else ():
        if hosts(name):
            alike.setdefault(host.outcome.replace("_", " "), []).append(name)
    return "; ".join(f"{names(found)}: {outcome}" for outcome, found in alike.items()) or "-"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
