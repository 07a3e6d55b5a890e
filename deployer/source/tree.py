"""The manifest of a directory on this machine, as the agent computes it (docs/agent.md, "Manifest")."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from deployer import globs
from deployer.errors import UsageError
from deployer.model import Entry, Kind, Manifest


def manifest_of_directory(directory: Path, preserve: Sequence[str] = ()) -> Manifest:
    """Path, type, executable bit and content of everything below, preserved paths left out.

    :raises UsageError: for a device, socket or fifo.
    :raises OSError: when something cannot be read.
    """
    return Manifest.of(_entries(directory, "", preserve))


def _entries(directory: Path, prefix: str, preserve: Sequence[str]) -> Iterator[Entry]:
    with os.scandir(directory) as found:
        for item in found:
            path = prefix + item.name
            if item.is_dir(follow_symlinks=False):
                yield from _entries(Path(item.path), f"{path}/", preserve)
            elif not globs.matches(path, preserve):
                yield _entry(item, path)


def _entry(item: os.DirEntry[str], path: str) -> Entry:
    if item.is_symlink():
        return Entry(path, Kind.LINK, os.readlink(item.path))  # noqa: PTH115 (Path would tidy the target)
    if not item.is_file():
        raise UsageError(f"{path!r} is neither a file, a directory nor a symlink; remove it")
    with Path(item.path).open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    executable = item.stat(follow_symlinks=False).st_mode & stat.S_IXUSR
    return Entry(path, Kind.EXEC if executable else Kind.FILE, digest)
