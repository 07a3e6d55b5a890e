"""Connections against a real sshd: commands, tunnels, deadlines, and what is known after a failure."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deployer.errors import Fate, TransportError, Unreachable
from deployer.host.ssh import Connection, TunnelRefused
from tests.unit.host.conftest import Sshd, StartSshd

pytestmark = pytest.mark.slow

BIG = bytes(range(256)) * (20 << 12)  # 20 MiB


@pytest.fixture
def connection(sshd: Sshd) -> Iterator[Connection]:
    connection = sshd.connection()
    connection.open()
    yield connection
    connection.close()


@pytest.fixture
def own_sshd(start_sshd: StartSshd) -> Sshd:
    return start_sshd()


def test_a_command_answers_with_status_output_and_errors(connection: Connection) -> None:
    reply = connection.call("cat; echo bad >&2; exit 7", stdin=b"hello", timeout_s=10)
    assert (reply.exit_status, reply.stdout, reply.stderr) == (7, b"hello", b"bad\n")


def test_a_command_killed_by_a_signal_has_status_minus_one(connection: Connection) -> None:
    assert connection.call("kill -KILL $$", timeout_s=10).exit_status == -1


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


def test_a_command_that_does_not_read_its_input_still_answers(connection: Connection) -> None:
    reply = connection.call("echo enough; exit 3", stdin=BIG, timeout_s=30)
    assert (reply.exit_status, reply.stdout) == (3, b"enough\n")


def test_a_background_process_that_holds_the_output_open_is_not_waited_for(connection: Connection) -> None:
    begun = time.monotonic()
    reply = connection.call("sleep 30 & echo $!", timeout_s=20)
    assert reply.exit_status == 0
    assert time.monotonic() - begun < 10
    connection.call(f"kill {int(reply.stdout)}", timeout_s=10)


def test_an_answer_is_heard_when_it_comes(connection: Connection) -> None:
    """Not when a wait of a second is over: ten answers would take ten."""
    begun = time.monotonic()
    for _ in range(10):
        connection.call("sleep 0.05; echo late", timeout_s=10)
    assert time.monotonic() - begun < 8


def test_many_threads_share_one_transport(connection: Connection) -> None:
    def ask(n: int) -> bytes:
        return connection.call("cat", stdin=b"%d" % n, timeout_s=30).stdout

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(40))) == [b"%d" % n for n in range(40)]


def test_a_command_that_takes_too_long_ends_the_connection_with_unknown_outcome(sshd: Sshd) -> None:
    connection = sshd.connection()
    connection.open()
    begun = time.monotonic()
    with pytest.raises(TransportError, match=r"no complete answer within 0\.5 s") as caught:
        connection.call("exec sleep 20", timeout_s=0.5)
    assert caught.value.fate is Fate.UNKNOWN
    assert time.monotonic() - begun < 3
    with pytest.raises(TransportError) as caught:
        connection.call("true", timeout_s=1)
    assert caught.value.fate is Fate.NEVER_SENT
    connection.reopen()
    assert connection.call("echo again", timeout_s=10).stdout == b"again\n"
    connection.close()


def test_a_session_that_is_refused_was_never_sent(start_sshd: StartSshd) -> None:
    connection = start_sshd("MaxSessions 0").connection()
    connection.open()
    with pytest.raises(TransportError, match="opens no session") as caught:
        connection.call("true", timeout_s=5)
    assert caught.value.fate is Fate.NEVER_SENT
    connection.close()


def test_the_user_comes_from_the_inventory(sshd: Sshd) -> None:
    assert sshd.connection().user == sshd.user


class TestFrozenHost:
    def test_connecting_ends_at_the_deadline(self, own_sshd: Sshd) -> None:
        own_sshd.signal(signal.SIGSTOP)
        begun = time.monotonic()
        with pytest.raises(Unreachable, match=r"handshake within 1 s"):
            own_sshd.connection(connect_s=1).open()
        assert time.monotonic() - begun < 4

    def test_a_running_command_ends_at_its_deadline(self, own_sshd: Sshd) -> None:
        connection = own_sshd.connection()
        connection.open()
        connection.call("true", timeout_s=5)
        sessions = _sessions_of(own_sshd)
        with _stopped(own_sshd, sessions):
            begun = time.monotonic()
            with pytest.raises(TransportError) as caught:
                connection.call("true", stdin=BIG, timeout_s=1)
            assert caught.value.fate in {Fate.NEVER_SENT, Fate.UNKNOWN}
            assert time.monotonic() - begun < 4
            assert not connection.is_open

    def test_several_calls_on_a_full_line_end_at_their_deadlines(self, own_sshd: Sshd) -> None:
        connection = own_sshd.connection()
        connection.open()
        started = threading.Event()

        def fill() -> None:
            started.set()
            with pytest.raises(TransportError):
                connection.call("cat >/dev/null", stdin=BIG * 4, timeout_s=3)

        with ThreadPoolExecutor(2) as pool:
            filling = pool.submit(fill)
            started.wait(5)
            with _stopped(own_sshd, _sessions_of(own_sshd)):
                with pytest.raises(TransportError):
                    connection.call("true", timeout_s=1)
                filling.result(timeout=10)


def _sessions_of(sshd: Sshd) -> list[int]:
    """Processes that sshd forked for connections: each is a session leader of its own group or in ours."""
    found = []
    for line in _ps():
        pid, ppid = line
        if ppid == sshd.process.pid:
            found += [pid, *(child for child, parent in _ps() if parent == pid)]
    return found


def _ps() -> list[tuple[int, int]]:
    out = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        out.append((int(stat.parent.name), int(text.rpartition(")")[2].split()[1])))
    return out


class _stopped:  # noqa: N801 - reads as a word in a with statement
    def __init__(self, sshd: Sshd, pids: list[int]) -> None:
        self._pids = [sshd.process.pid, *pids]

    def __enter__(self) -> None:
        self._send(signal.SIGSTOP)

    def __exit__(self, *exc: object) -> None:
        self._send(signal.SIGCONT)

    def _send(self, number: int) -> None:
        for pid in self._pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


class TestDropped:
    def test_an_sshd_that_admits_nobody_is_tried_again_until_the_deadline(
        self, own_sshd: Sshd, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A server that hangs up at once, as MaxStartups does."""
        with _Hangup() as hangup:
            connection = own_sshd.connection(address="127.0.0.1", port=hangup.port, connect_s=1.5)
            with pytest.raises(Unreachable, match="before the login"):
                connection.open()
        assert hangup.count > 2
        assert not caplog.records

    def test_one_drop_is_made_good(self, own_sshd: Sshd) -> None:
        with _Hangup(relay_after=2, to=(own_sshd.address, own_sshd.port)) as hangup:
            own_sshd.trust(f"[127.0.0.1]:{hangup.port} {own_sshd.host_key()}")
            connection = own_sshd.connection(address="127.0.0.1", port=hangup.port)
            connection.open()
            assert connection.call("echo in", timeout_s=10).stdout == b"in\n"
            connection.close()

    def test_more_at_once_than_max_startups_all_get_in(self, start_sshd: StartSshd) -> None:
        sshd = start_sshd("MaxStartups 2:60:6")
        config = sshd.config()

        def ask(_: int) -> bytes:
            connection = sshd.connection(config=config, connect_s=30)
            connection.open()
            try:
                return connection.call("echo in", timeout_s=20).stdout
            finally:
                connection.close()

        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(ask, range(24))) == [b"in\n"] * 24
        assert "MaxStartups" in (sshd.directory / "log").read_text(), "nobody was dropped: nothing was tested"


class _Hangup:
    """Accepts and hangs up; after so many connections it passes them on."""

    def __init__(self, relay_after: int = 1 << 30, to: tuple[str, int] | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.count, self._after, self._to = 0, relay_after, to
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.count += 1
            if self._to is None or self.count <= self._after:
                client.close()
                continue
            server = socket.create_connection(self._to)
            for a, b in ((client, server), (server, client)):
                threading.Thread(target=_pipe, args=(a, b), daemon=True).start()

    def __enter__(self) -> _Hangup:
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _pipe(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for sock in (source, sink):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


class TestCut:
    def test_a_connection_that_dies_in_the_middle_has_an_unknown_outcome(self, own_sshd: Sshd) -> None:
        connection = own_sshd.connection()
        connection.open()
        ready = threading.Event()

        def cut() -> None:
            ready.wait(5)
            for pid in _sessions_of(own_sshd):
                os.kill(pid, signal.SIGKILL)

        threading.Thread(target=cut, daemon=True).start()
        threading.Timer(0.3, ready.set).start()
        with pytest.raises(TransportError, match="was lost") as caught:
            connection.call("exec sleep 20", timeout_s=15)
        assert caught.value.fate is Fate.UNKNOWN
        connection.close()

    def test_a_closed_port_a_dead_address_and_an_unknown_name_are_told_apart(self, sshd: Sshd) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        with pytest.raises(Unreachable, match="refused the connection"):
            sshd.connection(port=port, connect_s=2).open()
        with pytest.raises(Unreachable, match="does not resolve"):
            sshd.connection(address="no-such-host.invalid", connect_s=5).open()


class TestTunnel:
    def test_http_through_the_connection(self, connection: Connection) -> None:
        class Hello(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # http.client closes the stream before reading an answer of 1.0

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "300000")
                self.end_headers()
                self.wfile.write(b"x" * 300_000)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Hello)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            client = http.client.HTTPConnection("127.0.0.1")
            client.sock = connection.tunnel("127.0.0.1", server.server_port, timeout_s=5)
            client.request("GET", "/")
            answer = client.getresponse()
            assert (answer.status, len(answer.read())) == (200, 300_000)
            client.close()
        finally:
            server.shutdown()
            server.server_close()

    def test_a_closed_port_is_a_refused_connection(self, connection: Connection) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            connection.tunnel("127.0.0.1", port, timeout_s=5)

    def test_forbidden_forwarding_is_a_broken_probe(self, start_sshd: StartSshd) -> None:
        connection = start_sshd("AllowTcpForwarding no").connection()
        connection.open()
        with pytest.raises(TunnelRefused, match="does not forward"):
            connection.tunnel("127.0.0.1", 80, timeout_s=5)
        assert connection.call("echo still here", timeout_s=5).stdout == b"still here\n"
        connection.close()

    def test_refusals_reach_the_thread_that_asked(self, connection: Connection) -> None:
        """Opened side by side, some are taken and some are not."""
        with socket.create_server(("127.0.0.1", 0), backlog=64) as listening, socket.socket() as dead:
            dead.bind(("127.0.0.1", 0))
            good, bad = listening.getsockname()[1], dead.getsockname()[1]

            def ask(n: int) -> bool:
                try:
                    connection.tunnel("127.0.0.1", bad if n % 2 else good, timeout_s=10).close()
                except ConnectionRefusedError:
                    return False
                return True

            with ThreadPoolExecutor(8) as pool:
                assert list(pool.map(ask, range(40))) == [n % 2 == 0 for n in range(40)]

    def test_without_a_connection_it_was_never_sent(self, sshd: Sshd) -> None:
        with pytest.raises(TransportError) as caught:
            sshd.connection().tunnel("127.0.0.1", 80, timeout_s=1)
        assert caught.value.fate is Fate.NEVER_SENT


def test_ipv6(start_sshd: StartSshd) -> None:
    connection = start_sshd(address="::1").connection()
    connection.open()
    assert connection.call("echo six", timeout_s=5).stdout == b"six\n"
    connection.close()


def test_nothing_of_paramiko_reaches_the_log(own_sshd: Sshd, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    own_sshd.trust()
    with pytest.raises(Unreachable):
        own_sshd.connection().open()
    assert [r for r in caplog.records if r.name.startswith("paramiko")] == []
