"""Hosts behind others: ProxyJump chains over one transport per bastion, ProxyCommand."""

from __future__ import annotations

import select
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from paramiko import Message
from paramiko.common import cMSG_CHANNEL_DATA

from deployer.errors import HostKeyError, TransportError, Unreachable
from deployer.host.gateways import Gateways
from deployer.host.ssh import Connection, SshOptions
from tests.unit.host.conftest import Sshd, StartSshd
from tests.unit.servers import Server, never

pytestmark = pytest.mark.slow

RELAY = """
import socket, sys, threading
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while data := sys.stdin.buffer.read1(65536):
        sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while data := sock.recv(65536):
    sys.stdout.buffer.write(data); sys.stdout.buffer.flush()
"""


@pytest.fixture
def bastion(start_sshd: StartSshd) -> Sshd:
    return start_sshd("MaxStartups 200")


def config_over(sshd: Sshd, *bastions: Sshd, extra: str = "") -> Path:
    """The host is called web, the bastions b0, b1 …; all their keys are known."""
    lines = [f"Host web\n  HostName {sshd.address}\n  Port {sshd.port}\n  HostKeyAlias web"]
    known = [f"web {sshd.host_key()}"]
    for n, hop in enumerate(bastions):
        lines.append(f"Host b{n}\n  HostName {hop.address}\n  Port {hop.port}\n  HostKeyAlias b{n}")
        known.append(f"b{n} {hop.host_key()}")
    if bastions:
        lines.append("Host web\n  ProxyJump " + ",".join(f"b{n}" for n in range(len(bastions))))
    sshd.trust(*known)
    return sshd.config("\n".join([extra, *lines]))


def connection(sshd: Sshd, config: Path, *, connect_s: float = 10) -> Connection:
    host = replace(sshd.host(), address="web", port=None)
    return Connection(host, SshOptions(config_file=config, connect_timeout_s=connect_s))


def test_through_a_chain_of_two(sshd: Sshd, bastion: Sshd, start_sshd: StartSshd) -> None:
    second = start_sshd()
    over = connection(sshd, config_over(sshd, bastion, second))
    over.open()
    assert over.call("echo $SSH_CONNECTION", timeout_s=10).stdout.split()[3] == str(sshd.port).encode()
    over.close()
    assert "direct-tcpip" not in sshd.directory.joinpath("log").read_text()


def test_twenty_hosts_share_one_transport_to_the_bastion(sshd: Sshd, bastion: Sshd) -> None:
    config = config_over(sshd, bastion)
    options = SshOptions(config_file=config)
    before = (bastion.directory / "log").read_text().count("Accepted publickey")
    together = threading.Barrier(20, timeout=60)

    def ask(n: int) -> bytes:
        one = Connection(replace(sshd.host(f"web{n}"), address="web", port=None), options)
        one.open()
        together.wait()
        try:
            return one.call("echo in", timeout_s=20).stdout
        finally:
            one.close()

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(ask, range(20))) == [b"in\n"] * 20
    assert (bastion.directory / "log").read_text().count("Accepted publickey") - before == 1
    assert not options.gateways._shared


def test_what_a_closed_channel_still_wants_to_send_does_not_end_its_transport(sshd: Sshd) -> None:
    one = connection(sshd, config_over(sshd))
    one.open()
    stream = one.tunnel(sshd.address, sshd.port, timeout_s=10)
    assert stream.recv(4) == b"SSH-"
    late = Message()
    late.add_byte(cMSG_CHANNEL_DATA)
    late.add_int(stream.remote_chanid)
    late.add_string("too late")
    link: Any = one._link
    way_out: Any = stream.transport
    stream.close()
    await_(lambda: link._transport._channels.get(stream.chanid) is None)
    way_out._send_user_message(late)
    assert one.call("echo alive", timeout_s=10).stdout == b"alive\n"
    assert one._link is link
    one.close()


def test_a_stream_over_a_dead_transport_is_closed_without_a_complaint(sshd: Sshd) -> None:
    one = connection(sshd, config_over(sshd))
    one.open()
    stream = one.tunnel(sshd.address, sshd.port, timeout_s=10)
    link: Any = one._link
    link._transport.packetizer.close()
    stream.close()
    one.close()


def await_(happened: Callable[[], bool], within_s: float = 10) -> None:
    end = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.005)  # nothing to wait on


def test_the_bastions_key_is_checked_too(sshd: Sshd, bastion: Sshd) -> None:
    config = config_over(sshd, bastion)
    sshd.trust(f"web {sshd.host_key()}")
    with pytest.raises(HostKeyError, match="the jump host b0 failed"):
        connection(sshd, config).open()


def test_a_bastion_that_cannot_reach_the_host_is_said(sshd: Sshd, bastion: Sshd) -> None:
    config = config_over(sshd, bastion)
    config.write_text(config.read_text().replace(f"Port {sshd.port}", "Port 1"))
    with pytest.raises(Unreachable, match="the jump host b0 cannot connect to"):
        connection(sshd, config).open()


def test_a_host_that_vanishes_behind_a_bastion_is_given_up_where_its_pulse_is_felt(
    sshd: Sshd, bastion: Sshd, serve: Callable[..., Server]
) -> None:
    gone = threading.Event()

    def pass_on(here: socket.socket) -> None:
        # To the bastion the host's TCP connection stays as it was: nothing ever comes of it any more.
        with socket.create_connection((sshd.address, sshd.port), 10) as there:
            while not gone.is_set():
                for one in select.select([here, there], [], [], 0.05)[0]:
                    if not (data := one.recv(1 << 16)):
                        return
                    (there if one is here else here).sendall(data)
            gone.wait(60)
            never(here)

    config = config_over(sshd, bastion)
    way = serve(pass_on)
    config.write_text(config.read_text().replace(f"Port {sshd.port}", f"Port {way.port}"))
    options = SshOptions(config_file=config, connect_timeout_s=3, pulse_s=1)
    one = Connection(replace(sshd.host(), address="web", port=None), options)
    one.open()
    assert one.call("sleep 1.5; echo slow", timeout_s=30).stdout == b"slow\n", "who is slow has a pulse"
    gone.set()
    begun = time.monotonic()
    with pytest.raises(TransportError, match="was lost"):
        one.call("echo in", timeout_s=60)
    assert time.monotonic() - begun < 15
    one.close()


def test_everybody_behind_a_dead_bastion_fails_after_one_timeout(sshd: Sshd, bastion: Sshd) -> None:
    config = config_over(sshd, bastion)
    config.write_text(config.read_text().replace(f"Port {bastion.port}", "Port 1"))
    options = SshOptions(config_file=config, connect_timeout_s=2)

    def ask(n: int) -> str:
        one = Connection(replace(sshd.host(f"web{n}"), address="web", port=None), options)
        with pytest.raises(Unreachable) as caught:
            one.open()
        assert caught.value.host == f"web{n}"
        return str(caught.value)

    with ThreadPoolExecutor(8) as pool:
        assert all("the jump host b0 failed" in text for text in pool.map(ask, range(8)))


def test_a_host_that_is_its_own_bastion_is_an_error(sshd: Sshd) -> None:
    from deployer.errors import ConfigError

    config = sshd.config("Host *\n  ProxyJump loop")
    with pytest.raises(ConfigError, match="its own jump host"):
        connection(sshd, config).open()


def test_a_proxy_command(sshd: Sshd, tmp_path: Path) -> None:
    relay = tmp_path / "relay.py"
    relay.write_text(RELAY)
    config = config_over(sshd, extra=f"Host web\n  ProxyCommand {sys.executable} {relay} %h %p")
    over = connection(sshd, config)
    over.open()
    big = bytes(1 << 20)
    assert over.call("cat", stdin=big, timeout_s=20).stdout == big
    over.close()


@pytest.mark.parametrize("command", ["false", "/nonexistent/proxy"])
def test_a_proxy_command_that_fails_does_not_hang(sshd: Sshd, command: str) -> None:
    config = config_over(sshd, extra=f"Host web\n  ProxyCommand {command}")
    begun = time.monotonic()
    with pytest.raises(Unreachable):
        connection(sshd, config, connect_s=1).open()
    assert time.monotonic() - begun < 4


def test_a_proxy_command_that_stays_silent_ends_at_the_deadline(sshd: Sshd) -> None:
    config = config_over(sshd, extra=f"Host web\n  ProxyCommand {shutil.which('sleep')} 60")
    with pytest.raises(Unreachable, match="handshake"):
        connection(sshd, config, connect_s=1).open()


class Fake:
    """A link that can die."""

    def __init__(self) -> None:
        self.alive, self.closed = True, False

    def close(self) -> None:
        self.closed = True


def test_a_gateway_closes_with_its_last_user_and_is_opened_anew_when_dead() -> None:
    gateways: Gateways[Fake] = Gateways()
    first = gateways.acquire(("b",), Fake)
    assert gateways.acquire(("b",), Fake) is first
    first.alive = False
    second = gateways.acquire(("b",), Fake)
    assert second is not first
    for _ in range(2):
        gateways.release(("b",))
        assert not second.closed
    gateways.release(("b",))
    assert second.closed
    gateways.release(("b",))
