"""How the hosts of a benchmark are reached: the one file that every contestant reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

SITE_PORT = 8099
"""Where the measured site listens on each host."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One host: ssh uses ``address`` and ``port``, perhaps a slow proxy; ``site`` is the host itself."""

    name: str
    address: str
    port: int
    site: str


@dataclass(frozen=True, slots=True)
class Work:
    """What it holds: ``hosts.json``, ``known_hosts``, ``id`` (a key), ``tree.tgz`` and ``tree/``."""

    directory: Path

    @property
    def key(self) -> str:
        return str(self.directory / "id")

    @property
    def known_hosts(self) -> str:
        return str(self.directory / "known_hosts")

    @property
    def tree(self) -> Path:
        return self.directory / "tree"

    @property
    def tarball(self) -> str:
        return str(self.directory / "tree.tgz")

    def write_hosts(self, hosts: list[Endpoint]) -> None:
        (self.directory / "hosts.json").write_text(json.dumps([asdict(host) for host in hosts]))

    def read_hosts(self) -> list[Endpoint]:
        return [Endpoint(**host) for host in json.loads((self.directory / "hosts.json").read_text())]
