"""One authenticated SSH transport, made by Fabric over paramiko, strict about the host's key.

Imported only when a connection is made: fabric and paramiko cost more time than all else together.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import fabric
from paramiko import Channel, ChannelException, Message, PKey, SSHClient, SSHException, Transport
from paramiko.client import MissingHostKeyPolicy
from paramiko.common import MSG_CHANNEL_CLOSE, MSG_CHANNEL_EOF, cMSG_GLOBAL_REQUEST
from paramiko.config import SSHConfig
from paramiko.ssh_exception import IncompatiblePeer

from deployer.errors import DeployerError, HostKeyError, Unreachable
from deployer.host.deadline import Deadline
from deployer.host.known_hosts import KnownHosts, judge, key_types
from deployer.host.login import Login
from deployer.host.ssh_config import Route

KEEPALIVE_S = 10
"""So often something is sent on a silent connection; unacknowledged for ``dial.STALL_S``, it ends."""

IDLE_S = 1.0
"""So long a connection's thread sleeps where hundreds are kept open and nothing is said on most of them."""

FROZEN_S = 0.3
"""A handshake that took all of at least that time met silence; a shorter one may just have come too late."""

_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
_RSA = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")


class Dropped(Exception):
    """The peer hung up before it authenticated anybody: nothing was done, trying again is safe."""


class _Gate:
    """What one channel sends through, in its transport's place: after CLOSE nothing goes out any more.

    paramiko looks whether a channel is open, lets go of its lock, then sends. A second thread that closes the
    channel in between lets data follow the CLOSE; sshd answers that by ending the transport, and with
    it everybody else's channels (or, if it has used the number again, it feeds the data to a stranger).
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._lock, self._shut = threading.Lock(), False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wire, name)

    def _send_user_message(self, message: Message) -> None:
        kind = message.asbytes()[0]
        with self._lock:
            if self._shut:
                return
            self._shut = kind == MSG_CHANNEL_CLOSE
            # To end a channel of a dead transport is no error: it may be the socket of another transport,
            # whose thread would die of it.
            ends = kind in {MSG_CHANNEL_CLOSE, MSG_CHANNEL_EOF}
            with suppress(*((EOFError, OSError, SSHException) if ends else ())):
                self._wire._send_user_message(message)  # type: ignore[attr-defined]


class Wire(Transport):
    """paramiko's transport, with two of its races between threads mended.

    The refusal of a channel is kept on that channel, not on the transport, where another thread's wait may
    pick it up. What a channel sends passes its gate.
    """

    _unanswered_since: float | None = None  #: of the questions whether the peer is there

    def expect_pulse(self, within_s: float) -> None:
        """From now on ask the peer again and again whether it is there; silent for so long, it is not.

        TCP notices a peer that is gone only where it ends at that peer, and not at a jump host or a command;
        and one whose kernel lives while its sshd is frozen it never notices.
        """
        inner: Any = self.packetizer
        # So often its thread looks whether it is to end; ten times a second is much for 500 threads.
        self.sock.settimeout(min(IDLE_S, within_s / 4))
        inner.set_keepalive(within_s / 3, lambda: self._feel(within_s))

    def _feel(self, within_s: float) -> None:
        # In the transport's own thread, and only when there is nothing to read: an answer was not overlooked.
        now = time.monotonic()
        if self._unanswered_since is None:
            self._unanswered_since = now
        elif now - self._unanswered_since > within_s:
            raise EOFError(f"nothing was heard of the peer for {within_s:g} s")
        message = Message()
        message.add_byte(cMSG_GLOBAL_REQUEST)
        message.add_string("keepalive@openssh.com")
        message.add_boolean(True)  # it wants an answer, be it that nobody knows such a request
        inner: Any = self
        inner._send_user_message(message)

    def _parse_request_success(self, m: Message) -> None:
        self._unanswered_since = None
        super()._parse_request_success(m)  # type: ignore[misc]

    def _parse_request_failure(self, m: Message) -> None:
        self._unanswered_since = None
        super()._parse_request_failure(m)  # type: ignore[misc]

    def _parse_channel_open_failure(self, m: Message) -> None:
        chanid, reason = m.get_int(), m.get_int()
        channel = self._channels.get(chanid)  # type: ignore[attr-defined]
        if channel is not None:
            channel.refusal = ChannelException(reason, m.get_text())
        with self.lock:
            event = self.channel_events.pop(chanid, None)
        if event:
            event.set()

    def opened(self, kind: str, deadline: Deadline, target: tuple[str, int] | None = None) -> Channel:
        """Open a channel. Raises ``ChannelException`` (refused), ``TimeoutError``, ``EOFError`` (dead)."""
        try:
            channel = self.open_channel(kind, target, ("127.0.0.1", 0), timeout=max(0.05, deadline.left))
        except (SSHException, OSError) as error:
            if self.is_active() and deadline.passed:
                raise TimeoutError(f"no answer within {deadline.seconds:g} s") from error
            raise EOFError(str(error)) from error
        refusal: ChannelException | None = getattr(channel, "refusal", None)
        if refusal:
            self._unlink_channel(channel.chanid)  # type: ignore[attr-defined]
            raise refusal
        gate: Any = _Gate(self)
        channel._set_transport(gate)  # type: ignore[attr-defined]
        return channel

    def abort(self) -> None:
        """End the connection without waiting for anybody."""
        with suppress(OSError, EOFError):
            self.close()


class _Pinned(MissingHostKeyPolicy):
    """Trusts what known_hosts holds. The client's own table stays empty, so it asks about every key."""

    def __init__(self, route: Route, known: KnownHosts) -> None:
        self._route, self._known = route, known

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:  # noqa: ARG002
        route = self._route
        verdict = judge(
            self._known, route.known_as, where=route.where, key_type=key.get_name(), blob=key.asbytes()
        )
        if not verdict.trusted:
            raise HostKeyError(verdict.sentence, host=route.name)


def connect(
    route: Route, sock: Any, login: Login, deadline: Deadline, *, pulse_s: float | None = None
) -> fabric.Connection:
    """Negotiate, check the host's key, log in.

    :param sock: an open stream to the host's sshd; the caller closes it when this raises.
    :param pulse_s: a host that is asked and says nothing for so long is given up; ``None``: only TCP decides.
    :raises Dropped: hung up before authentication; safe to try again.
    :raises HostKeyError: unknown, changed or revoked.
    :raises Unreachable: everything else, as a sentence.
    """
    begun_with_s = deadline.left
    known = KnownHosts.load(route.known_hosts)
    link = fabric.Connection(
        route.hostname,
        user=route.user,
        port=route.port,
        config=_config(),
        connect_kwargs={
            "sock": sock,
            "timeout": max(0.05, deadline.left),
            "banner_timeout": max(0.05, deadline.left),
            "transport_factory": _factory(deadline, key_types(known, route.known_as)),
            "auth_strategy": login,
        },
    )
    link.client.set_missing_host_key_policy(_Pinned(route, known))
    try:
        link.open()
    except Exception as error:
        link.client.close()
        raise _translated(error, route, deadline, begun_with_s) from error
    if pulse_s is None:
        link.transport.set_keepalive(KEEPALIVE_S)
    else:
        link.transport.expect_pulse(pulse_s)
    return link


def _translated(error: Exception, route: Route, deadline: Deadline, begun_with_s: float) -> Exception:
    if isinstance(error, DeployerError):
        return error
    if deadline.passed and begun_with_s >= FROZEN_S:
        text = f"{route.where} connects but did not finish the SSH handshake within {deadline.seconds:g} s"
        return Unreachable(text + "; is the host frozen or overloaded?", host=route.name)
    if isinstance(error, IncompatiblePeer):
        return Unreachable(f"{route.where} speaks no algorithm that is safe here: {error}", host=route.name)
    if isinstance(error, EOFError | OSError) or "banner" in str(error) or "No existing session" in str(error):
        return Dropped(f"{route.where} closed the connection before the login")
    what = str(error) or type(error).__name__
    return Unreachable(f"{route.where} broke the SSH handshake: {what}", host=route.name)


def _factory(deadline: Deadline, known_types: Sequence[str]) -> Callable[..., Wire]:
    def make(sock: Any, **options: Any) -> Wire:
        transport = Wire(sock, **options)
        transport.handshake_timeout = max(0.05, deadline.left)
        security = transport.get_security_options()
        security.ciphers = _first(_CIPHERS, security.ciphers)
        # A host that is known by one type of key only has to be asked for that type.
        wanted = [a for t in known_types for a in (_RSA if t == "ssh-rsa" else (t,))]
        security.key_types = _first(wanted, security.key_types)
        return transport

    return make


def _first(wanted: Sequence[str], offered: Sequence[str]) -> tuple[str, ...]:
    return tuple(a for a in wanted if a in offered) + tuple(a for a in offered if a not in wanted)


def _config() -> fabric.Config:
    # Neither ssh config nor fabric.yml files: what is honoured was resolved before, in one place.
    # Not shared: a Config merges itself anew while it is read, which other threads would see.
    quiet = logging.getLogger("paramiko")
    if quiet.level == logging.NOTSET:
        # It prints a traceback for every host that hangs up; the sentence is ours.
        quiet.setLevel(logging.CRITICAL)
    return fabric.Config(lazy=True, ssh_config=SSHConfig())
