"""Ctrl-C, SIGTERM and SIGHUP: before anything changes they end the command, after that they unwind it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

from deployer.cli import structured
from deployer.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 3  #: so many signals end the program at once, whatever the hosts are like


_touched = threading.Event()


def touched() -> bool:
    """Whether hosts may have been changed by this process."""
    return _touched.is_set()


class Signals:
    """While this is entered, signals set :attr:`stop` once hosts are being worked on."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._working = False
        self.guard_s = 0.0  #: how long a host that is left alone stays on what nobody confirmed
        self._count = 0
        self._raised: Interrupted | None = None
        self._before: dict[signal.Signals, Any] = {}

    @property
    def working(self) -> bool:
        """Hosts may have been touched: unwind instead of leaving."""
        return self._working

    @working.setter
    def working(self, now: bool) -> None:
        self._working = now
        if now:
            _touched.set()

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        # In the middle of a thread's start even Python's own cleaning up stumbles over it.
        if self._raised is not None and error is not self._raised and _is_behind(self._raised, error):
            raise self._raised from None

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._count += 1
        self.stop.set()
        name = signal.Signals(number).name
        if not self.working:
            # It may be raised in the middle of a thread's start; what that thread stumbles over is no news.
            sys.unraisablehook = lambda _what: None
            self._raised = Interrupted(f"{name}: ended before anything was changed")
            raise self._raised
        if self._count >= PATIENCE:
            _say(f"{name} again: leaving now;{self._guarded()} look at the hosts with 'deployer status'")
            os._exit(Interrupted.exit_code)
        left = PATIENCE - self._count
        _say(f"{name}: finishing what was begun and taking changed hosts back; {left} more to leave at once")

    def _guarded(self) -> str:
        if not self.guard_s:
            return ""
        by = time.strftime("%H:%M:%S", time.gmtime(time.time() + self.guard_s))
        return f" a host that was activated and not confirmed goes back by itself by {by} UTC (its guard);"


def _is_behind(cause: BaseException, error: BaseException | None) -> bool:
    """Whether an error came about while that one was on its way."""
    while error is not None and error is not cause:
        error = error.__context__
    return error is cause


def _say(what: str) -> None:
    if (log := structured.current()) is not None:
        log.interrupts(what)
        return
    # Not through sys.stderr: a handler may run in the middle of a write to it, and Python refuses a second.
    with suppress(OSError):
        os.write(2, f"\ndeployer: {what}\n".encode())
