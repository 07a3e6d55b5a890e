"""Upstreams, and the way to them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import NamedTuple

from deployer.lint.rules.base import ERROR, INFO, WARNING, Hit, Theme
from deployer.lint.rules.matching import location_of
from deployer.lint.rules.subject import Around, Subject, in_stream, scope
from deployer.lint.rules.targets import Sources
from deployer.nginx.tree import Directive

theme = Theme("Upstreams and proxying")

PASSES = ("proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "memcached_pass")
_TARGET = re.compile(r"(?:(https?|grpcs?)://)?([^/?]*)(.*)", re.DOTALL)
_ADDRESS = re.compile(r"(\d+(\.\d+){3}|\[[0-9a-fA-F:.]+\])(:\d+)?|unix:.*")
_TLS_PORTS, _PLAIN_PORTS = frozenset({443, 8443}), frozenset({80, 8080})


class Target(NamedTuple):
    """Where a ``proxy_pass`` leads."""

    scheme: str
    host: str  #: with its port
    uri: str

    @property
    def name(self) -> str:
        """Without its port."""
        return re.sub(r":\d+$", "", self.host)

    @property
    def port(self) -> int | None:
        """As it is written."""
        found = re.search(r":(\d+)$", self.host)
        return int(found[1]) if found else None


def target_of(directive: Directive) -> Target:
    """The argument of a ``..._pass``, in its parts."""
    found = _TARGET.fullmatch(directive.args[0] if directive.args else "")
    return Target(found[1] or "", found[2], found[3]) if found else Target("", "", "")


def passes(subject: Subject, *names: str) -> Iterator[tuple[Directive, Around]]:
    """Directives in ``http`` that hand a request over."""
    return ((d, a) for d, a in subject.config.find(*(names or PASSES)) if d.args and not in_stream(a))


@theme.rule(
    "upstream-all-down",
    ERROR,
    "All servers of an upstream are down",
    why="Every request for it is answered with 502.",
    fix="Take 'down' off the servers that are up.",
    bad="upstream shop {\n    server 127.0.0.1:9001 down;\n    server 127.0.0.1:9002 down;\n}\n"
    "server { listen 8080; location / { proxy_pass http://shop; } }",
    good="upstream shop {\n    server 127.0.0.1:9001 down;\n    server 127.0.0.1:9002;\n}\n"
    "server { listen 8080; location / { proxy_pass http://shop; } }",
)
def all_down(subject: Subject) -> Iterator[Hit]:
    """A warning where nothing seems to use it."""
    used = _used_names(subject)
    for block, around in subject.config.find("upstream"):
        servers = block.all("server")
        if servers and all("down" in d.args for d in servers) and not subject.is_open(block):
            name = block.args[0] if block.args else ""
            certain = name.lower() in used or in_stream(around)
            yield Hit(block, f"no server of {name} is up", None if certain else WARNING)


def _used_names(subject: Subject) -> set[str]:
    used = {target_of(d).name.lower() for d, _ in subject.config.find(*PASSES)}
    for d, _ in subject.config.find("set"):
        used.update(re.sub(r"^\w+://", "", arg).partition("/")[0].lower() for arg in d.args[1:])
    for table, _ in subject.config.find("map", "split_clients", "geo"):
        used.update(d.args[-1].lower() for d in table.block or () if d.args)
    return used


@theme.rule(
    "upstream-scheme",
    ERROR,
    "TLS spoken to a plain port, or the reverse",
    why="The handshake fails, or the backend answers 400: users see 502 or 400.",
    fix="Correct the scheme or the port.",
    bad="server { listen 8080; location / { proxy_pass https://127.0.0.1:80; } }",
    good="server { listen 8080; location / { proxy_pass https://127.0.0.1:443; } }",
)
def scheme(subject: Subject) -> Iterator[Hit]:
    """``https`` to 80 and ``http`` to 443 are certain; 8080 and 8443 are likely."""
    for directive, _ in passes(subject, "proxy_pass", "grpc_pass"):
        target = target_of(directive)
        for port, at in _ports(subject, target):
            tls = target.scheme in ("https", "grpcs")
            if target.scheme in ("https", "http") and port in (_PLAIN_PORTS if tls else _TLS_PORTS):
                sure = port in (80, 443)
                where = "" if at is None else f" (line {at.line} of {at.file})"
                yield Hit(directive, f"{target.scheme} to port {port}{where}", None if sure else WARNING)
                break


def _ports(subject: Subject, target: Target) -> list[tuple[int, Directive | None]]:
    if target.port is not None:
        return [(target.port, None)]
    block = subject.upstreams.get(target.name.lower())
    if block is None:
        return []
    found: list[tuple[int, Directive | None]] = []
    for server in block.all("server"):
        where = server.args[0] if server.args else "unix:"
        if not where.startswith("unix:"):
            port = re.search(r":(\d+)$", where)
            found.append((int(port[1]) if port else 80, server))
    # Mixed ports are somebody's migration: only what holds for all is told.
    return found if len({port for port, _ in found}) == 1 else []


@theme.rule(
    "proxy-no-resolver",
    ERROR,
    "A variable in a proxy_pass, and no resolver",
    why="A name that comes from a variable is looked up while users wait; without a resolver "
    'they get 502 ("no resolver defined").',
    fix="Set a resolver, or let the variable hold the name of an upstream.",
    bad="server {\n    listen 8080;\n    set $backend shop.internal;\n    location / { "
    "proxy_pass http://$backend; }\n}",
    good="resolver 127.0.0.53;\nserver {\n    listen 8080;\n    set $backend shop.internal;\n    "
    "location / { proxy_pass http://$backend; }\n}",
)
def no_resolver(subject: Subject) -> Iterator[Hit]:
    """Unless every value that the file shows for it is an upstream or an address."""
    sources = Sources(subject)
    known = _known_groups(subject)
    for directive, around in passes(subject):
        if "$" not in directive.args[0] or not around or scope("resolver", around[-1], around[:-1]):
            continue
        if subject.open_scope(around[-1], around[:-1]):
            continue
        values, sure = sources.host(target_of(directive).host)
        lost = [v for v in values if not _ADDRESS.fullmatch(_bare(v)) and _bare(v).lower() not in known]
        if lost:
            yield Hit(directive, f'nothing resolves "{_bare(lost[0])}"')
        elif not sure:
            yield Hit(directive, "no resolver, should the variable hold a name that is no upstream", WARNING)


def _known_groups(subject: Subject) -> set[str]:
    """Names that nginx knows at run time: upstreams, and literal targets (also with their port)."""
    known = set(subject.upstreams)
    for directive, _ in passes(subject):
        if "$" not in directive.args[0]:
            target = target_of(directive)
            known |= {target.host.lower(), target.name.lower()}
    return known


def _bare(value: str) -> str:
    return re.sub(r"^\w+://", "", value).partition("/")[0] if not value.startswith("unix:") else value


@theme.rule(
    "proxy-target-without-scheme",
    ERROR,
    "A variable for a proxy_pass without http://",
    why='nginx answers 500 ("invalid URL prefix") to every request.',
    fix="Begin with http:// or https://, in the value or before the variable.",
    bad="server {\n    listen 8080;\n    set $backend 127.0.0.1:9000;\n    location / { "
    "proxy_pass $backend; }\n}",
    good="server {\n    listen 8080;\n    set $backend http://127.0.0.1:9000;\n    location / { "
    "proxy_pass $backend; }\n}",
)
def without_scheme(subject: Subject) -> Iterator[Hit]:
    """Where the argument begins with a variable whose values are all literal, and none has a scheme."""
    sources = Sources(subject)
    for directive, _ in passes(subject, "proxy_pass"):
        begins = re.match(r"\$\{?(\w+)\}?", directive.args[0])
        values = sources.of(begins[1]) if begins else None
        if values is None or not values.sure or not values.known:
            continue
        if not any(re.match(r"https?://", v) for v in values.known):
            yield Hit(directive, f'"{values.known[0]}" has no scheme')


@theme.rule(
    "upstream-name-unknown",
    ERROR,
    "A word that is no upstream, where upstreams are chosen",
    why="Behind a variable nginx cannot tell a typing error: it asks DNS for the name, and users get 502.",
    fix="Write the upstream's name, or the $ of the variable.",
    bad="resolver 127.0.0.53;\nupstream shop { server 127.0.0.1:9000; }\nupstream shop_next { server "
    "127.0.0.1:9001; }\nmap $http_x_next $backend {\n    default shop;\n    1 shop-next;\n}\nserver {\n"
    "    listen 8080;\n    location / { proxy_pass http://$backend; }\n}",
    good="resolver 127.0.0.53;\nupstream shop { server 127.0.0.1:9000; }\nupstream shop_next { server "
    "127.0.0.1:9001; }\nmap $http_x_next $backend {\n    default shop;\n    1 shop_next;\n}\nserver {\n"
    "    listen 8080;\n    location / { proxy_pass http://$backend; }\n}",
)
def name_unknown(subject: Subject) -> Iterator[Hit]:
    """Only where there is a resolver: without one it is an error already.

    Certain is, among names of upstreams, what is nearly one, a variable without its ``$``, or a template's
    word for nothing. Any other word may be a host of ``/etc/hosts`` or a container.
    """
    sources, known = Sources(subject), _known_groups(subject)
    told: set[str] = set()
    for directive, around in passes(subject):
        resolver = scope("resolver", around[-1], around[:-1]) if around else ()
        if "$" not in directive.args[0] or not resolver:
            continue
        names = [n for n in map(_bare, sources.host(target_of(directive).host).known) if "$" not in n]
        lost = [n for n in names if n.lower() not in known and not re.search(r"[.:\[]", n)]
        others = any(n.lower() in known for n in names)
        containers = any(_CONTAINERS in d.args for d in resolver)
        sure = others and not containers and not subject.open_scope(around[-1], around[:-1])
        for name in lost:
            meant = _meant(name, sources, subject)
            if name not in told and (meant or sure):
                told.add(name)
                says = f'"{name}" is no upstream{meant or ", as the others in its place are"}'
                yield Hit(directive, says, None if meant and sure else WARNING)


_CONTAINERS = "127.0.0.11"  # Docker's own resolver, which knows containers by single words
_NOTHING = frozenset(("none", "null", "nil", "undefined", "false", "nan", "todo"))


def _meant(name: str, sources: Sources, subject: Subject) -> str:
    if name in sources:
        return f"; is the variable ${name} meant?"
    if name.lower() in _NOTHING:
        return ", but a template's word for nothing"
    near = difflib.get_close_matches(name.lower(), sorted(subject.upstreams), n=1, cutoff=0.8)
    return f"; is {near[0]} meant?" if near else ""


@theme.rule(
    "proxy-variable-loses-path",
    ERROR,
    "A variable and a '/' in a proxy_pass lose path and arguments",
    why="With a variable nginx sends exactly what is written: every request of the location asks for '/'.",
    fix="Leave the '/' out, or write $request_uri after the host.",
    bad="upstream app { server 127.0.0.1:9000; }\nserver {\n    listen 8080;\n    set $backend "
    "app;\n    location / { proxy_pass http://$backend/; }\n}",
    good="upstream app { server 127.0.0.1:9000; }\nserver {\n    listen 8080;\n    set $backend "
    "app;\n    location / { proxy_pass http://$backend; }\n}",
)
def loses_path(subject: Subject) -> Iterator[Hit]:
    """A path without any variable in a prefix location. Only ``/`` is certain; one page may be meant."""
    for directive, around in passes(subject, "proxy_pass"):
        target, block = target_of(directive), around[-1] if around else None
        if (
            "$" not in target.scheme + target.host
            or not target.uri
            or block is None
            or block.name != "location"
        ):
            continue
        location = location_of(block)
        if "$" in target.uri or not location.prefix or block.first("internal") or block.all("rewrite"):
            if re.fullmatch(r"\$\{?uri\}?", target.uri) and not block.all("rewrite"):
                yield Hit(directive, "$uri is decoded, and the arguments are lost", WARNING)
            continue
        sure = target.uri == "/" and location.pattern.endswith("/")
        yield Hit(directive, f'every request asks for "{target.uri}"', None if sure else WARNING)


@theme.rule(
    "proxy-path-glued",
    ERROR,
    "Path and location end differently",
    why="What follows the location is glued to the path without a '/': /api/users becomes "
    "/v1users, and the backend answers 404.",
    fix="End both with '/', or neither.",
    bad="location /api/ {\n    proxy_pass http://127.0.0.1:9000/v1;\n}",
    good="location /api/ {\n    proxy_pass http://127.0.0.1:9000/v1/;\n}",
    context="server",
)
def path_glued(subject: Subject) -> Iterator[Hit]:
    """A location with its slash and a path without; the other way round there are two slashes (a warning)."""
    for directive, around in passes(subject, "proxy_pass"):
        target, block = target_of(directive), around[-1] if around else None
        if block is None or block.name != "location" or "$" in directive.args[0] or not target.uri:
            continue
        location = location_of(block)
        if not location.prefix or block.all("rewrite"):
            continue
        ends, last = location.pattern.endswith("/"), target.uri.rpartition("/")[2]
        if ends and re.fullmatch(r"\w+", last) and "?" not in target.uri:
            asked = location.pattern + "x"
            yield Hit(directive, f'"{asked}" becomes "{target.uri}x"')
        elif not ends and target.uri.endswith("/") and "." not in location.pattern.rpartition("/")[2]:
            yield Hit(directive, f'"{location.pattern}/x" becomes "{target.uri}/x"', WARNING)


@theme.rule(
    "length-without-body",
    WARNING,
    "The body is kept back, and its length is sent",
    why="Whoever reads to the end waits for the body that Content-Length promises, until there is a timeout: "
    "everything that is sent with a body hangs.",
    fix='proxy_set_header Content-Length "";',
    bad="location = /_auth {\n    internal;\n    proxy_pass_request_body off;\n    proxy_pass "
    "http://127.0.0.1:9000;\n}",
    good="location = /_auth {\n    internal;\n    proxy_pass_request_body off;\n    proxy_set_header "
    'Content-Length "";\n    proxy_pass http://127.0.0.1:9000;\n}',
    context="server",
)
def length_without_body(subject: Subject) -> Iterator[Hit]:
    """Where ``proxy_set_body`` gives another one, nginx writes the length itself."""
    for directive, around in passes(subject, "proxy_pass"):
        blocks = (around[-1], around[:-1]) if around else None
        if blocks is None or not any(d.args == ("off",) for d in scope("proxy_pass_request_body", *blocks)):
            continue
        if scope("proxy_set_body", *blocks) or any(d.args == ("off",) for d in scope(_HEADERS, *blocks)):
            continue
        said = [d.args for d in scope("proxy_set_header", *blocks) if d.args]
        if not any(args[0].lower() == "content-length" for args in said):
            yield Hit(directive, "Content-Length is sent, and no body")


_HEADERS = "proxy_pass_request_headers"


@theme.rule(
    "proxy-strips-prefix",
    INFO,
    "The location's prefix is taken off",
    why="With a '/' at its end proxy_pass sends /api/users as /users. A backend that knows "
    "/api/users answers 404.",
    fix="Nothing, if it is meant; without the '/' the path is sent as it came.",
    bad="location /api/ {\n    proxy_pass http://127.0.0.1:9000/;\n}",
    good="location /api/ {\n    proxy_pass http://127.0.0.1:9000;\n}",
    context="server",
)
def strips_prefix(subject: Subject) -> Iterator[Hit]:
    """A path of ``/`` alone, in a location that is not ``/``."""
    for directive, around in passes(subject, "proxy_pass"):
        if (
            around
            and around[-1].name == "location"
            and target_of(directive).uri == "/"
            and "$" not in directive.args[0]
        ):
            location = location_of(around[-1])
            if location.prefix and location.pattern.endswith("/") and location.pattern != "/":
                yield Hit(directive, f'"{location.pattern}x" is sent as "/x"')


@theme.rule(
    "php-without-script",
    ERROR,
    "PHP is not told which script to run",
    why="Without SCRIPT_FILENAME php-fpm answers every request with an empty page.",
    fix="include fastcgi.conf; or set fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;",
    bad="location ~ \\.php$ {\n    fastcgi_param QUERY_STRING $query_string;\n    fastcgi_pass "
    "127.0.0.1:9000;\n}",
    good="location ~ \\.php$ {\n    fastcgi_param SCRIPT_FILENAME "
    "$document_root$fastcgi_script_name;\n    fastcgi_pass 127.0.0.1:9000;\n}",
    context="server",
)
def php_without_script(subject: Subject) -> Iterator[Hit]:
    """A location for ``.php`` whose parameters are all known."""
    for directive, around in passes(subject, "fastcgi_pass"):
        if not around or not any(".php" in " ".join(b.args) for b in around if b.name == "location"):
            continue
        blocks = (around[-1], *reversed(around[:-1]))
        params = scope("fastcgi_param", around[-1], around[:-1])
        # fastcgi_params of the package lacks it, so an unknown include counts as one that may set it.
        if (
            any(d.name == "include" for b in blocks for d in b.block or () if "fastcgi" in " ".join(d.args))
            and not params
        ):
            continue
        if subject.open_scope(around[-1], around[:-1]) or any(
            d.args[:1] == ("SCRIPT_FILENAME",) for d in params
        ):
            continue
        yield Hit(directive, "no fastcgi_param SCRIPT_FILENAME holds here")
