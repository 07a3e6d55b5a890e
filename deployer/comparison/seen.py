"""Whom users asked, and for what, as far as an access log tells. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from deployer.comparison.compare import concrete
from deployer.comparison.routes import quoted, spelt
from deployer.nginx.configuration import Config
from deployer.nginx.sites import Server, Sites, effective
from deployer.nginx.way import follow

_MOST_WRITERS = 4  # servers that share a log: what is in it is asked of so many


def seen_by(paths: Iterable[tuple[str, str, str]], live: Sites, most: int) -> tuple[tuple[str, str], ...]:
    """Name and path of what users asked for; a log without names is that of the servers that write it.

    :param paths: log, name (may be empty), path, the most frequent first.
    :param most: paths; one without a name is asked of several servers, a few at most.
    """
    writers: dict[str, dict[str, list[Server]]] = {}
    for server in live.servers:
        name = next((x for n in server.names for y in spelt(n) for x in concrete(y)), None)
        for directive in effective(server.scope, "access_log"):
            held = writers.setdefault(directive.args[0] if directive.args else "", {})
            if name is not None:
                held.setdefault(name, []).append(server)
    found: list[tuple[int, str, str]] = []
    for log, name, path in paths:
        names = [name] if name else _likely(live.config, writers.get(log, {}), path)
        found += [(rank, n, path) for rank, n in enumerate(names) if quoted(path) is not None]
    chosen = set(list(dict.fromkeys(path for _, _, path in found))[:most])
    # Every path of the likeliest name, before any is asked of another.
    found.sort(key=lambda item: item[0])
    return tuple(dict.fromkeys((name, path) for _, name, path in found if path in chosen))


def _likely(config: Config | None, writers: Mapping[str, Sequence[Server]], path: str) -> list[str]:
    """Whom a path of a log without names may have been asked of: before all those who have a place for it.

    Last those who answer every path alike: what they say of this one is known from any other.
    """

    def strangeness(name: str) -> int:
        ways = [follow(config, server, path) for server in writers[name]]
        taken = [(way, way.location) for way in ways if way.location is not None]
        if any(one.pattern != "/" for _, one in taken):
            return 0
        return 1 if any(way.answer is None for way, _ in taken) else 2

    return sorted(writers, key=strangeness)[:_MOST_WRITERS]
