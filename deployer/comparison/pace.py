"""How fast nginx lets a route be asked, by its own limits, and when each question may go out. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from deployer.comparison.asked import Question
from deployer.nginx.configuration import Config
from deployer.nginx.sites import effective
from deployer.nginx.tree import Directive
from deployer.nginx.values import value

BURST, PER_SECOND = 10, 50.0
"""So many questions go out at once, then so many per second, where no configuration says more."""

SHARED = 0.1
"""Of a limit that all users share, so much is taken by questions."""

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

_CONSTANT = frozenset(
    {
        *("server_name", "host", "http_host", "scheme", "server_addr", "server_port", "server_protocol"),
        *("request_method", "hostname", "nginx_version", "realpath_root", "document_root", "uri"),
        *("request_uri", "document_uri"),
    }
)
"""Variables that hold the same for everybody who asks for the same."""


@dataclass(frozen=True, slots=True)
class Limiter:
    """One ``limit_req`` that holds for a route.

    :ivar rate: requests per second.
    """

    zone: str
    key: str
    rate: float
    burst: int
    prompt: bool = False  #: what is within the burst is answered at once (``nodelay``)

    @property
    def shared(self) -> bool:
        """Whether all clients count as one."""
        return is_shared(self.key)


@dataclass(frozen=True, slots=True)
class Crowd:
    """One ``limit_conn`` that holds for a route: requests of one key at the same time."""

    zone: str
    key: str
    most: int

    @property
    def shared(self) -> bool:
        """Whether all clients count as one."""
        return is_shared(self.key)


Limits = Mapping[Question, Sequence[tuple[str, float, int]]]
"""For a question the zones that count it: seconds between two of them, and how many may go at once.

No seconds: so many may be on their way at the same time.
"""

MOST_WAIT_S, MOST_WAIT_SLOWLY_S = 20.0, 5.0
"""What would have to wait longer is left out; the second where one a second is too many."""

DELAY_S = 1.0
"""So long a request may be held back by the limit of a burst."""


def is_shared(key: str) -> bool:
    """Whether a zone's key is the same for all users, as far as its variables tell."""
    variables = re.findall(r"\$\{?(\w+)", key)
    return all(name in _CONSTANT for name in variables)


def counts_browsers(config: Config, scope: Sequence[Directive], key: str) -> bool:
    """Whether a zone with this key counts what a browser asks: nginx does not count an empty key."""
    return bool(value(config, scope, key, {"http_user_agent": BROWSER}))


def limiters(config: Config, scope: Sequence[Directive]) -> tuple[Limiter, ...]:
    """The request limits of the innermost block of a scope."""
    zones = {}
    for directive, _ in config.find("limit_req_zone"):
        options = _options(directive)
        if directive.args and "zone" in options:
            zones[options["zone"].partition(":")[0]] = (directive.args[0], _rate(options.get("rate", "")))
    found = []
    for directive in effective(scope, "limit_req"):
        options = _options(directive)
        zone = options.get("zone", "")
        if zone in zones and not _dry(scope, "limit_req_dry_run"):
            burst = options.get("burst", "0")
            prompt = "nodelay" in directive.args
            found.append(Limiter(zone, *zones[zone], int(burst) if burst.isdigit() else 0, prompt))
    return tuple(found)


def crowds(config: Config, scope: Sequence[Directive]) -> tuple[Crowd, ...]:
    """The connection limits of the innermost block of a scope."""
    keys = {}
    for directive, _ in config.find("limit_conn_zone"):
        zone = _options(directive).get("zone", "").partition(":")[0]
        if directive.args:
            keys[zone] = directive.args[0]
    return tuple(
        Crowd(d.args[0], keys[d.args[0]], int(d.args[1]))
        for d in effective(scope, "limit_conn")
        if len(d.args) == 2
        and d.args[0] in keys
        and d.args[1].isdigit()
        and not _dry(scope, "limit_conn_dry_run")
    )


def spacing(limits: Iterable[Limiter], *, gentle: bool) -> tuple[tuple[str, float, int], ...]:
    """Zones, the seconds between two questions that each allows, and how many it allows at once.

    :param gentle: users are counted by the same zones: leave them nearly all of what they share.
    """
    found = []
    for limit in limits:
        rate = limit.rate * (SHARED if gentle and limit.shared else 0.9)
        pause_s = 1.0 / max(rate, 1e-3)
        # What waits inside nginx for its turn must not look late.
        spare = limit.burst // 2 if limit.prompt else min(limit.burst // 2, int(DELAY_S / pause_s))
        found.append((limit.zone, pause_s, 1 if gentle and limit.shared else 1 + spare))
    return tuple(found)


def crowding(limits: Iterable[Crowd], *, gentle: bool) -> tuple[tuple[str, float, int], ...]:
    """Zones of ``limit_conn``, and how many questions each allows at the same time: half, or a tenth.

    :param gentle: users are counted by the same zones: leave them nearly all of what they share.
    """
    share = {x: int(x.most * (SHARED if gentle and x.shared else 0.5)) for x in limits}
    return tuple((f"{crowd.zone} (limit_conn)", 0.0, max(1, most)) for crowd, most in share.items())


def schedule(
    questions: Iterable[Question], limits: Limits, *, within_s: float, rate: float | None = PER_SECOND
) -> list[tuple[float, Question]]:
    """When each question goes out, in seconds from the first; what cannot go out in time is left out.

    :param rate: so many a second, beside the limits; ``None``: as they are answered.
    """
    free: dict[str, float] = {}
    found: list[tuple[float, Question]] = []
    for question in questions:
        number = len(found)
        zones = limits.get(question, ())
        wait_s = max([0.0, *(free.get(zone, 0.0) - (most - 1) * pause_s for zone, pause_s, most in zones)])
        at_s = max(wait_s, max(0, number - BURST) / rate if rate else 0.0)
        slow = any(pause_s > DELAY_S for _, pause_s, _ in zones)
        if at_s > within_s or wait_s > (MOST_WAIT_SLOWLY_S if slow else MOST_WAIT_S):
            continue
        for zone, pause_s, _ in zones:
            free[zone] = max(free.get(zone, 0.0), at_s) + pause_s
        found.append((at_s, question))
    return sorted(found, key=lambda item: item[0])


def _options(directive: Directive) -> dict[str, str]:
    return dict(a.split("=", 1) for a in directive.args if "=" in a)


def _rate(text: str) -> float:
    found = re.fullmatch(r"(\d+)r/([sm])", text)
    return int(found[1]) / (60 if found[2] == "m" else 1) if found else 1.0


def _dry(scope: Sequence[Directive], name: str) -> bool:
    return any(d.args == ("on",) for d in effective(scope, name))


_OF_CONNECTIONS = re.compile(
    r"\$\{?(connection|connection_requests|connection_time|ssl_session_id|ssl_session_reused|remote_port"
    r"|proxy_protocol_port|http_connection|http_keep_alive|tcpinfo_\w+)\b"
)

_TELLING = frozenset(
    {
        *("log_format", "add_header", "add_trailer", "proxy_set_header", "grpc_set_header"),
        *("fastcgi_param", "uwsgi_param", "scgi_param"),
    }
)
"""Directives that only pass a value on."""


def tells_connections(config: Config) -> bool:
    """Whether nginx may answer otherwise on another connection: a variable of it is more than passed on."""
    return any(
        directive.name not in _TELLING and any(map(_OF_CONNECTIONS.search, directive.args))
        for directive, _ in config.walk()
    )
