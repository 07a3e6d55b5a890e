"""Which location answers: nginx's choice, made of the text alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from deployer.nginx.tree import Directive

_POSIX = re.compile(r"\[\[:\w+:\]\]")


@dataclass(frozen=True, slots=True)
class Location:
    """A location's modifier (``""`` for a plain prefix) and its pattern."""

    at: Directive
    modifier: str
    pattern: str

    @property
    def regex(self) -> bool:
        """Whether its pattern is a regular expression."""
        return self.modifier in ("~", "~*")

    @property
    def named(self) -> bool:
        """``@name``: only other directives lead there."""
        return self.pattern.startswith("@")

    @property
    def prefix(self) -> bool:
        """Whether it takes what begins as its pattern does."""
        return self.modifier in ("", "^~") and not self.named


def location_of(directive: Directive) -> Location:
    """Read the arguments of a ``location``: ``~ x``, ``~x`` and ``x``."""
    args = directive.args
    if len(args) > 1:
        return Location(directive, args[0], args[1])
    word = args[0] if args else ""
    for modifier in ("~*", "^~", "~", "="):
        if word.startswith(modifier):
            return Location(directive, modifier, word[len(modifier) :])
    return Location(directive, "", word)


class Locations:
    """The locations right in a block (those within others are left to these)."""

    def __init__(self, block: Directive) -> None:
        self.all = tuple(location_of(d) for d in block.all("location") if d.block is not None)

    @cached_property
    def _exact(self) -> dict[str, Location]:
        return {one.pattern: one for one in self.all if one.modifier == "="}

    @cached_property
    def prefixes(self) -> dict[str, Location]:
        """Prefix locations by their pattern."""
        return {one.pattern: one for one in self.all if one.prefix}

    @cached_property
    def regexes(self) -> tuple[Location, ...]:
        """Regex locations in the order they are tried."""
        return tuple(one for one in self.all if one.regex)

    @cached_property
    def names(self) -> frozenset[str]:
        """The named ones."""
        return frozenset(one.pattern for one in self.all if one.named)

    def choose(self, uri: str) -> Location | None:
        """The location for a URI without arguments; ``None``: none, or a pattern that cannot be judged."""
        if uri in self._exact:
            return self._exact[uri]
        best = max((p for p in self.prefixes if uri.startswith(p)), key=len, default=None)
        if best is not None and self.prefixes[best].modifier == "^~":
            return self.prefixes[best]
        for one in self.regexes:
            pattern = compiled(one.pattern, ignore_case=one.modifier == "~*")
            if pattern is None:
                return None
            if pattern.search(uri):
                return one
        return self.prefixes[best] if best is not None else None


@lru_cache(maxsize=4096)
def compiled(pattern: str, *, ignore_case: bool = False) -> re.Pattern[str] | None:
    """A PCRE as Python reads it; ``None`` where it does not."""
    if _POSIX.search(pattern):
        return None
    text = re.sub(r"\(\?<(?![=!])", "(?P<", pattern)
    try:
        return re.compile(text, re.IGNORECASE if ignore_case else 0)
    except (re.error, RecursionError, OverflowError):
        return None
