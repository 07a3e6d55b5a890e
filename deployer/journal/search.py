"""Which deployments are looked for: conditions for the database, and what only Python can judge."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from deployer.model import DeploymentRecord, Outcome, State

if TYPE_CHECKING:
    from deployer.journal.store import Store
    from deployer.model import Event

PAGE = 200  #: records that are read at once
UNFINISHED, FAILED = "unfinished", "failed"
OUTCOMES = (*(outcome.value for outcome in Outcome), UNFINISHED, FAILED)
"""What ``outcome`` may be; *failed* is all that did not end with 0, the unfinished ones among them."""

_HEX = re.compile(r"[0-9a-f]{4,40}")


@dataclass(frozen=True)
class Wanted:
    """What a deployment has to be; ``None`` is anything.

    :ivar host: names or globs parted by ``:`` or ``,``; with ``!`` in front: not these.
    :ivar revision: as it was asked for, or the beginning (four letters or more) of a commit or a release.
    :ivar since: seconds since the epoch: it ended later, or has not.
    :ivar until: likewise: it was begun before.
    """

    inventory: str | None = None
    host: str | None = None
    revision: str | None = None
    outcome: str | None = None
    since: float | None = None
    until: float | None = None

    def conditions(self) -> tuple[list[str], dict[str, object]]:
        """For the database; what is not said here is judged by :meth:`fits`."""
        said: dict[str, object] = {}
        where = []
        if self.inventory is not None:
            where.append("inventory = :inventory")
            said["inventory"] = self.inventory
        if self.since is not None:
            where.append("(finished IS NULL OR finished >= :since)")
            said["since"] = self.since
        if self.until is not None:
            where.append("COALESCE(first_started, started) <= :until")
            said["until"] = self.until
        if self.outcome == UNFINISHED:
            where.append("finished IS NULL")
        elif self.outcome == FAILED:
            where.append("(finished IS NULL OR exit_code <> 0)")
        elif self.outcome is not None:
            where.append("outcome = :outcome")
            said["outcome"] = self.outcome
        return where, said

    def fits(self, record: DeploymentRecord, events: Callable[[], tuple[Event, ...]]) -> bool:
        """Judge what the database was not asked.

        :param events: of the record, asked for only where its result does not say enough.
        """
        return (self.revision is None or self._brought(record)) and (
            self.host is None or any(map(self.matches, hosts_of(record, events)))
        )

    def matches(self, host: str) -> bool:
        """Whether that host is meant."""
        parts = [part.strip() for part in re.split("[:,]", self.host or "*") if part.strip()]
        if self.host is not None and host == self.host:
            return True  # an IPv6 address is a name as well
        no = [part[1:] for part in parts if part.startswith("!")]
        yes = [part for part in parts if not part.startswith("!")] or ["*"]
        return any(fnmatchcase(host, part) for part in yes) and not any(fnmatchcase(host, p) for p in no)

    def _brought(self, record: DeploymentRecord) -> bool:
        wanted = (self.revision or "").lower()
        if wanted in {(record.revision or "").lower(), (record.commit or "").lower()}:
            return True
        releases = [] if record.result is None else [h.release or "" for h in record.result.hosts.values()]
        if wanted in releases:
            return True
        if not _HEX.fullmatch(wanted):
            return False
        commits = [record.commit or "", *(release.partition("-")[0] for release in releases)]
        return any(c.startswith(wanted[: len(c)] if len(c) == 12 else wanted) for c in commits if c)


def hosts_of(record: DeploymentRecord, events: Callable[[], tuple[Event, ...]]) -> tuple[str, ...]:
    """The hosts that had a part in it: by its result, else by its plan."""
    if record.result is not None:
        return tuple(record.result.hosts)
    found: dict[str, None] = {}
    for event in events():
        planned = event.detail.get("hosts")
        if event.step == "plan" and event.state is State.SUCCEEDED and isinstance(planned, dict):
            found |= dict.fromkeys(map(str, planned))
        elif event.host is not None:
            found[event.host] = None
    return tuple(found)


def search(store: Store, wanted: Wanted, *, limit: int) -> Iterator[DeploymentRecord]:
    """Newest first, at most ``limit`` of them.

    :raises StoreUnavailable: when the journal cannot be asked.
    """
    where, said = wanted.conditions()
    found, last = 0, None
    while found < limit:
        page = store.page(where, said, before=last, limit=PAGE)
        for record in page:
            if wanted.fits(record, lambda r=record: store.events(r.id)):  # type: ignore[misc]
                yield record
                found += 1
                if found == limit:
                    return
        if len(page) < PAGE:
            return
        last = page[-1]
