"""The variables of a text. Pure."""

from __future__ import annotations

import re

VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def names(text: str) -> tuple[str, ...]:
    """The variables of a text, without ``$``."""
    return tuple(braced or plain for braced, plain in VARIABLE.findall(text))
