"""An open connection with all that carries it: socket or ProxyCommand, jump hosts."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from paramiko import Channel, ChannelException

from deployer.errors import ConfigError, HostKeyError, Unreachable
from deployer.host import wire
from deployer.host.deadline import Deadline
from deployer.host.dial import dial
from deployer.host.login import Login
from deployer.host.ssh_config import Route, parse_hop, resolve

if TYPE_CHECKING:
    from deployer.host.ssh import SshOptions

MAX_HOPS = 8
RETRY_FIRST_S, RETRY_MOST_S = 0.1, 1.0  #: between two attempts that were dropped before the login


class Link:
    """One authenticated transport. Closing it gives back what carried it."""

    def __init__(self, transport: wire.Wire, carriers: ExitStack, round_trip_s: float) -> None:
        self._transport, self._carriers = transport, carriers
        self.round_trip_s = round_trip_s  #: at most; the least that was seen

    @property
    def alive(self) -> bool:
        """Whether the transport is believed to be alive."""
        return bool(self._transport.is_active())

    def session(self, deadline: Deadline) -> Channel:
        """A session channel, for one command."""
        begun = time.monotonic()
        channel = self._transport.opened("session", deadline)
        self.round_trip_s = min(self.round_trip_s, time.monotonic() - begun)
        return channel

    def tunnel(self, target: tuple[str, int], deadline: Deadline) -> Channel:
        """A stream from the far end to an address it can reach."""
        return self._transport.opened("direct-tcpip", deadline, target)

    def abort(self) -> None:
        """Cut the transport without waiting for anybody."""
        self._transport.abort()

    def close(self) -> None:
        """Cut the transport and release what carried it."""
        self.abort()
        self._carriers.close()


def open_link(route: Route, options: SshOptions, deadline: Deadline) -> Link:
    """Connect along a route and log in; again, until the deadline, when hung up before the login.

    sshd drops connections it cannot admit yet (``MaxStartups``) before it looks at who comes; that is all
    that is ever repeated here.

    :raises HostKeyError: at once.
    :raises Unreachable: at once, or when the deadline passed.
    """

    def once() -> Link:
        return _attempt(route, options, deadline)

    try:
        try:
            return once()
        except wire.Dropped:
            return _again(once, deadline)
    except wire.Dropped as dropped:
        text = f"{dropped}, for {deadline.seconds:g} s; look at its sshd's log and MaxStartups"
        raise Unreachable(text, host=route.name) from dropped


def _again(once: Callable[[], Link], deadline: Deadline) -> Link:
    # Only a bad day needs tenacity, so only then its import is paid for.
    from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

    retrying = Retrying(
        retry=retry_if_exception_type(wire.Dropped),
        wait=wait_random_exponential(multiplier=RETRY_FIRST_S, max=RETRY_MOST_S),
        stop=stop_after_delay(deadline.left),
        reraise=True,
    )
    return retrying(once)


def _attempt(route: Route, options: SshOptions, deadline: Deadline) -> Link:
    with ExitStack() as carriers:
        login = Login(route, deadline)
        sock = _carrier(route, options, deadline, carriers)
        fabric_connection = wire.connect(route, sock, login, deadline, pulse_s=options.pulse_s)
        return Link(fabric_connection.transport, carriers.pop_all(), login.round_trip_s)
    raise AssertionError("unreachable")


def _carrier(route: Route, options: SshOptions, deadline: Deadline, carriers: ExitStack) -> Any:
    if not route.proxy_jump:
        dialled = dial(route, deadline, stall_s=options.stall_s)
        carriers.callback(dialled.close)
        return dialled.sock
    hops = route.proxy_jump
    if len(hops) > MAX_HOPS:
        raise ConfigError(f"more than {MAX_HOPS} jump hosts in a row", file="ssh config", key=route.name)
    try:
        gateway = options.gateways.acquire(hops, lambda: _open_hop(hops, options, deadline))
    except Unreachable as error:
        kind = HostKeyError if isinstance(error, HostKeyError) else Unreachable
        raise kind(f"the jump host {hops[-1]} failed: {error}", host=route.name) from error
    carriers.callback(options.gateways.release, hops)
    try:
        channel = gateway.tunnel((route.hostname, route.port), deadline)
    except ChannelException as error:
        text = f"the jump host {hops[-1]} cannot connect to {route.where}: {error.text}"
        raise Unreachable(text, host=route.name) from error
    except (TimeoutError, EOFError) as error:
        text = f"the jump host {hops[-1]} did not connect to {route.where} within {deadline.seconds:g} s"
        raise Unreachable(text, host=route.name) from error
    carriers.callback(channel.close)
    return channel


def _open_hop(hops: tuple[str, ...], options: SshOptions, deadline: Deadline) -> Link:
    try:
        hop = parse_hop(hops[-1])
    except ValueError as error:
        raise ConfigError(f"ProxyJump: {error}", file=str(options.config_file or "~/.ssh/config")) from error
    # As OpenSSH: the nearest hop follows its own ProxyJump, the others are reached over those before them.
    route = resolve(hop, options.config_file, jump=hops[:-1] or None)
    if route.proxy_jump[-1:] == hops[-1:]:
        raise ConfigError(
            f"{hops[-1]} is its own jump host", file=str(options.config_file or "~/.ssh/config")
        )
    return open_link(route, options, deadline)
