"""The servers behind an nginx, by its configuration alone, and what they were seen to answer. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from deployer.nginx import values
from deployer.nginx.sites import Location, Server, Sites
from deployer.nginx.tree import Directive
from deployer.nginx.upstreams import own_listener, passed, passing
from deployer.staging.recording import Recorded

HTTP, FASTCGI, UWSGI, SCGI, TCP, DNS = "http", "fastcgi", "uwsgi", "scgi", "tcp", "dns"
PASSES = {
    "proxy_pass": HTTP, "fastcgi_pass": FASTCGI, "uwsgi_pass": UWSGI, "scgi_pass": SCGI,
    "grpc_pass": TCP, "memcached_pass": TCP,
}  # fmt: skip
_TARGET = re.compile(r"(?:(?P<scheme>[a-z]+)://)?(?P<host>unix:[^:]+(?::|$)|[^/]*)(?P<path>/.*)?", re.DOTALL)
_SOCKET = re.compile(r"(?:https?://)?(unix:[^:]+)")
_SYSLOG = re.compile(r"\bserver=(?!unix:)([^,\s]+)")
_HOPS = 5  #: of one request through try_files and the locations they lead to


@dataclass(frozen=True, slots=True)
class Behind:
    """One server behind nginx.

    :ivar written: as the configuration names it.
    :ivar host: a name or an address without brackets; a path, when ``port`` is 0: a socket.
    """

    written: str
    host: str
    port: int
    protocol: str = HTTP
    tls: bool = False

    @property
    def address(self) -> str | None:
        """The address that it is; ``None``: a name, or a socket."""
        try:
            return str(ipaddress.ip_address(self.host)) if self.port else None
        except ValueError:
            return None

    @property
    def name(self) -> str | None:
        """The name that has to be resolved."""
        return self.host if self.port and self.address is None and self.host != "localhost" else None

    @property
    def here(self) -> bool:
        """Whether it is on the host itself."""
        if not self.port or self.host == "localhost":
            return True
        return self.address is not None and ipaddress.ip_address(self.address).is_loopback


@dataclass(frozen=True, slots=True)
class Rule:
    """What a server answered once: for a path asked under a name (``Host``)."""

    name: str
    path: str | None
    status: int
    location: str | None = None
    kind: str = ""
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class _Found:
    servers: dict[str, Behind] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def behind(sites: Sites) -> tuple[tuple[Behind, ...], tuple[str, ...]]:
    """The servers that a configuration passes requests to, and what could not be told (as it is written)."""
    found = _Found()
    config = sites.config
    if config is None:
        return (), ()
    _all_passed(found, sites)
    for directive, _ in config.find("resolver"):
        for word in directive.args:
            if "=" not in word and (one := _server(word, DNS, 53)) is not None:
                found.servers.setdefault(f"resolver {word}", replace(one, written=f"resolver {word}"))
    for directive, _ in config.find("access_log", "error_log"):
        for word in directive.args:
            if (match := _SYSLOG.search(word)) and (one := _server(match[1], TCP, 514)) is not None:
                found.servers.setdefault(match[1], one)
    kept = tuple(s for s in found.servers.values() if not _own(sites, s))
    return kept, tuple(dict.fromkeys(found.unknown))


def _all_passed(found: _Found, sites: Sites) -> None:
    config = sites.config
    assert config is not None  # noqa: S101 - it was looked at
    groups = {d.args[0]: d for d, _ in config.find("upstream") if d.args}
    for name, protocol in PASSES.items():
        for directive, around in config.find(name):
            if directive.args:
                stream = any(block.name == "stream" for block in around)
                written = f"{directive.name} {directive.args[0]}"
                target = values.value(config, around, directive.args[0], {})
                _passed(found, groups, written, target, TCP if stream else protocol)
    for group in groups.values():  # nobody passes to it, and yet its names have to resolve
        _members(found, group, HTTP, tls=False)


def rules(sites: Sites, recorded: Iterable[Recorded]) -> dict[str, list[Rule]]:
    """What each server (as it is written) has to answer so that the sites answer as they did."""
    found: dict[str, list[Rule]] = {}
    for one in recorded:
        question = one.question
        choice = sites.choose(question.place, question.name)
        if choice is None:
            continue
        path = question.path.partition("?")[0]
        location, path = answering(choice.server, path)
        for member, uri in _asked(sites, location, path):
            rule = Rule(question.name, uri, one.status, one.location, one.kind, one.body, one.headers)
            found.setdefault(member, []).append(rule)
    return found


def _asked(sites: Sites, location: Location | None, path: str) -> Iterator[tuple[str, str | None]]:
    """The servers that a request is handed on to, as they are written, and what they are asked for."""
    directive, to = passing(location), passed(sites, location, path)
    if directive is None or to is None:
        return
    socket = _SOCKET.match(directive.args[0])
    if socket is not None:  # the colons and slashes of its path mean nothing else
        yield socket[1], path
        return
    for member in to.members:
        yield member, to.uri


def answering(server: Server, path: str) -> tuple[Location | None, str]:
    """The location that hands a request on, or answers it: where ``try_files`` ends when no file is there."""
    location = server.locate(path)
    for _ in range(_HOPS):
        tries = location.directive.first("try_files") if location is not None else None
        if location is None or passing(location) is not None or tries is None or len(tries.args) < 2:
            break
        last = tries.args[-1]
        if last.startswith("@"):
            location = next((x for x in server.every if x.kind == "@" and f"@{x.pattern}" == last), None)
        elif last.startswith("/") and "$" not in last.partition("?")[0]:
            path = last.partition("?")[0]
            location = server.locate(path)
        else:
            break
    return location, path


def _passed(found: _Found, groups: Mapping[str, Directive], written: str, target: str, protocol: str) -> None:
    match = _TARGET.fullmatch(target)
    if match is None or "$" in match["host"]:
        found.unknown.append(written)
        return
    tls = match["scheme"] in ("https", "grpcs")
    host = match["host"]
    if host in groups:
        _members(found, groups[host], protocol, tls=tls)
    elif (one := _server(host, protocol, 443 if tls else 80, tls=tls)) is not None:
        found.servers.setdefault(one.written, one)


def _members(found: _Found, group: Directive, protocol: str, *, tls: bool) -> None:
    for server in group.all("server"):
        if server.args and (one := _server(server.args[0], protocol, 443 if tls else 80, tls=tls)):
            found.servers.setdefault(one.written, one)


def _server(written: str, protocol: str, port: int, *, tls: bool = False) -> Behind | None:
    if written.startswith("unix:"):
        return Behind(written.rstrip(":"), written[5:].rstrip(":"), 0, protocol, tls)
    host, colon, number = written.rpartition(":")
    if not colon or written.endswith("]") or not number.isdigit():
        host, number = written, str(port)
    host = host.strip("[]")
    return Behind(written, host, int(number), protocol, tls) if host and int(number) else None


def _own(sites: Sites, server: Behind) -> bool:
    """Whether nginx itself is that server."""
    if not server.port:
        assert sites.config is not None  # noqa: S101
        listens = (d.args[0] for d, _ in sites.config.find("listen") if d.args)
        return any(text == f"unix:{server.host}" for text in listens)
    if server.protocol == DNS:
        return False
    streams = any(x.port == server.port and server.here for x in sites.streams)
    text = f"[{server.host}]:{server.port}" if ":" in server.host else f"{server.host}:{server.port}"
    return streams or own_listener(sites, frozenset((text,))) is not None


def stand_in(upstreams: Mapping[str, int | str], server: Behind) -> int | str | None:
    """What the playbook says of a server: by its name and port, or its name alone."""
    both = f"{server.host}:{server.port}", f"[{server.host}]:{server.port}"
    spelt = (server.written, *both, server.host, f"unix:{server.host}")
    return next((upstreams[text] for text in spelt if text in upstreams), None)


def unused(upstreams: Mapping[str, int | str], servers: Iterable[Behind]) -> Iterator[str]:
    """What the playbook names and no configuration does: it may be what is deployed next."""
    known = {text for s in servers for text in (s.written, s.host, f"{s.host}:{s.port}", f"unix:{s.host}")}
    for name in upstreams:
        if name not in known:
            yield name
