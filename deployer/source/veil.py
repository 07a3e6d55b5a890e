"""What must not be seen: values of inventory variables whose names say that they are secret.

A rendered file may hold them, on its host; a plan, a log, the journal and an error may not. What a file may
show is its template rendered once more with a mask in their place, so what is made of a secret is hidden as
well. What a host says (nginx quotes the word that it does not like) is searched for the values themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deployer.model import Host

MASK = "********"
DEPENDS = "(hidden: it depends on a secret value)"
SHORTEST = 6
"""A shorter value is not looked for in what hosts say: it would tear other words apart."""

_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])")
_SECRET = re.compile(r"passw(or)?d|passphrase|secret|token|credential|apikey")
_SECRET_WORDS = frozenset({"pass", "pwd"})
_KEYS = frozenset({"key", "keys", "privkey"})
_ABOUT = re.compile(
    "age|bits|count|dir|directory|enabled|expiry|files?|header|length|lifetime|name|path|port|size|timeout|ttl"
    "|type|uri|url|user|username|zone"
)
"""With such a last word a name speaks of something about a secret: ``password_file``, ``token_ttl``."""


class _Says(IntEnum):
    """What a variable's name says of its value."""

    NOTHING = 0
    KEY = 1  #: secret, unless it is a path (``ssl_key``) or nginx's own variable (``cache_key``)
    SECRET = 2


class Veil:
    """Hides the secrets of all hosts of an inventory."""

    def __init__(self, hosts: Iterable[Host] = ()) -> None:
        found = {value for host in hosts for value in _secrets(host.vars, _Says.NOTHING)}
        # nginx and openssl quote a line of a key, not the whole of it.
        parts = {part.strip() for value in found for part in (value, *value.splitlines())}
        words = sorted((part for part in parts if len(part) >= SHORTEST), key=len, reverse=True)
        self._anything = bool(found)
        self._values = re.compile("|".join(map(re.escape, words))) if words else None

    def __bool__(self) -> bool:
        """Whether there is anything to hide."""
        return self._anything

    def variables(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """A host's variables with a mask for each secret, also for one that is part of another value."""
        masked: dict[str, Any] = self._masked(variables, _Says.NOTHING)
        return masked

    def hide(self, text: str) -> str:
        """A text with a mask for each secret value that stands in it."""
        return self._values.sub(MASK, text) if self._values is not None else text

    def shows(self, files: Iterable[tuple[Sequence[str], Sequence[str]]]) -> Callable[[str], str]:
        """What to show for a line of a file.

        :param files: lines of the file as it is in one revision or another, and as it may be shown; as many.
            A line of none of them (the host has an older secret, somebody edited it) is masked where it is
            like one that is masked, or holds a known value.
        """
        known: dict[str, str] = {}
        for real, masked in files:
            for line, instead in zip(real, masked, strict=True):
                known[line] = line if line == instead else instead if MASK in instead else DEPENDS
        alike = [(_pattern(shown), shown) for shown in dict.fromkeys(known.values()) if MASK in shown]

        def show(line: str) -> str:
            if line in known:
                return known[line]
            return next((shown for like, shown in alike if like.fullmatch(line)), self.hide(line))

        return show

    def _masked(self, value: Any, says: _Says) -> Any:
        if isinstance(value, Mapping):
            return {name: self._masked(item, _name(name, says)) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._masked(item, says) for item in value]
        if _is_secret(value, says):
            return MASK
        return self.hide(value) if isinstance(value, str) else value


def _secrets(value: Any, says: _Says) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _secrets(item, _name(name, says))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _secrets(item, says)
    elif _is_secret(value, says):
        yield str(value)


def _name(name: object, outer: _Says) -> _Says:
    """Within a secret everything is one, whatever it is called."""
    return max(outer, _says(str(name)))


@lru_cache(maxsize=4096)
def _says(name: str) -> _Says:
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or _ABOUT.fullmatch(words[-1]):
        return _Says.NOTHING
    if _SECRET.search("".join(words)) or not _SECRET_WORDS.isdisjoint(words):
        return _Says.SECRET
    return _Says.KEY if words[-1] in _KEYS else _Says.NOTHING


def _is_secret(value: Any, says: _Says) -> bool:
    if says is _Says.NOTHING or isinstance(value, bool) or not isinstance(value, str | int | float):
        return False
    text = str(value).strip()
    return bool(text) and (says is _Says.SECRET or not (text.startswith(("/", "~")) or "$" in text))


def _pattern(shown: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in shown.split(MASK)))
