"""Conditions that are always true."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployer.lint.rules.base import ERROR, Hit, Theme
from deployer.lint.rules.matching import compiled, location_of
from deployer.lint.rules.refusing import refusal, status_of
from deployer.lint.rules.subject import Around, Subject
from deployer.nginx.tree import Directive

theme = Theme("Conditions that are always true")

_EVERYTHING = re.compile(r"\^|\^?(/|\.|\.\*|/\.\*|\(\.\*\))\$?")
_ALWAYS_THERE = re.compile(
    r"\$\{?(uri|request_uri|document_uri|host|remote_addr|scheme|request_method|server_name)\}?"
)


@theme.rule(
    "maintenance-flag",
    ERROR,
    "A flag that is always set turns users away",
    why="The condition is true for everybody, so every request is answered with the error.",
    fix="Set the flag to 0, or remove its file from the tree.",
    bad="set $maintenance 1;\nif ($maintenance) {\n    return 503;\n}\nlocation / {\n    proxy_pass http://127.0.0.1:9000;\n}",
    good="set $maintenance 0;\nif ($maintenance) {\n    return 503;\n}\nlocation / {\n    proxy_pass http://127.0.0.1:9000;\n}",
    context="server",
)
def maintenance_flag(subject: Subject) -> Iterator[Hit]:
    """``if`` on a variable that is a constant, a map or geo that is true by default, a file of the tree."""
    tables = _tables(subject)
    for block, around in subject.config.find("if"):
        found = refusal(block, around)
        if found is None or not around or around[-1].name == "if":
            continue
        if around[-1].name == "location" and location_of(around[-1]).pattern != "/":
            continue
        says = _flag_file(subject, block) or _flag(
            subject, block, around, tables, server_error=(status_of(found) or 0) >= 500
        )
        if says is not None:
            yield Hit(block, f"{says}, so every request is answered {found.args[0]}")


def _flag_file(subject: Subject, block: Directive) -> str | None:
    if len(block.args) != 2 or block.args[0] not in ("-f", "-e") or "$" in block.args[1]:
        return None
    path = block.args[1]
    return f"{path} is in the tree" if subject.below(path) and subject.exists(path) else None


def _flag(
    subject: Subject,
    block: Directive,
    around: Around,
    tables: dict[str, Directive],
    *,
    server_error: bool,
) -> str | None:
    if not block.args or not block.args[0].startswith("$"):
        return None
    variable = block.args[0]
    if _ALWAYS_THERE.fullmatch(variable):
        fits = len(block.args) == 3 and block.args[1] in ("~", "~*") and _EVERYTHING.fullmatch(block.args[2])
        return f'"{block.args[2]}" fits everything' if fits and server_error else None
    constant = _constant(subject, variable, (*around, block))
    if constant is not None:
        return f'{variable} is "{constant}"' if _true(block, constant) else None
    return _default(block, variable, tables.get(variable), server_error=server_error)


def _default(block: Directive, variable: str, table: Directive | None, *, server_error: bool) -> str | None:
    if table is None or table.first("include") is not None:
        return None
    values = {d.name: d.args[0] for d in table.block or () if d.args and d.name not in ("proxy", "delete")}
    default = values.get("default", "")
    if any("$" in v for v in values.values()):
        return None
    if _true(block, default) and (server_error or all(_true(block, v) for v in values.values())):
        return f'{variable} is "{default}" by default'
    return None


def _tables(subject: Subject) -> dict[str, Directive]:
    return {d.args[-1]: d for d, _ in subject.config.find("map", "geo") if d.args}


def _constant(subject: Subject, variable: str, path: Around) -> str | None:
    """The one value that a variable has at a condition (the last of the path): set before it, around it."""
    value = None
    for directive, blocks in subject.config.find("set"):
        if directive.args[:1] != (variable,) or len(directive.args) != 2:
            continue
        at = len(blocks)
        if at >= len(path) or any(a is not b for a, b in zip(blocks, path, strict=False)):
            if not set(map(id, blocks)).isdisjoint(map(id, path[1:])):
                return None  # in another block of the same server: perhaps within an if
            continue
        following = path[at]
        siblings = blocks[-1].block or ()
        if not any(
            d is directive for d in siblings[: next(n for n, d in enumerate(siblings) if d is following)]
        ):
            continue
        value = directive.args[1]
    return value if value is not None and "$" not in value else None


def _true(block: Directive, value: str) -> bool:
    if len(block.args) == 1:
        return value not in ("", "0")
    if len(block.args) != 3 or "$" in block.args[2]:
        return False
    if block.args[1] in ("=", "!="):
        return (value == block.args[2]) is (block.args[1] == "=")
    return False


@theme.rule(
    "ordinary-method-refused",
    ERROR,
    "Ordinary requests are refused for their method",
    why="GET is what every browser begins with: all pages are answered with the error.",
    fix="Turn the condition round, or name the methods that shall not come.",
    bad="if ($request_method ~ ^(GET|TRACE)$) {\n    return 405;\n}\nlocation / {\n    root /srv/www;\n}",
    good="if ($request_method !~ ^(GET|HEAD|POST)$) {\n    return 405;\n}\n"
    "location / {\n    root /srv/www;\n}",
    context="server",
)
def method_refused(subject: Subject) -> Iterator[Hit]:
    """At the server or its ``/``, a condition that is true for GET."""
    for block, around in subject.config.find("if"):
        found = refusal(block, around)
        if found is None or len(block.args) != 3 or not _whole_site(around):
            continue
        variable, sign, word = block.args
        fits = word == "GET" if sign == "=" else sign in ("~", "~*") and _finds(word, "GET")
        if variable in ("$request_method", "${request_method}") and fits:
            yield Hit(block, f"GET is answered {found.args[0]}")


@theme.rule(
    "referer-wanted",
    ERROR,
    "Only visitors from certain pages may come",
    why="Who types the address, or follows a bookmark, sends no Referer: he is answered with the error.",
    fix="Add 'none blocked' to valid_referers, or protect only the files that others embed.",
    bad="valid_referers server_names;\nif ($invalid_referer) {\n    return 403;\n}",
    good="valid_referers none blocked server_names;\nif ($invalid_referer) {\n    return 403;\n}",
    context="server",
)
def referer_wanted(subject: Subject) -> Iterator[Hit]:
    """At the server or its ``/``, a list without ``none``."""
    for block, around in subject.config.find("if"):
        found = refusal(block, around)
        if found is None or not _whole_site(around):
            continue
        lists = [d for d in around[-1].all("valid_referers") if "none" not in d.args]
        if (
            block.args == ("$invalid_referer",)
            and lists
            and len(lists) == len(around[-1].all("valid_referers"))
        ):
            yield Hit(lists[0], f"without a Referer the answer is {found.args[0]}")


def _whole_site(around: Around) -> bool:
    if not around or around[-1].name not in ("server", "location"):
        return False
    return around[-1].name == "server" or location_of(around[-1]).pattern == "/"


def _finds(pattern: str, text: str) -> bool:
    found = compiled(pattern)
    return found is not None and found.search(text) is not None
