"""A bounded number of threads that do what is asked of them; who is stuck holds up nobody's end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue


class Workers:
    """Daemon threads, so that the program may end while one of them waits for a frozen host.

    :param most: threads, at most; they are started as they are needed.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name, self._most = name, most
        self._todo: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._open = 0  #: asked for and not done
        self._lock = threading.Lock()

    def do(self, work: Callable[[], None]) -> None:
        """Do it when a thread is free."""
        with self._lock:
            self._open += 1
            if self._open > len(self._threads) < self._most:
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._threads.append(thread)
                thread.start()
        self._todo.put(work)

    def _run(self) -> None:
        while True:
            work = self._todo.get()
            try:
                work()
            except Exception:
                logging.getLogger("deployer").exception("a bug in deployer, while it watched; it goes on")
            finally:
                with self._lock:
                    self._open -= 1
