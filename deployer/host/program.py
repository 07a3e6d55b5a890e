"""The agent's text as it is shipped, and the command lines that start it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

PATH = "/var/lib/deployer/agent.sh"
ID_MARK = b"@AGENT_ID@"  #: stands in the text where its id goes
ARGUMENT_LIMIT = 128 << 10  #: Linux, MAX_ARG_STRLEN: the text is handed over as one argument

_LOADER = 'IFS= read -r a && a=$(printf %s "$a" | base64 -d) && exec sh -c "$a" deployer-agent'


@dataclass(frozen=True)
class Program:
    """One version of the agent."""

    id: str  #: 12 hex digits of the SHA-256 of its text
    text: bytes  #: with the id put in

    @property
    def sha256(self) -> str:
        """Of the bytes that are shipped."""
        return hashlib.sha256(self.text).hexdigest()

    @property
    def first_line(self) -> bytes:
        """The text as the first line of standard input."""
        return base64.b64encode(self.text) + b"\n"


@lru_cache(maxsize=1)
def bundled() -> Program:
    """The agent that belongs to this program."""
    raw = files("deployer.host").joinpath("agent.sh").read_bytes()
    ident = hashlib.sha256(raw).hexdigest()[:12]
    text = raw.replace(ID_MARK, ident.encode(), 1)
    if len(text) >= ARGUMENT_LIMIT:
        raise AssertionError(f"agent.sh has {len(text)} bytes, more than one argument may have")
    return Program(ident, text)


def installed_command(verbs: Sequence[str], *, sudo: bool) -> str:
    """Start the agent at its stable path."""
    return f"{_prefix(sudo)}sh {PATH} {_words(verbs)}"


def text_command(verbs: Sequence[str], *, sudo: bool) -> str:
    """Start the agent whose text is the first line of standard input."""
    return f"{_prefix(sudo)}sh -c '{_LOADER} {_words(verbs)}'"


def _prefix(sudo: bool) -> str:
    return "sudo -n " if sudo else ""


def _words(verbs: Sequence[str]) -> str:
    if not all(verb.isalpha() and verb.isascii() for verb in verbs):
        raise AssertionError(f"not verbs: {verbs}")
    return " ".join(verbs)
