"""What the acceptance tests share: the program as people run it, and what a host is like afterwards.

The program is always a process of its own, with homes of its own; what it did is then looked up on the hosts
themselves, past the program.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deployer.globs import to_ere
from deployer.lab import sample
from deployer.lab.fleet import Lab
from deployer.lab.host import LabHost
from deployer.model import EXIT_CODE, HostOutcome, Outcome
from tests.lab.agent_sh import AgentOn
from tests.lab.warm import Warm, fits

WITHIN_S = 90.0
RESULT_KEYS = {"id", "outcome", "exit_code", "revision", "reason", "hosts", "waves", "seconds"}
#: There only where there is something to say.
SOMETIMES = {"gates", "quarantined", "compared", "kept", "ill", "help"}
HOST_KEYS = {"outcome", "release", "previous", "reason", "seconds"}
PROGRAM = (sys.executable, "-m", "deployer")
SHOP = "sites-available/shop.example.com"
SHOP_CHECK = {
    "name": "shop",
    "url": "http://127.0.0.1/",
    "headers": {"Host": "shop.example.com"},
    "expect": {"status": 200, "body": "^shop", "within": "2s"},
}
QUICK = {"deadline": "5s", "interval": "50ms", "consecutive": 2, "bake": "0s"}


@dataclass(frozen=True)
class Ran:
    """How the program ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    def __str__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


@dataclass(frozen=True)
class Told:
    """The result of a ``deploy``, ``rollback`` or ``adopt`` with ``--json``."""

    ran: Ran

    @property
    def code(self) -> int:
        return self.ran.code

    @property
    def outcome(self) -> str:
        return str(self.ran.document["outcome"])

    @property
    def reason(self) -> str:
        return str(self.ran.document["reason"])

    @property
    def hosts(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self.ran.document["hosts"]
        return found

    @property
    def outcomes(self) -> dict[str, str]:
        """Outcome by host."""
        return {name: host["outcome"] for name, host in self.hosts.items()}

    def __str__(self) -> str:
        return str(self.ran)


@dataclass
class Story:
    """A lab, a project of this test's own, and homes that nobody else uses."""

    lab: Lab
    directory: Path

    def __post_init__(self) -> None:
        self.project = self.directory / "project"
        for folder in ("inventories", "playbooks"):
            (self.project / folder).mkdir(parents=True)
        (self.project / "inventories/lab.yml").write_text(
            (self.lab.project / "inventories/lab.yml").read_text()
        )
        self.ssh_config = self.directory / "ssh_config"
        patience = "\nHost *\n  ConnectTimeout 3\n"  # of an operator whose network is a cable away
        self.ssh_config.write_text(self.lab.ssh_config.read_text() + patience)
        self.playbook()

    # --- what the operator writes

    def playbook(self, name: str = "nginx", **changes: Any) -> None:
        """Write a playbook: the lab's, with these top-level keys changed (mappings are merged)."""
        book: dict[str, Any] = {
            "source": {"repo": str(self.lab.repo), "ref": "main"},
            "target": {"directory": "/etc/nginx", "preserve": ["modules-enabled/**"]},
            "checks": [SHOP_CHECK],
            "health": dict(QUICK),
            "rollout": {"waves": [1, "100%"]},
            "lint": {"fail_on": "never"},  # most stories are of what is found later
            # Most stories are about what comes after the rehearsal; it would refuse what they let fail.
            "rehearse": {"answers": "off"},
        }
        for key, value in changes.items():
            book[key] = {**book.get(key, {}), **value} if isinstance(value, dict) else value
        (self.project / f"playbooks/{name}.yml").write_text(yaml.safe_dump(book))

    def inventory(self, text: str, name: str = "lab") -> None:
        """Write an inventory."""
        (self.project / f"inventories/{name}.yml").write_text(text)

    def commit(self, files: Mapping[str, str | None], message: str = "A change") -> str:
        """Write (``None``: delete) files of the repository, and commit; the commit's hash."""
        for name, text in files.items():
            path = self.lab.repo / name
            if text is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        return sample.commit(self.lab.repo, message)

    def shop(self, text: str, status: int = 200) -> str:
        """Commit a shop that answers this; the commit's hash."""
        return self.commit({SHOP: sample.shop(text, status)}, f"{text} {status}")

    def add_site(self, name: str, text: str, status: int = 200) -> str:
        """Commit a site of its own beside the shop; the commit's hash."""
        link = self.lab.repo / "sites-enabled" / name
        link.symlink_to(f"/etc/nginx/sites-available/{name}")
        site = f'server {{ listen 80; server_name {name}; location / {{ return {status} "{text}\\n"; }} }}\n'
        return self.commit({f"sites-available/{name}": site}, f"{name}: {text}")

    # --- running the program

    def environment(self, home: str = "home") -> dict[str, str]:
        """A clean environment with homes below this test's directory."""
        base = self.directory / home
        base.mkdir(exist_ok=True)
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "LANG": "C.UTF-8",
            "HOME": str(base),
            "XDG_STATE_HOME": str(base / "state"),
            "XDG_CACHE_HOME": str(base / "cache"),
            "XDG_CONFIG_HOME": str(base / "config"),
            "DEPLOYER_PROJECT": str(self.project),
            "DEPLOYER_SSH_CONFIG": str(self.ssh_config),
        }

    def start(self, *argv: str, home: str = "home", **env: str) -> subprocess.Popen[str]:
        """Start the program in a session of its own, without a terminal."""
        environment = {**self.environment(home), **env}
        start = Warm if fits(environment) else subprocess.Popen[str]
        return start(
            [*PROGRAM, *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=self.directory,
            start_new_session=True,
        )

    def until_said(self, process: subprocess.Popen[str], what: str) -> str:
        """Read the program's stderr up to a line that holds this; what was read."""
        assert process.stderr is not None
        said = ""
        deadline = time.monotonic() + WITHIN_S
        for line in process.stderr:  # ends with the program, which has deadlines of its own
            said += line
            if what in line:
                return said
            assert time.monotonic() < deadline, said
        raise AssertionError(f"it never said {what!r}:\n{said}")

    def end(self, process: subprocess.Popen[str], within_s: float = WITHIN_S) -> Ran:
        """Wait for it, with a deadline."""
        try:
            out, err = process.communicate(timeout=within_s)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"not done within {within_s} s\n{out}\n{err}") from None
        ran = Ran(process.returncode, out, err)
        assert "Traceback" not in err, ran
        return ran

    def run(self, *argv: str, home: str = "home", **env: str) -> Ran:
        """Run the program to its end."""
        return self.end(self.start(*argv, home=home, **env))

    def deploy(self, *options: str, expect: int = 0, home: str = "home", **env: str) -> Told:
        """``deploy lab --yes --json``, its document checked, its exit code as expected."""
        return told(self.run("deploy", "lab", "--yes", "--json", *options, home=home, **env), expect)

    def rollback(self, *options: str, expect: int = 0, home: str = "home", **env: str) -> Told:
        """``rollback lab --yes --json``, likewise."""
        return told(self.run("rollback", "lab", "--yes", "--json", *options, home=home, **env), expect)

    def adopt(self, *options: str, expect: int = 0) -> Told:
        """``adopt lab --json``, likewise."""
        return told(self.run("adopt", "lab", "--json", *options), expect)

    def status(self, *options: str, expect: int = 0) -> dict[str, dict[str, Any]]:
        """The hosts of ``status lab --json``."""
        ran = self.run("status", "lab", "--json", *options)
        assert ran.code == expect, ran
        assert ran.document["exit_code"] == ran.code
        found: dict[str, dict[str, Any]] = ran.document["hosts"]
        return found

    # --- what came of it

    def assert_serving(self, text: str, hosts: Iterable[LabHost] | None = None) -> None:
        """Every host answers this to a user of the shop; what is on disk is in memory, good, and nobody's.

        Each is asked itself, past the program: what ``status`` makes of that has stories of its own.
        """
        target = yaml.safe_load((self.project / "playbooks/nginx.yml").read_text())["target"]
        preserved = to_ere(target["preserve"], prefix="./")
        for host in self.lab.hosts if hosts is None else hosts:
            assert get(host) == (200, f"{text}\n"), host
            seen = AgentOn(host).observe(preserve=preserved)
            live = seen.one("live")
            assert live == seen.one("memory"), (host, seen)
            assert live in [line.split()[0] for line in seen.all("good")], (host, seen)
            good = {"promoted": "yes", "running": "yes", "drifted": "no", "owner": ""}
            assert {fact: seen.one(fact) for fact in good} == good, (host, seen)
            assert not seen.all("problem"), (host, seen)

    def until_served(self, host: LabHost, text: str) -> None:
        """Wait until users of a host get this."""

        def served() -> bool:
            try:
                return get(host)[1] == f"{text}\n"
            except OSError:  # the way there was only just mended
                return False

        wait_for(served, f"{host.name} does not serve {text}")

    def until_served_status(self, host: LabHost, status: int) -> None:
        """Wait until users of a host get this status."""
        wait_for(lambda: get(host)[0] == status, f"{host.name} does not answer {status}")

    def until_listening(self, host: LabHost, port: int) -> None:
        """Wait until something listens on a port of a host."""

        def listens() -> bool:
            return bool(host.run(["ss", "-Hltn", f"sport = :{port}"]).stdout)

        wait_for(listens, f"nothing listens on port {port} of {host.name}")

    def trees(self, path: str = "/etc/nginx") -> dict[str, dict[str, Any]]:
        """The whole tree of every host, to compare with before."""
        return {host.name: tree(host, path) for host in self.lab.hosts}


def told(ran: Ran, expect: int) -> Told:
    """Check a result's document against the contract, and the exit code against what is expected."""
    assert ran.code == expect, ran
    document = ran.document
    assert set(document) - SOMETIMES == RESULT_KEYS, document
    assert document["exit_code"] == ran.code, document
    outcome = Outcome(document["outcome"])
    assert ran.code in (EXIT_CODE[outcome], 0), document
    for host in document["hosts"].values():
        assert set(host) == HOST_KEYS, host
        HostOutcome(host["outcome"])
    if ran.code:
        assert document["reason"], document
    return Told(ran)


def get(host: LabHost, name: str = "shop.example.com", path: str = "/", port: int = 80) -> tuple[int, str]:
    """What a user gets from a host."""
    connection = http.client.HTTPConnection(host.address, port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": name})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def tree(host: LabHost, path: str = "/etc/nginx") -> dict[str, Any]:
    """Everything below a path of a host: type, mode, owner, xattrs, content or link target, by name."""
    top = host.path(path, follow=True)
    found = {".": _facts(top)}
    for directory, folders, files in os.walk(top):
        for name in (*folders, *files):
            entry = Path(directory, name)
            found[str(entry.relative_to(top))] = _facts(entry)
    return found


def _facts(path: Path) -> tuple[Any, ...]:
    stat = path.lstat()
    xattrs = {
        x: os.getxattr(path, x, follow_symlinks=False) for x in os.listxattr(path, follow_symlinks=False)
    }
    content: str = ""
    if path.is_symlink():
        content = str(path.readlink())
    elif path.is_file():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    return (oct(stat.st_mode), stat.st_uid, stat.st_gid, tuple(sorted(xattrs.items())), content)


def wait_for(what: Callable[[], bool], why: str, within_s: float = 30.0) -> None:
    """Wait for something to become true, with a deadline."""
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline, why
        time.sleep(0.02)
