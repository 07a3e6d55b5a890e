"""What can be asked of two configurations, live and candidate, so that their answers can be compared. Pure.

Each address and port × server name × location, and what the access log says people ask for. The union of what
both configurations know is asked of both. Safe methods only. Under a cap what the candidate changes comes
before what it does not, and "/" of each name before the locations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from urllib.parse import quote

from deployer.comparison import origins
from deployer.comparison.compare import Question, concrete
from deployer.comparison.conditions import further
from deployer.comparison.naming import led_to, looked_at, looked_up, told_apart
from deployer.nginx.samples import samples
from deployer.nginx.sites import ANY4, ANY6, Listen, Location, Server, Sites
from deployer.nginx.tree import Directive

CAP = 400
"""Questions for a host, of each side, unless the playbook says otherwise."""
MOST_READ = 1000
"""Those that both configurations are read for besides, without asking."""
STRANGER = "deployer-probe.invalid"
"""A name that nobody has."""
BELOW = "deployer-probe"
"""A page that nobody has."""
QUERY = "?deployer=probe"
"""So that a redirect or a pass that loses the arguments is seen to lose them."""
EXCLUDED = ("/logout*", "*/logout", "*/signout*", "*/unsubscribe*", "*/delete/*")
"""Never asked, for a GET should be safe there, and in many an application is not."""
SECRETS = ("/.git/HEAD", "/.env")

_MAPS_OF_PATHS = frozenset({"$uri", "$request_uri", "$document_uri"})
_MAPS_OF_NAMES = frozenset({"$host", "$http_host", "$server_name"})
_MOST_KEYS = 20
_MOST_CROSSED = 8
_NO_KEYS = ("default", "hostnames", "volatile", "include")
_SAFE = "/%:@!$&'()*+,;=~-._"


class Origin(IntEnum):
    """Why a question is asked; the lower it is, the earlier it is asked when not all can be."""

    STRANGER = 0  #: nobody's name: the default server
    NAME = 1  #: "/" of a name
    ALIAS = 2  #: "/" of another name of the same server
    WRITTEN = 3  #: a path as it is written in a configuration
    SEEN = 4  #: a path that the access log has
    BELOW = 5  #: a made-up path below a location
    PATTERN = 6  #: a made-up path that a regular expression fits
    SECRET = 7  #: what nobody should get

    @property
    def made_up(self) -> bool:
        """Nobody is known to ask for it."""
        return self >= Origin.BELOW


@dataclass(frozen=True)
class Route:
    """A question with what is known of it before it is asked."""

    question: Question
    origin: Origin
    dialect: tuple[bool, bool]  #: TLS; a PROXY header: as live speaks there, else as the candidate will


@dataclass(frozen=True)
class Questions:
    """What is asked of a host, and of what nothing is known."""

    routes: tuple[Route, ...]
    left_out: int = 0
    unasked: tuple[str, ...] = ()  #: names for which no example could be made
    read: tuple[
        Route, ...
    ] = ()  #: what there is no room to ask; the configurations are read for them all the same

    @property
    def note(self) -> str | None:
        """A sentence when not everything is asked."""
        said = []
        if self.left_out:
            total = self.left_out + len(self.routes)
            said.append(f"{len(self.routes)} of {total} questions were asked (compare.cap)")
        if self.unasked:
            more = " …" if len(self.unasked) > 3 else ""
            said.append(f"no example could be made for {', '.join(self.unasked[:3])}{more}")
        return "; ".join(said) or None


def derive(
    live: Sites,
    candidate: Sites,
    *,
    seen: Sequence[tuple[str, str]] = (),
    exclude: Iterable[str] = (),
    cap: int = CAP,
) -> Questions:
    """The questions of both configurations, in the order they are asked.

    :param seen: name and path of what users asked for, without query.
    :param exclude: patterns as of :func:`covers`, besides :data:`EXCLUDED`.
    """
    texts = [{s.text for s in sites.servers} for sites in (live, candidate)]
    same = texts[0] & texts[1]
    collected: dict[Question, tuple[int, bool, Route]] = {}
    unasked: list[str] = []
    shunned = (*EXCLUDED, *exclude)
    for sites in (live, candidate):
        asking = _Asking(sites, live, candidate)
        many = len(sites.servers) > cap  # then there is room for what changes only
        asked = [
            (s.text not in same, asking.of(s, whole=not many or s.text not in same)) for s in sites.servers
        ]
        for changed, routes in (*asked, (True, asking.seen(seen))):
            for route in routes:
                old = collected.get(route.question)
                if old is None or (route.origin, not changed) < (old[0], not old[1]):
                    collected[route.question] = (route.origin, changed or bool(old and old[1]), route)
        unasked += asking.unasked
    kept = [item for item in collected.values() if not any(covers(p, item[2].question) for p in shunned)]
    plain = [item[2] for item in kept]
    more = tuple(further(live, candidate, plain, made_up=Origin.PATTERN, most=cap // 4))
    more += tuple(origins.asking(live, candidate, plain, made_up=Origin.PATTERN)[: cap // 8])
    chosen = _fair(kept, cap - len(more))
    taken = {route.question for route in chosen}
    rest = [item for item in kept if item[2].question not in taken]
    read = (item[2] for item in sorted(rest, key=lambda item: not item[1]))  # what changes first
    left_out = len(kept) - len(chosen)
    return Questions((*chosen, *more), left_out, tuple(dict.fromkeys(unasked)), tuple(read)[:MOST_READ])


def route_text(question: Question) -> str:
    """``HOST/PATH``, with ``:PORT`` unless that is 80 or 443; ``_`` for the default server."""
    host = "_" if question.name in ("", STRANGER) else question.name
    port = "" if question.port in (80, 443) else f":{question.port}"
    return f"{host}{port}{question.path.partition('?')[0]}"


def covers(pattern: str, question: Question) -> bool:
    """Whether a pattern means a question.

    ``HOST/PATH``, both with ``*`` (anything) and ``?`` (one character). ``/PATH`` means every host, ``HOST``
    everything of it, ``_`` the default server; ``HOST:PORT`` only that port, ``HOST`` each.
    """
    host, slash, path = pattern.partition("/")
    if slash and not _glob("/" + path).fullmatch(question.path.partition("?")[0]):
        return False
    if not host:
        return True
    asked = "_" if question.name in ("", STRANGER) else question.name
    known = _glob(host.lower())
    return any(known.fullmatch(text) for text in (asked, f"{asked}:{question.port}"))


@lru_cache(maxsize=512)
def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern), re.DOTALL)


class _Asking:
    """Makes the questions of one configuration's servers."""

    def __init__(self, sites: Sites, live: Sites, candidate: Sites) -> None:
        self._sites, self._live, self._candidate = sites, live, candidate
        self._strangers: set[tuple[str, int]] = set()
        self.unasked: list[str] = []
        self._maps = _maps(sites)

    def seen(self, asked: Iterable[tuple[str, str]]) -> Iterator[Route]:
        """What users asked for, wherever somebody has the name."""
        places = list(dict.fromkeys(self._reached(listen) for listen in self._sites.listens))
        for name, path in asked:
            for place in places:
                choice = self._sites.choose(place, name)
                if choice is not None and choice.listed and not self._repeats(place, name, places):
                    yield self._route(place, name, path, Origin.SEEN)

    def of(self, server: Server, *, whole: bool) -> Iterator[Route]:
        """What can be asked of one server: all of it, or its names."""
        names = self._names(server)
        places = [self._reached(listen) for listen in server.listens]
        for listen, place in zip(server.listens, places, strict=True):
            if place not in self._strangers:
                self._strangers.add(place)
                yield self._route(place, "", "/", Origin.STRANGER)
                yield self._route(place, STRANGER, "/", Origin.STRANGER)
            for number, name in enumerate(names):
                yield self._route(place, name, "/", Origin.ALIAS if number else Origin.NAME)
                for special in self._special(listen):
                    yield self._route(special, name, "/", Origin.ALIAS)
            # A server without a name of its own is only asked for what it does with strangers.
            default, _ = self._sites.default_at(place)
            first = names[0] if names else ("" if default is server else None)
            if first is None or not whole or self._repeats(place, first, places):
                continue
            for path, origin in self._paths(server):
                yield self._route(place, first, path, origin)
            for name in self._told_apart(server):
                for path in looked_at(server, self._sites):
                    yield self._route(place, name, path, Origin.WRITTEN)

    def _reached(self, listen: Listen) -> tuple[str, int]:
        """Where a socket is asked: where neither configuration has a more special one in the way."""
        if listen.address != ANY4:
            return listen.place
        taken = {x.address for s in (self._live, self._candidate) for x in s.listens if x.port == listen.port}
        free = (f"127.0.0.{n}" for n in range(1, 10))
        return next((a for a in free if a not in taken), "127.0.0.1"), listen.port

    def _repeats(self, place: tuple[str, int], name: str, places: Sequence[tuple[str, int]]) -> bool:
        """Whether the very same server answers at an earlier place of the port (the other address family).

        "/" of each name is asked at both; what is below it can only be the same.
        """
        earlier = [p for p in places[: places.index(place)] if p[1] == place[1]]
        return any(
            all(_same_there(s, one, place, name) for s in (self._live, self._candidate)) for one in earlier
        )

    def _special(self, listen: Listen) -> list[tuple[str, int]]:
        """Addresses of the port that one configuration listens on by name: they hide what listens on all."""
        if listen.address not in (ANY4, ANY6):
            return []
        six = listen.address == ANY6
        every = (*self._live.listens, *self._candidate.listens)
        same = [x for x in every if x.port == listen.port and x.address not in (ANY4, ANY6)]
        return list(dict.fromkeys(x.place for x in same if (":" in x.address) == six and not x.local))

    def _route(self, place: tuple[str, int], name: str, path: str, origin: Origin) -> Route:
        listen = self._live.listen_at(place) or self._candidate.listen_at(place)
        dialect = (listen.tls, listen.proxy) if listen is not None else (False, False)
        return Route(Question(*place, name, path), origin, dialect)

    def _names(self, server: Server) -> list[str]:
        found: list[str] = []
        for name in server.names:
            examples = [x for n in spelt(name) for x in concrete(n)]
            if not examples and name.startswith("~"):
                self.unasked.append(name)
            found += examples
        mapped = [n for key, keys in self._maps.items() if key in _MAPS_OF_NAMES for n in keys]
        told = [name for key in mapped for n in spelt(key) for name in concrete(n) if n == key or "." in n]
        for name in (*told, *self._told_apart(server)):
            place = server.listens[0].place if server.listens else None
            choice = self._sites.choose(place, name) if place else None
            if choice is not None and choice.server is server:
                found.append(name)
        return list(dict.fromkeys(found))

    def _told_apart(self, server: Server) -> list[str]:
        """Names that one expression stands for, and that tables of either side make a difference between."""
        every = told_apart(server, self._live, self._candidate)
        return [name for told in every for name in concrete(told)]

    def _paths(self, server: Server) -> Iterator[tuple[str, Origin]]:
        yield f"/{BELOW}{QUERY}", Origin.BELOW
        regexes = [x for x in server.every if x.regex]
        prefixes = [x for x in server.every if x.kind in ("", "^~") and x.pattern not in ("/", "")]
        for one in server.every:
            yield from _of_location(one)
        for regex in regexes[:_MOST_CROSSED]:
            for prefix in prefixes[:_MOST_CROSSED]:
                base = prefix.pattern.rstrip("/") + "/"
                yield from _sampled(regex.pattern, base, ignore_case=regex.kind == "~*", limit=1)
        for block in (server.directive, *(x.directive for x in server.every)):
            yield from _rewritten(block)
        for key, keys in self._maps.items():
            if key in _MAPS_OF_PATHS:
                for text in keys:
                    yield from _mapped(text)
        for path in (*led_to(server, self._sites), *(p + QUERY for p in looked_up(server, self._sites))):
            yield path, Origin.WRITTEN
        for secret in SECRETS:
            yield secret, Origin.SECRET


def _same_there(sites: Sites, one: tuple[str, int], two: tuple[str, int], name: str) -> bool:
    """Whether a name has the same server at two places, which are spoken to alike."""
    choices = [sites.choose(place, name) for place in (one, two)]
    listens = [sites.listen_at(place) for place in (one, two)]
    if None in choices or None in listens:
        return choices == [None, None]
    servers = [choice.server for choice in choices if choice is not None]
    spoken = [(listen.tls, listen.proxy) for listen in listens if listen is not None]
    return servers[0] is servers[1] and spoken[0] == spoken[1]


def _of_location(one: Location) -> Iterator[tuple[str, Origin]]:
    if one.kind == "@" or one.directive.first("internal") is not None:
        return
    if one.regex:
        yield from _sampled(one.pattern, "/", ignore_case=one.kind == "~*")
        return
    path = quoted(one.pattern)
    if path is None:
        return
    yield path, Origin.WRITTEN
    if one.kind == "=":
        return
    below = path if path.endswith("/") else path + "/"
    if not path.endswith("/"):
        yield below, Origin.BELOW
    yield f"{below}{BELOW}{QUERY}", Origin.BELOW
    alias = one.directive.first("alias")
    if alias is not None and alias.args and not path.endswith("/"):
        folder = alias.args[0].rstrip("/").rpartition("/")[2]
        yield f"{path}../{folder}/", Origin.SECRET


def _sampled(pattern: str, begin: str, *, ignore_case: bool, limit: int = 2) -> Iterator[tuple[str, Origin]]:
    for text in samples(pattern, ignore_case=ignore_case, begin=begin, limit=limit):
        if (path := quoted(text)) is not None:
            yield path, Origin.PATTERN


def _rewritten(block: Directive) -> Iterator[tuple[str, Origin]]:
    """What ``rewrite`` and ``if ($uri ~ …)`` look for, and what is put around pages."""
    for directive in block.all("add_before_body", "add_after_body"):
        if (
            directive.args
            and "$" not in directive.args[0]
            and (path := quoted(directive.args[0])) is not None
        ):
            yield path, Origin.WRITTEN
    for directive in block.all("rewrite", "if"):
        args = directive.args
        if directive.name == "rewrite" and len(args) >= 2:
            yield from _sampled(args[0], "/", ignore_case=False)
        elif len(args) == 3 and args[0] in _MAPS_OF_PATHS and args[1] in ("~", "~*"):
            yield from _sampled(args[2], "/", ignore_case=args[1] == "~*")
        elif len(args) == 3 and args[0] in _MAPS_OF_PATHS and (path := quoted(args[2])) is not None:
            yield path, Origin.WRITTEN
        if directive.name == "if":
            yield from _rewritten(directive)


def _mapped(key: str) -> Iterator[tuple[str, Origin]]:
    if key.startswith("~"):
        pattern = key[1:].removeprefix("*")
        yield from _sampled(pattern, "/", ignore_case=key.startswith("~*"), limit=1)
    elif key.startswith("/") and (path := quoted(key)) is not None:
        yield path, Origin.WRITTEN


def _maps(sites: Sites) -> Mapping[str, tuple[str, ...]]:
    """Keys of maps that look at the path or the name, by the variable they look at."""
    found: dict[str, list[str]] = {}
    for directive, _ in sites.config.find("map") if sites.config is not None else ():
        if directive.args and directive.args[0] in (_MAPS_OF_PATHS | _MAPS_OF_NAMES):
            keys = [d.name for d in directive.block or () if d.name not in _NO_KEYS]
            found.setdefault(directive.args[0], []).extend(keys[:_MOST_KEYS])
    return {key: tuple(keys) for key, keys in found.items()}


def spelt(name: str) -> tuple[str, ...]:
    """A server name, or names that fit when it is an expression."""
    return samples(name[1:], ignore_case=True, limit=2) if name.startswith("~") else (name,)


def quoted(path: str) -> str | None:
    """A path as it goes over the wire; ``None`` for what is none."""
    if not path.startswith("/") or any(ord(c) < 32 for c in path):
        return None
    return quote(path, safe=_SAFE)


def _fair(items: Sequence[tuple[int, bool, Route]], cap: int) -> tuple[Route, ...]:
    """What changes first, a quarter at least for what does not; by origin, evenly where the cap cuts."""
    changed = _by_origin(route for _, changed, route in items if changed)
    same = _by_origin(route for _, changed, route in items if not changed)
    room = max(cap - sum(map(len, same)), cap - cap // 4)
    first = _filled(changed, min(room, cap))
    return (*first, *_filled(same, cap - len(first)))


def _by_origin(routes: Iterable[Route]) -> list[list[Route]]:
    groups: dict[Origin, list[Route]] = {}
    for route in routes:
        groups.setdefault(route.origin, []).append(route)
    return [groups[origin] for origin in sorted(groups)]


def _filled(groups: Iterable[list[Route]], room: int) -> tuple[Route, ...]:
    chosen: list[Route] = []
    for group in groups:
        left = room - len(chosen)
        if left <= 0:
            break
        step = max(1.0, len(group) / left)
        chosen += [group[int(i * step)] for i in range(min(left, len(group)))]
    return tuple(chosen)
