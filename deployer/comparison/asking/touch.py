"""Listeners of ``stream``: what they say to a connection, without speaking their protocol."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from deployer.checks.certificate import Trust
from deployer.checks.http import Lack, NoAnswer
from deployer.checks.reach import BrokenProbe, Transport, through
from deployer.checks.stream import Stream, Timed, Tls
from deployer.comparison.asked import AnswerClass, Question
from deployer.nginx.sites import Listen

LIMIT_S = 4.0
LISTEN_S = 0.5
"""A server that closes at once has nobody behind it; one that says nothing waits for a client to speak."""
MOST = 50
AT_ONCE = 4


def streams(
    live: Sequence[Listen],
    to_live: Transport,
    to_candidate: Transport,
    deadline: float,
) -> dict[Question, tuple[AnswerClass, AnswerClass]]:
    """What each listener of live says to a connection, on both sides."""

    def both(listen: Listen) -> tuple[AnswerClass, AnswerClass] | None:
        if time.monotonic() > deadline:
            return None
        return touch(listen, to_live, deadline), touch(listen, to_candidate, deadline)

    some = live[:MOST]
    with ThreadPoolExecutor(min(AT_ONCE, len(some)) or 1, thread_name_prefix="touch") as pool:
        said = zip(some, pool.map(both, some), strict=True)
        return {Question(*x.place, "", ""): sides for x, sides in said if sides is not None}


def touch(listen: Listen, transport: Transport, deadline: float) -> AnswerClass:
    """Connect, shake hands where TLS is spoken, and listen for a moment."""
    deadline = min(deadline, time.monotonic() + LIMIT_S)
    address, port = listen.place
    try:
        stream = through(transport, address, port, deadline)
    except NoAnswer as error:
        return AnswerClass(str(error), lost=error.lack is Lack.LATE)
    except BrokenProbe as error:
        return AnswerClass(str(error), broken=True)
    with contextlib.closing(stream):
        try:
            return _heard(stream, listen, deadline)
        except TimeoutError:
            return AnswerClass("no handshake in time", lost=True)
        except OSError as error:
            return AnswerClass(f"closed: {error.strerror or type(error).__name__}")


def _heard(stream: Stream, listen: Listen, deadline: float) -> AnswerClass:
    below = Timed(stream, deadline)
    if listen.proxy:
        family = "TCP6" if ":" in listen.address else "TCP4"
        address, port = listen.place
        below.sendall(f"PROXY {family} {address} {address} 65535 {port}\r\n".encode())
    if listen.tls:
        Tls(below, Trust(verify=False).context(), "localhost")
        return AnswerClass("open", 200)
    stream.settimeout(LISTEN_S)
    try:
        data = stream.recv(64)
    except TimeoutError:
        return AnswerClass("open", 200)
    return AnswerClass("open", 200) if data else AnswerClass("the connection was closed at once")
