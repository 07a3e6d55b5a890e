"""What turns users away: return, deny, limits."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployer.lint.rules.base import ERROR, WARNING, Hit, Theme
from deployer.lint.rules.matching import location_of
from deployer.lint.rules.subject import Around, Server, Subject, in_stream
from deployer.nginx.handlers import FILES, GENERATED
from deployer.nginx.sites import effective
from deployer.nginx.tree import Directive

theme = Theme("Turning users away")

PASSES = ("proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "memcached_pass")
HANDLERS = (*PASSES, *FILES, *GENERATED)


def status_of(directive: Directive) -> int | None:
    """The status of a ``return``; 302 for a bare URL."""
    if not directive.args:
        return None
    return int(directive.args[0]) if directive.args[0].isdecimal() else 302


def refusal(block: Directive, around: Around) -> Directive | None:
    """The ``return`` of an ``if`` by which users get an error.

    ``None`` where there is none, and where ``error_page 405 = @app`` leads on from a 4xx: so one jumps to a
    named location in nginx.
    """
    found = block.first("return")
    status = status_of(found) if found is not None else None
    if status is None or status < 400 or (status < 500 and _leads_on(status, (*around, block))):
        return None
    return found


def _leads_on(status: int, scope: Around) -> bool:
    pages = [d.args for d in effective(scope, "error_page") if str(status) in d.args]
    said = [word[1:] for page in pages for word in page if word.startswith("=")]
    return any(not code or (code.isdecimal() and int(code) < 400) for code in said)


def serves(block: Directive) -> bool:
    """Whether it serves anything, itself or in its locations."""
    if any(d.name in HANDLERS for d in block.block or ()):
        return True
    return any(serves(d) for d in block.all("location"))


def _unconditional(block: Directive) -> Directive | None:
    return block.first("return")


@theme.rule(
    "left-over-return",
    ERROR,
    "A whole site answers with an error",
    why="An unconditional 'return 503' (or another 5xx) answers every request, whatever stands beside it.",
    fix="Take it out. If the site is meant to be down: # deployer: ignore left-over-return REASON",
    bad="location / {\n    return 503;\n}\nlocation /api/ {\n    proxy_pass http://127.0.0.1:9000;\n}",
    good="location / {\n    proxy_pass http://127.0.0.1:9000;\n}\nlocation = /down {\n    return 503;\n}",
    context="server",
)
def left_over_return(subject: Subject) -> Iterator[Hit]:
    """5xx at the server or its ``/``. A catch-all that has nothing else is how unknown "
    "names are turned away."""
    content = any(serves(server.at) for server in subject.servers)
    for server in subject.servers:
        for block in (server.at, *roots(server)):
            found = _unconditional(block) or _always_5xx(block)
            if found is None or (found.name == "return" and (status_of(found) or 0) < 500):
                continue
            alone = server.catch_all and not serves(server.at)
            if not alone or (not content and subject.whole and not subject.is_open(*server.around)):
                yield Hit(found, f"every request for {called(server)} is answered {_answer(found)}")


def _answer(found: Directive) -> str:
    return found.args[0] if found.name == "return" else found.args[-1].lstrip("=")


def _always_5xx(block: Directive) -> Directive | None:
    found = block.first("try_files")
    if found is None or not found.args or any("$" in arg for arg in found.args[:-1]):
        return None
    return found if re.fullmatch(r"=5\d\d", found.args[-1]) else None


def roots(server: Server) -> Iterator[Directive]:
    """Its locations that take everything that no other takes."""
    for one in server.locations.all:
        if (one.prefix and one.pattern == "/") or (one.regex and one.pattern in (".*", "^/", "^", "/", ".")):
            yield one.at


def called(server: Server) -> str:
    """A server by its name, for people."""
    return server.literal_names[0] if server.literal_names else "this server"


@theme.rule(
    "status-unknown",
    ERROR,
    "A return has a status that nobody knows",
    why="Browsers and programs take an unknown status for the first of its hundred at best, and 300 leads "
    "nowhere: nginx sends no Location with it.",
    fix="Write the status that is meant. For a jump within nginx name it in an error_page.",
    bad="location = /ping {\n    return 280 pong;\n}\nlocation = /old {\n    return 300 "
    "https://www.example.com/new;\n}\nlocation = /moved {\n    return 391;\n}",
    good="location = /ping {\n    return 200 pong;\n}\nlocation /api/ {\n    error_page 590 = @app;\n    "
    "return 590;\n}\nlocation @app {\n    proxy_pass http://127.0.0.1:9000;\n}",
    context="server",
)
def status_unknown(subject: Subject) -> Iterator[Hit]:
    """Neither registered, nor one of a well-known server's own, nor led on by ``error_page``."""
    for directive, around in subject.config.find("return"):
        status = status_of(directive)
        if status is None or status in _STATUSES or in_stream(around):
            continue
        if not any(str(status) in d.args for d in effective(around, "error_page")):
            yield Hit(directive, f"{status} is no status for it")


_STATUSES = frozenset(
    (
        *(*range(200, 207), *range(301, 305), 307, 308, *range(400, 407), *range(408, 432), 444, 451),
        *(*range(494, 500), *range(500, 509), 510, 511, *range(520, 528)),
    )
)
"""What the IANA has registered and a server may say of itself; what nginx and balancers say besides."""


@theme.rule(
    "return-before-content",
    ERROR,
    "A return makes what stands beside it unreachable",
    why="'return' answers before proxy_pass, try_files or any location is looked at.",
    fix="Take the return out, or put it into a location of its own.",
    bad="location /api/ {\n    return 404;\n    proxy_pass http://127.0.0.1:9000;\n}",
    good="location /api/ {\n    if ($request_method = TRACE) {\n        return 405;\n    }\n    proxy_pass http://127.0.0.1:9000;\n}",
    context="server",
)
def return_before_content(subject: Subject) -> Iterator[Hit]:
    """In one location with a handler, or in a server whose locations have some. A redirect "
    "is only a warning."""
    for directive, around in subject.config.find("return"):
        if not around or around[-1].name not in ("server", "location") or in_stream(around):
            continue
        block, status = around[-1], status_of(directive)
        if status is None or (status >= 500 and _told_by_left_over(subject, block, around)):
            continue
        dead = _dead_handlers(block)
        if dead is not None:
            says = f'"{dead.name}" on line {dead.line} is never reached'
            yield Hit(directive, says, WARNING if 300 <= status < 400 or dead.name not in PASSES else None)


def _told_by_left_over(subject: Subject, block: Directive, around: Around) -> bool:
    server = subject.server_of(around)
    return server is not None and (block is server.at or any(block is root for root in roots(server)))


def _dead_handlers(block: Directive) -> Directive | None:
    if block.name == "location":
        return block.first(*PASSES, "try_files")
    for location in block.all("location"):
        if location_of(location).named:
            continue
        found = location.first(*PASSES, "root", "alias", "try_files")
        if found is not None:
            return found
    return None
