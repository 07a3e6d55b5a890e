"""``--limit``: Ansible's host patterns.

One thing is stricter than in Ansible: a part of a pattern that matches no host is an error, not a warning. A
misspelt ``!web3`` must not deploy to web3.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from deployer.config.hints import did_you_mean, listing
from deployer.config.ranges import is_address
from deployer.config.yamlfile import read_text
from deployer.errors import UsageError

_SUBSCRIPT = re.compile(r"(.+)\[(?:(-?\d+)|(\d+):(\d*))\]")
_BETWEEN_COLONS = re.compile(r"(?:[^\s:\[\]]|\[[^\]]*\])+")


def select(pattern: str, members: Mapping[str, Sequence[str]]) -> set[str]:
    """The names of the hosts that a pattern means.

    :param members: hosts by group, Ansible's order; ``all`` is among them.
    :raises UsageError: for a pattern that is malformed or matches nothing.
    """
    parts = [part for text in _split(pattern, members["all"]) for part in _from_file(text)]
    if not parts:
        raise UsageError(f"--limit {pattern!r} is empty")
    plain = [part for part in parts if part[0] not in "!&"]
    chosen = {name for part in plain or ["all"] for name in _match(part, members)}
    for part in parts:
        if part[0] == "&":
            chosen &= set(_match(part[1:], members))
    for part in parts:
        if part[0] == "!":
            chosen -= set(_match(part[1:], members))
    if not chosen:
        raise UsageError(f"--limit {pattern!r} leaves no host of {listing(members['all'])}")
    return chosen


def _split(pattern: str, hosts: Iterable[str]) -> list[str]:
    if "," in pattern:
        parts = pattern.split(",")
    elif pattern in hosts or is_address(pattern.lstrip("!&").strip("[]")) or pattern.startswith("@"):
        parts = [pattern]
    else:
        parts = _BETWEEN_COLONS.findall(pattern)
        if _BETWEEN_COLONS.sub("", pattern).strip(": \t\n"):
            # Ansible drops it, and goes on with what is left: 'web[1' would be all of web.
            raise UsageError(f"--limit {pattern!r}: a [ without ], or a ] without [")
    return [part.strip() for part in parts if part.strip()]


def _from_file(part: str) -> list[str]:
    if not part.startswith("@"):
        return [part]
    lines = (line.strip() for line in read_text(Path(part[1:])).splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _match(part: str, members: Mapping[str, Sequence[str]]) -> list[str]:
    if part in members["all"]:
        return [part]
    if is_address(part.strip("[]")):
        part = part.strip("[]")  # 2001:db8::1 is also written [2001:db8::1]
    expression, take = _subscript(part)
    found = _enumerate(expression, members)
    if found is None:
        groups = [name for name in members if name not in ("all", "ungrouped")]
        hint = did_you_mean(part, [*groups, *members["all"]])
        there = f"there are the groups {listing(groups)} and the hosts {listing(members['all'])}"
        raise UsageError(f"--limit: {part!r} matches no host and no group{hint or f'; {there}'}")
    return found[take] if take else found


def _subscript(part: str) -> tuple[str, slice | None]:
    match = None if part.startswith("~") else _SUBSCRIPT.fullmatch(part)
    if match is None:
        return part, None
    expression, index, first, last = match.groups()
    if index is not None:
        at = int(index)
        return expression, slice(at, at + 1 or None)
    return expression, slice(int(first), int(last) + 1 if last else None)


def _enumerate(expression: str, members: Mapping[str, Sequence[str]]) -> list[str] | None:
    """Hosts of the groups that match, and hosts that match where no group does or a glob is meant."""
    try:
        glob = not expression.startswith("~")
        matches = re.compile(fnmatch.translate(expression) if glob else expression[1:]).match
    except re.error as error:
        raise UsageError(f"--limit: {expression!r} is not a regular expression: {error}") from None
    groups = [name for name in members if matches(name)]
    found = [host for name in groups for host in members[name]]
    if not groups or not glob or any(c in expression for c in ".?*["):
        hosts = [host for host in members["all"] if matches(host)]
        found += hosts
        if not groups and not hosts:
            return None
    return list(dict.fromkeys(found))
