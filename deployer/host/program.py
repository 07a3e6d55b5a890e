"""The agent's text as it is shipped, and the command lines that start it."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files

PATH = "/var/lib/deployer/agent.sh"
ID_MARK = b"@AGENT_ID@"  #: stands in the text where its id goes
FIRST = (
    "head", "carry", "answers", "header", "processes", "program", "manifests", "state", "pins", "switch",
    "validate", "memory", "reload", "look", "own", "drift", "record", "stage", "activate", "promote",
    "quarantine", "guard", "main", "enter",
)  # fmt: skip
"""The files of sh/ that are read for every call, in this order."""

FURTHER = (
    "nest", "rehearsed", "rehearse", "clash", "relay", "switchboard", "traffic", "sample", "inspect", "adopt",
    "last",
)  # fmt: skip
"""Those that a shell reads on for, where a verb wants them."""

PARTS = FIRST + FURTHER

# dd takes exactly its bytes off the pipe in a few reads; a shell's own read takes them one by one. The text
# is evaluated, not handed over as an argument: one may have 128 KiB (Linux, MAX_ARG_STRLEN).
_LOADER = 'a=$(dd bs={size} count=1 iflag=fullblock 2>/dev/null | gzip -dc) && eval "$a"'


@dataclass(frozen=True)
class Program:
    """One version of the agent."""

    id: str  #: 12 hex digits of the SHA-256 of its text
    text: bytes  #: with the id put in

    @property
    def sha256(self) -> str:
        """Of the bytes that are shipped."""
        return hashlib.sha256(self.text).hexdigest()

    @cached_property
    def packed(self) -> bytes:
        """The text as it goes ahead on standard input."""
        return gzip.compress(self.text, mtime=0)

    def command(self, *, sudo: bool) -> str:
        """Start the agent whose packed text is the beginning of standard input."""
        return f"{_prefix(sudo)}sh -c '{_LOADER.format(size=len(self.packed))}' deployer-agent serve"


def source() -> bytes:
    """The agent's text without its id: the parts, one after the other."""
    folder = files("deployer.host").joinpath("sh")
    return b"".join(folder.joinpath(f"{part}.sh").read_bytes() for part in PARTS)


@lru_cache(maxsize=1)
def bundled() -> Program:
    """The agent that belongs to this program."""
    raw = source()
    ident = hashlib.sha256(raw).hexdigest()[:12]
    return Program(ident, raw.replace(ID_MARK, ident.encode(), 1))


def installed_command(*, sudo: bool) -> str:
    """Start the agent at its stable path."""
    return f"{_prefix(sudo)}sh {PATH} serve"


def _prefix(sudo: bool) -> str:
    return "sudo -n " if sudo else ""
