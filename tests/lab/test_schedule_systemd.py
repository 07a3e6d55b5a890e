"""A schedule as systemd runs it: a host of the lab is its own controller."""

from __future__ import annotations

import json
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from deployer.lab import sample
from deployer.lab.fleet import Lab
from deployer.lab.host import LabHost
from tests.conftest import need_root
from tests.lab.carried import TREE, carry
from tests.lab.story import get
from tests.postgres import Server

pytestmark = [pytest.mark.lab, pytest.mark.systemd]

PROJECT = "/srv/50% of it"  # a space and a percent sign, both of which mean something in a unit
PLAYBOOK = f"{PROJECT}/playbooks/nginx.yml"
HOME = "/home/ops"
WITHIN_S = 90.0
SSH = f"""\
Host *
  User root
  IdentityFile {HOME}/.ssh/id_ed25519
  IdentitiesOnly yes
  UserKnownHostsFile {HOME}/.ssh/known_hosts
"""


@dataclass
class Controller:
    """A host on which deployer is installed, with a project; ops run it."""

    lab: Lab

    def __post_init__(self) -> None:
        host = self.host
        carry(host)
        for name, text in {
            f"{HOME}/.ssh/config": SSH,
            f"{HOME}/.ssh/id_ed25519": self.lab.key.read_text(),
            f"{HOME}/.ssh/known_hosts": self.lab.known_hosts.read_text(),
            f"{PROJECT}/inventories/lab.yml": sample.inventory([(host.name, host.address)]),
            PLAYBOOK: sample.playbook(self.repo),
            "/etc/deployer.env": f"PYTHONPATH={TREE}\n",
        }.items():
            host.run(["mkdir", "-p", name.rpartition("/")[0]])
            host.write(name, text)
        host.run(["sh", "-c", f"chmod 0600 {HOME}/.ssh/* /etc/deployer.env; chown -R ops: {HOME}"])
        self.push()

    @property
    def host(self) -> LabHost:
        return self.lab.hosts[0]

    @property
    def repo(self) -> Any:
        return "/srv/repo.git"

    def shop(self, text: str) -> None:
        """Commit a shop that answers this, and bring it to where the controller fetches it."""
        (self.lab.repo / "sites-available/shop.example.com").write_text(sample.shop(text))
        sample.commit(self.lab.repo, text)
        self.push()

    def push(self) -> None:
        """Bring what is committed to where the controller fetches it."""
        here, there = self.lab.directory / "bare.git", self.host.path("/srv/repo.git")
        for path in (here, there):
            shutil.rmtree(path, ignore_errors=True)
        sample.git(self.lab.repo, "clone", "--quiet", "--bare", ".", str(here))
        shutil.copytree(here, there)
        self.host.run(["chown", "-R", "ops:", "/srv/repo.git"])

    def deployer(self, *argv: str, user: str = "ops", check: bool = True) -> subprocess.CompletedProcess[str]:
        program = [
            "env",
            f"PYTHONPATH={TREE}",
            f"DEPLOYER_PROJECT={PROJECT}",
            sys.executable,
            "-m",
            "deployer",
        ]
        as_ops = ["runuser", "-u", "ops", "--"] if user == "ops" else []
        return self.host.run([*as_ops, *program, *argv], check=check, timeout_s=WITHIN_S)

    def schedule(self, calendar: str) -> subprocess.CompletedProcess[str]:
        """Install a schedule, as root, that ops run."""
        how = ("--install", "--user", "ops", "--environment-file", "/etc/deployer.env")
        return self.deployer("schedule", "lab", "--on-calendar", calendar, *how, user="root")

    def journal(self) -> str:
        argv = ["journalctl", "-u", "deployer-*.service", "-o", "cat", "--no-pager"]
        return self.host.run(argv).stdout

    def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WITHIN_S
        while not true():
            assert time.monotonic() < deadline, self.journal()
            time.sleep(0.1)

    def listed(self, *, expect: int = 0) -> dict[str, Any]:
        ran = self.deployer("schedule", "--list", "--json", check=False)
        assert ran.returncode == expect, ran
        (found,) = json.loads(ran.stdout)["schedules"]
        return dict(found)


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    need_root()
    with Lab.up(tmp_path_factory.mktemp("schedule"), hosts=1, init="systemd") as lab:
        yield Controller(lab)


def test_a_timer_deploys_what_is_new_and_says_little_when_nothing_is(controller: Controller) -> None:
    host = controller.host
    controller.shop("shop 2")
    ran = controller.schedule("*:*:0/4")
    assert "wrote /etc/systemd/system/deployer-lab.timer" in ran.stdout, ran
    assert host.run(["systemctl", "is-enabled", "deployer-lab.timer"]).stdout.strip() == "enabled"
    controller.until(lambda: get(host)[1] == "shop 2\n")
    controller.until(lambda: "nothing new, 1 host on" in controller.journal())
    assert controller.listed()["last_exit_code"] == 0, controller.journal()
    told = controller.journal()
    assert "lab: deployed" in told, told
    host.run(["systemctl", "stop", "deployer-lab.timer"])
    why = "deployer-lab.timer does not run: systemctl enable --now deployer-lab.timer"
    assert controller.listed(expect=6)["stopped"] == why
    # A run that is under way may be left alone; what it says then is not looked at.
    ran = controller.deployer("schedule", "lab", "--remove", user="root", check=False)
    assert (ran.returncode, ran.stdout) == (0, "removed lab: deployer-lab (systemd)\n"), ran
    assert host.run(["systemctl", "is-enabled", "deployer-lab.timer"], check=False).returncode != 0
    assert not list(host.path("/etc/systemd/system").glob("deployer-lab*"))
    listed = controller.deployer("schedule", "--list", check=False)
    assert listed.stdout == "no schedule here, and none in the journal\n", listed  # nobody will miss it


@contextmanager
def reached_from(host: Controller, server: Server) -> Iterator[int]:
    """The server as the hosts of the lab see it: a port of their network's gateway."""

    def pass_on(here: socket.socket) -> None:
        with here, socket.create_connection(("127.0.0.1", server.port), 10) as there:
            while True:
                for one in select.select([here, there], [], [])[0]:
                    if not (data := one.recv(1 << 16)):
                        return
                    (there if one is here else here).sendall(data)

    def serve() -> None:
        with suppress(OSError):  # it is closed
            while True:
                threading.Thread(target=pass_on, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server((host.lab.network.gateway, 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_a_run_that_cannot_read_its_playbook_starts_the_unit_for_failures_and_is_seen_to_fail(
    controller: Controller, postgres: Server
) -> None:
    host, database = controller.host, postgres.database()
    plain = host.read("/etc/deployer.env")
    host.write("/etc/systemd/system/told@.service", "[Service]\nType=oneshot\nExecStart=touch /run/told-%i\n")
    with reached_from(controller, postgres) as port:
        url = postgres.url(database).replace(
            f"127.0.0.1:{postgres.port}", f"{controller.lab.network.gateway}:{port}"
        )
        host.write("/etc/deployer.env", f"{plain}DEPLOYER_STATE={url}\n")
        how = ("--environment-file", "/etc/deployer.env", "--on-failure", "told@%n.service", "--install")
        controller.deployer("schedule", "lab", "--on-calendar", "yearly", "--user", "ops", *how, user="root")
        host.run(["systemctl", "start", "deployer-lab.service"], timeout_s=WITHIN_S)
        playbook = host.read(PLAYBOOK)
        host.write(PLAYBOOK, "sauce: {}\n")
        ran = host.run(["systemctl", "start", "deployer-lab.service"], check=False, timeout_s=WITHIN_S)
        assert ran.returncode != 0, controller.journal()
        controller.until(host.path("/run/told-deployer-lab.service").exists)
        host.write(PLAYBOOK, playbook)
        units = host.run(["systemctl", "cat", "deployer-lab.service", "deployer-lab.timer"]).stdout
        assert "p4ss" not in units + controller.journal()
        (row,) = postgres.ask("SELECT inventory, exit_code, reason FROM schedule", database=database)
        controller.deployer("schedule", "lab", "--remove", user="root")
        assert not postgres.ask("SELECT * FROM schedule", database=database)
        host.write("/etc/deployer.env", plain)
    assert row[:2] == ("lab", 2)
    assert "sauce" in str(row[2])
    assert postgres.ask("SELECT count(*) FROM deployment", database=database) == [(1,)]
    postgres.drop(database)


def test_a_watch_is_a_service_that_is_started_anew_when_it_hangs(controller: Controller) -> None:
    host = controller.host
    unit = controller.deployer("watch", "lab", "--print-unit", "--environment-file", "/etc/deployer.env")
    name = "deployer-watch-lab.service"
    host.write(f"/etc/systemd/system/{name}", unit.stdout)
    ran = host.run(["systemd-analyze", "verify", f"/etc/systemd/system/{name}"], check=False)
    assert name not in ran.stderr, ran
    # Changes belong into a drop-in.
    host.run(["mkdir", "-p", f"/etc/systemd/system/{name}.d"])
    host.write(f"/etc/systemd/system/{name}.d/short.conf", "[Service]\nWatchdogSec=4\nRestartSec=100ms\n")
    host.run(["systemctl", "daemon-reload"])

    def shown(what: str) -> str:
        return host.run(["systemctl", "show", "-P", what, name]).stdout.strip()

    host.run(["systemctl", "start", name], timeout_s=WITHIN_S)  # waits until it says that it is ready
    try:
        controller.until(lambda: shown("StatusText").startswith("1 host"))
        playbook = host.read(PLAYBOOK)
        host.write(PLAYBOOK, "sauce: {}\n")
        host.run(["systemctl", "reload", name], timeout_s=WITHIN_S)
        controller.until(lambda: "files" in shown("StatusText"))
        host.write(PLAYBOOK, playbook)
        host.run(["systemctl", "reload", name], timeout_s=WITHIN_S)
        controller.until(lambda: "files" not in shown("StatusText"))
        first = shown("MainPID")
        host.run(["kill", "-STOP", first])
        controller.until(lambda: shown("NRestarts") == "1" and shown("ActiveState") == "active")
        assert shown("MainPID") not in {first, "0"}
        host.run(["systemctl", "stop", name], timeout_s=WITHIN_S)
        assert (shown("ExecMainStatus"), shown("Result")) == ("0", "success")
        assert host.path(f"{HOME}/.local/state/deployer/watch").is_dir()
    finally:
        host.run(["systemctl", "stop", name], check=False, timeout_s=WITHIN_S)


def test_a_run_that_systemd_stops_takes_its_hosts_back(controller: Controller) -> None:
    host = controller.host
    before = get(host)
    controller.schedule("yearly")
    patient = host.read(PLAYBOOK)
    host.write(PLAYBOOK, patient.replace("bake: 0s", "bake: 60s"))
    controller.shop("shop 3")
    host.run(["systemctl", "start", "--no-block", "deployer-lab.service"])
    controller.until(lambda: get(host)[1] == "shop 3\n")
    host.run(["systemctl", "stop", "deployer-lab.service"], timeout_s=WITHIN_S)  # waits for its end
    assert get(host) == before, controller.journal()
    assert "web1: back on its release, proved" in controller.journal()
    found = controller.listed(expect=6)
    assert (found["last_outcome"], found["last_exit_code"]) == ("interrupted", 130), found
    # Nothing was left behind: the next run deploys.
    host.write(PLAYBOOK, patient)
    host.run(["systemctl", "start", "deployer-lab.service"], timeout_s=WITHIN_S)
    assert get(host)[1] == "shop 3\n"
    assert controller.listed()["trouble"] is None
