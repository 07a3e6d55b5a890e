"""The playbook's ``staging``: what stands in for production's upstreams and certificates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, PlainValidator, WithJsonSchema

from deployer.config import terms

_UPSTREAM = re.compile(r"unix:/\S+|(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:\d{1,5})?", re.ASCII)
_TO = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):(\d{1,5})", re.ASCII)


class Keys(StrEnum):
    """Where the certificates of a staging fleet come from."""

    SELF_SIGNED = "self-signed"  #: made for the same names; no private key leaves production
    COPY = "copy"  #: production's, with their keys


def upstreams(value: Any) -> Mapping[str, int | str]:
    """``{app.internal:8080: 10.9.0.5:8080, "legacy.internal:80": 503}``."""
    if not isinstance(value, dict):
        raise ValueError("expected upstreams by their address: {app.internal:8080: 10.9.0.5:8080}")
    return MappingProxyType({_upstream(name): _stand_in(name, to) for name, to in value.items()})


def _upstream(name: Any) -> str:
    if not isinstance(name, str) or not _UPSTREAM.fullmatch(name):
        raise ValueError(f"expected a server as the configuration names it (app.internal:8080), not {name!r}")
    return name


def _stand_in(name: str, to: Any) -> int | str:
    if isinstance(to, int) and not isinstance(to, bool) and 200 <= to <= 599:
        return to
    found = _TO.fullmatch(to) if isinstance(to, str) else None
    if found is None or not 1 <= int(found[1]) <= 65535:
        raise ValueError(f"{name}: expected a status (200 to 599) or an address with a port, not {to!r}")
    return str(to)


def _nothing() -> Mapping[str, int | str]:
    return MappingProxyType({})


_STAND_IN = {
    "oneOf": [
        {"type": "integer", "minimum": 200, "maximum": 599},
        {"type": "string", "pattern": r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):[0-9]{1,5}$"},
    ]
}
Upstreams = Annotated[
    Mapping[str, int | str],
    PlainValidator(upstreams),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": r"^(unix:/\S+|(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:[0-9]{1,5})?)$"},
            "additionalProperties": _STAND_IN,
        }
    ),
]


@dataclass(frozen=True, slots=True)
class Staging:
    """What a throw-away staging fleet has in production's place."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    upstreams: Annotated[
        Upstreams,
        Field(description="Servers behind nginx: an address that stands in for one, or a fixed status."),
    ] = field(default_factory=_nothing, hash=False)
    record: Annotated[
        terms.TrueOrFalse,
        Field(description="Whether production is asked, so that the others answer with its statuses."),
    ] = True
    certificates: Annotated[
        Keys,
        Field(description="self-signed (no key leaves production) or copy (production's keys, too)."),
    ] = Keys.SELF_SIGNED


BY_DEFAULT = Staging()
"""Of a playbook that says nothing of it."""
