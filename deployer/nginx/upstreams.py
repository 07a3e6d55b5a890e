"""Where a location passes a request on to, and what it tells there: by the configuration alone. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from deployer.nginx.paths import read_path
from deployer.nginx.samples import groups
from deployer.nginx.sites import ANY4, ANY6, Location, Sites, effective
from deployer.nginx.tree import Directive

_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
PASSES = ("proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass")


@dataclass(frozen=True, slots=True)
class Passed:
    """What one request becomes.

    :ivar members: the servers behind it, as written, without those that are down; names that no upstream has
        stand for themselves.
    :ivar uri: the path that is asked for there; ``None``: a variable decides.
    """

    members: frozenset[str]
    uri: str | None


def passing(location: Location | None) -> Directive | None:
    """The directive by which a location hands its requests on."""
    if location is None:
        return None
    found = location.directive.first(*PASSES)
    if found is not None:
        return found
    inner = (d.first(*PASSES) for d in location.directive.all("if", "limit_except"))
    return next((d for d in inner if d is not None), None)


def passed(sites: Sites, location: Location | None, path: str) -> Passed | None:
    """What a path becomes in a location; ``None``: it is answered here."""
    directive = passing(location)
    if directive is None or location is None or not directive.args:
        return None
    target = _VARIABLE.sub(partial(_held, _set(location.scope)), directive.args[0])
    uri = _split(target)[1]
    behind = members(sites, target)
    path = read_path(path)
    rewritten = _rewritten(location, path)
    if directive.name != "proxy_pass" or uri is None or rewritten != path:
        return Passed(behind, rewritten)
    if "$" in directive.args[0] or location.regex:  # then it is sent as it is, whatever was asked for
        return Passed(behind, None if "$" in uri else uri)
    return Passed(behind, uri + path[len(location.pattern) :])


def members(sites: Sites, target: str) -> frozenset[str]:
    """The servers behind a target as ``proxy_pass`` has it, without those that are down."""
    return _members(sites, _split(target)[0])


def lost_path(before: Passed, now: Passed) -> str | None:
    """A sentence's end when the same upstream is asked for less, or more, than the path; not for another."""
    old, new = before.uri, now.uri
    if old is None or new is None or old == new or before.members.isdisjoint(now.members):
        return None
    odd = "//" in new and "//" not in old
    cut = old.startswith(new) and old.rstrip("/") != new.rstrip("/")
    put_before, first = new.removesuffix(old), old.split("/")[1]
    again = bool(first) and first in put_before.split("/")
    twice = new.endswith(old) and (old.startswith(put_before) or again)
    if odd or cut or twice or old.endswith(new) or _glued(old, new):
        return f"the upstream is asked for {new}, not for {old}"
    return None


def told(scope: tuple[Directive, ...]) -> Mapping[str, str]:
    """The request headers that an upstream is sent (``proxy_set_header``), by name in lower case."""
    found = effective(scope, "proxy_set_header")
    return {"host": "$proxy_host"} | {d.args[0].lower(): d.args[1] for d in found if len(d.args) == 2}


def own_listener(sites: Sites, members: frozenset[str]) -> tuple[str, int] | None:
    """The place of nginx's own that a request is passed to, when one of the servers behind it is nginx."""
    for member in sorted(members):
        host, _, port = member.rpartition(":")
        if not host:
            host, port = member, "80"
        host = {"localhost": "127.0.0.1"}.get(host, host.strip("[]"))
        if not port.isdigit() or not re.fullmatch(r"[0-9a-fA-F.:]+", host):
            continue
        for one in sites.listens:
            near = host.startswith("127.") or host == "::1"
            if one.port == int(port) and (one.address == host or (near and one.address in (ANY4, ANY6))):
                return host, one.port
    return None


def mentioned(sites: Sites) -> frozenset[str]:
    """Everything that a configuration passes requests to, or lists in an upstream."""
    found = set()
    for directive, around in sites.config.find("server", *PASSES) if sites.config is not None else ():
        if directive.name == "server" and (not around or around[-1].name != "upstream"):
            continue
        found |= {re.sub(r"^\w+://", "", a).partition("/")[0] for a in directive.args[:1]}
    return frozenset(found)


def _split(target: str) -> tuple[str, str | None]:
    """Who is asked, and the path that is written behind."""
    socket = re.fullmatch(r"(?:\w+://)?(unix:[^:]+)(?::(/.*)?)?", target, re.DOTALL)
    if socket is not None:
        return socket[1], socket[2]
    found = re.fullmatch(r"(?:(\w+)://)?([^/]*)(/.*)?", target, re.DOTALL)
    return (found[2], found[3]) if found is not None else (target, None)


def _members(sites: Sites, host: str) -> frozenset[str]:
    name = host.rpartition(":")[0] or host
    for directive, _ in sites.config.find("upstream") if sites.config is not None else ():
        if directive.args[:1] in ((host,), (name,)):
            servers = directive.all("server")
            return frozenset(d.args[0] for d in servers if d.args and "down" not in d.args)
    return frozenset((host,))


def _rewritten(location: Location, path: str) -> str | None:
    for directive in location.directive.all("rewrite"):
        if len(directive.args) < 2:
            return None
        held = groups(directive.args[0], path)
        if held is None:
            continue
        new = _VARIABLE.sub(partial(_held, held), directive.args[1]).partition("?")[0]
        if "$" in new or not new.startswith("/"):
            return None
        path = new
        if "break" in directive.args[2:]:
            break
    return path


def _set(scope: tuple[Directive, ...]) -> Mapping[str, str]:
    """Variables that hold a text which is written down."""
    given = [d.args for block in scope for d in block.all("set") if len(d.args) == 2]
    return {name.lstrip("$"): value for name, value in given if "$" not in value}


def _held(held: Mapping[str, str], found: re.Match[str]) -> str:
    return held.get(found[1], found[0])


def _glued(old: str, new: str) -> bool:
    """``/api`` passed to ``/v1`` makes ``/v1x`` of ``/api/x``, where it was ``/v1/x``."""
    return old.replace("/", "") == new.replace("/", "")
