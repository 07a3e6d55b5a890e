"""Headers that browsers read otherwise than whoever wrote them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployer.lint.rules.base import ERROR, WARNING, Hit, Theme
from deployer.lint.rules.subject import Around, Subject, in_stream
from deployer.nginx.tree import Directive
from deployer.nginx.variables import names

theme = Theme("What browsers make of headers")

_ANSWERS = re.compile(
    r"~?\*?\^?(text\\?/(css|html|javascript)|image\\?/|font\\?/|video\\?/|application\\?/(x-)?javascript)"
)
_ATTRIBUTES = re.compile(r";\s*(secure|httponly|samesite)\b", re.IGNORECASE)
_IN_NO_FRAME = ("deny", "sameorigin")


@theme.rule(
    "promise-without-age",
    ERROR,
    "Strict-Transport-Security without an age",
    why="Without max-age and a number browsers ignore the whole header: nobody is kept from plain HTTP.",
    fix='add_header Strict-Transport-Security "max-age=31536000" always;',
    bad='add_header Strict-Transport-Security "max-age=" always;',
    good='add_header Strict-Transport-Security "max-age=31536000" always;',
    context="server",
)
def promise_without_age(subject: Subject) -> Iterator[Hit]:
    """Where no variable may bring it."""
    for directive, value in _added(subject, "strict-transport-security"):
        if value and not names(value) and not re.search(r"max-age\s*=\s*\"?\d", value, re.IGNORECASE):
            yield Hit(directive, f'"{value}" has no max-age')


@theme.rule(
    "frames-for-anybody",
    WARNING,
    "A word for X-Frame-Options that no browser knows",
    why="Browsers know DENY and SAMEORIGIN. ALLOW-FROM and all others are ignored: any site may show the "
    "page in a frame, and have its visitors click there.",
    fix="add_header Content-Security-Policy \"frame-ancestors 'self' https://partner.example.com\" always;",
    bad='add_header X-Frame-Options "ALLOW-FROM https://partner.example.com" always;',
    good="add_header X-Frame-Options SAMEORIGIN always;",
    context="server",
)
def frames_for_anybody(subject: Subject) -> Iterator[Hit]:
    """A value without a variable, and no policy beside it that says who may."""
    for directive, around in subject.config.find("add_header"):
        value = _value(directive, "x-frame-options")
        if not value or names(value) or value.strip().lower() in _IN_NO_FRAME or not around:
            continue
        beside = [_value(d, "content-security-policy") or "" for d in around[-1].all("add_header")]
        if not any("frame-ancestors" in text or names(text) for text in beside):
            yield Hit(directive, f'"{value}" is ignored')


@theme.rule(
    "any-origin-with-cookies",
    WARNING,
    "Any page in the world may ask with its visitor's cookies",
    why="Access-Control-Allow-Origin is whatever the page says of itself, and cookies are sent along: a page "
    "that a customer looks at can read and do there what the customer can.",
    fix='map $http_origin $friend { default ""; "https://partner.example.com" $http_origin; }',
    bad="add_header Access-Control-Allow-Origin $http_origin;\n"
    "add_header Access-Control-Allow-Credentials true;",
    good="add_header Access-Control-Allow-Origin https://partner.example.com;\n"
    "add_header Access-Control-Allow-Credentials true;",
    context="server",
)
def any_origin(subject: Subject) -> Iterator[Hit]:
    """Both in one block, which no ``if`` guards."""
    for directive, value in _added(subject, "access-control-allow-origin"):
        if (value or "").replace("{", "").replace("}", "") != "$http_origin":
            continue
        around = next((a for d, a in subject.config.find("add_header") if d is directive), ())
        if not around or _asked_about(around):
            continue
        beside = [_value(d, "access-control-allow-credentials") for d in around[-1].all("add_header")]
        if "true" in beside:
            yield Hit(directive, "every Origin is allowed, with cookies")


def _asked_about(around: Around) -> bool:
    """Whether an ``if`` around it, or right in a block around it, looks at the origin."""
    tests = [d for block in around for d in (block, *block.all("if")) if d.name == "if"]
    return any("origin" in arg.lower() for d in tests for arg in d.args)


@theme.rule(
    "cookie-attributes-in-path",
    WARNING,
    "Attributes of cookies written into their path",
    why="proxy_cookie_path replaces where a path begins: what the application sets for /account/ becomes "
    '"/; Secureaccount/", for all paths, with a word that means nothing.',
    fix="proxy_cookie_flags ~ secure samesite=lax;",
    bad='location / {\n    proxy_cookie_path / "/; Secure; SameSite=Lax";\n    proxy_pass http://127.0.0.1:9000;\n}',
    good="location / {\n    proxy_cookie_flags ~ secure samesite=lax;\n    proxy_pass http://127.0.0.1:9000;\n}",
    context="server",
)
def attributes_in_path(subject: Subject) -> Iterator[Hit]:
    """A prefix that is replaced by something with attributes; an expression may fit whole paths only."""
    for directive, _ in subject.config.find("proxy_cookie_path"):
        if (
            len(directive.args) == 2
            and not directive.args[0].startswith("~")
            and _ATTRIBUTES.search(directive.args[1])
        ):
            yield Hit(directive, f'a path below {directive.args[0]} loses its end to "{directive.args[1]}"')


@theme.rule(
    "kept-by-the-type-of-requests",
    ERROR,
    "How long answers are kept is decided by the type of requests",
    why="$content_type is what a client sends, and who asks sends nothing: for every page, style sheet and "
    "picture it is empty, and the default of the map holds.",
    fix="map $sent_http_content_type $kept { ... }",
    bad="map $content_type $kept {\n    default  off;\n    text/css 30d;\n}\nserver { listen 8080; "
    "root /srv/www; expires $kept; }",
    good="map $sent_http_content_type $kept {\n    default  off;\n    text/css 30d;\n}\n"
    "server { listen 8080; root /srv/www; expires $kept; }",
)
def kept_by_request(subject: Subject) -> Iterator[Hit]:
    """A ``map`` of ``$content_type`` with types that only answers have, used by ``expires``."""
    used = {name for d, _ in subject.config.find("expires") for arg in d.args for name in names(arg)}
    for table, around in subject.config.find("map"):
        if (
            in_stream(around)
            or len(table.args) != 2
            or table.args[0] not in ("$content_type", "$http_content_type")
        ):
            continue
        if table.args[1].strip("${}") not in used:
            continue
        entry = next((d for d in table.block or () if _ANSWERS.match(d.name)), None)
        if entry is not None:
            yield Hit(table, f"no request for a file says {entry.name}")


def _added(subject: Subject, header: str) -> Iterator[tuple[Directive, str | None]]:
    return (
        (d, _value(d, header)) for d, _ in subject.config.find("add_header") if _value(d, header) is not None
    )


def _value(directive: Directive, header: str) -> str | None:
    """What ``add_header`` says of a header; ``None``: it is about another one."""
    if len(directive.args) < 2 or directive.args[0].lower() != header:
        return None
    return directive.args[1]
