"""Real receivers of messages on loopback: a webhook that behaves as told, a mail server."""

from __future__ import annotations

import email
import email.policy
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aiosmtpd.controller import Controller

WITHIN_S = 60.0


@dataclass(frozen=True)
class Delivery:
    """One request of a webhook."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


class Hook:
    """An HTTP server that keeps what is posted to it.

    :ivar status: its answer from now on; ``None``: it takes the request and never answers.
    """

    def __init__(self) -> None:
        self.got: list[Delivery] = []
        self.status: int | None = 204
        self._released = threading.Event()
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append(Delivery(self.path, dict(self.headers), body))
                if hook.status is None:
                    hook._released.wait(WITHIN_S)
                    return
                self.send_response(hook.status)
                self.send_header("Location", f"http://127.0.0.1:{hook.port}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def events(self) -> list[str]:
        return [one.event["event"] for one in self.got]

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()


class Post:
    """A mail server that keeps the mails it takes."""

    def __init__(self) -> None:
        self.got: list[email.message.EmailMessage] = []
        post = self

        class Handler:
            async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
                got = email.message_from_bytes(envelope.content, policy=email.policy.default)
                assert isinstance(got, email.message.EmailMessage)
                post.got.append(got)
                return "250 taken"

        self._controller = Controller(Handler(), hostname="127.0.0.1", port=_free_port())
        self._controller.start()

    @property
    def url(self) -> str:
        port = self._controller.port
        return f"mailto://127.0.0.1:{port}/?from=deployer@ops.example.com&to=oncall@example.com"

    @property
    def subjects(self) -> list[str]:
        return [str(one["Subject"]) for one in self.got]

    def text(self, at: int = -1) -> str:
        part = self.got[at].get_body(("plain",))
        assert part is not None
        return str(part.get_content())

    def close(self) -> None:
        self._controller.stop()


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as there:
        port: int = there.getsockname()[1]
        return port


@contextmanager
def hook() -> Iterator[Hook]:
    made = Hook()
    try:
        yield made
    finally:
        made.close()


@contextmanager
def post() -> Iterator[Post]:
    made = Post()
    try:
        yield made
    finally:
        made.close()


def until(true: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    """Wait for something that another thread does."""
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
