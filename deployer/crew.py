"""Threads for work that has to be done also where no more threads can be had."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from deployer.shortage import lack

P = ParamSpec("P")
T = TypeVar("T")


class Crew(ThreadPoolExecutor):
    """A pool that never refuses: what no thread can be started for is done by one that is there, later,
    or, where there is none, by whoever asks.

    A host that was switched has to be taken back whatever this machine has run out of.
    """

    _manned = False

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As ``ThreadPoolExecutor`` has it; raises ``RuntimeError`` only after the end."""
        future: Future[T] = Future()
        mine = threading.Lock()

        def once() -> None:
            # What a pool could start no thread for stays in its queue, and may be found there later.
            if not mine.acquire(blocking=False) or not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work(*args, **kwargs))
            except BaseException as error:  # raised again in who waits
                future.set_exception(error)

        try:
            super().submit(once)
            self._manned = True
        except RuntimeError as error:
            if lack(error) is None:
                raise
            if not self._manned:
                once()
        return future
