"""Users: a steady stream of requests, each over a connection of its own, every outcome counted.

The stream comes from a child process, so that what it measures is not held up by this one. Requests start at
fixed times whatever became of those before (an open loop): a server that hangs meets more users, not fewer.
Standard library only, and this file alone is the child's program.
"""

from __future__ import annotations

import asyncio
import errno
import json
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Self

MAX_IN_FLIGHT = 4000
MAX_FAILURES_KEPT = 10_000
_GRACE_S = 15.0


class LoadLost(RuntimeError):
    """The stream of requests died, or cannot keep up: nothing can be said of its users."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One request that a user would complain about."""

    at: float  #: when it began, Unix time in seconds
    address: str
    why: str  #: a status such as ``503``, or ``refused``, ``timeout``, ``reset``, ``truncated``, ``unsent`` …


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of the requests that began in some span of time."""

    began: float  #: Unix time in seconds
    ended: float
    total: int
    failed: int  #: answered with 500 or more, or not in full; with ``expect``, with anything else than that
    by_status: dict[str, int]  #: "200", "503", "refused", "timeout" … → how many
    first_failure: float | None  #: Unix time at which the first failed request began
    last_failure: float | None
    failures: tuple[Failure, ...]  #: the first ten thousand of them
    slowest_ms: float
    median_ms: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    @classmethod
    def of(cls, raw: dict[str, object]) -> Self:
        failures = tuple(Failure(*each) for each in raw.pop("failures"))  # type: ignore[attr-defined]
        return cls(**raw, failures=failures)  # type: ignore[arg-type]


class Load:
    """A running stream of requests. ``with Load(…) as load:`` or ``load.stop()`` ends it."""

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        rate: float,
        host: str = "shop.example.com",
        path: str = "/",
        port: int = 80,
        timeout_s: float = 2.0,
        expect: str = "",
    ) -> None:
        """Start; returns when the first requests are on their way.

        :param addresses: asked in turn; IPv6 without brackets.
        :param rate: requests per second, all addresses together.
        :param expect: what a user came for: an answer that is not 200 with this in its body is a failure too,
            and another page with 200 is counted as ``wrong page``.
        """
        order = _Order(tuple(addresses), rate, host, path, port, timeout_s, expect)
        self._timeout_s = timeout_s
        self._child = subprocess.Popen(
            [sys.executable, "-I", __file__, json.dumps(asdict(order))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for us
        )
        self._total: LoadReport | None = None
        self._read()

    def phase(self) -> LoadReport:
        """What became of the requests begun since the last ``phase`` (or the start), once known of all."""
        return self._ask("phase")

    def stop(self) -> LoadReport:
        """End it; the report of all requests from the start. Said twice it answers the same."""
        if self._total is None:
            try:
                self._total = self._ask("stop")
            finally:
                self._child.communicate(timeout=_GRACE_S)
        return self._total

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.stop()
        else:
            self._child.kill()
            self._child.communicate()

    def _ask(self, word: str) -> LoadReport:
        assert self._child.stdin is not None  # noqa: S101 - asked for with PIPE
        self._child.stdin.write(word + "\n")
        self._child.stdin.flush()
        return LoadReport.of(json.loads(self._read()))

    def _read(self) -> str:
        assert self._child.stdout is not None  # noqa: S101 - asked for with PIPE
        ready, _, _ = select.select([self._child.stdout], [], [], self._timeout_s + _GRACE_S)
        line = self._child.stdout.readline() if ready else ""
        if not line:
            self._child.kill()
            raise LoadLost(
                "the users' requests cannot be sent in time: this machine is too busy, or out of memory; "
                "try again on a quieter one"
            )
        return line


# --- the child


@dataclass(frozen=True, slots=True)
class _Order:
    addresses: tuple[str, ...]
    rate: float
    host: str
    path: str
    port: int
    timeout_s: float
    expect: str

    @property
    def worst_good(self) -> int:
        """The highest status that is no failure."""
        return 200 if self.expect else 499


@dataclass(slots=True)
class _Tally:
    worst_good: int
    began: float = field(default_factory=time.time)
    by_status: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[float, str, str]] = field(default_factory=list)
    failed: int = 0
    first: float | None = None
    last: float | None = None
    times_ms: Counter[int] = field(default_factory=Counter)  #: whole milliseconds → requests
    in_flight: int = 0

    def count(self, at: float, address: str, outcome: str, took_s: float) -> None:
        self.by_status[outcome] += 1
        self.times_ms[round(took_s * 1000)] += 1
        if outcome.isdigit() and int(outcome) <= self.worst_good:
            return
        self.failed += 1
        self.first = at if self.first is None else min(self.first, at)
        self.last = at if self.last is None else max(self.last, at)
        if len(self.failures) < MAX_FAILURES_KEPT:
            self.failures.append((at, address, outcome))

    def report(self) -> str:
        total = sum(self.by_status.values())
        return json.dumps(
            {
                "began": self.began,
                "ended": time.time(),
                "total": total,
                "failed": self.failed,
                "by_status": dict(sorted(self.by_status.items())),
                "first_failure": self.first,
                "last_failure": self.last,
                "failures": self.failures,
                "slowest_ms": max(self.times_ms, default=0),
                "median_ms": _median(self.times_ms),
            }
        )


def _median(counts: Counter[int]) -> float:
    half, seen = sum(counts.values()) / 2, 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= half:
            return float(value)
    return 0.0


class _Answer(asyncio.Protocol):
    """One request on its own connection; ``done`` becomes the outcome."""

    def __init__(self, request: bytes, expect: bytes) -> None:
        self._request, self._expect = request, expect
        self._data = bytearray()
        self.done: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP connection's
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._data += data

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result("reset" if error else outcome_of(bytes(self._data), self._expect))


def outcome_of(answer: bytes, expect: bytes = b"") -> str:
    """The status of a complete HTTP/1 answer, or what is wrong with it.

    :param expect: to be in the body of a 200.
    """
    if not answer:
        return "empty"
    head, separator, body = answer.partition(b"\r\n\r\n")
    words = head.split(maxsplit=2)
    if not separator or len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        return "garbled"
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:") and len(body) < int(line[15:]):
            return "truncated"
    return "wrong page" if words[1] == b"200" and expect not in body else words[1].decode()


class _Stream:
    def __init__(self, order: _Order) -> None:
        self._order = order
        lines = (f"GET {order.path} HTTP/1.1", f"Host: {order.host}", "User-Agent: lab", "Connection: close")
        self._request = "\r\n".join([*lines, "", ""]).encode()
        self._expect = order.expect.encode()
        self._tallies = [_Tally(order.worst_good)]
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Send requests on time until told to stop; the next is always due at a fixed point of time."""
        loop, number, start = asyncio.get_running_loop(), 0, time.monotonic()
        words: asyncio.Queue[str] = asyncio.Queue()
        loop.add_reader(sys.stdin.fileno(), self._read_words, words)
        sys.stdout.write("started\n")
        sys.stdout.flush()
        while True:
            due = start + number / self._order.rate
            while time.monotonic() >= due:
                self._send(number)
                number += 1
                due = start + number / self._order.rate
            try:
                word = await asyncio.wait_for(words.get(), max(0.0, due - time.monotonic()))
            except TimeoutError:
                continue
            if word != "phase":
                break
            self._tasks.add(task := asyncio.create_task(self._phase(self._tallies[-1])))
            task.add_done_callback(self._tasks.discard)
            self._tallies.append(_Tally(self._order.worst_good))
        loop.remove_reader(sys.stdin.fileno())
        await asyncio.gather(*self._tasks)
        if word == "stop":
            self._say(_sum(self._tallies))

    @staticmethod
    def _read_words(words: asyncio.Queue[str]) -> None:
        words.put_nowait(sys.stdin.readline().strip() or "gone")

    async def _phase(self, tally: _Tally) -> None:
        while tally.in_flight:
            await asyncio.sleep(0.005)
        self._say(tally)

    @staticmethod
    def _say(tally: _Tally) -> None:
        sys.stdout.write(tally.report() + "\n")
        sys.stdout.flush()

    def _send(self, number: int) -> None:
        address = self._order.addresses[number % len(self._order.addresses)]
        tally = self._tallies[-1]
        if len(self._tasks) >= MAX_IN_FLIGHT:
            tally.count(time.time(), address, "unsent", 0.0)
            return
        tally.in_flight += 1
        self._tasks.add(task := asyncio.create_task(self._request_one(address, tally)))
        task.add_done_callback(self._tasks.discard)

    async def _request_one(self, address: str, tally: _Tally) -> None:
        at, started = time.time(), time.monotonic()
        outcome = await self._outcome(address)
        tally.in_flight -= 1
        tally.count(at, address, outcome, time.monotonic() - started)

    async def _outcome(self, address: str) -> str:
        loop, transport = asyncio.get_running_loop(), None
        try:
            async with asyncio.timeout(self._order.timeout_s):
                transport, protocol = await loop.create_connection(
                    lambda: _Answer(self._request, self._expect), address, self._order.port
                )
                return await protocol.done
        except TimeoutError:
            return "timeout"
        except ConnectionRefusedError:
            return "refused"
        except ConnectionResetError:
            return "reset"
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, "error")
        finally:
            if transport is not None:
                transport.abort()


def _sum(tallies: list[_Tally]) -> _Tally:
    whole = _Tally(tallies[0].worst_good, began=tallies[0].began)
    for tally in tallies:
        whole.by_status += tally.by_status
        whole.times_ms += tally.times_ms
        whole.failed += tally.failed
        whole.failures += tally.failures[: MAX_FAILURES_KEPT - len(whole.failures)]
        whole.first = tally.first if whole.first is None else whole.first
        whole.last = whole.last if tally.last is None else tally.last
    return whole


def _main() -> None:
    raw = json.loads(sys.argv[1])
    asyncio.run(_Stream(_Order(**{**raw, "addresses": tuple(raw["addresses"])})).run())


if __name__ == "__main__":
    _main()
