"""The main job, shown: a fleet under load, the update of 12 June, and what its users noticed.

Run by ``script/demo``; ``--all`` plays every variant of that update. Every figure is measured in this run:
exit codes and seconds by running the commands as an operator would, requests by a stream of users of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployer.lab import outage, sample
from deployer.lab.fleet import Lab
from deployer.lab.load import Load, LoadLost, LoadReport
from deployer.lab.outage import STORY, Variant

HOSTS = 5
RATE = 200.0  #: requests per second, all hosts together, each over a connection of its own
SETTLE_S = 0.5  #: users before and after a command that still belong to it
COMMAND_S = 300.0
WORST_GOOD = 200  #: users came for the shop's page
JUNE = "the update of 12 June"


@dataclass(frozen=True)
class Act:
    """One scene: what changes in git, the command, and the exit codes that keep the promise."""

    title: str
    edit: Callable[[Path], str] | None  #: changes the repository and gives the commit's message
    command: tuple[str, ...]
    expected: tuple[int, ...]


@dataclass(frozen=True)
class Scene:
    """An act as it went."""

    act: Act
    exit_code: int
    seconds: float
    users: LoadReport


def good(version: str) -> Callable[[Path], str]:
    """The shop answers with another text."""

    def edit(repo: Path) -> str:
        outage.sound(repo, f"shop {version}")
        return f"Shop {version}"

    return edit


def syntax_error(repo: Path) -> str:
    """In a file that only an absolute include reads."""
    outage.sound(repo, "shop 2")
    (repo / "conf.d/broken.conf").write_text("server { lissten 8080; }\n")
    return "A typing error"


def faulty(variant: Variant) -> Act:
    """The update of 12 June in one of its variants: passes ``nginx -t``."""

    def edit(repo: Path) -> str:
        outage.sound(repo, "shop 2")
        variant.edit(repo)
        return "Scheduled update of 12 June"

    return Act(f"{JUNE}: {variant.title}", edit, DEPLOY, (3,))


DEPLOY, ROLLBACK = ("deploy", "lab", "--yes"), ("rollback", "lab", "--yes")
BEFORE = (Act("a good update", good("2"), DEPLOY, (0,)),)
AFTER = (
    Act("a syntax error behind an absolute include", syntax_error, DEPLOY, (3,)),
    Act("another good update", good("3"), DEPLOY, (0,)),
    Act("EMERGENCY: one command takes it back", None, ROLLBACK, (0,)),
)
SHOWN = ("return-503", "limit-key")  #: variants that are played without ``--all``


def acts(*, everything: bool) -> tuple[Act, ...]:
    """The play."""
    variants = [each for each in outage.VARIANTS if everything or each.name in SHOWN]
    return (*BEFORE, *map(faulty, variants), *AFTER)


def main(argv: Sequence[str] = ()) -> int:
    """Play all acts; 0 when every promise was kept: the exit codes, and no request lost."""
    if set(argv) - {"--all"}:
        say("usage: script/demo [--all]")
        return 2
    try:
        scenes = _played(acts(everything="--all" in argv))
    except LoadLost as error:
        say(f"demo: {error}")
        return 1
    say("")
    say(table(scenes))
    broken = [why for scene in scenes if (why := _broken(scene))]
    for why in broken:
        say(f"NOT AS PROMISED: {why}")
    return 1 if broken else 0


def _played(play: Sequence[Act]) -> list[Scene]:
    with tempfile.TemporaryDirectory(prefix="deployer-demo-") as directory:
        say(f"starting {HOSTS} hosts with real sshd and nginx on this machine …")
        began = time.monotonic()
        with Lab.up(Path(directory, "lab"), hosts=HOSTS) as lab:
            say(f"up in {time.monotonic() - began:.1f} s; users ask {RATE:.0f} times a second from here on")
            with Load([host.address for host in lab.hosts], rate=RATE, expect="shop") as load:
                return [_play(lab, load, act) for act in play]


def _broken(scene: Scene) -> str | None:
    """The promise that was not kept."""
    if scene.exit_code not in scene.act.expected:
        return f"{scene.act.title}: exit code {scene.exit_code}, not {scene.act.expected}"
    if not scene.users.failed:
        return None
    busy = (
        "" if not _starved(scene.users) else f"; load {os.getloadavg()[0]:.0f} on {os.cpu_count()} processors"
    )
    return f"{scene.act.title}: {scene.users.failed} requests failed{_how(scene.users)}{busy}"


def _how(users: LoadReport) -> str:
    """What became of those that failed: ``: 80 timeout, 11 503``."""
    bad = {what: n for what, n in users.by_status.items() if not what.isdigit() or int(what) > WORST_GOOD}
    return f": {', '.join(f'{n} {what}' for what, n in bad.items())}" if bad else ""


def _starved(users: LoadReport) -> bool:
    """Nothing answered wrongly: nobody had the time to ask, or to answer."""
    return not [what for what in users.by_status if what not in ("200", "timeout", "unsent")]


def _play(lab: Lab, load: Load, act: Act) -> Scene:
    say(f"\n=== {act.title}")
    if act.edit is not None:
        sample.commit(lab.repo, act.edit(lab.repo))
    load.phase()
    time.sleep(SETTLE_S)
    say(f"$ deployer {' '.join(act.command)}")
    argv = [sys.executable, "-m", "deployer", *act.command]
    argv += ["--project", str(lab.project), "--ssh-config", str(lab.ssh_config)]
    argv += ["--state", f"sqlite:///{lab.directory}/state.db"]
    began = time.monotonic()
    done = subprocess.run(argv, timeout=COMMAND_S, check=False)
    seconds = time.monotonic() - began
    time.sleep(SETTLE_S)
    users = load.phase()
    failed = f"{users.failed} failed{_how(users)}"
    say(f"→ exit code {done.returncode} after {seconds:.1f} s; {users.total} requests, {failed}")
    return Scene(act, done.returncode, seconds, users)


def table(scenes: list[Scene]) -> str:
    """What users noticed, act by act, next to the story."""
    rows = [("", "exit", "seconds", "requests", "failed")]
    rows += [
        (s.act.title, str(s.exit_code), f"{s.seconds:.1f}", str(s.users.total), str(s.users.failed))
        for s in scenes
    ]
    width = max(len(row[0]) for row in rows)
    lines = [f"{row[0]:<{width}}  {row[1]:>4}  {row[2]:>7}  {row[3]:>8}  {row[4]:>6}" for row in rows]
    june = [s for s in scenes if s.act.title.startswith(JUNE)]
    total, failed = (sum(getattr(s.users, what) for s in june) for what in ("total", "failed"))
    lines += ["", f"12 June 2024, without it: {STORY}."]
    lines += [f"Here: {failed} of {total} requests failed in {len(june)} variants of it."]
    return "\n".join(lines)


def say(what: str) -> None:
    """One line, at once."""
    sys.stdout.write(what + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
