"""The ``Host`` sections of an ssh config that has no ``Include`` and no ``Match``.

paramiko has a reader of this too; it asks for the local user once a section, which for a file of 120 hosts
costs half of what connecting to them does. Format: ssh_config(5).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

Values = Mapping[str, tuple[str, ...]]

WHOLE_LINE = {"proxycommand", "userknownhostsfile", "globalknownhostsfile"}  #: not one word but all of them
REPEATED = {"identityfile", "certificatefile"}  #: every one counts; of all others the first

_LINE = re.compile(r'"?(\w+)"?(?:\s*=\s*|\s+)(\S.*)')


@dataclass
class _Section:
    patterns: list[str]
    values: dict[str, list[str]] = field(default_factory=dict)

    def applies(self, name: str) -> bool:
        hit = False
        for pattern in self.patterns:
            if pattern.startswith("!"):
                if _like(name, pattern[1:]):
                    return False
            else:
                hit = hit or _like(name, pattern)
        return hit


class Sections:
    """A file, read once and asked for many hosts."""

    def __init__(self, text: str) -> None:
        """Raises ``ValueError`` with the number of a line that is no setting."""
        self._sections = [_Section(["*"])]
        for number, line in enumerate(text.splitlines(), 1):
            line = line.strip()  # noqa: PLW2901
            if line and not line.startswith("#"):
                try:
                    self._add(line)
                except ValueError as error:
                    raise ValueError(f"line {number}: {error}") from error

    def _add(self, line: str) -> None:
        match = _LINE.fullmatch(line)
        if not match:
            raise ValueError(f"{line!r} is not a keyword and its value")
        key, rest = match[1].lower(), match[2]
        if key == "host":
            self._sections.append(_Section(words(rest)))
        else:
            value = rest if key in WHOLE_LINE else words(rest)[0]
            self._sections[-1].values.setdefault(key, []).append(value)

    def lookup(self, name: str) -> Values:
        """The settings for a host, by the name it is asked for."""
        out: dict[str, tuple[str, ...]] = {}
        for section in self._sections:
            if section.applies(name):
                for key, values in section.values.items():
                    if key in REPEATED:
                        out[key] = (*out.get(key, ()), *values)
                    else:
                        out.setdefault(key, (values[0],))
        return out


def words(text: str) -> list[str]:
    """Split as ssh does: quotes, and a comment at the end. Raises ``ValueError`` when nothing is left."""
    out = []
    for word in shlex.split(text):
        if word.startswith("#"):
            break
        out.append(word)
    if not out:
        raise ValueError("there is no value")
    return out


def _like(name: str, pattern: str) -> bool:
    if "*" not in pattern and "?" not in pattern:
        return name == pattern
    return fnmatchcase(name, pattern.replace("[", "[[]"))
