"""Streams without a file descriptor (a channel through the SSH connection has none) under one deadline.

``http.client`` wants of a socket no more than ``sendall``, ``makefile`` and ``close``, and ``ssl.SSLObject``
no socket at all, so both work over anything that can send and receive. ``close`` does nothing here: a
connection "closes" before the answer is read, and a stream has no count of its readers.
"""

from __future__ import annotations

import contextlib
import io
import ssl
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

_CHUNK = 65_536
_T = TypeVar("_T")


class Stream(Protocol):
    """What a socket and a paramiko channel have in common."""

    def send(self, data: bytes, /) -> int:
        """Send some of the data; returns how much."""

    def recv(self, size: int, /) -> bytes:
        """Receive some bytes; none at the end."""

    def settimeout(self, seconds: float, /) -> None:
        """Limit the calls above; they raise ``TimeoutError``."""

    def close(self) -> None:
        """Give it up."""


class Timed:
    """A stream under one deadline, with as much of a socket's face as ``http.client`` wants."""

    def __init__(self, stream: Stream, deadline: float) -> None:
        self._stream, self.deadline = stream, deadline

    def _limit(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._stream.settimeout(left)

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._limit()
            sent = self._stream.send(bytes(view[:_CHUNK]))
            if not sent:  # a paramiko channel says so instead of raising
                raise BrokenPipeError("closed by the other side")
            view = view[sent:]

    def recv(self, size: int) -> bytes:
        self._limit()
        return self._stream.recv(size)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self.recv))

    def close(self) -> None:
        pass


class Tls:
    """TLS over a timed stream. ``ssl.SSLSocket`` wants a file descriptor, an ``SSLObject`` does not."""

    def __init__(self, below: Timed, context: ssl.SSLContext, server_name: str) -> None:
        self._below = below
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=server_name)
        self._run(self._tls.do_handshake)

    @property
    def waiting(self) -> bool:
        """Whether something was received that nobody has read."""
        return bool(self._in.pending or self._tls.pending())

    def peer(self) -> bytes:
        return self._tls.getpeercert(binary_form=True) or b""

    def _run(self, act: Callable[[], _T]) -> _T:
        while True:
            try:
                result = act()
            except ssl.SSLWantReadError:
                self._flush()
                data = self._below.recv(_CHUNK)
                if data:
                    self._in.write(data)
                else:
                    self._in.write_eof()
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self._flush()  # the alert says to the other side what is wrong
                raise
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        if data := self._out.read():
            self._below.sendall(data)

    def sendall(self, data: bytes) -> None:
        self._run(lambda: self._tls.write(data))

    def recv(self, size: int) -> bytes:
        try:
            return self._run(lambda: self._tls.read(size))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return (
                b""  # many servers close without close_notify; the length of the body shows what is missing
            )

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self.recv))

    def close(self) -> None:
        pass


class Ahead(io.BufferedIOBase):
    """What ``http.client`` reads one answer after another from; it shows when more came than that."""

    def __init__(self, recv: Callable[[int], bytes]) -> None:
        super().__init__()
        self._recv, self._held = recv, bytearray()

    @property
    def waiting(self) -> bool:
        """Whether something was received that nobody has read."""
        return bool(self._held)

    def readable(self) -> bool:
        return True

    def readline(self, limit: int | None = -1, /) -> bytes:
        most = -1 if limit is None else limit
        while b"\n" not in self._held and not 0 <= most <= len(self._held) and self._more():
            pass
        end = self._held.find(b"\n") + 1 or len(self._held)
        return self._take(end if most < 0 else min(end, most))

    def read(self, size: int | None = -1, /) -> bytes:
        most = -1 if size is None else size
        while (most < 0 or len(self._held) < most) and self._more():
            pass
        return self._take(len(self._held) if most < 0 else most)

    def close(self) -> None:
        """An answer that was read to its end closes its file; the next one is read from the same."""

    def _more(self) -> bool:
        data = self._recv(_CHUNK)
        self._held += data
        return bool(data)

    def _take(self, size: int) -> bytes:
        some = bytes(self._held[:size])
        del self._held[:size]
        return some


class _Reader(io.RawIOBase):
    """``readinto`` for ``io.BufferedReader`` from a ``recv``."""

    def __init__(self, recv: Callable[[int], bytes]) -> None:
        super().__init__()
        self._recv = recv

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # typeshed's Buffer is 3.12's
        data = self._recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)
