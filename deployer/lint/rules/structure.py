"""Files that are read, and files that are not."""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Iterator

from deployer.lint.rules.base import ERROR, WARNING, Hit, Theme, words
from deployer.lint.rules.subject import Subject, place
from deployer.nginx.configuration import Include, is_glob

theme = Theme("Files and blocks")

SET_ASIDE = re.compile(
    r"(\.(disabled?|off|bak|backup|old|orig|save|sample|example|dist|template|tmpl|inactive|dpkg-\w+|rpm\w+|md|txt|j2"
    r"|swp|key|crt|pem|csr|json|lua|js|html?|sh|py|htpasswd|inc)|~|^README.*|^\..*)$",
    re.IGNORECASE,
)
"""Names of files that are not meant to be read as a site."""
_SWALLOWS = (
    "server_name",
    "index",
    "try_files",
    "gzip_types",
    "valid_referers",
    "ssl_protocols",
    "add_header",
)
_WORDS = frozenset(
    words(
        "listen server_name root alias index location return rewrite if set include error_page"
        " access_log error_log proxy_pass proxy_set_header proxy_http_version fastcgi_pass"
        " fastcgi_param uwsgi_pass grpc_pass try_files add_header expires allow deny auth_basic"
        " ssl_certificate ssl_certificate_key ssl_protocols ssl_ciphers limit_req limit_conn"
        " client_max_body_size charset gzip sendfile keepalive_timeout default_type"
    )
)


@theme.rule(
    "syntax",
    ERROR,
    "A file cannot be read",
    why="nginx refuses the configuration, or reads something else than what was meant.",
    fix="Correct the text at that line: a missing ';', '}' or quote is most often just above.",
    bad="server {\n    listen 8080\n}",
    good="server {\n    listen 8080;\n}",
    refused=True,
)
def syntax(subject: Subject) -> Iterator[Hit]:
    """The parser's complaints; where Lua may have confused it, only a warning."""
    for problem in subject.config.problems:
        if problem.kind != "recursion":
            yield Hit(
                place(problem.file, problem.line), problem.message, WARNING if problem.doubtful else None
            )


@theme.rule(
    "include-recursion",
    ERROR,
    "Files include each other without end",
    why="nginx opens files until it runs out of descriptors, and refuses the configuration.",
    fix="Take the include out of one of the files.",
    bad="include loop.conf;\n# file: loop.conf\ninclude loop.conf;\n",
    good="include once.conf;\n# file: once.conf\nserver { listen 8080; }\n",
    refused=True,
)
def recursion(subject: Subject) -> Iterator[Hit]:
    """A file that is reached from itself."""
    for problem in subject.config.problems:
        if problem.kind == "recursion":
            yield Hit(place(problem.file, problem.line), problem.message)


@theme.rule(
    "include-missing",
    ERROR,
    "An included file is not in the tree",
    why="nginx refuses the configuration: the tree becomes the whole directory on the host, so "
    "the file is not there.",
    fix="Put the file into the tree, correct its name, or name it in target.preserve when the host owns it.",
    bad="include snippets/headers.conf;\nserver { listen 8080; }",
    good="include snippets/headers.conf;\nserver { listen 8080; }\n# file: snippets/headers.conf\n"
    "server_tokens off;\n",
    whole=True,
    refused=True,
)
def include_missing(subject: Subject) -> Iterator[Hit]:
    """Below the directory and owned by nobody else. Where nobody said who owns what, and nothing stands
    beside it, only a warning."""
    for include in subject.config.includes:
        if include.glob or not include.missing or not subject.below(include.pattern):
            continue
        if not subject.kept(include.pattern) and not subject.exists(include.pattern):
            name = subject.relative(include.pattern)
            there = any(posixpath.dirname(n) == posixpath.dirname(name) for n in subject.config.files)
            sure = subject.preserve is not None or there
            yield Hit(include.directive, f"{name} is not in the tree", None if sure else WARNING)


@theme.rule(
    "include-lost",
    ERROR,
    "A pattern matches none of the files that it must mean",
    why="nginx does not mind a pattern that matches nothing: the sites are gone, their port is "
    "closed or another site answers.",
    fix="Correct the pattern, or the names of the files.",
    bad="include sites/*.conf;\nserver { listen 8080; }\n# file: sites/shop\nserver { listen 8081; }\n",
    good="include sites/*;\nserver { listen 8080; }\n# file: sites/shop\nserver { listen 8081; }\n",
    whole=True,
)
def include_lost(subject: Subject) -> Iterator[Hit]:
    """Nothing matches, yet unread files stand there, or in a directory with nearly that name."""
    for include in _empty(subject):
        unread = _unread_in(subject, posixpath.dirname(subject.relative(include.pattern)))
        if unread:
            names = ", ".join(unread[:3])
            yield Hit(
                include.directive, f"{include.directive.args[0]} matches nothing, and nothing reads {names}"
            )
            continue
        near = _near(subject, posixpath.dirname(subject.relative(include.pattern)))
        if near:
            yield Hit(include.directive, f"{include.directive.args[0]} matches nothing; is {near}/ meant?")


@theme.rule(
    "include-empty",
    WARNING,
    "A pattern matches nothing",
    why="nginx does not mind: what it was meant to bring is not there.",
    fix="Take the include out, or put the files there. If the host owns them, name them in target.preserve.",
    bad="include upstreams/*.conf;\nserver { listen 8080; }",
    good="include upstreams/*.conf;\nserver { listen 8080; }\n# file: upstreams/a.conf\nupstream "
    "a { server 127.0.0.1:1; }\n",
    whole=True,
)
def include_empty(subject: Subject) -> Iterator[Hit]:
    """Nothing matches, and nothing else in the tree looks as if it was meant."""
    lost = {id(hit.at) for hit in include_lost(subject)}
    for include in _empty(subject):
        if id(include.directive) not in lost:
            yield Hit(include.directive, f"{include.directive.args[0]} matches nothing in the tree")


@theme.rule(
    "no-server",
    ERROR,
    "Nothing is served at all",
    why="nginx starts and listens nowhere: every request is refused.",
    fix="Bring back the include of the sites, or the server blocks.",
    bad="sendfile on;",
    good="sendfile on;\nserver { listen 8080; }",
    whole=True,
)
def no_server(subject: Subject) -> Iterator[Hit]:
    """No ``server`` in ``http``, ``stream`` or ``mail``."""
    config = subject.config
    blocks = [d for d in config.directives if d.name in ("http", "stream", "mail")]
    if subject.open_main or any(subject.is_open(b) for b in blocks) or config.problems:
        return
    if any(
        d.block is not None and around[-1].name != "upstream" for d, around in config.find("server") if around
    ):
        return
    at = next((d for d in blocks if d.name == "http"), None) or place(config.main, 1)
    unsure = subject.preserve is None and any(not i.matched for i in config.includes) and not _sites(subject)
    yield Hit(at, "there is no server block in the whole configuration", WARNING if unsure else None)


@theme.rule(
    "file-not-read",
    WARNING,
    "A site's file is read by nobody",
    why="Its neighbours are matched by the include and it is not: the site does not exist.",
    fix="Give it the suffix that the include wants, or one that says it is set aside (.disabled).",
    bad="include conf.d/*.conf;\n# file: conf.d/a.conf\nserver { listen 8080; }\n# file: "
    "conf.d/b.cnf\nserver { listen 8081; }\n",
    good="include conf.d/*.conf;\n# file: conf.d/a.conf\nserver { listen 8080; }\n# file: "
    "conf.d/b.conf\nserver { listen 8081; }\n",
    whole=True,
)
def file_not_read(subject: Subject) -> Iterator[Hit]:
    """Beside files that a pattern matches."""
    seen = set()
    for include in subject.config.includes:
        directory = posixpath.dirname(subject.relative(include.pattern))
        if include.glob and include.matched and subject.below(include.pattern) and directory not in seen:
            seen.add(directory)
            for name in _unread_in(subject, directory):
                yield Hit(place(name, 1), f"{name} is not matched by {include.directive.args[0]}")


@theme.rule(
    "missing-semicolon",
    ERROR,
    "A directive swallows the next line",
    why="Without its ';' a directive that takes any number of words takes the next line too: "
    "that is not set, and the words mean something else.",
    fix="End the line above with ';'.",
    bad="server {\n    listen 8080;\n    server_name shop.example.com\n    root /srv/shop;\n}",
    good="server {\n    listen 8080;\n    server_name shop.example.com\n        www.example.com;\n"
    "    root /srv/shop;\n}",
)
def missing_semicolon(subject: Subject) -> Iterator[Hit]:
    """A later line of the directive begins with the name of another."""
    for directive, _ in subject.config.find(*_SWALLOWS):
        words = _WORDS.intersection(directive.args[1:])
        if not words:
            continue
        lines = subject.config.lines(directive.file)[
            directive.line : directive.line + 2 * len(directive.args)
        ]
        for line in lines:
            first = line.split(maxsplit=1)
            if len(first) == 2 and first[0] in words:
                yield Hit(directive, f'"{directive.name}" swallows the line "{line.strip()}"')
                break
            if ";" in line:
                break


def _empty(subject: Subject) -> Iterator[Include]:
    seen: set[int] = set()
    for include in subject.config.includes:
        if not include.glob or include.matched or include.missing or id(include.directive) in seen:
            continue
        seen.add(id(include.directive))
        if subject.below(include.pattern) and not subject.kept(include.pattern):
            yield include


def _sites(subject: Subject) -> list[str]:
    return [
        name for name in subject.config.files if name not in subject.config.read and _is_site(subject, name)
    ]


def _unread_in(subject: Subject, directory: str) -> list[str]:
    if is_glob(directory) or not directory:
        return []
    there = [
        n for n in subject.config.files if posixpath.dirname(n) == directory and n not in subject.config.read
    ]
    return sorted(name for name in there if _is_site(subject, name))


def _is_site(subject: Subject, name: str) -> bool:
    if SET_ASIDE.search(posixpath.basename(name)):
        return False
    return (
        re.search(rb"(?m)^[^#\n]*\b(server|upstream|map|location)\b[^;#\n]*\{", subject.config.files[name])
        is not None
    )


def _near(subject: Subject, directory: str) -> str | None:
    directories = {posixpath.dirname(n) for n in subject.config.files if n not in subject.config.read}
    if directory in {posixpath.dirname(n) for n in subject.config.files}:
        return None
    near = difflib.get_close_matches(directory, sorted(directories - {""}), n=1, cutoff=0.75)
    read = {posixpath.dirname(n) for n in subject.config.read}
    return next((d for d in near if d not in read and _unread_in(subject, d)), None)
