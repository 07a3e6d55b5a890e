"""Contents of git objects, many through one ``git cat-file --batch``, every wait with a deadline."""

from __future__ import annotations

import os
import select
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import IO, TypeVar, cast

from deployer.errors import SourceUnavailable
from deployer.source.plumbing import Plumbing, end

_T = TypeVar("_T")

CHUNK_BYTES = 1 << 18
_AHEAD = 500  # requests written before their answers are read: 41 bytes each, less than a pipe holds


class DamagedMirror(SourceUnavailable):
    """An object that must be here is missing or corrupt. ``Mirror.rebuild`` cures it."""


class Blobs:
    """Reads blobs of one repository; threads may share it, one speaks at a time."""

    def __init__(self, plumbing: Plumbing, *, timeout_s: float = 60.0) -> None:
        self._plumbing, self._timeout_s = plumbing, timeout_s
        self._lock = threading.Lock()
        self._batch: _Batch | None = None

    def read(self, oid: str) -> bytes:
        """The whole content of one blob.

        :raises SourceUnavailable: when it cannot be read.
        """
        return self.each([oid], b"".join)[0]

    def each(self, oids: Sequence[str], use: Callable[[Iterator[bytes]], _T]) -> list[_T]:
        """What ``use(chunks)`` makes of every blob, in order. It must read all chunks; one is held at a time.

        :raises DamagedMirror: when a blob is missing or corrupt.
        :raises SourceUnavailable: when git stops answering.
        """
        with self._lock:
            if self._batch is None:
                self._batch = _Batch(self._plumbing, self._timeout_s)
            try:
                return [
                    use(chunks)
                    for at in range(0, len(oids), _AHEAD)
                    for chunks in self._batch.ask(oids[at : at + _AHEAD])
                ]
            except BaseException:  # the conversation is out of step: begin a new one next time
                self._close()
                raise

    def close(self) -> None:
        """End the process; the next read starts another."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._batch is not None:
            self._batch.close()
            self._batch = None


class _Batch:
    """One running ``git cat-file --batch``."""

    def __init__(self, plumbing: Plumbing, timeout_s: float) -> None:
        process = plumbing.start("cat-file", "--batch")
        self._stdin, self._stdout = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        self._where, self._timeout_s = plumbing.directory, timeout_s
        self._buffer = bytearray()
        self.close = weakref.finalize(self, end, process)

    def ask(self, oids: Sequence[str]) -> Iterator[Iterator[bytes]]:
        """Ask for blobs; each must be read to its end before the next."""
        try:
            self._stdin.write("".join(f"{oid}\n" for oid in oids).encode())
            self._stdin.flush()
        except BrokenPipeError:
            raise DamagedMirror(f"git cat-file ended by itself ({self._where})") from None
        for oid in oids:
            words = self._line().split()
            if len(words) != 3 or words[1] != b"blob":
                raise DamagedMirror(f"git object {oid} cannot be read from the mirror {self._where}")
            yield self._content(int(words[2]))

    def _content(self, size: int) -> Iterator[bytes]:
        left = size
        while left:
            if not self._buffer:
                self._fill()
            chunk = bytes(self._buffer[:left])
            del self._buffer[:left]
            left -= len(chunk)
            yield chunk
        while not self._buffer:
            self._fill()
        del self._buffer[:1]  # the newline after each content

    def _line(self) -> bytes:
        while (at := self._buffer.find(b"\n")) < 0:
            self._fill()
        line = bytes(self._buffer[:at])
        del self._buffer[: at + 1]
        return line

    def _fill(self) -> None:
        descriptor = self._stdout.fileno()
        ready = select.poll()
        ready.register(descriptor, select.POLLIN)
        if not ready.poll(self._timeout_s * 1000):
            raise SourceUnavailable(f"git cat-file said nothing for {self._timeout_s:g} s ({self._where})")
        chunk = os.read(descriptor, CHUNK_BYTES)
        if not chunk:
            raise DamagedMirror(f"git cat-file stopped in the middle of an answer ({self._where})")
        self._buffer += chunk
