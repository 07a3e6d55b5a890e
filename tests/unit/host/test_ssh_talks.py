"""One process on the host that answers request after request, against a real sshd."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from deployer.errors import Fate, TransportError
from deployer.host.ssh import Connection
from tests.unit.host.conftest import Sshd

# Answers each line with its own pid and the line; "bye" ends it, "mute" is never answered.
ECHO = """sh -c 'while read -r l; do case $l in bye) exit 3 ;; mute) sleep 30 ;; esac; echo $$ $l; done'"""


@pytest.fixture
def connection(sshd: Sshd) -> Iterator[Connection]:
    connection = sshd.connection()
    connection.open()
    yield connection
    connection.close()


def ask(connection: Connection, line: bytes, timeout_s: float = 10.0) -> bytes:
    reply = connection.ask(ECHO, b"", [line, b"\n"], end=line + b"\n", timeout_s=timeout_s)
    assert not reply.ended
    return reply.stdout.split()[0]


def test_one_process_answers_everything(connection: Connection) -> None:
    assert len({ask(connection, b"%d" % n) for n in range(20)}) == 1


def test_what_goes_ahead_goes_to_each_process_once(connection: Connection) -> None:
    for _ in range(2):
        reply = connection.ask("cat", b"head ", [b"a\n"], end=b"a\n", timeout_s=10)
        assert reply.stdout in {b"head a\n", b"a\n"}
    assert reply.stdout == b"a\n"


def test_requests_at_once_get_processes_of_their_own(connection: Connection) -> None:
    together = threading.Barrier(4)

    def one(n: int) -> bytes:
        together.wait(10)
        return ask(connection, b"%d" % n)

    with ThreadPoolExecutor(4) as pool:
        first = set(pool.map(one, range(4)))
    assert len(first) >= 1
    assert ask(connection, b"later") in first, "an idle one is asked again"


@pytest.mark.slow
def test_20_mib_are_asked_and_answered(connection: Connection) -> None:
    big = bytes(range(1, 256)) * (80 << 10) + b"END"
    for _ in range(2):
        reply = connection.ask("cat", b"", [big], end=b"END", timeout_s=60)
        assert (reply.stdout == big, reply.ended) == (True, False)


def test_one_that_ended_is_said_so_and_started_again(connection: Connection) -> None:
    first = ask(connection, b"x")
    reply = connection.ask(ECHO, b"", [b"bye\n"], end=b"never", timeout_s=10)
    assert (reply.ended, reply.exit_status, reply.stdout) == (True, 3, b"")
    assert ask(connection, b"x") != first


def test_one_that_is_dismissed_is_not_asked_again(connection: Connection) -> None:
    first = ask(connection, b"x")
    connection.dismiss(ECHO)
    assert ask(connection, b"x") != first


def test_silence_is_an_unknown_fate_and_ends_the_connection(connection: Connection) -> None:
    ask(connection, b"x")
    with pytest.raises(TransportError, match="no complete answer within") as caught:
        ask(connection, b"mute", timeout_s=0.5)
    assert caught.value.fate is Fate.UNKNOWN
    assert not connection.is_open
    connection.open()
    assert ask(connection, b"again").isdigit()
