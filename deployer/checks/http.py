"""One GET over anything that sends and receives: a socket, or a channel through the SSH connection.

``http.client`` and ``ssl`` do the protocols. This module adds what they leave out: a stream without a file
descriptor, one deadline for the whole exchange (a body that drips is late, too), a bounded body, and the
certificate. Nothing is followed, nothing is taken from the environment.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, unquote, urlsplit

from deployer.checks.certificate import Certificate, Trust, read_certificate
from deployer.checks.stream import Stream, Timed, Tls

BODY_LIMIT = 1_000_000
"""Bytes of a body that are kept; the rest is not read."""


class Lack(StrEnum):
    """Why there was no answer."""

    REFUSED = "refused"  #: nothing accepts connections there
    SILENT = "silent"  #: accepted, and closed without a complete answer
    LATE = "late"  #: the deadline passed
    TLS = "tls"  #: the handshake failed
    CERTIFICATE = "certificate"  #: the handshake worked, the certificate is not accepted
    GARBAGE = "garbage"  #: what came back is not HTTP


class NoAnswer(Exception):
    """There was no whole HTTP answer; the message says what happened instead, as the end of a sentence."""

    def __init__(self, lack: Lack, message: str) -> None:
        self.lack = lack
        super().__init__(message)


@dataclass(frozen=True)
class Url:
    """An absolute http or https URL, taken apart once."""

    text: str
    tls: bool
    host: str  #: a name (IDNA), or an address without brackets
    port: int
    target: str  #: path and query as they go over the wire

    @classmethod
    def parse(cls, text: str) -> Url:
        """Raises ``ValueError`` with a sentence when it is not an absolute http or https URL."""
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{text!r} is not an absolute http:// or https:// URL")
        tls = parts.scheme == "https"
        host = unquote(parts.hostname)
        if not host.isascii():
            host = host.encode("idna").decode("ascii")
        target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
        if parts.query:
            target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~?")
        return cls(text, tls, host, parts.port or (443 if tls else 80), target)

    @property
    def authority(self) -> str:
        """What a client puts into ``Host``: brackets for IPv6, the port only when it is not the default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    cut: bool  #: the body was longer than what was kept
    seconds: float
    certificate: Certificate | None = None

    def header(self, name: str) -> str | None:
        """All values of one header, joined by ``", "``; ``None`` when it is not there."""
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(found) if found else None

    def text(self) -> str:
        """The body, decoded by the charset it names, else UTF-8; what does not decode is replaced."""
        charset = re.search(r"charset=[\"']?([\w.:-]+)", self.header("content-type") or "", re.IGNORECASE)
        try:
            return self.body.decode(charset[1] if charset else "utf-8", "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")


def get(
    stream: Stream,
    url: Url,
    *,
    deadline: float,
    headers: Mapping[str, str] | None = None,
    trust: Trust | None = None,
    preface: bytes = b"",
    limit: int = BODY_LIMIT,
) -> Answer:
    """Ask for ``url`` over ``stream`` and close it.

    :param deadline: of the whole exchange, on ``time.monotonic()``.
    :param trust: whom to believe, for https; the default trusts the system's authorities.
    :param preface: sent before everything else (the PROXY protocol).
    :raises NoAnswer: no whole answer came; it says why.
    :raises ValueError: a header cannot be sent as it is.
    :raises OSError: ``trust.ca`` cannot be read; nothing was sent.
    """
    started = time.monotonic()
    with contextlib.closing(stream):
        trust = trust or Trust()
        context = trust.context() if url.tls else None
        timed = Timed(stream, deadline)
        try:
            if preface:
                timed.sendall(preface)
            if context is None:
                status, fields, body = _exchange(timed, url, dict(headers or {}), limit)
                certificate = None
            else:
                tls = Tls(timed, context, trust.server_name or url.host)
                certificate = read_certificate(tls.peer(), verified=trust.verify)
                status, fields, body = _exchange(tls, url, dict(headers or {}), limit)
        except (OSError, http.client.HTTPException) as error:
            raise _no_answer(error, time.monotonic() - started) from error
    return Answer(status, fields, body[:limit], len(body) > limit, time.monotonic() - started, certificate)


def _exchange(
    below: Timed | Tls, url: Url, headers: dict[str, str], limit: int
) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
    connection = http.client.HTTPConnection(url.host, url.port)
    connection.auto_open = 0
    connection.sock = below
    defaults = {"Host": url.authority, "User-Agent": "deployer-check", "Accept": "*/*", "Connection": "close"}
    given = {name.lower() for name in headers}
    connection.putrequest("GET", url.target, skip_host=True, skip_accept_encoding="accept-encoding" in given)
    for name, value in {**{n: v for n, v in defaults.items() if n.lower() not in given}, **headers}.items():
        connection.putheader(name, value.encode("utf-8"))
    connection.endheaders()
    with connection.getresponse() as response:
        body = response.read(limit + 1)
        # A body shorter than its Content-Length comes without a word; what is missing stays in `length`.
        if response.length and len(body) <= limit:
            raise http.client.IncompleteRead(body, response.length)
        return response.status, tuple(response.getheaders()), body


def _no_answer(error: Exception, seconds: float) -> NoAnswer:
    said = _shorten(getattr(error, "verify_message", "") or getattr(error, "strerror", "") or str(error))
    for kind, lack, message in (  # the first that fits: the later ones are base classes of the earlier
        (TimeoutError, Lack.LATE, f"no complete answer within {max(0.1, round(seconds, 1)):g} s"),
        (ssl.SSLCertVerificationError, Lack.CERTIFICATE, f"the certificate is not accepted: {said}"),
        (ssl.SSLError, Lack.TLS, f"the TLS handshake failed: {said}"),
        (http.client.RemoteDisconnected, Lack.SILENT, "the connection was closed without an answer"),
        (http.client.IncompleteRead, Lack.SILENT, "the connection was closed in the middle of the answer"),
        (http.client.HTTPException, Lack.GARBAGE, f"what answers does not speak HTTP: {said}"),
    ):
        if isinstance(error, kind):
            return NoAnswer(lack, message)
    return NoAnswer(Lack.SILENT, f"the connection broke: {said or type(error).__name__}")


def _shorten(text: str) -> str:
    text = re.sub(r"^\[[A-Z]+: \w+\] | \(_ssl\.c:\d+\)$", "", text)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= 120 else text[:117] + "..."
