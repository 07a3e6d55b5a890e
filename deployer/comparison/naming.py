"""Names and paths that tables tell apart, where the configuration only has an expression for them. Pure.

A ``server_name`` that is a regular expression has thousands of names, and a made-up one is nobody's. The rows
of the tables that look at what it captures say for whom something is different: those are asked for by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deployer.nginx.captures import spelt_with, variables
from deployer.nginx.sites import Server, Sites, written
from deployer.nginx.tables import Table, fitting, tables, users
from deployer.nginx.variables import names

MOST_NAMES = 8
"""Of one expression."""

MOST_PLACES = 4
"""Paths of a server that are asked for under each of those names."""

_PATHS = ("$uri", "$request_uri", "$document_uri")
MOST_TARGETS = 8
"""Paths that tables lead users to."""


def told_apart(server: Server, live: Sites, candidate: Sites) -> list[str]:
    """Names of a server that the tables of either side distinguish; what changed comes first."""
    found = []
    sides = (tables(live.config), tables(candidate.config))
    for pattern in (name for name in server.names if name.startswith("~")):
        for variable in variables(pattern):
            keys = _keys(variable, *sides)
            found += [name for key in keys if (name := spelt_with(pattern, variable, key)) is not None]
    return list(dict.fromkeys(found))[:MOST_NAMES]


def looked_at(server: Server, sites: Sites) -> tuple[str, ...]:
    """Paths of a server that are another thing for each of its names, besides the first page."""
    held = {v for name in server.names if name.startswith("~") for v in variables(name)}
    if not held:
        return ()
    held |= {"host", "http_host"}
    wanted = frozenset().union(*(users(sites.config, one) for one in held))
    found = []
    for one in server.every:
        plain = one.kind in ("", "=", "^~") and one.pattern not in ("", "/") and one.pattern.isascii()
        inside = one.directive.first("internal") is None
        if plain and inside and wanted & set(names(written(one.directive))):
            found.append(one.pattern)
    return tuple(found[:MOST_PLACES])


def led_to(server: Server, sites: Sites) -> tuple[str, ...]:
    """Paths that a server's tables lead users to: whoever follows wants a page there."""
    found = (value for table in _of_paths(server, sites) for _, value in table.rows)
    return _paths(found)[:MOST_TARGETS]


def looked_up(server: Server, sites: Sites) -> tuple[str, ...]:
    """Paths that its tables have a row for: links in letters have arguments behind them."""
    return _paths(key for table in _of_paths(server, sites) for key, _ in table.rows)[:MOST_PLACES]


def _of_paths(server: Server, sites: Sites) -> list[Table]:
    used = set(names(server.text))
    found = (t for target, t in tables(sites.config).items() if target in used)
    return [t for t in found if t.source in _PATHS]


def _paths(texts: Iterable[str]) -> tuple[str, ...]:
    plain = (t for t in texts if t.startswith("/") and t.isascii() and not set(t) & set("$?# "))
    return tuple(dict.fromkeys(plain))


def _keys(variable: str, live: dict[str, Table], candidate: dict[str, Table]) -> Iterator[str]:
    """Texts for a variable: rows that changed, one for each value, then the rest."""
    every = [_looking(variable, side) for side in (live, candidate)]
    known = [{(t.source, row) for t in side for row in t.rows} for side in every]
    rows = [(t, row) for side in every for t in side for row in t.rows]
    changed = [row for t, row in rows if any((t.source, row) not in side for side in known)]
    first = {(t.target, row[1]): row for t, row in reversed(rows)}
    for key, _ in dict.fromkeys([*changed, *first.values(), *(row for _, row in rows)]):
        for text in fitting(key, limit=1):
            yield text.rstrip("-._") + "-1" if text.endswith(tuple("-._")) else text


def _looking(variable: str, side: dict[str, Table]) -> list[Table]:
    """Tables that look up just this variable; a table over what they give makes no more differences."""
    return [t for t in side.values() if t.source in (f"${variable}", f"${{{variable}}}")]
