"""Processes by pid *and* start time, so that a number given to somebody else is never signalled."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import DeployerError


def start_time(pid: int) -> int | None:
    """Field 22 of ``/proc/PID/stat`` in clock ticks since boot; ``None`` when dead or a zombie (proc(5))."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def is_stopped(pid: int) -> bool:
    """Whether the process is stopped by a signal, or gone."""
    fields = _stat(pid)
    return fields is None or fields[0] in "TtZX"


def held_up(pids: Iterable[int]) -> frozenset[int]:
    """Of these, those that wait for a stopped one, and so cannot stop themselves.

    Whoever begins a program by vfork stands, uninterruptibly, until it is loaded (vfork(2)); dash does so.
    Stopped before that, the child holds its parent up: neither gets any further.
    """
    fields = {pid: _stat(pid) for pid in pids}
    parents = {int(found[1]) for found in fields.values() if found is not None and found[0] in "Tt"}
    return frozenset(pid for pid, found in fields.items() if found and found[0] == "D" and pid in parents)


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


@dataclass(frozen=True, slots=True)
class Process:
    """One process that the lab started."""

    pid: int
    started: int  #: clock ticks since boot

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The living process with that pid, or ``None``."""
        started = start_time(pid)
        return None if started is None else cls(pid, started)

    @property
    def alive(self) -> bool:
        return start_time(self.pid) == self.started

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it is gone."""
        with suppress(ProcessLookupError):
            fd = os.pidfd_open(self.pid)
            try:
                if self.alive:
                    signal.pidfd_send_signal(fd, number)
            finally:
                os.close(fd)

    def kill(self, *, timeout_s: float = 10.0) -> bool:
        """Kill it and wait until it is gone, its namespaces too; ``False``: not within ``timeout_s``."""
        try:
            fd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if not self.alive:
                return True
            signal.pidfd_send_signal(fd, signal.SIGKILL)
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            return bool(poll.poll(timeout_s * 1000))
        except ProcessLookupError:
            return True
        finally:
            os.close(fd)


def children(pid: int) -> list[int]:
    """The children of a process of one thread; [] when it is gone."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def all_pids() -> list[int]:
    """Every process of this pid namespace and those below it."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def in_pid_namespace_of(pid: int) -> list[int]:
    """Every process that lives in the same pid namespace as ``pid``."""
    wanted = _namespace(pid, "pid")
    return [] if wanted is None else [p for p in all_pids() if _namespace(p, "pid") == wanted]


def _namespace(pid: int, kind: str) -> Path | None:
    try:
        return Path(f"/proc/{pid}/ns/{kind}").readlink()
    except OSError:
        return None


def with_root_under(directory: Path) -> list[Process]:
    """Processes in whose mount namespace an overlay writes below ``directory``: those of a lab's hosts."""
    needle = f"upperdir={directory}/".encode()
    seen: dict[Path, bool] = {}
    found = []
    for pid in all_pids():
        namespace = _namespace(pid, "mnt")
        if namespace is None:
            continue
        if namespace not in seen:
            try:
                seen[namespace] = needle in Path(f"/proc/{pid}/mountinfo").read_bytes()
            except OSError:
                continue
        if seen[namespace] and (process := Process.of(pid)) is not None:
            found.append(process)
    return found


def kill_all_under(directory: Path, *, within_s: float = 20.0) -> None:
    """Kill every process that ``with_root_under`` finds, until it finds none.

    :raises DeployerError: some are left after ``within_s`` seconds.
    """
    deadline = time.monotonic() + within_s
    while left := with_root_under(directory):
        for process in left:
            process.kill(timeout_s=1.0)
        if time.monotonic() > deadline:
            raise DeployerError(f"processes {[p.pid for p in left]} of {directory} cannot be killed")
