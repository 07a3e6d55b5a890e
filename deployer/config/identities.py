"""The playbook's ``compare.as``: as whom questions are asked besides, and where what that takes may go."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, PlainValidator, ValidationInfo, WithJsonSchema

from deployer.config import terms
from deployer.config.references import REFERENCE, Referring, referring
from deployer.config.routes import Route

_TELLING = re.compile(
    r"auth(?!ors?\b)|token|secret|\bkey\b|api_?key|passw|pwd|sess|\bsid\b|jwt|signature|credential",
    re.IGNORECASE,
)
"""What is called so is not written into a playbook: a header, or a cookie."""

_OURS = frozenset(
    ("host", "user-agent", "connection", "content-length", "transfer-encoding", "upgrade", "expect", "te")
) | {"trailer", "keep-alive", "proxy-connection", "content-type", "range", "accept-encoding"}
"""What frames a request, or makes an answer another one than the comparison reads."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_DOING = re.compile(r"method.*override|x-http-method", re.IGNORECASE)


def said(value: Any, info: ValidationInfo) -> Mapping[str, Referring]:
    """Request headers by name, what is secret in them as a reference. No message quotes a value."""
    if not isinstance(value, dict) or not value:
        raise ValueError('expected headers such as {Authorization: "Bearer ${TOKEN}"}')
    found: dict[str, Referring] = {}
    for name, text in value.items():
        _header(name, {other.lower() for other in found})
        try:
            found[name] = referring(text, info)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        plain = REFERENCE.sub("", found[name].text)
        if plain == found[name].text and _TELLING.search(plain if name.lower() == "cookie" else name):
            raise ValueError(
                f"{name}: is a secret, and a playbook is read by many: write ${{NAME}} (a variable) or "
                "${file:PATH} (a file) in its place"
            )
    return MappingProxyType(found)


def _header(name: Any, known: set[str]) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a header")
    if name.lower() in known:
        raise ValueError("a header is there twice, in two spellings")
    if name.lower() in _OURS or _DOING.search(name):
        raise ValueError(f"{name}: is not a header that a question may be given here")


Said = Annotated[
    Mapping[str, Referring],
    PlainValidator(said),
    WithJsonSchema(
        {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": f"^{_NAME.pattern}$"},
            "additionalProperties": {"type": "string", "minLength": 1},
        }
    ),
]


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody with credentials, a version, or both, as whom questions are asked as well."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: Annotated[terms.Line, Field(description="How tables and messages call them; unique.")]
    headers: Annotated[
        Said, Field(description="What they say besides; ${NAME} and ${file:PATH} for what is secret.")
    ] = field(hash=False)
    only: Annotated[
        tuple[Route, ...],
        Field(min_length=1, description="Routes that are asked so; the headers are sent nowhere else."),
    ]


def misfits(identities: Sequence[Identity]) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Values that are good by themselves and do not fit together."""
    names: dict[str, int] = {}
    for at, identity in enumerate(identities):
        first = names.setdefault(identity.name, at)
        if first != at:
            yield (
                ("compare", "as", at, "name"),
                f"{identity.name!r} is the name of compare.as[{first}] already",
            )
