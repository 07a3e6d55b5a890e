"""``python -m tests.benchmarks.catch_rate``, as root: every change of the catalogue, deployed in a lab."""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue

from deployer.lab.fleet import Lab
from tests.benchmarks.catch_rate.bases import BASES
from tests.benchmarks.catch_rate.case import Bad, Base, Case, Good, chosen
from tests.benchmarks.catch_rate.lane import Lane
from tests.benchmarks.catch_rate.place import write_certificates
from tests.benchmarks.catch_rate.verdict import Net, Verdict, net_of, report, warnings


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


def measure(base: Base, cases: Sequence[Case], jobs: int) -> list[Verdict]:
    """Deploy each in a lab of ``jobs`` hosts; in the order of the cases. Ctrl-C: those that are done."""
    done: list[Verdict] = []
    with tempfile.TemporaryDirectory(prefix="catch-rate-") as name:
        directory = Path(name)
        certificates = directory / "certificates"
        write_certificates(certificates, base.certificates)
        with Lab.up(directory / "lab", hosts=max(1, min(jobs, len(cases)))) as lab:
            lanes: SimpleQueue[Lane] = SimpleQueue()
            for host in lab.hosts:
                where = directory / host.name
                where.mkdir()
                lanes.put(Lane(host, base, where, certificates=certificates, ssh_config=lab.ssh_config))

            def one(case: Case) -> None:
                lane = lanes.get()
                try:
                    done.append(judge(lane, case))
                finally:
                    lanes.put(lane)

            with contextlib.suppress(KeyboardInterrupt), ThreadPoolExecutor(len(lab.hosts)) as pool:
                list(pool.map(one, cases))
    order = [case.name for case in cases]
    return sorted(done, key=lambda verdict: order.index(verdict.name))


def judge(lane: Lane, case: Case) -> Verdict:
    """Deploy one."""
    options: list[str] = []
    if isinstance(case, Good):
        options += case.options
        options += [word for pattern in case.accept for word in ("--accept-change", pattern)]
        options += ["--reason", case.story] if case.accept else []
    ended, users, events = lane.deploy(case, options)
    net = net_of(ended.document, ended.exit_code, events, ended.said)
    verdict = Verdict(
        base=lane.base.name,
        name=case.name,
        family=case.family,
        kind="bad" if isinstance(case, Bad) else "good",
        net=net,
        exit_code=ended.exit_code,
        outcome=str(ended.document.get("outcome", "")),
        reason=str(ended.document.get("reason") or ("" if ended.exit_code == 0 else ended.said)),
        seconds=round(ended.seconds, 2),
        asked=users.asked,
        failed=users.failed,
        met=users.why,
        told=warnings(ended.said, lane.every_day) if net is Net.NONE else (),
    )
    print(f"{verdict.kind} {verdict.name}: {verdict.net}, exit {ended.exit_code}, {ended.seconds:.1f} s, "
          f"{verdict.failed} of {verdict.asked} requests failed", file=sys.stderr, flush=True)  # fmt: skip
    return verdict


if __name__ == "__main__":
    sys.exit(main())
