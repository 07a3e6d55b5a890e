"""Real servers on loopback that behave badly on purpose, and a way to them that is no SSH connection."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployer.errors import Fate, TransportError
from deployer.host.exchange import Reply
from deployer.host.ssh import TunnelRefused

Handler = Callable[[socket.socket], None]


class Server:
    """Gives each connection to a handler in a thread of its own; counts the connections."""

    def __init__(self, handler: Handler, family: socket.AddressFamily = socket.AF_INET) -> None:
        self._handler = handler
        self._listener = socket.create_server(
            ("::1" if family is socket.AF_INET6 else "127.0.0.1", 0), family=family
        )
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self._handler(connection)
        self._open.discard(connection)

    def close(self) -> None:
        self.closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)


def read_request(connection: socket.socket) -> bytes:
    """Everything up to the empty line."""
    request = b""
    while b"\r\n\r\n" not in request:
        data = connection.recv(4096)
        if not data:
            break
        request += data
    return request


def replying(raw: bytes) -> Handler:
    """A handler that reads the request, sends these bytes and closes."""

    def handle(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(raw)

    return handle


def response(status: int = 200, body: bytes = b"hello", *headers: str) -> bytes:
    """An HTTP/1.1 response with a length."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def never(connection: socket.socket) -> None:
    """A handler that reads what comes and never answers."""
    while connection.recv(4096):
        pass


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(handler: Handler, family: socket.AddressFamily = socket.AF_INET) -> Server:
        servers.append(Server(handler, family))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@dataclass
class Pem:
    """A certificate and its key in one file."""

    path: Path

    def handler(self, inner: Handler, seen: list[str | None] | None = None) -> Handler:
        """TLS around a handler; the names that clients asked for go into ``seen``."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        context.set_alpn_protocols(["http/1.1"])
        if seen is not None:
            context.sni_callback = lambda _s, name, _c: seen.append(name)

        def handle(connection: socket.socket) -> None:
            with contextlib.suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as tls:
                inner(tls)

        return handle


class Authority:
    """A certificate authority made with openssl."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.ca = directory / "ca.pem"
        self._key = directory / "ca.key"
        self._openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", "/CN=Test authority", "-days", "30", "-keyout", str(self._key), "-out", str(self.ca)),
        )

    def issue(self, names: str, *, days: int = 90) -> Pem:
        """A certificate for ``names`` ("DNS:shop.example.com,IP:127.0.0.1"); negative days: expired."""
        stem = self._directory / f"{names.replace(',', '_').replace(':', '-').replace('*', 'any')}{days}"
        key, request, pem, extensions = (stem.with_suffix(s) for s in (".key", ".csr", ".pem", ".ext"))
        extensions.write_text(f"subjectAltName={names}\n")
        self._openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=x"),
            *("-keyout", str(key), "-out", str(request)),
        )
        self._openssl(
            *("x509", "-req", "-in", str(request), "-CA", str(self.ca), "-CAkey", str(self._key)),
            *("-CAcreateserial", "-days", str(days), "-extfile", str(extensions), "-out", str(pem)),
        )
        pem.write_text(pem.read_text() + key.read_text())
        return Pem(pem)

    @staticmethod
    def _openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@dataclass
class Loopback:
    """The way to this machine, without SSH: as :class:`deployer.host.ssh.Connection` behaves, or fails."""

    dead: bool = False
    prohibited: bool = False
    opened: int = 0
    ca: str | None = None

    @property
    def is_open(self) -> bool:
        return not self.dead

    def open(self) -> None:
        self.opened += 1

    def tunnel(self, address: str, port: int, *, timeout_s: float) -> socket.socket:
        self._alive()
        if self.prohibited:
            raise TunnelRefused("sshd does not forward: administratively prohibited", host="here")
        return socket.create_connection((address, port), timeout_s)

    def call(self, command: str, *, timeout_s: float | None = None) -> Reply:
        self._alive()
        done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=timeout_s, check=False)
        return Reply(done.returncode, done.stdout, done.stderr)

    def _alive(self) -> None:
        if self.dead:
            raise TransportError("there is no open connection", host="here", fate=Fate.NEVER_SENT)


@pytest.fixture
def loopback() -> Loopback:
    return Loopback()


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port that nobody listens on, kept so by being bound."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
