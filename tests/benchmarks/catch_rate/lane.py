"""One host with a project of its own, on which changes are deployed one after another while users watch."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployer.lab import sample
from deployer.lab.host import LabHost
from tests.benchmarks.catch_rate.asking import Ask, Client
from tests.benchmarks.catch_rate.case import Base, Case, Good, apply, write_base
from tests.benchmarks.catch_rate.place import place
from tests.benchmarks.contestants import environment

COMMAND_S = 180.0
USERS = 4
EVERY_S = 0.2  #: each of them asks so often
_AFTER_S = 0.3  #: users that still belong to a deployment that is over
PLAYBOOK = """\
source: {{repo: {repo}}}
target:
  directory: /etc/nginx
  preserve: ["modules-enabled/**", "modules-available/**"]
  modes: {modes}
health: {{deadline: 10s, interval: 100ms, consecutive: 3, bake: 1s}}
rollout: {{waves: [100%]}}
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    exit_code: int
    document: dict[str, Any]  #: what ``--json`` printed; empty when it printed none
    said: str  #: stderr
    seconds: float


@dataclass
class Users:
    """What users met while a change was deployed."""

    asked: int = 0
    failed: int = 0
    why: dict[str, str] = field(default_factory=dict)  #: the first trouble with each ask
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, ask: Ask, wrong: str | None) -> None:
        with self._lock:
            self.asked += ask.times
            if wrong:
                self.failed += 1
                self.why.setdefault(ask.name, wrong)


class Lane:
    """A host, its repository and its project. Not to be shared between threads."""

    def __init__(
        self, host: LabHost, base: Base, directory: Path, *, certificates: Path, ssh_config: Path
    ) -> None:
        self.host, self.base, self._directory, self._ssh_config = host, base, directory, ssh_config
        self._certificates = certificates
        self._authority = certificates / "authority.crt"
        self.client = Client(host.address, self._authority, host.address6)
        self.repo, self._base_tree = directory / "repo", directory / "base"
        self._write_project()
        self._furnish()

    # --- the ground

    def _write_project(self) -> None:
        project = self._directory / "project"
        (project / "inventories").mkdir(parents=True)
        (project / "playbooks").mkdir()
        pairs = [(self.host.name, self.host.address)]
        (project / "inventories/lane.yml").write_text(sample.inventory(pairs))
        modes = json.dumps({self.base.private: "0640 root:www-data"} if self.base.private else {})
        playbook = PLAYBOOK.format(repo=json.dumps(str(self.repo)), modes=modes)
        (project / "playbooks/nginx.yml").write_text(playbook + self.base.playbook)
        write_base(self._base_tree, self.base)
        shutil.copytree(self._base_tree, self.repo, symlinks=True)
        sample.git(self.repo, "init", "--quiet")
        self._base_commit = sample.commit(self.repo, f"{self.base.name} as it stands")

    def _furnish(self) -> None:
        place(self.host, self.base, self._certificates, self._base_tree)
        self._to_base_commit()
        ended = self.deployer("deploy")
        self.every_day = ended.said  #: what it says when nothing is wrong
        if ended.exit_code:
            raise RuntimeError(f"the base itself is not deployed: {ended.document or ended.said}")
        self._base_release = self._live()

    def _to_base_commit(self) -> None:
        sample.git(self.repo, "checkout", "--quiet", "--force", "-B", "main", self._base_commit)
        sample.git(self.repo, "clean", "--quiet", "-d", "--force")

    def _to_base(self, ended: Ended) -> None:
        if ended.exit_code == 0:
            # Two changes of the catalogue may come to the same, and what is good stays so.
            self.deployer("rollback", "--no-quarantine")
        with contextlib.suppress(OSError):
            if self._live() == self._base_release and self.host.nginx_pids():
                return
        self.host.reset()
        self._furnish()

    def _live(self) -> str:
        return str(self.host.path("/var/lib/deployer/nginx/live").readlink())

    # --- a change

    def deploy(self, case: Case, options: Sequence[str]) -> tuple[Ended, Users, list[dict[str, Any]]]:
        """Deploy one change, then go back to the base. How it ended, what users met, the journal."""
        self._to_base_commit()
        apply(self.repo, case.edits, self.base)
        sample.commit(self.repo, case.name)
        ends = case.ends if isinstance(case, Good) else ()
        with self._users([ask for ask in self.base.asks.values() if ask.name not in ends]) as users:
            ended = self.deployer("deploy", *options)
            time.sleep(_AFTER_S)
        events = self._events(ended)
        self._to_base(ended)
        return ended, users, events

    def _events(self, ended: Ended) -> list[dict[str, Any]]:
        if not ended.document.get("id"):
            return []
        shown = self._run("show", str(ended.document["id"]), "--json")
        found = shown.document.get("events", [])
        return found if isinstance(found, list) else []

    def deployer(self, verb: str, *options: str) -> Ended:
        """Run ``deployer VERB`` on this host as an operator's script would."""
        project = ("--project", str(self._directory / "project"), "--ssh-config", str(self._ssh_config))
        return self._run(verb, "lane", "--yes", "--json", *project, *options)

    def _run(self, verb: str, *options: str) -> Ended:
        argv = [sys.executable, "-m", "deployer", verb, *options]
        argv += ["--state", f"sqlite:///{self._directory}/state.db"]
        home = str(self._directory)
        homes = {"HOME": home, "XDG_CACHE_HOME": f"{home}/cache", "XDG_STATE_HOME": f"{home}/state"}
        env = environment({**homes, **self.base.secrets, "SSL_CERT_FILE": str(self._authority)})
        began = time.monotonic()
        done = subprocess.run(
            argv, env=env, cwd=home, capture_output=True, text=True, timeout=COMMAND_S, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            document = json.loads(done.stdout)
        except ValueError:
            document = {}
        return Ended(done.returncode, document, done.stderr, time.monotonic() - began)

    # --- its users

    @contextlib.contextmanager
    def _users(self, asks: Sequence[Ask]) -> Iterator[Users]:
        met, over = Users(), threading.Event()

        def user(number: int) -> None:
            turn = number * len(asks) // USERS
            while not over.wait(EVERY_S):
                ask = asks[turn % len(asks)]
                met.count(ask, self.client.wrong(ask))
                turn += 1

        threads = [threading.Thread(target=user, args=(number,), daemon=True) for number in range(USERS)]
        for thread in threads:
            thread.start()
        try:
            yield met
        finally:
            over.set()
            for thread in threads:
                thread.join(30)
