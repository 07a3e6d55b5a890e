"""As whom a question is asked, when not as anybody. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

MASK = "********"
_SHORTEST = 4
"""A shorter secret is not looked for: its mask would tear other words apart."""
_SHORTEST_PART = 8


@dataclass(frozen=True, slots=True, order=True)
class Asker:
    """Somebody known by a name. What they say is no part of who they are, and of nothing that is shown.

    :ivar only: patterns (:func:`deployer.comparison.routes.covers`) of where it may be said.
    :ivar secrets: what is secret in the headers' values; empty for a version, say.
    """

    name: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False, compare=False)
    only: tuple[str, ...] = field(default=(), compare=False)
    secrets: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def __bool__(self) -> bool:
        """Somebody, not anybody."""
        return bool(self.name)

    def saying(self, more: Mapping[str, str]) -> Mapping[str, str]:
        """Their headers and more; cookies are sent together, of anything else ``more`` counts."""
        own = {name.lower(): (name, value) for name, value in self.headers}
        for name, value in more.items():
            before = own.get(name.lower())
            both = before is not None and name.lower() == "cookie"
            own[name.lower()] = name, f"{before[1]}; {value}" if before is not None and both else value
        return dict(own.values())

    def masked(self, text: str) -> str:
        """A text that came back, without what is secret."""
        for word in sorted(self._words, key=len, reverse=True):
            text = text.replace(word, MASK)
        return text

    @property
    def _words(self) -> set[str]:
        """As they may come back: whole, in parts (``session=…``, ``Bearer …``), quoted for a URL."""
        parts = {part for text in self.secrets for part in re.split(r"[\s;,=:]+", text)}
        words = {text for text in self.secrets if len(text) >= _SHORTEST}
        words |= {part for part in parts if len(part) >= _SHORTEST_PART}
        return words | {quote(word, safe="") for word in words}


ANYBODY = Asker()
"""Who has no name and says nothing of themselves."""
