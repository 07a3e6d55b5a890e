"""What a text with variables becomes, as far as ``set`` and ``map`` say so. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from deployer.nginx.configuration import Config
from deployer.nginx.samples import matches
from deployer.nginx.tree import Directive

VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_DEEP = 8  # a variable of a variable of a variable


def value(config: Config, scope: Sequence[Directive], text: str, known: Mapping[str, str]) -> str:
    """A text with every variable replaced whose value is known; the others stay as they are written.

    :param known: what a request brings: values by name, without ``$``.
    """
    return _value(config, scope, text, known, _DEEP)


def names(text: str) -> tuple[str, ...]:
    """The variables of a text, without ``$``."""
    return tuple(braced or plain for braced, plain in VARIABLE.findall(text))


def _value(config: Config, scope: Sequence[Directive], text: str, known: Mapping[str, str], deep: int) -> str:
    def of(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name in known:
            return known[name]
        source = _source(config, scope, name, known, deep) if deep else None
        return found[0] if source is None else _value(config, scope, source, known, deep - 1)

    return VARIABLE.sub(of, text)


def _source(
    config: Config, scope: Sequence[Directive], name: str, known: Mapping[str, str], deep: int
) -> str | None:
    """The text that a variable stands for."""
    for block in reversed(scope):
        given = [d.args[1] for d in block.all("set") if len(d.args) == 2 and d.args[0] == f"${name}"]
        if given:
            return given[-1]
    for table, _ in config.find("map"):
        if len(table.args) == 2 and table.args[1] == f"${name}":
            asked = _value(config, scope, table.args[0], known, deep - 1)
            return None if "$" in asked else _mapped(table, asked)
    return None


def _mapped(table: Directive, asked: str) -> str | None:
    """What a map says of a text: the text itself first, then expressions in their order, then the default."""
    default = ""
    expressions = []
    for entry in table.block or ():
        if not entry.args:
            continue
        if entry.name.startswith("~"):
            expressions.append(entry)
        elif entry.name == "default":
            default = entry.args[0]
        elif entry.name.removeprefix("\\").lower() == asked.lower():
            return entry.args[0]
    for entry in expressions:
        fits = matches(entry.name.lstrip("~*"), asked, ignore_case=entry.name.startswith("~*"))
        if fits is None:
            return None
        if fits:
            return entry.args[0]
    return default
