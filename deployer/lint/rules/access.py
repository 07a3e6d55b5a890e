"""Who may come in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployer.lint.rules.base import ERROR, WARNING, Hit, Theme
from deployer.lint.rules.refusing import PASSES, called, roots, serves, status_of
from deployer.lint.rules.subject import Server, Subject, in_stream, inside, scope, value
from deployer.nginx.tree import Directive

theme = Theme("Who may come in")

_LOOPBACK = re.compile(r"127\.|::1$|unix:")
_ALL = (("all",), ("0.0.0.0/0",))


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
    """In ``http``, a server that has a name, or its ``/`` where nothing else is served. A warning where some
    location lets people in, or where only the host itself may come."""
    for server in subject.servers:
        if server.catch_all and not serves(server.at):
            continue
        for block in (server.at, *roots(server)):
            around = (*server.around, server.at) if block is not server.at else server.around
            rules = [d for d in block.block or () if d.name in ("allow", "deny")]
            if not rules and block is server.at:
                rules = [*scope("deny", block, around), *scope("allow", block, around)]
            every = next((d for d in rules if d.name == "deny" and d.args in _ALL), None)
            if every is None or subject.is_open(block) or _let_in(server, block):
                continue
            allowed = [d for d in rules if d.name == "allow"]
            if allowed and not all(d.args and _LOOPBACK.match(d.args[0]) for d in allowed):
                continue
            elsewhere = _open_elsewhere(server, block)
            if elsewhere and block is not server.at:
                continue
            unsure = bool(allowed) or elsewhere
            if not (allowed and all(listen.loopback for listen in server.listens)):
                who = "everybody but this host" if allowed else "everybody"
                says = f"{called(server)} is forbidden to {who}"
                yield Hit(every, says, WARNING if unsure else None)


def _open_elsewhere(server: Server, block: Directive) -> bool:
    """Whether other locations serve something that is not forbidden."""
    for location in server.at.all("location"):
        if location is not block and serves(location) and (block is not server.at or location.first("allow")):
            return True
    return False


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


@theme.rule(
    "log-served",
    ERROR,
    "A log is written where files are served from",
    why="Anybody can read who asked for what: the visitors' addresses, what they searched for, tokens.",
    fix="Write logs below /var/log/nginx.",
    bad="root /var/log/nginx;\naccess_log /var/log/nginx/shop.log;",
    good="root /srv/www;\naccess_log /var/log/nginx/shop.log;",
    context="server",
)
def log_served(subject: Subject) -> Iterator[Hit]:
    """A path below a ``root`` by which the location that answers it serves files to everybody."""
    served_from: dict[str, list[Server]] = {}
    for directive, around in subject.config.find("root"):
        server = subject.server_of(around)
        held = [server] if server is not None else subject.servers
        if directive.args:
            served_from.setdefault(directive.args[0].rstrip("/"), []).extend(held)
    for directive, around in subject.config.find("access_log", "error_log") if served_from else ():
        path = directive.args[0] if directive.args and not in_stream(around) else ""
        above = [path[:at] for at, c in enumerate(path) if c == "/" and at] if path[:1] == "/" else []
        found = ((root, server) for root in above if "$" not in path for server in served_from.get(root, ()))
        served = next((s for root, s in found if _serves_file(subject, s, root, path)), None)
        if served is not None:
            yield Hit(directive, f"{called(served)} serves it")


def _serves_file(subject: Subject, server: Server, root: str, path: str) -> bool:
    """Whether everybody gets a file below a root by asking that server for it; not where that is unsure."""
    if server.at.first("return") is not None or subject.is_open(server.at):
        return False
    one = server.locations.choose(path.removeprefix(root))
    if one is None and server.locations.all:
        return False
    at, around = (one.at, (*server.around, server.at)) if one is not None else (server.at, server.around)
    if (value("root", at, around) or "").rstrip("/") != root:
        return False
    if at.first("alias", "return", "internal", *PASSES) is not None:
        return False
    return not any(scope(name, at, around) for name in ("deny", "auth_basic", "auth_request"))


@theme.rule(
    "status-for-everybody",
    WARNING,
    "nginx's counters are for everybody",
    why="Anybody can see how busy the host is, and watch an attack succeed.",
    fix="allow the monitoring's addresses, then deny all; or listen on 127.0.0.1.",
    bad="location = /nginx_status {\n    stub_status;\n}",
    good="location = /nginx_status {\n    stub_status;\n    allow 127.0.0.1;\n    deny all;\n}",
    context="server",
)
def status_for_everybody(subject: Subject) -> Iterator[Hit]:
    """``stub_status`` without ``deny`` or a password, on an address that others reach."""
    for directive, around in subject.config.find("stub_status"):
        server = subject.server_of(around)
        if server is None or all(listen.loopback for listen in server.listens):
            continue
        if subject.open_scope(around[-1], around[:-1]):
            continue
        rules = [d for n in ("deny", "auth_basic", "auth_request") for d in scope(n, around[-1], around[:-1])]
        if all(d.args == ("off",) for d in rules):
            yield Hit(directive, "nobody is kept out")


@theme.rule(
    "written-by-anybody",
    WARNING,
    "Whoever comes may write files",
    why="dav_methods lets anybody put files there and take them away: the next page may be a stranger's.",
    fix="Keep strangers out: allow and deny, auth_basic, ssl_verify_client, or limit_except GET with deny.",
    bad="location /drop/ {\n    root /srv/www;\n    dav_methods PUT DELETE;\n}",
    good="location /drop/ {\n    root /srv/www;\n    dav_methods PUT DELETE;\n    limit_except GET {\n"
    "        allow 10.0.0.0/8;\n        deny all;\n    }\n}",
    context="server",
)
def written_by_anybody(subject: Subject) -> Iterator[Hit]:
    """``dav_methods`` where neither address nor password nor certificate is asked for, and no ``if``."""
    for directive, around in subject.config.find("dav_methods"):
        server = subject.server_of(around)
        if directive.args == ("off",) or server is None or all(x.loopback for x in server.listens):
            continue
        at, outer = around[-1], around[:-1]
        if subject.open_scope(at, outer) or any(block.first("if") for block in around):
            continue
        guards = (*at.all("limit_except"), *scope("ssl_verify_client", at, outer))
        guards += tuple(d for n in ("deny", "auth_basic", "auth_request") for d in scope(n, at, outer))
        if all(d.args == ("off",) for d in guards):
            yield Hit(directive, "nobody is asked who they are")
