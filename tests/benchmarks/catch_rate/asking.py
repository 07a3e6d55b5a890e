"""A user's question, the answer that a user is content with, and the client that asks it."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT_S = 6.0


@dataclass(frozen=True)
class Ask:
    """One request, and what a good answer looks like. Whatever is not named does not matter.

    :ivar url: its host is the name that is asked for and verified; the machine is the client's matter.
    :ivar status: the good one.
    :ivar body: a regular expression to be found in the body.
    :ivar location: a regular expression that the redirect's target matches from its start.
    :ivar headers: regular expressions to be found in headers of the answer.
    :ivar without: words that are in no header and not in the body.
    :ivar send: request headers.
    :ivar upload: bytes to be sent with POST; 0: GET.
    :ivar method: another method than these two.
    :ivar times: so often at once; each answer has to be good.
    :ivar old_tls: asked by a client that knows TLS 1.2 and nothing newer.
    :ivar proxied_for: asked through a balancer, which says in a PROXY line that this address asks.
    :ivar over_ipv6: asked at the machine's IPv6 address.
    :ivar trouble: a regular expression; not to be answered, in this way, is what is good.
    """

    name: str
    url: str
    status: int = 200
    body: str = ""
    location: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    send: Mapping[str, str] = field(default_factory=dict)
    upload: int = 0
    times: int = 1
    old_tls: bool = False
    method: str = ""
    proxied_for: str = ""
    over_ipv6: bool = False
    trouble: str = ""


@dataclass(frozen=True)
class Answer:
    """What came back; ``trouble`` when no HTTP answer did."""

    status: int = 0
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  #: names in lower case
    trouble: str = ""


class Client:
    """Asks one machine over fresh connections."""

    def __init__(self, address: str, authority: Path, address6: str = "") -> None:
        """:param authority: PEM file of the authority that the base's certificates come from."""
        self._address, self._address6 = address, address6
        self._tls, self._old_tls = (ssl.create_default_context(cafile=str(authority)) for _ in range(2))
        self._old_tls.maximum_version = ssl.TLSVersion.TLSv1_2

    def wrong(self, ask: Ask) -> str | None:
        """Why a user is not content with the answers, ``None`` when content."""
        for _ in range(ask.times):
            if why := judge(ask, self.answer(ask)):
                return why
        return None

    def answer(self, ask: Ask) -> Answer:
        """One answer."""
        parts = urlsplit(ask.url)
        name, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        connection = http.client.HTTPConnection(name, port, timeout=TIMEOUT_S)
        try:
            address = self._address6 if ask.over_ipv6 else self._address
            plain = socket.create_connection((address, port), TIMEOUT_S)
            connection.sock = plain
            if ask.proxied_for:
                plain.sendall(f"PROXY TCP4 {ask.proxied_for} {self._address} 40000 {port}\r\n".encode())
            if parts.scheme == "https":
                tls = self._old_tls if ask.old_tls else self._tls
                connection.sock = tls.wrap_socket(plain, server_hostname=name)
            host = name if parts.port is None else f"{name}:{parts.port}"
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            body = b"x" * ask.upload or None
            head = {"Host": host, "Connection": "close", "User-Agent": "user", **ask.send}
            connection.request(ask.method or ("POST" if body else "GET"), target, body, head)
            response = connection.getresponse()
            text = "" if response.status == 101 else response.read().decode("latin-1")
            headers: dict[str, str] = {}
            for key, value in response.getheaders():
                headers[key.lower()] = ", ".join(filter(None, (headers.get(key.lower()), value)))
            return Answer(response.status, text, headers)
        except ssl.SSLError as error:
            return Answer(trouble=f"TLS: {error.reason or error}")
        except TimeoutError:
            return Answer(trouble="no answer in time")
        except (OSError, http.client.HTTPException) as error:
            return Answer(trouble=type(error).__name__)
        finally:
            connection.close()


def judge(ask: Ask, answer: Answer) -> str | None:
    """Why the answer is not good, ``None`` when it is. Pure."""
    if ask.trouble:
        got = answer.trouble or f"answered with {answer.status}"
        return None if re.search(ask.trouble, answer.trouble) else got
    if answer.trouble:
        return answer.trouble
    if answer.status != ask.status:
        return f"{answer.status} instead of {ask.status}"
    if not re.search(ask.body, answer.body):
        return f"another page: {answer.body.strip()[:60]!r}"
    return _wrong_headers(ask, answer)


def _wrong_headers(ask: Ask, answer: Answer) -> str | None:
    location = re.sub(r"^(https?://[^/?#]+)$", r"\1/", answer.headers.get("location", ""))
    if not re.match(ask.location, location):
        return f"sent to {location or 'nowhere'}"
    for name, pattern in ask.headers.items():
        if not re.search(pattern, answer.headers.get(name.lower(), "")):
            return f"header {name} is {answer.headers.get(name.lower(), 'missing')}"
    said = answer.body + repr(answer.headers)
    return next((f"tells {word!r}" for word in ask.without if word in said), None)
