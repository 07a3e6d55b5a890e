"""The main job, shown: a fleet under load, the update of 12 June, and what its users noticed.

Run by ``script/demo``. Every figure is measured in this run: exit codes and seconds by running the commands
as an operator would, requests by a stream of users of its own.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deployer.lab import sample
from deployer.lab.fleet import Lab
from deployer.lab.load import Load, LoadReport

HOSTS = 5
RATE = 200.0  #: requests per second, all hosts together, each over a connection of its own
SETTLE_S = 0.5  #: users before and after a command that still belong to it
COMMAND_S = 300.0
STORY = "90 minutes, every request failed, and the first rollback had no effect"


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
        (repo / "conf.d/broken.conf").unlink(missing_ok=True)
        (repo / "sites-available/shop.example.com").write_text(sample.shop(f"shop {version}"))
        return f"Shop {version}"

    return edit


def twelfth_of_june(repo: Path) -> str:
    """Passes ``nginx -t``, and every user gets 503."""
    (repo / "sites-available/shop.example.com").write_text(sample.shop("down", status=503))
    return "Scheduled update of 12 June"


def syntax_error(repo: Path) -> str:
    """In a file that only an absolute include reads."""
    good("2")(repo)
    (repo / "conf.d/broken.conf").write_text("server { lissten 8080; }\n")
    return "A typing error"


def limit_key(repo: Path) -> str:
    """Passes ``nginx -t``; the reload is refused without a word and the old configuration goes on."""
    good("2")(repo)
    limits = repo / "conf.d/limits.conf"
    limits.write_text(re.sub(r"limit_req_zone \S+", "limit_req_zone $server_name", limits.read_text()))
    return "Limit by site instead of by client"


def sound_again(repo: Path) -> str:
    """The key as it was, and a new version."""
    limits = repo / "conf.d/limits.conf"
    limits.write_text(re.sub(r"limit_req_zone \S+", "limit_req_zone $binary_remote_addr", limits.read_text()))
    return good("3")(repo)


DEPLOY, ROLLBACK = ("deploy", "lab", "--yes"), ("rollback", "lab", "--yes")
ACTS = (
    Act("a good update", good("2"), DEPLOY, (0,)),
    Act("the update of 12 June: passes nginx -t, answers 503", twelfth_of_june, DEPLOY, (3, 4)),
    Act("a syntax error behind an absolute include", syntax_error, DEPLOY, (3,)),
    Act("a changed limit_req key, which nginx silently refuses to load", limit_key, DEPLOY, (3, 4)),
    Act("another good update", sound_again, DEPLOY, (0,)),
    Act("EMERGENCY: one command takes it back", None, ROLLBACK, (0,)),
)


def main() -> int:
    """Play all acts; 0 when every promise was kept."""
    with tempfile.TemporaryDirectory(prefix="deployer-demo-") as directory:
        say(f"starting {HOSTS} hosts with real sshd and nginx on this machine …")
        began = time.monotonic()
        with Lab.up(Path(directory, "lab"), hosts=HOSTS) as lab:
            say(f"up in {time.monotonic() - began:.1f} s; users ask {RATE:.0f} times a second from here on")
            with Load([host.address for host in lab.hosts], rate=RATE) as load:
                scenes = [_play(lab, load, act) for act in ACTS]
        say("")
        say(table(scenes))
    broken = [scene for scene in scenes if scene.exit_code not in scene.act.expected]
    for scene in broken:
        say(f"NOT AS PROMISED: {scene.act.title}: exit code {scene.exit_code}, not {scene.act.expected}")
    return 1 if broken else 0


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
    say(f"→ exit code {done.returncode} after {seconds:.1f} s; {users.total} requests, {users.failed} failed")
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
    june = next(s for s in scenes if s.act.edit is twelfth_of_june)
    share = 100 * june.users.failed / max(1, june.users.total)
    failed = f"{june.users.failed} of {june.users.total} requests failed ({share:.1f} %)"
    lines += ["", f"12 June 2024, without it: {STORY}."]
    end = (
        "and it came back by itself" if june.exit_code == 4 else "for it was refused before any host changed"
    )
    lines += [f"Here: {june.seconds:.1f} s, {failed}, {end}."]
    return "\n".join(lines)


def say(what: str) -> None:
    """One line, at once."""
    sys.stdout.write(what + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
