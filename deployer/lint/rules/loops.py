"""Requests that nginx sends to itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployer.lint.rules.base import ERROR, Hit, Theme
from deployer.lint.rules.matching import Location, location_of
from deployer.lint.rules.proxying import passes, target_of
from deployer.lint.rules.subject import Around, Server, Subject, scope

theme = Theme("Requests that nginx sends to itself")

_OWN = re.compile(r"(127\.\d+\.\d+\.\d+|localhost|\[::1\]|0\.0\.0\.0)(?::(\d+))?$")
_SAME_NAME = ("$host", "$http_host", "${host}", "${http_host}", "$host:$server_port", "$server_name")


@theme.rule(
    "proxy-to-itself",
    ERROR,
    "A proxy_pass that leads to itself",
    why="Each request makes another one, until no connection is left: users get 502, 504 or 500.",
    fix="Write the port that the application listens on.",
    bad="server {\n    listen 8080;\n    server_name shop.example.com;\n    location / {\n"
    "        proxy_set_header Host $host;\n        proxy_pass http://127.0.0.1:8080;\n    }\n}",
    good="server {\n    listen 8080;\n    server_name shop.example.com;\n    location / {\n"
    "        proxy_set_header Host $host;\n        proxy_pass http://127.0.0.1:9000;\n    }\n}",
)
def proxy_to_itself(subject: Subject) -> Iterator[Hit]:
    """Loopback, a port of this very server, a Host header that chooses it, and the same location."""
    for directive, around in passes(subject, "proxy_pass"):
        server, target = subject.server_of(around), target_of(directive)
        if (
            server is None
            or target.scheme != "http"
            or "$" in directive.args[0]
            or around[-1].name != "location"
        ):
            continue
        listeners = _listeners(subject, target.host)
        location = location_of(around[-1])
        if listeners and _chosen(listeners, server, _host(around)) and _again(server, location, target.uri):
            yield Hit(directive, "this server answers there, and asks itself again")


def _listeners(subject: Subject, host: str) -> list[tuple[Server, bool]]:
    """The servers at the end of a target, each with whether it is the default there; none: not this nginx."""
    block = subject.upstreams.get(host.lower())
    places = [s.args[0] for s in block.all("server") if s.args] if block is not None else [host]
    found = [_OWN.fullmatch(place) for place in places]
    if not places or not all(found):
        return []
    keys = {(one[1], one[2] or "80") for one in found if one is not None}
    if len(keys) != 1:
        return []
    address, port = next(iter(keys))
    members = subject.sockets.get(f"{address}:{port}") or subject.sockets.get(f"*:{port}") or []
    default = next(
        (server for server, listen in members if listen.default), members[0][0] if members else None
    )
    return [(server, server is default) for server, _ in members]


def _host(around: Around) -> str | None:
    """The Host header that is sent; ``None``: the name in the target."""
    headers = scope("proxy_set_header", around[-1], around[:-1])
    return next((d.args[1] for d in headers if len(d.args) == 2 and d.args[0].lower() == "host"), None)


def _chosen(listeners: list[tuple[Server, bool]], server: Server, host: str | None) -> bool:
    own = next((default for other, default in listeners if other is server), None)
    if own is None:
        return False
    if host in _SAME_NAME:
        return own or bool(server.literal_names)
    name = host if host is not None and "$" not in host else None
    if name is not None and name in server.literal_names:
        return True
    return own and not any(name in other.literal_names for other, _ in listeners)


def _again(server: Server, location: Location, uri: str) -> bool:
    if any(location.at is not one.at for one in server.locations.all if one.pattern == location.pattern):
        return False
    if not uri:
        return not location.named
    return uri == location.pattern and location.prefix
