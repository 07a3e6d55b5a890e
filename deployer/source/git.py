"""A bare mirror of the operator's repository in the cache directory, and what it says of a revision.

The network is used only for what may have moved (branches, tags) or is not here yet. Everything is read from
objects; there is no checkout. A mirror is a cache: one that is damaged is made anew.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.errors import SourceUnavailable, UnknownRevision, UsageError
from deployer.source import explain
from deployer.source.lock import file_lock
from deployer.source.plumbing import Plumbing
from deployer.source.url import check_ref, parse_url

if TYPE_CHECKING:
    from collections.abc import Sequence

LOCAL_TIMEOUT_S = 60.0
"""For a git process that only reads the disk."""

_ID = re.compile(r"[0-9a-f]{40}")
_SOME_ID = re.compile(r"[0-9a-f]{7,40}")
_BASE = re.compile(r"[^~^]+")
_REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_FETCH = ("fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--update-shallow")
_FORMAT = "--format=%H%x00%T%x00%an%x00%ct%x00%s"
# The text is fixed; the values come from the environment, so that no argv ever holds them.
_HELPER = (
    '!f() { printf "username=%s\\npassword=%s\\n" "$DEPLOYER_GIT_USERNAME" "$DEPLOYER_GIT_PASSWORD"; }; f'
)


@dataclass(frozen=True, slots=True)
class Commit:
    """One revision.

    :ivar sha: 40 hex digits.
    :ivar tree: id of its root tree.
    :ivar time: seconds since the epoch, as the committer's clock had it.
    """

    sha: str
    tree: str
    author: str
    time: int
    subject: str


class Mirror:
    """A bare mirror of one repository. Threads and processes may share it.

    :param url: what git can fetch from: a path (relative to the working directory), ``file``, ``ssh``,
        ``user@host:path``, ``https``, ``http``, ``git``.
    :param cache: directory for all mirrors, made (0700) when it is needed.
    :param timeout_s: limit in seconds for one fetch, and for waiting until another process's has ended.
    :raises UsageError: when the URL is not one of these.
    """

    def __init__(self, url: str, cache: Path, *, timeout_s: float = 120.0) -> None:
        self._url = parse_url(url)
        self._timeout_s = timeout_s
        self._name = hashlib.sha256(self._url.plain.encode("utf-8", "surrogateescape")).hexdigest()[:24]
        self._cache = cache
        self.plumbing = Plumbing(cache / f"{self._name}.git")

    @property
    def directory(self) -> Path:
        """Where the mirror is, once something was fetched."""
        return self.plumbing.directory

    @property
    def shown(self) -> str:
        """The repository's address as it may be shown, without credentials."""
        return self._url.shown

    def resolve(self, ref: str, *, fetch: bool | None = None) -> Commit:
        """Find the commit that a branch, tag, commit id or an expression like ``main~1`` names.

        :param fetch: ``None``: only when needed, that is for everything but a commit id that is here already;
            ``True``: always; ``False``: never.
        :raises UnknownRevision: when there is none, with near misses.
        :raises UsageError: when ``ref`` is no name, or names both a branch and a tag.
        :raises SourceUnavailable: when the repository cannot be reached in time.
        """
        check_ref(ref)
        if fetch is not True and self.directory.is_dir() and (fetch is False or self._is_id(ref)):
            commit = self._find(ref)
            if commit is not None:
                return commit
        if fetch is False:
            raise self._unknown(ref)
        with self._locked() as lock:
            self._update(lock, ref)
            commit = self._find(ref)
        if commit is None:
            raise self._unknown(ref)
        return commit

    def fetch(self, ref: str = "") -> None:
        """Bring the mirror up to date, or make it. A damaged one is made anew.

        :param ref: fetched too when it is neither a branch nor a tag (``HEAD``, ``refs/…``, a commit id).
        :raises SourceUnavailable: when that fails or takes too long.
        """
        with self._locked() as lock:
            self._update(lock, ref)

    def rebuild(self, ref: str = "") -> None:
        """Make the mirror anew, after an object turned out to be missing or corrupt.

        :param ref: as for :meth:`fetch`.

        :raises SourceUnavailable: when the repository cannot be fetched; the old mirror is kept then.
        """
        with self._locked() as lock:
            self._sweep()
            self._create(lock, ref)

    def commits(self, *args: str, limit: int) -> tuple[Commit, ...]:
        """Commits that ``git rev-list`` selects, newest first; none when it cannot read them."""
        done = self.plumbing.run(
            "rev-list",
            "--no-commit-header",
            _FORMAT,
            f"--max-count={limit}",
            *args,
            timeout_s=LOCAL_TIMEOUT_S,
        )
        if done.status:
            return ()
        return tuple(_commit(line) for line in done.stdout.decode("utf-8", "replace").split("\n") if line)

    # -- finding ---------------------------------------------------------------------------------------------

    def _is_id(self, ref: str) -> bool:
        base = _base(ref)
        return bool(_SOME_ID.fullmatch(base)) and (len(base) == 40 or not self._named(base))

    def _named(self, base: str) -> list[str]:
        """The branch and the tag of that name, as full refs."""
        done = self._local("for-each-ref", "--format=%(refname)", f"refs/heads/{base}", f"refs/tags/{base}")
        return [r for r in done.splitlines() if r in (f"refs/heads/{base}", f"refs/tags/{base}")]

    def _find(self, ref: str) -> Commit | None:
        base = _base(ref)
        if not _ID.fullmatch(base) and len(self._named(base)) > 1:
            raise UsageError(
                f"{base!r} is both a branch and a tag of {self.shown}: "
                f"say refs/heads/{base} or refs/tags/{base}"
            )
        name = f"refs/deployer/HEAD{ref[len(base) :]}" if base in ("HEAD", "@") else ref
        done = self.plumbing.run(
            "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}", timeout_s=LOCAL_TIMEOUT_S
        )
        if "is ambiguous" in done.stderr:
            raise UnknownRevision(f"commit id {base} is ambiguous in {self.shown}: give more of its digits")
        sha = done.stdout.decode("ascii", "replace").strip()
        if done.status or not _ID.fullmatch(sha):
            return None
        return next(iter(self.commits("--no-walk", sha, "--", limit=1)), None)

    def _unknown(self, ref: str) -> UnknownRevision:
        names: list[str] = []
        if self.directory.is_dir():
            names = self._local(
                "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads", "refs/tags"
            ).splitlines()
        base = _base(ref)
        return UnknownRevision(explain.unknown(ref, base, names, self.shown, offset=ref[len(base) :]))

    def _local(self, *args: str) -> str:
        return self.plumbing.run(*args, timeout_s=LOCAL_TIMEOUT_S).stdout.decode("utf-8", "surrogateescape")

    # -- keeping, all under the lock -------------------------------------------------------------------------

    def _locked(self) -> _Locked:
        return _Locked(self._cache, self._name, self.shown, self._timeout_s)

    def _update(self, lock: int, ref: str) -> None:
        self._sweep()
        if not self.directory.is_dir():
            self._create(lock, ref)
            return
        failure = self._fetch_into(self.plumbing, lock, ref)
        if failure is None:
            self._tidy()
        elif self._sound():
            raise SourceUnavailable(failure)
        else:
            self._create(lock, ref)

    def _create(self, lock: int, ref: str) -> None:
        """Fetch into a new directory, then put it in place: a half-made mirror is never seen."""
        new, old = (Plumbing(self._cache / f"{self._name}.{part}") for part in ("new", "old"))
        done = new.run("init", "--bare", "--quiet", "--template=", timeout_s=LOCAL_TIMEOUT_S)
        if done.status:
            raise SourceUnavailable(
                f"cannot make a git mirror in {self._cache}: {explain.reason(done.stderr)}"
            )
        try:
            failure = self._fetch_into(new, lock, ref)
            if failure is not None:
                raise SourceUnavailable(failure)
            if self.directory.is_dir():
                self.directory.rename(old.directory)
            new.directory.rename(self.directory)
        finally:
            shutil.rmtree(new.directory, ignore_errors=True)
            shutil.rmtree(old.directory, ignore_errors=True)

    def _fetch_into(self, into: Plumbing, lock: int, ref: str) -> str | None:
        """Fetch; answers with a sentence when it failed."""
        failure = self._fetch_specs(into, lock, (*_REFSPECS, *_extra(ref)))
        base = _base(ref) if ref else ""
        if failure is None and _ID.fullmatch(base) and not self._has(into, base):
            # On no branch any more, say after a forced push; many servers hand it out when asked by id.
            self._fetch_specs(into, lock, (f"+{base}:refs/deployer/{base}",))
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
            what=f"fetching {self.shown}",
        )
        return None if done.status == 0 else f"cannot fetch {self.shown}: {explain.failure(done.stderr)}"

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

    def _has(self, where: Plumbing, sha: str) -> bool:
        return where.run("cat-file", "-e", f"{sha}^{{commit}}", timeout_s=LOCAL_TIMEOUT_S).status == 0

    def _sound(self) -> bool:
        done = self.plumbing.run("fsck", "--connectivity-only", "--no-dangling", timeout_s=LOCAL_TIMEOUT_S)
        return done.status == 0

    def _sweep(self) -> None:
        """Remove what a killed git left. Under the lock no git of ours runs, so any lock file is stale."""
        for part in ("new", "old"):
            shutil.rmtree(self._cache / f"{self._name}.{part}", ignore_errors=True)
        for folder, _, files in os.walk(self.directory):
            for name in files:
                if name.endswith(".lock") or name == "gc.pid" or name.startswith(("tmp_", ".tmp-")):
                    (Path(folder) / name).unlink(missing_ok=True)

    def _tidy(self) -> None:
        # gc.auto=0 is set for all; here the repository's size decides as it does after any fetch.
        self.plumbing.run("gc", "--auto", "--quiet", settings=("gc.auto=6700",), timeout_s=self._timeout_s)


class _Locked:
    """The mirror's lock, with the cache directory made and found to be ours."""

    def __init__(self, cache: Path, name: str, shown: str, timeout_s: float) -> None:
        self._cache, self._file = cache, cache / f"{name}.lock"
        self._lock = file_lock(self._file, timeout_s=timeout_s, what=f"the mirror of {shown}")

    def __enter__(self) -> int:
        try:
            self._cache.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self._cache.stat().st_uid != os.geteuid():
                raise UsageError(
                    f"the git cache {self._cache} belongs to another user; "
                    "set XDG_CACHE_HOME to a directory of yours"
                )
            self._cache.chmod(0o700)
            return self._lock.__enter__()
        except OSError as error:
            raise SourceUnavailable(
                f"cannot write the git cache {self._cache}: {error.strerror}; "
                "set XDG_CACHE_HOME to another place"
            ) from None

    def __exit__(self, *exc: object) -> None:
        self._lock.__exit__(None, None, None)


def default_cache() -> Path:
    """``$XDG_CACHE_HOME/deployer/git``, else ``~/.cache/deployer/git``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "deployer" / "git"


def _base(ref: str) -> str:
    """The name in an expression: ``main`` in ``main~1``."""
    found = _BASE.match(ref)
    return found[0] if found else ref


def _extra(ref: str) -> tuple[str, ...]:
    base = _base(ref) if ref else ""
    if base in ("HEAD", "@"):
        return ("+HEAD:refs/deployer/HEAD",)
    known = ("refs/heads/", "refs/tags/", "refs/deployer/")
    return (f"+{base}:{base}",) if base.startswith("refs/") and not base.startswith(known) else ()


def _commit(line: str) -> Commit:
    sha, tree, author, when, subject = line.split("\0", 4)
    return Commit(sha, tree, author, int(when), subject)
