"""Who signed: real ssh and OpenPGP keys, real git, and everything that is no good signature."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.errors import UsageError
from deployer.source.git import Mirror
from deployer.source.signature import Signature, verify

ANN, BEN = "ann@example.com", "ben@example.com"


class Keys:
    """Two ssh keys and two OpenPGP keys, and a repository that is signed with them.

    :ivar folder: where keys and repository are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.repo = folder, folder / "repo"
        self.gnupg = folder / "gnupg"
        self.gnupg.mkdir(0o700)
        for who in (ANN, BEN):
            self.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", who, "-f", str(folder / who))
            generate = ("--quick-generate-key", f"{who} <{who}>", "ed25519", "sign", "never")
            self.run("gpg", "--batch", "--pinentry-mode", "loopback", "--passphrase", "", *generate)
        self.run("git", "init", "-q", "-b", "main", str(self.repo))

    def run(self, *argv: str, stdin: bytes | None = None) -> bytes:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GNUPGHOME": str(self.gnupg),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ann",
            "GIT_AUTHOR_EMAIL": ANN,
            "GIT_COMMITTER_NAME": "Ann",
            "GIT_COMMITTER_EMAIL": ANN,
        }
        done = subprocess.run(argv, env=env, input=stdin, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done
        return done.stdout

    def git(self, *argv: str, stdin: bytes | None = None) -> str:
        return self.run("git", "-C", str(self.repo), *argv, stdin=stdin).decode().strip()

    def sign(self, who: str, kind: str) -> tuple[str, ...]:
        """Options of git with which that key signs."""
        key = str(self.folder / who) if kind == "ssh" else who
        return ("-c", f"gpg.format={'ssh' if kind == 'ssh' else 'openpgp'}", "-c", f"user.signingKey={key}")

    def commit(self, text: str, who: str | None = None, kind: str = "ssh") -> str:
        """Commit a file, signed by somebody or nobody; the commit."""
        (self.repo / "nginx.conf").write_text(text)
        self.git("add", ".")
        signed = self.sign(who, kind) if who else ()
        self.git(*signed, "commit", "-q", "-m", text, *(("-S",) if who else ()))
        return self.git("rev-parse", "HEAD")

    def allowed(self, *who: str, more: str = "") -> Path:
        """An allowed-signers file."""
        path = self.folder / "allowed_signers"
        keys = [f"{name}{more} {(self.folder / f'{name}.pub').read_text()}" for name in who]
        path.write_text("# who may sign\n" + "".join(keys))
        return path

    def exported(self, *who: str, armour: bool = True) -> Path:
        """OpenPGP public keys."""
        path = self.folder / "keys"
        path.write_bytes(self.run("gpg", "--batch", *(("--armor",) if armour else ()), "--export", *who))
        return path

    def ask(self, ref: str, *keys: Path) -> Signature:
        mirror = Mirror(str(self.repo), self.folder / "cache")
        return verify(mirror, ref, mirror.resolve(ref, fetch=True), keys)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    keys = Keys(tmp_path_factory.mktemp("k"))  # short: gpg's agent has a socket in there
    yield keys
    subprocess.run(
        ["gpgconf", "--homedir", str(keys.gnupg), "--kill", "all"],
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def keys(made: Keys) -> Keys:
    """The keys, and an empty branch."""
    made.git("checkout", "-q", "-f", "--orphan", f"b{os.urandom(4).hex()}")
    made.git("branch", "-q", "-f", "-D", "main") if made.git("branch", "--list", "main") else None
    made.git("checkout", "-q", "-f", "--orphan", "main")
    return made


def test_an_ssh_key_that_may_sign(keys: Keys) -> None:
    keys.commit("one", ANN)
    assert keys.ask("main", keys.allowed(ANN, BEN)) == Signature(ANN)


@pytest.mark.parametrize("armour", [True, False])
def test_an_openpgp_key_that_may_sign(keys: Keys, armour: bool) -> None:
    keys.commit("one", BEN, "gpg")
    found = keys.ask("main", keys.exported(ANN, BEN, armour=armour))
    assert found.signer is not None
    assert BEN in found.signer


def test_both_kinds_beside_each_other(keys: Keys) -> None:
    files = (keys.allowed(ANN), keys.exported(BEN))
    keys.commit("one", ANN)
    assert keys.ask("main", *files).signer == ANN
    keys.commit("two", BEN, "gpg")
    assert BEN in str(keys.ask("main", *files).signer)


@pytest.mark.parametrize(
    ("who", "kind", "why"),
    [
        (None, "ssh", "is not signed"),
        (BEN, "ssh", "is signed by ED25519 key SHA256:"),
        (BEN, "gpg", "which source.signed_by does not hold"),
    ],
)
def test_nobody_and_strangers(keys: Keys, who: str | None, kind: str, why: str) -> None:
    sha = keys.commit("one", who, kind)
    found = keys.ask("main", keys.allowed(ANN), keys.exported(ANN))
    assert found.signer is None
    assert f"commit {sha[:12]} {why}" in found.why or why in found.why
    assert "\n" not in found.why


@pytest.mark.parametrize(("kind", "missing"), [("ssh", "names no ssh keys"), ("gpg", "names no gpg keys")])
def test_a_kind_of_which_there_are_no_keys(keys: Keys, kind: str, missing: str) -> None:
    keys.commit("one", ANN, kind)
    other = keys.exported(ANN) if kind == "ssh" else keys.allowed(ANN)
    assert missing in keys.ask("main", other).why


@pytest.mark.parametrize("kind", ["ssh", "gpg"])
def test_a_signature_of_something_else(keys: Keys, kind: str) -> None:
    """Somebody took a signed commit, changed it, and left the signature."""
    keys.commit("one", ANN, kind)
    raw = keys.git("cat-file", "commit", "HEAD") + "\n"
    assert "\none\n" in raw
    forged = keys.git(
        "hash-object", "-w", "-t", "commit", "--stdin", stdin=raw.replace("\none\n", "\nevil\n").encode()
    )
    keys.git("update-ref", "refs/heads/main", forged)
    found = keys.ask("main", keys.allowed(ANN), keys.exported(ANN))
    assert (found.signer, "has a bad signature" in found.why) == (None, True), found


def test_a_signature_in_the_message_is_none(keys: Keys) -> None:
    keys.commit("one", ANN)
    raw = keys.git("cat-file", "commit", "HEAD")
    start = raw.index("gpgsig ")
    keys.git("commit", "-q", "--amend", "-m", "one\n\n" + raw[start : raw.index("\n\n")])
    assert "is not signed" in keys.ask("main", keys.allowed(ANN)).why


def test_a_key_whose_time_is_over(keys: Keys) -> None:
    keys.commit("one", ANN)
    assert keys.ask("main", keys.allowed(ANN, more=' valid-before="20200101"')).signer is None
    assert keys.ask("main", keys.allowed(ANN, more=' namespaces="git"')).signer == ANN
    assert keys.ask("main", keys.allowed(ANN, more=' namespaces="file"')).signer is None


def test_a_signed_tag_is_as_good_as_its_commit(keys: Keys) -> None:
    keys.commit("one")
    keys.git(*keys.sign(ANN, "ssh"), "tag", "-f", "-s", "-m", "one", "v1")
    keys.git(*keys.sign(BEN, "ssh"), "tag", "-f", "-s", "-m", "one", "v2")
    keys.git("tag", "-f", "v3")
    keys.git("tag", "-f", "-a", "-m", "one", "v4")
    allowed = keys.allowed(ANN)
    assert keys.ask("v1", allowed).signer == keys.ask("refs/tags/v1", allowed).signer == ANN
    assert keys.ask("v2", allowed).signer is None
    assert "commit" in keys.ask("v3", allowed).why
    assert "tag v4 is not signed" in keys.ask("v4", allowed).why
    assert keys.ask("main", allowed).signer is None  # the tag was not named
    # The tag of an old version under the name of a new one.
    keys.git("update-ref", "refs/tags/v5", keys.git("rev-parse", "refs/tags/v1"))
    assert keys.ask("v5", allowed).signer is None


def test_the_configuration_of_whoever_runs_it_is_not_believed(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither another list of keys, nor another program that says yes."""
    keys.commit("one", BEN)
    yes = keys.folder / "yes.sh"
    yes.write_text('#!/bin/sh\necho "Good \\"git\\" signature for ann with key"\nexit 0\n')
    yes.chmod(0o755)
    home = keys.folder / "home"
    home.mkdir()
    believed = f'[gpg "ssh"]\n\tprogram = {yes}\n\tallowedSignersFile = {keys.allowed(BEN)}\n'
    (home / ".gitconfig").write_text(f"[gpg]\n\tprogram = {yes}\n{believed}")
    mine = keys.folder / "mine"
    mine.write_text(keys.allowed(ANN).read_text())
    keys.allowed(BEN)
    monkeypatch.setenv("HOME", str(home))
    assert keys.ask("main", mine).signer is None


def test_a_program_that_is_missing_is_named(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    keys.commit("one", ANN)
    folder = keys.folder / "bin"
    folder.mkdir(exist_ok=True)
    for name in ("git", "env", "timeout"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"/usr/bin/{name}")
    allowed, exported = keys.allowed(ANN), keys.exported(ANN)
    monkeypatch.setenv("PATH", str(folder))
    assert "ssh-keygen is missing here (install openssh-client)" in keys.ask("main", allowed, exported).why
    monkeypatch.undo()
    keys.commit("two", ANN, "gpg")
    monkeypatch.setenv("PATH", str(folder))
    assert "gpg is missing here (install gnupg)" in keys.ask("main", allowed, exported).why


def test_files_of_keys_that_are_no_use(keys: Keys) -> None:
    keys.commit("one", ANN)
    empty, junk = keys.folder / "empty", keys.folder / "junk"
    empty.write_text("# nobody yet\n\n")
    junk.write_text("-----BEGIN PGP PUBLIC KEY BLOCK-----\nnot really\n")
    for path, why in (
        (keys.folder / "gone", "cannot be read: No such file"),
        (empty, "holds no key"),
        (junk, "cannot be read as OpenPGP public keys"),
    ):
        with pytest.raises(UsageError, match=why) as caught:
            keys.ask("main", path)
        assert "source.signed_by" in str(caught.value)
