"""How a host is reached: inventory over ssh config, with the ssh client itself as the judge."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from deployer.errors import ConfigError
from deployer.host.ssh_config import parse_hop, resolve
from deployer.model import Host

HOST = Host("web1", "web1")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir()
    return tmp_path


def config(home: Path, text: str) -> Path:
    file = home / "config"
    file.write_text(text)
    return file


FULL = """
Host web*
  HostName %h.example.com
  Port 2201
  User ops
  IdentityFile {home}/keys/%r@%h
  IdentityFile {home}/keys/second
  IdentitiesOnly yes
  CertificateFile {home}/keys/cert
  UserKnownHostsFile {home}/kh1 {home}/kh2
  GlobalKnownHostsFile none
  ConnectTimeout 7
  HostKeyAlias alias
  IdentityAgent {home}/agent.sock
  ProxyJump jump@bastion:2022,second
  AddressFamily inet6
"""


@pytest.mark.parametrize("marker", ["", "Match host nowhere\n  User other\n"])
def test_everything_honoured_reads_alike_by_paramiko_and_by_ssh(home: Path, marker: str) -> None:
    route = resolve(HOST, config(home, FULL.format(home=home) + marker))
    assert (route.hostname, route.port, route.user) == ("web1.example.com", 2201, "ops")
    assert route.identity_files == (home / "keys/ops@web1.example.com", home / "keys/second")
    assert (route.identities_only, route.default_identities) == (True, False)
    assert route.certificate_files == (home / "keys/cert",)
    assert route.known_hosts == (home / "kh1", home / "kh2")
    assert (route.connect_timeout_s, route.host_key_alias) == (7.0, "alias")
    assert route.known_as == ("alias",)
    assert route.identity_agent == str(home / "agent.sock")
    assert route.proxy_jump == ("jump@bastion:2022", "second")
    assert route.family == "inet6"


def test_the_inventory_outranks_the_config(home: Path) -> None:
    host = replace(HOST, port=22, user="root", key_file="~/mine")
    route = resolve(host, config(home, FULL.format(home=home)))
    assert (route.port, route.user) == (22, "root")
    assert route.identity_files[0] == home / "mine"
    assert len(route.identity_files) == 3


def test_sections_are_looked_up_by_the_address_as_ansible_does(home: Path) -> None:
    file = config(home, "Host 10.0.0.1\n  User byaddress\nHost web1\n  User byname\n")
    assert resolve(replace(HOST, address="10.0.0.1"), file).user == "byaddress"


def test_include_and_match_are_resolved_by_ssh(home: Path) -> None:
    (home / "more").write_text("Host web1\n  Port 2209\n")
    file = config(home, f"Include {home}/more\nMatch host web1 user deploy\n  HostName 10.9.9.9\n")
    assert resolve(HOST, file).port == 2209
    assert resolve(HOST, file).hostname == "web1"
    assert resolve(replace(HOST, user="deploy"), file).hostname == "10.9.9.9"


def test_without_a_file_there_are_defaults(home: Path) -> None:
    route = resolve(HOST, None)
    assert (route.hostname, route.port, route.default_identities) == ("web1", 22, True)
    assert route.known_hosts[0] == home / ".ssh/known_hosts"
    (home / ".ssh/config").write_text("Host *\n  User fromdefault\n")
    assert resolve(HOST, None).user == "fromdefault"


def test_keys_that_ssh_only_names_by_default_are_not_explicit(home: Path) -> None:
    assert resolve(HOST, config(home, "Match all\n  User x\n")).default_identities


@pytest.mark.parametrize(
    ("value", "argv"),
    [
        ("nc -q0 %h %p", ("nc", "-q0", "web1", "22")),
        ('exec "/opt/my proxy" %r@%n %%', ("/opt/my proxy", "ops@web1", "%")),
        ("ssh -W [%h]:%p bastion", ("ssh", "-W", "[web1]:22", "bastion")),
        ("none", ()),
    ],
)
def test_a_plain_proxy_command_is_argv(home: Path, value: str, argv: tuple[str, ...]) -> None:
    file = config(home, f"Host *\n  User ops\n  ProxyCommand {value}\n")
    assert resolve(HOST, file).proxy_command == argv


@pytest.mark.parametrize("value", ["nc %h %p | tee log", "sh -c 'a; b'", "a $(b)", "a > b"])
def test_a_proxy_command_that_needs_a_shell_is_refused(home: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="needs a shell"):
        resolve(HOST, config(home, f"Host *\n  ProxyCommand {value}\n"))


@pytest.mark.parametrize("address", ["-oProxyCommand=touch", "", "a b", "a\nb", "a\0b"])
def test_an_address_that_could_be_an_option_is_refused(home: Path, address: str) -> None:
    file = config(home, "Match all\n")
    with pytest.raises(ConfigError, match="cannot be an address"):
        resolve(replace(HOST, address=address), file)


@pytest.mark.parametrize("text", ["Include x\nNonsense\n", "Host *\n  Port abc\nMatch all\n"])
def test_what_ssh_refuses_is_said_with_the_file(home: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="ssh says") as caught:
        resolve(HOST, config(home, text))
    assert str(home / "config") in str(caught.value)


def test_what_paramiko_refuses_is_said_with_the_file(home: Path) -> None:
    with pytest.raises(ConfigError, match="config"):
        resolve(HOST, config(home, "Nonsense\n"))
    with pytest.raises(ConfigError, match="not a port"):
        resolve(HOST, config(home, "Host *\n  Port abc\n"))


def test_a_named_file_must_be_there(home: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        resolve(HOST, home / "nothing")


def test_no_ssh_client_is_a_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home))
    with pytest.raises(ConfigError, match="no ssh client"):
        resolve(HOST, config(home, "Match all\n"))


@pytest.mark.parametrize("value", ["no", "accept-new", "off"])
@pytest.mark.parametrize("extra", ["", "Match all\n"])
def test_lax_host_key_checking_warns(
    home: Path, value: str, extra: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "deployer")
    resolve(HOST, config(home, f"StrictHostKeyChecking {value}\n{extra}"))
    assert "is ignored" in caplog.text


@pytest.mark.parametrize(
    ("hop", "expected"),
    [
        ("bastion", ("bastion", None, None)),
        ("ops@bastion:2022", ("bastion", 2022, "ops")),
        ("a@b@bastion", ("bastion", None, "a@b")),
        ("[fe80::1%eth0]:22", ("fe80::1%eth0", 22, None)),
        ("2001:db8::7", ("2001:db8::7", None, None)),
        ("ssh://ops@bastion:2022/", ("bastion", 2022, "ops")),
    ],
)
def test_hops(hop: str, expected: tuple[str, int | None, str | None]) -> None:
    host = parse_hop(hop)
    assert (host.address, host.port, host.user) == expected


@pytest.mark.parametrize("hop", ["", "-oX", "a@-b", "host:port", "a:1:b"])
def test_what_is_no_hop(hop: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_hop(hop)


def test_ipv6_is_written_with_brackets_in_sentences_and_known_hosts(home: Path) -> None:
    route = resolve(replace(HOST, address="fe80::1%eth0", port=2222), None)
    assert route.where == "[fe80::1%eth0]:2222"
    assert route.known_as[0] == "[fe80::1%eth0]:2222"
    assert (
        resolve(replace(HOST, address="fe80::1%eth0"), config(home, "Match all\n")).hostname == "fe80::1%eth0"
    )
