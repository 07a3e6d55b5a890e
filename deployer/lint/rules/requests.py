"""What is believed of a request, and what is refused for what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployer.lint.rules.base import ERROR, WARNING, Hit, Theme, words
from deployer.lint.rules.matching import location_of
from deployer.lint.rules.refusing import refusal
from deployer.lint.rules.subject import Around, Subject, in_stream
from deployer.nginx.samples import matches
from deployer.nginx.tree import Directive

theme = Theme("What requests say")

_EVERYBODY = ("0.0.0.0/0", "::/0")
_BY_ADDRESS = re.compile(r"\$\{?(binary_)?remote_addr\b")

_KEY = re.compile(
    r"\$\{?(http|cookie|arg)_\w*(api_?key|token|secret|signature|password)\w*\}?", re.IGNORECASE
)

_NOT_EMPTY = (("!=",), ("!=", ""))  # an empty word may have been left out

_ORDINARY = words(
    "q=plum%20jam q=plum+jam page=2&sort=name id=42 utm_source=letter&utm_medium=mail lang=en"
    " next=%2Faccount%2F email=a%40example.com v=1.2.3"
)
"""Arguments that any site is sent: two words, a page of a list, a campaign, a way back."""


@theme.rule(
    "address-from-anybody",
    ERROR,
    "Everybody may say which address they come from",
    why="With set_real_ip_from 0.0.0.0/0 the header of any client is believed: allow, deny, geo and limits "
    "by address can be got round with one line.",
    fix="Name the addresses of the balancers only.",
    bad="set_real_ip_from 0.0.0.0/0;\nreal_ip_header X-Forwarded-For;\nserver {\n    listen 8080;\n"
    "    root /srv/www;\n    location /admin/ {\n        allow 10.0.0.0/8;\n        deny all;\n    }\n}",
    good="set_real_ip_from 10.0.0.0/8;\nreal_ip_header X-Forwarded-For;\nserver {\n    listen 8080;\n"
    "    root /srv/www;\n    location /admin/ {\n        allow 10.0.0.0/8;\n        deny all;\n    }\n}",
)
def address_from_anybody(subject: Subject) -> Iterator[Hit]:
    """A warning where nothing in the configuration is decided by the address."""
    decides = _decided_by_address(subject)
    for directive, around in subject.config.find("set_real_ip_from"):
        if directive.args[:1] and directive.args[0] in _EVERYBODY and not in_stream(around):
            if decides is None:
                yield Hit(directive, "every client is believed", WARNING)
            else:
                where = f"{decides.file}:{decides.line}"
                yield Hit(directive, f'every client is believed, also for "{decides.name}" at {where}')


def _decided_by_address(subject: Subject) -> Directive | None:
    for directive, around in subject.config.find("allow", "geo", "limit_req_zone", "limit_conn_zone"):
        if in_stream(around):
            continue
        if directive.name == "allow" and directive.args not in (("all",), ()):
            return directive
        if directive.name == "geo" and len(directive.args) == 1:
            return directive
        if directive.args and _BY_ADDRESS.search(directive.args[0]):
            return directive
    return None


@theme.rule(
    "ordinary-arguments-refused",
    ERROR,
    "Arguments that any user sends are refused",
    why="What was written against attacks fits a search for two words, or the second page of a list: users "
    "get the error.",
    fix="Make the expression fit attacks only, or leave them to the application.",
    bad='root /srv/www;\nif ($args ~* "(%20|union|select)") {\n    return 403;\n}',
    good='root /srv/www;\nif ($args ~* "union[^a-z]+select") {\n    return 403;\n}',
    context="server",
)
def ordinary_arguments(subject: Subject) -> Iterator[Hit]:
    """``if`` with an error on ``$args``, ``$query_string`` or ``$request_uri``, for the whole site. A warning
    in a location of its own."""
    for block, around in subject.config.find("if"):
        found = refusal(block, around)
        if found is None or not around or len(block.args) != 3:
            continue
        sample = _refused_sample(block.args)
        if sample is not None:
            says = f'"?{sample}" is answered {found.args[0]}'
            yield Hit(block, says, None if _whole_site(around) else WARNING)


def _refused_sample(args: tuple[str, ...]) -> str | None:
    variable, operator, pattern = args
    if operator not in ("~", "~*") or variable.strip("${}") not in ("args", "query_string", "request_uri"):
        return None
    begin = "/list?" if variable.strip("${}") == "request_uri" else ""
    if matches(pattern, "/list" if begin else "", ignore_case=operator == "~*") is not False:
        return None  # it is not about arguments
    fits = (x for x in _ORDINARY if matches(pattern, begin + x, ignore_case=operator == "~*"))
    return next(fits, None)


def _whole_site(around: Around) -> bool:
    return around[-1].name == "server" or (
        around[-1].name == "location" and location_of(around[-1]).pattern == "/"
    )


@theme.rule(
    "script-told-its-own-address",
    ERROR,
    "The script is told its own address for the one that was asked for",
    why="REQUEST_URI is what the user asked for. $uri is what became of it, mostly /index.php: the "
    "application shows its front page, or nothing, for every address.",
    fix="fastcgi_param REQUEST_URI $request_uri;",
    bad="location / {\n    fastcgi_param REQUEST_URI $uri;\n    fastcgi_pass 127.0.0.1:9000;\n}",
    good="location / {\n    fastcgi_param REQUEST_URI $request_uri;\n    fastcgi_pass 127.0.0.1:9000;\n}",
    context="server",
)
def told_its_own_address(subject: Subject) -> Iterator[Hit]:
    """``REQUEST_URI`` of FastCGI, uwsgi or SCGI made of ``$uri``, ``$document_uri`` or the script's name."""
    for directive, _ in subject.config.find("fastcgi_param", "uwsgi_param", "scgi_param"):
        if len(directive.args) < 2 or directive.args[0] != "REQUEST_URI":
            continue
        if re.match(r"\$\{?(uri|document_uri|fastcgi_script_name)\b", directive.args[1]):
            yield Hit(directive, f"the application is told {directive.args[1]}")


@theme.rule(
    "ranges-off",
    WARNING,
    "Nobody gets a part of a file",
    why="Downloads cannot be resumed, and browsers that play videos by parts (Safari) play none.",
    fix="max_ranges 5; keeps off requests for very many parts.",
    bad="max_ranges 0;",
    good="max_ranges 5;",
    context="server",
)
def ranges_off(subject: Subject) -> Iterator[Hit]:
    """``max_ranges 0``."""
    for directive, _ in subject.config.find("max_ranges"):
        if directive.args == ("0",):
            yield Hit(directive, "Range is ignored")


@theme.rule(
    "slashes-not-merged",
    WARNING,
    "Two slashes are not one",
    why="//admin/ is not below location /admin/ any more: what that location closes is open, what it serves "
    "is not found.",
    fix="Leave merge_slashes on, or take locations by expressions that allow more slashes: ~ ^/+admin/.",
    bad="merge_slashes off;\nlocation / {\n    proxy_pass http://127.0.0.1:9000;\n}\n"
    "location /admin/ {\n    allow 10.0.0.0/8;\n    deny all;\n    proxy_pass http://127.0.0.1:9000;\n}",
    good="merge_slashes off;\nlocation / {\n    proxy_pass http://127.0.0.1:9000;\n}",
    context="server",
)
def slashes_not_merged(subject: Subject) -> Iterator[Hit]:
    """Where a server beneath it has locations other than ``/``."""
    for directive, around in subject.config.find("merge_slashes"):
        if directive.args != ("off",) or in_stream(around):
            continue
        servers = [s for s in subject.servers if not around or around[-1] in (s.at, *s.around)]
        found = (x for s in servers for x in s.locations.all if not x.regex and not x.named)
        one = next((x for x in found if x.pattern != "/"), None)
        if one is not None:
            yield Hit(directive, f"/{one.pattern} is not found by the location {one.pattern}")


@theme.rule(
    "key-refused",
    ERROR,
    "Who gives a key is refused, and who gives none is let in",
    why='A secret that a template left empty: != "" is true for everybody who has a key.',
    fix='if ($http_x_api_key != "the key") { return 401; }',
    bad='location /api/ {\n    if ($http_x_api_key != "") {\n        return 401;\n    }\n'
    "    proxy_pass http://127.0.0.1:9000;\n}",
    good='location /api/ {\n    if ($http_x_api_key = "") {\n        return 401;\n    }\n'
    "    proxy_pass http://127.0.0.1:9000;\n}",
    context="server",
)
def key_refused(subject: Subject) -> Iterator[Hit]:
    """401 or 403 for a header, cookie or argument that is called like a key and is not empty."""
    for block, around in subject.config.find("if"):
        found = refusal(block, around)
        if found is None or block.args[1:] not in _NOT_EMPTY or found.args[:1] not in (("401",), ("403",)):
            continue
        if _KEY.fullmatch(block.args[0]):
            yield Hit(block, f"{block.args[0]} with anything in it is answered {found.args[0]}")
