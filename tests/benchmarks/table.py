"""The result as Markdown: what was measured, and how it stands to what was to be reached."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from tests.benchmarks.measure import Measured


@dataclass(frozen=True, slots=True)
class Row:
    """One contestant; medians of its runs. ``inside`` leaves the start-up out, where it is known."""

    key: str
    name: str
    seconds: float
    inside: float | None
    peak_mb: float
    cpu: float

    @classmethod
    def of(cls, key: str, name: str, runs: Sequence[Measured]) -> Self:
        """Medians; of memory the largest."""
        insides = [run.inside for run in runs if run.inside is not None]
        return cls(
            key,
            name,
            statistics.median(run.seconds for run in runs),
            statistics.median(insides) if insides else None,
            max(run.peak_mb for run in runs),
            statistics.median(run.cpu for run in runs),
        )


def print_table(rows: Sequence[Row], *, hosts: int, rtt_ms: float, runs: int) -> None:
    """Print both tables."""
    network = f", {rtt_ms:.0f} ms round trip" if rtt_ms else ""
    print(f"\n### {hosts} hosts{network}\n")
    print(f"Median of {runs} runs, {os.cpu_count()} cores for controller and hosts together.\n")
    print("| | seconds | without start-up | its own processor time | peak memory |")
    print("|---|---:|---:|---:|---:|")
    for row in rows:
        inside = f"{row.inside:.2f}" if row.inside is not None else ""
        print(f"| {row.name} | {row.seconds:.2f} | {inside} | {row.cpu:.2f} | {row.peak_mb:.0f} MB |")
    reached = list(targets({row.key: row for row in rows}, hosts=hosts, rtt_ms=rtt_ms))
    if reached:
        print("\n| to reach | measured | |\n|---|---:|---|")
    for target in reached:
        verdict = "reached" if target.reached else "**not reached**"
        print(f"| {target.what} | {target.measured} | {verdict} |")


@dataclass(frozen=True, slots=True)
class Target:
    """Something to reach, and whether it was."""

    what: str
    measured: str
    reached: bool


def targets(rows: dict[str, Row], *, hosts: int, rtt_ms: float) -> Iterator[Target]:
    """What was to be reached, as far as it was measured; whole processes, except the floor."""
    deploy, fabric, rollback, floor = (rows.get(key) for key in ("deploy", "fabric", "rollback", "floor"))
    if deploy and fabric:
        limit = 2.0 if hosts <= 20 and not rtt_ms else 1.5
        ratio = deploy.seconds / fabric.seconds
        yield Target(f"deploy ≤ {limit} × plain Fabric", f"{ratio:.2f} ×", ratio <= limit)
    for key, least in (("pyinfra", 5), ("ansible", 8)):
        if deploy and key in rows and not rtt_ms:
            ratio = rows[key].seconds / deploy.seconds
            yield Target(
                f"deploy {least} times faster than {rows[key].name}", f"{ratio:.1f} ×", ratio >= least
            )
    if rollback and floor and floor.inside and hosts <= 20 and not rtt_ms:
        ratio = rollback.seconds / floor.inside
        what = "rollback, interpreter's start included, ≤ 3 × the floor without it"
        yield Target(what, f"{ratio:.2f} ×", ratio <= 3)
    if deploy and hosts >= 120:
        yield Target("controller memory < 150 MB", f"{deploy.peak_mb:.0f} MB", deploy.peak_mb < 150)
    if "help" in rows:
        seconds = rows["help"].seconds
        yield Target("`deployer --help` ≤ 0.25 s", f"{seconds:.2f} s", seconds <= 0.25)
