"""What a watch tells people: one message for a kind of trouble, whoever has it, and one at its end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deployer.config.notify import Level
from deployer.notify.notices import Notice, Turn, fingerprint
from deployer.notify.outcomes import Command
from deployer.report.words import clean, count, names
from deployer.watch.changes import Standing
from deployer.watch.findings import Kind
from deployer.watch.now import Now

GATHER_S = 5.0  #: how long a trouble is let spread before it is told, so that it is told once
LEAST_GAP_S = 60.0  #: from one message about a kind to the next, when further hosts have it
TICK_S = 30.0
MOST_SENTENCES = 5
OF_THE_FLEET = {
    Kind.UNFINISHED: "a deployment was left unfinished",
    Kind.SCHEDULE: "the unattended deployment is not as it should be",
    Kind.SPLIT: "the fleet is split",
    Kind.JOURNAL: "the journal cannot be read",
    Kind.SOURCE: "git cannot be asked",
    Kind.FILES: "inventory or playbook cannot be read",
}
"""What is no single host's, as the subject of a mail."""
USERS_MEET_IT = frozenset({Kind.DOWN, Kind.CHECKS, Kind.ERRORS})  #: somebody has to act now

Marks = frozenset[tuple[str, str]]  #: hosts (none: the fleet) and what their trouble is about


def standing(now: Now, kind: Kind) -> dict[str, Standing]:
    """Who has that trouble; ``""`` is the fleet."""
    found = {name: host.conditions[kind] for name, host in now.hosts.items() if kind in host.conditions}
    return found | ({"": now.fleet[kind]} if kind in now.fleet else {})


def problem(command: Command, kind: Kind, found: Mapping[str, Standing], topic: str) -> Notice:
    """That hosts have a trouble."""
    hosts, loud = sorted(name for name in found if name), any(one.loud for one in found.values())
    critical = loud and kind in USERS_MEET_IT
    level = Level.CRITICAL if critical else Level.WARNING if loud else Level.INFO
    called = _called(kind)
    said = [f"{name}: {clean(one.sentence)}" if name else clean(one.sentence) for name, one in found.items()]
    more = len(said) - MOST_SENTENCES
    lines = said[:MOST_SENTENCES] + ([f"and {count(more, 'host')} more"] if more > 0 else [])
    return Notice(
        event=f"watch.{kind.value}",
        level=level,
        inventory=command.inventory,
        title=f"{called} on {names(hosts)}" if hosts else called,
        happened="; ".join(lines),
        did="Nothing: a watch only looks.",
        now=_now(kind, critical=critical),
        commands=(command.line(*(("schedule", "--list") if kind is Kind.SCHEDULE else ("status",))),),
        turn=Turn.PROBLEM,
        topic=topic,
        fingerprint=fingerprint(kind, *sorted(_marks(found))),
        who=command.who,
        hosts=dict.fromkeys(hosts, kind.value),
        since=min(one.since for one in found.values()),
    )


def ended(command: Command, kind: Kind, topic: str) -> Notice:
    """That nobody has it any more. Who was told of it hears of that."""
    return Notice(
        event=f"watch.{kind.value}",
        level=None,
        inventory=command.inventory,
        title=f"{_called(kind)} is over",
        happened="" if kind in OF_THE_FLEET else "No host has it any more.",
        now="Nothing.",
        ends=(topic,),
        who=command.who,
    )


def _called(kind: Kind) -> str:
    return OF_THE_FLEET.get(kind, kind.value.replace("_", " "))


def _now(kind: Kind, *, critical: bool) -> str:
    if kind is Kind.SCHEDULE:
        return "Until a run is well nobody deploys what is new: look why, on the machine that is named."
    return "See what it is now" + (", at once: users meet it." if critical else ".")


def _marks(found: Mapping[str, Standing]) -> Marks:
    return frozenset((name, f"{one.loud} {one.subject}") for name, one in found.items())


@dataclass
class Crier:
    """Tells what stands whenever that changed, with some patience.

    :ivar now: the fleet as it stands, from any thread.
    :ivar tell: never waits.
    :ivar part: of a watch of a part of the fleet (its ``--limit``): its troubles are its own.
    """

    command: Command
    now: Callable[[], Now]
    tell: Callable[[Notice], None]
    part: str = ""
    gap_s: float = LEAST_GAP_S
    _told: dict[Kind, Marks] = field(default_factory=dict)
    _last: dict[Kind, float] = field(default_factory=dict)
    _changed: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self, gather_s: float = GATHER_S) -> None:
        """Tell from now on, in a thread of its own."""
        threading.Thread(target=self._run, args=(gather_s,), name="crier", daemon=True).start()

    def hears(self) -> None:
        """Something changed."""
        self._changed.set()

    def stop(self) -> None:
        """Tell nothing more."""
        self._stop.set()
        self._changed.set()

    def cry(self) -> None:
        """Tell what is new since the last time."""
        now = self.now()
        looked = all(host.look is not None for host in now.hosts.values())
        for kind in Kind:
            self._about(kind, standing(now, kind), looked=looked)

    def _about(self, kind: Kind, found: Mapping[str, Standing], *, looked: bool) -> None:
        topic = f"watch {kind.value} {self.part}".rstrip()
        before = self._told.get(kind)
        if not found:
            # What an earlier watch told is not known: when all hosts were looked at, it is over.
            if before or (before is None and looked):
                self._told[kind] = frozenset()
                self.tell(ended(self.command, kind, topic))
            return
        marks = _marks(found)
        if marks <= (before or frozenset()):
            self._told[kind] = marks
        elif not before or time.monotonic() - self._last.get(kind, 0.0) >= self.gap_s:
            self._told[kind], self._last[kind] = marks, time.monotonic()
            self.tell(problem(self.command, kind, found, topic))

    def _run(self, gather_s: float) -> None:
        while not self._stop.is_set():
            if self._changed.wait(TICK_S):
                self._stop.wait(gather_s)
                self._changed.clear()
            if self._stop.is_set():
                return
            try:
                self.cry()
            except Exception:  # a watch goes on, and tries again
                logging.getLogger("deployer").exception("a bug in deployer, while it told people")
