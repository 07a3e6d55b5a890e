"""The connection to one host: opened once per command, strict about host keys, a deadline on every wait.

A failure says what is known of the command's fate; only what was never sent is repeated, and only here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.errors import Fate, TransportError
from deployer.host.deadline import Deadline
from deployer.host.dial import STALL_S
from deployer.host.gateways import Gateways
from deployer.host.ssh_config import Route, resolve
from deployer.model import Host

if TYPE_CHECKING:
    from paramiko import Channel

    from deployer.host.exchange import Conversation, Reply
    from deployer.host.link import Link

CONNECT_FAILED = 2  #: RFC 4254, 5.1: SSH_OPEN_CONNECT_FAILED


class TunnelRefused(TransportError):
    """The host's sshd does not forward: the probe is broken, not the service behind it."""

    def __init__(self, message: str, *, host: str) -> None:
        super().__init__(message, host=host, fate=Fate.NEVER_SENT)


@dataclass(frozen=True)
class SshOptions:
    """What all connections of one run of the program share.

    :ivar config_file: ``None`` is ``~/.ssh/config``.
    :ivar connect_timeout_s: until logged in, jump hosts included; a ``ConnectTimeout`` outranks it.
    :ivar command_timeout_s: for a command that names no time of its own.
    :ivar stall_s: a connection that nobody acknowledges for so long has ended.
    :ivar pulse_s: so has one whose sshd answers nothing for so long; ``None``: that is not asked.
    :ivar at_once: no more of them are open at a time; ``None``: as many as there are hosts.
    :ivar ahead: connections that are being opened already, by the hosts' names (``ahead.py``).
    """

    config_file: Path | None = None
    connect_timeout_s: float = 10.0
    command_timeout_s: float = 60.0
    stall_s: float = STALL_S
    pulse_s: float | None = None
    at_once: int | None = None
    gateways: Gateways[Link] = field(default_factory=Gateways, compare=False, repr=False)
    ahead: dict[str, Connection] = field(default_factory=dict, compare=False, repr=False)


@dataclass
class _Fate:
    sent: bool = False  #: whether the host may have got the command


class Connection:
    """One host, one transport, any number of channels, from any number of threads."""

    def __init__(self, host: Host, options: SshOptions) -> None:
        self.host, self.options = host, options
        self._lock = threading.Lock()
        self._route: Route | None = None
        self._link: Link | None = None
        self._idle: dict[str, list[Conversation]] = {}
        self._begun: Future[None] | None = None

    @classmethod
    def to(cls, host: Host, options: SshOptions) -> Connection:
        """The one that was begun already, or one that is yet to be opened."""
        begun = options.ahead.pop(host.name, None)
        return begun if begun is not None and begun.host == host else cls(host, options)

    @property
    def route(self) -> Route:
        """How the host is reached. Raises :class:`ConfigError`."""
        if self._route is None:
            own = self.host.ssh_config
            self._route = resolve(self.host, Path(own) if own else self.options.config_file)
        return self._route

    @property
    def ca(self) -> str | None:
        """A PEM file of authorities that are believed for this host besides the others."""
        return self.host.ca

    @property
    def user(self) -> str:
        """The login user, as inventory, ssh config or the local account say."""
        return self.route.user

    @property
    def is_open(self) -> bool:
        """Whether the transport is believed to be alive."""
        return self._link is not None and self._link.alive

    def open(self) -> None:
        """Connect and log in, unless that is done. Raises :class:`Unreachable` or :class:`HostKeyError`."""
        begun, self._begun = self._begun, None
        if begun is not None:
            with suppress(CancelledError):
                begun.result()  # no time limit: to connect has one
        self._connect()

    def ahead(self) -> tuple[Future[None], Callable[[], None]]:
        """What connects, for another thread to call; :meth:`open` waits for it, unless it is cancelled."""
        begun: Future[None] = Future()
        self._begun = begun

        def connect() -> None:
            if not begun.set_running_or_notify_cancel():
                return
            try:
                self._connect()
            except BaseException as error:  # raised again in who opens it
                begun.set_exception(error)
            else:
                begun.set_result(None)

        return begun, connect

    def _connect(self) -> None:
        with self._lock:
            if self.is_open:
                return
            from deployer.host.link import open_link

            self._drop()
            route = self.route
            deadline = Deadline.after(route.connect_timeout_s or self.options.connect_timeout_s)
            self._link = open_link(route, self.options, deadline)

    def reopen(self) -> None:
        """Connect anew, whatever the old connection is worth. Raises as :meth:`open` does."""
        self.close()
        self.open()

    def call(
        self, command: str, *, stdin: bytes | tuple[bytes, ...] = b"", timeout_s: float | None = None
    ) -> Reply:
        """Run a command through the user's login shell.

        :param command: fixed words only; nothing that an operator or a repository wrote.
        :param stdin: bytes, or several that are sent one after the other without being joined.
        :param timeout_s: until the answer is complete.
        :raises TransportError: with the command's fate. After ``UNKNOWN`` the connection is closed.
        """
        parts = (stdin,) if isinstance(stdin, bytes) else stdin
        deadline = Deadline.after(timeout_s or self.options.command_timeout_s)
        link = self._live_link()
        with self._told(link, deadline) as fate:
            talk = self._started(link, command, deadline)
            try:
                fate.sent = True
                return talk.ask(parts, b"", deadline)
            finally:
                if link.alive:
                    talk.close()

    def ask(
        self, command: str, opening: bytes, request: Sequence[bytes], *, end: bytes, timeout_s: float
    ) -> Reply:
        """Ask a command that answers request after request; started when none is idle.

        :param command: as for :meth:`call`.
        :param opening: goes ahead of the first request of each process.
        :param end: what a complete answer ends with, and nothing else does; when the command ends before it,
            the reply says so.
        :raises TransportError: as :meth:`call`.
        """
        deadline = Deadline.after(timeout_s)
        link = self._live_link()
        with self._told(link, deadline) as fate:
            talk = self._idle_talk(command)
            parts = tuple(request)
            if talk is None:
                talk = self._started(link, command, deadline)
                parts = (opening, *parts)
            fate.sent = True
            reply = talk.ask(parts, end, deadline)
        if reply.ended:
            talk.close()
        else:
            with self._lock:
                if self._link is link:
                    self._idle.setdefault(command, []).append(talk)
        return reply

    def hold(
        self, command: str, request: Sequence[bytes], *, end: bytes, timeout_s: float
    ) -> tuple[Reply, Conversation]:
        """As :meth:`ask`, on a session that is the caller's alone from then on, and the caller's to close."""
        deadline = Deadline.after(timeout_s)
        link = self._live_link()
        with self._told(link, deadline) as fate:
            talk = self._started(link, command, deadline)
            fate.sent = True
            return talk.ask(request, end, deadline), talk

    def stream(self, command: str, opening: bytes, *, timeout_s: float) -> Channel:
        """Start a command and speak with it byte by byte: ``recv``, ``sendall``, ``settimeout``, ``close``.

        :param opening: its first input, no more than :data:`exchange.INLINE`.
        :raises TransportError: there is no connection, or no session to be had.
        """
        deadline = Deadline.after(timeout_s)
        link = self._live_link()
        with self._told(link, deadline):
            channel = self._session(link, command, deadline)
            channel.settimeout(timeout_s)
            channel.sendall(opening)
        return channel

    def dismiss(self, command: str) -> None:
        """End what is idle of a command, so that the next request starts it anew."""
        with self._lock:
            idle = self._idle.pop(command, [])
        for talk in idle:
            talk.close()

    def _idle_talk(self, command: str) -> Conversation | None:
        with self._lock:
            idle = self._idle.get(command, [])
            while idle:
                talk = idle.pop()
                if talk.usable:
                    return talk
                talk.close()  # it ended meanwhile; a session that nobody closes counts against MaxSessions
        return None

    def _started(self, link: Link, command: str, deadline: Deadline) -> Conversation:
        """Ask for a command on a new session, and wait for no answer yet. Raises ``TransportError``."""
        from deployer.host import exchange

        return exchange.Conversation(self._session(link, command, deadline))

    def _session(self, link: Link, command: str, deadline: Deadline) -> Channel:
        from paramiko import ChannelException

        from deployer.host import exchange

        try:
            channel = link.session(deadline)
        except ChannelException as error:
            text = f"sshd on {self.route.where} opens no session for {self.user} ({error.text})"
            raise self._lost(text, sent=False) from error
        except TimeoutError as error:
            link.abort()
            text = f"{self.route.where} did not answer within {deadline.seconds:g} s; is it frozen?"
            raise self._lost(text, sent=False) from error
        except EOFError as error:
            raise self._lost(f"the connection to {self.route.where} was lost", sent=False) from error
        exchange.request(channel, command)
        return channel

    @contextmanager
    def _told(self, link: Link, deadline: Deadline) -> Iterator[_Fate]:
        """What breaks an exchange, as an error that says what is known of the command's fate."""
        from paramiko import SSHException

        from deployer.host import exchange

        fate = _Fate()
        try:
            yield fate
        except exchange.Refused as error:
            text = f"{self.route.where} runs no command for {self.user} (nologin? a restricted key?)"
            raise TransportError(text, host=self.host.name, fate=Fate.NEVER_SENT) from error
        except TimeoutError as error:
            link.abort()
            text = f"{self.route.where} gave no complete answer within {deadline.seconds:g} s"
            raise self._lost(text, sent=fate.sent) from error
        except (exchange.Lost, EOFError, OSError, SSHException) as error:
            link.abort()
            text = f"the connection to {self.route.where} was lost: {error or 'closed by the host'}"
            raise self._lost(text, sent=fate.sent) from error

    def tunnel(self, address: str, port: int, *, timeout_s: float) -> Channel:
        """A stream to what the host sees at an address: ``recv``, ``sendall``, ``settimeout``, ``close``.

        :raises ConnectionRefusedError: nothing answers there.
        :raises TunnelRefused: sshd forbids forwarding.
        :raises TimeoutError: neither yes nor no in time.
        :raises TransportError: the connection to the host itself is gone.
        """
        from paramiko import ChannelException

        link = self._live_link()
        place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        try:
            channel = link.tunnel((address, port), Deadline.after(timeout_s))
        except ChannelException as error:
            if error.code == CONNECT_FAILED:
                raise ConnectionRefusedError(f"{place} refused the connection ({error.text})") from error
            text = (
                f"sshd on {self.route.where} does not forward to {place}: {error.text} (AllowTcpForwarding?)"
            )
            raise TunnelRefused(text, host=self.host.name) from error
        except EOFError as error:
            raise self._lost(f"the connection to {self.route.where} was lost", sent=False) from error
        channel.settimeout(timeout_s)
        return channel

    def close(self) -> None:
        """End the connection. Never waits for the host, never raises."""
        begun, self._begun = self._begun, None
        if begun is not None and not begun.cancel() and not begun.done():
            begun.add_done_callback(lambda _: self._close())  # it is being opened, and nobody waits for that
        else:
            self._close()

    def _close(self) -> None:
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        link, self._link, self._idle = self._link, None, {}
        if link:
            link.close()

    def _live_link(self) -> Link:
        link = self._link
        if link is None or not link.alive:
            raise self._lost(f"there is no open connection to {self.route.where}", sent=False)
        return link

    def _lost(self, text: str, *, sent: bool) -> TransportError:
        return TransportError(text, host=self.host.name, fate=Fate.UNKNOWN if sent else Fate.NEVER_SENT)
