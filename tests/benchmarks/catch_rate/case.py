"""A base, and one change of it: what it edits, what shows that it is bad or what it brings."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.users import ASKS

BASE = Path(__file__).parent / "base"  #: the first base's directory
WWW_DATA = 33  #: the same on every Debian (base-passwd)


@dataclass(frozen=True)
class Swap:
    """Pieces of a file replaced; each occurs exactly once."""

    pieces: tuple[tuple[str, str], ...]

    def apply(self, text: str) -> str:
        for old, new in self.pieces:
            if text.count(old) != 1:
                raise ValueError(f"occurs {text.count(old)} times, not once: {old!r}")
            text = text.replace(old, new)
        return text


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True)
class Copy:
    """A file of the base under another name."""

    source: str


Edit = str | Swap | Link | Copy | None  #: a whole text, or one of the above; ``None`` deletes
Edits = Mapping[str, Edit]


def swap(*pieces: tuple[str, str]) -> Swap:
    """Replace pieces of a file."""
    return Swap(pieces)


def enabled(site: str) -> str:
    """Where a site is enabled."""
    return f"sites-enabled/{site}"


def new_site(name: str, text: str) -> Edits:
    """A site of its own, enabled as Debian does it."""
    return {f"sites-available/{name}": text, enabled(name): Link(f"/etc/nginx/sites-available/{name}")}


def users(*names: str) -> tuple[Ask, ...]:
    """Asks of the first base, by name."""
    return tuple(ASKS[name] for name in names)


@dataclass(frozen=True)
class Bad:
    """A change that ``nginx -t`` accepts and users suffer from.

    :ivar story: what the operator meant, and what came of it.
    :ivar symptom: each is answered well by the base, and one or more badly once the change is loaded.
    :ivar never: what the change was to bring: still not there after the reload, without a word from it.
    :ivar after_restart: each is answered well until nginx is started anew, for whatever reason.
    """

    name: str
    family: str
    story: str
    edits: Edits
    symptom: tuple[Ask, ...] = ()
    never: tuple[Ask, ...] = ()
    after_restart: tuple[Ask, ...] = ()


@dataclass(frozen=True)
class Good:
    """A change that has to go through.

    :ivar brings: what is answered well after it.
    :ivar ends: asks of the base that are answered otherwise from now on, on purpose.
    :ivar accept: what the operator says of that: patterns for ``--accept-change``.
    """

    name: str
    family: str
    story: str
    edits: Edits
    brings: tuple[Ask, ...] = ()
    ends: tuple[str, ...] = ()
    accept: tuple[str, ...] = ()
    options: tuple[str, ...] = field(default=())  #: other options of ``deploy`` that such a change takes


Case = Bad | Good


@dataclass(frozen=True)
class Certificates:
    """What lies in a base's directory of certificates: per name a chain, its key, and the leaf alone.

    :ivar directory: on the host.
    :ivar issued: file name → the names it is for, and days until it expires.
    :ivar strangers: the same, from an authority that nobody trusts.
    """

    directory: str
    issued: Mapping[str, tuple[tuple[str, ...], int]]
    strangers: Mapping[str, tuple[tuple[str, ...], int]] = field(default_factory=dict)


def _nothing_more(root: Path) -> None:
    """Furnish nothing that is not a file of the base."""


@dataclass(frozen=True)
class Base:
    """A firm's nginx as it stands, what is behind it, who uses it, and changes of it.

    :ivar directory: holds ``nginx/``, its ``/etc/nginx``, and ``files/``, what lies elsewhere on the host.
    :ivar asks: by name; every one is answered well.
    :ivar programs: modules to be on the host; the last one is run there, with the seconds it may live.
    :ivar ready: a file that it makes once it answers.
    :ivar distribution: files of Debian's own ``/etc/nginx``, taken from the machine.
    :ivar links: symbolic links below ``/etc/nginx``, and their targets.
    :ivar private: a pattern of files that only root and nginx read.
    :ivar names: lines of ``/etc/hosts``.
    :ivar caches: what nginx may leave below ``/var/cache``, with the changes loaded.
    :ivar playbook: of the playbook, besides what every firm's has.
    :ivar secrets: what it refers to: variables of the environment.
    :ivar furnish: makes on the host, given its root directory, what a file cannot hold.
    """

    name: str
    directory: Path
    asks: Mapping[str, Ask]
    bad: tuple[Bad, ...]
    good: tuple[Good, ...]
    programs: tuple[str, ...]
    ready: str
    certificates: Certificates
    distribution: tuple[str, ...]
    links: Mapping[str, str] = field(default_factory=dict)
    private: str = ""
    names: tuple[str, ...] = ()
    caches: tuple[str, ...] = ()
    playbook: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)
    furnish: Callable[[Path], None] = _nothing_more

    @property
    def cases(self) -> tuple[Case, ...]:
        """All of its changes."""
        return (*self.bad, *self.good)


def write_base(tree: Path, base: Base) -> None:
    """Write the base's ``/etc/nginx``."""
    shutil.copytree(base.directory / "nginx", tree, dirs_exist_ok=True)
    for name in base.distribution:
        shutil.copyfile(Path("/etc/nginx", name), tree / name)
    for private in tree.glob(base.private) if base.private else ():
        private.chmod(0o640)
        if os.geteuid() == 0:
            os.chown(private, 0, WWW_DATA)
    for name, target in base.links.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).symlink_to(target)


def apply(tree: Path, edits: Edits, base: Base) -> None:
    """Edit a tree that is the base's. :raises ValueError: an edit does not fit the base."""
    for name, edit in edits.items():
        path = tree / name
        if isinstance(edit, Swap):
            try:
                path.write_text(edit.apply((base.directory / "nginx" / name).read_text()))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
            continue
        if os.path.lexists(path):
            path.unlink()
        elif edit is None:
            raise ValueError(f"{name} is not there to be deleted")
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(edit, Link):
            path.symlink_to(edit.target)
        elif isinstance(edit, Copy):
            shutil.copyfile(base.directory / "nginx" / edit.source, path)
        elif isinstance(edit, str):
            path.write_text(edit)


def chosen(cases: Sequence[Case], patterns: Sequence[str]) -> list[Case]:
    """Those whose name or family matches one of the globs; all without a glob."""
    from fnmatch import fnmatchcase

    if not patterns:
        return list(cases)
    return [c for c in cases if any(fnmatchcase(c.name, p) or fnmatchcase(c.family, p) for p in patterns)]
