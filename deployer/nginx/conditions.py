"""Where a server makes its answer depend on what a request says besides its name and path. Pure.

``if`` on headers, cookies and arguments, and the entries of each ``map`` over one of them whose result
decides who or what answers. What only goes into a log, a header or a key is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from deployer.nginx.configuration import walk
from deployer.nginx.sites import Location, Server, Sites, written
from deployer.nginx.tables import bound, filled, fitting, read
from deployer.nginx.tree import Directive
from deployer.nginx.variables import names

_REQUEST = re.compile(r"(http|cookie|arg)_\w+|args|query_string")
_DECIDING = frozenset(
    {
        *(
            "return",
            "rewrite",
            "if",
            "set",
            "root",
            "alias",
            "try_files",
            "index",
            "auth_basic",
            "error_page",
        ),
        *("proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "memcached_pass"),
    }
)
_NO_ENTRY = frozenset(("default", "hostnames", "volatile", "include"))
_DEEP = 4  # a map of a map of a variable that was set


@dataclass(frozen=True)
class Condition:
    """One test of what a request says.

    :ivar variable: ``http_user_agent``, ``cookie_consent``, ``arg_lang``, ``args``.
    :ivar test: ``=``, ``!=``, ``~``, ``~*``, ``!~``, ``!~*``; empty: whether it says anything.
    :ivar location: where it stands; ``None``: it holds for the whole server.
    :ivar text: it and all that hangs on it, as it is written.
    """

    variable: str
    test: str
    operand: str
    location: Location | None = field(compare=False)
    text: str

    @property
    def identity(self) -> tuple[str, str, str, str, str]:
        """The same for two that say the same of the same place."""
        title = self.location.title if self.location is not None else ""
        return title, self.variable, self.test, self.operand, self.text


_Leaf = tuple[str, Directive | None, tuple[str, str]]


def conditions(sites: Sites) -> Iterator[tuple[Server, Condition]]:
    """Of every server, in the order they are written."""
    tables = {}
    for table, _ in sites.config.find("map") if sites.config is not None else ():
        if len(table.args) == 2:
            tables[table.args[1].removeprefix("$")] = (table.args[0], table)
    for server in sites.servers:
        reading = _Reading(server, tables)
        if reading.deciding:
            yield from ((server, one) for one in reading.all())


class _Reading:
    """One server."""

    def __init__(self, server: Server, tables: Mapping[str, tuple[str, Directive]]) -> None:
        self._tables = tables
        self.deciding: list[tuple[Location | None, Directive]] = []
        for location in (None, *server.every):
            block = server.directive if location is None else location.directive
            inner = walk([d for d in block.block or () if d.name != "location"], tables=False)
            self.deciding += [
                (location, d) for d, _ in inner if d.name in _DECIDING and any("$" in a for a in d.args)
            ]
        self._set: dict[str, list[str]] = {}
        for _, directive in self.deciding:
            if directive.name == "set" and len(directive.args) == 2 and (source := _alone(directive.args[1])):
                self._set.setdefault(directive.args[0].removeprefix("$"), []).append(source)

    def all(self) -> Iterator[Condition]:
        """What is tested, the same once for each place."""
        for location, directive in self.deciding:
            text = self._hanging(directive)
            if directive.name == "if":
                yield from self._if(directive, location, text)
                continue
            args = directive.args[1:] if directive.name == "set" else directive.args
            for name in dict.fromkeys(n for a in args for n in names(a)):
                for variable, entry, key in self._leaves(name, _DEEP):
                    if entry is not None:
                        yield Condition(variable, *key, location, f"{written(entry)} {text}")
                    elif directive.name != "set" and variable.startswith(("http_", "cookie_")):
                        yield Condition(variable, "", "", location, text)

    def _if(self, directive: Directive, location: Location | None, text: str) -> Iterator[Condition]:
        name = _alone(directive.args[0]) if directive.args else None
        if name is None or len(directive.args) > 3:
            return
        test, operand = (*directive.args[1:], "", "")[:2]  # an empty word is left out where it is read
        for variable, entry, key in self._leaves(name, _DEEP):
            if entry is None:
                yield Condition(variable, test, operand, location, text)
            else:
                yield Condition(variable, *key, location, f"{written(entry)} {text}")

    def _leaves(self, name: str, deep: int) -> Iterator[_Leaf]:
        """What of a request a variable stands for; with the entry of a map that is asked, and its test."""
        if _REQUEST.fullmatch(name):
            yield name, None, ("", "")
        elif deep and name in self._tables:
            source, table = self._tables[name]
            default = [e.args for e in table.block or () if e.name == "default"]
            own = [e for e in table.block or () if e.name not in _NO_ENTRY and [e.args] != default]
            if (single := _alone(source)) is None:
                yield from ((variable, entry, key) for entry in own for variable, key in _parts(table, entry))
                return
            for variable, entry, key in self._leaves(single, deep - 1):
                some = [(one, _key(one.name)) for one in own] if entry is None else [(entry, key)]
                yield from ((variable, *one) for one in some)
        elif deep:
            for source in self._set.get(name, ()):
                yield from self._leaves(source, deep - 1)

    def _hanging(self, directive: Directive) -> str:
        """A directive, and what looks at the variables that it sets."""
        given = {d.args[0] for d, _ in walk([directive], tables=False) if d.name == "set" and d.args}
        after = [d for _, d in self.deciding if d is not directive and given & {f"${n}" for n in _in(d)}]
        return " ".join(written(d) for d in (directive, *after))


def _in(directive: Directive) -> set[str]:
    args = directive.args[1:] if directive.name == "set" else directive.args
    return {n for a in args for n in names(a)}


def _alone(text: str) -> str | None:
    """The variable that a text is, and nothing besides."""
    found = names(text)
    return found[0] if len(found) == 1 and text in (f"${found[0]}", f"${{{found[0]}}}") else None


def _parts(table: Directive, entry: Directive) -> Iterator[tuple[str, tuple[str, str]]]:
    """Of a map over several variables: which of them finds an entry by itself, and with which value."""
    rows = read(table)
    inside = dict.fromkeys(names(rows.source))
    asked = [name for name in inside if _REQUEST.fullmatch(name)]
    if len(asked) < len(inside):  # what the others hold is not known
        return
    for text in fitting(entry.name):
        for name in asked:
            value = (bound(rows.source, text) or {}).get(name) or text
            found = filled(rows.source, dict.fromkeys(inside, "") | {name: value})
            if found is not None and (rows.row(found) or ("",))[0] == entry.name:
                yield name, ("=", value)


def _key(key: str) -> tuple[str, str]:
    """Test and operand of a map's entry."""
    if key.startswith("~"):
        return ("~*", key[2:]) if key.startswith("~*") else ("~", key[1:])
    return "=", key.removeprefix("\\")
