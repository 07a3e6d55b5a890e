"""One drill that runs: its lab, its files, and what those who break something use.

Everything is below the lab's own directory, so it goes with the lab. The scene is found again from the
directory alone: every command of the trainee is a process of its own.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from deployer.drill.record import Record
from deployer.errors import DeployerError, UsageError
from deployer.lab import sample
from deployer.lab.fleet import Lab, default_directory
from deployer.lab.host import LabHost
from deployer.lab.proc import Process

COMMAND_S = 300.0
KEEPER_ENDS_S = 10.0
_NOT_OURS = ("DEPLOYER_", "XDG_CACHE_HOME", "PYTHONSTARTUP")
_SHIM = """\
#!/bin/sh
# The program itself; only notes which command was said, and when, for the score of the drill.
if [ "$1" = drill ]; then exec {program} "$@"; fi
trap : INT
began=$(date +%s.%N)
{program} "$@"
code=$?
typed=$(printf '%s ' "$@" | tr '\\n\\t' '  ')
printf '%s\\t%s\\t%s\\t%s\\t%s\\n' "$began" "$(date +%s.%N)" "$code" "${{1:-none}}" "$typed" >>{commands}
exit "$code"
"""
_FORGET = """\
# What is set for another fleet is not meant here.
for name in $(env | sed -n 's/^\\(DEPLOYER_[A-Z_]*\\)=.*/\\1/p'); do unset "$name"; done
"""


@dataclass(slots=True)
class Known:
    """What ``scene.json`` holds.

    :ivar commits: label → full hash.
    :ivar releases: label → id of its release on the hosts.
    :ivar keeper: the process that counts users.
    :ivar processes: what else runs for the drill outside the lab's hosts.
    """

    scenario: str
    commits: dict[str, str] = field(default_factory=dict)
    releases: dict[str, str] = field(default_factory=dict)
    keeper: Process | None = None
    processes: list[Process] = field(default_factory=list)


class Scene:
    """A drill's ground. Use :meth:`make` or :meth:`load`."""

    def __init__(self, lab: Lab, known: Known) -> None:
        self.lab, self.known = lab, known
        self.directory = lab.directory / "drill"
        self.record = Record(self.directory)

    @classmethod
    def make(cls, lab: Lab, scenario: str) -> Self:
        """Write a drill's files into a lab that was just made."""
        scene = cls(lab, Known(scenario))
        (scene.directory / "bin").mkdir(parents=True)
        shim = scene.directory / "bin/deployer"
        program = f"{shlex.quote(sys.executable)} -P -m deployer"
        shim.write_text(_SHIM.format(program=program, commands=shlex.quote(str(scene.record.commands))))
        shim.chmod(0o755)
        with lab.ssh_config.open("a") as config:
            config.write("\nHost *\n  ConnectTimeout 3\n")
        values = {name: shlex.quote(value) for name, value in scene.variables().items()}
        values["PATH"] = f"{shlex.quote(str(scene.directory / 'bin'))}:$PATH"
        lines = [_FORGET, *(f"export {name}={value}" for name, value in values.items())]
        lines.append(f"PS1='drill {scenario} \\$ '")
        (scene.directory / "shell").write_text("\n".join([*lines, ""]))
        careless = scene.project_of_others / "playbooks"
        careless.mkdir(parents=True)
        (scene.project_of_others / "inventories").symlink_to(lab.project / "inventories")
        (careless / "nginx.yml").write_text(_careless(lab.repo))
        scene.save()
        return scene

    @classmethod
    def load(cls, directory: Path) -> Self:
        """The drill of a lab's directory. :raises UsageError: there is none."""
        try:
            lab = Lab.load(directory)
            raw = json.loads((lab.directory / "drill/scene.json").read_text())
        except (UsageError, FileNotFoundError):
            raise UsageError(
                f"no drill runs in {directory}; begin one with: deployer drill start june"
            ) from None
        keeper = Process(**raw["keeper"]) if raw["keeper"] else None
        processes = [Process(**each) for each in raw["processes"]]
        return cls(lab, Known(**{**raw, "keeper": keeper, "processes": processes}))

    def save(self) -> None:
        """Write what is known, at once or not at all."""
        new = self.directory / "scene.json.new"
        new.write_text(json.dumps(asdict(self.known)))
        new.replace(self.directory / "scene.json")

    # --- the fleet

    def host(self, name: str) -> LabHost:
        """One of the lab's hosts."""
        return self.lab.host(name)

    def commit(self, label: str, message: str, edit: Callable[[Path], None]) -> str:
        """Change the repository on ``main`` and commit; the commit is known by ``label`` from now on."""
        edit(self.lab.repo)
        commit = sample.commit(self.lab.repo, message)
        self.known.commits[label] = commit
        self.save()
        return commit

    def deploy(self, label: str, *options: str, careless: bool = False, codes: tuple[int, ...] = (0,)) -> int:
        """Deploy ``main`` as its owners do, or as a careless colleague; the exit code.

        :raises DeployerError: it did not end with one of ``codes``: the ground of the drill is not as meant.
        """
        done = self.run(["deploy", "lab", "--yes", "--json", *options], careless=careless, codes=codes)
        hosts = json.loads(done.stdout)["hosts"].values()
        if release := next((host["release"] for host in hosts if host["release"]), None):
            self.known.releases[label] = release
            self.save()
        return done.returncode

    def run(
        self, argv: list[str], *, careless: bool = False, codes: tuple[int, ...] = (0,)
    ) -> subprocess.CompletedProcess[str]:
        """Run the program as somebody else than the trainee.

        :raises DeployerError: another exit code than those of ``codes``.
        """
        env = self.environment()
        if careless:
            env["DEPLOYER_PROJECT"] = str(self.project_of_others)
        try:
            done = subprocess.run(
                self.program(*argv), env=env, cwd=self.directory, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=COMMAND_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise DeployerError(
                f"the drill: deployer {argv[0]} did not end within {COMMAND_S:.0f} s: is it overloaded?"
            ) from None
        if done.returncode not in codes:
            said = (done.stderr.strip() or done.stdout.strip())[-600:]
            raise DeployerError(
                f"the drill: deployer {' '.join(argv)} ended with {done.returncode}, not {codes}: {said}"
            )
        return done

    # --- the ways in

    @property
    def project_of_others(self) -> Path:
        """The project of a colleague whose playbook has every net taken down."""
        return self.directory / "colleague"

    @staticmethod
    def program(*argv: str) -> list[str]:
        """The program, not noted as the trainee's."""
        return [sys.executable, "-P", "-m", "deployer", *argv]

    def variables(self) -> dict[str, str]:
        """What the trainee's shell has set: nothing here touches a journal or a cache of their own."""
        return {
            "DEPLOYER_PROJECT": str(self.lab.project),
            "DEPLOYER_SSH_CONFIG": str(self.lab.ssh_config),
            "DEPLOYER_STATE": f"sqlite:///{self.lab.directory}/state.db",
            "DEPLOYER_DRILL_DIR": str(self.lab.directory),
            "XDG_CACHE_HOME": str(self.directory / "cache"),
            "DRILL_REPO": str(self.lab.repo),
            "PATH": f"{self.directory}/bin:{os.environ.get('PATH', os.defpath)}",
            "GIT_AUTHOR_NAME": "trainee", "GIT_AUTHOR_EMAIL": "trainee@example.com",
            "GIT_COMMITTER_NAME": "trainee", "GIT_COMMITTER_EMAIL": "trainee@example.com",
        }  # fmt: skip

    def environment(self, base: Mapping[str, str] = os.environ) -> dict[str, str]:
        """The environment of a command in the drill: the caller's without what is meant for another fleet."""
        kept = {name: value for name, value in base.items() if not name.startswith(_NOT_OURS)}
        return {**kept, **self.variables()}

    def own_commits(self) -> set[str]:
        """Commits on ``main`` that nobody but the trainee can have made."""
        there = set(sample.git(self.lab.repo, "rev-list", "main").split())
        first = sample.git(self.lab.repo, "rev-list", "--max-parents=0", "main")
        return there - {first, *self.known.commits.values()}

    def to_end(self, process: Process) -> None:
        """Have a process ended with the drill."""
        self.known.processes.append(process)
        self.save()

    def end(self) -> None:
        """Remove everything: processes, hosts, links, mounts, directories."""
        if (keeper := self.known.keeper) is not None:
            keeper.signal(signal.SIGTERM)  # it has processes of its own to end
            deadline = time.monotonic() + KEEPER_ENDS_S
            while keeper.alive and time.monotonic() < deadline:
                time.sleep(0.02)
            keeper.kill()
        for process in self.known.processes:
            process.kill()
        self.lab.down()

    def shown(self, command: str) -> str:
        """A step's command with its commits and releases."""
        labels: dict[str, Any] = {label: commit[:12] for label, commit in self.known.commits.items()}
        labels |= {f"{label}_release": release for label, release in self.known.releases.items()}
        return command.format_map(labels)


def _careless(repo: Path) -> str:
    return f"""\
# A colleague's: everything at once, no net, and the only check is one that nginx -t has passed anyway.
source: {{repo: {json.dumps(str(repo))}, ref: main}}
target: {{directory: /etc/nginx, preserve: ["modules-enabled/**"]}}
lint: {{fail_on: never}}
rehearse: {{answers: "off"}}
checks:
  - {{name: syntax, from: command, command: [nginx, -t, -q], expect: {{within: 20s}}}}
health: {{deadline: 30s, interval: 100ms, consecutive: 1, bake: 0s}}
rollout: {{waves: [100%], max_failures: 1, on_failure: host}}
"""


def directory_of(directory: Path | None) -> Path:
    """Where a drill is kept, unless told otherwise."""
    return directory or default_directory("drill")
