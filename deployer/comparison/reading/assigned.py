"""Variables that are made use of and that nothing fills any more: empty, without a word from nginx. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.comparison.reading.standing import Standing
from deployer.comparison.reading.telling import same_location
from deployer.nginx.configuration import walk
from deployer.nginx.sites import effective
from deployer.nginx.tables import users
from deployer.nginx.tree import Directive
from deployer.nginx.variables import names

_FILLING = ("set", "auth_request_set")
_INHERITED = (
    *("proxy_set_header", "proxy_redirect", "proxy_cookie_domain", "proxy_cookie_path", "proxy_cache_key"),
    *("fastcgi_param", "uwsgi_param", "scgi_param", "add_header", "root", "access_log"),
)
"""What holds for a location although it stands outside."""


def unfilled(was: Standing, now: Standing) -> str | None:
    """A variable that both sides use for the answer, and that only live fills on the way to it.

    nginx refuses one that is set nowhere; one that only another place sets is empty in this one.
    """
    lost = _filled(was) - _filled(now)
    if not lost or not same_location(was, now):
        return None
    before = {name for directive in _using(was) for name in _names(directive)}
    for name in sorted(lost):
        if f"<{name}>" in now.server.text or _is_made(now, name):
            continue
        made = users(now.sites.config, name)
        for directive in _using(now):
            if made & before & _names(directive):
                what = " ".join((directive.name, *directive.args[:-1]))
                return f"${name} is empty here: nothing sets it any more, and {what} makes use of it"
    return None


def _filled(standing: Standing) -> set[str]:
    """What ``set`` and ``auth_request_set`` fill in all that the request came through."""
    found: set[str] = set()
    for scope in standing.scopes:
        inherited = effective(scope, "auth_request_set")
        given = [d for block in scope if block.name != "http" for d in _inside(block) if d.name == "set"]
        found |= {d.args[0].lstrip("$") for d in (*inherited, *given) if d.args}
    return found


def _using(standing: Standing) -> Iterator[Directive]:
    for name in _INHERITED:
        yield from effective(standing.scope, name)
    if standing.location is not None:
        yield from (d for d in _inside(standing.location.directive) if d.name not in ("if", *_INHERITED))


def _inside(block: Directive) -> Iterator[Directive]:
    """What stands in a block, and in its conditions, but in no block of another place."""
    here = [d for d in block.block or () if d.name == "if" or d.block is None]
    yield from (directive for directive, _ in walk(here, tables=False))


def _names(directive: Directive) -> frozenset[str]:
    args = directive.args[1:] if directive.name in _FILLING else directive.args
    return frozenset(name for arg in args for name in names(arg))


def _is_made(standing: Standing, name: str) -> bool:
    """Whether something outside of every server fills it."""
    config = standing.sites.config
    found = config.find("map", "geo", "split_clients") if config is not None else ()
    return any(d.args[-1:] == (f"${name}",) for d, _ in found)
