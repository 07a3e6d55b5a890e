"""How a question gets to a server: through the host's SSH connection, or straight from here.

Who is at fault when it does not get there is decided here: the server (:class:`NoAnswer`) or the way to it
(:class:`BrokenProbe`).
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Protocol

from deployer.checks.http import Lack, NoAnswer
from deployer.checks.stream import Stream
from deployer.errors import TransportError
from deployer.host.ssh import TunnelRefused

_ALIVE_S = 3.0
_DISCARD_PORT = 9  # whether something listens there does not matter: sshd answers either way


class BrokenProbe(Exception):
    """The question could not be put; the message says why, as the end of a sentence."""


class Reply(Protocol):
    """How a command on the host ended: ``host.exchange.Reply`` is one."""

    @property
    def exit_status(self) -> int: ...
    @property
    def stdout(self) -> bytes: ...
    @property
    def stderr(self) -> bytes: ...


class Transport(Protocol):
    """What a probe needs of ``host.ssh.Connection``."""

    @property
    def is_open(self) -> bool: ...

    @property
    def ca(self) -> str | None:
        """A PEM file of authorities that are believed for this host besides the others."""

    def open(self) -> None:
        """Connect again when the connection is lost."""

    def tunnel(self, address: str, port: int, *, timeout_s: float) -> Stream:
        """A connection made by the host to ``address``, a name or an address as the host knows it.

        Raises ``ConnectionRefusedError`` when it cannot, ``TunnelRefused`` when sshd will not,
        ``TimeoutError`` when nothing was heard, ``TransportError`` when the SSH connection is gone.
        """

    def call(self, command: str, *, timeout_s: float | None = None) -> Reply:
        """Run one command line on the host as the SSH user."""


def through(transport: Transport, host: str, port: int, deadline: float) -> Stream:
    """Connect from the host itself. A name is resolved there.

    :raises NoAnswer: the host could not connect.
    :raises BrokenProbe: the SSH connection or its server is in the way.
    """
    try:
        return transport.tunnel(host, port, timeout_s=_left(deadline))
    except ConnectionRefusedError as error:
        raise NoAnswer(Lack.REFUSED, f"the host could not connect: {error}") from error
    except TimeoutError as error:
        if is_alive(transport):
            raise NoAnswer(Lack.LATE, "the host could not connect to it in time") from error
        raise BrokenProbe("the host does not answer on its SSH connection") from error
    except TunnelRefused as error:
        raise BrokenProbe(f"{error}; a check with `from: command` needs no tunnel") from error
    except TransportError as error:
        raise BrokenProbe(str(error)) from error


def reopen(transport: Transport) -> None:
    """Connect again when the SSH connection is lost. What does not succeed will be said by the next probe."""
    if not transport.is_open:
        with contextlib.suppress(TransportError):
            transport.open()


def is_alive(transport: Transport) -> bool:
    """Does the SSH connection still answer? It tells a silent service from a silent host.

    Asked for a tunnel, which costs the host no process, and unlike a command that is late leaves the
    connection as it is.
    """
    try:
        transport.tunnel("127.0.0.1", _DISCARD_PORT, timeout_s=_ALIVE_S).close()
    except (ConnectionRefusedError, TunnelRefused):
        return True
    except (TimeoutError, TransportError):
        return False
    return True


def direct(host: str, port: int, deadline: float) -> Stream:
    """Connect from here, trying each address of a name.

    :raises NoAnswer: nothing accepts connections there.
    :raises BrokenProbe: the name does not resolve here, or there is no route.
    """
    addresses = _resolve(host, port, deadline)
    trouble: OSError | None = None
    for number, (family, address) in enumerate(addresses):
        connection = socket.socket(family, socket.SOCK_STREAM)
        # An address that swallows packets must leave time for the next one.
        connection.settimeout(_left(deadline) / (len(addresses) - number))
        try:
            connection.connect(address)
        except OSError as error:
            connection.close()
            trouble = error
        else:
            return connection
    if isinstance(trouble, TimeoutError):
        raise NoAnswer(Lack.LATE, "the connection was not accepted in time") from trouble
    if isinstance(trouble, ConnectionRefusedError):
        raise NoAnswer(Lack.REFUSED, "the connection was refused") from trouble
    raise BrokenProbe(f"no connection from here to {host}: {trouble and trouble.strerror}") from trouble


def _resolve(host: str, port: int, deadline: float) -> list[tuple[int, tuple[str, int]]]:
    """``getaddrinfo`` cannot be given a time limit, so it is left behind when it takes too long."""
    found: list[tuple[int, tuple[str, int]]] = []
    trouble: list[OSError] = []

    def resolve() -> None:
        try:
            for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                found.append((family, address))  # type: ignore[arg-type]  # of IPv4 or IPv6, as connect wants it
        except OSError as error:
            trouble.append(error)

    thread = threading.Thread(target=resolve, name=f"resolve {host}", daemon=True)
    thread.start()
    thread.join(_left(deadline))
    if found and not thread.is_alive():
        return found
    why = (trouble[0].strerror or str(trouble[0])) if trouble else "no answer in time"
    raise BrokenProbe(f"the name {host} does not resolve here: {why}")


def _left(deadline: float) -> float:
    return max(0.001, deadline - time.monotonic())
