"""A bare mirror of the operator's repository in the cache directory, and what it says of a revision.

The network is used only for what may have moved (branches, tags) or is not here yet. Everything is read from
objects; there is no checkout. A mirror is a cache: one that is damaged is made anew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import UnknownRevision, UsageError
from deployer.source import explain
from deployer.source.keeper import Keeper
from deployer.source.plumbing import LOCAL_TIMEOUT_S
from deployer.source.url import check_ref, parse_url

_ID = re.compile(r"[0-9a-f]{40}")
_SOME_ID = re.compile(r"[0-9a-f]{7,40}")
_BASE = re.compile(r"[^~^]+")
_FORMAT = "--format=%H%x00%T%x00%an%x00%ct%x00%s"


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
        self._keeper = Keeper(self._url, cache, timeout_s)
        self.plumbing = self._keeper.plumbing

    @property
    def directory(self) -> Path:
        """Where the mirror is, once something was fetched."""
        return self.plumbing.directory

    @property
    def shown(self) -> str:
        """The repository's address as it may be shown, without credentials."""
        return self._url.shown

    def _is_here(self) -> bool:
        try:
            return self.directory.is_dir()
        except OSError:
            return False  # why is told by whoever has to make it

    def resolve(self, ref: str, *, fetch: bool | None = None) -> Commit:
        """Find the commit that a branch, tag, commit id or an expression like ``main~1`` names.

        :param fetch: ``None``: only when needed, that is for everything but a commit id that is here already;
            ``True``: always; ``False``: never.
        :raises UnknownRevision: when there is none, with near misses.
        :raises UsageError: when ``ref`` is no name, or names both a branch and a tag.
        :raises SourceUnavailable: when the repository cannot be reached in time.
        """
        check_ref(ref)
        if fetch is not True and self._is_here() and (fetch is False or self._is_id(ref)):
            commit = self._find(ref)
            if commit is not None:
                return commit
        if fetch is False:
            raise self._unknown(ref)
        with self._keeper.updated(_base(ref)):
            commit = self._find(ref)
        if commit is None:
            raise self._unknown(ref)
        return commit

    def fetch(self, ref: str = "") -> None:
        """Bring the mirror up to date, or make it. A damaged one is made anew.

        :param ref: fetched too when it is neither a branch nor a tag (``HEAD``, ``refs/…``, a commit id).
        :raises SourceUnavailable: when that fails or takes too long.
        """
        with self._keeper.updated(_base(ref)):
            pass

    def rebuild(self, ref: str = "") -> None:
        """Make the mirror anew, after an object turned out to be missing or corrupt.

        :param ref: as for :meth:`fetch`.
        :raises SourceUnavailable: when the repository cannot be fetched; the old mirror is kept then.
        """
        self._keeper.rebuild(_base(ref))

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
        if done.status and "is ambiguous" in done.stderr:
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


def _base(ref: str) -> str:
    """The name in an expression: ``main`` in ``main~1``."""
    found = _BASE.match(ref)
    return found[0] if found else ref


def _commit(line: str) -> Commit:
    sha, tree, author, when, subject = line.split("\0", 4)
    return Commit(sha, tree, author, int(when), subject)
