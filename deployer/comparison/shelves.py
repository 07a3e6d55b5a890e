"""Files that lie where live hands files out: asked for by name, though no link and no log names them. Pure.

What a configuration says of a picture or a font is only seen by asking for one that is there; a made-up name
is answered 404 before and after.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from deployer.comparison.compare import concrete
from deployer.comparison.routes import quoted
from deployer.nginx.captures import spelt_with
from deployer.nginx.sites import Location, Server, Sites, effective
from deployer.nginx.upstreams import passing
from deployer.nginx.way import follow

MOST = 40
"""Files that are asked for, on a host."""
EACH = 12
"""Of one directory."""
MOST_SHELVES = 40


@dataclass(frozen=True)
class Shelf:
    """A directory that a server hands files out of.

    :ivar name: of the server; an expression where a part of the name is a directory's.
    :ivar path: what stands before a file's own path where it is asked for; ends in a slash.
    :ivar part: the group of that expression; empty: the name is one.
    :ivar below: what comes behind the part in the files' own paths.
    """

    name: str
    directory: str
    path: str
    server: Server
    part: str = ""
    below: str = ""


def shelves(live: Sites) -> tuple[Shelf, ...]:
    """Those that are written down, of servers that have a name, or whose name is a directory's."""
    found: dict[tuple[str, str, str], Shelf] = {}
    for server in live.servers:
        name = next((one for written in server.names for one in concrete(written)), None)
        for directory, path in _of(server) if name is not None else ():
            if name is not None and "$" not in directory:
                one = Shelf(name, directory.rstrip("/"), path, server)
                found.setdefault((name, one.directory, path), one)
        for one in _tenants(server):
            found.setdefault((one.name, one.directory, one.part), one)
    return tuple(found.values())[:MOST_SHELVES]


def _tenants(server: Server) -> Iterator[Shelf]:
    """``server_name ~^(?<who>…)`` and ``root /srv/$who``: whose sites there are, the directory knows."""
    for directive in effective(server.scope, "root")[-1:]:
        found = re.fullmatch(r"(/[^$]+)/\$\{?(\w+)\}?((?:/[^$]*)?)", directive.args[0])
        for name in server.names if found is not None else ():
            if found is not None and name.startswith("~") and f"<{found[2]}>" in name:
                yield Shelf(name, found[1].rstrip("/"), "/", server, found[2], found[3].strip("/"))


def lying(
    live: Sites, every: Sequence[Shelf], files: Mapping[str, Sequence[str]]
) -> tuple[tuple[str, str], ...]:
    """Name and path of what is asked for: of each shelf in turn.

    :param files: by directory, paths of files below it.
    """
    asked = [
        [pair for file in files.get(shelf.directory, ()) for pair in _asked(live, shelf, file)]
        for shelf in every
    ]
    turns = (one for turn in zip_longest(*asked) for one in turn if one is not None)
    return tuple(dict.fromkeys(turns))[:MOST]


def _asked(live: Sites, shelf: Shelf, file: str) -> Iterator[tuple[str, str]]:
    if not shelf.part:
        if _is_handed_out(live, shelf, shelf.path + file, shelf.directory + "/" + file):
            yield shelf.name, shelf.path + file
        return
    own, _, rest = file.partition("/")
    below = f"{shelf.below}/" if shelf.below else ""
    name = spelt_with(shelf.name, shelf.part, own)
    if name is not None and rest.startswith(below) and rest != below:
        path = f"/{rest.removeprefix(below)}"
        root = effective(shelf.server.scope, "root")[-1].args[0].rstrip("/")
        if _is_handed_out(live, shelf, path, root + path):
            yield name, path


def _of(server: Server) -> Iterator[tuple[str, str]]:
    """Directories, and the paths that stand for them."""
    for directive in effective(server.scope, "root")[-1:]:
        yield directive.args[0], "/"
    for one in server.every:
        own = next(iter(one.directive.all("root", "alias")), None)
        if own is None or not own.args or one.kind in ("=", "@"):
            continue
        below = one.pattern.rstrip("/") + "/"
        if one.regex:
            if own.name == "root":
                yield own.args[0], "/"
        elif own.name == "alias":
            yield own.args[0], below
        else:
            yield own.args[0].rstrip("/") + below.rstrip("/"), below


def _is_handed_out(live: Sites, shelf: Shelf, path: str, file: str) -> bool:
    """Whether it is that file which is answered with, and no program."""
    if quoted(path) != path:
        return False
    way = follow(live.config, shelf.server, path)
    if way.answer is not None or way.path != path or passing(way.location) is not None:
        return False
    if way.location is not None and way.location.directive.first("internal") is not None:
        return False
    return _file(shelf.server, way.location, path) == file


def _file(server: Server, location: Location | None, path: str) -> str:
    scope = location.scope if location is not None else server.scope
    said = effective(scope, "root", "alias")[-1:]
    if not said or not said[0].args:
        return ""
    if said[0].name == "alias":
        return said[0].args[0] + path.removeprefix(location.pattern) if location is not None else ""
    return said[0].args[0].rstrip("/") + path
