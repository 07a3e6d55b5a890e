"""Data that a configuration answers with in its own words: ``return 200 '{"api": "https://…"}'``. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from deployer.nginx.tree import Directive

_ADDRESS = re.compile(r"(\w+:)?//\S+|/\S*|[\w-]+(\.[\w-]+)+(:\d+)?(/\S*)?|[\w.-]+:\d+")


def emptied(was: Directive | None, now: Directive | None) -> str | None:
    """An address among data that is empty now, as the end of a sentence; a template lost its variable.

    That words are empty says nothing: a notice is taken back like that.
    """
    before, after = _text(was), _text(now)
    if before is None or after is None or before == after:
        return None
    data = _data(before)
    if not isinstance(data, dict | list):
        return None
    new = _data(after)
    if new is None and after.strip():
        return "its data cannot be read any more (JSON, in a return)"
    if not isinstance(new, dict | list):
        return None  # another answer altogether
    values = dict(_leaves(new))
    for where, value in _leaves(data):
        if isinstance(value, str) and _ADDRESS.fullmatch(value) and where in values and not values[where]:
            return f"{where} is empty in its data, {value} before"
    return None


def _text(directive: Directive | None) -> str | None:
    """What is shown; variables stay as they are written."""
    if directive is None or directive.name != "return" or len(directive.args) != 2:
        return None
    code, text = directive.args
    return text if re.fullmatch(r"2\d\d", code) else None


def _data(text: str) -> object:
    try:
        # nginx makes a line's end of \n, which is no space of JSON's as it is written.
        return json.loads(re.sub(r"(\\[nrt])+$", "", text.strip()))
    except ValueError:
        return None


def _leaves(data: object, where: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _leaves(value, f"{where}.{key}" if where else str(key))
    elif isinstance(data, list):
        for number, value in enumerate(data):
            yield from _leaves(value, f"{where}[{number}]")
    else:
        yield where, data
