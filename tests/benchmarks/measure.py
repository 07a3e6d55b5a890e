"""Runs a program and says how long it took and how much memory it had at most."""

from __future__ import annotations

import re
import resource
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_SAMPLE_EVERY_S = 0.02


class Failed(Exception):
    """The program ended with another status than 0, or ran into its time limit: its figure does not count."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of a program.

    :ivar seconds: wall time of the whole process, the interpreter's start included.
    :ivar inside: wall time without the start-up, as the program itself says (``inside=…``), else ``None``.
    :ivar cpu: seconds of processor time, user and system, of the process and of those it waited for; other
        work on the machine stretches it far less than the wall time.
    :ivar peak_mb: largest resident size of the process without its children, 10⁶ bytes (``VmHWM``, proc(5)).
    """

    seconds: float
    inside: float | None
    peak_mb: float
    cpu: float


def run(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, timeout_s: float) -> Measured:
    """Run to the end. :raises Failed: with what it printed."""
    with tempfile.TemporaryFile("w+") as output:
        used, began = _cpu_s(), time.perf_counter()
        process = subprocess.Popen(
            argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        peak_kb = 0

        def watch() -> None:
            nonlocal peak_kb
            while process.returncode is None:
                peak_kb = max(peak_kb, _high_water_kb(process.pid))
                time.sleep(_SAMPLE_EVERY_S)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            status: int | str = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            status = f"no end after {timeout_s:.0f} s"
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()
            seconds, cpu = time.perf_counter() - began, _cpu_s() - used
            watcher.join()
        output.seek(0)
        said = output.read()
    if status != 0:
        raise Failed(f"{' '.join(argv)}\nended with {status}:\n{said[-4000:]}")
    inside = re.search(r"^inside=([0-9.]+)$", said, re.MULTILINE)
    return Measured(seconds, float(inside[1]) if inside else None, peak_kb * 1024 / 1e6, cpu)


def _cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def _high_water_kb(pid: int) -> int:
    # Not ru_maxrss: that starts with the size of the process that forked, this belongs to the program alone.
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) if found else 0
