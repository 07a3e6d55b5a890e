"""Where configurations to be checked come from: a release, or a directory; and which file is the main one."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from deployer.model import Kind, Release
from deployer.nginx.configuration import Config, parse

MAIN = "nginx.conf"
MAX_FILE_BYTES = 4 << 20
"""A larger file is no configuration; it is there, and not read."""
_LEFT_OUT = frozenset({".git", ".hg", ".svn", "node_modules", ".venv"})
_BEGINS = re.compile(rb"(?m)^[ \t]*(http|events|server|upstream|location|map|stream)\b[^;#\n]*\{")
_WHOLE = re.compile(rb"(?m)^[ \t]*(http|stream|mail)[ \t\r\n]*\{")
_EVENTS = re.compile(rb"(?m)^[ \t]*events[ \t\r\n]*\{")
_OTHER = re.compile(
    r"\.(md|rst|html?|php|js|mjs|ts|css|scss|json|ya?ml|toml|py|rb|sh|lua|go|java|xml|svg|png|jpe?g|gif|ico|pem|crt"
    r"|key|j2|sql|lock|gz|zip|patch|diff)$",
    re.IGNORECASE,
)


class Files(Mapping[str, bytes]):
    """Contents by name, each read when it is first asked for. Too large ones count as empty."""

    def __init__(self, readers: Mapping[str, Callable[[], bytes]]) -> None:
        self._readers = dict(readers)
        self._known: dict[str, bytes] = {}

    def __getitem__(self, name: str) -> bytes:
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = self._readers[name]()
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._readers

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)


@dataclass(frozen=True)
class Tree:
    """The files of one tree.

    :ivar unknown: names of links that lead out of it.
    :ivar templates: names that are templates still, so not read.
    :ivar real: by a name that is there through a link, that of the file itself.
    """

    files: Files
    unknown: frozenset[str] = frozenset()
    templates: tuple[str, ...] = field(default=())
    real: Mapping[str, str] = field(default_factory=dict)


def of_release(release: Release, directory: str = "/etc/nginx") -> Tree:
    """The tree of a release as it stands on a host; symlinks within it are followed."""
    readers: dict[str, Callable[[], bytes]] = {}
    links: dict[str, str] = {}
    for entry in release.manifest.entries:
        if entry.kind is Kind.LINK:
            links[entry.path] = entry.content
        else:
            readers[entry.path] = _reading(release, entry.content)
    return _linked(readers, links, directory)


def of_directory(directory: Path, standing_at: str = "/etc/nginx") -> Tree:
    """The tree of a directory on this machine. Templates are left out.

    :raises OSError: when it cannot be read.
    """
    readers: dict[str, Callable[[], bytes]] = {}
    links: dict[str, str] = {}
    templates = []
    for path in _below(directory):
        name = path.relative_to(directory).as_posix()
        if path.is_symlink():
            links[name] = str(path.readlink())
        elif name.endswith(".j2"):
            templates.append(name)
        elif path.is_file():
            readers[name] = _reading_path(path)
    tree = _linked(readers, links, standing_at)
    return replace(tree, templates=tuple(templates))


class Part(NamedTuple):
    """One configuration of a tree.

    :ivar whole: it is what nginx would be started with; otherwise a fragment.
    :ivar below: where in the tree its files are, with a slash at its end.
    """

    config: Config
    whole: bool
    below: str = ""


def configurations(tree: Tree, directory: str = "/etc/nginx") -> list[Part]:
    """What a tree holds.

    That is the ``nginx.conf`` at its top. A tree without one is looked through for files that look like
    nginx's: one with an ``http`` block is a configuration of its own, whose directory stands at
    ``directory``; another one is a fragment.
    """
    if is_main(tree):
        return [Part(parse(tree.files, MAIN, directory=directory, unknown=tree.unknown), whole=True)]
    mains, fragments = [], []
    for name in sorted(tree.files):
        if not _looks_like_nginx(tree, name):
            continue
        raw = tree.files[name]
        if _WHOLE.search(raw):
            mains.append(_standing(tree, name, directory))
        else:
            fragments.append(Part(parse({name: raw}, name, directory=directory), whole=False))
    # What a whole one reads was judged in its place.
    read = {part.below + name for part in mains if part.whole for name in part.config.read}
    return [*mains, *(part for part in fragments if part.config.main not in read)]


def holds_any(tree: Tree) -> bool:
    """Whether anything in it looks like nginx's; else nothing would be looked at."""
    return is_main(tree) or any(_looks_like_nginx(tree, name) for name in tree.files)


def _looks_like_nginx(tree: Tree, name: str) -> bool:
    if _OTHER.search(name):
        return False
    raw = tree.files[name]
    return b"\0" not in raw and _BEGINS.search(raw) is not None


def is_main(tree: Tree) -> bool:
    """Whether an ``nginx.conf`` that nginx can be started with is at the top of the tree."""
    return MAIN in tree.files and _WHOLE.search(tree.files[MAIN]) is not None


def _standing(tree: Tree, name: str, directory: str) -> Part:
    """A main file below the top, with what is below its own directory."""
    base, _, last = name.rpartition("/")
    below = f"{base}/" if base else ""
    names = [n for n in tree.files if n.startswith(below)]
    inside = Files({n.removeprefix(below): _again(tree.files, n) for n in names})
    unknown = {n.removeprefix(below) for n in tree.unknown if n.startswith(below)}
    config = parse(inside, last, directory=directory, unknown=unknown)
    return Part(config, _EVENTS.search(tree.files[name]) is not None, below)


def _again(files: Files, name: str) -> Callable[[], bytes]:
    return lambda: files[name]


def _reading(release: Release, digest: str) -> Callable[[], bytes]:
    return lambda: release.read(digest)[:MAX_FILE_BYTES]


def _reading_path(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        with path.open("rb") as content:
            return content.read(MAX_FILE_BYTES)

    return read


def _below(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        if path.is_dir() and not path.is_symlink():
            if path.name not in _LEFT_OUT:
                yield from _below(path)
        else:
            yield path


def _linked(readers: Mapping[str, Callable[[], bytes]], links: Mapping[str, str], directory: str) -> Tree:
    """Follow links: to a file, to a directory; what leaves the tree, or leads nowhere, is unknown."""
    unknown, real = set(), {}
    for name in links:
        target = _target(name, links, directory)
        if target is None:
            unknown.add(name)
        elif target in readers:
            real[name] = target
        else:
            below = [n for n in readers if n.startswith(target + "/")] if target != "." else []
            real |= {f"{name}/{n.removeprefix(target + '/')}": n for n in below}
            if not below:
                unknown.add(name)
    found = {**readers, **{name: readers[target] for name, target in real.items()}}
    return Tree(Files(found), frozenset(unknown), real=real)


def _target(name: str, links: Mapping[str, str], directory: str) -> str | None:
    """Where a link leads in the tree, after at most as many steps as there are links."""
    at: str | None = name
    for _ in range(len(links) + 1):
        if at is None:
            return None
        via = next((p for p in (at, *_parents(at)) if p in links), None)
        if via is None:
            return at
        moved = posixpath.normpath(posixpath.join(directory, posixpath.dirname(via), links[via]))
        rest = at.removeprefix(via)
        base = directory.rstrip("/") + "/"
        at = moved.removeprefix(base) + rest if moved.startswith(base) else None
    return None


def _parents(path: str) -> Sequence[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(len(parts) - 1, 0, -1)]
