"""What one commit holds under ``source.path``: names, kinds, digests. Nothing is written to disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer.errors import Refused, UsageError
from deployer.model import Kind
from deployer.source.blobs import Blobs, DamagedMirror
from deployer.source.plumbing import LOCAL_TIMEOUT_S

if TYPE_CHECKING:
    from deployer.source.git import Commit, Mirror
    from deployer.source.plumbing import Plumbing

MAX_FILES = 50_000
MAX_FILE_BYTES = 128 << 20
MAX_TREE_BYTES = 1 << 30
MEMORY_BYTES = 16 << 20
"""Contents kept in memory; what exceeds this is read from git when it is asked for."""

LEFT_OUT = frozenset({".gitattributes", ".gitignore", ".gitkeep", ".gitmodules"})
"""Files that speak to git, not to the target."""

_KINDS = {b"100644": Kind.FILE, b"100664": Kind.FILE, b"100755": Kind.EXEC, b"120000": Kind.LINK}
_LFS = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")
_MAX_LINK_BYTES = 4096
_NAMED = 5  # names in one message


@dataclass(frozen=True, slots=True)
class Blob:
    """One path of the commit. Bytes of the path that are not UTF-8 are surrogates."""

    path: str
    kind: Kind
    oid: str
    size: int


@dataclass(frozen=True)
class Snapshot:
    """One commit's tree under ``source.path``, hashed.

    :ivar tree: git tree id of the path.
    :ivar digests: SHA-256 of the content by git object id, for every blob.
    :ivar small: contents of the first :data:`MEMORY_BYTES`, by git object id.
    """

    commit: Commit
    tree: str
    files: tuple[Blob, ...]
    digests: dict[str, str]
    small: dict[str, bytes]
    blobs: Blobs

    def content(self, oid: str) -> bytes:
        """A blob's content. Raises ``SourceUnavailable`` when git cannot give it."""
        known = self.small.get(oid)
        return self.blobs.read(oid) if known is None else known


def take(mirror: Mirror, commit: Commit, path: str = ".") -> Snapshot:
    """Read and hash everything under ``path``; a damaged mirror is made anew, once.

    :raises UsageError: when the commit has no such directory, or nothing in it.
    :raises Refused: for submodules, LFS pointers and what exceeds the limits, naming them.
    :raises SourceUnavailable: when git cannot read it.
    """
    try:
        return _take(mirror, commit, path)
    except DamagedMirror:
        mirror.rebuild(commit.sha)
        return _take(mirror, commit, path)


def _take(mirror: Mirror, commit: Commit, path: str) -> Snapshot:
    tree = _tree_id(mirror.plumbing, commit, _parts(path), mirror.shown)
    files = _list(mirror.plumbing, tree, f"{commit.sha[:12]} of {mirror.shown}")
    if not files:
        raise UsageError(
            f"commit {commit.sha[:12]} of {mirror.shown} holds no file under source.path {path!r}"
        )
    blobs = Blobs(mirror.plumbing)
    digests, small, pointers = _hash(blobs, files)
    lfs = [file.path for file in files if file.oid in pointers and file.kind is not Kind.LINK]
    if lfs:
        raise Refused(
            f"{some(lfs)} of {mirror.shown} is a Git LFS pointer, not the file itself; "
            "commit the file, or keep it out of source.path"
        )
    return Snapshot(commit, tree, files, digests, small, blobs)


def _parts(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or ".git" in parts or "\0" in path:
        raise UsageError(
            f"source.path {path!r} is not a directory inside the repository: give a relative path"
        )
    return parts


def _tree_id(plumbing: Plumbing, commit: Commit, parts: list[str], repo: str) -> str:
    if not parts:
        return commit.tree
    path = "/".join(parts)
    done = plumbing.run("ls-tree", "-z", "--full-tree", commit.sha, "--", path, timeout_s=LOCAL_TIMEOUT_S)
    if done.status:
        raise DamagedMirror(f"git cannot read commit {commit.sha[:12]} of {repo}")
    kind, oid = ("", "") if not done.stdout else done.stdout.split(b"\t")[0].decode().split()[1:3]
    if kind != "tree":
        what = {"": "is not there", "commit": "is a submodule"}.get(kind, "is no directory")
        raise UsageError(f"source.path {path!r} {what} in commit {commit.sha[:12]} of {repo}")
    return oid


def _list(plumbing: Plumbing, tree: str, where: str) -> tuple[Blob, ...]:
    done = plumbing.run("ls-tree", "-r", "-z", "-l", "--full-tree", tree, timeout_s=LOCAL_TIMEOUT_S)
    if done.status:
        raise DamagedMirror(f"git cannot read commit {where}")
    files, submodules = [], []
    for record in filter(None, done.stdout.split(b"\0")):
        head, _, raw = record.partition(b"\t")
        mode, _, oid, size = head.split()
        if size == b"BAD":  # git's word for an object that it cannot read
            raise DamagedMirror(f"git cannot read all of commit {where}")
        path = raw.decode("utf-8", "surrogateescape")
        if mode == b"160000":
            submodules.append(path)
        elif mode not in _KINDS or not {"", ".", "..", ".git"}.isdisjoint(path.split("/")):
            raise Refused(
                f"{path!r} in commit {where} is nothing that can be put on a host (mode {mode.decode()})"
            )
        elif path.rpartition("/")[2] not in LEFT_OUT:
            files.append(Blob(path, _KINDS[mode], oid.decode(), int(size) if size != b"-" else 0))
    if submodules:
        raise Refused(
            f"{some(submodules)} in commit {where} is a submodule, whose files are not in this repository; "
            "commit the files, or keep it out of source.path"
        )
    _limits(files, where)
    return tuple(files)


def _limits(files: list[Blob], where: str) -> None:
    if len(files) > MAX_FILES or sum(file.size for file in files) > MAX_TREE_BYTES:
        raise Refused(f"commit {where} holds more than {MAX_FILES} files or 1 GiB; narrow source.path")
    big = [f.path for f in files if f.size > (_MAX_LINK_BYTES if f.kind is Kind.LINK else MAX_FILE_BYTES)]
    if big:
        raise Refused(f"{some(big)} in commit {where} is larger than 128 MiB, or a link longer than 4 KiB")


def _hash(blobs: Blobs, files: tuple[Blob, ...]) -> tuple[dict[str, str], dict[str, bytes], set[str]]:
    links = {file.oid for file in files if file.kind is Kind.LINK}
    sizes = {file.oid: file.size for file in files}
    # Links first, for their target is needed anyway; then the small ones: most files for the memory.
    oids = sorted(sizes, key=lambda oid: (oid not in links, sizes[oid]))
    small: dict[str, bytes] = {}
    pointers: set[str] = set()
    room = MEMORY_BYTES

    def digest(oid: str, chunks: Iterator[bytes]) -> str:
        nonlocal room
        if sizes[oid] > room:
            sha = hashlib.sha256()
            for chunk in chunks:
                sha.update(chunk)
            return sha.hexdigest()
        content = b"".join(chunks)
        room -= len(content)
        small[oid] = content
        if content.startswith(_LFS):
            pointers.add(oid)
        return hashlib.sha256(content).hexdigest()

    wanted = iter(oids)
    digests = dict(zip(oids, blobs.each(oids, lambda chunks: digest(next(wanted), chunks)), strict=True))
    blobs.close()
    return digests, small, pointers


def some(paths: list[str]) -> str:
    """A few paths for a sentence, quoted, and how many more there are."""
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(ascii(path) if not path.isprintable() else repr(path) for path in paths[:_NAMED]) + more
