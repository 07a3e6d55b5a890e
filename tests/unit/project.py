"""An operator's project directory, written in a test. Its hosts answer to nobody: port 1 of this machine."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

INVENTORY = "web:\n  hosts:\n    web[1:2]: {ansible_host: 127.0.0.1, ansible_port: 1}\n"


class Project:
    """A project with the inventory ``lab`` and the playbook ``nginx``.

    :ivar repo: a real git repository with one commit, which the playbook names.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.repo = path, path / "repo"
        self.repo.mkdir(parents=True)
        (self.repo / "nginx.conf").write_text("events {}\n")
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", "First")
        self.write("inventories/lab.yml", INVENTORY)
        self.playbook("nginx")
        self.write("ssh_config", "")

    def git(self, *argv: str) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=Ops", "-c", "user.email=ops@example.com", *argv],
            cwd=self.repo,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout.strip()

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def playbook(self, name: str, **keys: Any) -> Path:
        """Write a playbook; JSON is YAML too."""
        content = {"source": {"repo": str(self.repo)}, **keys}
        return self.write(f"playbooks/{name}.yml", json.dumps(content))
