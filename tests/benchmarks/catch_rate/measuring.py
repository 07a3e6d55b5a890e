"""Changes deployed on the hosts of a lab, and what became of each."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from deployer.lab.fleet import Lab
from tests.benchmarks.catch_rate.case import Bad, Base, Case, Good
from tests.benchmarks.catch_rate.lane import Lane
from tests.benchmarks.catch_rate.place import write_certificates
from tests.benchmarks.catch_rate.verdict import Net, Verdict, net_of, warnings


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
