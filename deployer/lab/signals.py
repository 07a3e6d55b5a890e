"""What a signal may do while a lab comes or goes: end it once, in order, and nothing after that."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from deployer.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interrupted_once() -> Iterator[None]:
    """Let one signal end this, SIGTERM and SIGHUP like Ctrl-C, and let no second one end the clean-up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def stop(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            return
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        else:
            raise Interrupted(f"stopped by {signal.Signals(number).name}; the lab is taken down again")

    for number, handler in before.items():
        if handler not in {None, signal.SIG_IGN}:
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler not in {None, signal.SIG_IGN}:
                signal.signal(number, handler)


@contextmanager
def deaf() -> Iterator[None]:
    """Hold signals back while something is taken down: a second Ctrl-C must not leave half of it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {}
    for number in SIGNALS:
        if signal.getsignal(number) not in {None, signal.SIG_IGN}:
            before[number] = signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        for held, handler in before.items():
            signal.signal(held, handler)
        for late in came:
            signal.raise_signal(late)
