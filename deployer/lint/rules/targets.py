"""What a variable may hold, as far as ``set``, ``map``, ``geo`` and ``split_clients`` say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from deployer.lint.rules.subject import Subject
from deployer.nginx.tree import Directive

_ALONE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_NO_ENTRY = frozenset(("include", "proxy", "delete", "hostnames", "volatile", "ranges"))
_WITH_A_SLASH = re.compile(r"\$(request_uri|uri|document_uri)(?!\w)|\$\{(request_uri|uri|document_uri)\}")
"""What always begins with a slash: the host ends before it."""

_FROM_USERS = re.compile(r"host|http_\w+|arg_\w+|cookie_\w+|\d|server_name|request_uri|uri|ssl_server_name")


class Values(NamedTuple):
    """What a text with variables can become.

    :ivar known: texts without variables; what users choose (``$host``) stands for itself.
    :ivar sure: whether that is all.
    """

    known: tuple[str, ...]
    sure: bool


class Sources:
    """Where the variables of a configuration have their values from."""

    def __init__(self, subject: Subject) -> None:
        self._given: dict[str, list[str]] = {}
        self._open: set[str] = set()
        self._found: dict[str, Values | None] = {}
        for directive, _ in subject.config.find("set"):
            if len(directive.args) == 2:
                self._add(directive.args[0], (directive.args[1],))
        for table, _ in subject.config.find("map", "geo", "split_clients"):
            if table.args:
                self._add(table.args[-1], _entries(table))
                if subject.is_open(table):
                    self._open.add(table.args[-1].lstrip("$"))

    def _add(self, name: str, values: Sequence[str]) -> None:
        self._given.setdefault(name.lstrip("$"), []).extend(values)

    def __contains__(self, name: str) -> bool:
        return name in self._given

    def of(self, name: str) -> Values | None:
        """What a variable, named without ``$``, may hold; ``None``: something that is not followed says."""
        if name not in self._found:
            self._found[name] = None  # one that goes round in a circle is not followed
            self._found[name] = self._followed(name) if name in self._given else None
        return self._found[name]

    def host(self, text: str) -> Values:
        """What a host with variables can be; the empty text is left out, nobody is asked then."""
        path = _WITH_A_SLASH.search(text)
        text = text[: path.start()] if path is not None and path.start() else text
        variables = [braced or plain for braced, plain in _ALONE.findall(text)]
        if not variables:
            return Values((text,), sure=True)
        if len(variables) > 1 or not re.fullmatch(r"\$\{?\w+\}?(:\d+)?", text):
            chosen = all(_FROM_USERS.fullmatch(v) for v in variables)
            return Values((text,) if chosen else (), sure=chosen)
        if _FROM_USERS.fullmatch(variables[0]):
            return Values((text,), sure=True)
        found = self.of(variables[0])
        if found is None:
            return Values((), sure=False)
        port = _ALONE.sub("", text)
        return Values(tuple(v + port for v in found.known if v), found.sure and "" not in found.known)

    def _followed(self, name: str) -> Values:
        known: dict[str, None] = {}
        sure = name not in self._open
        for text in self._given[name]:
            if "$" not in text:
                known[text] = None
                continue
            alone = _ALONE.fullmatch(text)
            inner = self.of(alone[1] or alone[2]) if alone is not None else None
            sure = sure and inner is not None and inner.sure
            known |= dict.fromkeys(inner.known if inner is not None else ())
        return Values(tuple(known), sure)


def _entries(table: Directive) -> tuple[str, ...]:
    return tuple(e.args[-1] for e in table.block or () if e.args and e.name not in _NO_ENTRY)
