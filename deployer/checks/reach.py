"""How a question gets to a server: through the host's SSH connection, or straight from here.

Who is at fault when it does not get there is decided here: the server (:class:`NoAnswer`) or the way to it
(:class:`BrokenProbe`).
"""

from __future__ import annotations

import socket
import threading
import time
from typing import Protocol

from deployer.checks.http import Lack, NoAnswer
from deployer.checks.stream import Stream

PROHIBITED, NOT_CONNECTED = 1, 2
"""Reasons of a channel that was not opened (RFC 4254, section 5.1)."""

_ALIVE_S = 3.0


class BrokenProbe(Exception):
    """The question could not be put; the message says why, as the end of a sentence."""


class Reply(Protocol):
    """How a command on the host ended."""

    @property
    def status(self) -> int: ...
    @property
    def stdout(self) -> bytes: ...
    @property
    def stderr(self) -> bytes: ...


class Transport(Protocol):
    """What a probe needs of ``host.ssh.Connection``."""

    def tunnel(self, address: str, port: int, timeout_s: float) -> Stream:
        """A connection made by the host to ``address``, a name or an address as the host knows it."""

    def call(self, command: str, stdin: bytes = b"", timeout_s: float = 30.0) -> Reply:
        """Run one command line on the host as the SSH user."""


def through(transport: Transport, host: str, port: int, deadline: float) -> Stream:
    """Connect from the host itself. A name is resolved there.

    :raises NoAnswer: the host could not connect.
    :raises BrokenProbe: the SSH connection or its server is in the way.
    """
    try:
        return transport.tunnel(host, port, timeout_s=_left(deadline))
    except Exception as error:
        raise _tunnel_failure(error, transport) from error


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


def is_alive(transport: Transport) -> bool:
    """Does the SSH connection still answer? Told apart by this: a silent service, a silent host."""
    try:
        transport.call("true", timeout_s=_ALIVE_S)
    except Exception:
        return False
    return True


def _tunnel_failure(error: Exception, transport: Transport) -> Exception:
    from paramiko import ChannelException

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ChannelException):
        cause = cause.__cause__
    if cause is not None:
        if cause.code == NOT_CONNECTED:
            return NoAnswer(Lack.REFUSED, "the host could not connect to it")
        if cause.code == PROHIBITED:
            return BrokenProbe(
                "sshd on the host refuses to tunnel (administratively prohibited): "
                "allow AllowTcpForwarding and PermitOpen, or use a check with `from: command`"
            )
        return BrokenProbe(f"sshd on the host opens no tunnel: {cause.text}")
    if is_alive(transport):
        return NoAnswer(Lack.LATE, "no connection to it could be made from the host")
    return BrokenProbe(f"the SSH connection is lost: {error}")


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
