"""Tables: what a ``map`` looks at, and which of its rows a text finds. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deployer.nginx.configuration import Config
from deployer.nginx.samples import matches, samples
from deployer.nginx.tree import Directive
from deployer.nginx.variables import VARIABLE, names

_NO_ROW = frozenset(("default", "hostnames", "volatile", "include"))


@dataclass(frozen=True)
class Table:
    """One ``map``, with what its includes brought.

    :ivar source: the text that is looked for.
    :ivar target: the variable that it fills, without ``$``.
    :ivar rows: key and value, without the default.
    """

    source: str
    target: str
    rows: tuple[tuple[str, str], ...]
    default: str
    includes: tuple[str, ...]
    hostnames: bool

    def row(self, text: str) -> tuple[str, str] | None:
        """The row that a text finds; the default has the empty key. ``None``: one cannot be read here."""
        for key, value in self.rows:
            if not key.startswith("~") and key.removeprefix("\\").lower() == text.lower():
                return key, value
        for key, value in self.rows:
            if key.startswith("~"):
                fits = matches(*expression(key)[:1], text, ignore_case=expression(key)[1])
                if fits is None:
                    return None
                if fits:
                    return key, value
        return "", self.default


def tables(config: Config | None) -> dict[str, Table]:
    """Every ``map`` by the variable that it fills."""
    found = {}
    for directive, _ in config.find("map") if config is not None else ():
        if len(directive.args) == 2 and directive.block is not None:
            found[directive.args[1].removeprefix("$")] = read(directive)
    return found


def read(directive: Directive) -> Table:
    """One ``map`` block."""
    rows = list(_rows(directive))
    default = [d.args[0] for d in directive.block or () if d.name == "default" and d.args]
    includes = [d.args[0] for d in directive.block or () if d.name == "include" and d.args]
    hostnames = directive.first("hostnames") is not None
    source, target = directive.args
    given = default[-1] if default else ""
    return Table(source, target.removeprefix("$"), tuple(rows), given, tuple(includes), hostnames)


def expression(key: str) -> tuple[str, bool]:
    """The regular expression of a key, and whether it is blind to case."""
    return (key[2:], True) if key.startswith("~*") else (key.removeprefix("~"), False)


def fitting(key: str, *, limit: int = 2) -> tuple[str, ...]:
    """Texts that a key fits."""
    if not key.startswith("~"):
        return (key.removeprefix("\\"),)
    pattern, blind = expression(key)
    return samples(pattern, ignore_case=blind, limit=limit)


def bound(source: str, text: str) -> dict[str, str] | None:
    """Values of a source's variables with which it becomes a text; ``None``: it never does."""
    parts, end, known = [], 0, set[str]()
    for found in VARIABLE.finditer(source):
        name = found[1] or found[2]
        parts.append(re.escape(source[end : found.start()]))
        parts.append(f"(?P={name})" if name in known else f"(?P<{name}>{_shape(name)})")
        known.add(name)
        end = found.end()
    parts.append(re.escape(source[end:]))
    try:
        made = re.fullmatch("".join(parts), text, re.DOTALL | re.IGNORECASE)
    except re.error:  # "$1" is no name of a group
        return {}
    return None if made is None else made.groupdict()


def filled(source: str, values: Mapping[str, str]) -> str | None:
    """A source with its variables replaced; ``None``: not all are known."""
    if any(name not in values for name in names(source)):
        return None
    return VARIABLE.sub(lambda found: values[found[1] or found[2]], source)


def users(config: Config | None, variable: str) -> frozenset[str]:
    """A variable, and those that tables make of it, directly or over others."""
    found, every = {variable}, list(tables(config).values())
    while True:
        more = {t.target for t in every if t.target not in found and found & _mentioned(t)}
        if not more:
            return frozenset(found)
        found |= more


def _mentioned(table: Table) -> set[str]:
    texts = (table.source, table.default, *(value for _, value in table.rows))
    return {name for text in texts for name in names(text)}


def _shape(name: str) -> str:
    """What a variable can hold at all."""
    if name in ("uri", "request_uri", "document_uri"):
        return "/.*"
    return "[a-z0-9.:_-]*" if name == "host" else ".*"


def _rows(directive: Directive) -> Iterator[tuple[str, str]]:
    for entry in directive.block or ():
        if entry.name not in _NO_ROW and entry.args:
            yield entry.name, entry.args[0]
