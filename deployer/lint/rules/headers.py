"""Headers, types and caches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from deployer.lint.rules.base import ERROR, WARNING, Hit, Theme
from deployer.lint.rules.subject import Subject, in_stream, scope, value
from deployer.nginx.tree import Directive

theme = Theme("Headers, types and caches")

_CACHES = ("proxy_cache", "fastcgi_cache", "uwsgi_cache", "scgi_cache")
_SAME_FOR_ALL_PATHS = re.compile(
    r"scheme|https|host|http_\w+|cookie_\w+|server_(name|addr|port|protocol)|request_method|proxy_(host|port)"
    r"|is_args|remote_\w+|binary_remote_addr|hostname|slice_range"
)

_SAME_FOR_ALL_METHODS = re.compile(
    rf"{_SAME_FOR_ALL_PATHS.pattern}|(request_|document_)?uri|args|query_string|arg_\w+"
)

_SECURITY = frozenset(
    [
        "strict-transport-security",
        "content-security-policy",
        "x-frame-options",
        "x-content-type-options",
        "referrer-policy",
        "permissions-policy",
        "access-control-allow-origin",
    ]
)


@theme.rule(
    "headers-dropped",
    WARNING,
    "A header here drops all those from outside",
    why="add_header is inherited only where a block has none of its own: what the outer block "
    "sets is gone here.",
    fix="Repeat the outer headers here, best by including one file in both places.",
    bad='add_header Strict-Transport-Security "max-age=31536000";\nlocation / {\n    add_header '
    "X-Site shop;\n    return 200;\n}",
    good='add_header Strict-Transport-Security "max-age=31536000";\nlocation / {\n    add_header '
    "X-Site shop;\n"
    '    add_header Strict-Transport-Security "max-age=31536000";\n    return 200;\n}',
    context="server",
)
def headers_dropped(subject: Subject) -> Iterator[Hit]:
    """Once for each block that has some and lacks one of those that matter."""
    for hit, lost in _dropped(subject, "add_header"):
        matters = [name for name in lost if name.lower() in _SECURITY]
        if matters and not subject.config.find("add_header_inherit"):
            yield Hit(hit, f"{', '.join(matters)} no longer set here")


@theme.rule(
    "proxy-headers-dropped",
    WARNING,
    "A proxy_set_header here drops all those from outside",
    why="The backend no longer gets Host, X-Forwarded-For and the like: wrong site, wrong "
    "address, wrong links.",
    fix="Repeat the outer ones here, best by including one file in both places.",
    bad="proxy_set_header Host $host;\nlocation / {\n    proxy_set_header X-Site shop;\n    proxy_pass http://127.0.0.1:9000;\n}",
    good="location / {\n    proxy_set_header Host $host;\n    proxy_set_header X-Site shop;\n    proxy_pass http://127.0.0.1:9000;\n}",
    context="server",
)
def proxy_headers_dropped(subject: Subject) -> Iterator[Hit]:
    """Once for each block that has some and lacks some."""
    for name in ("proxy_set_header", "grpc_set_header", "fastcgi_param", "uwsgi_param"):
        for hit, lost in _dropped(subject, name):
            yield Hit(hit, f"{', '.join(lost[:4])} no longer set here")


def _dropped(subject: Subject, name: str) -> Iterator[tuple[Directive, Sequence[str]]]:
    told: set[int] = set()
    for directive, around in subject.config.find(name):
        block = around[-1] if around else None
        if block is None or id(block) in told or in_stream(around) or subject.is_open(block):
            continue
        told.add(id(block))
        outer = scope(name, around[-2], around[:-2]) if len(around) > 1 else ()
        own = {d.args[0].lower() for d in block.all(name) if d.args}
        lost = list(dict.fromkeys(d.args[0] for d in outer if d.args and d.args[0].lower() not in own))
        if lost:
            yield directive, lost


@theme.rule(
    "no-mime-types",
    WARNING,
    "Files are served without their types",
    why="nginx itself knows only HTML, GIF and JPEG: browsers ignore style sheets that come as text/plain.",
    fix="include mime.types; in http.",
    bad="server {\n    listen 8080;\n    root /srv/www;\n}",
    good="types {\n    text/html html;\n    text/css css;\n}\nserver {\n    listen 8080;\n    "
    "root /srv/www;\n}",
    whole=True,
)
def no_mime_types(subject: Subject) -> Iterator[Hit]:
    """``root`` somewhere, ``types`` nowhere."""
    if subject.config.find("types") or any("mime.types" in i.pattern for i in subject.config.includes):
        return
    for directive, around in subject.config.find("root", "alias"):
        if around and not in_stream(around) and not subject.open_scope(around[-1], around[:-1]):
            yield Hit(directive, "files are served, and there is neither types nor mime.types")
            return


@theme.rule(
    "cache-mixes-sites",
    ERROR,
    "Two sites share cached pages",
    why="The key has no host in it: the page that was cached for one site is served for the same "
    "path of another.",
    fix='proxy_cache_key "$scheme$host$request_uri";',
    bad="proxy_cache_path /var/cache/nginx/pages keys_zone=pages:1m;\nproxy_cache_key $request_uri;\n"
    "server { listen 8080; server_name a.example.com; location / { proxy_cache pages; "
    "proxy_pass http://127.0.0.1:9000; } }\n"
    "server { listen 8080; server_name b.example.com; location / { proxy_cache pages; "
    "proxy_pass http://127.0.0.1:9001; } }",
    good="proxy_cache_path /var/cache/nginx/pages keys_zone=pages:1m;\nproxy_cache_key $host$request_uri;\n"
    "server { listen 8080; server_name a.example.com; location / { proxy_cache pages; "
    "proxy_pass http://127.0.0.1:9000; } }\n"
    "server { listen 8080; server_name b.example.com; location / { proxy_cache pages; "
    "proxy_pass http://127.0.0.1:9001; } }",
)
def cache_mixes(subject: Subject) -> Iterator[Hit]:
    """One zone, servers with different backends, a key without anything that tells them apart."""
    users: dict[tuple[int, str], set[tuple[int, str]]] = {}
    keys: dict[int, Directive] = {}
    for directive, around in subject.config.find("proxy_cache", "fastcgi_cache"):
        server = subject.server_of(around)
        if server is None or not directive.args or directive.args[0] == "off":
            continue
        key = next(iter(scope(f"{directive.name}_key", around[-1], around[:-1])), None)
        target = around[-1].first("proxy_pass", "fastcgi_pass")
        if key is None or target is None or not key.args or _tells_sites_apart(key.args[0]):
            continue
        keys[id(key)] = key
        users.setdefault((id(key), directive.args[0]), set()).add((id(server.at), target.args[0]))
    for (key_id, zone), found in users.items():
        if len({server for server, _ in found}) > 1 and len({target for _, target in found}) > 1:
            yield Hit(keys[key_id], f"zone {zone} is used by {len({s for s, _ in found})} servers")


def _tells_sites_apart(key: str) -> bool:
    names = re.findall(r"\$\{?(\w+)", key)
    plain = {
        "scheme",
        "request_uri",
        "uri",
        "args",
        "is_args",
        "request_method",
        "document_uri",
        "query_string",
        "request",
    }
    return any(name not in plain for name in names)


@theme.rule(
    "cache-key-without-path",
    ERROR,
    "All pages of a site share one cached page",
    why="The key has no path in it: the page that was cached first is served for every other path.",
    fix='proxy_cache_key "$scheme$host$request_uri";',
    bad="proxy_cache_path /var/cache/nginx/pages keys_zone=pages:1m;\n"
    "server { listen 8080; location / { proxy_cache pages; proxy_cache_key $scheme$host; "
    "proxy_pass http://127.0.0.1:9000; } }",
    good="proxy_cache_path /var/cache/nginx/pages keys_zone=pages:1m;\n"
    "server { listen 8080; location = / { proxy_cache pages; proxy_cache_key $scheme$host; "
    "proxy_pass http://127.0.0.1:9000; } }",
)
def cache_without_path(subject: Subject) -> Iterator[Hit]:
    """Nothing in the key tells paths apart, where more than one path is cached."""
    for directive, around in subject.config.find(*(f"{cache}_key" for cache in _CACHES)):
        names = re.findall(r"\$\{?(\w+)", " ".join(directive.args))
        if not around or not all(map(_SAME_FOR_ALL_PATHS.fullmatch, names)):
            continue
        cache = directive.name.removesuffix("_key")
        zone = value(cache, around[-1], around[:-1])
        if _caches_paths(around[-1], cache, on=zone not in (None, "off")):
            yield Hit(directive, f"{' '.join(directive.args)} is the same for all paths")


def _caches_paths(block: Directive, cache: str, *, on: bool) -> bool:
    """Whether a block, or one in it without a key of its own, caches more than one path."""
    own = block.first(cache)
    on = own.args != ("off",) if own is not None else on
    if block.name == "location":
        if block.args[:1] and block.args[0].startswith("="):
            return False
        if on and block.first(cache.replace("_cache", "_pass")) is not None:
            return True
    inner = (x for x in block.all("server", "location") if x.first(f"{cache}_key") is None)
    return any(_caches_paths(x, cache, on=on) for x in inner)


@theme.rule(
    "cache-key-without-arguments",
    WARNING,
    "Cached pages are the same for all arguments",
    why="/search?q=a and /search?q=b share one cached page.",
    fix="Use $request_uri, or add $is_args$args.",
    bad="proxy_cache_key $scheme$host$uri;",
    good="proxy_cache_key $scheme$host$uri$is_args$args;",
    context="server",
)
def cache_without_arguments(subject: Subject) -> Iterator[Hit]:
    """A key of ``$uri`` alone."""
    for directive, _ in subject.config.find("proxy_cache_key", "fastcgi_cache_key", "uwsgi_cache_key"):
        names = set(re.findall(r"\$\{?(\w+)", directive.args[0])) if directive.args else set()
        arguments = {"args", "query_string", "request_uri", "request"}
        if (
            names & {"uri", "document_uri"}
            and not names & arguments
            and not any(n.startswith("arg_") for n in names)
        ):
            yield Hit(directive, f"{directive.args[0]} has no arguments in it")


@theme.rule(
    "cached-for-everybody",
    WARNING,
    "Pages that set cookies are cached for everybody",
    why="With Set-Cookie or Cache-Control ignored, one visitor's page and session are served to others.",
    fix="Leave Set-Cookie and Cache-Control out of proxy_ignore_headers, or do not cache for who "
    "is logged in.",
    bad="location / {\n    proxy_ignore_headers Cache-Control Set-Cookie;\n    proxy_pass http://127.0.0.1:9000;\n}",
    good="location / {\n    proxy_ignore_headers Vary;\n    proxy_pass http://127.0.0.1:9000;\n}",
    context="server",
)
def cached_for_everybody(subject: Subject) -> Iterator[Hit]:
    """``Set-Cookie`` ignored, and not hidden."""
    for directive, around in subject.config.find("proxy_ignore_headers", "fastcgi_ignore_headers"):
        hidden = (
            scope(directive.name.replace("ignore_headers", "hide_header"), around[-1], around[:-1])
            if around
            else ()
        )
        seen = any(d.args and d.args[0].lower() == "set-cookie" for d in hidden)
        if not seen and "set-cookie" in {arg.lower() for arg in directive.args}:
            yield Hit(directive, "Set-Cookie is ignored")


@theme.rule(
    "cache-without-key",
    ERROR,
    "A cache that takes every page for the same",
    why="Only proxy_cache has a key by itself. Without one the page that is cached first is served for all.",
    fix='fastcgi_cache_key "$scheme$request_method$host$request_uri";',
    bad="fastcgi_cache_path /var/cache/nginx/wiki keys_zone=wiki:1m;\n"
    "server { listen 8080; location / { fastcgi_cache wiki; fastcgi_pass 127.0.0.1:9000; } }",
    good="fastcgi_cache_path /var/cache/nginx/wiki keys_zone=wiki:1m;\n"
    "fastcgi_cache_key $request_method$host$request_uri;\n"
    "server { listen 8080; location / { fastcgi_cache wiki; fastcgi_pass 127.0.0.1:9000; } }",
)
def cache_without_key(subject: Subject) -> Iterator[Hit]:
    """Where ``fastcgi_pass``, ``uwsgi_pass`` or ``scgi_pass`` goes through a cache, and no key holds."""
    for directive, around in subject.config.find("fastcgi_pass", "uwsgi_pass", "scgi_pass"):
        kind = directive.name.removesuffix("_pass")
        if not around or subject.open_scope(around[-1], around[:-1]):
            continue
        zone = value(f"{kind}_cache", around[-1], around[:-1])
        if zone not in (None, "off") and value(f"{kind}_cache_key", around[-1], around[:-1]) is None:
            yield Hit(directive, f"{kind}_cache {zone} holds here, and no {kind}_cache_key")


@theme.rule(
    "cache-takes-head-for-get",
    ERROR,
    "The empty answer to HEAD is kept for those who ask with GET",
    why="With proxy_cache_convert_head off HEAD goes on as HEAD, and what comes back has no body. Under the "
    "same key the next who asks for the page gets that.",
    fix="proxy_cache_key $request_method$scheme$proxy_host$request_uri;",
    bad="proxy_cache_path /var/cache/nginx/pages keys_zone=pages:1m;\n"
    "server { listen 8080; location / { proxy_cache pages; proxy_cache_convert_head off; "
    "proxy_pass http://127.0.0.1:9000; } }",
    good="proxy_cache_path /var/cache/nginx/pages keys_zone=pages:1m;\n"
    "server { listen 8080; location / { proxy_cache pages; proxy_cache_convert_head off; "
    "proxy_cache_key $request_method$host$request_uri; proxy_pass http://127.0.0.1:9000; } }",
)
def head_for_get(subject: Subject) -> Iterator[Hit]:
    """Where ``proxy_pass`` goes through a cache whose key has neither method nor a variable of its own."""
    for directive, around in subject.config.find("proxy_pass"):
        if not around or subject.open_scope(around[-1], around[:-1]):
            continue
        here = around[-1], around[:-1]
        if value("proxy_cache", *here) in (None, "off") or value("proxy_cache_convert_head", *here) != "off":
            continue
        key = value("proxy_cache_key", *here) or "$scheme$proxy_host$request_uri"
        names = re.findall(r"\$\{?(\w+)", key)
        if "request_method" not in names and all(_SAME_FOR_ALL_METHODS.fullmatch(name) for name in names):
            yield Hit(directive, f"the key {key} is the same for HEAD and GET")
