"""``python -m tests.benchmarks.catch_rate``, as root: every change of the catalogue, deployed in a lab."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks.catch_rate.bases import BASES
from tests.benchmarks.catch_rate.case import Base, Case, chosen
from tests.benchmarks.catch_rate.measuring import measure
from tests.benchmarks.catch_rate.verdict import Verdict, report


def main(argv: Sequence[str] | None = None) -> int:
    """Deploy, print the report. 0 whatever was caught: it measures; 1 when it could not."""
    parser = argparse.ArgumentParser(
        description="Deploy a catalogue of bad and good changes; say what caught them."
    )
    parser.add_argument("--base", choices=tuple(BASES), help="only changes of this one (default: all)")
    parser.add_argument("--only", action="append", default=[], metavar="GLOB", help="of names or families")
    parser.add_argument("--kind", choices=("bad", "good"), help="only these")
    parser.add_argument("--limit", type=int, metavar="N", help="a sample of so many")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (default 1)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="hosts side by side (default 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every verdict there")
    options = parser.parse_args(argv)
    of = {base.name: _of(base, options) for base in BASES.values() if options.base in (None, base.name)}
    if options.limit is not None:
        everything = [(name, case) for name, cases in of.items() for case in cases]
        sample = random.Random(options.seed).sample(everything, min(options.limit, len(everything)))  # noqa: S311 - no secret
        of = {name: [case for its, case in sample if its == name] for name in of}
    every: list[Verdict] = []
    for name, cases in of.items():
        if not cases:
            continue
        began = time.monotonic()
        verdicts = measure(BASES[name], cases, options.jobs)
        every += verdicts
        took_s = time.monotonic() - began
        print(f"## {name}\n\n{report(verdicts)}")
        print(f"{len(verdicts)} of {len(cases)} changes in {took_s:.0f} s, {options.jobs} at a time.\n")
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(verdict) for verdict in every], indent=1) + "\n")
    return 0


def _of(base: Base, options: argparse.Namespace) -> list[Case]:
    kinds: dict[str | None, tuple[Case, ...]] = {"bad": base.bad, "good": base.good}
    return chosen(kinds.get(options.kind, base.cases), options.only)


if __name__ == "__main__":
    sys.exit(main())
