"""Streams to a rehearsed nginx where the host has no perl: each is one session that passes bytes on.

:mod:`deployer.host.switchboard` is how it is done elsewhere.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from typing import TYPE_CHECKING

from deployer.errors import Fate, TransportError
from deployer.host.deadline import Deadline
from deployer.host.request import Header, Request

if TYPE_CHECKING:
    from paramiko import Channel

    from deployer.host.exchange import Reply
    from deployer.host.ssh import Connection

AT_ONCE = 4
"""Streams to one host at a time: sshd's MaxSessions is 10 by default, and each costs it a few processes."""

_FIRST = 1 << 14  #: what the agent may say before it passes bytes on


SIGN_S = 5.0
"""The host hears something at least this often, else it takes the caller for dead after 30 s."""


class Signs:
    """Signs of life for a rehearsal that waits for a word."""

    def __init__(self, channel: Channel) -> None:
        """Give them until :meth:`stop`, or until the channel is gone."""
        self._channel, self._stopped = channel, threading.Event()
        self._thread = threading.Thread(target=self._give, name="signs of life", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give no more; when this returns, none is on its way."""
        self._stopped.set()
        self._thread.join(SIGN_S)

    def _give(self) -> None:
        with contextlib.suppress(OSError):
            while not self._stopped.wait(SIGN_S):
                self._channel.settimeout(SIGN_S)
                self._channel.sendall(b"still\n")


class RelayStream:
    """A connection to the rehearsed nginx (``checks.stream.Stream``)."""

    def __init__(self, channel: Channel, ahead: bytes, slots: threading.Semaphore) -> None:
        self._channel, self._ahead, self._slots = channel, ahead, slots
        self._lock, self._closed = threading.Lock(), False

    def send(self, data: bytes, /) -> int:
        """Send some of the data; returns how much."""
        return self._channel.send(data)

    def sendall(self, data: bytes, /) -> None:
        """Send all of it."""
        self._channel.sendall(data)

    def recv(self, size: int, /) -> bytes:
        """Receive some bytes; none at the end."""
        if self._ahead:
            first, self._ahead = self._ahead[:size], self._ahead[size:]
            return first
        return self._channel.recv(size)

    def settimeout(self, seconds: float | None, /) -> None:
        """Limit the calls above; they raise ``TimeoutError``."""
        self._channel.settimeout(seconds)

    def close(self) -> None:
        """Give it up; another one may be opened in its place."""
        with self._lock:
            closed, self._closed = self._closed, True
        if not closed:
            with contextlib.suppress(Exception):  # the transport may be gone, and then so is this
                self._channel.close()
            self._slots.release()


class Relay:
    """What a probe needs of a connection (``checks.reach.Transport``), leading into a rehearsal."""

    def __init__(self, connection: Connection, command: str, header: Header) -> None:
        """Do nothing yet.

        :param command: what starts the agent.
        :param header: of the request, without address and port.
        """
        self._connection, self._command, self._header = connection, command, header
        self._slots = threading.Semaphore(AT_ONCE)

    @property
    def is_open(self) -> bool:
        """Whether the connection to the host is believed to be alive."""
        return self._connection.is_open

    @property
    def ca(self) -> str | None:
        """A PEM file of authorities that are believed for this host besides the others."""
        return self._connection.ca

    def open(self) -> None:
        """A rehearsal that is gone cannot be had again: does nothing."""

    def tunnel(self, address: str, port: int, *, timeout_s: float) -> RelayStream:
        """A stream to what the rehearsed nginx listens on at this address.

        Of :data:`AT_ONCE` streams, one has to be closed before another is opened.

        :param address: an IP address, or ``localhost``.
        :raises ConnectionRefusedError: it does not listen there.
        :raises TimeoutError: neither yes nor no in time.
        :raises TransportError: the connection to the host, or the rehearsal, is gone.
        """
        deadline = Deadline.after(timeout_s)
        if not self._slots.acquire(timeout=timeout_s):
            raise TimeoutError(f"{AT_ONCE} streams to {self._connection.host.name} are open already")
        try:
            return self._opened(address, port, deadline)
        except BaseException:
            self._slots.release()
            raise

    def call(self, command: str, *, timeout_s: float | None = None) -> Reply:  # noqa: ARG002
        """No command is run in a rehearsal. Raises ``TransportError``."""
        raise self._lost("no command can be run in a rehearsal")

    def _opened(self, address: str, port: int, deadline: Deadline) -> RelayStream:
        token = secrets.token_hex(8)
        to = {"localhost": "127.0.0.1"}.get(address, address.strip("[]"))
        asked = Request(("relay",), [*self._header, ("address", to), ("port", str(port))], b"")
        opening = b"".join(asked.parts(token))
        channel = self._connection.stream(self._command, opening, timeout_s=max(0.05, deadline.left))
        try:
            ahead = self._connected(channel, f"connected={token}\n".encode(), f"{to} port {port}", deadline)
        except BaseException:
            with contextlib.suppress(Exception):
                channel.close()
            raise
        return RelayStream(channel, ahead, self._slots)

    def _connected(self, channel: Channel, mark: bytes, place: str, deadline: Deadline) -> bytes:
        """Read the agent's own words; what follows them is the other side's."""
        said = b""
        while len(said) < _FIRST:
            channel.settimeout(max(0.05, deadline.left))
            some = channel.recv(_FIRST)
            said += some
            _, found, ahead = said.partition(mark)
            if found:
                return ahead
            if not some:
                break
        if b"refused=yes\n" in said:
            raise ConnectionRefusedError(f"the rehearsed nginx does not listen on {place}")
        lines = [line for line in said.decode("utf-8", "replace").splitlines() if line.startswith("error=")]
        raise self._lost(lines[-1].removeprefix("error=") if lines else "the rehearsal cannot be reached")

    def _lost(self, text: str) -> TransportError:
        return TransportError(text, host=self._connection.host.name, fate=Fate.NEVER_SENT)
