"""What a release holds, path by path, in a form that a host and the controller compute alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType


class Kind(StrEnum):
    """What a path of a release is. Directories are not listed: git does not know them."""

    FILE = "file"
    EXEC = "exec"  #: a file with the executable bit
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of a release.

    :ivar path: relative, ``/`` between parts, no ``.`` or ``..``; bytes that are not UTF-8 as surrogates.
    :ivar content: SHA-256 of the content in hex; for a link its target, as it is stored.
    """

    path: str
    kind: Kind
    content: str


@dataclass(frozen=True)
class Manifest:
    """What a release holds: path, type, executable bit, content or link target. Its hash names the tree.

    The canonical form is what ``find``, ``sort -z`` and ``sha256sum -z`` on a host can write without a
    process per file (docs/agent.md, "Manifest"), so host and controller compute the same hash.
    """

    entries: tuple[Entry, ...]  #: sorted by the bytes of their path

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Manifest:
        """Build from entries in any order."""
        return cls(tuple(sorted(entries, key=lambda e: _raw(e.path))))

    @cached_property
    def by_path(self) -> Mapping[str, Entry]:
        """Entries by their path."""
        return MappingProxyType({e.path: e for e in self.entries})

    def encode(self) -> bytes:
        """The canonical bytes: NUL-terminated records in three sections."""
        files = [e for e in self.entries if e.kind is not Kind.LINK]
        out = [b"files"]
        out += [f"{e.content}  ".encode() + b"./" + _raw(e.path) for e in files]
        out += [b"exec"]
        out += [b"./" + _raw(e.path) for e in files if e.kind is Kind.EXEC]
        out += [b"links"]
        # "//" cannot be in a normalised path, so its first occurrence ends the path.
        out += [b"./" + _raw(e.path) + b"//" + _raw(e.content) for e in self.entries if e.kind is Kind.LINK]
        return b"\0".join(out) + b"\0"

    @classmethod
    def decode(cls, raw: bytes) -> Manifest:
        """Read the canonical bytes back. Raises ``ValueError`` when they are not canonical."""
        records = raw.split(b"\0")
        try:
            if records.pop() or records[0] != b"files":
                raise ValueError("not a manifest")
            at_exec, at_links = records.index(b"exec"), records.index(b"links")
            executable = {_path(r) for r in records[at_exec + 1 : at_links]}
            entries = []
            for record in records[1:at_exec]:
                digest, path = record[:64].decode("ascii"), _path(record[66:])
                entries.append(Entry(path, Kind.EXEC if path in executable else Kind.FILE, digest))
            for record in records[at_links + 1 :]:
                path_raw, _, target = record.partition(b"//")
                entries.append(Entry(_path(path_raw), Kind.LINK, target.decode("utf-8", "surrogateescape")))
        except (IndexError, UnicodeDecodeError) as error:
            raise ValueError("not a manifest") from error
        manifest = cls.of(entries)
        if manifest.encode() != raw:
            raise ValueError("not a canonical manifest")
        return manifest

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical bytes, hex: the *tree hash*."""
        return hashlib.sha256(self.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Changes:
    """What leads from one manifest to another, by path."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    modified: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.modified)

    @classmethod
    def between(cls, old: Manifest, new: Manifest) -> Changes:
        """Compare by path; a changed kind (file, exec, link) counts as modified."""
        before, after = old.by_path, new.by_path
        return cls(
            added=tuple(p for p in after if p not in before),
            removed=tuple(p for p in before if p not in after),
            modified=tuple(p for p, e in after.items() if p in before and before[p] != e),
        )


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _path(raw: bytes) -> str:
    if not raw.startswith(b"./"):
        raise ValueError("not a manifest")
    return raw[2:].decode("utf-8", "surrogateescape")
