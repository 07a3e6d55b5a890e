"""Every scenario on real hosts: won by its model answer, and neither by nothing nor by the tempting mistake.

``python -m tests.drills [--scenario NAME] [--only answer|tempting]`` as root. Exits with 1 when one
is not so.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from deployer.drill import play
from deployer.drill.scenarios import SCENARIOS, scenario
from deployer.drill.telling import clock

WAYS = ("answer", "tempting")


def say(line: str) -> None:
    """Progress, on standard error."""
    print(line, file=sys.stderr, flush=True)


def answered(name: str, directory: Path) -> str:
    """The model answer; how it went, in the words of a table's cells."""
    scene = play.start(name, directory, say)
    try:
        play.auto(scene, say)
    except BaseException:
        play.end(scene, look=False)
        raise
    score = play.end(scene, look=False)
    if not score.won:
        raise play.Unexpected(f"not won: {score.missing}")
    users = score.users
    times = f"{clock(score.cause_s)} | {clock(score.recovered_s)}"
    return f"{times} | {users.failed} of {users.total} | {users.worst_second} | {score.points}"


def tempted(name: str, directory: Path) -> str:
    """The tempting mistake; what is still missing after it."""
    scene = play.start(name, directory, say)
    try:
        play.play(scene, (scenario(name).tempting,), say)
        proof = play.check(scene)
    finally:
        play.end(scene, look=False)
    if proof.repaired:
        raise play.Unexpected("the tempting mistake repairs it")
    return f"{proof.missing[0]}"


def main() -> int:
    """Play what is asked for, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=__doc__)
    parser.add_argument("--scenario", action="append", choices=[each.name for each in SCENARIOS])
    parser.add_argument("--only", choices=WAYS)
    given = parser.parse_args()
    chosen = given.scenario or [each.name for each in SCENARIOS]
    broken = 0
    began = time.monotonic()
    rows: dict[str, list[str]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(prefix="drills-") as work:
        for name in chosen:
            for way in [given.only] if given.only else WAYS:
                at = time.monotonic()
                try:
                    told = {"answer": answered, "tempting": tempted}[way](name, Path(work, f"{name}-{way}"))
                except Exception as error:
                    broken += 1
                    told = f"**BROKEN** {type(error).__name__}: {error}"
                rows[way].append(f"| {name} | {told} |")
                say(f"=== {name} {way}: {told} [{time.monotonic() - at:.0f} s]\n")
    if rows["answer"]:
        head = "| scenario | cause named | recovered | requests failed | in the worst second | points |"
        print("\n".join([head, "|---|---|---|---|---|---|", *rows["answer"]]))
    if rows["tempting"]:
        print(
            "\n".join(
                [
                    "",
                    "| scenario | still missing after it |",
                    "|---|---|",
                    *rows["tempting"],
                ]
            )
        )
    total = sum(map(len, rows.values()))
    print(f"\n{total} played in {time.monotonic() - began:.0f} s, {broken} not as they should be.")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
