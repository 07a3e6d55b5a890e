"""Files that stand in for a site's content, so that nginx answers with the statuses of production. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from deployer.nginx.sites import Location, Server, Sites, effective
from deployer.nginx.tree import Directive
from deployer.nginx.upstreams import passing
from deployer.staging.behind import answering
from deployer.staging.recording import Recorded

STAND_IN = b"A page of staging: what production has here was not copied.\n"
_PLAIN = 255  #: a name of a file is no longer


def pages(sites: Sites, recorded: Iterable[Recorded]) -> dict[str, bytes]:
    """Content by absolute path, for each answer that came from a file."""
    found: dict[str, bytes] = {}
    for one in recorded:
        choice = sites.choose(one.question.place, one.question.name)
        if one.status != 200 or choice is None:
            continue
        location, path = answering(choice.server, one.question.path.partition("?")[0])
        if passing(location) is not None or _returns(choice.server, location):
            continue
        where = _file(choice.server, location, path)
        if where is not None and (one.body is not None or where not in found):
            found[where] = STAND_IN if one.body is None else one.body
    return found


def folders(sites: Sites, recorded: Iterable[Recorded]) -> Iterator[str]:
    """Directories that answer 403, for they are there and have no page."""
    for one in recorded:
        choice = sites.choose(one.question.place, one.question.name)
        path = one.question.path.partition("?")[0]
        if one.status != 403 or choice is None or not path.endswith("/"):
            continue
        location, path = answering(choice.server, path)
        if passing(location) is None and not _returns(choice.server, location):
            where = _file(choice.server, location, path)
            if where is not None and path.endswith("/"):
                yield posixpath.dirname(where)


def roots(sites: Sites) -> Iterator[str]:
    """The directories that content is taken from: one that is missing answers 404 where it said 403."""
    for server in sites.servers:
        for scope in (server.scope, *(x.scope for x in server.every)):
            for directive in effective(scope, "root", "alias"):
                if directive.args and "$" not in directive.args[0] and directive.args[0].startswith("/"):
                    alias = directive.name == "alias" and not directive.args[0].endswith("/")
                    yield posixpath.dirname(directive.args[0]) if alias else directive.args[0]


def _returns(server: Server, location: Location | None) -> bool:
    blocks = (server.directive,) if location is None else (server.directive, location.directive)
    said = ("return", "stub_status", "empty_gif", "autoindex")
    return any(block.first(*said) is not None for block in blocks)


def _file(server: Server, location: Location | None, path: str) -> str | None:
    scope = server.scope if location is None else location.scope
    told = next(iter(effective(scope, "alias", "root")), None)
    if told is None or not told.args or "$" in told.args[0] or not told.args[0].startswith("/"):
        return None
    if path.endswith("/"):
        path += _index(scope)
    if told.name == "alias" and location is not None:
        if location.regex:
            return None
        whole = told.args[0] + path[len(location.pattern) :]
    else:
        whole = told.args[0].rstrip("/") + path
    whole = posixpath.normpath(whole)
    inside = whole.startswith(told.args[0].rstrip("/") + "/") or whole == told.args[0]
    return whole if inside and all(len(part) <= _PLAIN for part in whole.split("/")) else None


def _index(scope: tuple[Directive, ...]) -> str:
    names = [a for d in effective(scope, "index") for a in d.args]
    return next((n for n in names if "$" not in n and "/" not in n and not n.endswith(".php")), "index.html")
