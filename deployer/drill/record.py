"""What happened in a drill, in files that outlive every process: a line of JSON each, only ever added to."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHANGING = frozenset({"deploy", "rollback", "recover", "adopt", "unlock", "quarantine"})
"""Commands after whose end the fleet may be repaired."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened.

    :ivar at: Unix time in seconds.
    :ivar what: ``breaking``, ``broken``, ``command``, ``hint``, ``found``, ``proof``, ``later`` or
        ``unwatched``.
    """

    at: float
    what: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Users:
    """What users met in a second or so.

    :ivar failures: whole second of Unix time → requests begun in it that failed.
    """

    began: float
    ended: float
    total: int
    failed: int
    failures: dict[int, int]
    first_failure: float | None
    last_failure: float | None
    slowest_ms: float


class Record:
    """The files of one drill."""

    def __init__(self, directory: Path) -> None:
        self._entries = directory / "entries.jsonl"
        self._users = directory / "users.jsonl"
        self.commands = directory / "commands.tsv"  #: written by the shell's ``deployer``

    def add(self, what: str, **detail: Any) -> None:
        """Note something that happens now."""
        _append(self._entries, {"at": time.time(), "what": what, "detail": detail})

    def add_users(self, users: Users) -> None:
        """Note what users met."""
        fields = {name: getattr(users, name) for name in Users.__slots__}
        _append(self._users, fields)

    def entries(self) -> list[Entry]:
        """Everything that happened, commands among it, in the order of their times."""
        found = [Entry(**line) for line in _lines(self._entries)]
        return sorted([*found, *self._commands()], key=lambda entry: entry.at)

    def users(self) -> list[Users]:
        """What users met, in order."""
        lines = _lines(self._users)
        return [
            Users(**{**line, "failures": {int(k): n for k, n in line["failures"].items()}}) for line in lines
        ]

    def _commands(self) -> list[Entry]:
        """``at`` is a command's end."""
        found = []
        for line in _complete(self.commands):
            began, ended, code, verb, typed = line.split("\t", 4)
            detail = {"began": float(began), "code": int(code), "verb": verb, "typed": typed}
            found.append(Entry(float(ended), "command", detail))
        return found


def _append(file: Path, line: dict[str, Any]) -> None:
    with file.open("a") as out:  # one write of one line: whoever reads meanwhile sees all of it or nothing
        out.write(json.dumps(line) + "\n")


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _complete(file)]


def _complete(file: Path) -> list[str]:
    try:
        text = file.read_text()
    except FileNotFoundError:
        return []
    return text[: text.rfind("\n") + 1].splitlines()
