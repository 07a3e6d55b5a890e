"""Redirects and rewrites that lead nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployer.lint.rules.base import ERROR, WARNING, Hit, Theme
from deployer.lint.rules.matching import Location, compiled, location_of
from deployer.lint.rules.subject import Around, Server, Subject, in_stream, inside
from deployer.nginx.tree import Directive

theme = Theme("Redirects and rewrites")

_HOST = r"(?:[^/?$]|\$\{?(?:host|http_host|server_name|hostname|server_port)\b\}?)*"
_URL = re.compile(rf"(?:(https?|\$scheme|\$\{{scheme\}})://({_HOST}))?(.*)", re.DOTALL)
_SAME_PATH = re.compile(r"(\$\{?(request_uri|uri|document_uri)\}?)(\$is_args\$args|\?\$args|\?)?")
_SAME_HOST = re.compile(r"\$\{?(host|http_host|server_name|hostname)\}?(:\$\{?server_port\}?)?")
_ALL = re.compile(r"\^?(/?\(\.[*+]\)\$?|/?\(\.[*+]\)|\.\*|/)?|\^\(/\.\*\)\$?|\^/?\(\.\*\)\$?")


@theme.rule(
    "redirect-to-itself",
    ERROR,
    "A redirect to where it came from",
    why="The browser comes back to the same server with the same path, and gives up with "
    "ERR_TOO_MANY_REDIRECTS.",
    fix="Redirect only in the server that others come to first: the other port, the other name.",
    bad="server {\n    listen 443 ssl;\n    server_name shop.example.com;\n    ssl_certificate "
    "ssl/shop.pem;\n"
    "    ssl_certificate_key ssl/shop.key;\n    return 301 https://$host$request_uri;\n}",
    good="server {\n    listen 80;\n    server_name shop.example.com;\n    return 301 https://$host$request_uri;\n}",
)
def redirect_to_itself(subject: Subject) -> Iterator[Hit]:
    """Unconditional, for the whole server or within one location."""
    for directive, around in subject.config.find("return", "rewrite"):
        target = _redirect(directive)
        server = subject.server_of(around)
        if target is None or server is None or inside(around, "if", "limit_except"):
            continue
        if around[-1] is server.at:
            location = None
        elif len(around) > 1 and around[-1].name == "location" and around[-2] is server.at:
            location = location_of(around[-1])
        else:
            continue
        if _comes_back(subject, server, location, target):
            yield Hit(directive, f"{target} is answered by this very directive")


def _redirect(directive: Directive) -> str | None:
    args = directive.args
    if directive.name == "return":
        if len(args) == 1 and not args[0].isdecimal():
            return args[0]
        return args[1] if len(args) == 2 and args[0] in ("301", "302", "303", "307", "308") else None
    if len(args) < 2 or not (
        args[1].startswith(("http", "$scheme")) or args[2:] in (("permanent",), ("redirect",))
    ):
        return None
    # Of a rewrite only one that takes every path and keeps it is as sure as a return.
    if not _ALL.fullmatch(args[0]):
        return None
    return re.sub(r"/?\$1$", "$request_uri", args[1]).replace("$request_uri?", "$request_uri")


def _comes_back(subject: Subject, server: Server, location: Location | None, target: str) -> bool:
    found = _URL.fullmatch(target)
    if found is None:
        return False
    scheme, host, path = found[1], found[2] or "", found[3] or "/"
    if scheme is not None and not (_same_address(subject, server, scheme, host) and _same_host(server, host)):
        return False
    if _SAME_PATH.fullmatch(path):
        return location is None or not location.named
    if location is None or location.named or "$" in path:
        return False
    return server.locations.choose(path.partition("?")[0]) == location and not _trap(location)


def _trap(location: Location) -> bool:
    """A regex that Python may read otherwise is not judged by its choice."""
    return location.regex and compiled(location.pattern) is None


def _same_address(subject: Subject, server: Server, scheme: str, host: str) -> bool:
    """Whether who follows the redirect comes to an address of this server."""
    port = host.rpartition(":")[2] if ":" in host else ""
    for one in server.listens:
        tls = any(other.tls for _, other in subject.sockets.get(one.key, ()))
        if scheme.startswith("$") or tls is (scheme == "https"):
            wanted = int(port) if port.isdecimal() else 443 if tls else 80
            if one.port == wanted or "$" in port:
                return True
    return False


def _same_host(server: Server, host: str) -> bool:
    if _SAME_HOST.fullmatch(host):
        return len(server.names) == 1 or "server_name" not in host
    return host.partition(":")[0].lower() in server.literal_names


@theme.rule(
    "rewrite-loop",
    ERROR,
    "A rewrite that comes back to itself",
    why="After ten rounds nginx gives up: users get 500.",
    fix="End it with 'break', or choose a path that this location does not take.",
    bad="location /app/ {\n    rewrite ^/app/(.*)$ /app/v2/$1 last;\n}",
    good="location /app/ {\n    rewrite ^/app/(.*)$ /v2/$1 last;\n}\nlocation /v2/ {\n    proxy_pass http://127.0.0.1:9000;\n}",
    context="server",
)
def rewrite_loop(subject: Subject) -> Iterator[Hit]:
    """With ``last`` or no flag, where the same location takes the new path and the same rewrite fits it."""
    for directive, around in subject.config.find("rewrite"):
        server = subject.server_of(around)
        args = directive.args
        if server is None or len(args) < 2 or args[2:] not in ((), ("last",)) or len(around) < 2:
            continue
        if around[-1].name != "location" or around[-2] is not server.at:
            continue
        pattern, result = compiled(args[0]), _sample(args[1])
        if pattern is None or result is None or not result.startswith("/"):
            continue
        location = location_of(around[-1])
        if (
            pattern.search(result)
            and server.locations.choose(result) == location
            and not _ended(around[-1], directive)
        ):
            yield Hit(directive, f'"{result}" is rewritten again')


def _ended(block: Directive, rewrite: Directive) -> bool:
    """Whether something before it ends the request, or another rewrite may take it elsewhere."""
    before = list(block.block or ())
    before = before[: next(at for at, d in enumerate(before) if d is rewrite)]
    after = () if rewrite.args[2:] else block.all("rewrite", "return", "break", "if")
    changed = any(d is not rewrite for d in after)
    return changed or any(d.name in ("rewrite", "if", "return", "break", "include") for d in before)


def _sample(replacement: str) -> str | None:
    """The new path with something harmless for each capture; ``None``: it has other variables."""
    path = replacement.partition("?")[0]
    path = re.sub(r"\$\{?\d\}?", "x", path)
    return None if "$" in path else path


@theme.rule(
    "capture-without-group",
    ERROR,
    "$1 without a group",
    why="Nothing was captured, so $1 is empty: the path is lost.",
    fix="Put the part that is meant into parentheses.",
    bad="rewrite ^/old/.*$ /new/$1 permanent;",
    good="rewrite ^/old/(.*)$ /new/$1 permanent;",
    context="server",
)
def capture_without_group(subject: Subject) -> Iterator[Hit]:
    """In a rewrite by its own expression; elsewhere only where no expression around could have captured."""
    for directive, around in subject.config.find("rewrite"):
        if len(directive.args) >= 2 and not in_stream(around):
            groups = _groups(directive.args[0])
            wanted = _highest(directive.args[1])
            if groups is not None and wanted > groups:
                yield Hit(directive, f"${wanted} is empty: the expression has {groups} group(s)")
    for directive, around in subject.config.find("return", "proxy_pass", "alias"):
        wanted = max((_highest(arg) for arg in directive.args), default=0)
        server = subject.server_of(around)
        if (
            not wanted
            or server is None
            or subject.open_scope(around[-1], around[:-1])
            or _captures(server, around)
        ):
            continue
        location = next((location_of(b) for b in reversed(around) if b.name == "location"), None)
        groups = _groups(location.pattern) if location is not None and location.regex else 0
        if groups is not None and wanted > groups:
            yield Hit(directive, f"${wanted} is empty: nothing captures it")


def _highest(text: str) -> int:
    return max((int(n) for n in re.findall(r"\$\{?([1-9])", text)), default=0)


def _groups(pattern: str) -> int | None:
    found = compiled(pattern)
    return found.groups if found is not None else None


def _captures(server: Server, around: Around) -> bool:
    if any(name.startswith("~") for name, _ in server.names):
        return True
    for block in around:
        if block.name == "if" and any(arg.startswith(("~", "!~")) for arg in block.args):
            return True
        for d in block.block or ():
            if d.name == "rewrite" or (d.name == "if" and any(arg.startswith(("~", "!~")) for arg in d.args)):
                return True
    return sum(1 for b in around if b.name == "location" and location_of(b).regex) > 1


@theme.rule(
    "redirect-decoded",
    WARNING,
    "A redirect made of $uri",
    why="$uri is decoded: the arguments are lost, %20 breaks the address, and %0d%0a lets "
    "strangers add headers.",
    fix="Use $request_uri.",
    bad="location /old/ {\n    return 301 https://www.example.com$uri;\n}",
    good="location /old/ {\n    return 301 https://www.example.com$request_uri;\n}",
    context="server",
)
def redirect_decoded(subject: Subject) -> Iterator[Hit]:
    """In the target of a ``return``."""
    for directive, _ in subject.config.find("return"):
        redirects = len(directive.args) == 2 and directive.args[0].startswith("3")
        if redirects and re.search(r"\$\{?(document_)?uri\b", directive.args[1]):
            yield Hit(directive, f"{directive.args[1]} is decoded")


@theme.rule(
    "rewrite-in-a-word",
    ERROR,
    "A rewrite takes a location whose name only begins as it does",
    why="Rewrites of the server come before every location: ^/log fits /login too, and nobody gets there.",
    fix="End the expression where the word ends: ^/log$ or ^/log(/|$).",
    bad="rewrite ^/log /journal/ redirect;\nlocation = /login {\n    proxy_pass http://127.0.0.1:9000;\n}",
    good="rewrite ^/log$ /journal/ redirect;\nlocation = /login {\n    proxy_pass http://127.0.0.1:9000;\n}",
    context="server",
)
def rewrite_in_a_word(subject: Subject) -> Iterator[Hit]:
    """A prefix without groups that ends in the middle of a word of an exact or prefix location."""
    for server in subject.servers:
        literal = [x for x in server.locations.all if not x.regex and not x.named]
        for directive in server.at.all("rewrite") if literal else ():
            found = compiled(directive.args[0]) if len(directive.args) > 1 else None
            if found is None or found.groups or not directive.args[0].startswith("^/"):
                continue
            for one in literal:
                cut = found.match(one.pattern)
                if cut and re.search(r"\w$", cut[0]) and re.match(r"\w", one.pattern[cut.end() :]):
                    yield Hit(directive, f"it takes the location {one.pattern} too")
                    break
