"""Jump hosts: one transport per bastion for the whole fleet, opened by the first that needs it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """What is shared: something that dies and is closed."""

    @property
    def alive(self) -> bool:
        """Whether it can be used."""

    def close(self) -> None:
        """End it."""


L = TypeVar("L", bound=Closable)


@dataclass
class _Shared(Generic[L]):
    users: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    link: L | None = None
    failed_at: float = 0.0
    failure: Exception | None = None


class Gateways(Generic[L]):
    """Links by the chain of hops that leads to them, counted, closed with their last user."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shared: dict[tuple[str, ...], _Shared[L]] = {}

    def acquire(self, hops: tuple[str, ...], open_: Callable[[], L]) -> L:
        """The open link to the last hop. Raises what ``open_`` raises, also to those who waited for it."""
        with self._lock:
            shared = self._shared.setdefault(hops, _Shared())
            shared.users += 1
        asked = time.monotonic()
        try:
            with shared.lock:
                if shared.link is not None and shared.link.alive:
                    return shared.link
                if shared.failure and shared.failed_at > asked:
                    # Everybody queued behind an unreachable bastion: one timeout is enough for all.
                    raise shared.failure
                try:
                    shared.link = open_()
                except Exception as error:
                    shared.failure, shared.failed_at = error, time.monotonic()
                    raise
                return shared.link
        except BaseException:
            self.release(hops)
            raise

    def release(self, hops: tuple[str, ...]) -> None:
        """One user less."""
        with self._lock:
            shared = self._shared.get(hops)
            if shared is None:
                return
            shared.users -= 1
            if shared.users > 0:
                return
            del self._shared[hops]
        if shared.link is not None:
            shared.link.close()
