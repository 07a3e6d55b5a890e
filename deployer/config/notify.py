"""``notify`` of a playbook: who is told, from which level on, and where what must stay secret comes from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, PlainValidator, ValidationInfo, WithJsonSchema

from deployer.config import terms
from deployer.config.references import Referring, referring

_PASSWORD = re.compile(r"://[^/?#@]*:(?!\$\{)[^/?#@]+@")
_WHOLE = r"^\$\{[^{}]+\}$"
_EXACT = ConfigDict(extra="forbid")


class Level(StrEnum):
    """How loud a message is; in this order."""

    INFO = "info"  #: it went as it should: started, succeeded
    WARNING = "warning"  #: somebody should know today: refused, rolled back, a gate was broken
    CRITICAL = "critical"  #: somebody has to act now: it is not proved what a host serves

    @property
    def rank(self) -> int:
        """Larger is louder."""
        return list(Level).index(self)


def service_url(value: Any, info: ValidationInfo) -> Referring:
    """An apprise URL, or a reference that is one."""
    found = referring(value, info)
    if not found.scheme and not found.whole:
        raise ValueError("expected an apprise URL such as slack://${SLACK_TOKENS}, or ${NAME} that holds one")
    _without_password(found)
    return found


def webhook_url(value: Any, info: ValidationInfo) -> Referring:
    """An http or https URL, or a reference that is one."""
    found = referring(value, info)
    if found.scheme not in ("http", "https") and not found.whole:
        raise ValueError("expected an https or http URL, or ${NAME} that holds one")
    _without_password(found)
    return found


def secret(value: Any, info: ValidationInfo) -> Referring:
    """A reference; never the secret itself."""
    found = referring(value, info)
    if not found.whole:
        raise ValueError("expected ${NAME} (a variable) or ${file:PATH} (a file), not the secret itself")
    return found


def _without_password(found: Referring) -> None:
    if _PASSWORD.search(found.text):
        raise ValueError(
            "has a password in it, and a playbook is read by many: write ${NAME} (a variable) or "
            "${file:PATH} (a file) in its place"
        )


_TEXT = {"type": "string", "minLength": 1}
ServiceUrl = Annotated[
    Referring,
    PlainValidator(service_url),
    WithJsonSchema({**_TEXT, "pattern": rf"^[A-Za-z][A-Za-z0-9+.-]*://|{_WHOLE}"}),
]
WebhookUrl = Annotated[
    Referring,
    PlainValidator(webhook_url),
    WithJsonSchema({**_TEXT, "pattern": rf"^[Hh][Tt][Tt][Pp][Ss]?://|{_WHOLE}"}),
]
Secret = Annotated[Referring, PlainValidator(secret), WithJsonSchema({**_TEXT, "pattern": _WHOLE})]


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody, or something, that is told."""

    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

    url: Annotated[
        ServiceUrl | None, Field(description="An apprise URL: chat, mail, paging; ${NAME} for secrets.")
    ] = None
    webhook: Annotated[
        WebhookUrl | None, Field(description="Where the event is posted as JSON, signed with secret.")
    ] = None
    secret: Annotated[
        Secret | None, Field(description="What a webhook is signed with: ${NAME} or ${file:PATH}.")
    ] = None
    level: Annotated[
        Level, Field(description="From which level on it is told: info, warning or critical.")
    ] = Level.WARNING
    name: Annotated[
        terms.Line | None, Field(description="How output, journal and messages call it; unique.")
    ] = None

    @property
    def meant(self) -> Referring:
        """Its URL, of either kind."""
        found = self.webhook or self.url
        if found is None:
            raise AssertionError("a recipient without URL")
        return found

    @property
    def key(self) -> str:
        """What the store knows it by: the same while the playbook's text is, whatever the secrets are."""
        kind = "webhook" if self.webhook is not None else "url"
        return sha256(f"{kind} {self.meant.text}".encode("utf-8", "backslashreplace")).hexdigest()[:32]


def called(recipients: Sequence[Recipient]) -> tuple[str, ...]:
    """What each is called: its name, or its kind and, where that is not enough, its place in the list."""
    plain = [r.name or ("webhook" if r.webhook is not None else r.meant.scheme or "url") for r in recipients]
    return tuple(
        name if r.name is not None or plain.count(name) == 1 else f"{name} (notify[{at}])"
        for at, (r, name) in enumerate(zip(recipients, plain, strict=True))
    )


def misfits(recipients: Sequence[Recipient]) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Values that are good by themselves and do not fit together."""
    names: dict[str, int] = {}
    for at, recipient in enumerate(recipients):
        here = ("notify", at)
        if (recipient.url is None) == (recipient.webhook is None):
            yield here, "expected either url (an apprise URL) or webhook"
        elif recipient.webhook is not None and recipient.secret is None:
            yield here, "a webhook is signed: expected secret: ${NAME} or ${file:PATH}"
        elif recipient.url is not None and recipient.secret is not None:
            yield (*here, "secret"), "is what a webhook is signed with, and this is none"
        first = names.setdefault(recipient.name, at) if recipient.name is not None else at
        if first != at:
            yield (*here, "name"), f"{recipient.name!r} is the name of notify[{first}] already"
