"""The lab that all contestants share, the change they all bring, and the proof that it arrived."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployer.lab import sample
from deployer.lab.fleet import Lab
from tests.benchmarks.endpoints import SITE_PORT, Endpoint, Work
from tests.benchmarks.measure import Failed

FILES = 44  #: in the tree; a small real site has about as many
_SERVED_WITHIN_S = 10.0

_SITE = """\
server {{
	listen {port};
	access_log off;
	default_type text/plain;
	location / {{
		return 200 "bench {marker}\\n";
	}}
}}
"""
_PLAYBOOK = f"""\
source:
  repo: {{repo}}
target:
  directory: /etc/nginx
  preserve: ["modules-enabled/**"]
checks:
  - name: bench
    url: http://127.0.0.1:{SITE_PORT}/
    expect: {{{{status: 200, body: "^bench", within: 2s}}}}
health: {{{{deadline: 10s, interval: 50ms, consecutive: 3, bake: 0s}}}}
rollout:
  waves: [100%]
rehearse: {{rehearse}}
"""
_REHEARSE = {"off": "off", "changes": "{mode: on, answers: off}", "answers": "on"}


class Ground:
    """A lab with its work directory, repository and project."""

    def __init__(self, lab: Lab, work: Work, endpoints: list[Endpoint], rehearse: str) -> None:
        self.lab, self.work, self.endpoints = lab, work, endpoints
        self.project = work.directory / "project"
        self.ssh_config = work.directory / "ssh_config"
        self.served = ""  #: the marker that was last proved to be served
        self._changes = 0
        self._rehearse = rehearse

    def change(self) -> str:
        """Change one file: commit it, pack the tree. The new content's marker."""
        self._changes += 1
        marker = f"change-{self._changes}-{time.monotonic_ns()}"
        site = self.lab.repo / "conf.d/bench.conf"
        site.write_text(_SITE.format(port=SITE_PORT, marker=marker))
        sample.commit(self.lab.repo, marker)
        shutil.rmtree(self.work.tree, ignore_errors=True)
        ignore = shutil.ignore_patterns(".git")
        shutil.copytree(self.lab.repo, self.work.tree, symlinks=True, ignore=ignore)
        with tarfile.open(self.work.tarball, "w:gz", compresslevel=6) as tar:
            tar.add(self.work.tree, arcname=".")
        return marker

    def seed(self) -> None:
        """Have every host serve the site once: to open a port takes a moment that no contestant waits for."""
        marker = self.change()
        site = (self.work.tree / "conf.d/bench.conf").read_text()
        for host in self.lab.hosts:
            host.write("/etc/nginx/conf.d/bench.conf", site)
            host.nginx("-s", "reload")
        self.prove(marker)

    def prove(self, marker: str) -> None:
        """Ask every host itself, past any proxy. :raises Failed: one does not serve it within 10 s."""
        deadline = time.monotonic() + _SERVED_WITHIN_S
        for host in self.endpoints:
            while (body := _get(host.site)) != f"bench {marker}\n":
                if time.monotonic() > deadline:
                    raise Failed(
                        f"{host.name} does not serve {marker!r} but {body!r}: the figure does not count"
                    )
                time.sleep(0.02)
        self.served = marker

    def write_files(self) -> None:
        """Everything a contestant reads but the tree: hosts, keys, ssh config, inventory, playbook."""
        where = self.work.directory
        self.work.write_hosts(self.endpoints)
        shutil.copyfile(self.lab.key, self.work.key)
        Path(self.work.key).chmod(0o600)
        keys = dict(line.split(",", 1) for line in self.lab.known_hosts.read_text().splitlines())
        known = ""
        for host in self.endpoints:
            public = keys[host.name].split(" ", 1)[1]
            name = host.address if host.port == 22 else f"[{host.address}]:{host.port}"
            known += f"{name} {public}\n"
        Path(self.work.known_hosts).write_text(known)
        self.ssh_config.write_text(
            f"Host *\n  IdentityFile {self.work.key}\n  IdentitiesOnly yes\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {self.work.known_hosts}\n  GlobalKnownHostsFile /dev/null\n"
            "  StrictHostKeyChecking yes\n"
        )
        (self.project / "inventories").mkdir(parents=True)
        (self.project / "playbooks").mkdir()
        lines = [
            f"    {h.name}: {{ansible_host: {h.address}, ansible_port: {h.port}}}" for h in self.endpoints
        ]
        inventory = ["bench:", "  hosts:", *lines, "  vars:", "    ansible_user: root", ""]
        (self.project / "inventories/bench.yml").write_text("\n".join(inventory))
        (self.project / "playbooks/nginx.yml").write_text(
            _PLAYBOOK.format(repo=json.dumps(str(self.lab.repo)), rehearse=_REHEARSE[self._rehearse])
        )
        snippets = self.lab.repo / "snippets"
        missing = (
            FILES - 1 - sum(1 for p in self.lab.repo.rglob("*") if ".git" not in p.parts and not p.is_dir())
        )
        for number in range(missing):
            (snippets / f"bench-{number}.conf").write_text(f"# number {number}\n" * 40)
        (where / "ansible").mkdir()


@contextmanager
def ground(hosts: int, rtt_ms: float, directory: Path, rehearse: str = "off") -> Iterator[Ground]:
    """A lab of that many light hosts, behind a slow network if asked, gone at the end.

    :param rehearse: how much of the rehearsal deployer does: ``off``, ``changes`` or ``answers``.
    """
    work = Work(directory / "work")
    work.directory.mkdir()
    with Lab.up(directory / "lab", hosts=hosts) as lab, _endpoints(lab, rtt_ms, work) as endpoints:
        made = Ground(lab, work, endpoints, rehearse)
        made.write_files()
        made.seed()
        yield made


@contextmanager
def _endpoints(lab: Lab, rtt_ms: float, work: Work) -> Iterator[list[Endpoint]]:
    if not rtt_ms:
        yield [Endpoint(host.name, host.address, 22, host.address) for host in lab.hosts]
        return
    (work.directory / "upstream.json").write_text(json.dumps([host.address for host in lab.hosts]))
    argv = [sys.executable, "-m", "tests.benchmarks.slow_network", str(work.directory), str(rtt_ms)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdin is not None
        assert proxy.stdout is not None
        try:
            ports = json.loads(proxy.stdout.readline())
            pairs = zip(lab.hosts, ports, strict=True)
            yield [Endpoint(host.name, "127.0.0.1", port, host.address) for host, port in pairs]
        finally:
            proxy.stdin.close()
            proxy.wait(10)


def _get(address: str) -> str:
    connection = http.client.HTTPConnection(address, SITE_PORT, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException) as error:
        return str(error)
    finally:
        connection.close()
