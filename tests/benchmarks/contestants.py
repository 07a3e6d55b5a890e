"""Who is measured, and the command line of each."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.endpoints import SITE_PORT
from tests.benchmarks.ground import Ground

REPO = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).resolve().parent / "peers"
_BIN = Path(sys.executable).parent
DEPLOYER = str(_BIN / "deployer")


@dataclass(frozen=True, slots=True)
class Contestant:
    """A way to bring the change.

    :ivar changes: whether it leaves the new content on the hosts (the floor does not).
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    changes: bool = True


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what would change the deployer's or Ansible's ways."""
    # A program that is installed has its bytecode, and so are all of these to have theirs.
    foreign = ("DEPLOYER_", "ANSIBLE_", "PYINFRA_", "PYTHONDONTWRITEBYTECODE")
    own = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    return {**own, "PYTHONPATH": str(REPO), "NO_COLOR": "1", **extra}


def peers(ground: Ground) -> dict[str, Contestant]:
    """The others, in the order in which they run."""
    work = str(ground.work.directory)
    python = sys.executable
    ansible_env = {
        "ANSIBLE_HOME": f"{work}/ansible",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_FORKS": "20",
        "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        "ANSIBLE_SSH_ARGS": f"-F {ground.ssh_config} -o ControlMaster=auto -o ControlPersist=30s",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": f"{work}/ansible/cp",
        "ANSIBLE_LOCALHOST_WARNING": "0",
    }
    ansible = (
        str(_BIN / "ansible-playbook"), "-i", str(ground.project / "inventories/bench.yml"),
        "-e", f"work={work} site_port={SITE_PORT}", str(PEERS / "ansible.yml"),
    )  # fmt: skip
    pyinfra = (str(_BIN / "pyinfra"), "-y", str(PEERS / "pyinfra_hosts.py"), str(PEERS / "pyinfra_deploy.py"))
    return {
        "floor": Contestant(
            "paramiko: connect and `true`",
            (python, "-m", "tests.benchmarks.peers.floor", work),
            changes=False,
        ),
        "fabric": Contestant(
            "plain Fabric script, the tree", (python, "-m", "tests.benchmarks.peers.plain_fabric", work)
        ),
        "pyinfra": Contestant("pyinfra, the tree", pyinfra, {"BENCH_WORK": work, "BENCH_TREE": "yes"}),
        "pyinfra-put": Contestant(
            "pyinfra, told which file", pyinfra, {"BENCH_WORK": work, "BENCH_TREE": "no"}
        ),
        "ansible": Contestant("Ansible, the tree by `unarchive`", ansible, ansible_env),
    }


def deployer(ground: Ground, verb: str) -> Contestant:
    """``deployer deploy`` or ``deployer rollback``."""
    state = f"sqlite:///{ground.work.directory}/state.db"
    argv = (
        DEPLOYER, verb, "bench", "--project", str(ground.project), "--yes",
        "--ssh-config", str(ground.ssh_config), "--state", state,
    )  # fmt: skip
    return Contestant(f"`deployer {verb}`", argv, {"XDG_CACHE_HOME": f"{ground.work.directory}/cache"})


def hang_up(ground: Ground) -> None:
    """End the connections that Ansible keeps, so that every run connects anew."""
    for socket in (ground.work.directory / "ansible/cp").glob("*"):
        argv = ["ssh", "-F", "/dev/null", "-o", f"ControlPath={socket}", "-O", "exit", "any"]
        subprocess.run(argv, capture_output=True, timeout=10, check=False)
