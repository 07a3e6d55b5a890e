"""The outage of 12 June replayed under load: ``python -m tests.benchmarks.outage``, as root.

Five hosts, users on fresh connections; a good update first and last, to know that nothing fails by itself.
``--peer`` pushes a variant with a plain Fabric script as well, and counts for ten seconds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from deployer.lab import sample
from deployer.lab.fleet import Lab
from deployer.lab.load import Load, LoadReport
from deployer.lab.outage import STORY, VARIANTS, Variant, sound, variant
from tests.benchmarks.contestants import REPO, environment
from tests.benchmarks.endpoints import Endpoint, Work

COMMAND_S = 300.0
SETTLE_S = 0.5  #: users before and after a command that still belong to it
AFTER_PEER_S = 10.0
CONTROL = "a good update"


@dataclass(frozen=True)
class Replay:
    """One update, and what became of the users."""

    title: str
    by: str  #: "deployer" or "plain Fabric"
    exit_code: int
    seconds: float
    requests: int
    failed: int
    what: dict[str, int]  #: answers that were failures
    net: str = ""  #: how the deployment says it ended


class Stage:
    """A lab with users."""

    def __init__(self, lab: Lab, load: Load) -> None:
        self.lab, self._load = lab, load
        self._number = 1

    def deploy(self, each: Variant | None) -> Replay:
        """Deploy a variant, or with ``None`` a good update."""
        self._commit(each)
        argv = [sys.executable, "-m", "deployer", "deploy", "lab", "--yes", "--json"]
        argv += ["--project", str(self.lab.project), "--ssh-config", str(self.lab.ssh_config)]
        argv += ["--state", f"sqlite:///{self.lab.directory}/state.db"]
        cache = {"XDG_CACHE_HOME": f"{self.lab.directory}/cache"}
        done, seconds, users = self._under_load(argv, cache, SETTLE_S)
        try:
            document = json.loads(done.stdout)
        except ValueError:
            document = {"outcome": done.stderr[-300:]}
        outcome = str(document.get("outcome"))
        return _replay(each, "deployer", code=done.returncode, seconds=seconds, users=users, net=outcome)

    def push(self, each: Variant | None) -> Replay:
        """The same by a plain Fabric script; nobody reverts for ten seconds, then the hosts are made anew."""
        self._commit(each)
        work = Work(self.lab.directory / "peer")
        self._write_work(work)
        argv = [sys.executable, "-m", "tests.benchmarks.peers.plain_fabric", str(work.directory), "80"]
        done, seconds, users = self._under_load(argv, {}, AFTER_PEER_S)
        for host in self.lab.hosts:
            host.reset()
        self._load.phase()
        return _replay(each, "plain Fabric", code=done.returncode, seconds=seconds, users=users)

    def _commit(self, each: Variant | None) -> None:
        self._number += 1
        sound(self.lab.repo, f"shop {self._number}")
        if each is not None:
            each.edit(self.lab.repo)
        sample.commit(self.lab.repo, each.title if each is not None else CONTROL)

    def _under_load(
        self, argv: Sequence[str], env: dict[str, str], after_s: float
    ) -> tuple[subprocess.CompletedProcess[str], float, LoadReport]:
        self._load.phase()
        time.sleep(SETTLE_S)
        began = time.monotonic()
        done = subprocess.run(
            argv,
            env=environment(env),
            cwd=REPO,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        seconds = time.monotonic() - began
        time.sleep(after_s)
        return done, seconds, self._load.phase()

    def _write_work(self, work: Work) -> None:
        work.directory.mkdir(exist_ok=True)
        work.write_hosts([Endpoint(h.name, h.address, 22, h.address) for h in self.lab.hosts])
        Path(work.key).write_bytes(self.lab.key.read_bytes())
        Path(work.key).chmod(0o600)
        Path(work.known_hosts).write_bytes(self.lab.known_hosts.read_bytes())
        with tarfile.open(work.tarball, "w:gz") as tar:
            for entry in sorted(self.lab.repo.iterdir()):
                if entry.name != ".git":
                    tar.add(entry, arcname=entry.name)


def _replay(
    each: Variant | None, by: str, *, code: int, seconds: float, users: LoadReport, net: str = ""
) -> Replay:
    what = {outcome: count for outcome, count in users.by_status.items() if outcome != "200"}
    title = each.title if each is not None else CONTROL
    return Replay(title, by, code, round(seconds, 1), users.total, users.failed, what, net)


def replay(
    variants: Sequence[Variant], *, hosts: int, rate: float, peer: Sequence[Variant] = ()
) -> list[Replay]:
    """A control run, the variants, and the peers' runs, which come last because they leave hosts broken."""
    with (
        tempfile.TemporaryDirectory(prefix="outage-") as directory,
        Lab.up(Path(directory, "lab"), hosts=hosts) as lab,
        Load([h.address for h in lab.hosts], rate=rate, expect="shop") as load,
    ):
        stage = Stage(lab, load)
        found = [_noted(stage.deploy(each)) for each in (None, *variants, None)]
        if peer:
            for host in lab.hosts:  # plain directories again
                host.reset()
            load.phase()
        return found + [_noted(stage.push(each)) for each in peer]


def _noted(replay: Replay) -> Replay:
    print(
        f"{replay.by}: {replay.title}: exit {replay.exit_code}, {replay.failed} failed",
        file=sys.stderr,
        flush=True,
    )
    return replay


def table(replays: Sequence[Replay], *, hosts: int, rate: float) -> str:
    """Markdown, with the story beside it."""
    lines = [
        f"{hosts} hosts, {rate:.0f} requests a second over fresh connections.",
        "",
        "| | by | exit | seconds | requests | failed | of which |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for r in replays:
        what = ", ".join(f"{count} × {outcome}" for outcome, count in r.what.items())
        lines.append(
            f"| {r.title} | {r.by} | {r.exit_code} | {r.seconds} | {r.requests} | **{r.failed}** | {what} |"
        )
    lines += [f"| 12 June 2024, by hand | | | {90 * 60} | all | **all** | {STORY} |", ""]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table. 1 when the control run itself had failures: the others would say nothing then."""
    names = [each.name for each in VARIANTS]
    parser = argparse.ArgumentParser(description="Replay the outage of 12 June in several variants.")
    parser.add_argument(
        "--only", action="append", choices=names, default=[], help="this variant only; repeatable"
    )
    parser.add_argument(
        "--peer", action="append", choices=names, default=[], help="by plain Fabric too; repeatable"
    )
    parser.add_argument("--hosts", type=int, default=5)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second, all hosts together")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    options = parser.parse_args(argv)
    chosen = [variant(name) for name in options.only] or list(VARIANTS)
    peer = [variant(name) for name in options.peer]
    replays = replay(chosen, hosts=options.hosts, rate=options.rate, peer=peer)
    print(table(replays, hosts=options.hosts, rate=options.rate))
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(each) for each in replays], indent=1) + "\n")
    return 1 if any(r.failed or r.exit_code for r in replays if r.title == CONTROL) else 0


if __name__ == "__main__":
    sys.exit(main())
