"""How nginx chooses who answers, from a configuration alone: which server, which location. Pure.

The rules of ``server_name``, ``listen`` and ``location`` as nginx's documentation tells them, and what is
inherited from outer blocks. What needs a request to be known (variables, ``if``) is not guessed here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from deployer.nginx.configuration import Config
from deployer.nginx.samples import matches
from deployer.nginx.tree import Directive

ANY4, ANY6 = "*", "::"
_MAX_RANGE = 64  # ports of one `listen 8000-9000` that are looked at


@dataclass(frozen=True, slots=True)
class Listen:
    """One address and port of a server. ``address`` is without brackets, :data:`ANY4` or :data:`ANY6`."""

    address: str
    port: int
    tls: bool = False
    proxy: bool = False
    default: bool = False  #: ``default_server`` was written
    both: bool = False  #: ``[::]`` that takes IPv4 as well

    @property
    def place(self) -> tuple[str, int]:
        """Where a question reaches it from the host itself."""
        return {ANY4: "127.0.0.1", ANY6: "::1"}.get(self.address, self.address), self.port

    @property
    def local(self) -> bool:
        """Only the host itself reaches it."""
        return self.address not in (ANY4, ANY6) and ipaddress.ip_address(self.address).is_loopback

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, eq=False)
class Location:
    """One ``location`` with the blocks around it, outermost first.

    :ivar kind: ``=``, ``^~``, ``~``, ``~*``, ``@``, or nothing for a plain prefix.
    """

    kind: str
    pattern: str
    scope: tuple[Directive, ...]  #: http, server, outer locations, and this one
    inner: tuple[Location, ...] = ()

    @property
    def directive(self) -> Directive:
        """The block itself."""
        return self.scope[-1]

    @property
    def title(self) -> str:
        """As it is written."""
        return f"location {self.kind} {self.pattern}".replace("  ", " ")

    @property
    def regex(self) -> bool:
        """Whether it is chosen by a regular expression."""
        return self.kind in ("~", "~*")

    def holds(self, path: str) -> bool:
        """Whether its pattern fits a path."""
        if self.regex:
            return bool(matches(self.pattern, path, ignore_case=self.kind == "~*"))
        return path == self.pattern if self.kind == "=" else path.startswith(self.pattern)


@dataclass(frozen=True, eq=False)
class Server:
    """One ``server`` block of ``http``, read."""

    scope: tuple[Directive, ...]  #: http and this one
    listens: tuple[Listen, ...]
    names: tuple[str, ...]  #: as written, in lower case; regular expressions begin with "~"
    locations: tuple[Location, ...]

    @property
    def directive(self) -> Directive:
        """The block itself."""
        return self.scope[-1]

    @property
    def title(self) -> str:
        """What people know it by."""
        return next((n for n in self.names if n.strip("_")), "") or (
            f"the server at {self.directive.file.rpartition('/')[2]}:{self.directive.line}"
        )

    @cached_property
    def every(self) -> tuple[Location, ...]:
        """Its locations and those in them."""
        return tuple(_flat(self.locations))

    @cached_property
    def text(self) -> str:
        """What it says, without comments and places: the same for two that say the same."""
        return written(self.directive)

    def locate(self, path: str) -> Location | None:
        """The location that answers a path (without query); ``None``: the server itself does."""
        return _locate(self.locations, path)


@dataclass(frozen=True)
class Sites:
    """The servers of one configuration."""

    servers: tuple[Server, ...]
    streams: tuple[Listen, ...] = ()  #: of ``stream``, over TCP
    config: Config | None = field(default=None, repr=False, compare=False)

    @cached_property
    def listens(self) -> tuple[Listen, ...]:
        """Each address and port once, with what any server says of it."""
        found: dict[tuple[str, int], Listen] = {}
        for server in self.servers:
            for one in server.listens:
                old = found.get((one.address, one.port), one)
                found[one.address, one.port] = Listen(
                    one.address,
                    one.port,
                    one.tls or old.tls,
                    one.proxy or old.proxy,
                    one.default or old.default,
                    one.both or old.both,
                )
        return tuple(found.values())

    def listen_at(self, place: tuple[str, int]) -> Listen | None:
        """The socket that takes a connection to an address and port; ``None``: nobody does."""
        address, port = place
        here = {one.address: one for one in self.listens if one.port == port}
        if address in here:
            return here[address]
        if ":" in address:
            return here.get(ANY6)
        return here.get(ANY4) or next((one for one in here.values() if one.both), None)

    @cached_property
    def _by_listen(self) -> dict[tuple[str, int], tuple[Server, ...]]:
        found: dict[tuple[str, int], list[Server]] = {}
        for server in self.servers:
            for key in dict.fromkeys((one.address, one.port) for one in server.listens):
                found.setdefault(key, []).append(server)
        return {key: tuple(held) for key, held in found.items()}

    def at(self, place: tuple[str, int]) -> tuple[Server, ...]:
        """The servers that share the socket of a place, in order."""
        one = self.listen_at(place)
        return self._by_listen.get((one.address, one.port), ()) if one is not None else ()

    def default_at(self, place: tuple[str, int]) -> tuple[Server | None, bool]:
        """Who takes unknown names there, and whether it was told to (``default_server``)."""
        one = self.listen_at(place)
        return (
            self._defaults.get((one.address, one.port), (None, False)) if one is not None else (None, False)
        )

    @cached_property
    def _defaults(self) -> dict[tuple[str, int], tuple[Server, bool]]:
        found: dict[tuple[str, int], tuple[Server, bool]] = {}
        for key, here in self._by_listen.items():
            told = (s for s in here if any(x.default and (x.address, x.port) == key for x in s.listens))
            server = next(told, None)
            found[key] = (here[0], False) if server is None else (server, True)
        return found

    def choose(self, place: tuple[str, int], name: str) -> Choice | None:
        """Who answers a name there; ``None``: nobody listens."""
        default, _ = self.default_at(place)
        if default is None:
            return None
        names = self._names_at(place)
        for wanted in _spellings(name.lower()):
            if wanted in names:
                return Choice(names[wanted][0], True, tuple(names[wanted][1:]))
        for pattern, servers in names.items():
            if pattern.startswith("~") and matches(pattern[1:], name.lower()):
                return Choice(servers[0], True)
        return Choice(default, False)

    def _names_at(self, place: tuple[str, int]) -> dict[str, list[Server]]:
        one = self.listen_at(place)
        key = (one.address, one.port) if one is not None else ("", 0)
        if key not in self._names:
            held: dict[str, list[Server]] = {}
            for server in self.at(place):
                for name in server.names:
                    for spelt in (name[1:], "*" + name) if name.startswith(".") else (name,):
                        if server not in held.setdefault(spelt, []):
                            held[spelt].append(server)
            self._names[key] = held
        return self._names[key]

    @cached_property
    def _names(self) -> dict[tuple[str, int], dict[str, list[Server]]]:
        return {}


@dataclass(frozen=True)
class Choice:
    """Who answers a name.

    :ivar listed: the server lists the name; otherwise it takes what nobody lists.
    :ivar ignored: others that list it as well and are never asked.
    """

    server: Server
    listed: bool
    ignored: tuple[Server, ...] = ()


def read(config: Config) -> Sites:
    """The servers of a configuration, in the order nginx meets them."""
    servers = []
    for directive, around in config.find("server"):
        if [d.name for d in around] == ["http"] and directive.block is not None:
            servers.append(_server((*around, directive)))
    streams: dict[tuple[str, int], Listen] = {}
    for directive, around in config.find("listen"):
        if [d.name for d in around] == ["stream", "server"] and "udp" not in directive.args:
            for one in _listens(directive):
                streams.setdefault((one.address, one.port), one)
    return Sites(tuple(servers), tuple(streams.values()), config)


def effective(scope: Sequence[Directive], *names: str) -> tuple[Directive, ...]:
    """The directives of these names that hold in the innermost block: any of an inner one hides all outer."""
    for block in reversed(scope):
        named = _named(block)
        here = [name for name in names if name in named]
        if here:
            return named[here[0]] if len(here) == 1 else tuple(block.all(*names))  # in their order
    return ()


@lru_cache(maxsize=4096)
def _named(block: Directive) -> Mapping[str, tuple[Directive, ...]]:
    """What stands in a block, by name: that of http may hold thousands of servers."""
    found: dict[str, list[Directive]] = {}
    for directive in block.block or ():
        found.setdefault(directive.name, []).append(directive)
    return {name: tuple(held) for name, held in found.items()}


def written(directive: Directive) -> str:
    """A directive and its block as one text; includes are what they brought."""
    parts: list[str] = []
    stack: list[Directive | str] = [directive]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            parts.append(item)
            continue
        if item.name == "include":
            continue
        parts.append(" ".join([item.name, *map(repr, item.args)]))
        if item.block is None:
            parts.append(";")
        else:
            parts.append("{")
            stack.append("}")
            stack.extend(reversed(item.block))
    return " ".join(parts)


def _server(scope: tuple[Directive, ...]) -> Server:
    block = scope[-1]
    listens = [one for d in block.all("listen") for one in _listens(d)]
    if not block.all("listen"):
        listens = [Listen(ANY4, 80)]
    if any(d.args == ("on",) for d in block.all("ssl")):
        listens = [Listen(x.address, x.port, True, x.proxy, x.default, x.both) for x in listens]
    names = tuple(dict.fromkeys(_name(n) for d in block.all("server_name") for n in d.args))
    return Server(scope, tuple(listens), names, _locations(scope))


def _name(text: str) -> str:
    return text if text.startswith("~") else text.lower().removesuffix(".")


def _locations(scope: tuple[Directive, ...]) -> tuple[Location, ...]:
    found = []
    for directive in scope[-1].all("location"):
        kind, pattern = _location_words(directive.args)
        inner = (*scope, directive)
        found.append(Location(kind, pattern, inner, _locations(inner)))
    return tuple(found)


def _location_words(args: Sequence[str]) -> tuple[str, str]:
    if len(args) > 1:
        return args[0], args[1]
    text = args[0] if args else "/"
    for kind in ("^~", "~*", "=", "~", "@"):
        if text.startswith(kind):
            return kind, text[len(kind) :]
    return "", text


def _listens(directive: Directive) -> Iterator[Listen]:
    if not directive.args:
        return
    where, options = directive.args[0], directive.args[1:]
    if where.startswith("unix:") or "quic" in options:
        return
    address, ports = _address(where)
    if address is None:
        return
    for port in ports:
        yield Listen(
            address,
            port,
            tls="ssl" in options,
            proxy="proxy_protocol" in options,
            default="default_server" in options or "default" in options,
            both=address == ANY6 and "ipv6only=off" in options,
        )


def _address(where: str) -> tuple[str | None, Iterable[int]]:
    if where.replace("-", "", 1).isdigit():
        where = f"*:{where}"
    host, colon, port = where.rpartition(":")
    if where.endswith("]") or not colon:
        host, port = where, "80"
    first, _, last = port.partition("-")
    if not first.isdigit() or (last and not last.isdigit()):
        return None, ()
    ports = range(int(first), min(int(last or first), int(first) + _MAX_RANGE) + 1)
    host = {"*": ANY4, "0.0.0.0": ANY4, "": ANY4, "localhost": "127.0.0.1"}.get(host, host)  # noqa: S104
    if host == ANY4:
        return host, ports
    try:
        return str(ipaddress.ip_address(host.strip("[]"))), ports
    except ValueError:  # a name: what it stands for is the host's affair
        return None, ()


def _spellings(name: str) -> Iterator[str]:
    """A name and the wildcards that fit it, in the order nginx prefers them."""
    yield name
    labels = name.split(".")
    for cut in range(1, len(labels)):
        yield "*." + ".".join(labels[cut:])
    for cut in range(len(labels) - 1, 0, -1):
        yield ".".join(labels[:cut]) + ".*"


def _flat(locations: Iterable[Location]) -> Iterator[Location]:
    for one in locations:
        yield one
        yield from _flat(one.inner)


def _locate(locations: Sequence[Location], path: str) -> Location | None:
    best: Location | None = None
    for one in locations:
        if one.kind == "=" and one.pattern == path:
            return one
        if one.kind in ("", "^~") and path.startswith(one.pattern):
            best = one if best is None or len(one.pattern) > len(best.pattern) else best
    if best is not None:
        inner = _locate(best.inner, path)
        # Only a prefix leaves it to the expressions outside; "^~" speaks for its own place alone.
        if inner is not None and (inner.kind == "=" or inner.regex):
            return inner
        if best.kind == "^~":
            return inner or best
        best = inner or best
    for one in locations:
        if one.regex and one.holds(path):
            return _locate(one.inner, path) or one
    return best
