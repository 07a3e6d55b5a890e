"""Which host keys are trusted. Strict: what no line of known_hosts holds is refused.

The lines are read here and not by paramiko, which knows no markers, no patterns and no second file, and which
asks a host for an RSA key by an algorithm that servers refuse since OpenSSH 8.8.
Format: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT".
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

log = logging.getLogger("deployer")

REVOKED, AUTHORITY = "@revoked", "@cert-authority"


@dataclass(frozen=True, slots=True)
class Line:
    """One key of a known_hosts file."""

    file: Path
    number: int
    marker: str  #: ``""``, ``@revoked`` or ``@cert-authority``
    patterns: tuple[str, ...]
    key_type: str
    blob: bytes

    @property
    def where(self) -> str:
        """``file:line`` for a sentence."""
        return f"{self.file}:{self.number}"

    def names(self, name: str) -> bool:
        """Whether the line is about that name (lower case, ``[name]:port`` for a port that is not 22)."""
        hit = False
        for pattern in self.patterns:
            if pattern.startswith("!"):
                if _like(name, pattern[1:]):
                    return False
            elif pattern.startswith("|1|"):
                hit = hit or _is_hash_of(name, pattern)
            else:
                hit = hit or _like(name, pattern)
        return hit


class KnownHosts:
    """The lines of several files, in order."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._by_name: dict[str, list[Line]] = {}
        self._patterns: list[Line] = []
        for line in lines:
            if line.marker or any(set(p) & set("*?!|") for p in line.patterns):
                self._patterns.append(line)
            else:
                for pattern in line.patterns:
                    self._by_name.setdefault(pattern, []).append(line)

    @classmethod
    def load(cls, files: Sequence[Path]) -> KnownHosts:
        """Read what is there; a missing file is an empty one, a line that makes no sense is warned about."""
        return _load(tuple((f, _stamp(f)) for f in files))

    def about(self, name: str) -> list[Line]:
        """All lines, marked ones too, that name the host."""
        return self._by_name.get(name, []) + [line for line in self._patterns if line.names(name)]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What known_hosts says of a key: trusted, or one sentence that says why not."""

    trusted: bool
    sentence: str = ""


def judge(known: KnownHosts, names: Sequence[str], *, where: str, key_type: str, blob: bytes) -> Verdict:
    """Decide about the key that a host presented.

    :param names: as in :attr:`Route.known_as`; the second, without the port, only ever confirms a key.
    :param where: ``address:port`` for the sentence.
    """
    found = [line for name in names for line in known.about(name)]
    fingerprint = f"{_short(key_type)} key {fingerprint_of(blob)}"
    for line in found:
        if line.marker == REVOKED and line.blob == blob:
            text = f"the {fingerprint} of {where} is marked @revoked in {line.where}: do not trust this host"
            return Verdict(False, text)
    plain = [line for line in found if not line.marker]
    if any(line.blob == blob for line in plain):
        return Verdict(True)
    precise = [line for line in plain if line.names(names[0])]
    if precise:
        old = next((line for line in precise if line.key_type == key_type), precise[0])
        return Verdict(
            False,
            f"the host key of {where} has changed: it answers with the {fingerprint}, but {old.where} holds "
            f"the {_short(old.key_type)} key {fingerprint_of(old.blob)}; if the host was reinstalled replace "
            "that line, else somebody may be in between",
        )
    advice = f"compare it with the host's own (ssh-keygen -lf) and add it to known_hosts under {names[0]}"
    authority = next((line for line in found if line.marker == AUTHORITY), None)
    if authority:
        advice = (
            f"{authority.where} trusts a certificate authority, but host certificates are not read: {advice}"
        )
    return Verdict(False, f"the {fingerprint} of {where} is unknown; {advice}")


def key_types(known: KnownHosts, names: Sequence[str]) -> list[str]:
    """Types of key that are known for the host, so that it is asked for one of these."""
    lines = [line for name in names for line in known.about(name) if not line.marker]
    return list(dict.fromkeys(line.key_type for line in lines))


def fingerprint_of(blob: bytes) -> str:
    """``SHA256:…`` as ssh-keygen prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def parse(text: str, file: Path) -> list[Line]:
    """Read the lines of one file; those that make no sense are left out with a warning."""
    out = []
    for number, raw in enumerate(text.splitlines(), 1):
        fields = raw.split()
        if not fields or fields[0].startswith("#"):
            continue
        marker = fields.pop(0) if fields[0].startswith("@") else ""
        try:
            patterns, key_type, encoded = fields[:3]
            blob = base64.b64decode(encoded, validate=True)
            if marker not in {"", REVOKED, AUTHORITY} or not blob:
                raise ValueError(marker)
        except (ValueError, binascii.Error):
            log.warning("%s:%d: not a known_hosts line, left out", file, number)
            continue
        names = tuple(p if p.startswith("|") else p.lower() for p in patterns.split(","))
        out.append(Line(file, number, marker, names, key_type, blob))
    return out


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=16)
def _load(files: tuple[tuple[Path, tuple[int, int] | None], ...]) -> KnownHosts:
    lines: list[Line] = []
    for file, stamp in files:
        if stamp is None:
            continue
        try:
            lines += parse(file.read_text(encoding="utf-8", errors="replace"), file)
        except OSError as error:
            log.warning("%s: cannot be read, left out: %s", file, error.strerror)
    return KnownHosts(lines)


def _short(key_type: str) -> str:
    for name in ("ed25519", "ecdsa", "rsa", "dss"):
        if name in key_type:
            return name.upper()
    return key_type


def _like(name: str, pattern: str) -> bool:
    if "*" not in pattern and "?" not in pattern:
        return name == pattern
    # fnmatch reads brackets as a set; in known_hosts they are the literal ones of [name]:port.
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


def _is_hash_of(name: str, pattern: str) -> bool:
    try:
        _, _, salt, digest = pattern.split("|")
        expected = base64.b64decode(digest)
        return hmac.compare_digest(hmac.digest(base64.b64decode(salt), name.encode(), "sha1"), expected)
    except (ValueError, binascii.Error):
        return False
