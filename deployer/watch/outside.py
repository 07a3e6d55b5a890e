"""What is asked of others than the hosts: git for what they should have, the journal for what never ended."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from deployer.errors import DeployerError
from deployer.model import Manifest
from deployer.planning.context import cache_directory
from deployer.watch.look import Left, Origin, Past, Wanted

if TYPE_CHECKING:
    from deployer.model import Release
    from deployer.planning.context import Context
    from deployer.source.git import Commit

MANY = 100  #: paths that are named of a difference


class Source:
    """What git has for each host. Rendered anew only when the commit is another one. For one thread."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ref = context.playbook.source.ref
        self._error: str | None = None
        self._commit: Commit | None = None
        self._releases: Mapping[str, Release] = {}
        self._earlier = lru_cache(maxsize=4)(self._released)

    def fetch(self) -> None:
        """Bring the mirror up to date; that it could not be done is told by :meth:`compare`."""
        from deployer.source.git import Mirror

        try:
            commit = Mirror(self._context.repo, cache_directory() / "git").resolve(self._ref)
            if self._commit is None or self._commit.sha != commit.sha:
                self._releases, self._commit = self._released(commit.sha), commit
            self._error = None
        except (DeployerError, OSError) as failed:
            self._error = self._context.veil.hide(str(failed))

    def compare(self, live: Mapping[str, tuple[str, str | None]]) -> Origin:
        """What was fetched, beside what hosts have on disk.

        :param live: by host, the release that is live and the tree hash of what is on disk.
        """
        ref, error, known = self._ref, self._error, self._commit
        if known is None:
            return Origin(ref=ref, error=error)
        wanted = {
            name: self._wanted(name, release, *live.get(name, ("", None)))
            for name, release in self._releases.items()
        }
        return Origin(known.sha, ref, known.subject, error, wanted)

    def _wanted(self, host: str, release: Release, live: str, disk: str | None) -> Wanted:
        tree = release.manifest.hash
        if disk is None or disk == tree:
            return Wanted(release.id, tree)
        return Wanted(release.id, tree, self._differing(host, release.manifest, live))

    def _differing(self, host: str, wanted: Manifest, live: str) -> tuple[str, ...] | None:
        from deployer.model.manifest import Changes

        commit = live.partition("-")[0]
        if len(commit) != 12:
            return None
        try:
            old = self._earlier(commit).get(host)
        except DeployerError:
            return None
        if old is None or old.id != live:
            return None
        found = Changes.between(old.manifest, wanted)
        return tuple(sorted((*found.added, *found.removed, *found.modified)))[:MANY]

    def _released(self, revision: str) -> Mapping[str, Release]:
        from deployer.planning.propose import resolve

        return resolve(self._context, revision)[1]


def ask_journal(context: Context) -> Past:
    """What is in quarantine; what was left, each with the command that ends it; schedules not well.

    Opened and closed each time, so a server that is restarted is only missed while it is away.
    """
    from deployer.journal import schedules
    from deployer.journal.store import Store
    from deployer.running.leasing import lease_name
    from deployer.running.unfinished import cure, open_records
    from deployer.schedule.due import verdicts

    try:
        with Store.open(context.state, read_only=True) as store:
            left = [
                Left(each.record.id, f"{each.told}, was never finished: {cure(context, each.record)}")
                for each in open_records(context, store)
                if each.alive is False
            ]
            quarantined = tuple(entry for _, entry in store.quarantined(context.name))
            lease = lease_name(context)
            known = [each for each in schedules.all_of(store, context.name) if each.lease == lease]
    except DeployerError as error:
        return Past(error=str(error))
    return Past(tuple(left), quarantined, schedules=verdicts(known, time.time()))
