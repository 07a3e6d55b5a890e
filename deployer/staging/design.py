"""What each host of a staging fleet is made of, and what stands in for all that is outside it. Pure."""

from __future__ import annotations

import ipaddress
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from deployer.config.staging import Staging
from deployer.model import Kind
from deployer.nginx.sites import ANY4, ANY6, effective
from deployer.staging import behind as behinds
from deployer.staging import pages, secrets
from deployer.staging.behind import Behind, Rule
from deployer.staging.exporting import Export

ELSEWHERE = ipaddress.IPv4Network("100.127.0.0/16")
"""Addresses that names of upstreams get in staging: set aside for carriers (RFC 6598), routed nowhere."""
_STAMPED = "error_log", "access_log"
_PLACES = (
    "client_body_temp_path", "proxy_temp_path", "fastcgi_temp_path", "uwsgi_temp_path", "scgi_temp_path",
    "proxy_cache_path", "fastcgi_cache_path", "uwsgi_cache_path", "scgi_cache_path", "pid", "lock_file",
)  # fmt: skip
_NOT_THERE = ("/dev", "/proc", "/sys")
ONE_USER = b"# Nobody: the passwords stayed in production.\n"


@dataclass(frozen=True)
class Image:
    """One host of the fleet.

    :ivar files: by absolute path; ``links`` likewise, with what they say.
    :ivar directories: that have to be there.
    :ivar addresses: that its nginx listens on or sends from.
    :ivar names: that mean the host itself.
    """

    host: str
    files: Mapping[str, bytes] = field(repr=False)
    executable: frozenset[str]
    links: Mapping[str, str]
    directories: tuple[str, ...]
    addresses: tuple[str, ...]
    names: tuple[str, ...]
    users: tuple[str, ...]
    secrets: secrets.Secrets


@dataclass(frozen=True)
class Stub:
    """What stands in for one server behind nginx.

    :ivar hosts: on which it stands itself; none: outside of them.
    :ivar address: outside: the one that it has in staging.
    :ivar to: an address with a port that it passes everything on to.
    :ivar status: that it answers everything with; ``None``: as the rules say.
    """

    server: Behind
    hosts: tuple[str, ...] = ()
    address: str = ""
    to: str | None = None
    status: int | None = None
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Design:
    """A staging fleet before it is made.

    :ivar names: what stands in every host's ``/etc/hosts``, besides the hosts themselves.
    """

    images: tuple[Image, ...]
    stubs: tuple[Stub, ...]
    names: Mapping[str, str]
    notes: tuple[str, ...] = ()


def design(exports: Sequence[Export], rules: Staging) -> Design:
    """Put together what exports of production say."""
    servers: dict[tuple[str, str, int], tuple[Behind, list[str], list[Rule]]] = {}
    notes = [note for export in exports for note in export.notes]
    fleet = {export.host.name for export in exports}
    for export in exports:
        known, unknown = behinds.behind(export.sites)
        seen = behinds.rules(export.sites, export.recorded)
        for server in known:
            if server.host in fleet:
                continue  # it is there itself
            held = servers.setdefault((server.host, server.protocol, server.port), (server, [], []))
            held[1].append(export.host.name)
            held[2].extend(seen.get(server.written, ()))
        notes += [f"{export.host.name}: no stub for {text}: a variable decides" for text in unknown]
    more = _said(rules, [server for server, _, _ in servers.values()])
    for server in more:
        on = [e.host.name for e in exports] if server.here else []
        servers[server.host, server.protocol, server.port] = (server, on, [])
    names = _addresses(server for server, _, _ in servers.values())
    stubs = tuple(_stub(server, on, seen, names, rules) for server, on, seen in servers.values())
    return Design(tuple(image(export) for export in exports), stubs, names, tuple(dict.fromkeys(notes)))


def image(export: Export) -> Image:
    """One host's own part."""
    config, directory = export.config, export.directory
    entries = export.entries
    files = {path: content for path, content in export.contents.items() if _may_be_written(path)}
    executable = {posixpath.join(directory, e.path) for e in entries if e.kind is Kind.EXEC}
    links = {posixpath.join(directory, e.path): e.content for e in entries if e.kind is Kind.LINK}
    stand_ins = pages.pages(export.sites, export.recorded)
    files |= {path: text for path, text in stand_ins.items() if path not in files and _may_be_written(path)}
    for path in export.secrets.passwords - files.keys():
        files[path] = ONE_USER
    places = {p for d, _ in config.find(*_PLACES) if d.args and (p := _place(config.absolute(d.args[0])))}
    logs = {p for d, _ in config.find(*_STAMPED) if d.args and (p := _log(d.args[0], config.absolute))}
    content = (*pages.roots(export.sites), *pages.folders(export.sites, export.recorded))
    roots = {path for path in content if _may_be_written(path)}
    bound = [d.args[0] for d, _ in config.find("proxy_bind") if d.args]
    addresses = dict.fromkeys(
        a
        for a in (*(x.address for x in (*export.sites.listens, *export.sites.streams)), *bound)
        if _special(a)
    )
    return Image(
        export.host.name,
        files,
        frozenset(executable & files.keys()),
        {path: to for path, to in links.items() if path not in files},
        tuple(sorted(places | logs | roots)),
        tuple(addresses),
        tuple(dict.fromkeys(_listening_names(export))),
        tuple(dict.fromkeys(d.args[0] for d, around in config.find("user") if d.args and not around)),
        export.secrets,
    )


def _listening_names(export: Export) -> Iterator[str]:
    """``listen www.example.com:80``: an address that the host has under a name."""
    for directive, _ in export.config.find("listen"):
        host = directive.args[0].rpartition(":")[0] or directive.args[0] if directive.args else ""
        plain = host.replace("-", "").replace(".", "")
        if plain.isalnum() and not plain.isdigit() and host not in ("localhost", "unix"):
            yield host


def _said(rules: Staging, known: Sequence[Behind]) -> list[Behind]:
    """Servers of the playbook that no live configuration names: what is deployed next may."""
    found = []
    for text in behinds.unused(rules.upstreams, known):
        host, colon, port = text.rpartition(":")
        if text.startswith("unix:"):
            found.append(Behind(text, text[5:], 0))
        else:
            both = (host, port) if colon and port.isdigit() else (text, "80")
            found.append(Behind(text, both[0].strip("[]"), int(both[1])))
    return found


def _addresses(servers: Iterable[Behind]) -> dict[str, str]:
    """An address for each name, the same for the same names."""
    names = sorted({server.name for server in servers if server.name is not None})
    return {name: str(ELSEWHERE[number + 1]) for number, name in enumerate(names)}


def _stub(
    server: Behind, hosts: Sequence[str], seen: Sequence[Rule], names: Mapping[str, str], rules: Staging
) -> Stub:
    said = behinds.stand_in(rules.upstreams, server)
    address = "" if server.here else server.address or names[server.host]
    return Stub(
        server,
        tuple(dict.fromkeys(hosts)) if server.here else (),
        address,
        to=said if isinstance(said, str) else None,
        status=said if isinstance(said, int) else None,
        rules=tuple(dict.fromkeys(seen)),
    )


def certificate_names(image: Image) -> dict[str, tuple[str, ...]]:
    """The names for which each certificate of an image is made, by its path."""
    found: dict[str, tuple[str, ...]] = {}
    for pair in image.secrets.pairs:
        found[pair.certificate] = tuple(dict.fromkeys((*found.get(pair.certificate, ()), *pair.names)))
    return found


def _place(path: str) -> str | None:
    """The directory above what nginx makes itself."""
    parent = posixpath.dirname(path)
    return parent if _may_be_written(path) and parent not in ("/", "/run") else None


def _log(path: str, absolute: object) -> str | None:
    if path.startswith(("syslog:", "memory:")) or path in ("off", "stderr") or "$" in path:
        return None
    whole = absolute(path) if callable(absolute) else path
    return _place(str(whole))


def _special(address: str) -> bool:
    """Whether an address has to be given to the host for nginx to bind it."""
    if address in (ANY4, ANY6, "off"):
        return False
    try:
        return not ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _may_be_written(path: str) -> bool:
    clean = posixpath.normpath(path)
    return path.startswith("/") and "$" not in path and not clean.startswith(_NOT_THERE) and clean != "/"


__all__ = ["ELSEWHERE", "Design", "Image", "Stub", "certificate_names", "design", "effective", "image"]
