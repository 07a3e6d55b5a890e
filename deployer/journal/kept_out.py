"""What the store keeps of releases in quarantine, and of what was promoted where: statements and rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from deployer.journal.database import Row
from deployer.journal.statements import text_of
from deployer.model.barriers import Quarantined

# What was released once does not come back because a host that was away tells of it again.
INSERT = """
INSERT INTO quarantine (inventory, hash, release_id, deployment, since, why)
VALUES (:inventory, :hash, :release_id, :deployment, :since, :why)
ON CONFLICT (inventory, hash, deployment) DO NOTHING
"""
HELD = "SELECT * FROM quarantine WHERE released IS NULL{where} ORDER BY since, hash, deployment"
BETWEEN = """
SELECT * FROM quarantine
WHERE (since >= :since AND since <= :until) OR (released >= :since AND released <= :until)
ORDER BY since, hash, deployment
"""
RELEASE = """
UPDATE quarantine SET released = :released, released_by = :released_by
WHERE inventory = :inventory AND hash = :hash AND released IS NULL
"""
PROMOTED = (
    "inventory = :inventory",
    "kind = 'deploy'",
    "source_hash = :source_hash",
    "outcome IN ('deployed', 'unchanged')",
    "finished >= :since",
)
ROLLED_BACK = ("inventory = :inventory", "kind = 'rollback'", "started >= :since")


def rows(inventory: str, entries: Iterable[Quarantined]) -> list[Mapping[str, Any]]:
    """Parameters of :data:`INSERT`."""
    return [
        {
            "inventory": text_of(inventory),
            "hash": entry.hash,
            "release_id": text_of(entry.release),
            "deployment": text_of(entry.deployment),
            "since": entry.time,
            "why": text_of(entry.why),
        }
        for entry in entries
    ]


def entry_of(row: Row) -> tuple[str, Quarantined]:
    """The inventory, and what is in quarantine there."""
    return row["inventory"], Quarantined(row["release_id"], row["deployment"], row["since"], row["why"])
