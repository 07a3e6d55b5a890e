"""This process, told so that another program of the same machine can see whether it still lives."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Process:
    """A process, by more than its number: numbers are given again.

    :ivar machine: this boot of this machine, as seen from one container; ``None`` where that cannot be told.
    :ivar born: when it began, in clock ticks since boot; ``None`` likewise.
    """

    pid: int
    machine: str | None
    born: int | None

    @property
    def alive(self) -> bool | None:
        """Whether it lives; ``None`` when that cannot be seen from here."""
        if self.machine is None or self.born is None or self.machine != here():
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # somebody else's, and it is there
        born = _born(self.pid)
        return None if born is None else born == self.born

    @property
    def argv(self) -> tuple[str, ...]:
        """What it was called with; empty when it does not live, or that cannot be seen from here."""
        try:
            words = Path(f"/proc/{self.pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        except OSError:
            return ()
        return tuple(map(os.fsdecode, words)) if self.alive and words != [b""] else ()

    @property
    def suspended(self) -> bool:
        """It lives and stands still (Ctrl-Z), as far as can be seen from here."""
        return bool(self.alive) and (_stat(self.pid) or [b""])[0] in (b"T", b"t")


def this_process() -> Process:
    """The one we are."""
    return Process(os.getpid(), here(), _born(os.getpid()))


@cache
def here() -> str | None:
    """This boot and this namespace of processes: where a number means the same process."""
    try:
        return f"{BOOT.read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


def _born(pid: int) -> int | None:
    """Field 22 of ``/proc/PID/stat`` (proc(5)); 0 for what is dead but not buried; ``None``: hidden."""
    fields = _stat(pid)
    if fields is None:
        return None
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def _stat(pid: int) -> list[bytes] | None:
    """Fields of ``/proc/PID/stat`` from the third, which is the state, on."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
