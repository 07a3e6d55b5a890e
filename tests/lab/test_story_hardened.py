"""A key that can do deployer's work on a host, and nothing else."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from deployer.config.playbook import load_playbook
from deployer.errors import TransportError
from deployer.host import program
from deployer.host.agent import Agent
from deployer.host.relay import Relay
from deployer.host.reply import PERMISSION, parse
from deployer.host.request import Request
from deployer.host.ssh import Connection, SshOptions
from deployer.lab.fleet import Lab
from deployer.lab.host import LabHost
from deployer.model import Host, Ownership
from tests.lab.conftest import Beginning
from tests.lab.story import SHOP_CHECK, Story
from tests.lab.test_ssh_agent import release

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def beginning(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Beginning:
    """All hosts adopted by root, then hardened for one more key."""

    def make(story: Story) -> None:
        story.adopt()
        harden(story)

    return Beginning(lab, tmp_path_factory.mktemp("hardened"), make)


@pytest.fixture
def hardened(beginning: Beginning, tmp_path: Path) -> Story:
    """From now on that key is all there is."""
    return beginning.again(tmp_path)


def harden(story: Story) -> None:
    key = story.directory / "key"
    if not key.exists():
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=20
        )
    lines = [f"    {h.name}: {{ansible_host: {h.address}, ansible_user: carrier}}" for h in story.lab.hosts]
    story.inventory("\n".join(["web:", "  hosts:", *lines, ""]))
    printed = story.run("adopt", "lab", "--print-hardening", f"{key}.pub")
    assert printed.code == 0, printed
    for host in story.lab.hosts:
        host.write("/root/harden.sh", printed.out)
        done = host.run(["sh", "/root/harden.sh"], check=False)
        assert done.returncode == 0, done.stderr
        assert "carrier may do deployer's work here" in done.stderr
    config = (
        story.ssh_config.read_text()
        .replace(str(story.lab.key), str(key))
        .replace("User root", "User carrier")
    )
    story.ssh_config.write_text(config)


def ssh(
    story: Story, host: LabHost, *argv: str, options: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """OpenSSH with the restricted key; ends by itself within 10 s."""
    command = ["ssh", "-F", str(story.ssh_config), "-o", "BatchMode=yes", *options, host.name, *argv]
    return subprocess.run(
        ["timeout", "10", *command], input="", capture_output=True, text=True, check=False, timeout=20
    )


def test_everything_works_with_that_key(hardened: Story) -> None:
    hardened.shop("shop 2")
    hardened.deploy()
    hardened.assert_serving("shop 2")
    assert hardened.deploy().outcome == "unchanged"
    hardened.rollback()
    hardened.assert_serving("shop 1")


def test_the_key_can_do_nothing_else(hardened: Story) -> None:
    host = hardened.lab.hosts[0]
    for argv in (["id"], ["sudo", "-n", "id"], ["sh", "-c", "id >/tmp/was-here"], []):
        assert "uid=" not in ssh(hardened, host, *argv).stdout
    assert "uid=" not in ssh(hardened, host, options=["-tt"]).stdout
    assert not host.path("/tmp/was-here").exists()
    config = ["-F", str(hardened.ssh_config), "-o", "BatchMode=yes"]
    source = hardened.directory / "file"
    source.write_text("x")
    for copy in (["scp", "-O"], ["scp"]):
        done = subprocess.run(
            ["timeout", "10", *copy, *config, str(source), f"{host.name}:/tmp/was-here"],
            capture_output=True,
            check=False,
            timeout=20,
        )
        assert done.returncode != 0
    assert ssh(hardened, host, "sftp", options=["-s"]).stdout == ""
    assert not host.path("/tmp/was-here").exists()


def test_the_agent_itself_takes_no_other_agent_and_no_other_program(hardened: Story) -> None:
    host = hardened.lab.hosts[0]
    evil = b"#!/bin/sh\nid >/tmp/was-here\n"
    asked = Request(("install",), [("sha256", hashlib.sha256(evil).hexdigest())], evil)
    widened = [("target", "/etc/nginx"), ("state", "/var/lib/deployer/nginx"), ("argv", "sh"), ("argv", "-c")]
    begin = Request(("begin",), [*widened, ("argv", "id >/tmp/was-here"), ("deployment", "d")], b"")
    before = host.read(program.PATH)
    for request in (asked, begin):
        command = ["timeout", "10", "ssh", "-F", str(hardened.ssh_config), host.name, "serve"]
        done = subprocess.run(
            command, input=b"".join(request.parts("ab12")), capture_output=True, check=False, timeout=20
        )
        answer = parse(done.stdout)
        assert answer, done.stderr
        assert answer.verbs[-1].code == PERMISSION
        assert "This host is hardened" in answer.verbs[-1].one("error")
    assert host.read(program.PATH) == before
    assert not host.path("/tmp/was-here").exists()


def test_somebody_elses_login_is_not_taken(story: Story) -> None:
    key = story.directory / "key.pub"
    key.write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVg ops\n")
    host = story.lab.hosts[0]
    for user, code, said in (("ops", 0, ""), ("ops.team", 2, "is no name for a login of its own")):
        story.inventory(
            f"web:\n  hosts:\n    web1: {{ansible_host: {host.address}, ansible_user: '{user}'}}\n"
        )
        printed = story.run("adopt", "lab", "--print-hardening", str(key))
        assert printed.code == code, printed
        assert said in printed.err
        if code == 0:
            host.write("/root/harden.sh", printed.out)
    done = host.run(["sh", "/root/harden.sh"], check=False)
    assert done.returncode == 1
    assert "ops is a login of this host already" in done.stderr
    assert not host.path("/var/lib/deployer").exists()
    assert not host.path("/etc/ssh/sshd_config.d/deployer.conf").exists()


def test_without_checks_on_the_host_nothing_is_forwarded_and_it_can_be_taken_back(story: Story) -> None:
    story.adopt()
    story.playbook(checks=[{**SHOP_CHECK, "url": "http://{host}/", "from": "controller"}])
    harden(story)
    host = story.lab.hosts[0]
    story.shop("shop 2")
    story.deploy()
    assert "prohibited" in ssh(story, host, options=["-W", "127.0.0.1:80"]).stderr
    rules = "/etc/sudoers.d/deployer /etc/ssh/sshd_config.d/deployer.conf /var/lib/deployer/pinned"
    host.run(["sh", "-c", f"rm {rules}; userdel -r carrier; kill -HUP $(cat /run/sshd.pid)"])
    assert ssh(story, host).returncode == 255


def test_the_key_forwards_to_the_ports_of_checks_only(hardened: Story) -> None:
    host = hardened.lab.hosts[0]
    # What ssh -W reaches: the check's port answers, others are prohibited.
    through = subprocess.Popen(
        ["timeout", "10", "ssh", "-F", str(hardened.ssh_config), "-W", "127.0.0.1:80", host.name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with through:
        assert through.stdin
        assert through.stdout
        through.stdin.write(b"GET / HTTP/1.0\r\nHost: shop.example.com\r\n\r\n")
        through.stdin.flush()
        assert b"shop 1" in through.stdout.read()
    for place in ("127.0.0.1:22", f"{hardened.lab.hosts[1].address}:80", "localhost:80"):
        refused = ssh(hardened, host, options=["-W", place])
        assert refused.returncode != 0
        assert "prohibited" in refused.stderr, (place, refused.stderr)
    strict = ["-o", "ExitOnForwardFailure=yes", "-N"]
    for forward in (
        ["-R", "127.0.0.1:0:127.0.0.1:80"],
        ["-R", "8022:127.0.0.1:80"],
        ["-R", "/tmp/sock:127.0.0.1:80"],
    ):
        refused = ssh(hardened, host, options=[*strict, *forward])
        assert refused.returncode not in (0, 124), (forward, refused.stderr)
    assert not host.path("/tmp/sock").exists()
    socket = hardened.directory / "socket"
    local = ssh(hardened, host, "id", options=["-L", f"{socket}:/run/dbus/socket", "-A"])
    assert "uid=" not in local.stdout


def test_the_playbook_cannot_widen_it(hardened: Story) -> None:
    hardened.shop("shop 2")
    for widened in (
        {"validate": ["sh", "-c", "id >/tmp/was-here"]},
        {"reload": ["sh", "-c", "id >/tmp/was-here"]},
        {"target": {"directory": "/etc/ssh"}},
        {"target": {"state": "/var/lib/deployer/other"}},
    ):
        hardened.playbook(**widened)
        refused = hardened.deploy(expect=3)
        assert "is hardened" in refused.reason, refused
    for host in hardened.lab.hosts:
        assert not host.path("/tmp/was-here").exists()
    hardened.playbook()
    hardened.deploy()
    hardened.assert_serving("shop 2")


def test_another_agent_is_roots_to_bring(hardened: Story) -> None:
    host = hardened.lab.hosts[1]
    text = host.read(program.PATH).replace(program.bundled().id, "0123456789ab")
    host.write(program.PATH, text)
    hardened.shop("shop 2")
    refused = hardened.deploy(expect=3)
    assert "web2" in refused.reason
    assert "has another agent (0123456789ab)" in refused.reason
    assert host.read(program.PATH) == text
    assert hardened.status()["web2"]["live"]
    harden(hardened)
    hardened.deploy()
    hardened.assert_serving("shop 2")


def test_what_a_restricted_key_cannot_ask_is_said_at_once(story: Story) -> None:
    key = story.directory / "key.pub"
    key.write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVg carrier\n")
    checks = [{"name": "disk", "from": "command", "command": ["true"]}]
    story.playbook(checks=checks)
    refused = story.run("adopt", "lab", "--print-hardening", str(key))
    assert refused.code == 2
    assert "'disk' runs a command on the host" in refused.err
    story.playbook()
    missing = story.run("adopt", "lab", "--print-hardening", "nothing.pub")
    assert missing.code == 2
    key.write_text("command=x ssh-ed25519 AAAA\n")
    assert story.run("adopt", "lab", "--print-hardening", str(key)).code == 2


def test_a_rehearsal_is_asked_with_that_key_and_nothing_beside_it(hardened: Story) -> None:
    host = hardened.lab.hosts[0]
    ssh_options = SshOptions(config_file=hardened.ssh_config, connect_timeout_s=20)
    connection = Connection(Host(host.name, host.address, user="carrier"), ssh_options)
    connection.open()
    try:
        agent = Agent(connection, load_playbook(hardened.project / "playbooks/nginx.yml").target_spec())
        agent.ensure_installed()
        own = Ownership("d-1", agent.begin("d-1", "tester@here"), "tester@here")
        live = agent.manifest()
        base = str(agent.observe(hash_disk=False).live)
        candidate = release(live, {"conf.d/new.conf": b"server { listen 8090; return 200 new; }\n"})
        agent.prepare(own, candidate, live, base)
        with agent.rehearse(own, candidate.id, answers=True) as rehearsed:
            assert rehearsed.transport is not None, rehearsed.notes
            stream = rehearsed.transport.tunnel("127.0.0.1", 8090, timeout_s=10)
            stream.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert stream.recv(12) == b"HTTP/1.1 200"
            stream.close()
            with pytest.raises(ConnectionRefusedError):
                rehearsed.transport.tunnel("127.0.0.1", 22, timeout_s=10)
            # A process of the host is no rehearsal, so its network is not reached.
            command = program.installed_command(sudo=True)
            for keeper in ("1:1", f"1:{host.read('/proc/1/stat').split()[21]}"):
                other = Relay(connection, command, [*agent._owned(own), ("keeper", keeper)])
                with pytest.raises(TransportError, match="has ended"):
                    other.tunnel("127.0.0.1", 22, timeout_s=10)
        agent.release(own)
    finally:
        connection.close()
