"""Connections that are begun early, against a real sshd: taken, told of when they fail, closed when left."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deployer.errors import HostKeyError
from deployer.host import ahead
from deployer.host.ssh import Connection, SshOptions
from tests.unit.host.conftest import Sshd, StartSshd, keygen, public

pytestmark = pytest.mark.slow


def until(true: Callable[[], bool], within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def test_whoever_opens_it_gets_what_was_begun(sshd: Sshd) -> None:
    hosts = [sshd.host("web1"), sshd.host("web2")]
    options = SshOptions(config_file=sshd.config())
    with ahead.begun(hosts, options, parallel=2):
        left = options.ahead["web2"]
        connection = Connection.to(hosts[0], options)
        until(lambda: connection.is_open and left.is_open)  # before anybody opened it
        connection.open()
        assert connection.call("echo here", timeout_s=10).stdout == b"here\n"
    assert not left.is_open, "nobody took it"
    assert connection.is_open, "it is its taker's"
    connection.close()
    again = Connection.to(hosts[0], options)
    assert again is not connection
    again.open()
    again.close()


def test_what_went_wrong_is_raised_where_it_is_opened(start_sshd: StartSshd, tmp_path: Path) -> None:
    sshd = start_sshd()
    other = public(keygen(tmp_path / "other"))
    sshd.trust(f"{sshd.name} {other}")
    host, options = sshd.host(), SshOptions(config_file=sshd.config())
    with ahead.begun([host], options, parallel=2):
        connection = Connection.to(host, options)
        with pytest.raises(HostKeyError):
            connection.open()
    sshd.trust(f"{sshd.name} {sshd.host_key()}")
    connection.open()
    assert connection.is_open, "a failure is told once, then it is tried anew"
    connection.close()


def test_one_that_was_taken_and_never_begun_is_opened_by_whoever_needs_it(sshd: Sshd) -> None:
    connection = Connection(sshd.host(), SshOptions(config_file=sshd.config()))
    future, connect = connection.ahead()
    future.cancel()  # what it was begun for is over
    connection.open()
    first = connection._link
    connect()
    assert connection._link is first
    connection.close()


def test_nobody_waits_for_a_host_that_nobody_took(start_sshd: StartSshd) -> None:
    sshd = start_sshd()
    sshd.signal(signal.SIGSTOP)
    try:
        options = SshOptions(config_file=sshd.config(), connect_timeout_s=30)
        begun = time.monotonic()
        with ahead.begun([sshd.host()], options, parallel=2):
            left = options.ahead["web1"]
            until(lambda: left._begun is not None and left._begun.running())
        assert time.monotonic() - begun < 10
    finally:
        sshd.signal(signal.SIGCONT)
    until(lambda: not left._lock.locked() and not left.is_open)
