"""What the rules look at: a configuration, with the questions that many of them ask of it answered once."""

from __future__ import annotations

import datetime
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from deployer import globs
from deployer.lint.rules.base import words
from deployer.lint.rules.listens import Listen, listens_of
from deployer.lint.rules.matching import Locations
from deployer.nginx.configuration import Config, Directive, Include

PACKAGED = frozenset(
    words(
        "mime.types fastcgi_params fastcgi.conf proxy_params scgi_params uwsgi_params koi-utf"
        " koi-win win-utf snippets/fastcgi-php.conf snippets/snakeoil.conf"
    )
)
"""Files that Debian's and nginx's own packages put beside the main file."""
_NAMES = frozenset(posixpath.basename(name) for name in PACKAGED)
_HARMLESS = PACKAGED - {"snippets/snakeoil.conf"}
"""Of those, what brings no server, location, certificate or resolver."""

Around = tuple[Directive, ...]


@dataclass(frozen=True, eq=False)
class Server:
    """A ``server`` of ``http``.

    :ivar open: some of it is in a file that is not known here.
    """

    at: Directive
    around: Around
    listens: tuple[Listen, ...]
    open: bool

    @cached_property
    def names(self) -> tuple[tuple[str, Directive], ...]:
        """Its names in small letters, each with the directive it is in; without any, the empty one."""
        given = [(name.lower(), d) for d in self.at.all("server_name") for name in d.args]
        return tuple(given) or (("", self.at),)

    @cached_property
    def literal_names(self) -> tuple[str, ...]:
        """Names that are a host name or a wildcard of one."""
        return tuple(name for name, _ in self.names if name.strip(".*_-!@#") and name[:1] not in "~$")

    @cached_property
    def locations(self) -> Locations:
        """How it chooses a location."""
        return Locations(self.at)

    @property
    def catch_all(self) -> bool:
        """It is for nobody by name."""
        return not self.literal_names and not any(name.startswith("~") for name, _ in self.names)


@dataclass(frozen=True)
class Subject:
    """A configuration as the rules see it.

    :ivar whole: it is what nginx would be started with; else a part, of which less can be said.
    :ivar preserve: globs below its directory that the host owns; ``None``: nobody said which.
    :ivar now: for certificates.
    """

    config: Config
    whole: bool = True
    preserve: Sequence[str] | None = None
    now: datetime.datetime | None = None

    @cached_property
    def servers(self) -> tuple[Server, ...]:
        """Those of ``http``, in the order of the text."""
        return tuple(
            Server(d, around, listens_of(d), self.is_open(d, *around))
            for d, around in self.config.find("server")
            if d.block is not None and not any(a.name in ("upstream", "stream", "mail") for a in around)
        )

    @cached_property
    def by_server(self) -> dict[int, Server]:
        """The servers by the identity of their directive."""
        return {id(server.at): server for server in self.servers}

    @cached_property
    def upstreams(self) -> dict[str, Directive]:
        """``upstream`` blocks of ``http`` by name."""
        found = self.config.find("upstream")
        return {d.args[0].lower(): d for d, around in found if d.args and not in_stream(around)}

    @cached_property
    def sockets(self) -> dict[str, list[tuple[Server, Listen]]]:
        """Who listens where, by address and port as nginx compares them."""
        found: dict[str, list[tuple[Server, Listen]]] = {}
        for server in self.servers:
            for listen in server.listens:
                found.setdefault(listen.key, []).append((server, listen))
        return found

    def server_of(self, around: Around) -> Server | None:
        """The ``server`` of ``http`` that a place is in."""
        return next((self.by_server[id(d)] for d in around if id(d) in self.by_server), None)

    def is_open(self, *blocks: Directive) -> bool:
        """Whether something that is not known here stands right in one of the blocks."""
        unknown = self._unknown
        return bool(unknown) and any(
            id(d) in unknown for b in blocks for d in b.block or () if d.name == "include"
        )

    def open_scope(self, at: Directive, around: Around) -> bool:
        """Whether what holds in a block may come from somewhere that is not known here."""
        return not self.whole or self.is_open(at, *around)

    @cached_property
    def open_main(self) -> bool:
        """Whether something that is not known here stands at the main level."""
        return not self.whole or any(id(d) in self._unknown for d in self.config.directives)

    @cached_property
    def _unknown(self) -> frozenset[int]:
        return frozenset(
            id(i.directive) for i in self.config.includes if self.lacks(i) and not self.harmless(i)
        )

    def lacks(self, include: Include) -> bool:
        """Whether it may bring something on the host that is not known here."""
        if include.missing:
            return True
        if include.matched and not self._preserved_below(include.pattern):
            return False
        return not self.below(include.pattern) or self.kept(include.pattern)

    def harmless(self, include: Include) -> bool:
        """It is a file of the package with nothing in it that a rule looks for."""
        return self.relative(include.pattern) in _HARMLESS or include.pattern.startswith(
            "/usr/share/nginx/modules"
        )

    def below(self, path: str) -> bool:
        """Whether an absolute path is in the tree's directory."""
        return path.startswith(self.config.directory.rstrip("/") + "/")

    def relative(self, path: str) -> str:
        """An absolute path as one of the tree, or as it is."""
        return path.removeprefix(self.config.directory.rstrip("/") + "/")

    def kept(self, path: str) -> bool:
        """Whether the host owns that path, or may: nobody said, and a package brings it."""
        name = self.relative(path)
        if self.preserve is None:
            return posixpath.basename(name) in _NAMES or name.startswith("modules-enabled/")
        return globs.matches(name, self.preserve) or self._preserved_below(path)

    def _preserved_below(self, pattern: str) -> bool:
        if not self.preserve:
            return False
        # A glob over what is preserved: compared by directory, since two globs cannot be compared well.
        directory = posixpath.dirname(self.relative(pattern))
        return any(
            g in ("**", "**/*")
            or posixpath.dirname(g.removesuffix("/**") + "/x") == directory
            or posixpath.dirname(g) == directory
            or globs.matches(directory, (g,))
            for g in self.preserve
        )

    def exists(self, path: str) -> bool:
        """Whether something stands at an absolute path of the tree."""
        name = self.relative(path)
        return self.config.content(path) is not None or name in self.config.unknown


def in_stream(around: Iterable[Directive]) -> bool:
    """Whether a place is not in ``http``."""
    return any(d.name in ("stream", "mail") for d in around)


def scope(name: str, at: Directive, around: Around) -> Sequence[Directive]:
    """The directives of a name that hold in a block: its own, else those of the nearest "
    "block that has some."""
    for block in (at, *reversed(around)):
        found = block.all(name)
        if found:
            return found
    return ()


def value(name: str, at: Directive, around: Around) -> str | None:
    """The first argument of the directive that holds in a block."""
    found = scope(name, at, around)
    return found[-1].args[0] if found and found[-1].args else None


def place(file: str, line: int) -> Directive:
    """A place in a file where no directive is."""
    return Directive("", (), file, line)


def inside(blocks: Iterable[Directive], *names: str) -> bool:
    """Whether one of the blocks has such a name."""
    return any(b.name in names for b in blocks)


def text(directive: Directive) -> str:
    """A directive as one would write it, short."""
    words = " ".join((directive.name, *directive.args))
    return words if len(words) <= 80 else words[:77] + "..."


def locations_of(subject: Subject) -> Iterator[tuple[Directive, Around]]:
    """All ``location`` blocks of ``http`` (and of fragments)."""
    return ((d, around) for d, around in subject.config.find("location") if d.block is not None)
