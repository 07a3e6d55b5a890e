"""What outlives a restart of the watch: how far logs were read, and what was told already."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from deployer.journal.location import default_path
from deployer.watch.changes import Conditions, Standing
from deployer.watch.findings import Kind
from deployer.watch.tally import Tally

VERSION = 1
FLEET = ""  #: the key of what holds of no single host


@dataclass
class Kept:
    """By host."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    conditions: dict[str, dict[Kind, Standing]] = field(default_factory=dict)


class Shelf:
    """The file in which it is kept. Where another watch holds it, nothing is read or written.

    :param path: in the state directory of this user.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None
        self._said = False

    @classmethod
    def of(cls, project: Path, *words: str) -> Self:
        """The one of what is watched: inventory, playbook, limit."""
        text = "\0".join((str(project.absolute()), *words))
        name = f"{words[0][:40].replace('/', '_')}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        return cls(default_path().parent / "watch" / f"{name}.json")

    def take(self) -> Kept:
        """Read it, and keep others out. What cannot be read is as if it were not there."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.let_go()
            self._say(
                f"another watch of this inventory runs, or {self.path} cannot be had ({error.strerror})"
            )
            return Kept()
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            return _read(json.loads(self.path.read_text()))
        return Kept()

    def put(self, tallies: Mapping[str, Tally], conditions: Mapping[str, Conditions]) -> None:
        """Write it, by one rename. That it cannot be written is said once, and stops nothing."""
        if self._lock is None:
            return
        new = self.path.with_suffix(".new")
        try:
            new.write_text(json.dumps(_written(tallies, conditions), separators=(",", ":")))
            new.replace(self.path)
        except OSError as error:
            self._say(f"{self.path} cannot be written ({error.strerror})")

    def let_go(self) -> None:
        """Let others have it."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def _say(self, what: str) -> None:
        if not self._said:
            self._said = True
            more = "counting of logs begins anew with each start"
            logging.getLogger("deployer").warning("%s: %s", what, more)


def _written(tallies: Mapping[str, Tally], conditions: Mapping[str, Conditions]) -> dict[str, Any]:
    return {
        "version": VERSION,
        "logs": {
            host: {"at": tally.read_at, "offsets": {str(i): o for i, o in tally.offsets.items()}}
            for host, tally in tallies.items()
            if tally.offsets
        },
        "conditions": {
            host: {k.value: [s.sentence, s.subject, s.loud, s.since] for k, s in found.items()}
            for host, found in conditions.items()
            if found
        },
    }


def _read(document: dict[str, Any]) -> Kept:
    if document["version"] != VERSION:
        return Kept()
    kinds = {kind.value: kind for kind in Kind}
    return Kept(
        {
            host: Tally(
                offsets={int(i): int(o) for i, o in said["offsets"].items()},
                read_at=None if said["at"] is None else float(said["at"]),
            )
            for host, said in document["logs"].items()
        },
        {
            host: {
                kinds[kind]: Standing(str(text), str(subject), bool(loud), float(since))
                for kind, (text, subject, loud, since) in found.items()
                if kind in kinds
            }
            for host, found in document["conditions"].items()
        },
    )
