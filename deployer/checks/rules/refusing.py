"""What turns users away: return, deny, limits."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployer.checks.nginxtree import Directive
from deployer.checks.rules.base import ERROR, WARNING, Hit, Theme, words
from deployer.checks.rules.matching import location_of
from deployer.checks.rules.subject import Around, Server, Subject, in_stream, inside, scope

theme = Theme("Turning users away")

HANDLERS = words(
    "proxy_pass fastcgi_pass uwsgi_pass scgi_pass grpc_pass memcached_pass root alias try_files"
    " index autoindex stub_status dav_methods mp4 flv empty_gif random_index"
    " content_by_lua_block content_by_lua_file js_content"
)
PASSES = ("proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "memcached_pass")


def status_of(directive: Directive) -> int | None:
    """The status of a ``return``; 302 for a bare URL."""
    if not directive.args:
        return None
    return int(directive.args[0]) if directive.args[0].isdecimal() else 302


def _content(block: Directive) -> bool:
    """Whether it serves anything, itself or in its locations."""
    if any(d.name in HANDLERS for d in block.block or ()):
        return True
    return any(_content(d) for d in block.all("location"))


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
    content = any(_content(server.at) for server in subject.servers)
    for server in subject.servers:
        for block in (server.at, *_roots(server)):
            found = _unconditional(block) or _always_5xx(block)
            if found is None or (found.name == "return" and (status_of(found) or 0) < 500):
                continue
            alone = server.catch_all and not _content(server.at)
            if not alone or (not content and subject.whole and not subject.is_open(*server.around)):
                yield Hit(found, f"every request for {_called(server)} is answered {_answer(found)}")


def _answer(found: Directive) -> str:
    return found.args[0] if found.name == "return" else found.args[-1].lstrip("=")


def _always_5xx(block: Directive) -> Directive | None:
    found = block.first("try_files")
    if found is None or any("$" in arg for arg in found.args[:-1]):
        return None
    return found if re.fullmatch(r"=5\d\d", found.args[-1]) else None


def _roots(server: Server) -> Iterator[Directive]:
    for one in server.locations.all:
        if (one.prefix and one.pattern == "/") or (one.regex and one.pattern in (".*", "^/", "^", "/", ".")):
            yield one.at


def _called(server: Server) -> str:
    return server.literal_names[0] if server.literal_names else "this server"


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
    return server is not None and (block is server.at or any(block is root for root in _roots(server)))


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


@theme.rule(
    "maintenance-flag",
    ERROR,
    "A flag that is always set turns users away",
    why="The condition is true for everybody, so every request is answered with the error.",
    fix="Set the flag to 0, or remove its file from the tree.",
    bad="set $maintenance 1;\nif ($maintenance) {\n    return 503;\n}\nlocation / {\n    proxy_pass http://127.0.0.1:9000;\n}",
    good="set $maintenance 0;\nif ($maintenance) {\n    return 503;\n}\nlocation / {\n    proxy_pass http://127.0.0.1:9000;\n}",
    context="server",
)
def maintenance_flag(subject: Subject) -> Iterator[Hit]:
    """``if`` on a variable that is a constant, a map or geo that is true by default, a file of the tree."""
    tables = _tables(subject)
    for block, around in subject.config.find("if"):
        found = block.first("return")
        if found is None or (status_of(found) or 0) < 400 or not around or around[-1].name == "if":
            continue
        if around[-1].name == "location" and location_of(around[-1]).pattern != "/":
            continue
        says = _flag_file(subject, block) or _flag(
            block, around, tables, server_error=(status_of(found) or 0) >= 500
        )
        if says is not None:
            yield Hit(block, f"{says}, so every request is answered {found.args[0]}")


def _flag_file(subject: Subject, block: Directive) -> str | None:
    if len(block.args) != 2 or block.args[0] not in ("-f", "-e") or "$" in block.args[1]:
        return None
    path = block.args[1]
    return f"{path} is in the tree" if subject.below(path) and subject.exists(path) else None


def _flag(
    block: Directive, around: Around, tables: dict[str, Directive], *, server_error: bool
) -> str | None:
    if not block.args or not block.args[0].startswith("$"):
        return None
    variable = block.args[0]
    constant = _constant(variable, block, around)
    if constant is not None:
        return f'{variable} is "{constant}"' if _true(block, constant) else None
    table = tables.get(variable)
    if table is None:
        return None
    values = {
        d.name: d.args[0]
        for d in table.block or ()
        if d.args and d.name not in ("include", "proxy", "delete")
    }
    default = values.get("default", "")
    if any("$" in v for v in values.values()) or table.first("include") is not None:
        return None
    if _true(block, default) and (server_error or all(_true(block, v) for v in values.values())):
        return f'{variable} is "{default}" by default'
    return None


def _tables(subject: Subject) -> dict[str, Directive]:
    return {d.args[-1]: d for d, _ in subject.config.find("map", "geo") if d.args}


def _constant(variable: str, block: Directive, around: Around) -> str | None:
    """The one value that a variable is set to, right before in the same block."""
    value, before = None, True
    for d in around[-1].block or ():
        if d is block:
            before = False
        if d.name == "set" and len(d.args) == 2 and d.args[0] == variable and before:
            value = d.args[1]
        elif d.name == "if" and before and any(s.args[:1] == (variable,) for s in d.all("set")):
            return None
    return value if value is not None and "$" not in value else None


def _true(block: Directive, value: str) -> bool:
    if len(block.args) == 1:
        return value not in ("", "0")
    if len(block.args) != 3 or "$" in block.args[2]:
        return False
    if block.args[1] in ("=", "!="):
        return (value == block.args[2]) is (block.args[1] == "=")
    return False


@theme.rule(
    "deny-everybody",
    ERROR,
    "A whole site is forbidden",
    why="'deny all' without any allow answers every request with 403.",
    fix="Take it out, or allow those who may come.",
    bad="deny all;\nlocation / {\n    proxy_pass http://127.0.0.1:9000;\n}",
    good="location / {\n    proxy_pass http://127.0.0.1:9000;\n}\nlocation ~ /\\.git {\n    deny all;\n}",
    context="server",
)
def deny_everybody(subject: Subject) -> Iterator[Hit]:
    """In ``http``, a server that has a name, or its ``/``, with nothing that lets anybody in."""
    for server in subject.servers:
        if server.catch_all and not _content(server.at):
            continue
        for block in (server.at, *_roots(server)):
            rules = [d for d in block.block or () if d.name in ("allow", "deny")]
            if block is server.at and not rules:
                rules = [
                    d
                    for d in scope("deny", server.at, server.around)
                    if not scope("allow", server.at, server.around)
                ]
            if not rules or any(d.name == "allow" for d in rules) or subject.is_open(block):
                continue
            every = next((d for d in rules if d.args == ("all",)), None)
            if every is None or _let_in(server, block):
                continue
            exempt = block is server.at and any(loc.first("allow") for loc in server.at.all("location"))
            yield Hit(every, f"{_called(server)} is forbidden to everybody", WARNING if exempt else None)


def _let_in(server: Server, block: Directive) -> bool:
    blocks = (server.at, block, *server.around)
    return any(d.args == ("any",) for b in blocks for d in b.all("satisfy"))


@theme.rule(
    "allow-after-deny-all",
    ERROR,
    "An allow that is never looked at",
    why="The first rule that fits decides: after 'deny all' nobody is let in.",
    fix="Put the allow lines before 'deny all'.",
    bad="location /admin/ {\n    deny all;\n    allow 10.0.0.0/8;\n    proxy_pass http://127.0.0.1:9000;\n}",
    good="location /admin/ {\n    allow 10.0.0.0/8;\n    deny all;\n    proxy_pass http://127.0.0.1:9000;\n}",
    context="server",
)
def allow_after_deny(subject: Subject) -> Iterator[Hit]:
    """In one block."""
    for directive, around in subject.config.find("allow"):
        if not around:
            continue
        for other in around[-1].block or ():
            if other is directive:
                break
            if other.name == "deny" and other.args == ("all",):
                yield Hit(directive, f"'deny all' on line {other.line} has decided already")
                break


@theme.rule(
    "allow-without-deny",
    WARNING,
    "An allow that keeps nobody out",
    why="Who fits no rule is let in: without 'deny all' the list has no effect.",
    fix="End the list with 'deny all;'.",
    bad="location /admin/ {\n    allow 10.0.0.0/8;\n    proxy_pass http://127.0.0.1:9000;\n}",
    good="location /admin/ {\n    allow 10.0.0.0/8;\n    deny all;\n    proxy_pass http://127.0.0.1:9000;\n}",
    context="server",
)
def allow_without_deny(subject: Subject) -> Iterator[Hit]:
    """Once for each block."""
    told: set[int] = set()
    for directive, around in subject.config.find("allow"):
        block = around[-1] if around else None
        if block is None or id(block) in told or subject.is_open(block):
            continue
        told.add(id(block))
        if not block.all("deny") and not any(d.args == ("all",) for d in block.all("allow")):
            yield Hit(directive, "nobody is kept out")


@theme.rule(
    "return-beside-deny",
    ERROR,
    "A return that passes the access rules by",
    why="'return' answers before allow, deny and auth_basic are looked at: the answer is open to everybody.",
    fix="Serve it from a location that has a handler (an alias, a proxy_pass), or leave the "
    "access rules out.",
    bad='location = /internal-state {\n    allow 10.0.0.0/8;\n    deny all;\n    return 200 "all '
    'is well";\n}',
    good="location = /hidden {\n    deny all;\n    return 404;\n}",
    context="server",
)
def return_beside_deny(subject: Subject) -> Iterator[Hit]:
    """A 2xx in the same block as ``deny`` or ``auth_basic``."""
    for directive, around in subject.config.find("return"):
        status = status_of(directive)
        if not around or around[-1].name != "location" or status is None or not 200 <= status < 300:
            continue
        rule = around[-1].first("deny", "auth_basic", "auth_request")
        if rule is not None and rule.args != ("off",):
            yield Hit(directive, f'"{rule.name}" on line {rule.line} is never looked at')


@theme.rule(
    "auth-without-users",
    ERROR,
    "A password is asked for by nobody",
    why="auth_basic without auth_basic_user_file does nothing: the place is open.",
    fix="Add auth_basic_user_file.",
    bad='location /admin/ {\n    auth_basic "staff only";\n    proxy_pass http://127.0.0.1:9000;\n}',
    good='location /admin/ {\n    auth_basic "staff only";\n    auth_basic_user_file '
    "/etc/nginx/users;\n    proxy_pass http://127.0.0.1:9000;\n}\n# file: users\nalice:x\n",
    context="server",
)
def auth_without_users(subject: Subject) -> Iterator[Hit]:
    """No user file in this block or around it."""
    for directive, around in subject.config.find("auth_basic"):
        if directive.args == ("off",) or not around or subject.open_scope(around[-1], around[:-1]):
            continue
        if not scope("auth_basic_user_file", around[-1], around[:-1]):
            inner = any(d.first("auth_basic_user_file") for d in around[-1].block or ())
            yield Hit(directive, "there is no auth_basic_user_file", WARNING if inner else None)


@theme.rule(
    "auth-file-missing",
    ERROR,
    "The file of users is not in the tree",
    why="nginx opens it at each request, and answers 403 to everybody when it is not there; its "
    "test does not look.",
    fix="Put it into the tree, or name it in target.preserve when the host owns it.",
    bad='location /admin/ {\n    auth_basic "staff only";\n    auth_basic_user_file users;\n    proxy_pass http://127.0.0.1:9000;\n}',
    good='location /admin/ {\n    auth_basic "staff only";\n    auth_basic_user_file users;\n    '
    "proxy_pass http://127.0.0.1:9000;\n}\n# file: users\nalice:x\n",
    context="server",
    whole=True,
)
def auth_file_missing(subject: Subject) -> Iterator[Hit]:
    """Only a warning where nobody said what the host owns."""
    for directive, _ in subject.config.find("auth_basic_user_file"):
        if not directive.args or "$" in directive.args[0]:
            continue
        path = subject.config.absolute(directive.args[0])
        if subject.below(path) and not subject.exists(path) and not subject.kept(path):
            unsure = subject.preserve is None
            yield Hit(directive, f"{subject.relative(path)} is not in the tree", WARNING if unsure else None)


@theme.rule(
    "methods-limited",
    WARNING,
    "An application that may only be read",
    why="limit_except forbids the other methods: forms and uploads are answered with 403.",
    fix="Name every method that the application needs.",
    bad="location / {\n    limit_except GET {\n        deny all;\n    }\n    proxy_pass http://127.0.0.1:9000;\n}",
    good="location / {\n    limit_except GET POST {\n        deny all;\n    }\n    proxy_pass http://127.0.0.1:9000;\n}",
    context="server",
)
def methods_limited(subject: Subject) -> Iterator[Hit]:
    """Where POST is forbidden beside a handler that could take it."""
    for block, around in subject.config.find("limit_except"):
        denies = any(d.args == ("all",) for d in block.all("deny")) and not block.all("allow")
        if (
            denies
            and "POST" not in block.args
            and around
            and around[-1].first(*PASSES)
            and not inside(around, "if")
        ):
            yield Hit(block, "POST is forbidden here")
