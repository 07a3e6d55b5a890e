"""The tar that makes a release out of a base on the host (docs/agent.md, "Staging"). Pure, but for ``read``.

Deterministic, and shared by all hosts with the same base and release.
"""

from __future__ import annotations

import io
import re
import tarfile
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from deployer.errors import ConfigError
from deployer.globs import matches
from deployer.model import Changes, Kind, Manifest, Release

CACHED_BYTES = 128 << 20  #: of payloads kept for further hosts; the newest one is kept whatever its size

_MODE = re.compile(
    r"(?P<bits>0?[0-7]{3}) (?P<owner>[a-z_][a-z0-9_.-]*(?::[a-z_][a-z0-9_.-]*)?)", re.IGNORECASE
)


@dataclass(frozen=True)
class Payload:
    """What ``stage`` takes: the tar, and the header's ``mode=`` values that belong to it."""

    tar: bytes
    modes: tuple[str, ...]


def build(base: Manifest, release: Release, *, modes: Mapping[str, str], main: str | None) -> Payload:
    """Make the payload.

    :param modes: glob → ``0640 root:www-data``; the last glob that matches a path wins.
    :param main: the main file, whose copy on the host carries the identity line: it is no source for copies.
    :raises ConfigError: a mode that is none.
    """
    target = release.manifest
    changes = Changes.between(base, target)
    before, after = base.by_path, target.by_path
    to_exec = [p for p, e in after.items() if e.kind is Kind.EXEC and _kind(before, p) is not Kind.EXEC]
    to_plain = [p for p, e in after.items() if e.kind is Kind.FILE and _kind(before, p) is Kind.EXEC]
    by_mode = _by_mode(target, modes)
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape"
    ) as tar:
        _add(tar, "manifest", target.encode())
        _add(tar, "remove", _listed(_gone(base, target, changes)))
        _add(tar, "exec", _listed(to_exec))
        _add(tar, "noexec", _listed(to_plain))
        for number, paths in enumerate(by_mode.values()):
            _add(tar, f"modes/{number}", _listed(paths))
        _add_new(tar, base, release, changes, main)
    return Payload(buffer.getvalue(), tuple(f"{number} {mode}" for number, mode in enumerate(by_mode)))


def _add_new(
    tar: tarfile.TarFile, base: Manifest, release: Release, changes: Changes, main: str | None
) -> None:
    before, after = base.by_path, release.manifest.by_path
    touched = {*changes.modified, *changes.added, main}
    copies = {e.content: e.path for e in base.entries if e.kind is not Kind.LINK and e.path not in touched}
    for path in sorted(
        (*changes.added, *changes.modified), key=lambda p: p.encode("utf-8", "surrogateescape")
    ):
        entry, old = after[path], before.get(path)
        if entry.kind is Kind.LINK:
            tar.addfile(_member(f"new/{path}", tarfile.SYMTYPE, entry.content))
        elif old and old.kind is not Kind.LINK and old.content == entry.content:
            continue  # only its executable bit changes
        elif entry.content in copies:
            tar.addfile(_member(f"new/{path}", tarfile.LNKTYPE, f"tree/{copies[entry.content]}"))
        else:
            _add(tar, f"new/{path}", release.read(entry.content))


def _gone(base: Manifest, target: Manifest, changes: Changes) -> list[str]:
    """What has to go before new things are copied: removed paths, and links and what becomes or was one."""
    before, after = base.by_path, target.by_path
    replaced = [p for p in changes.modified if Kind.LINK in {before[p].kind, after[p].kind}]
    return sorted((*changes.removed, *replaced), key=lambda p: p.encode("utf-8", "surrogateescape"))


def _by_mode(target: Manifest, modes: Mapping[str, str]) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    newest_first = [(glob, _parsed(glob, mode)) for glob, mode in reversed(list(modes.items()))]
    for entry in target.entries:
        if entry.kind is Kind.LINK:
            continue
        found = next((mode for glob, mode in newest_first if matches(entry.path, (glob,))), None)
        if found:
            bits, owner = found
            out.setdefault(f"{_with_kind(bits, entry.kind):04o} {owner}", []).append(entry.path)
    return out


def _parsed(glob: str, mode: str) -> tuple[int, str]:
    match = _MODE.fullmatch(mode.strip())
    if not match:
        text = f"{mode!r} is not a mode and an owner, as in '0640 root:www-data'"
        raise ConfigError(text, file="playbook", key=f"target.modes.{glob}")
    return int(match["bits"], 8), match["owner"]


def _with_kind(bits: int, kind: Kind) -> int:
    """Whether a file is executable is the commit's to say, and part of the tree hash."""
    return bits | (bits & 0o444) >> 2 | 0o100 if kind is Kind.EXEC else bits & ~0o111


def _kind(manifest: Mapping[str, object], path: str) -> Kind | None:
    entry = manifest.get(path)
    return getattr(entry, "kind", None)


def _listed(paths: Iterable[str]) -> bytes:
    return b"".join(path.encode("utf-8", "surrogateescape") + b"\0" for path in paths)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.uname = member.gname = "root"
    tar.addfile(member, io.BytesIO(content))


def _member(name: str, kind: bytes, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    member.uname = member.gname = "root"
    return member


@dataclass
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    payload: Payload | None = None


class Payloads:
    """Payloads by what they lead from and to: hosts of a fleet share the bytes, built once, by the first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slots: OrderedDict[tuple[object, ...], _Slot] = OrderedDict()

    def get(self, base: Manifest, release: Release, *, modes: Mapping[str, str], main: str | None) -> Payload:
        """As :func:`build`, remembered."""
        key = (base.hash, release.id, release.manifest.hash, tuple(modes.items()), main)
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
        with slot.lock:
            if slot.payload is None:
                slot.payload = build(base, release, modes=modes, main=main)
        self._forget_old()
        return slot.payload

    def _forget_old(self) -> None:
        with self._lock:
            sizes = [len(s.payload.tar) if s.payload else 0 for s in self._slots.values()]
            total = sum(sizes)
            for size in sizes[:-1]:
                if total <= CACHED_BYTES:
                    return
                self._slots.popitem(last=False)
                total -= size


def contents(blob: bytes) -> dict[str, bytes]:
    """The regular files of a tar that the agent gave, by path. Raises ``tarfile.TarError``."""
    out = {}
    with tarfile.open(fileobj=io.BytesIO(blob), encoding="utf-8", errors="surrogateescape") as tar:
        for member in tar:
            stream = tar.extractfile(member) if member.isreg() else None
            if stream:
                out[member.name.removeprefix("./")] = stream.read()
    return out
