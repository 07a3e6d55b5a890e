"""Which host keys are trusted: every form of a known_hosts line, and a real sshd with another key."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from deployer.errors import HostKeyError
from deployer.host.known_hosts import KnownHosts, judge, key_types, parse
from tests.unit.host.conftest import KEY_TYPES, Sshd, StartSshd, keygen, public

ED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGrVVgNNXGm5YPvwQq4k4lAHEt5b2M1lTAoAVDTPbxqV"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJZ2V4oZ4N6cN4hS3Zr0X3l2tq2Q4b5rJk8m1n2o3p4q"


def blob(line: str) -> bytes:
    return parse(f"x {line}", Path("f"))[0].blob


def known(text: str) -> KnownHosts:
    return KnownHosts(parse(text, Path("known_hosts")))


def trusts(text: str, *names: str, key: str = ED) -> bool:
    return judge(known(text), names, where="h:22", key_type="ssh-ed25519", blob=blob(key)).trusted


@pytest.mark.parametrize(
    ("line", "name", "expected"),
    [
        (f"web1 {ED}", "web1", True),
        (f"WEB1,10.0.0.1 {ED} comment with words", "web1", True),
        (f"web1,10.0.0.1 {ED}", "10.0.0.1", True),
        (f"web1 {OTHER}", "web1", False),
        (f"web2 {ED}", "web1", False),
        (f"*.example.com {ED}", "web1.example.com", True),
        (f"*.example.com {ED}", "example.com", False),
        (f"*.example.com,!bad.example.com {ED}", "bad.example.com", False),
        (f"web? {ED}", "web1", True),
        (f"[web1]:2222 {ED}", "[web1]:2222", True),
        (f"[web1]:2222 {ED}", "[web1]:2223", False),
        (f"[*.example.com]:2222 {ED}", "[a.example.com]:2222", True),
        (f"[fe80::1%eth0]:2222 {ED}", "[fe80::1%eth0]:2222", True),
        (f"@cert-authority web1 {ED}", "web1", False),
        (f"@revoked web1 {ED}\nweb1 {ED}", "web1", False),
        (f"web1 {ED}\n@revoked * {ED}", "web1", False),
        (f"@revoked web1 {OTHER}\nweb1 {ED}", "web1", True),
        (f"web1 {OTHER}\nweb1 {ED}", "web1", True),
    ],
)
def test_a_line_is_about_a_name(line: str, name: str, expected: bool) -> None:
    assert trusts(line, name) is expected


def test_names_hashed_by_ssh_keygen(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"web1 {ED}\n[10.0.0.7]:2222 {ED}\n")
    subprocess.run(["ssh-keygen", "-H", "-q", "-f", str(file)], check=True, capture_output=True, timeout=10)
    text = file.read_text()
    assert "web1" not in text
    assert trusts(text, "web1")
    assert trusts(text, "[10.0.0.7]:2222")
    assert not trusts(text, "10.0.0.7")
    assert not trusts(text, "web2")


def test_a_key_known_without_the_port_counts_but_a_different_one_does_not_accuse() -> None:
    assert trusts(f"web1 {ED}", "[web1]:2222", "web1")
    verdict = judge(
        known(f"web1 {OTHER}"), ("[web1]:2222", "web1"), where="w", key_type="ssh-ed25519", blob=blob(ED)
    )
    assert "unknown" in verdict.sentence


def test_lines_that_make_no_sense_are_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    text = "# a comment\n\nweb1\nweb1 ssh-ed25519 ???\n"
    text += f"@future web1 {ED}\n@cert-authority * {OTHER}\nweb1 {ED}\n"
    assert trusts(text, "web1")
    assert [r.getMessage()[:14] for r in caplog.records] == [f"known_hosts:{n}:" for n in (3, 4, 5)]


def test_the_types_of_a_host_are_those_of_its_lines() -> None:
    text = f"web1 {ED}\n@cert-authority * ssh-rsa AAAAB3Nz\nweb2 ssh-rsa AAAAB3Nz\n"
    assert key_types(known(text), ("web1",)) == ["ssh-ed25519"]


def test_files_that_are_missing_or_changed_are_read_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    assert KnownHosts.load([file]).about("web1") == []
    file.write_text(f"web1 {ED}\n")
    assert len(KnownHosts.load([file, tmp_path / "none"]).about("web1")) == 1


class TestStrict:
    @pytest.fixture
    def all_types(self, start_sshd: StartSshd) -> Sshd:
        return start_sshd(keys=KEY_TYPES)

    def refuse(self, sshd: Sshd) -> str:
        connection = sshd.connection()
        with pytest.raises(HostKeyError) as caught:
            connection.open()
        assert not connection.is_open
        assert caught.value.host == "web1"
        return str(caught.value)

    def test_an_unknown_key_is_refused_with_its_fingerprint(self, start_sshd: StartSshd) -> None:
        mine = start_sshd()
        mine.trust()
        text = self.refuse(mine)
        listed = subprocess.run(
            ["ssh-keygen", "-lf", str(mine.directory / "host_ed25519.pub")],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
        assert listed.stdout.split()[1] in text
        assert "is unknown" in text
        assert mine.name in text

    def test_a_changed_key_is_refused_with_both_fingerprints_and_the_line(
        self, start_sshd: StartSshd, tmp_path: Path
    ) -> None:
        mine = start_sshd()
        mine.trust("# old", f"{mine.name} {public(keygen(tmp_path / 'old'))}")
        text = self.refuse(mine)
        assert "has changed" in text
        assert f"{mine.known_hosts}:2" in text
        assert text.count("SHA256:") == 2

    def test_a_revoked_key_is_refused_though_it_is_known(self, start_sshd: StartSshd) -> None:
        mine = start_sshd()
        mine.trust(f"{mine.name} {mine.host_key()}", f"@revoked * {mine.host_key()}")
        assert "@revoked" in self.refuse(mine)

    def test_a_hashed_name_is_found(self, start_sshd: StartSshd) -> None:
        mine = start_sshd()
        subprocess.run(
            ["ssh-keygen", "-H", "-q", "-f", str(mine.known_hosts)],
            check=True,
            capture_output=True,
            timeout=10,
        )
        assert mine.name not in mine.known_hosts.read_text()
        self.succeed(mine)

    def test_lines_that_paramiko_cannot_read_do_not_break_the_rest(self, start_sshd: StartSshd) -> None:
        mine = start_sshd()
        mine.trust(
            f"@cert-authority *.example.com {mine.host_key()}",
            "short",
            "web9 ssh-ed25519 %%%",
            "web9 sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t",
            f"{mine.name} {mine.host_key()}",
        )
        self.succeed(mine)

    @pytest.mark.parametrize("kind", KEY_TYPES)
    def test_a_host_known_by_one_type_only_is_asked_for_that_type(self, all_types: Sshd, kind: str) -> None:
        all_types.trust(f"{all_types.name} {all_types.host_key(kind)}")
        self.succeed(all_types)

    def test_a_host_certificate_ends_in_a_clear_sentence(self, start_sshd: StartSshd, tmp_path: Path) -> None:
        mine = start_sshd()
        mine.trust(f"@cert-authority * {public(keygen(tmp_path / 'ca'))}")
        assert "host certificates are not read" in self.refuse(mine)

    def test_the_alias_is_the_name_that_counts(self, start_sshd: StartSshd) -> None:
        mine = start_sshd()
        mine.trust(f"cluster {mine.host_key()}")
        connection = mine.connection(config=mine.config("HostKeyAlias cluster"))
        connection.open()
        connection.close()

    def test_several_files_count_together(self, start_sshd: StartSshd) -> None:
        mine = start_sshd()
        second = mine.directory / "second hosts"
        shutil.move(mine.known_hosts, second)
        mine.trust("other " + mine.host_key())
        connection = mine.connection(
            config=mine.config(f'UserKnownHostsFile {mine.known_hosts} "{second}"', name="several")
        )
        connection.open()
        connection.close()

    def test_lax_checking_is_ignored_with_a_warning(
        self, start_sshd: StartSshd, caplog: pytest.LogCaptureFixture
    ) -> None:
        mine = start_sshd()
        mine.trust()
        connection = mine.connection(config=mine.config("StrictHostKeyChecking no"))
        with pytest.raises(HostKeyError):
            connection.open()
        assert "StrictHostKeyChecking no is ignored" in caplog.text

    def succeed(self, sshd: Sshd) -> None:
        connection = sshd.connection()
        connection.open()
        connection.close()
