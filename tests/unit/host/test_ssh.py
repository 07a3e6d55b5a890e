"""Connections against a real sshd: commands, tunnels, deadlines."""

from __future__ import annotations

import hashlib
import http.client
import signal
import socket
import threading
import time

import pytest

from deployer.errors import Fate, TransportError, Unreachable
from deployer.host.ssh import Connection, TunnelRefused
from tests.unit.host.conftest import Sshd, StartSshd

BIG = bytes(range(256)) * (20 << 12)  # 20 MiB


@pytest.fixture
def connection(sshd: Sshd) -> Connection:
    connection = sshd.connection()
    connection.open()
    yield connection
    connection.close()


def test_a_command_answers_with_status_output_and_errors(connection: Connection) -> None:
    reply = connection.call("cat; echo bad >&2; exit 7", stdin=b"hello", timeout_s=10)
    assert (reply.exit_status, reply.stdout, reply.stderr) == (7, b"hello", b"bad\n")


def test_20_mib_pass_in_both_directions_at_once(connection: Connection) -> None:
    reply = connection.call("cat; echo done >&2", stdin=(BIG, b"tail"), timeout_s=60)
    assert reply.exit_status == 0
    assert hashlib.sha256(reply.stdout).digest() == hashlib.sha256(BIG + b"tail").digest()
    assert reply.stderr == b"done\n"


def test_much_on_both_outputs_does_not_block(connection: Connection) -> None:
    reply = connection.call("head -c 6000000 /dev/zero >&2; head -c 6000000 /dev/zero; echo end >&2")
    assert len(reply.stdout) == 6_000_000
    assert reply.stderr.endswith(b"end\n")
    assert len(reply.stderr) <= 64 << 10
