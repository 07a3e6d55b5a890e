"""A stream to the host's sshd, with a deadline on every wait: TCP or a ProxyCommand."""

from __future__ import annotations

import ipaddress
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass

from deployer.errors import Unreachable
from deployer.host.deadline import Deadline
from deployer.host.ssh_config import Route

STALL_S = 30.0
"""Unacknowledged or unsendable bytes for that long end a connection: the peer is cut off or frozen."""

_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
_Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


@dataclass(frozen=True)
class Dialled:
    """An open stream and what ends it for good."""

    sock: socket.socket
    close: Callable[[], None]


def dial(route: Route, deadline: Deadline, *, stall_s: float = STALL_S) -> Dialled:
    """Open the stream. Raises :class:`Unreachable` with a sentence.

    :param stall_s: unacknowledged bytes for so long end it.
    """
    return _run(route) if route.proxy_command else _connect(route, deadline, stall_s)


def _connect(route: Route, deadline: Deadline, stall_s: float) -> Dialled:
    addresses = _resolve(route, deadline)
    failure: OSError | None = None
    for left_over, (family, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            # A dead first address must leave time for the second one.
            sock.settimeout(max(0.05, deadline.left / left_over))
            _tune(sock, stall_s)
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
            continue
        return Dialled(sock, sock.close)
    raise Unreachable(_sentence(route, failure, deadline), host=route.name) from failure


def _sentence(route: Route, failure: OSError | None, deadline: Deadline) -> str:
    if isinstance(failure, TimeoutError):
        return (
            f"{route.where} did not answer within {deadline.seconds:g} s; is the host up, the address right?"
        )
    if isinstance(failure, ConnectionRefusedError):
        return f"{route.where} refused the connection; is sshd running there, on that port?"
    reason = failure.strerror if failure and failure.strerror else str(failure)
    return f"{route.where} cannot be reached: {reason}; check the address and the network"


def _tune(sock: socket.socket, stall_s: float) -> None:
    # Small packets follow each other (request, header, end of input): none may wait for the other's ACK.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(stall_s * 1000))


def _resolve(route: Route, deadline: Deadline) -> list[_Address]:
    family = _FAMILIES.get(route.family, socket.AF_UNSPEC)

    def ask() -> list[_Address]:
        found = socket.getaddrinfo(route.hostname, route.port, family, socket.SOCK_STREAM)
        return [(f, address) for f, _, _, _, address in found]

    try:
        if _is_literal(route.hostname):
            return ask()
        return _within(ask, deadline, what=f"the name {route.hostname}")
    except socket.gaierror as error:
        text = f"the name {route.hostname} does not resolve ({error.strerror}); check the inventory"
        raise Unreachable(text, host=route.name) from error
    except TimeoutError as error:
        text = (
            f"the name {route.hostname} was not resolved within {deadline.seconds:g} s; is DNS working here?"
        )
        raise Unreachable(text, host=route.name) from error


def _within(ask: Callable[[], list[_Address]], deadline: Deadline, *, what: str) -> list[_Address]:
    """Run the resolver, which has no timeout of its own, in a thread that may be left behind."""
    answer: list[list[_Address] | OSError] = []

    def work() -> None:
        try:
            answer.append(ask())
        except OSError as error:
            answer.append(error)

    thread = threading.Thread(target=work, name=f"resolve {what}", daemon=True)
    thread.start()
    thread.join(deadline.left)
    if not answer:
        raise TimeoutError(what)
    if isinstance(answer[0], OSError):
        raise answer[0]
    return answer[0]


def _is_literal(hostname: str) -> bool:
    try:
        ipaddress.ip_address(hostname)
    except ValueError:
        return False
    return True


def _run(route: Route) -> Dialled:
    # A socket pair, and not paramiko's ProxyCommand: that one spins when the command ends.
    ours, theirs = socket.socketpair()
    fd = theirs.fileno()
    try:
        process = subprocess.Popen(
            route.proxy_command, stdin=fd, stdout=fd, stderr=subprocess.DEVNULL, start_new_session=True
        )
    except OSError as error:
        ours.close()
        text = f"the ProxyCommand of {route.where} cannot be run: {route.proxy_command[0]}: {error.strerror}"
        raise Unreachable(text, host=route.name) from error
    finally:
        theirs.close()

    def close() -> None:
        ours.close()
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=1)

    return Dialled(ours, close)
