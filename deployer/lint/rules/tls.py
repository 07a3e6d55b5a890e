"""TLS: listens, certificates, protocols."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from deployer.lint.rules.base import ERROR, WARNING, Hit, Theme
from deployer.lint.rules.listens import Listen
from deployer.lint.rules.subject import Server, Subject, in_stream, scope, value

if TYPE_CHECKING:
    from cryptography import x509

theme = Theme("TLS")

_PAIR = "ssl_certificate ssl/shop.pem;\n    ssl_certificate_key ssl/shop.key;"
SOON = datetime.timedelta(days=14)


def _tls(subject: Subject, listen: Listen) -> bool:
    return any(other.tls for _, other in subject.sockets.get(listen.key, ()))


@theme.rule(
    "tls-port-without-ssl",
    ERROR,
    "Port 443 without TLS",
    why="nginx speaks plain HTTP on a port where browsers begin with TLS: every https request fails.",
    fix="Add 'ssl' to the listen.",
    bad=f"server {{\n    listen 443;\n    server_name shop.example.com;\n    {_PAIR}\n}}",
    good=f"server {{\n    listen 443 ssl;\n    server_name shop.example.com;\n    {_PAIR}\n}}",
)
def without_ssl(subject: Subject) -> Iterator[Hit]:
    """Sure where the server has a certificate of its own; else a balancer may have ended TLS before."""
    for server in subject.servers:
        for listen in server.listens:
            if (
                listen.port not in (443, 8443)
                or _tls(subject, listen)
                or value("ssl", server.at, server.around) == "on"
            ):
                continue
            certain = server.at.first("ssl_certificate") is not None
            if listen.port == 443 or certain:
                says = f"{listen.key} speaks plain HTTP"
                yield Hit(listen.at, says, None if certain and not server.open else WARNING)


@theme.rule(
    "ssl-on-port-80",
    ERROR,
    "TLS on port 80",
    why='Every plain request is answered with 400 "The plain HTTP request was sent to HTTPS port".',
    fix="Take 'ssl' off the listen of port 80.",
    bad=f"server {{\n    listen 80 ssl;\n    server_name shop.example.com;\n    {_PAIR}\n}}",
    good=f"server {{\n    listen 80;\n    listen 443 ssl;\n    server_name shop.example.com;\n    "
    f"{_PAIR}\n}}",
)
def ssl_on_80(subject: Subject) -> Iterator[Hit]:
    """Unless ``error_page 497`` turns them away on purpose."""
    for server in subject.servers:
        for listen in server.listens:
            pages = scope("error_page", server.at, server.around)
            if listen.port == 80 and listen.tls and not any("497" in page.args for page in pages):
                yield Hit(listen.at, f"{listen.key} wants TLS")


@theme.rule(
    "tls-without-certificate",
    ERROR,
    "A TLS server without a certificate",
    why="nginx accepts it behind another server of the same address; every handshake for its name fails.",
    fix="Give it ssl_certificate and ssl_certificate_key, or ssl_reject_handshake when nobody shall come.",
    bad=f"server {{\n    listen 8443 ssl;\n    server_name shop.example.com;\n    {_PAIR}\n}}\n"
    "server {\n    listen 8443 ssl;\n    server_name new.example.com;\n}",
    good=f"server {{\n    listen 8443 ssl;\n    server_name shop.example.com;\n    {_PAIR}\n}}\n"
    "server {\n    listen 8443 ssl;\n    server_name _;\n    ssl_reject_handshake on;\n}",
)
def no_certificate(subject: Subject) -> Iterator[Hit]:
    """Neither in the server nor in ``http``."""
    for server in subject.servers:
        tls = next((one for one in server.listens if one.tls), None)
        if tls is None or subject.open_scope(server.at, server.around):
            continue
        if scope("ssl_certificate", server.at, server.around) or _by_lua(server):
            continue
        if value("ssl_reject_handshake", server.at, server.around) != "on":
            yield Hit(tls.at, "this server has no ssl_certificate")


def _by_lua(server: Server) -> bool:
    return any(d.name.startswith(("ssl_certificate_by_lua", "js_")) for d in server.at.block or ())


class Certificate(NamedTuple):
    """What is asked of a certificate."""

    names: tuple[str, ...]
    begins: datetime.datetime
    ends: datetime.datetime
    own: bool  #: signed by itself


@lru_cache(maxsize=1024)
def _read(pem: bytes) -> Certificate | None:
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        return None
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificates(pem)[0]
        names = _names(found)
    except ValueError:
        return None
    return Certificate(
        names, found.not_valid_before_utc, found.not_valid_after_utc, found.issuer == found.subject
    )


def _names(found: x509.Certificate) -> tuple[str, ...]:
    from cryptography import x509

    try:
        alternative = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [*alternative.get_values_for_type(x509.DNSName)]
        names += [str(address) for address in alternative.get_values_for_type(x509.IPAddress)]
    except x509.ExtensionNotFound:
        common = found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        names = [str(one.value) for one in common]
    return tuple(name.lower() for name in names)


def _certificates(subject: Subject) -> Iterator[tuple[Hit, Certificate, Server | None]]:
    for directive, around in subject.config.find("ssl_certificate"):
        if (
            not directive.args
            or "$" in directive.args[0]
            or directive.args[0].startswith(("data:", "engine:"))
        ):
            continue
        pem = subject.config.content(subject.config.absolute(directive.args[0]))
        found = _read(pem) if pem is not None else None
        if found is not None:
            server = None if in_stream(around) else subject.server_of(around)
            yield Hit(directive, directive.args[0]), found, server


@theme.rule(
    "certificate-expired",
    ERROR,
    "A certificate that is not valid now",
    why="Browsers refuse the connection.",
    fix="Put the renewed certificate in its place.",
    bad="server {\n    listen 8443 ssl;\n    ssl_certificate ssl/expired.pem;\n    "
    "ssl_certificate_key ssl/expired.key;\n}",
    good="server {\n    listen 8443 ssl;\n    ssl_certificate ssl/shop.pem;\n    "
    "ssl_certificate_key ssl/shop.key;\n}",
)
def expired(subject: Subject) -> Iterator[Hit]:
    """Where the PEM file is in the tree; a warning in its last two weeks."""
    if subject.now is None:
        return
    for hit, found, _ in _certificates(subject):
        if found.ends <= subject.now:
            yield Hit(hit.at, f"{hit.says} expired on {found.ends:%Y-%m-%d}")
        elif found.begins > subject.now + datetime.timedelta(days=1):
            yield Hit(hit.at, f"{hit.says} is valid only from {found.begins:%Y-%m-%d}")
        elif found.ends <= subject.now + SOON:
            yield Hit(hit.at, f"{hit.says} expires on {found.ends:%Y-%m-%d}", WARNING)


@theme.rule(
    "certificate-wrong-name",
    ERROR,
    "A certificate for other names",
    why="Browsers refuse the connection: the name is not in the certificate.",
    fix="Use the certificate of this site, or get one that has its names.",
    bad=f"server {{\n    listen 8443 ssl;\n    server_name other.example.net;\n    {_PAIR}\n}}",
    good=f"server {{\n    listen 8443 ssl;\n    server_name shop.example.com;\n    {_PAIR}\n}}",
)
def wrong_name(subject: Subject) -> Iterator[Hit]:
    """None of the server's names is in it. A warning where some are, or where it is signed by itself."""
    for hit, found, server in _certificates(subject):
        names = server.literal_names if server is not None else ()
        lacking = [name for name in names if not any(_covers(has, name) for has in found.names)]
        if lacking and server is not None and any(one.tls for one in server.listens):
            sure = len(lacking) == len(names) and not found.own and len(server.at.all("ssl_certificate")) == 1
            has, wants = ", ".join(found.names[:3]) or "no name", ", ".join(lacking[:3])
            says = f"{hit.says} is for {has}, not for {wants}"
            yield Hit(hit.at, says, None if sure else WARNING)


def _covers(has: str, name: str) -> bool:
    if name.startswith("."):
        return _covers(has, name[1:]) or has == f"*{name}"
    if has == name:
        return True
    return has.startswith("*.") and "." in name and has[2:] == name.partition(".")[2]


@theme.rule(
    "tls-too-old",
    ERROR,
    "Only protocols that browsers have given up",
    why="Without TLSv1.2 or TLSv1.3 no current browser can connect.",
    fix="ssl_protocols TLSv1.2 TLSv1.3;",
    bad=f"server {{\n    listen 8443 ssl;\n    server_name shop.example.com;\n    {_PAIR}\n    "
    f"ssl_protocols TLSv1 TLSv1.1;\n}}",
    good=f"server {{\n    listen 8443 ssl;\n    server_name shop.example.com;\n    {_PAIR}\n    "
    f"ssl_protocols TLSv1.2 TLSv1.3;\n}}",
)
def too_old(subject: Subject) -> Iterator[Hit]:
    """``ssl_protocols`` with nothing current in it."""
    for directive, _ in subject.config.find("ssl_protocols"):
        if directive.args and not {"TLSv1.2", "TLSv1.3"} & set(directive.args):
            yield Hit(directive, f"only {' '.join(directive.args)}")


@theme.rule(
    "client-certificate-wanted",
    WARNING,
    "Every visitor needs a certificate of his own",
    why='Who has none is answered with 400 "No required SSL certificate was sent".',
    fix="Take it out when it was left on; 'optional' asks and lets everybody in.",
    bad=f"server {{\n    listen 8443 ssl;\n    server_name shop.example.com;\n    {_PAIR}\n"
    "    ssl_client_certificate ssl/shop.pem;\n    ssl_verify_client on;\n}",
    good=f"server {{\n    listen 8443 ssl;\n    server_name shop.example.com;\n    {_PAIR}\n"
    "    ssl_client_certificate ssl/shop.pem;\n    ssl_verify_client optional;\n}",
)
def client_certificate(subject: Subject) -> Iterator[Hit]:
    """``ssl_verify_client on``."""
    for directive, around in subject.config.find("ssl_verify_client"):
        if directive.args == ("on",) and not in_stream(around):
            yield Hit(directive, "clients without a certificate are refused")


@theme.rule(
    "redirect-to-closed-https",
    WARNING,
    "Redirected to https, where nothing listens",
    why="Unless something in front speaks TLS, users are sent to a closed port.",
    fix="Add the server with 'listen 443 ssl', or leave the redirect out.",
    bad="server {\n    listen 80;\n    server_name shop.example.com;\n    return 301 https://$host$request_uri;\n}",
    good="server {\n    listen 80;\n    server_name shop.example.com;\n    return 301 https://$host$request_uri;\n}\n"
    f"server {{\n    listen 443 ssl;\n    server_name shop.example.com;\n    {_PAIR}\n}}",
    whole=True,
)
def closed_https(subject: Subject) -> Iterator[Hit]:
    """No ``listen`` with TLS anywhere, nor a stream."""
    tls = any(listen.tls for server in subject.servers for listen in server.listens)
    if tls or subject.config.find("stream") or any(subject.is_open(s.at, *s.around) for s in subject.servers):
        return
    for directive, around in subject.config.find("return"):
        if (
            len(directive.args) == 2
            and directive.args[1].startswith(("https://$host", "https://$server_name"))
            and subject.server_of(around) is not None
        ):
            yield Hit(directive, "no server of this configuration speaks TLS")
