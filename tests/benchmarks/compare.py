"""The table of docs/benchmarks.md: ``python -m tests.benchmarks.compare [--hosts N] [--rtt MS]``, as root.

Every figure is the median of ``--runs`` whole processes; it counts only if every host then serves the change.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.contestants import DEPLOYER, REPO, Contestant, deployer, environment, hang_up, peers
from tests.benchmarks.ground import Ground, ground
from tests.benchmarks.measure import Failed, Measured, run
from tests.benchmarks.table import Row, print_table

TIMEOUT_S = 300.0


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print. Exit status 1 when a figure does not count."""
    parser = argparse.ArgumentParser(description="Measure deployer beside other ways, on one lab.")
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument(
        "--rtt", type=float, default=0.0, metavar="MS", help="behind a proxy with this round trip"
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--peers", default="floor,fabric,pyinfra,pyinfra-put,ansible", help="which of the others, by comma"
    )
    parser.add_argument(
        "--rehearse",
        choices=["off", "changes", "answers"],
        default="off",
        help="off, as the others; changes: the candidate is run on every host; answers: and asked",
    )
    parser.add_argument("--no-deployer", action="store_true", help="the others only")
    options = parser.parse_args(argv)
    wanted = [name for name in options.peers.split(",") if name]
    rows: list[Row] = []
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as directory:
            began = time.perf_counter()
            with ground(options.hosts, options.rtt, Path(directory), options.rehearse) as made:
                note(f"lab of {options.hosts} hosts in {time.perf_counter() - began:.1f} s")
                rows += measure_peers(made, wanted, options.runs)
                if not options.no_deployer:
                    rows += measure_deployer(made, options.runs)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    finally:
        print_table(rows, hosts=options.hosts, rtt_ms=options.rtt, runs=options.runs)
    return 0


def measure_peers(made: Ground, wanted: list[str], runs: int) -> list[Row]:
    """The others. They come first: once the deployer has adopted a host, its directory is a link."""
    known = peers(made)
    measure(made, known["fabric"])  # brings the tree, and everything is in the page cache after
    return [
        Row.of(name, known[name].name, [measure(made, known[name]) for _ in range(runs)]) for name in wanted
    ]


def measure_deployer(made: Ground, runs: int) -> list[Row]:
    """First deployment, then deployment and rollback in turns, then the time until ``--help`` is there."""
    rows = [
        Row.of("first", "first `deployer deploy`, which adopts", [measure(made, deployer(made, "deploy"))])
    ]
    deployed, rolled_back = [], []
    for _ in range(runs):
        before = made.served
        deployed.append(measure(made, deployer(made, "deploy")))
        rolled_back.append(measure(made, deployer(made, "rollback"), goal=before))
    rows.append(Row.of("deploy", "`deployer deploy`", deployed))
    rows.append(Row.of("rollback", "`deployer rollback`", rolled_back))
    help_argv = [DEPLOYER, "--help"]
    helps = [run(help_argv, env=environment({}), cwd=REPO, timeout_s=TIMEOUT_S) for _ in range(10)]
    rows.append(Row.of("help", "`deployer --help` (best of 10)", [min(helps, key=lambda m: m.seconds)]))
    return rows


def measure(made: Ground, contestant: Contestant, *, goal: str | None = None) -> Measured:
    """One run, proved.

    :param goal: the marker to be served after it; a new change is made when it is not given.
    """
    marker = goal or (made.change() if contestant.changes else "")
    measured = run(contestant.argv, env=environment(contestant.env), cwd=REPO, timeout_s=TIMEOUT_S)
    if contestant.changes:
        made.prove(marker)
    hang_up(made)
    note(f"{contestant.name}: {measured.seconds:.2f} s, {measured.peak_mb:.0f} MB")
    return measured


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
