"""Who gets in, with what: key files, certificates, the ssh-agent; and why not, as a sentence."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployer.errors import Unreachable
from tests.unit.host.conftest import Sshd, StartSshd, keygen, public

pytestmark = pytest.mark.slow

WORDS = "not a word of a sentence"


def authorize(sshd: Sshd, *lines: str) -> None:
    (sshd.directory / "authorized_keys").write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture
def mine(start_sshd: StartSshd) -> Sshd:
    return start_sshd()


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An ssh-agent of our own; the path of its socket."""
    sock = tmp_path / "agent.sock"
    monkeypatch.setenv("SSH_AUTH_SOCK", str(sock))
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(sock)], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while not sock.exists():
        assert time.monotonic() < deadline, "ssh-agent made no socket"
        time.sleep(0.01)
    yield sock
    process.terminate()
    process.wait(timeout=5)


def add(key: Path) -> None:
    subprocess.run(["ssh-add", "-q", str(key)], check=True, timeout=10, stdin=subprocess.DEVNULL)


def enters(sshd: Sshd, config: str = "", **changes: Any) -> bool:
    file = sshd.directory / "plain config"
    file.write_text(config + f"\nHost *\nUserKnownHostsFile {sshd.known_hosts}\n")
    connection = sshd.connection(config=file, **changes)
    try:
        connection.open()
        return connection.call("echo in", timeout_s=10).stdout == b"in\n"
    finally:
        connection.close()


def refusal(sshd: Sshd, config: str = "", **changes: Any) -> str:
    with pytest.raises(Unreachable) as caught:
        enters(sshd, config, **changes)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_key_file_of_any_type(mine: Sshd, tmp_path: Path, kind: str) -> None:
    key = keygen(tmp_path / "key", kind)
    authorize(mine, public(key))
    assert enters(mine, key_file=str(key))
    assert enters(mine, f"IdentityFile {key}")


def test_an_old_pem_key(mine: Sshd, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-m", "PEM", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(key)],
        check=True,
        timeout=30,
    )
    authorize(mine, public(key))
    assert enters(mine, key_file=str(key))


def test_the_inventorys_key_comes_first_and_the_configs_still_count(mine: Sshd, tmp_path: Path) -> None:
    wrong = keygen(tmp_path / "wrong")
    assert enters(mine, f"IdentityFile {mine.key}\nIdentitiesOnly yes", key_file=str(wrong))


def test_the_refusal_names_the_user_and_the_keys(mine: Sshd, tmp_path: Path) -> None:
    wrong = keygen(tmp_path / "wrong")
    text = refusal(mine, "IdentitiesOnly yes", key_file=str(wrong))
    assert f"does not let {mine.user} in" in text
    assert str(wrong) in text
    assert "authorized_keys" in text


def test_an_encrypted_key_without_an_agent_is_a_sentence(
    mine: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    for kind in ("ed25519", "rsa"):
        key = keygen(tmp_path / kind, kind, passphrase=WORDS)
        text = refusal(mine, "IdentitiesOnly yes", key_file=str(key))
        assert f"{key} is encrypted and its key is not in the ssh-agent" in text
        assert WORDS not in text


def test_what_is_no_key_is_a_sentence(mine: Sshd, tmp_path: Path) -> None:
    junk = tmp_path / "junk"
    junk.write_text("hello\n")
    text = refusal(mine, f"IdentityFile {tmp_path}/missing\nIdentitiesOnly yes", key_file=str(junk))
    assert "is not a private key" in text
    assert "missing does not exist" in text
    assert "no key to try" in text


def test_the_agent_is_asked_when_no_file_is_named(mine: Sshd, agent: Path) -> None:
    add(mine.key)
    assert enters(mine)
    assert "ssh-agent" in refusal_without_key(mine)


def refusal_without_key(mine: Sshd) -> str:
    authorize(mine, "# nobody")
    return refusal(mine)


def test_the_agent_opens_an_encrypted_file(mine: Sshd, agent: Path, tmp_path: Path) -> None:
    key = keygen(tmp_path / "key")
    authorize(mine, public(key))
    add(key)
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", str(key)], check=True, timeout=10
    )
    assert enters(mine, "IdentitiesOnly yes", key_file=str(key))


def test_identities_only_keeps_the_agents_other_keys_out(mine: Sshd, agent: Path, tmp_path: Path) -> None:
    add(mine.key)
    wrong = keygen(tmp_path / "wrong")
    assert enters(mine, key_file=str(wrong))
    refusal(mine, "IdentitiesOnly yes", key_file=str(wrong))


def test_the_agent_may_be_named_or_forbidden(
    mine: Sshd, agent: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    add(mine.key)
    wrong = keygen(tmp_path / "wrong")
    refusal(mine, "IdentityAgent none", key_file=str(wrong))
    monkeypatch.delenv("SSH_AUTH_SOCK")
    assert enters(mine, f"IdentityAgent {agent}", key_file=str(wrong))
    assert "does not answer" in refusal(mine, f"IdentityAgent {agent}.none", key_file=str(wrong))


class TestCertificates:
    @pytest.fixture
    def signed(self, start_sshd: StartSshd, tmp_path: Path) -> tuple[Sshd, Path, Path]:
        """An sshd that trusts a CA only; a key, and its certificate beside it."""
        authority = keygen(tmp_path / "ca")
        sshd = start_sshd(f"TrustedUserCAKeys {authority}.pub")
        authorize(sshd, "# nobody")
        key = keygen(tmp_path / "key")
        subprocess.run(
            ["ssh-keygen", "-q", "-s", str(authority), "-I", "test", "-n", sshd.user, f"{key}.pub"],
            check=True,
            timeout=10,
            stderr=subprocess.DEVNULL,
        )
        return sshd, key, tmp_path / "key-cert.pub"

    def test_beside_the_key(self, signed: tuple[Sshd, Path, Path]) -> None:
        sshd, key, certificate = signed
        assert enters(sshd, key_file=str(key))
        certificate.unlink()
        refusal(sshd, key_file=str(key))

    def test_named_by_certificate_file(self, signed: tuple[Sshd, Path, Path], tmp_path: Path) -> None:
        sshd, key, certificate = signed
        elsewhere = certificate.rename(tmp_path / "elsewhere.pub")
        assert enters(sshd, f"CertificateFile {elsewhere}", key_file=str(key))

    def test_of_another_key_is_left_out(self, signed: tuple[Sshd, Path, Path], tmp_path: Path) -> None:
        sshd, _, certificate = signed
        text = refusal(sshd, f"CertificateFile {certificate}", key_file=str(keygen(tmp_path / "other")))
        assert certificate.name not in text

    @pytest.mark.usefixtures("agent")
    def test_in_the_agent(self, signed: tuple[Sshd, Path, Path]) -> None:
        sshd, key, certificate = signed
        add(key)
        key.unlink()
        certificate.unlink()
        assert enters(sshd)


def test_too_many_keys_are_explained(start_sshd: StartSshd, agent: Path, tmp_path: Path) -> None:
    sshd = start_sshd("MaxAuthTries 2")
    for n in range(4):
        add(keygen(tmp_path / f"k{n}"))
    text = refusal(sshd)
    assert "IdentitiesOnly" in text


def test_a_second_factor_is_explained(start_sshd: StartSshd) -> None:
    sshd = start_sshd("AuthenticationMethods publickey,password", "PasswordAuthentication yes")
    assert "also wants password" in refusal(sshd, key_file=str(sshd.key))


def test_a_host_without_public_keys_is_explained(start_sshd: StartSshd) -> None:
    sshd = start_sshd("PubkeyAuthentication no", "PasswordAuthentication yes")
    assert "only takes password" in refusal(sshd, key_file=str(sshd.key))
