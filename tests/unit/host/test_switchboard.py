"""Many streams on one channel, by the program that the agent runs: none waits for another, and it ends."""

from __future__ import annotations

import http.client
import shutil
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

import deployer.host
from deployer.checks.stream import Timed
from deployer.errors import TransportError
from deployer.host.switchboard import GRANT, Switchboard

PART = Path(deployer.host.__file__).parent / "sh/switchboard.sh"
LARGE = GRANT * 4
WITHIN_S = 20.0

pytestmark = pytest.mark.skipif(shutil.which("perl") is None, reason="the program is in perl")


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"x" * LARGE if self.path == "/large" else self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, request_queue_size = True, 64

        def handle_error(self, *_: Any) -> None:
            """Somebody hung up."""

    with Server(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join(WITHIN_S)


@pytest.fixture
def keeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait(WITHIN_S)


def start(
    keeper: subprocess.Popen[bytes], silent_s: int = 30
) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair()
    script = f'. "{PART}"; exec perl -e "$switchboard_perl" {keeper.pid} {silent_s} 60'
    with theirs:
        process = subprocess.Popen(["sh", "-c", script], stdin=theirs.fileno(), stdout=theirs.fileno())
    return ours, process


@pytest.fixture
def board(keeper: subprocess.Popen[bytes]) -> Iterator[Switchboard]:
    channel, process = start(keeper)
    made = Switchboard(channel, "1a2b", "web1")  # type: ignore[arg-type]  # a socket has what it uses
    yield made
    made.close()
    assert process.wait(WITHIN_S) in (0, 1)


def get(board: Switchboard, port: int, path: str) -> bytes:
    stream = board.tunnel("localhost", port, timeout_s=WITHIN_S)
    try:
        connection = http.client.HTTPConnection("x")
        connection.sock = Timed(stream, time.monotonic() + WITHIN_S)
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        stream.close()


def test_many_streams_at_once_each_get_their_own(board: Switchboard, port: int) -> None:
    with ThreadPoolExecutor(40) as pool:
        paths = [f"/{number}" for number in range(120)]
        assert list(pool.map(lambda path: get(board, port, path), paths)) == [p.encode() for p in paths]
        assert get(board, port, "/large") == b"x" * LARGE


def test_a_stream_that_nobody_reads_holds_up_none(board: Switchboard, port: int) -> None:
    idle = board.tunnel("127.0.0.1", port, timeout_s=WITHIN_S)
    idle.sendall(b"GET /large HTTP/1.0\r\n\r\n")
    assert len(idle.recv(100)) > 0
    assert get(board, port, "/other") == b"/other"
    assert len(idle._data) <= GRANT, "no more than was granted is on its way"
    idle.close()


def test_where_nothing_listens_is_said(board: Switchboard, port: int) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        for address in ("127.0.0.1", "no address"):
            with pytest.raises(ConnectionRefusedError, match="does not listen"):
                board.tunnel(address, unused.getsockname()[1], timeout_s=WITHIN_S)
    assert get(board, port, "/") == b"/"


@pytest.mark.slow
def test_it_ends_with_the_rehearsal(keeper: subprocess.Popen[bytes], port: int) -> None:
    channel, process = start(keeper)
    board = Switchboard(channel, "1a2b", "web1")  # type: ignore[arg-type]  # a socket has what it uses
    stream = board.tunnel("127.0.0.1", port, timeout_s=WITHIN_S)
    keeper.kill()
    keeper.wait(WITHIN_S)
    assert process.wait(WITHIN_S) == 1
    stream.settimeout(WITHIN_S)
    assert stream.recv(1) == b""
    with pytest.raises(TransportError):
        board.tunnel("127.0.0.1", port, timeout_s=WITHIN_S)
    board.close()


@pytest.mark.slow
def test_it_ends_when_nobody_says_anything(keeper: subprocess.Popen[bytes]) -> None:
    channel, process = start(keeper, silent_s=1)
    with channel:
        assert process.wait(WITHIN_S) == 1
