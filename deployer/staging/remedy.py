"""What nginx misses in an image, by what it says, and what helps. Pure.

A live configuration was good where it came from. What it misses in staging is of the machine around it: a
directory, a user, a name. That much can be made; what cannot is told.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from enum import StrEnum


class Missing(StrEnum):
    """What is not there."""

    NAME = "name"
    DIRECTORY = "directory"
    USER = "user"
    GROUP = "group"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class Remedy:
    """What has to be made."""

    missing: Missing
    what: str


_SAID = (
    (Missing.NAME, re.compile(r'host not found in (?:[\w ]*?)"(?:[a-z]+://)?\[?([^":/\]]+)')),
    (Missing.NAME, re.compile(r'host not found in .*?"[^"]*?server=([^",:\s]+)')),
    (Missing.DIRECTORY, re.compile(r'mkdir\(\) "([^"]+)" failed \(2:')),
    (Missing.DIRECTORY, re.compile(r'open\(\) "([^"]+\.(?:log|pid))" failed \(2:')),
    (Missing.USER, re.compile(r'getpwnam\("([a-z_][a-z0-9_-]*)"\) failed')),
    (Missing.GROUP, re.compile(r'getgrnam\("([a-z_][a-z0-9_-]*)"\) failed')),
    (Missing.ADDRESS, re.compile(r"bind\(\) to \[?([0-9a-f.:]+?)\]?:\d+ failed \(99:")),
)
_MODULE = re.compile(r'dlopen\(\) "([^"]+)" failed')
_EMERG = re.compile(r"\[emerg\] (?:\d+#\d+: )?(.+)")


def remedy(said: str) -> Remedy | None:
    """The first thing that nginx misses and that can be made; ``None``: it complains of something else."""
    for missing, pattern in _SAID:
        if (found := pattern.search(said)) is not None:
            what = posixpath.dirname(found[1]) if missing is Missing.DIRECTORY else found[1]
            return Remedy(missing, what)
    return None


def complaint(said: str) -> str:
    """nginx's own words for a sentence, and what to do where that is known."""
    found = _EMERG.search(said)
    lines = [line for line in said.splitlines() if line.strip()]
    told = found[1].strip() if found else lines[-1].strip() if lines else "nginx said nothing"
    if (module := _MODULE.search(said)) is not None:
        return f"{told}; install the module {posixpath.basename(module[1])} on this machine"
    return told
