"""A file lock with a deadline, and with a sentence about who holds it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployer.errors import SourceUnavailable

_POLL_S = 0.05


@contextmanager
def file_lock(path: Path, *, timeout_s: float, what: str) -> Iterator[int]:
    """Hold an exclusive ``flock`` on ``path``; yields its descriptor.

    A child that inherits the descriptor keeps the lock when this process is killed: nobody else works on
    what is locked until the child has ended too. A normal exit unlocks whatever children may still hold.

    :raises SourceUnavailable: when it is not free within ``timeout_s`` seconds.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _acquire(descriptor, timeout_s, what)
        os.ftruncate(descriptor, 0)
        os.pwrite(
            descriptor, f"process {os.getpid()} since {time.strftime('%H:%M:%SZ', time.gmtime())}".encode(), 0
        )
        try:
            yield descriptor
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, timeout_s: float, what: str) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 200, 0).decode("utf-8", "replace") or "another process"
                raise SourceUnavailable(
                    f"{what} is in use by {holder}, and was not free within {timeout_s:g} s; "
                    "wait for it or end that process"
                ) from None
            time.sleep(_POLL_S)
