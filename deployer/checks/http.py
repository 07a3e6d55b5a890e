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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, unquote, urlsplit

from deployer.checks.certificate import Certificate, Trust, read_certificate
from deployer.checks.stream import Ahead, Stream, Timed, Tls

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
        except (LookupError, ValueError):  # "idna" and "undefined" are none that decode a text
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
    with contextlib.closing(Talk(stream, url, deadline=deadline, trust=trust, preface=preface)) as talk:
        return talk.get(url, deadline=deadline, headers=headers, limit=limit, last=True)


class Talk:
    """A connection that is asked one question after another, as a browser's is.

    :ivar deadline: of the handshake and the first question.
    :ivar certificate: what was shown in the handshake.
    """

    def __init__(
        self,
        stream: Stream,
        url: Url,
        *,
        deadline: float,
        trust: Trust | None = None,
        preface: bytes = b"",
    ) -> None:
        """Take the stream over, and shake hands for https; it is closed when that fails.

        :param url: whose server is asked for in the handshake. The rest as for :func:`get`.
        """
        self._began: float | None = time.monotonic()
        self._stream, self._usable, self.deadline = stream, True, deadline
        self._timed, self._tls = Timed(stream, deadline), None
        self.certificate: Certificate | None = None
        try:
            trust = trust or Trust()
            context = trust.context() if url.tls else None
            with self._told(self._began):
                if preface:
                    self._timed.sendall(preface)
                if context is not None:
                    self._tls = Tls(self._timed, context, trust.server_name or url.host)
                    self.certificate = read_certificate(self._tls.peer(), verified=trust.verify)
        except BaseException:
            stream.close()
            raise
        self._socket = _Socket(self._tls or self._timed)

    @property
    def usable(self) -> bool:
        """Whether it can be asked again: the answer was read to its end, and nothing else came since."""
        if not self._usable or self._socket.ahead.waiting or (self._tls is not None and self._tls.waiting):
            return False
        try:
            self._stream.settimeout(0)
            self._stream.recv(1)
        except (TimeoutError, BlockingIOError):
            return True
        except OSError:
            pass
        self._usable = False  # it was closed, or something was said that nobody asked for
        return False

    def get(
        self,
        url: Url,
        *,
        deadline: float,
        headers: Mapping[str, str] | None = None,
        limit: int = BODY_LIMIT,
        last: bool = False,
    ) -> Answer:
        """Ask, as :func:`get`; :attr:`usable` says then whether another question may follow.

        :param last: no other will, which the server is told.
        """
        started = self._began or time.monotonic()  # the first waits for the handshake as well
        self._began, self._usable, self._timed.deadline = None, False, deadline
        said = dict(headers or {})
        given = {name.lower() for name in said}
        usual = {"Host": url.authority, "User-Agent": "deployer-check", "Accept": "*/*"}
        usual |= {"Connection": "close" if last else "keep-alive"}
        said = {**{n: v for n, v in usual.items() if n.lower() not in given}, **said}
        with self._told(started):
            status, fields, body = self._exchange(url, said, limit)
        cut = len(body) > limit
        return Answer(status, fields, body[:limit], cut, time.monotonic() - started, self.certificate)

    def close(self) -> None:
        """Hang up."""
        self._usable = False
        self._stream.close()

    @contextlib.contextmanager
    def _told(self, started: float) -> Iterator[None]:
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            raise _no_answer(error, time.monotonic() - started) from error

    def _exchange(
        self, url: Url, headers: dict[str, str], limit: int
    ) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
        connection = http.client.HTTPConnection(url.host, url.port)
        connection.auto_open = 0
        connection.sock = self._socket
        skip = any(name.lower() == "accept-encoding" for name in headers)
        connection.putrequest("GET", url.target, skip_host=True, skip_accept_encoding=skip)
        for name, value in headers.items():
            connection.putheader(name, value.encode("utf-8"))
        connection.endheaders()
        with connection.getresponse() as response:
            body = response.read(limit + 1)
            # A body shorter than its Content-Length comes without a word; what is missing stays in `length`.
            if response.length and len(body) <= limit:
                raise http.client.IncompleteRead(body, response.length)
            self._usable = response.isclosed() and not response.will_close and response.status >= 200
            return response.status, tuple(response.getheaders()), body


class _Socket:
    """As much of a socket as ``http.client`` wants; it "closes" it before the answer is read."""

    def __init__(self, below: Timed | Tls) -> None:
        self._below, self.ahead = below, Ahead(below.recv)

    def sendall(self, data: bytes) -> None:
        self._below.sendall(data)

    def makefile(self, _mode: str) -> Ahead:
        return self.ahead

    def close(self) -> None:
        pass


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
