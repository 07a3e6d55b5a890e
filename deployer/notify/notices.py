"""What may be told: one notice, for a person and for a program. Pure."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import sha256
from typing import Any

from deployer.config.notify import Level
from deployer.model.barriers import hash_of
from deployer.report.words import clean, duration, iso

VERSION = 1  #: of the JSON document
_NUMBERS = re.compile(r"\d+(?:\.\d+)?")


class Turn(StrEnum):
    """What a notice is to whoever heard others before."""

    NEWS = "news"  #: told whenever it happens
    PROBLEM = "problem"  #: told once, until it is over or becomes another
    OVER = "over"  #: of a problem that was told


@dataclass(frozen=True)
class Notice:
    """Something that happened.

    :ivar event: ``deploy.refused``, ``gates.broken`` …: stable, for programs (docs/notify.md).
    :ivar level: ``None``: nobody is told of it; it may still be the end of something.
    :ivar happened: one sentence, or two; likewise ``did`` (by deployer) and ``now`` (for a person to do).
    :ivar commands: what to type, in this order.
    :ivar topic: of a problem: what it is about, one at a time: ``deploy``, ``fleet``, ``watch web1 drift``.
    :ivar fingerprint: of a problem: another one under the same topic is told again.
    :ivar covers: a problem that was told with these releases in quarantine is this one too.
    :ivar ends: topics of which this is the end.
    """

    event: str
    level: Level | None
    inventory: str
    title: str
    happened: str = ""
    did: str = ""
    now: str = ""
    commands: tuple[str, ...] = ()
    turn: Turn = Turn.NEWS
    topic: str | None = None
    fingerprint: str = ""
    covers: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    who: str | None = None
    deployment: str | None = None
    revision: str | None = None
    exit_code: int | None = None
    hosts: Mapping[str, str] = field(default_factory=dict)  #: how each ended
    detail: Mapping[str, Any] = field(default_factory=dict)  #: JSON values
    quarantined: tuple[str, ...] = ()
    since: float | None = None  #: of what is over: when it began
    time: float = field(default_factory=time.time)
    id: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def about(self) -> dict[str, Any]:
        """What the store keeps of a problem until it is over."""
        return {
            "event": self.event,
            "level": str(self.level),
            "title": self.title,
            "happened": self.happened,
            "deployment": self.deployment,
            "quarantined": list(self.quarantined),
        }

    def as_json(self) -> dict[str, Any]:
        """The document that a webhook gets. Its keys stay; more may come."""
        return {
            "version": VERSION,
            "id": self.id,
            "event": self.event,
            "turn": self.turn.value,
            "level": None if self.level is None else self.level.value,
            "time": iso(self.time),
            "inventory": self.inventory,
            "title": self.title,
            "happened": self.happened,
            "did": self.did,
            "now": self.now,
            "commands": list(self.commands),
            "who": self.who,
            "deployment": self.deployment,
            "revision": self.revision,
            "exit_code": self.exit_code,
            "hosts": dict(self.hosts),
            "quarantined": list(self.quarantined),
            "topic": self.topic,
            "since": iso(self.since),
            "detail": dict(self.detail),
        }

    def hidden(self, hide: Callable[[str], str]) -> Notice:
        """The same with secrets taken out of what a person or another program wrote."""
        texts: dict[str, Any] = {n: hide(getattr(self, n)) for n in ("title", "happened", "did", "now")}
        detail = {name: _veiled(value, hide) for name, value in self.detail.items()}
        return replace(self, **texts, detail=detail)


def over(problem: Mapping[str, Any], *, topic: str, since: float, by: Notice) -> Notice:
    """That a problem, as :attr:`Notice.about` kept it, is over with what happened now."""
    lasted = duration(max(0.0, by.time - since))
    what = clean(str(problem.get("title", "the problem")))
    return replace(
        by,
        id=secrets.token_hex(16),
        event=f"{problem.get('event', topic)}.over",
        level=level_of(problem),
        title=f"OVER: {what}",
        happened=f"It is over, after {lasted}. {by.happened}".strip(),
        now=by.now or "Nothing.",
        turn=Turn.OVER,
        topic=topic,
        since=since,
        ends=(),
        detail={
            **by.detail,
            "problem": {"event": problem.get("event"), "deployment": problem.get("deployment")},
        },
    )


def level_of(problem: Mapping[str, Any]) -> Level:
    """How loud a problem was."""
    try:
        return Level(str(problem.get("level")))
    except ValueError:
        return Level.WARNING


def fingerprint(*exactly: object, text: str = "") -> str:
    """The same for the same problem.

    :param text: in which numbers (times, durations, process ids) do not count.
    """
    parts = "\0".join([*map(str, exactly), _NUMBERS.sub("#", text)])
    return sha256(parts.encode("utf-8", "backslashreplace")).hexdigest()[:32]


def same_problem(notice: Notice) -> Callable[[Mapping[str, Any]], bool]:
    """Whether what was told before covers a notice: it is refused for what that one put into quarantine."""

    def same(about: Mapping[str, Any]) -> bool:
        there = {hash_of(str(release)) for release in about.get("quarantined") or ()}
        return bool(notice.covers) and {hash_of(release) for release in notice.covers} <= there

    return same


def _veiled(value: Any, hide: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, Mapping):
        return {name: _veiled(item, hide) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_veiled(item, hide) for item in value]
    return value
