"""Who signed what is deployed: verified by git itself, with the operator's own list of keys and nothing else.

A file of ``source.signed_by`` is an ssh allowed-signers file, or OpenPGP public keys as ``gpg --export``
writes them (armoured or not); which, its content says. Neither the configuration of the repository nor a key
ring of whoever runs this is believed: OpenPGP keys are read into a ring that lasts as long as the question.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from deployer.errors import UsageError
from deployer.source.plumbing import LOCAL_TIMEOUT_S

if TYPE_CHECKING:
    from deployer.source.git import Commit, Mirror

ARMOUR = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
SSH, PGP, X509 = "ssh", "gpg", "x509"
PROGRAMS = {SSH: ("ssh-keygen", "openssh-client"), PGP: ("gpg", "gnupg")}
_BEGINS = (("-----BEGIN SSH SIGNATURE", SSH), ("-----BEGIN PGP", PGP), ("-----BEGIN SIGNED MESSAGE", X509))
_CONFIG = "batch\nno-autostart\nno-auto-key-retrieve\ntrust-model always\n"
_SETTINGS = ("gpg.program=gpg", "gpg.ssh.program=ssh-keygen", "gpg.minTrustLevel=undefined")
_SSH_GOOD = re.compile(r'Good "git" signature for (.+) with ')
_SSH_KEY = re.compile(r'Good "git" signature with (.+)')
_PGP_GOOD = re.compile(r"^\[GNUPG:\] GOODSIG [0-9A-F]+ (.*)$", re.MULTILINE)
_PGP_BAD = ("EXPKEYSIG", "EXPSIG", "REVKEYSIG", "BADSIG")
_PGP_UNKNOWN = re.compile(r"^\[GNUPG:\] NO_PUBKEY ([0-9A-F]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Signature:
    """What git said.

    :ivar signer: who signed; ``None``: nobody who may, and ``why`` says it.
    """

    signer: str | None
    why: str = ""


@dataclass(frozen=True)
class _Ring:
    """The keys that may sign."""

    allowed: Path | None  #: an ssh allowed-signers file
    home: Path | None  #: a home of gpg

    @property
    def settings(self) -> tuple[str, ...]:
        allowed = (f"gpg.ssh.allowedSignersFile={self.allowed}",) if self.allowed is not None else ()
        return (*_SETTINGS, *allowed)

    def has(self, kind: str) -> bool:
        return (self.allowed if kind == SSH else self.home) is not None


def verify(mirror: Mirror, ref: str, commit: Commit, keys: Sequence[Path]) -> Signature:
    """Whether one of these keys signed the commit or, where a tag was named, that tag.

    :param ref: as it was asked for.
    :raises UsageError: for a file of keys that cannot be read, or holds none.
    """
    with _ring(keys) as ring:
        found = _verify(mirror, "commit", commit.sha, f"commit {commit.sha[:12]}", ring)
        if found.signer is None and (tag := _tag(mirror, ref, commit)) is not None:
            of_tag = _verify(mirror, "tag", tag, f"tag {_short(ref)}", ring)
            if of_tag.signer is not None or "is not signed" in found.why:
                return of_tag
        return found


def _verify(mirror: Mirror, what: str, name: str, shown: str, ring: _Ring) -> Signature:
    kind = _kind(mirror, what, name)
    if kind is None:
        return Signature(None, f"{shown} is not signed")
    if kind == X509:
        return Signature(None, f"{shown} is signed with X.509, which is not understood here")
    program, package = PROGRAMS[kind]
    if shutil.which(program) is None:
        return Signature(
            None, f"{shown} is signed with {kind}, and {program} is missing here (install {package})"
        )
    if not ring.has(kind):
        return Signature(None, f"{shown} is signed with {kind}, and source.signed_by names no {kind} keys")
    environment = {"GNUPGHOME": str(ring.home)} if ring.home is not None else {}
    done = mirror.plumbing.run(
        f"verify-{what}",
        "--raw",
        name,
        timeout_s=LOCAL_TIMEOUT_S,
        settings=ring.settings,
        environment={**environment, "LC_ALL": "C"},
    )
    said = done.stderr + done.stdout.decode("utf-8", "replace")
    read = _of_ssh if kind == SSH else _of_pgp
    return read(said, shown, good=done.status == 0)


def _of_ssh(said: str, shown: str, *, good: bool) -> Signature:
    signer = _SSH_GOOD.search(said)
    if good and signer is not None:
        return Signature(signer[1])
    key = _SSH_KEY.search(said)
    if key is not None:
        return Signature(None, f"{shown} is signed by {key[1]}, which source.signed_by does not allow (then)")
    return Signature(None, f"{shown} has a bad signature{_last(said)}")


def _of_pgp(said: str, shown: str, *, good: bool) -> Signature:
    signer = _PGP_GOOD.search(said)
    bad = next((word for word in _PGP_BAD if f"[GNUPG:] {word} " in said), None)
    if good and signer is not None and bad is None:
        return Signature(signer[1])
    unknown = _PGP_UNKNOWN.search(said)
    if unknown is not None:
        return Signature(
            None, f"{shown} is signed by the key {unknown[1]}, which source.signed_by does not hold"
        )
    reasons = {"EXPKEYSIG": "a key that has expired", "EXPSIG": "a signature that has expired"}
    reasons["REVKEYSIG"] = "a key that was revoked"
    if bad in reasons:
        return Signature(None, f"{shown} is signed with {reasons[bad]}")
    return Signature(None, f"{shown} has a bad signature")


def _kind(mirror: Mirror, what: str, name: str) -> str | None:
    """The kind of an object's signature; ``None``: it has none. Only headers of a commit are looked at."""
    done = mirror.plumbing.run("cat-file", what, name, timeout_s=LOCAL_TIMEOUT_S)
    text = done.stdout.decode("utf-8", "replace")
    head, _, body = text.partition("\n\n")
    if what == "commit":
        begins = [
            line.partition(" ")[2] for line in head.split("\n") if line.startswith(("gpgsig ", "gpgsig-"))
        ]
    else:
        begins = [line for line in body.split("\n") if line.startswith("-----BEGIN ")]
    for line in reversed(begins):  # a tag's signature is the end of it
        for sign, kind in _BEGINS:
            if line.startswith(sign):
                return kind
    return None


def _tag(mirror: Mirror, ref: str, commit: Commit) -> str | None:
    """The tag object that the ref names, if it is a tag of that very name for that commit."""
    name = _short(ref)
    found = mirror.plumbing.run(
        "rev-parse", "--verify", "--end-of-options", f"refs/tags/{name}^{{tag}}", timeout_s=LOCAL_TIMEOUT_S
    )
    oid = found.stdout.decode("ascii", "replace").strip()
    if found.status or not re.fullmatch("[0-9a-f]{40}", oid):
        return None
    points = mirror.plumbing.run("rev-parse", "--verify", f"{oid}^{{commit}}", timeout_s=LOCAL_TIMEOUT_S)
    text = mirror.plumbing.run("cat-file", "tag", oid, timeout_s=LOCAL_TIMEOUT_S).stdout
    # An old signed tag that somebody stored under a new name is not the tag that was asked for.
    named = f"\ntag {name}\n".encode("utf-8", "surrogateescape") in text.partition(b"\n\n")[0] + b"\n"
    same = points.stdout.decode("ascii", "replace").strip() == commit.sha
    return oid if named and same else None


def _short(ref: str) -> str:
    return ref.removeprefix("refs/tags/").removeprefix("tags/")


@contextmanager
def _ring(keys: Sequence[Path]) -> Iterator[_Ring]:
    """The keys, ready to be asked: all ssh files as one, all OpenPGP keys in a ring of their own."""
    read = [(path, _read(path)) for path in keys]
    pgp = [(path, content) for path, content in read if ARMOUR in content or content[:1] >= b"\x80"]
    ssh = [(path, content) for path, content in read if (path, content) not in pgp]
    with TemporaryDirectory(prefix="deployer-keys-") as made:
        folder = Path(made)
        allowed = home = None
        if ssh:
            allowed = folder / "allowed"
            allowed.write_bytes(b"\n".join(content for _, content in ssh) + b"\n")
        if pgp and shutil.which("gpg") is not None:
            home = folder / "gpg"
            home.mkdir(0o700)
            (home / "gpg.conf").write_text(_CONFIG)
            for path, content in pgp:
                _import(home, path, content)
        elif pgp:
            home = folder  # there are keys, and _verify says what is missing
        yield _Ring(allowed, home)


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"source.signed_by: {path} cannot be read: {error.strerror}") from None
    if not any(line.strip() and not line.lstrip().startswith(b"#") for line in content.split(b"\n")):
        raise UsageError(f"source.signed_by: {path} holds no key, so nobody could sign; put one into it")
    return content


def _import(home: Path, path: Path, content: bytes) -> None:
    argv = ["gpg", "--homedir", str(home), "--quiet", "--import"]
    try:
        done = subprocess.run(argv, input=content, capture_output=True, timeout=LOCAL_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise UsageError(f"source.signed_by: gpg did not read {path} within {LOCAL_TIMEOUT_S:g} s") from None
    if done.returncode:
        said = _last(done.stderr.decode("utf-8", "replace"))
        raise UsageError(f"source.signed_by: {path} cannot be read as OpenPGP public keys{said}")


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return f" ({''.join(c if c.isprintable() else '?' for c in lines[-1])})" if lines else ""
