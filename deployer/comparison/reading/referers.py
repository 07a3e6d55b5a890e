"""Whose pages may show what a server hands out (``valid_referers``), of the sites of the same house. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.comparison.reading.standing import Standing
from deployer.nginx.access import refuses_referers
from deployer.nginx.samples import matches
from deployer.nginx.sites import effective


def kept_out(was: Standing, now: Standing) -> str | None:
    """A site of the configuration's own that might, and may not any more."""
    if not refuses_referers(now.scope):
        return None
    before, after = (_valid(standing) for standing in (was, now))
    if before == after or not before or not after:
        return None  # what is protected for the first time is mostly meant for its own pages
    own = (name for server in now.sites.servers for name in server.names)
    sites = dict.fromkeys(_example(name) for name in own if not name.startswith("~") and "." in name)
    for site in sites:
        if _holds(before, was, site) and not _holds(after, now, site):
            return f"pages of {site} may not show it any more (valid_referers)"
    return None


def _valid(standing: Standing) -> tuple[str, ...]:
    return tuple(a for d in effective(standing.scope, "valid_referers") for a in d.args)


def _example(name: str) -> str:
    return f"www{name[1:]}" if name.startswith("*.") else name.strip(".*")


def _holds(valid: Sequence[str], standing: Standing, host: str) -> bool:
    """Whether ``https://HOST/`` is one of them, as nginx's documentation of the module has it."""
    known = [one for one in valid if one not in ("none", "blocked")]
    if "server_names" in known:
        known += standing.server.names
    return any(_fits(one, host) for one in known)


def _fits(pattern: str, host: str) -> bool:
    if pattern.startswith("~"):
        # A server's name is an expression for the name, here it is one for all that is behind "https://".
        return bool(matches(pattern.lstrip("~*"), f"{host}/", ignore_case=True))
    known = pattern.partition("/")[0]
    if known.startswith("*."):
        return host.endswith(known[1:])
    if known.startswith("."):
        return host == known[1:] or host.endswith(known)
    return host.startswith(known[:-1]) if known.endswith(".*") else host == known
