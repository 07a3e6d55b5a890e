"""Files on disk and the locations that lead to them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployer.lint.rules.base import ERROR, INFO, WARNING, Hit, Theme
from deployer.lint.rules.matching import Location, location_of
from deployer.lint.rules.subject import Around, Server, Subject, in_stream, inside, locations_of, scope
from deployer.nginx.tree import Directive

theme = Theme("Locations and files")

_PASSES = ("proxy_pass", "grpc_pass", "uwsgi_pass", "scgi_pass")
_SELF = re.compile(r"\$\{?(uri|document_uri|request_uri)\}?(/|\.\w+)?")


@theme.rule(
    "location-without-tilde",
    ERROR,
    "A regular expression without its ~",
    why="Without '~' the location is a plain prefix: no path begins like that, so it is never chosen.",
    fix="Write 'location ~ ...' (or '~*' to ignore case).",
    bad="location \\.php$ {\n    return 200;\n}",
    good="location ~ \\.php$ {\n    return 200;\n}",
    context="server",
)
def without_tilde(subject: Subject) -> Iterator[Hit]:
    """Signs that are in no path, or no leading slash."""
    for block, around in locations_of(subject):
        location = location_of(block)
        if location.regex or location.named or not location.pattern or in_stream(around):
            continue
        if re.search(r"\\[.dwsS/]|^\^|\$$|\.\*|\(.*\||\*$|\?$", location.pattern):
            yield Hit(block, f'"{location.pattern}" is taken as it is, not as a pattern')
        elif not location.pattern.startswith("/") and not inside(around, "location"):
            yield Hit(block, f'no path begins with "{location.pattern}": every path begins with "/"')


@theme.rule(
    "alias-traversal",
    ERROR,
    "An alias that lets visitors climb out",
    why="/static../secret becomes DIRECTORY/../secret: files beside the directory can be read by everybody.",
    fix="End the location with '/' as the alias does.",
    bad="location /static {\n    alias /srv/www/static/;\n}",
    good="location /static/ {\n    alias /srv/www/static/;\n}",
    context="server",
)
def alias_traversal(subject: Subject) -> Iterator[Hit]:
    """The location lacks the slash that the alias has."""
    for directive, _, location in _aliases(subject):
        if location.prefix and directive.args[0].endswith("/") and not location.pattern.endswith("/"):
            yield Hit(directive, f'"{location.pattern}../" leads out of {directive.args[0]}')


@theme.rule(
    "alias-glued",
    ERROR,
    "An alias without the slash of its location",
    why="What follows the location is glued to the directory's name: /static/a.css is looked for "
    "as staticsa.css, and is 404.",
    fix="End the alias with '/'.",
    bad="location /static/ {\n    alias /srv/www/statics;\n}",
    good="location /static/ {\n    alias /srv/www/statics/;\n}",
    context="server",
)
def alias_glued(subject: Subject) -> Iterator[Hit]:
    """The location has the slash that the alias lacks."""
    for directive, _, location in _aliases(subject):
        path = directive.args[0]
        glued = location.prefix and location.pattern.endswith("/") and not path.endswith("/")
        if glued and "$" not in path and "." not in path.rpartition("/")[2]:
            yield Hit(directive, f'"{location.pattern}a" is looked for as {path}a')


@theme.rule(
    "alias-one-file",
    WARNING,
    "An alias in a regex location without what was matched",
    why="Every request of the location gets the one path that is written.",
    fix="Capture the rest of the path and use it: alias /srv/files/$1;",
    bad="location ~ ^/files/ {\n    alias /srv/files/;\n}",
    good="location ~ ^/files/(.*)$ {\n    alias /srv/files/$1;\n}",
    context="server",
)
def alias_one_file(subject: Subject) -> Iterator[Hit]:
    """No variable in it."""
    for directive, block, location in _aliases(subject):
        if location.regex and "$" not in directive.args[0] and not block.all("rewrite"):
            yield Hit(directive, f"always {directive.args[0]}")


def _aliases(subject: Subject) -> Iterator[tuple[Directive, Directive, Location]]:
    for directive, around in subject.config.find("alias"):
        if directive.args and around and around[-1].name == "location":
            yield directive, around[-1], location_of(around[-1])


@theme.rule(
    "root-repeats-location",
    WARNING,
    "The location's name stands in its root too",
    why="root keeps the location's path: /static/a.css is looked for in .../static/static/, and is 404.",
    fix="Write the directory above as root, or use alias.",
    bad="location /static/ {\n    root /srv/www/static;\n}",
    good="location /static/ {\n    root /srv/www;\n}",
    context="server",
)
def root_repeats(subject: Subject) -> Iterator[Hit]:
    """The root ends as the location does."""
    for directive, around in subject.config.find("root"):
        if not directive.args or not around or around[-1].name != "location":
            continue
        location = location_of(around[-1])
        own = location.pattern.strip("/")
        if location.prefix and own and f"{directive.args[0].rstrip('/')}/".endswith(f"/{own}/"):
            yield Hit(directive, f'"/{own}/a" is looked for as {directive.args[0].rstrip("/")}/{own}/a')


@theme.rule(
    "root-too-high",
    WARNING,
    "The root shows what nobody shall see",
    why="Everything below it that nginx can read is served: configuration, keys, passwords.",
    fix="Let root name the directory of the site.",
    bad="root /etc;",
    good="root /srv/www/shop;",
    context="server",
)
def root_too_high(subject: Subject) -> Iterator[Hit]:
    """Directories that hold a system."""
    for directive, _ in subject.config.find("root"):
        path = directive.args[0].rstrip("/") if directive.args else None
        if path in ("", "/etc", "/etc/nginx", "/root", "/home", "/var", "/var/log", "/proc"):
            yield Hit(directive, f"{directive.args[0]} is served")


@theme.rule(
    "try-files-loop",
    ERROR,
    "try_files ends with the file that was not found",
    why="The last word is where to go, not what to look for: the same location is asked again, "
    "ten times, then users get 500.",
    fix="End with =404, a page that is there, or a named location.",
    bad="location / {\n    try_files $uri $uri/;\n}",
    good="location / {\n    try_files $uri $uri/ =404;\n}",
    context="server",
)
def try_files_loop(subject: Subject) -> Iterator[Hit]:
    """The last argument is ``$uri``, alone or with a slash or suffix."""
    for directive, around in subject.config.find("try_files"):
        if directive.args and not in_stream(around) and _SELF.fullmatch(directive.args[-1]):
            yield Hit(directive, f'"{directive.args[-1]}" is asked for again and again')


@theme.rule(
    "named-location-unknown",
    ERROR,
    "A @name that is no location",
    why="nginx looks for it only when it is needed: users get 500.",
    fix="Correct the name, or write the location.",
    bad="location / {\n    try_files $uri @backend;\n}\nlocation @app {\n    proxy_pass http://127.0.0.1:9000;\n}",
    good="location / {\n    try_files $uri @app;\n}\nlocation @app {\n    proxy_pass http://127.0.0.1:9000;\n}",
    context="server",
)
def unknown_name(subject: Subject) -> Iterator[Hit]:
    """In ``try_files`` and ``error_page``."""
    for directive, around in subject.config.find("try_files", "error_page"):
        name = directive.args[-1] if directive.args else ""
        server = subject.server_of(around)
        if not name.startswith("@") or "$" in name or server is None or subject.is_open(server.at):
            continue
        if name not in server.locations.names:
            known = ", ".join(sorted(server.locations.names))
            yield Hit(directive, f"there is no location {name}" + (f", only {known}" if known else ""))


@theme.rule(
    "try-files-before-proxy",
    ERROR,
    "try_files keeps requests from the proxy",
    why="What is no file on this host is answered 404 before proxy_pass is looked at.",
    fix="Hand over to a named location: try_files $uri @app;",
    bad="location / {\n    try_files $uri $uri/ =404;\n    proxy_pass http://127.0.0.1:9000;\n}",
    good="location / {\n    try_files $uri @app;\n}\nlocation @app {\n    proxy_pass http://127.0.0.1:9000;\n}",
    context="server",
)
def try_files_before_proxy(subject: Subject) -> Iterator[Hit]:
    """In one location. (With ``fastcgi_pass`` that is how PHP is protected.)"""
    for directive, around in subject.config.find("try_files"):
        if not directive.args or not around or around[-1].name != "location":
            continue
        handler = around[-1].first(*_PASSES)
        if handler is not None:
            sure = re.fullmatch(r"=[45]\d\d", directive.args[-1]) is not None
            says = f'"{handler.name}" on line {handler.line} gets only what is a file here'
            yield Hit(directive, says, None if sure else WARNING)


_SAID = re.compile(r"\$\{?(arg_\w+|args|query_string|cookie_\w+|http_cookie|request_method)\}?")


@theme.rule(
    "if-drops-try-files",
    ERROR,
    "An if in a location with try_files",
    why="Where the condition is true, nginx goes on inside the if, and try_files is forgotten: "
    "users get 404.",
    fix="Let the if only return or rewrite, or use a map.",
    bad="location / {\n    if ($http_cookie) {\n        set $member 1;\n    }\n    try_files "
    "$uri /index.html;\n}",
    good="location / {\n    if ($request_method = TRACE) {\n        return 405;\n    }\n    "
    "try_files $uri /index.html;\n}",
    context="server",
)
def if_drops_try_files(subject: Subject) -> Iterator[Hit]:
    """Unless it ends the request. A warning where it does not ask for what ordinary users say (arguments,
    cookies, POST), or try_files leads to nothing but a status."""
    for block, around in subject.config.find("if"):
        if not around or around[-1].name != "location" or around[-1].first("try_files") is None:
            continue
        ends = any(d.name == "return" for d in block.block or ())
        ends = ends or any(
            d.args and d.args[-1] in ("last", "redirect", "permanent") for d in block.all("rewrite")
        )
        ends = ends or any(
            d.args[1:2] and d.args[1].startswith(("http", "$scheme")) for d in block.all("rewrite")
        )
        if not ends and block.block:
            sure = _is_said(block) and _leads_on(around[-1]) and block.first(*_PASSES) is None
            yield Hit(block, "try_files holds only while this is false", None if sure else WARNING)


def _is_said(block: Directive) -> bool:
    """Whether a condition is about what users say, not about what is a file."""
    return bool(block.args) and _SAID.fullmatch(block.args[0]) is not None


def _leads_on(location: Directive) -> bool:
    """Whether what is no file is answered by something else."""
    tries = location.first("try_files")
    return tries is not None and bool(tries.args) and not tries.args[-1].startswith("=")


@theme.rule(
    "location-shadowed",
    WARNING,
    "A regex location takes everything from a prefix one",
    why="A regular expression wins over a plain prefix: what stands in the prefix location is never reached.",
    fix="Write the prefix with '^~', or make the expression narrower.",
    bad="location /api/ {\n    proxy_pass http://127.0.0.1:9000;\n}\nlocation ~ ^/ {\n    root /srv/www;\n}",
    good="location ^~ /api/ {\n    proxy_pass http://127.0.0.1:9000;\n}\nlocation ~ \\.php$ {\n   "
    " root /srv/www;\n}",
    context="server",
)
def shadowed(subject: Subject) -> Iterator[Hit]:
    """Tried with a few paths below the prefix."""
    for server in subject.servers:
        if not server.locations.regexes:
            continue
        for location in server.locations.prefixes.values():
            taker = _taker(server, location)
            if taker is not None:
                pattern = taker.pattern
                yield Hit(location.at, f'"{pattern}" (line {taker.at.line}) takes every request of it')


def _taker(server: Server, location: Location) -> Location | None:
    if location.modifier == "^~" or not location.at.block or location.at.all("location"):
        return None
    base = location.pattern if location.pattern.endswith("/") else location.pattern + "/"
    tried = [location.pattern, f"{base}x", f"{base}Index.html", f"{base}a-1/b_2", f"{base}q.json"]
    chosen = [server.locations.choose(path) for path in tried]
    first = chosen[0]
    return first if first is not None and first.regex and all(one is first for one in chosen) else None


@theme.rule(
    "regex-takes-files-of-proxy",
    INFO,
    "A regex for files also takes those of an application",
    why="/app/logo.png goes to the regex location, not to the proxy: where the file is not on "
    "this host it is 404.",
    fix="Nothing, if the files are here; else 'location ^~ /app/'.",
    bad="location /app/ {\n    proxy_pass http://127.0.0.1:9000;\n}\nlocation ~ \\.(png|css)$ {\n"
    "    root /srv/www;\n}",
    good="location ^~ /app/ {\n    proxy_pass http://127.0.0.1:9000;\n}\nlocation ~ \\.(png|css)$ "
    "{\n    root /srv/www;\n}",
    context="server",
)
def takes_files(subject: Subject) -> Iterator[Hit]:
    """A prefix that hands over, a regex that does not."""
    for server in subject.servers:
        if not server.locations.regexes:
            continue
        for location in server.locations.prefixes.values():
            if location.modifier == "^~" or location.at.first(*_PASSES) is None or location.pattern == "/":
                continue
            base = location.pattern.rstrip("/")
            taker = server.locations.choose(f"{base}/x.png") or server.locations.choose(f"{base}/x.css")
            if (
                taker is not None
                and taker.regex
                and taker.at.first(*_PASSES, "fastcgi_pass", "return") is None
            ):
                yield Hit(taker.at, f'"{base}/x.png" comes here, not to line {location.at.line}')
                break


@theme.rule(
    "expressions-shut-out",
    ERROR,
    "No regular expression of the site is looked at any more",
    why="'^~ /' takes every path that no other prefix takes, and stops the search there: scripts are handed "
    "out as text, and what the expressions closed is open.",
    fix="Write 'location /', without '^~'.",
    bad="root /srv/www;\nlocation ^~ / {\n}\nlocation ~ /\\. {\n    deny all;\n}",
    good="root /srv/www;\nlocation ^~ /static/ {\n}\nlocation ~ /\\. {\n    deny all;\n}",
    context="server",
)
def expressions_shut_out(subject: Subject) -> Iterator[Hit]:
    """``^~ /`` beside expressions of the same server."""
    for server in subject.servers:
        every = server.locations.all
        stops = next((x for x in every if x.modifier == "^~" and x.pattern == "/"), None)
        dead = next((x for x in every if x.regex), None)
        if stops is not None and dead is not None:
            yield Hit(stops.at, f"line {dead.at.line} is not looked at")


@theme.rule(
    "location-internal",
    ERROR,
    "The root of a site is internal",
    why="'internal' answers every request from outside with 404.",
    fix="Take it out of this location.",
    bad="location / {\n    internal;\n    proxy_pass http://127.0.0.1:9000;\n}",
    good="location /protected/ {\n    internal;\n    root /srv/files;\n}",
    context="server",
)
def internal(subject: Subject) -> Iterator[Hit]:
    """``internal`` in ``location /``."""
    for directive, around in subject.config.find("internal"):
        if around and around[-1].name == "location" and not inside(around[:-1], "location"):
            location = location_of(around[-1])
            if location.prefix and location.pattern == "/":
                yield Hit(directive, "nobody outside can ask for anything below /")


@theme.rule(
    "no-root",
    WARNING,
    "Files are looked for, and nobody said where",
    why="Without root nginx looks in its own directory (/usr/share/nginx/html): users see its "
    "welcome page or 404.",
    fix="Set root.",
    bad="location / {\n    try_files $uri $uri/ =404;\n}",
    good="root /srv/www/shop;\nlocation / {\n    try_files $uri $uri/ =404;\n}",
    context="server",
)
def no_root(subject: Subject) -> Iterator[Hit]:
    """``try_files $uri`` with neither root nor alias around it."""
    for directive, around in subject.config.find("try_files"):
        if not around or not any("$uri" in arg for arg in directive.args[:-1]) or in_stream(around):
            continue
        if subject.open_scope(around[-1], around[:-1]) or _set(around, "root") or _set(around, "alias"):
            continue
        yield Hit(directive, "neither root nor alias holds here")


def _set(around: Around, name: str) -> bool:
    return bool(scope(name, around[-1], around[:-1]))
