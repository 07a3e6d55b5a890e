"""What is kept of a staging fleet beside it, so that it is found again and removed whole."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from deployer.errors import UsageError

_FILE = "staging.json"


@dataclass(frozen=True, slots=True)
class Match:
    """How one host's answers are to those of the host in whose image it is made.

    :ivar other: sentences: what is answered with another status.
    """

    asked: int
    other: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StagedHost:
    """One host of a fleet.

    :ivar machine: how the lab calls it.
    :ivar match: ``None``: production was not asked.
    """

    name: str
    machine: str
    address: str
    groups: tuple[str, ...]
    match: Match | None = None


@dataclass(frozen=True)
class Fleet:
    """A staging fleet that was made.

    :ivar production: the inventory in whose image it is.
    :ivar inventory: the file that makes it one.
    :ivar stubs: how many servers behind nginx have a stand-in.
    :ivar made: seconds since the epoch.
    """

    name: str
    production: str
    project: Path
    inventory: Path
    directory: Path
    hosts: tuple[StagedHost, ...]
    stubs: int
    notes: tuple[str, ...]
    made: float

    @classmethod
    def of(
        cls,
        *,
        name: str,
        production: str,
        project: Path,
        inventory: Path,
        directory: Path,
        machines: Mapping[str, str],
        addresses: Mapping[str, str],
        groups: Mapping[str, Sequence[str]],
        matches: Mapping[str, Match],
        stubs: int,
        notes: tuple[str, ...],
        made: float,
    ) -> Fleet:
        """Put one together from what is known of its hosts, by their names."""
        hosts = tuple(
            StagedHost(
                host,
                machine,
                addresses[host],
                tuple(g for g, held in groups.items() if host in held),
                matches.get(host),
            )
            for host, machine in machines.items()
        )
        return cls(name, production, project, inventory, directory, hosts, stubs, notes, made)

    def dump(self) -> str:
        """As JSON."""
        paths = {k: str(getattr(self, k)) for k in ("project", "inventory", "directory")}
        return json.dumps({**asdict(self), **paths}, indent=1)


def home() -> Path:
    """Where staging fleets are kept: below the XDG state directory."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(base) / "deployer/staging"


def directory_of(name: str) -> Path:
    """Where the fleet of that name is kept."""
    return (home() / name).absolute()


def save(fleet: Fleet) -> None:
    """Keep it in its own directory."""
    (fleet.directory / _FILE).write_text(fleet.dump())


def fleets() -> list[Fleet]:
    """Every fleet that was made here and not taken down, by name."""
    try:
        there = sorted(home().iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UsageError(
            f"{home()} cannot be read: {error.strerror}; staging fleets are kept there"
        ) from None
    return [fleet for path in there if (fleet := _load(path / _FILE)) is not None]


def _load(path: Path) -> Fleet | None:
    try:
        raw = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    hosts = tuple(
        StagedHost(
            host["name"],
            host["machine"],
            host["address"],
            tuple(host["groups"]),
            None if host["match"] is None else Match(host["match"]["asked"], tuple(host["match"]["other"])),
        )
        for host in raw["hosts"]
    )
    paths = {key: Path(raw[key]) for key in ("project", "inventory", "directory")}
    return Fleet(**{**raw, **paths, "hosts": hosts, "notes": tuple(raw["notes"])})
