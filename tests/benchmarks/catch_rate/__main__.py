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
from tests.benchmarks.catch_rate.case import Bad, Case, Good, chosen
from tests.benchmarks.catch_rate.cases import BAD, GOOD
from tests.benchmarks.catch_rate.lane import Lane
from tests.benchmarks.catch_rate.place import write_certificates
from tests.benchmarks.catch_rate.verdict import Net, Verdict, net_of, report, warnings


def main(argv: Sequence[str] | None = None) -> int:
    """Deploy, print the report. 0 whatever was caught: it measures; 1 when it could not."""
    parser = argparse.ArgumentParser(
        description="Deploy a catalogue of bad and good changes; say what caught them."
    )
    parser.add_argument("--only", action="append", default=[], metavar="GLOB", help="of names or families")
    parser.add_argument("--kind", choices=("bad", "good"), help="only these")
    parser.add_argument("--limit", type=int, metavar="N", help="a sample of so many")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (default 1)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="hosts side by side (default 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every verdict there")
    options = parser.parse_args(argv)
    cases: list[Case] = [*(BAD if options.kind != "good" else ()), *(GOOD if options.kind != "bad" else ())]
    cases = chosen(cases, options.only)
    if options.limit is not None and options.limit < len(cases):
        cases = random.Random(options.seed).sample(cases, options.limit)  # noqa: S311 - no secret
    began = time.monotonic()
    verdicts = measure(cases, options.jobs)
    print(report(verdicts))
    took_s = time.monotonic() - began
    print(f"{len(verdicts)} of {len(cases)} changes in {took_s:.0f} s, {options.jobs} at a time.")
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(verdict) for verdict in verdicts], indent=1) + "\n")
    return 0


def measure(cases: Sequence[Case], jobs: int) -> list[Verdict]:
    """Deploy each in a lab of ``jobs`` hosts; in the order of the cases. Ctrl-C: those that are done."""
    done: list[Verdict] = []
    with tempfile.TemporaryDirectory(prefix="catch-rate-") as name:
        directory = Path(name)
        write_certificates(directory / "certificates")
        with Lab.up(directory / "lab", hosts=max(1, min(jobs, len(cases)))) as lab:
            lanes: SimpleQueue[Lane] = SimpleQueue()
            for host in lab.hosts:
                where = directory / host.name
                where.mkdir()
                lanes.put(
                    Lane(host, where, certificates=directory / "certificates", ssh_config=lab.ssh_config)
                )

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
