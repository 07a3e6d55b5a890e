"""One question to a host and what came back, as far as two answers are compared. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from deployer.comparison.asker import ANYBODY, Asker

_TELLING = re.compile(r"Googlebot|iPhone|Android|Windows|Macintosh|X11")
_SHORT = 40


@dataclass(frozen=True, slots=True, order=True)
class Question:
    """``GET`` of a path for one server name at one listening port; the empty name asks the default server."""

    address: str  #: as the host reaches it, IPv6 without brackets
    port: int
    name: str
    path: str = "/"  #: as it goes over the wire, perhaps with a query
    said: tuple[tuple[str, str], ...] = ()
    """What it says besides: headers and made-up values; with the empty name the arguments of the path."""
    asker: Asker = ANYBODY  #: as whom it is asked

    @property
    def place(self) -> tuple[str, int]:
        """Where it is asked."""
        return self.address, self.port

    @property
    def headers(self) -> Mapping[str, str]:
        """What is sent besides the usual."""
        return self.asker.saying({name: value for name, value in self.said if name})

    @property
    def bare(self) -> bool:
        """Asked as anybody, who says nothing besides."""
        return not self.said and not self.asker

    @property
    def told(self) -> str:
        """What it says besides, short enough for a table, and as whom: ``?lang=fr``, ``(User-Agent: …)``."""
        said = (f" ({name}: {_shorter(value)})" if name else f"?{value}" for name, value in self.said)
        return "".join(said) + self.by

    @property
    def by(self) -> str:
        """As whom it is asked: `` as customer``."""
        return f" as {self.asker.name}" if self.asker else ""

    def __str__(self) -> str:
        where = f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"
        path = "" if self.path == "/" else self.path.partition("?")[0]
        return f"{self.name}{path}{self.told} at {where}" if self.name else f"{where}{path}{self.told}"


def _shorter(value: str) -> str:
    if len(value) <= _SHORT:
        return value or "none"
    known = _TELLING.search(value)
    return f"…{known[0]}…" if known else f"{value[:_SHORT]}…"


class Rank(IntEnum):
    """How bad an answer is for a user; a higher one after than before is worse."""

    GOOD = 0  #: 2xx, 3xx
    CLIENT_ERROR = 1
    SERVER_ERROR = 2
    NONE = 3  #: closed port, closed connection, no handshake, no HTTP


@dataclass(frozen=True, slots=True)
class Page:
    """What came with a status.

    :ivar digest: of the body, as far as it was read; empty when it is another one each time.
    :ivar size: bytes of the body, as far as it was read.
    :ivar kind: the media type, without parameters.
    :ivar headers: names in lower case, with their values.
    """

    digest: str
    size: int
    kind: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    listing: bool = False  #: nginx's own list of a directory
    welcome: bool = False  #: nginx's own first page
    built_in: bool = False  #: nginx's own page for an error
    garbled: bool = False  #: its bytes are none of the character set that it is said to be in
    unmade: bool = False  #: commands for server-side includes stand in it
    seconds: float = 0.0

    def differs(self, other: Page) -> bool:
        """Whether the body is another one, as far as that can be said."""
        return bool(self.digest and other.digest) and self.digest != other.digest

    def header(self, name: str) -> str | None:
        """All values of a header, joined by ``", "``."""
        found = [value for key, value in self.headers if key == name]
        return ", ".join(found) if found else None


@dataclass(frozen=True, slots=True)
class AnswerClass:
    """What one question was answered with, as far as two answers are compared.

    :ivar text: for people: "200", "the connection was closed without an answer".
    :ivar verified: the certificate stood for the name; ``None`` when that was not asked.
    :ivar lost: closed or late, as it also is when the way to the server is cut.
    :ivar broken: the question could not be put, so nothing is known.
    :ivar fits: the certificate is made out to the name, whoever signed it; ``None``: not asked.
    :ivar current: it is neither too old nor too young.
    """

    text: str
    status: int | None = None
    location: str | None = None
    names: tuple[str, ...] = ()  #: of the certificate
    verified: bool | None = None
    distrust: str | None = None  #: why the certificate was not accepted
    lost: bool = False
    broken: bool = False
    page: Page | None = None
    fits: bool | None = None
    current: bool | None = None

    @property
    def rank(self) -> Rank:
        """How bad it is."""
        if self.status is None:
            return Rank.NONE
        return (
            Rank.GOOD if self.status < 400 else Rank.CLIENT_ERROR if self.status < 500 else Rank.SERVER_ERROR
        )

    @property
    def brief(self) -> str:
        """For a cell of a table: the status, where it leads to, or what happened instead."""
        if self.status is None:
            return self.text
        return f"{self.status} → {self.location}" if self.location else str(self.status)

    @property
    def shown(self) -> bool:
        """A page, not a redirect."""
        return self.status is not None and 200 <= self.status < 300
