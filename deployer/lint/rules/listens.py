"""``listen``, as nginx reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deployer.nginx.tree import Directive

_LOOPBACK = re.compile(r"127\.\d+\.\d+\.\d+|\[::1\]|localhost")


@dataclass(frozen=True, slots=True)
class Listen:
    """One address that a server listens on.

    :ivar host: ``*`` for all of IPv4, ``[::]`` for all of IPv6, ``unix:PATH``, else as it is written.
    :ivar at: the directive; the server itself where it has none.
    """

    host: str
    port: int | None
    options: frozenset[str]
    at: Directive

    @property
    def key(self) -> str:
        """The same for two that share a socket."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Only this machine can connect."""
        return self.host.startswith("unix:") or bool(_LOOPBACK.fullmatch(self.host))

    @property
    def tls(self) -> bool:
        """Whether this ``listen`` asks for TLS; another server's may do so for both."""
        return not self.options.isdisjoint(("ssl", "quic"))

    @property
    def default(self) -> bool:
        """Whether its server is the one for unknown names."""
        return not self.options.isdisjoint(("default_server", "default"))


def listens_of(server: Directive) -> tuple[Listen, ...]:
    """Where a server listens; port 80 if it does not say."""
    found = tuple(listen for d in server.all("listen") for listen in _listens(d))
    return found or (Listen("*", 80, frozenset(), server),)


def _listens(directive: Directive) -> list[Listen]:
    if not directive.args:
        return []
    where, options = directive.args[0], frozenset(directive.args[1:])
    if where.startswith("unix:"):
        return [Listen(where, None, options, directive)]
    if where.isdigit():
        return [Listen("*", int(where), options, directive)]
    host, _, port = (
        where.rpartition(":") if re.search(r":\d+(-\d+)?$", where) and not _bare(where) else (where, "", "80")
    )
    first, _, last = port.partition("-")
    if host in ("*", "0.0.0.0"):  # noqa: S104 (it is compared, not bound)
        host = "*"
    host = host.lower()
    if host in ("[::0]", "[0::]"):
        host = "[::]"
    if not first.isdigit() or (last and not last.isdigit()):
        return []
    ports = range(int(first), min(int(last or first), int(first) + 100) + 1)
    return [Listen(host, number, options, directive) for number in ports]


def _bare(where: str) -> bool:
    """``[::1]`` ends like an address with a port, and has none."""
    return where.startswith("[") and where.endswith("]")
