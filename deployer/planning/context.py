"""What one command works with: the files it was given, read and checked, and where it keeps its own."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deployer.config.inventory import Inventory
    from deployer.config.playbook import Playbook
    from deployer.host.ssh import SshOptions
    from deployer.model import Host
    from deployer.source.veil import Veil


@dataclass(frozen=True)
class Context:
    """One inventory, one playbook, the hosts that ``--limit`` left, and how to reach them."""

    project: Path
    name: str  #: of the inventory, as the journal names it
    inventory: Inventory
    hosts: tuple[Host, ...]
    playbook: Playbook
    ssh: SshOptions
    #: SQLAlchemy URL of the journal, perhaps with a password; ``None``: the default place
    state: str | None = field(default=None, repr=False)

    @property
    def repo(self) -> str:
        """``source.repo``; a path is meant from the project directory, wherever the command is run."""
        repo = self.playbook.source.repo
        if "://" in repo or (":" in repo and "/" not in repo.partition(":")[0]):
            return repo
        return str(self.project.absolute() / Path(repo).expanduser())

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The groups of each host, by name."""
        return {host.name: host.groups for host in self.hosts}

    @cached_property
    def veil(self) -> Veil:
        """Hides the secrets of the whole inventory."""
        from deployer.source.veil import Veil

        return Veil(self.inventory.hosts)


def cache_directory() -> Path:
    """Where mirrors of repositories and manifests are kept (XDG); it may be deleted at any time."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "deployer"
