"""Who answers: addresses, ports and names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployer.lint.rules.base import ERROR, INFO, WARNING, Hit, Theme
from deployer.lint.rules.subject import Server, Subject

theme = Theme("Addresses and names")

_NAME = re.compile(
    r"\.?(\*\.)?[^\s\x00-\x2c/:;<=>?@\[-^`{-\x7f\u2000-\u206f\u00a0\ufeff\u00ab\u00bb]+(\.\*)?"
)
_INVALID_ON_PURPOSE = re.compile(r"[_\-!@#]*|\"\"|''")
_IP = re.compile(r"\[[0-9a-f:.]+\]|[0-9.]+")


@theme.rule(
    "server-name-malformed",
    ERROR,
    "A server_name that no request can have",
    why="nginx takes any word for a name. This one never equals a Host header, so another site "
    "answers, or the default.",
    fix="A name has no scheme, port, path, comma, quote or variable: write only host names, with "
    "spaces between.",
    bad="server {\n    listen 8080;\n    server_name https://shop.example.com shop.example.com:8080;\n}",
    good="server {\n    listen 8080;\n    server_name shop.example.com *.example.com "
    "~^www\\d+\\.example\\.net$ _;\n}",
)
def malformed(subject: Subject) -> Iterator[Hit]:
    """What is in it that is in no host name."""
    for server in subject.servers:
        for name, directive in server.names:
            what = _wrong_with(name)
            if what is not None:
                yield Hit(directive, f'"{name}" {what}')


def _wrong_with(name: str) -> str | None:
    if not name or name.startswith("~") or name == "$hostname" or _IP.fullmatch(name):
        return None
    if _INVALID_ON_PURPOSE.fullmatch(name):
        return None
    for sign, says in _SIGNS:
        if re.search(sign, name):
            return says
    if not _NAME.fullmatch(name):
        return "has a character that no host name has"
    return None


_SIGNS = (
    (r"://", "has a scheme"),
    (r"/", "has a path"),
    (r"^[^\[\]]+:\d*$", "has a port"),
    (r",", "has a comma"),
    (r"[\"'`\u2018-\u201f\u00ab\u00bb]", "has a quotation mark"),
    (r"[\s\u00a0\u200b-\u200f\u2060\ufeff]", "has a space in it that cannot be seen"),
    (r"\$", "has a variable, which nginx does not expand here"),
    (r"\\|\(|\^|\+|\|", "is a regular expression without its ~"),
    (r"[^.]\.$", "ends with a dot, which nginx takes off the Host header"),
    (r"\.\.", "has two dots in a row"),
)


@theme.rule(
    "server-name-not-ascii",
    WARNING,
    "A server_name that is not ASCII",
    why="Browsers send the punycode form (xn--...), which is not equal to it: another site answers.",
    fix="Write the punycode form.",
    bad="server {\n    listen 8080;\n    server_name b\u00fccher.example.com;\n}",
    good="server {\n    listen 8080;\n    server_name xn--bcher-kva.example.com;\n}",
)
def not_ascii(subject: Subject) -> Iterator[Hit]:
    """Letters outside of ASCII."""
    for server in subject.servers:
        for name, directive in server.names:
            if not name.isascii() and not name.startswith("~") and _wrong_with(name) is None:
                yield Hit(directive, f'"{name}" has letters outside of ASCII')


@theme.rule(
    "server-name-duplicate",
    ERROR,
    "Two servers have the same name on the same address",
    why="nginx warns and ignores the second: the first answers for both, so a whole site is never reached.",
    fix="Remove one of the blocks, or correct the name that was copied.",
    bad="server { listen 8080; server_name a.example.com; }\nserver { listen 8080; server_name "
    "a.example.com; }",
    good="server { listen 8080; server_name a.example.com; }\nserver { listen 8080; server_name "
    "b.example.com; }",
)
def duplicate(subject: Subject) -> Iterator[Hit]:
    """The second and later ones; a warning where the name is one that nobody asks for."""
    told: set[int] = set()
    for key, members in subject.sockets.items():
        first: dict[str, Server] = {}
        for server, _ in members:
            for name, directive in server.names:
                other = first.setdefault(name, server)
                if other is server or id(directive) in told:
                    continue
                told.add(id(directive))
                where = f"{other.at.file}:{other.at.line}"
                says = f'"{name}" on {key} is already the name of the server at {where}'
                yield Hit(directive, says, None if name.strip("_-!@#") or not name else WARNING)


@theme.rule(
    "no-default-server",
    INFO,
    "No default_server where several servers share an address",
    why="The first block in the order of the files answers for unknown names; a new file can "
    "change which that is.",
    fix="Give one server 'default_server' on that address.",
    bad="server { listen 8080; server_name a.example.com; }\nserver { listen 8080; server_name "
    "b.example.com; }",
    good="server { listen 8080 default_server; server_name _; return 444; }\nserver { listen "
    "8080; server_name b.example.com; }",
    whole=True,
)
def no_default(subject: Subject) -> Iterator[Hit]:
    """Once for each address, at the server that is it by accident."""
    for key, members in subject.sockets.items():
        distinct = {id(server.at) for server, _ in members}
        said = any(listen.default for _, listen in members) or members[0][0].catch_all
        if len(distinct) > 1 and not said:
            yield Hit(members[0][1].at, f"this server answers for all unknown names on {key}")


@theme.rule(
    "no-listen",
    WARNING,
    "A server without listen",
    why="It listens on port 80 (8000 when not started by root), where perhaps nobody expects it.",
    fix="Say where it listens.",
    bad="server { server_name a.example.com; }\nserver { listen 8080; server_name b.example.com; }",
    good="server { listen 8080; server_name a.example.com; }\nserver { listen 8080; server_name "
    "b.example.com; }",
)
def no_listen(subject: Subject) -> Iterator[Hit]:
    """Only where others say it."""
    if not any(listen.at is not server.at for server in subject.servers for listen in server.listens):
        return
    for server in subject.servers:
        if not server.open and all(listen.at is server.at for listen in server.listens):
            yield Hit(server.at, "it has no listen, so it is on port 80")


@theme.rule(
    "only-loopback",
    WARNING,
    "Every server listens on loopback only",
    why="Nobody outside of the host can connect.",
    fix="Listen on the address that users come to, unless something on the same host stands in front.",
    bad="server { listen 127.0.0.1:8080; server_name a.example.com; }",
    good="server { listen 8080; server_name a.example.com; }",
    whole=True,
)
def only_loopback(subject: Subject) -> Iterator[Hit]:
    """All of them; one alone is often on purpose."""
    listens = [listen for server in subject.servers for listen in server.listens]
    if listens and all(listen.loopback for listen in listens) and not subject.config.find("stream"):
        yield Hit(listens[0].at, "no server listens on an address that others can reach")


@theme.rule(
    "loopback-site",
    WARNING,
    "A public name on loopback only",
    why="Nobody outside of the host can connect to this site, while others on the host can be reached.",
    fix="Listen on the address that users come to, unless something on the same host stands in front.",
    bad="server { listen 80; server_name a.example.com; }\n"
    "server { listen 127.0.0.1:80; server_name b.example.com; }",
    good="server { listen 80; server_name a.example.com; }\nserver { listen 80; server_name b.example.com; }",
    whole=True,
)
def loopback_site(subject: Subject) -> Iterator[Hit]:
    """A dotted name that no other address serves, on a port that nothing here hands over to."""
    public = {n for s in subject.servers if not _loopback(s) for n, _ in s.names}
    handed = " ".join(d.args[0] for d, _ in subject.config.find("proxy_pass", "server") if d.args)
    for server in subject.servers:
        if not public or not _loopback(server) or any(f":{one.port}" in handed for one in server.listens):
            continue
        names = [n for n in server.literal_names if "." in n and n not in public and not _IP.fullmatch(n)]
        if names and not any(n.endswith((".local", ".internal", ".localhost", ".lan")) for n in names):
            yield Hit(server.listens[0].at, f"{names[0]} can be reached from the host itself only")


def _loopback(server: Server) -> bool:
    return all(one.loopback and one.port is not None for one in server.listens)


@theme.rule(
    "proxy-protocol-alone",
    WARNING,
    "PROXY protocol is wanted, and its address used nowhere",
    why="A client that does not begin with a PROXY line (a browser, a health check) gets 400 or nothing.",
    fix="Take proxy_protocol off when no balancer speaks it; else set_real_ip_from and real_ip_header.",
    bad="server { listen 8080 proxy_protocol; server_name a.example.com; }",
    good="set_real_ip_from 10.0.0.0/8;\nreal_ip_header proxy_protocol;\n"
    "server { listen 8080 proxy_protocol; server_name a.example.com; }",
    whole=True,
)
def proxy_protocol_alone(subject: Subject) -> Iterator[Hit]:
    """No ``set_real_ip_from``, no ``$proxy_protocol_addr`` in any file."""
    wanted = [one for s in subject.servers for one in s.listens if "proxy_protocol" in one.options]
    if not wanted or subject.config.find("set_real_ip_from"):
        return
    if any(b"$proxy_protocol_" in subject.config.files.get(name, b"") for name in subject.config.read):
        return
    yield Hit(wanted[0].at, f"only who speaks PROXY may come to {wanted[0].key}")


@theme.rule(
    "ipv6only-off",
    ERROR,
    "ipv6only=off beside the same port of IPv4",
    why="The second bind fails: at a reload nginx silently keeps the old configuration, at the "
    "next start it does not start.",
    fix="Take ipv6only=off out, or the listen for IPv4.",
    bad="server { listen 8080; listen [::]:8080 ipv6only=off; }",
    good="server { listen 8080; listen [::]:8080; }",
)
def ipv6only_off(subject: Subject) -> Iterator[Hit]:
    """``[::]:P ipv6only=off`` takes IPv4 too."""
    for members in list(subject.sockets.values()):
        for _, listen in members:
            if "ipv6only=off" not in listen.options or listen.host != "[::]":
                continue
            if f"*:{listen.port}" in subject.sockets:
                yield Hit(listen.at, f"IPv4's port {listen.port} is bound by another listen already")
                break


@theme.rule(
    "site-on-its-own-port",
    INFO,
    "One site is on a port that no other uses",
    why="A mistyped port passes every test of nginx: users come to the old one.",
    fix="Nothing, if it is meant.",
    bad="server { listen 80; server_name a.example.com; }\nserver { listen 80; server_name b.example.com; }\n"
    "server { listen 80; server_name c.example.com; }\nserver { listen 88; server_name d.example.com; }",
    good="server { listen 80; server_name a.example.com; }\nserver { listen 80; server_name b.example.com; }",
    whole=True,
)
def own_port(subject: Subject) -> Iterator[Hit]:
    """Named sites only, where at least three others share one port."""
    ports: dict[int, list[Server]] = {}
    for server in subject.servers:
        if not server.catch_all:
            for port in {listen.port for listen in server.listens if listen.port}:
                ports.setdefault(port, []).append(server)
    usual = {port for port, servers in ports.items() if len(servers) >= 3}
    for port, servers in ports.items():
        (server, *others) = servers
        known = {listen.port for listen in server.listens}
        if not others and usual and not known & usual and port not in (80, 443):
            yield Hit(
                server.at, f"only this site is on port {port}; {len(usual)} other port(s) have three and more"
            )
