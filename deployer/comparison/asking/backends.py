"""Whether somebody listens where a candidate hands requests on to: connected to, and not a word said."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from deployer.checks.http import NoAnswer
from deployer.checks.reach import BrokenProbe, Transport, through
from deployer.comparison.asked import Question
from deployer.comparison.reading.pools import Backend, Exchange

LIMIT_S = 3.0
AGAIN_S = 0.7
MOST = 32
"""Servers that are tried, on each side."""
AT_ONCE = 8


There = Callable[[Iterable[str]], Mapping[str, str]]
"""What the host has at paths: ``socket``, ``directory``, ``file``, ``nothing``; it may not know of all."""


@dataclass(frozen=True)
class Reach:
    """How a host's backends are reached.

    :ivar deadline: by the monotonic clock.
    """

    transport: Transport
    there: There
    deadline: float


def nobody_there(
    exchanges: Sequence[Exchange], reach: Reach, stop: threading.Event
) -> list[tuple[Question, str]]:
    """Places whose servers all accept no connection, twice, where one of those of live does.

    A place whose servers live cannot reach either is not the candidate's fault.

    :returns: questions, each with a sentence's end.
    """
    new = _reached(reach, (b for e in exchanges for b in e.new))
    dead = [e for e in exchanges if not any(new.get(b, True) for b in e.new)]
    if not dead or stop.wait(AGAIN_S):
        return []
    again = _reached(reach, (b for e in dead for b in e.new))
    dead = [e for e in dead if not any(again.get(b, True) for b in e.new)]
    old = _reached(reach, (b for e in dead for b in e.old))
    return [(e.question, _said(e)) for e in dead if any(old.get(b) for b in e.old)]


def _reached(reach: Reach, some: Iterable[Backend]) -> Mapping[Backend, bool]:
    """Whether each is there for the host; without those of which that is not known."""
    every = sorted(set(some))[:MOST]
    paths = [b.address for b in every if not b.port]
    there = reach.there(paths) if paths else {}
    found = {b: there[b.address] == "socket" for b in every if not b.port and b.address in there}
    backends = [b for b in every if b.port]
    with ThreadPoolExecutor(min(AT_ONCE, len(backends)) or 1, thread_name_prefix="reach") as pool:
        said = pool.map(lambda backend: _connected(backend, reach.transport, reach.deadline), backends)
        return found | {b: one for b, one in zip(backends, said, strict=True) if one is not None}


def _connected(backend: Backend, transport: Transport, deadline: float) -> bool | None:
    if time.monotonic() > deadline:
        return None
    try:
        stream = through(transport, backend.address, backend.port, min(deadline, time.monotonic() + LIMIT_S))
    except NoAnswer:
        return False
    except BrokenProbe:
        return None
    with contextlib.suppress(OSError):
        stream.close()
    return True


def _said(exchange: Exchange) -> str:
    where = [str(backend) for backend in sorted(exchange.new)]
    listed = ", ".join(where[:3]) + (f" and {len(where) - 3} more" if len(where) > 3 else "")
    return f"{exchange.place} hands requests on to {listed} now, where nobody listens"
