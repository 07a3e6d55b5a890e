"""Requests that are shared out among several applications by chance. Pure.

A question falls into one share, and mostly into the largest. Where the others go is read, and held against
what live asks there.
"""

from __future__ import annotations

from deployer.comparison.reading.standing import Standing
from deployer.nginx.sites import Location, Server, Sites
from deployer.nginx.upstreams import members, passed, passing
from deployer.nginx.variables import VARIABLE, names


def misled(was: Standing, now: Standing) -> str | None:
    """A share of the requests that goes to an application which live has for something else."""
    before, directive = was.passed, passing(now.passer)
    if before is None or directive is None or now.sites.config is None or not directive.args:
        return None
    for table, _ in now.sites.config.find("split_clients"):
        variable = table.args[-1].removeprefix("$") if table.args else ""
        if variable not in names(directive.args[0]):
            continue
        for share in table.block or ():
            target = VARIABLE.sub(share.args[0] if share.args else "", directive.args[0])
            behind = members(now.sites, target)
            if behind and behind.isdisjoint(before.members) and (user := _user(was, behind)):
                part = "the other requests go" if share.name == "*" else f"{share.name} of the requests go"
                return f"{part} to {', '.join(sorted(behind)[:2])}, which is asked for {user} until now"
    return None


def _user(was: Standing, behind: frozenset[str]) -> str | None:
    """For what live asks somebody, other than for this."""
    for server, location in _passing(was.sites):
        if location is was.passer:
            continue
        other = passed(was.sites, location, location.pattern)
        if other is not None and not other.members.isdisjoint(behind):
            return f"{server.title}{location.pattern}"
    return None


def _passing(sites: Sites) -> list[tuple[Server, Location]]:
    return [(s, x) for s in sites.servers for x in s.every if passing(x) is not None]
