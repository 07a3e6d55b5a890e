"""What a text with variables becomes, as far as ``set`` and ``map`` say so. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from deployer.nginx.configuration import Config
from deployer.nginx.tables import read
from deployer.nginx.tree import Directive
from deployer.nginx.variables import VARIABLE

_DEEP = 8  # a variable of a variable of a variable


def value(config: Config, scope: Sequence[Directive], text: str, known: Mapping[str, str]) -> str:
    """A text with every variable replaced whose value is known; the others stay as they are written.

    :param known: what a request brings: values by name, without ``$``.
    """
    return _value(config, scope, text, known, _DEEP)


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
            row = None if "$" in asked else read(table).row(asked)
            return row[1] if row is not None else None
    return None
