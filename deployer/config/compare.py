"""The playbook's ``compare``: what may be asked of live and candidate, and which differences are meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, PlainValidator, WithJsonSchema

from deployer.config import terms

_ROUTE = re.compile(r"([^\s/]+|(?=/))(/\S*)?")


def route(value: Any) -> str:
    """``HOST/PATH``, ``/PATH`` or ``HOST``, with ``*`` and ``?``. Raises ``ValueError`` otherwise."""
    if not isinstance(value, str) or not value.isascii() or not _ROUTE.fullmatch(value) or len(value) > 300:
        raise ValueError(
            f"expected a route such as shop.example.com/old/*, /logout or blog.example.com, not {value!r}"
        )
    return value


Route = Annotated[
    str, PlainValidator(route), WithJsonSchema({"type": "string", "minLength": 1, "pattern": r"^\S+$"})
]


@dataclass(frozen=True, slots=True)
class ExpectedChange:
    """A route that may be answered worse, and why."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    route: Annotated[Route, Field(description="HOST/PATH, /PATH or HOST, with * and ?; _ for no name.")]
    reason: Annotated[terms.Line, Field(description="Why; it is recorded with the deployment.")]


@dataclass(frozen=True, slots=True)
class Compare:
    """How the answers of live and candidate are compared."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    exclude: Annotated[
        tuple[Route, ...], Field(description="Routes that are never asked: a GET of theirs does something.")
    ] = ()
    expect_changes: Annotated[
        tuple[ExpectedChange, ...],
        Field(description="Routes that may be answered worse, each with a reason."),
    ] = ()
    sample: Annotated[
        int, terms.Whole(0, 1000), Field(description="Paths of the access log that are asked; 0: none.")
    ] = 50
    cap: Annotated[
        int, terms.Whole(1, 5000), Field(description="Questions for a host, of live and candidate each.")
    ] = 400


COMPARED = Compare()
"""Of a playbook that says nothing of it."""
