"""What of an nginx configuration does not leave production, and what may. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deployer.nginx.configuration import Config
from deployer.nginx.sites import Server, effective
from deployer.nginx.tree import Directive

PUBLIC = frozenset(
    (
        "ssl_dhparam", "ssl_crl", "proxy_ssl_crl", "geoip_country", "geoip_city", "geoip_org", "geoip2",
        "js_import", "js_include", "perl_require", "modsecurity_rules_file", "ssl_stapling_file",
    )
)  # fmt: skip
"""Directives whose first argument names a file that nginx reads and that holds nothing secret."""
TRUSTED = (
    "ssl_trusted_certificate", "ssl_client_certificate", "proxy_ssl_trusted_certificate",
    "uwsgi_ssl_trusted_certificate", "grpc_ssl_trusted_certificate",
)  # fmt: skip
"""Those that name authorities: in staging the fleet's own, which signed what its stand-ins show."""
PAIRS = {
    "ssl_certificate": "ssl_certificate_key",
    "proxy_ssl_certificate": "proxy_ssl_certificate_key",
    "uwsgi_ssl_certificate": "uwsgi_ssl_certificate_key",
    "grpc_ssl_certificate": "grpc_ssl_certificate_key",
}
"""A certificate and its key, told by two directives that stand in one block."""
PASSWORDS, TICKETS, PHRASES = "auth_basic_user_file", "ssl_session_ticket_key", "ssl_password_file"
_PHRASES = (PHRASES, "proxy_ssl_password_file", "uwsgi_ssl_password_file", "grpc_ssl_password_file")
SNI = re.compile(r"\$(?:\{(?:ssl_server_name|host|server_name)\}|(?:ssl_server_name|host|server_name)\b)")

_NAMED = re.compile(
    r"(^|/)[^/]*(\.(key|pem|p12|pfx|jks|der|crt|cer|cert|csr|htpasswd|kdbx|gpg)|privkey[^/]*|id_(rsa|ed25519|ecdsa))$"
    r"|(^|/)\.?(htpasswd|private|secrets?)(/|$)",
    re.IGNORECASE,
)
_BLOCK = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY")


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, by their absolute paths, and the names that it is shown for."""

    certificate: str
    key: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Secrets:
    """The files of a configuration, by absolute path, that are made anew in staging."""

    pairs: tuple[Pair, ...] = ()
    passwords: frozenset[str] = frozenset()
    tickets: frozenset[str] = frozenset()
    phrases: frozenset[str] = frozenset()
    trusted: frozenset[str] = frozenset()

    @property
    def paths(self) -> frozenset[str]:
        """All of them."""
        both = frozenset(path for pair in self.pairs for path in (pair.certificate, pair.key))
        return both | self.passwords | self.tickets | self.phrases | self.trusted


def of(config: Config, servers: tuple[Server, ...]) -> Secrets:
    """What a configuration names."""

    def told(*names: str) -> frozenset[str]:
        found = config.find(*names)
        return frozenset(config.absolute(d.args[0]) for d, _ in found if d.args and _is_file(d.args[0]))

    passwords = frozenset(path for path in told(PASSWORDS) if not path.endswith("/off"))
    pairs = tuple(_pairs(config, servers))
    return Secrets(pairs, passwords, told(TICKETS), told(*_PHRASES), told(*TRUSTED))


def looks_secret(path: str) -> bool:
    """Whether a file's name says that it may hold a key, a certificate or passwords."""
    return _NAMED.search(path) is not None


def holds_key(content: bytes) -> bool:
    """Whether a private key is in it."""
    return _BLOCK.search(content) is not None


def public_files(config: Config) -> frozenset[str]:
    """Absolute paths of files beside the configuration that nginx reads and that may be copied."""
    found = set()
    for directive, _ in config.find(*PUBLIC):
        args = [a for a in directive.args[:2] if "/" in a and "$" not in a]
        found |= {config.absolute(path.removeprefix("file=")) for path in args[:1]}
    return frozenset(found)


def _pairs(config: Config, servers: tuple[Server, ...]) -> Iterator[Pair]:
    names = _names_by_path(config, servers)
    seen: dict[tuple[str, str], tuple[str, ...]] = {}
    for first, second in PAIRS.items():
        blocks: dict[int, tuple[list[Directive], list[Directive]]] = {}
        for which, name in enumerate((first, second)):
            for directive, around in config.find(name):
                holder = id(around[-1]) if around else 0
                blocks.setdefault(holder, ([], []))[which].append(directive)
        for certificates, keys in blocks.values():
            # nginx pairs them in their order: an RSA one and an ECDSA one may stand in one server.
            for certificate, key in zip(certificates, keys, strict=False):
                for one, two, name in _spelt(config, certificate, key, servers):
                    more = (name,) if name else names.get(one, ())
                    seen[one, two] = tuple(dict.fromkeys((*seen.get((one, two), ()), *more)))
    for (one, two), held in seen.items():
        yield Pair(one, two, held)


def _spelt(
    config: Config, certificate: Directive, key: Directive, servers: tuple[Server, ...]
) -> Iterator[tuple[str, str, str]]:
    """The paths of a pair; where a variable is in them, those of each name that it may become."""
    if not (certificate.args and key.args):
        return
    one, two = certificate.args[0], key.args[0]
    if not SNI.search(one + two):
        if _is_file(one) and _is_file(two):
            yield config.absolute(one), config.absolute(two), ""
        return
    for name in dict.fromkeys(n for server in servers for n in server.names if plain(n)):
        spelt = SNI.sub(name, one), SNI.sub(name, two)
        if all(map(_is_file, spelt)):
            yield config.absolute(spelt[0]), config.absolute(spelt[1]), name


def _names_by_path(config: Config, servers: tuple[Server, ...]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for server in servers:
        for directive in effective(server.scope, "ssl_certificate"):
            if directive.args and _is_file(directive.args[0]):
                held = found.setdefault(config.absolute(directive.args[0]), [])
                held += [n.removeprefix(".") for n in server.names if plain(n)]
    return {path: tuple(dict.fromkeys(names)) for path, names in found.items()}


def plain(name: str) -> bool:
    """Whether a server name can stand in a certificate: no expression, not nginx's catch-all."""
    return bool(
        re.fullmatch(r"(\*\.|\.)?[a-z0-9]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]*[a-z0-9])?)*", name)
    )


def _is_file(path: str) -> bool:
    return "$" not in path and not path.startswith(("data:", "engine:")) and path not in ("off", "")


def inside(path: str, directory: str) -> str | None:
    """The name of an absolute path within a directory; ``None``: it is elsewhere."""
    base = directory.rstrip("/") + "/"
    path = posixpath.normpath(path)
    return path.removeprefix(base) if path.startswith(base) else None
