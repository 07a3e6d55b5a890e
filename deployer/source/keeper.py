"""Keeping a mirror: made whole or not at all, brought up to date, swept after a kill, made anew when damaged.

All of it under one lock per mirror, which a git process that outlives its controller keeps until it ends.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deployer.errors import SourceUnavailable, UsageError
from deployer.source import explain
from deployer.source.lock import file_lock
from deployer.source.plumbing import LOCAL_TIMEOUT_S, Plumbing
from deployer.source.url import RepoUrl

_ID = re.compile(r"[0-9a-f]{40}")
_REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_FETCH = ("fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--update-shallow")
# The text is fixed; the values come from the environment, so that no argv ever holds them.
_HELPER = (
    '!f() { printf "username=%s\\npassword=%s\\n" "$DEPLOYER_GIT_USERNAME" "$DEPLOYER_GIT_PASSWORD"; }; f'
)


class Keeper:
    """Keeps one mirror in the cache directory. Each method takes the lock.

    :param timeout_s: limit in seconds for one fetch, and for waiting for the lock.
    """

    def __init__(self, url: RepoUrl, cache: Path, timeout_s: float) -> None:
        self._url, self._cache, self._timeout_s = url, cache, timeout_s
        self._name = hashlib.sha256(url.plain.encode("utf-8", "surrogateescape")).hexdigest()[:24]
        self.plumbing = Plumbing(cache / f"{self._name}.git")

    @contextmanager
    def updated(self, name: str = "") -> Iterator[None]:
        """Bring the mirror up to date, or make it, and hold it so while the context lasts.

        :param name: fetched too when it is neither a branch nor a tag (``HEAD``, ``refs/…``, a commit id).
        :raises SourceUnavailable: when that fails or takes too long.
        """
        with self._locked() as lock:
            self._update(lock, name)
            yield

    def rebuild(self, name: str = "") -> None:
        """Make the mirror anew. The old one is kept when that fails.

        :raises SourceUnavailable: when it cannot be fetched.
        """
        with self._locked() as lock:
            self._sweep()
            self._create(lock, name)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        what = f"the mirror of {self._url.shown}"
        try:
            self._cache.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self._cache.stat().st_uid != os.geteuid():
                raise UsageError(
                    f"the git cache {self._cache} belongs to another user; "
                    "set XDG_CACHE_HOME to a directory of yours"
                )
            self._cache.chmod(0o700)
            with file_lock(self._cache / f"{self._name}.lock", timeout_s=self._timeout_s, what=what) as lock:
                yield lock
        except OSError as error:
            raise SourceUnavailable(
                f"cannot use the git cache {self._cache}: {error.strerror}; "
                "set XDG_CACHE_HOME to another place"
            ) from None

    def _update(self, lock: int, name: str) -> None:
        self._sweep()
        if not self.plumbing.directory.is_dir():
            self._create(lock, name)
            return
        failure = self._fetch(self.plumbing, lock, name)
        if failure is None:
            self._tidy()
        elif self._sound():
            raise SourceUnavailable(failure)
        else:
            self._create(lock, name)

    def _create(self, lock: int, name: str) -> None:
        """Fetch into a new directory, then put it in place: a half-made mirror is never seen."""
        live = self.plumbing.directory
        new, old = Plumbing(self._cache / f"{self._name}.new"), self._cache / f"{self._name}.old"
        done = new.run("init", "--bare", "--quiet", "--template=", timeout_s=LOCAL_TIMEOUT_S)
        if done.status:
            raise SourceUnavailable(
                f"cannot make a git mirror in {self._cache}: {explain.reason(done.stderr)}"
            )
        try:
            failure = self._fetch(new, lock, name)
            if failure is not None:
                raise SourceUnavailable(failure)
            if live.is_dir():
                live.rename(old)
            new.directory.rename(live)
        finally:
            shutil.rmtree(new.directory, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)

    def _fetch(self, into: Plumbing, lock: int, name: str) -> str | None:
        """Fetch; answers with a sentence when it failed."""
        failure = self._fetch_specs(into, lock, (*_REFSPECS, *_extra(name)))
        if failure is None and _ID.fullmatch(name) and not _has(into, name):
            # On no branch any more, say after a forced push; many servers hand it out when asked by id.
            self._fetch_specs(into, lock, (f"+{name}:refs/deployer/{name}",))
        return failure

    def _fetch_specs(self, into: Plumbing, lock: int, specs: Sequence[str]) -> str | None:
        settings, environment = self._access(into)
        done = into.run(
            *_FETCH,
            "--end-of-options",
            self._url.plain,
            *specs,
            timeout_s=self._timeout_s,
            settings=settings,
            environment=environment,
            hold=lock,
            what=f"fetching {self._url.shown}",
        )
        return None if done.status == 0 else f"cannot fetch {self._url.shown}: {explain.failure(done.stderr)}"

    def _access(self, into: Plumbing) -> tuple[list[str], dict[str, str]]:
        if self._url.username is not None:
            environment = {
                "DEPLOYER_GIT_USERNAME": self._url.username,
                "DEPLOYER_GIT_PASSWORD": self._url.password or "",
            }
            return ["credential.helper=", f"credential.helper={_HELPER}"], environment
        if self._url.ssh and not os.environ.keys() & {"GIT_SSH", "GIT_SSH_COMMAND"}:
            own = into.run("config", "--get", "core.sshCommand", timeout_s=LOCAL_TIMEOUT_S)
            if own.status:
                return ["core.sshCommand=ssh -oBatchMode=yes -oConnectTimeout=15"], {}
        return [], {}

    def _sound(self) -> bool:
        done = self.plumbing.run("fsck", "--connectivity-only", "--no-dangling", timeout_s=LOCAL_TIMEOUT_S)
        return done.status == 0

    def _sweep(self) -> None:
        """Remove what a killed git left. Under the lock no git of ours runs, so any lock file is stale."""
        for part in ("new", "old"):
            shutil.rmtree(self._cache / f"{self._name}.{part}", ignore_errors=True)
        for folder, _, files in os.walk(self.plumbing.directory):
            for name in files:
                if name.endswith(".lock") or name == "gc.pid" or name.startswith(("tmp_", ".tmp-")):
                    (Path(folder) / name).unlink(missing_ok=True)

    def _tidy(self) -> None:
        # gc.auto=0 is set for all; here the repository's size decides as it does after any fetch.
        self.plumbing.run("gc", "--auto", "--quiet", settings=("gc.auto=6700",), timeout_s=self._timeout_s)


def _extra(name: str) -> tuple[str, ...]:
    if name in ("HEAD", "@"):
        return ("+HEAD:refs/deployer/HEAD",)
    known = ("refs/heads/", "refs/tags/", "refs/deployer/")
    return (f"+{name}:{name}",) if name.startswith("refs/") and not name.startswith(known) else ()


def _has(where: Plumbing, sha: str) -> bool:
    return where.run("cat-file", "-e", f"{sha}^{{commit}}", timeout_s=LOCAL_TIMEOUT_S).status == 0
