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
_NO_MODULE = re.compile(r'dlopen\(\) "([^"]+)" failed \(.*No such file or directory\)(?: in (\S+:\d+))?')
_ODD_MODULE = re.compile(
    r'dlopen\(\) "([^"]+)" failed|module "([^"]+)" (?:is not binary compatible|version \d+ instead of)'
)
_UNKNOWN = re.compile(r'unknown directive "')
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
    if (gone := _NO_MODULE.search(said)) is not None:
        name = posixpath.basename(gone[1])
        where = f" ({gone[2]})" if gone[2] else ""
        return (
            f"it loads the nginx module {name}{where}, which this machine does not have; install it here "
            f"(on Debian: apt-get install {_package(name)}) and try again"
        )
    if (odd := _ODD_MODULE.search(said)) is not None:
        name = posixpath.basename(odd[1] or odd[2])
        return f"{told}; install {name} and nginx anew on this machine, of one version, and try again"
    if _UNKNOWN.search(told) is not None:
        return f"{told}; this machine's nginx needs the modules that production's has"
    return told


def _package(module: str) -> str:
    """The Debian package of a module, as they are all named."""
    name = module.removesuffix(".so").removesuffix("_module").removeprefix("ngx_")
    return f"libnginx-mod-{name.replace('_', '-')}"
