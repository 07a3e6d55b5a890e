"""All streams to a rehearsed nginx on the one channel that it was asked for on.

The host spends one process on them, where a session, an agent and a relay for each stream cost it as much CPU
as some fifty answers of nginx. Frames are a kind, the number of the stream, and the length of what follows.
"""

from __future__ import annotations

import contextlib
import itertools
import struct
import threading
import time
from typing import TYPE_CHECKING

from deployer.errors import Fate, TransportError
from deployer.host.deadline import Deadline

if TYPE_CHECKING:
    from paramiko import Channel

    from deployer.host.exchange import Reply

AT_ONCE = 32
"""Streams to one host at a time."""

GRANT = 1 << 17
"""Bytes that the host may send ahead of what was received, of each stream."""

WORD_S = 5.0
"""The host hears something at least this often, else it takes the caller for dead after 30 s."""

END_S = 10.0

_HEAD = struct.Struct("!cII")
_CHUNK = 1 << 15
_KINDS = b"ORDCE"


class SwitchedStream:
    """A connection to the rehearsed nginx (``checks.stream.Stream``)."""

    def __init__(self, board: Switchboard, number: int) -> None:
        self._board, self._number = board, number
        self._news = threading.Condition()
        self._data, self._taken, self._limit_s = bytearray(), 0, 10.0
        self._open = self._over = self._closed = False
        self._refusal: str | None = None

    def send(self, data: bytes, /) -> int:
        """Send some of the data; returns how much: nothing once the other side has closed."""
        with self._news:
            if self._over or self._closed:
                return 0
        self._board.tell(b"D", self._number, some := data[:_CHUNK])
        return len(some)

    def sendall(self, data: bytes, /) -> None:
        """Send all of it."""
        while data:
            sent = self.send(data)
            if not sent:
                raise BrokenPipeError("closed by the other side")
            data = data[sent:]

    def recv(self, size: int, /) -> bytes:
        """Receive some bytes; none at the end."""
        with self._news:
            if not self._news.wait_for(lambda: self._data or self._over, self._limit_s):
                raise TimeoutError
            some = bytes(self._data[:size])
            del self._data[:size]
            self._taken += len(some)
            grant = self._taken if self._taken > GRANT // 2 and not self._over else 0
            self._taken -= grant
        if grant:
            self._board.tell(b"G", self._number, str(grant).encode())
        return some

    def settimeout(self, seconds: float | None, /) -> None:
        """Limit the receiving; it raises ``TimeoutError``."""
        self._limit_s = threading.TIMEOUT_MAX if seconds is None else seconds

    def close(self) -> None:
        """Give it up; another one may be opened in its place."""
        with self._news:
            closed, self._closed = self._closed, True
            over = self._over
        if not closed:
            self._board.forget(self._number, tell=not over)

    # --- for the board

    def opened(self, deadline: Deadline) -> bool:
        """Wait until it is connected; ``False``: it will not be."""
        with self._news:
            if not self._news.wait_for(lambda: self._open or self._over, max(0.05, deadline.left)):
                raise TimeoutError("the rehearsed nginx neither accepts nor refuses the connection")
            return self._open

    @property
    def refusal(self) -> str | None:
        """Why the host could not connect, in its words; ``None``: it did not say."""
        return self._refusal

    def heard(self, kind: bytes, data: bytes) -> None:
        """What the host says of this stream."""
        with self._news:
            if kind == b"O":
                self._open = True
            elif kind == b"D":
                self._data += data
            else:
                self._over = True
                self._refusal = data.decode("utf-8", "replace") if kind == b"R" else None
            self._news.notify_all()


class Switchboard:
    """What a probe needs of a connection (``checks.reach.Transport``), leading into a rehearsal."""

    def __init__(self, channel: Channel, token: str, host: str, *, ca: str | None = None) -> None:
        """Take the channel over, and listen.

        :param token: what the host's last word on it names.
        :param ca: a PEM file of authorities that are believed for this host besides the others.
        """
        self.ca = ca
        self._channel, self._token, self._host = channel, token, host
        self._slots = threading.Semaphore(AT_ONCE)
        self._writing, self._lock = threading.Lock(), threading.Lock()
        self._streams: dict[int, SwitchedStream] = {}
        self._numbers = itertools.count(1)
        self._lost, self._ending = False, False
        self._told = time.monotonic()
        channel.settimeout(WORD_S)
        self._listener = threading.Thread(target=self._listen, name=f"questions to {host}", daemon=True)
        self._listener.start()

    @property
    def is_open(self) -> bool:
        """Whether the way to the rehearsal is believed to be open."""
        return not self._lost

    def open(self) -> None:
        """A rehearsal that is gone cannot be had again: does nothing."""

    def call(self, command: str, *, timeout_s: float | None = None) -> Reply:  # noqa: ARG002
        """No command is run in a rehearsal. Raises ``TransportError``."""
        raise self._gone("no command can be run in a rehearsal")

    def tunnel(self, address: str, port: int, *, timeout_s: float) -> SwitchedStream:
        """A stream to what the rehearsed nginx listens on at this address.

        Of :data:`AT_ONCE` streams, one has to be closed before another is opened.

        :param address: an IP address, or ``localhost``.
        :raises ConnectionRefusedError: it does not listen there.
        :raises TimeoutError: neither yes nor no in time.
        :raises TransportError: the connection to the host, or the rehearsal, is gone.
        """
        deadline = Deadline.after(timeout_s)
        if not self._slots.acquire(timeout=timeout_s):
            raise TimeoutError(f"{AT_ONCE} streams to {self._host} are open already")
        number = next(self._numbers)
        stream = SwitchedStream(self, number)
        with self._lock:
            self._streams[number] = stream
        to = {"localhost": "127.0.0.1"}.get(address, address.strip("[]"))
        try:
            self.tell(b"O", number, f"{to} {port} {GRANT}".encode())
            if stream.opened(deadline):
                return stream
            if stream.refusal is None:
                raise self._gone("the rehearsal on this host has ended")
            raise ConnectionRefusedError(
                f"the rehearsed nginx does not listen on {to} port {port} ({stream.refusal})"
            )
        except BaseException:
            stream.close()
            raise

    def close(self) -> None:
        """End the rehearsal, and wait a little for the host to say that it is gone. Never raises."""
        self._ending = True
        with contextlib.suppress(Exception):
            self.tell(b"E", 0, b"")
        self._listener.join(END_S)
        with contextlib.suppress(Exception):  # the transport may be gone, and then so is this
            self._channel.close()

    # --- for the streams

    def tell(self, kind: bytes, number: int, data: bytes) -> None:
        """Send a frame. Raises ``TransportError`` once the channel is gone."""
        frame = _HEAD.pack(kind, number, len(data)) + data
        try:
            with self._writing:
                if self._lost:
                    raise self._gone("the rehearsal on this host has ended")
                self._channel.sendall(frame)
                self._told = time.monotonic()
        except OSError as error:  # half a frame may be on its way, so nothing can follow it
            self._lost = True
            raise self._gone("the rehearsal cannot be reached any more") from error

    def forget(self, number: int, *, tell: bool) -> None:
        """A stream is given up."""
        with self._lock:
            known = self._streams.pop(number, None)
        if known is None:
            return
        self._slots.release()
        if tell:
            with contextlib.suppress(TransportError):
                self.tell(b"C", number, b"")

    # --- the host's side

    def _listen(self) -> None:
        held = bytearray()
        with contextlib.suppress(OSError, EOFError, TransportError):
            while self._heard(held):
                pass
        self._lost = True
        with self._lock:
            left = list(self._streams.values())
        for stream in left:
            stream.heard(b"C", b"")
        if self._ending:
            self._last_word(held)

    def _heard(self, held: bytearray) -> bool:
        """Take what there is; ``False``: no more frames will come."""
        if time.monotonic() - self._told > WORD_S:
            self.tell(b"K", 0, b"")
        try:
            some = self._channel.recv(_CHUNK * 2)
        except TimeoutError:
            return True
        held += some
        while len(held) >= _HEAD.size:
            kind, number, size = _HEAD.unpack_from(held)
            if kind not in _KINDS:
                return False  # the agent's own word: it is over
            if len(held) < _HEAD.size + size:
                break
            data = bytes(held[_HEAD.size : _HEAD.size + size])
            del held[: _HEAD.size + size]
            if kind == b"E":
                return False
            with self._lock:
                stream = self._streams.get(number)
            if stream is not None:
                stream.heard(kind, data)
        return bool(some)

    def _last_word(self, held: bytearray) -> None:
        end = Deadline.after(END_S)
        mark = f"gone={self._token}\n".encode()
        with contextlib.suppress(OSError, EOFError):
            while mark not in held and end.left > 0:
                self._channel.settimeout(max(0.05, end.left))
                some = self._channel.recv(_CHUNK)
                if not some:
                    break
                held += some

    def _gone(self, text: str) -> TransportError:
        return TransportError(text, host=self._host, fate=Fate.NEVER_SENT)
