"""Metrics for whoever asks over HTTP, and as a file for node_exporter's textfile collector."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployer.errors import UsageError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from deployer.watch.now import Now

AT_ONCE = 8  #: questions that are answered at the same time; more are hung up on
PATIENCE_S = 10.0  #: for a client that is slow to ask or to read


def registry_of(now: Callable[[], Now]) -> CollectorRegistry:
    """What is exposed: the fleet, and this process itself.

    :raises UsageError: without prometheus_client.
    """
    if find_spec("prometheus_client") is None:
        raise UsageError(
            "metrics need the library prometheus_client, which is not there: pip install '.[watch]' in "
            "deployer's checkout"
        )
    from prometheus_client import CollectorRegistry, ProcessCollector

    from deployer.watch.metrics import Exposition

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Exposition(now))
    ProcessCollector(registry=registry)
    return registry


def address_of(text: str) -> tuple[str, int]:
    """``ADDR:PORT``, ``[::1]:9095`` or ``:9095`` (this machine only).

    :raises UsageError: for anything else.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isdecimal() or not int(port) < 65536 or (":" in host and "[" not in text):
        raise UsageError(f"--listen wants ADDRESS:PORT, such as 127.0.0.1:9095 or [::1]:9095, not {text!r}")
    return host or "127.0.0.1", int(port)


class Exposer(ThreadingHTTPServer):
    """Answers ``GET /metrics``. Closes connections rather than to be kept busy by one client."""

    daemon_threads = True
    request_queue_size = 16

    def __init__(self, address: tuple[str, int], registry: CollectorRegistry) -> None:
        self.registry = registry
        self._free = threading.BoundedSemaphore(AT_ONCE)
        try:
            found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            self.address_family = found[0][0]
            super().__init__(address, _Handler)
        except OSError as error:
            where = f"{address[0]}:{address[1]}"
            raise UsageError(f"--listen {where} cannot be had: {error.strerror or error}") from error

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def start(self) -> None:
        """Answer from now on, in a thread of its own."""
        threading.Thread(target=self.serve_forever, name="metrics", daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own, if there are not too many."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer one client."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    timeout = PATIENCE_S
    server: Exposer
    server_version = "deployer"
    sys_version = ""

    def do_GET(self) -> None:  # the name http.server calls
        from prometheus_client.exposition import choose_encoder

        if self.path.partition("?")[0] != "/metrics":
            return self.send_error(404, explain="The metrics are at /metrics.")
        encode, kind = choose_encoder(self.headers.get("Accept") or "")
        body = encode(self.server.registry)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name http.server gives it
        """Nobody wants a line for each question."""


class Textfile:
    """A file that node_exporter reads.

    :raises UsageError: it cannot be written there.
    """

    def __init__(self, path: Path, registry: CollectorRegistry) -> None:
        self.path, self._registry = path, registry
        if path.suffix != ".prom":
            raise UsageError(f"--textfile {path}: node_exporter only reads files whose names end in .prom")
        if not path.parent.is_dir():
            raise UsageError(f"--textfile {path}: there is no directory {path.parent}")

    def write(self) -> None:
        """All metrics, by one rename. Raises ``OSError``."""
        from prometheus_client import write_to_textfile

        write_to_textfile(str(self.path), self._registry)
        self.path.chmod(0o644)
