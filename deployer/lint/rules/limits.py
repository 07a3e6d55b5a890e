"""Limits, timeouts and sizes that are too small to live with."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployer.lint.rules.base import ERROR, WARNING, Hit, Theme, words
from deployer.lint.rules.matching import location_of
from deployer.lint.rules.subject import Around, Subject, in_stream
from deployer.nginx.tree import Directive

theme = Theme("Limits, timeouts and sizes")

_SHARED = re.compile(
    r"(\$\{?(server_name|host|http_host|scheme|server_addr|server_port|hostname|request_method)\}?)+"
)
_UNITS = {
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
    "M": 2592000.0,
    "y": 31536000.0,
}
_SIZES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def seconds_of(text: str) -> float | None:
    """A time of nginx; ``None``: it is something else."""
    found = re.findall(r"(\d+)(ms|[smhdwMy])?\s*", text)
    if not found or not re.fullmatch(r"(\d+(ms|[smhdwMy])?\s*)+", text):
        return None
    return sum(int(number) * _UNITS[unit or "s"] for number, unit in found)


def size_of(text: str) -> int | None:
    """A size of nginx in bytes."""
    found = re.fullmatch(r"(\d+)([kKmMgG]?)", text)
    return int(found[1]) * _SIZES[found[2].lower()] if found else None


@theme.rule(
    "limit-for-all-together",
    ERROR,
    "All users share one limit",
    why="The key is the same for everybody: from the second request on users get 503, whoever they are.",
    fix="Use a key of the visitor: $binary_remote_addr.",
    bad='limit_req_zone "all" zone=slow:1m rate=1r/m;\nserver { listen 8080; limit_req zone=slow; }',
    good="limit_req_zone $binary_remote_addr zone=slow:1m rate=10r/s;\nserver { listen 8080; "
    "limit_req zone=slow burst=20; }",
)
def limit_for_all(subject: Subject) -> Iterator[Hit]:
    """A literal key, or one of the server only, with a low limit. A warning where it may be meant."""
    for zone, around in subject.config.find("limit_req_zone", "limit_conn_zone"):
        if in_stream(around) or not zone.args:
            continue
        key, name = zone.args[0], _zone_name(zone)
        literal, shared = "$" not in key, _SHARED.fullmatch(key) is not None
        if not literal and not shared:
            continue
        for use, _ in _uses(subject, zone, name):
            limit = _per_second(zone) if zone.name == "limit_req_zone" else _connections(use)
            if limit is not None and limit <= (10 if literal else 1):
                yield Hit(use, f'zone {name} counts "{key}", which all users have in common')
            elif limit is not None and limit < 100:
                yield Hit(use, f'zone {name} counts "{key}", which all users have in common', WARNING)


def _uses(subject: Subject, zone: Directive, name: str) -> Iterator[tuple[Directive, Around]]:
    wanted = "limit_req" if zone.name == "limit_req_zone" else "limit_conn"
    for use, around in subject.config.find(wanted):
        if (f"zone={name}" in use.args) if wanted == "limit_req" else use.args[:1] == (name,):
            yield use, around


def _zone_name(zone: Directive) -> str:
    found = next((arg for arg in zone.args if arg.startswith("zone=")), "zone=")
    return found[5:].partition(":")[0]


def _per_second(zone: Directive) -> float | None:
    found = next(
        (re.fullmatch(r"rate=(\d+)r/([sm])", arg) for arg in zone.args if arg.startswith("rate=")), None
    )
    return int(found[1]) / (1 if found[2] == "s" else 60) if found else None


def _connections(use: Directive) -> float | None:
    return float(use.args[1]) if len(use.args) == 2 and use.args[1].isdecimal() else None


@theme.rule(
    "limit-conn-tight",
    WARNING,
    "A visitor may have one connection",
    why="Browsers open several, and with HTTP/2 each request counts: parts of a page get 503.",
    fix="Allow twenty, or limit only the downloads.",
    bad="limit_conn_zone $binary_remote_addr zone=visitors:1m;\nserver { listen 8080; limit_conn "
    "visitors 1; }",
    good="limit_conn_zone $binary_remote_addr zone=visitors:1m;\nserver { listen 8080; limit_conn "
    "visitors 20; }",
)
def limit_conn_tight(subject: Subject) -> Iterator[Hit]:
    """One or two, at the server or its ``/``. (nginx refuses 0.)"""
    for directive, around in subject.config.find("limit_conn"):
        limit = _connections(directive)
        if limit is None or limit > 2 or not around or in_stream(around):
            continue
        if around[-1].name in ("http", "server") or location_of(around[-1]).pattern == "/":
            yield Hit(directive, f"{directive.args[1]} connection(s) for a whole site")


@theme.rule(
    "limit-req-tight",
    WARNING,
    "A whole site is limited to what one page needs",
    why="A page asks for its images and scripts at once: with a low rate and no burst they get 503.",
    fix="Add burst=20 nodelay, or limit only the locations that need it.",
    bad="limit_req_zone $binary_remote_addr zone=one:1m rate=1r/s;\nserver { listen 8080; "
    "limit_req zone=one; }",
    good="limit_req_zone $binary_remote_addr zone=one:1m rate=1r/s;\nserver { listen 8080; "
    "limit_req zone=one burst=20 nodelay; }",
)
def limit_req_tight(subject: Subject) -> Iterator[Hit]:
    """At most 2 a second, no burst, at the server or its ``/``. One in two seconds is an error."""
    rates = {_zone_name(z): _per_second(z) for z, _ in subject.config.find("limit_req_zone")}
    for use, around in subject.config.find("limit_req"):
        name = next((arg[5:] for arg in use.args if arg.startswith("zone=")), "")
        rate = rates.get(name)
        if rate is None or rate > 2 or any(arg.startswith("burst=") for arg in use.args) or not around:
            continue
        if around[-1].name in ("http", "server") or location_of(around[-1]).pattern == "/":
            says = f"{rate:.2g} request(s) a second for a whole site"
            yield Hit(use, says, ERROR if rate <= 0.5 else None)


_TIMEOUTS = words(
    "proxy_read_timeout proxy_send_timeout proxy_connect_timeout fastcgi_read_timeout"
    " fastcgi_send_timeout fastcgi_connect_timeout uwsgi_read_timeout uwsgi_send_timeout"
    " uwsgi_connect_timeout scgi_read_timeout grpc_read_timeout grpc_send_timeout"
    " grpc_connect_timeout client_header_timeout client_body_timeout send_timeout"
)


@theme.rule(
    "timeout-short",
    WARNING,
    "A timeout that ordinary answers exceed",
    why="The backend is given up before it has answered: users get 504 (or 408, or half a page).",
    fix="Give it the seconds that the slowest good answer needs.",
    bad="location / {\n    proxy_read_timeout 500ms;\n    proxy_pass http://127.0.0.1:9000;\n}",
    good="location / {\n    proxy_read_timeout 60s;\n    proxy_pass http://127.0.0.1:9000;\n}",
    context="server",
)
def timeout_short(subject: Subject) -> Iterator[Hit]:
    """At most one second; ten milliseconds are an error (somebody wrote ms for s)."""
    for directive, around in subject.config.find(*_TIMEOUTS):
        if in_stream(around) or not directive.args:
            continue
        seconds = seconds_of(directive.args[0])
        connecting = "connect" in directive.name
        if seconds is not None and seconds <= (0.01 if connecting else 1.0):
            says = f"{directive.name} {directive.args[0]}"
            yield Hit(directive, says, ERROR if seconds <= (0 if connecting else 0.01) else None)


@theme.rule(
    "buffer-small",
    WARNING,
    "A buffer smaller than ordinary headers",
    why='A few cookies, and the backend\'s answer is 502 ("upstream sent too big header").',
    fix="Leave the default (one page of memory, 4k or 8k), or take more.",
    bad="location / {\n    proxy_buffer_size 1k;\n    proxy_pass http://127.0.0.1:9000;\n}",
    good="location / {\n    proxy_buffer_size 8k;\n    proxy_pass http://127.0.0.1:9000;\n}",
    context="server",
)
def buffer_small(subject: Subject) -> Iterator[Hit]:
    """Below 4k; below 512 bytes no answer fits. Of requests: ``large_client_header_buffers`` below 4k."""
    for name in ("proxy", "fastcgi", "uwsgi", "scgi", "grpc"):
        for directive, around in subject.config.find(f"{name}_buffer_size"):
            size = size_of(directive.args[0]) if directive.args else None
            if size is not None and size < 4096 and not in_stream(around):
                yield Hit(
                    directive,
                    f"{directive.args[0]} for all headers of an answer",
                    ERROR if size < 256 else None,
                )
    for directive, _ in subject.config.find("large_client_header_buffers"):
        size = size_of(directive.args[1]) if len(directive.args) == 2 else None
        if size is not None and size < 4096:
            yield Hit(directive, f"{directive.args[1]} for one line of a request: longer ones get 414 or 400")


@theme.rule(
    "upload-tiny",
    WARNING,
    "Requests may hardly have a body",
    why="Forms and uploads are answered with 413.",
    fix="Name a size with its unit: 10m.",
    bad="client_max_body_size 10;",
    good="client_max_body_size 10m;",
    context="server",
)
def upload_tiny(subject: Subject) -> Iterator[Hit]:
    """Below 1k, and not 0 (which means no limit)."""
    for directive, _ in subject.config.find("client_max_body_size"):
        size = size_of(directive.args[0]) if directive.args else None
        if size and size < 1024:
            yield Hit(directive, f"{size} byte(s)")


@theme.rule(
    "rate-tiny",
    ERROR,
    "Answers trickle",
    why="limit_rate is in bytes a second: a page takes minutes.",
    fix="Name the unit: limit_rate 500k;",
    bad="limit_rate 50;",
    good="limit_rate 500k;",
    context="server",
)
def rate_tiny(subject: Subject) -> Iterator[Hit]:
    """Below 1k, and not 0."""
    for directive, around in subject.config.find("limit_rate"):
        size = size_of(directive.args[0]) if directive.args else None
        if size and size < 1024:
            inner = bool(around) and around[-1].name not in ("http", "server")
            yield Hit(directive, f"{size} byte(s) a second", WARNING if inner else None)


@theme.rule(
    "few-connections",
    WARNING,
    "A worker may hold very few connections",
    why="Each visitor needs one, and one more to the backend: beyond that they wait, or are "
    'dropped ("not enough").',
    fix="worker_connections 1024; and as many descriptors (worker_rlimit_nofile).",
    bad="events { worker_connections 16; }\nhttp { server { listen 8080; } }",
    good="events { worker_connections 1024; }\nhttp { server { listen 8080; } }",
    context="main",
)
def few_connections(subject: Subject) -> Iterator[Hit]:
    """Fewer than 64, or more than descriptors."""
    files = next((d.args[0] for d, _ in subject.config.find("worker_rlimit_nofile") if d.args), "")
    for directive, _ in subject.config.find("worker_connections"):
        number = directive.args[0] if directive.args else ""
        if number.isdecimal() and int(number) < 64:
            yield Hit(directive, f"{number} for everything")
        elif number.isdecimal() and files.isdecimal() and int(number) > int(files):
            yield Hit(directive, f"{number} connections, but worker_rlimit_nofile {files}")
