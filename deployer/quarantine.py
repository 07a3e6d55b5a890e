"""What is in quarantine, by the store and by the hosts, and letting a release out of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deployer.errors import UsageError
from deployer.journal.ids import new_deployment_id, who
from deployer.model import RELEASE_ID
from deployer.model.barriers import Quarantined, hash_of
from deployer.planning.gating import known
from deployer.planning.sentence import acquit
from deployer.report.words import clean, iso, minute, names
from deployer.rollout.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deployer.errors import HostError
    from deployer.journal.store import Store
    from deployer.planning.context import Context

_HASH = re.compile(r"[0-9a-f]{6,64}")
HASH_DIGITS = 12  #: of a tree's hash, as release ids have them


@dataclass(frozen=True, slots=True)
class Entry:
    """One release in quarantine.

    :ivar hosts: that know of it, as far as they were asked.
    :ivar stored: the store knows of it.
    """

    inventory: str
    quarantined: Quarantined
    hosts: tuple[str, ...] = ()
    stored: bool = True

    @property
    def hash(self) -> str:
        """What is meant, whatever commit brings it."""
        return self.quarantined.hash

    def as_json(self) -> dict[str, Any]:
        """One of ``quarantine list --json``."""
        entry = self.quarantined
        return {
            "inventory": self.inventory,
            "hash": entry.hash,
            "release": entry.release,
            "deployment": entry.deployment,
            "since": iso(entry.time),
            "why": entry.why,
            "hosts": list(self.hosts),
            "journal": self.stored,
        }


@dataclass(frozen=True)
class Kept:
    """What was found.

    :ivar silent: hosts that could not be asked, and why.
    """

    entries: tuple[Entry, ...]
    silent: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The document of ``quarantine list --json``."""
        return {
            "quarantine": [entry.as_json() for entry in self.entries],
            "unreachable": dict(self.silent),
            "exit_code": 0,
        }


@dataclass(frozen=True)
class Released:
    """What became of a release from quarantine.

    :ivar hosts: that forgot it.
    :ivar left: that could not be told, or asked.
    """

    inventory: str
    hash: str
    hosts: tuple[str, ...]
    left: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """6 when hosts were left behind."""
        return 6 if self.left else 0

    @property
    def reason(self) -> str | None:
        """Who was left behind."""
        if not self.left:
            return None
        return (
            f"{names(self.left)} could not be told and may go on refusing it: say it again when they answer"
        )

    @property
    def told(self) -> str:
        """For a person."""
        where = f"the journal and {names(self.hosts)}" if self.hosts else "the journal"
        return f"{where} let it be deployed again"

    def as_json(self, *, exit_code: int, reason: str | None) -> dict[str, Any]:
        """The document of ``quarantine release --json``."""
        return {
            "inventory": self.inventory,
            "hash": self.hash,
            "released": exit_code in (0, 6),
            "hosts": list(self.hosts),
            "unreachable": list(self.left),
            "exit_code": exit_code,
            "reason": reason,
        }


def of_store(store: Store) -> Kept:
    """All that the store knows, of every inventory.

    :raises StoreUnavailable: when it cannot be asked.
    """
    return Kept(tuple(Entry(inventory, entry) for inventory, entry in store.quarantined()))


def of_inventory(context: Context, store: Store) -> Kept:
    """What the store and the hosts of one inventory know.

    :raises StoreUnavailable: when the store cannot be asked.
    """
    with _survey(context) as survey:
        survey.observe(hash_disk=False)
        return _found(context, survey, store)


def meant(found: Kept, asked: str) -> Kept:
    """Those entries that are meant by a release's id, or a hash or its beginning.

    :raises UsageError: when there is none, or several fit.
    """
    wanted = hash_of(asked) if RELEASE_ID.fullmatch(asked) else asked
    if not _HASH.fullmatch(wanted):
        raise UsageError(f"{clean(asked)!r} is no release, nor its hash (6 hexadecimal digits at least)")
    wanted = wanted[:HASH_DIGITS]
    hashes = sorted({entry.hash for entry in found.entries if entry.hash.startswith(wanted)})
    if len(hashes) == 1:
        return Kept(tuple(e for e in found.entries if e.hash == hashes[0]), found.silent)
    there = ", ".join(sorted({entry.quarantined.release for entry in found.entries})) or "nothing"
    if hashes:
        raise UsageError(f"{asked!r} fits {', '.join(hashes)}: write more of it")
    away = f" ({names(found.silent)} could not be asked)" if found.silent else ""
    raise UsageError(f"{clean(asked)!r} is not in quarantine; there is {there}{away}")


def release(context: Context, store: Store, entries: Kept) -> Released:
    """Let one release, as :func:`meant` found it, be deployed again: in the store, then on its hosts.

    :raises StoreUnavailable: when the store cannot be asked; then nothing was changed.
    """
    entry = entries.entries[0]
    store.release_quarantine(context.name, entry.hash, who())
    holders = sorted({host for each in entries.entries for host in each.hosts})
    with _survey(context) as survey:
        deployment = new_deployment_id()
        there = {name: contact for name, contact in survey.contacts.items() if name in holders}
        failed = acquit(deployment, entry.quarantined.release, there)
    left = sorted({*failed, *entries.silent})
    return Released(context.name, entry.hash, tuple(h for h in holders if h not in failed), tuple(left))


def lines(found: Kept) -> Iterator[str]:
    """What was found, for a person."""
    if not found.entries:
        yield "nothing is in quarantine"
    for entry in found.entries:
        kept = entry.quarantined
        yield f"{clean(entry.inventory)}  {clean(kept.release)}  since {minute(kept.time)} UTC"
        yield f"    by {clean(kept.deployment)}: {clean(kept.why)}"
        where = (["the journal"] if entry.stored else []) + ([names(entry.hosts)] if entry.hosts else [])
        yield f"    known to {' and '.join(where)}"
    for name, why in found.silent.items():
        yield f"{name}: DOES NOT ANSWER, so what it knows is not listed: {clean(why)}"


def _survey(context: Context) -> Survey:
    target, parallel = context.playbook.target_spec(), context.playbook.rollout.parallel
    return Survey(
        context.hosts,
        target,
        context.ssh,
        parallel=parallel,
        hide=context.veil.hide,
    )


def _found(context: Context, survey: Survey, store: Store) -> Kept:
    stored = {entry.hash for _, entry in store.quarantined(context.name)}
    merged: dict[tuple[str, str], Entry] = {}
    for entry, hosts in known(context, survey.answered, store).items():
        key = (entry.hash, entry.deployment)
        before = merged.get(key)
        all_hosts = sorted({*(before.hosts if before is not None else ()), *hosts})
        merged[key] = Entry(context.name, entry, tuple(all_hosts), entry.hash in stored)
    silent: Mapping[str, HostError] = survey.silent
    ordered = sorted(merged.values(), key=lambda each: each.quarantined.time)
    return Kept(tuple(ordered), {name: str(error) for name, error in silent.items()})
