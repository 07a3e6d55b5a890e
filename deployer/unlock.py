"""Whose the lease of an inventory is, and giving it back in somebody else's name. No host is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deployer.journal.lease import Held, look, release
from deployer.leasing import lease_name, told
from deployer.report.words import duration, iso

if TYPE_CHECKING:
    from deployer.context import Context
    from deployer.journal.store import Store

HOSTS = (
    "This frees the lease alone. Hosts that the deployment took stay its own while it lives. They are free "
    "when it was silent for 10 minutes or its guard has fired; 'deployer rollback' takes them at once."
)


@dataclass(frozen=True)
class Finding:
    """What is known of a lease."""

    inventory: str
    held: Held | None
    released: bool = False

    @property
    def lines(self) -> list[str]:
        """For a person."""
        if self.held is None:
            return [f"{self.inventory}: nobody holds its lease"]
        held = self.held
        said = [f"{self.inventory} is taken by {told(held)}"]
        lapsed = (
            f"It was not renewed for {duration(held.silent_s)} and has lapsed: whoever asks next gets it."
        )
        process = {
            True: "That process lives: it will go on, and the hosts let it.",
            False: "That process is gone: whoever asks next on this machine gets the lease.",
            None: f"Whether that process lives can only be seen on {held.owner.host}.",
        }
        return [*said, *([lapsed] if held.lapsed else []), process[held.alive]]

    def as_json(self, *, exit_code: int = 0, reason: str | None = None) -> dict[str, Any]:
        """The document of ``unlock --json``."""
        return {
            "inventory": self.inventory,
            "held": self.held is not None and not self.released,
            "released": self.released,
            "owner": None if self.held is None else _owner(self.held),
            "exit_code": exit_code,
            "reason": reason,
        }


def find(context: Context, store: Store) -> Finding:
    """Whose it is.

    :raises StoreUnavailable: when the store cannot be asked.
    """
    name = lease_name(context)
    return Finding(context.name, store.wait(store.call(lambda session: look(session, name))))


def unlock(finding: Finding, store: Store) -> Finding:
    """Give the lease back, if it is still the one that was found.

    :raises StoreUnavailable: when the store cannot be asked.
    """
    held = finding.held
    if held is None:
        return finding
    done = store.wait(store.call(lambda session: release(session, held.name, held.owner.token)))
    return Finding(finding.inventory, held, released=done)


def _owner(held: Held) -> dict[str, Any]:
    owner = held.owner
    return {
        "who": owner.who,
        "host": owner.host,
        "pid": owner.process.pid,
        "alive": held.alive,
        "deployment": owner.deployment,
        "kind": owner.kind,
        "since": iso(held.since),
        "renewed": iso(held.renewed),
        "silent_seconds": round(held.silent_s, 3),
        "lapsed": held.lapsed,
    }
