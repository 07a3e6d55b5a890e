"""How much memory a lab may still take: the machine's, or what a control group leaves of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_TOP = Path("/sys/fs/cgroup")
_NAMES = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
_CACHE = ("active_file", "inactive_file")


def free_mb() -> int | None:
    """In MB; ``None`` when the kernel does not say."""
    groups = Path("/proc/self/cgroup").read_text().splitlines()
    left = [left_mb(directory) for directory in _own(groups, _TOP)]
    return min((mb for mb in (_machine_mb(), *left) if mb is not None), default=None)


def left_mb(group: Path) -> int | None:
    """What a control group leaves of its limit, in MB; ``None``: it has none.

    Its pages of files are given back when they are needed, and count as free.
    """
    for limit, used in _NAMES:
        with suppress(OSError, ValueError):
            most, now = int((group / limit).read_text()), int((group / used).read_text())
            return max(0, most - now + _cache(group)) >> 20
    return None


def _own(lines: list[str], top: Path) -> Iterator[Path]:
    """The directories of the groups that this process is in, and of those above them."""
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            mounted = top / controllers
            group = mounted / path.lstrip("/")
            yield from (each for each in (group, *group.parents) if each.is_relative_to(mounted))


def _cache(group: Path) -> int:
    found = {}
    with suppress(OSError, ValueError):
        for line in (group / "memory.stat").read_text().splitlines():
            name, _, value = line.partition(" ")
            found[name] = int(value)
    return sum(found.get(f"total_{name}", found.get(name, 0)) for name in _CACHE)


def _machine_mb() -> int | None:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return None
