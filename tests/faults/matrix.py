"""The fault matrix: every row of the saga's table under every fault, on hosts of both kinds.

``python -m tests.faults.matrix [--kind light|systemd] [--step S] [--fault F] [--seed N]`` prints the table as
docs/faults.md has it. It exits with 1 when a promise was not kept, or cells were left when the time was over.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from deployer.lab.fleet import Init, Lab
from deployer.rollout.saga import STEPS, Step
from tests.faults.cell import Cell, Ground, Outcome
from tests.faults.strikes import Fault
from tests.lab.story import Story

LIMIT_S = 30 * 60
TOLD = 400  #: characters of what went wrong, from either end
KINDS: Mapping[Init, tuple[int, tuple[int | str, ...]]] = {
    "light": (3, (1, "100%")),  # a canary that is confirmed when the fault strikes in the second wave
    "systemd": (2, ("100%",)),
}
MARKS = {
    "away": "†",
    "nginx": "‡",
    "recovered": "§",
}
LEGEND = """\
† `recover` ended with 5 while the host was away, with 0 when it was back ·
‡ nginx was dead until it was started by hand · § it was `recover` that brought the hosts there"""


@dataclass(frozen=True)
class Key:
    """Which cell."""

    kind: Init
    step: Step
    fault: Fault


@dataclass(frozen=True)
class Entry:
    """What is written into a cell."""

    outcome: Outcome | None
    problem: str
    took_s: float


def every_cell(kinds: Iterable[Init] = KINDS) -> list[Key]:
    """All there are; a new row of the table has its cells by itself."""
    return [Key(kind, step, fault) for kind in kinds for step, fault in itertools.product(STEPS, Fault)]


def run_cell(ground: Ground, key: Key, seed: str) -> Entry:
    """One cell; a lab on which it went wrong is made anew."""
    began = time.monotonic()
    dice = random.Random(f"{seed} {key}")  # noqa: S311 - no secret
    try:
        if not ground.verbs:
            ground.make_ready()
        outcome = Cell(ground, key.step, key.fault, dice).run()
        return Entry(outcome, "", time.monotonic() - began)
    except Exception as error:
        ground.verbs = {}
        said = " ".join(str(error).split())
        said = said if len(said) < TOLD else f"{said[:TOLD]} … {said[-TOLD:]}"
        return Entry(None, f"{type(error).__name__}: {said}", time.monotonic() - began)


def make_ground(stack: ExitStack, kind: Init, directory: Path) -> Ground:
    """A lab of its own."""
    hosts, waves = KINDS[kind]
    directory.mkdir()
    lab = stack.enter_context(Lab.up(directory / "lab", hosts=hosts, init=kind))
    return Ground(Story(lab, directory), waves)


def run_all(keys: Sequence[Key], seed: str, labs: int, until: float, work: Path) -> dict[Key, Entry]:
    """Several labs at a time, until all cells are done or the time is over."""
    entries: dict[Key, Entry] = {}
    kinds = sorted({key.kind for key in keys})
    queues: dict[str, SimpleQueue[Key]] = {kind: SimpleQueue() for kind in kinds}
    for key in keys:
        queues[key.kind].put(key)

    def work_on(ground: Ground, queue: SimpleQueue[Key]) -> None:
        while time.monotonic() < until:
            try:
                key = queue.get_nowait()
            except Empty:
                return
            entries[key] = entry = run_cell(ground, key, seed)
            say(key, entry)

    with ExitStack() as stack:
        grounds = [
            make_ground(stack, kind, work / f"{kind[0]}{number}")
            for kind in kinds
            for number in range(min(labs, queues[kind].qsize()))
        ]
        threads = [
            threading.Thread(target=work_on, args=(ground, queues[ground.story.lab.init]), daemon=True)
            for ground in grounds
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return entries


def say(key: Key, entry: Entry) -> None:
    """One line on standard error."""
    what = words(entry) if entry.outcome else f"BROKEN: {entry.problem}"
    print(f"{key.kind} {key.step} × {key.fault}: {what} [{entry.took_s:.0f} s]", file=sys.stderr, flush=True)


def words(entry: Entry | None) -> str:
    """What stands in a cell."""
    if entry is None:
        return "not run"
    if entry.outcome is None:
        return "**broken**"
    done = entry.outcome
    marks = "".join(MARKS[mark] for mark in done.marks)
    seconds = "" if done.safe_s is None else f" {done.safe_s:.1f} s"
    return f"{done.where} ({done.ended}){seconds}{marks}"


def table(entries: Mapping[Key, Entry], keys: Iterable[Key]) -> str:
    """Rows steps, columns faults, a table for each kind of host."""
    keys = list(keys)
    parts = []
    for kind in dict.fromkeys(key.kind for key in keys):
        faults = [fault for fault in Fault if any(k.fault is fault and k.kind == kind for k in keys)]
        lines = [f"### {kind}", "", f"| step | {' | '.join(faults)} |", f"|---|{'---|' * len(faults)}"]
        for step in (step for step in STEPS if any(k.step is step and k.kind == kind for k in keys)):
            cells = [words(entries.get(Key(kind, step, fault))) for fault in faults]
            lines.append(f"| {step} | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.matrix", description=__doc__)
    parser.add_argument("--kind", choices=list(KINDS))
    parser.add_argument("--step", choices=list(STEPS))
    parser.add_argument("--fault", choices=[fault.name.lower() for fault in Fault])
    parser.add_argument("--seed", default=str(random.randrange(10**6)))  # noqa: S311
    parser.add_argument("--labs", type=int, default=2, help="of each kind, at the same time")
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds")
    given = parser.parse_args()
    keys = [
        key
        for key in every_cell()
        if given.kind in (None, key.kind)
        and given.step in (None, key.step)
        and given.fault in (None, key.fault.name.lower())
    ]
    began = time.monotonic()
    print(f"{len(keys)} cells, seed {given.seed}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="matrix-") as work:
        entries = run_all(keys, given.seed, given.labs, began + given.limit, Path(work))
    print(table(entries, keys))
    print(f"\n{LEGEND}")
    broken = [f"{key.kind} {key.step} × {key.fault}: {e.problem}" for key, e in entries.items() if e.problem]
    print(
        f"\n{len(entries)} of {len(keys)} cells in {time.monotonic() - began:.0f} s, seed {given.seed}, "
        f"{len(broken)} broken."
    )
    for line in broken:
        print(f"- {line}")
    return 1 if broken or len(entries) < len(keys) else 0


if __name__ == "__main__":
    sys.exit(main())
