"""Whose the lease of an inventory is, and giving it back in somebody else's name. No host is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deployer.journal.lease import Held, look, release
from deployer.report.words import clean, duration, iso
from deployer.running.leasing import lease_name, told
from deployer.running.living import command, how_to_end, which
from deployer.running.unfinished import at_work, open_records

if TYPE_CHECKING:
    from deployer.journal.store import Store
    from deployer.planning.context import Context

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
    at_work: str | None = None  #: a deployment of this machine that has no lease, and goes on all the same

    @property
    def lines(self) -> list[str]:
        """For a person."""
        if self.held is None:
            nobody = f"{self.inventory}: nobody holds its lease"
            return [f"{nobody}; but {self.at_work}" if self.at_work else nobody]
        held = self.held
        said = [f"{self.inventory} is taken by {told(held)}"]
        lapsed = (
            f"It was not renewed for {duration(held.silent_s)} and has lapsed: whoever asks next gets it."
        )
        return [*said, *([lapsed] if held.lapsed else []), self._process(held)]

    @property
    def ended(self) -> str:
        """What a person is told once the lease is released."""
        if self.held is not None and self.held.alive:
            pid = self.held.owner.process.pid
            return f"released: but pid {pid} goes on, and a deploy from this machine refuses while it does"
        return f"released: the next deploy of {self.inventory} need not wait"

    def _process(self, held: Held) -> str:
        process = held.owner.process
        if held.alive:
            how = how_to_end(process, self.inventory)
            return f"That process lives ({which(process)}): it will go on, and the hosts let it: {how}."
        if held.alive is False:
            return "That process is gone: whoever asks next on this machine gets the lease."
        return f"Whether that process lives can only be seen on {clean(held.owner.host)}."

    def as_json(self, *, exit_code: int = 0, reason: str | None = None) -> dict[str, Any]:
        """The document of ``unlock --json``."""
        return {
            "inventory": self.inventory,
            "held": self.held is not None and not self.released,
            "released": self.released,
            "owner": None if self.held is None else _owner(self.held),
            "at_work": self.at_work,
            "exit_code": exit_code,
            "reason": reason,
        }


def find(context: Context, store: Store) -> Finding:
    """Whose it is.

    :raises StoreUnavailable: when the store cannot be asked.
    """
    name = lease_name(context)
    held = store.wait(store.call(lambda session: look(session, name)))
    if held is not None:
        return Finding(context.name, held)
    living = (at_work(each, context.name) for each in open_records(context, store) if each.alive)
    return Finding(context.name, None, at_work=next(living, None))


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
        "command": command(owner.process),
        "deployment": owner.deployment,
        "kind": owner.kind,
        "since": iso(held.since),
        "renewed": iso(held.renewed),
        "silent_seconds": round(held.silent_s, 3),
        "lapsed": held.lapsed,
    }
