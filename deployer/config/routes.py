"""Routes as a playbook and a command line name them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

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
