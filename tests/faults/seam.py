"""Where a fault strikes: the agent on one host stands still, or fails, just before or after one of its verbs.

The installed agent gets a call before each verb and one after it. They do nothing unless a file on the host
asks for it. Which verbs belong to which step is not written down here but learned from a good deployment.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from deployer.host import program
from deployer.lab.host import LabHost
from deployer.model import Event
from deployer.rollout.saga import STEPS, Step
from tests.lab.story import wait_for

AT = "/run/strike"
HELD_S = 60  #: after that what is held goes on by itself
CALL = '    "do_$verb"\n'
HOOK = f"""
strike() {{
  [ ! -e {AT}/traced ] || [ "$1" = after ] || printf '%s %s\\n' "$(date +%s.%N)" "$verb" >>{AT}/traced
  [ -e {AT}/armed ] || return 0
  read -r strike_verb strike_when strike_how <{AT}/armed
  [ "$strike_verb $strike_when" = "$verb $1" ] && mv {AT}/armed {AT}/reached 2>/dev/null || return 0
  [ "$strike_how" = hold ] || fail 70 "Made to fail $1 $verb."
  strike_left={HELD_S * 20}
  until [ -e {AT}/go ] || [ "$strike_left" -eq 0 ]; do
    sleep 0.05
    strike_left=$((strike_left - 1))
  done
}}
"""


class Moment(StrEnum):
    """On which side of an effect."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True)
class Seam:
    """One host whose agent can be held."""

    host: LabHost

    def install(self) -> None:
        """Put the calls into the agent that a deployment has installed; harmless when said twice."""
        text = self.host.read(program.PATH)
        if "strike before" not in text:
            assert text.count(CALL) == 1, "the agent calls its verbs elsewhere now"
            text = text.replace(CALL, f"    strike before\n{CALL}    strike after\n")
            head, main, end = text.rpartition('main "$@"')
            self.host.write(program.PATH, f"{head}{HOOK}\n{main}{end}")
        self.clear()

    def clear(self) -> None:
        """Ask for nothing any more, and let go what is held."""
        self.host.run(["sh", "-c", f"mkdir -p {AT} && rm -f {AT}/* && touch {AT}/go"])

    def arm(self, verb: str, moment: Moment, *, fail: bool) -> None:
        """The next call of a verb fails there, or stands still until :meth:`let_go`."""
        self.host.run(["sh", "-c", f"mkdir -p {AT} && rm -f {AT}/*"])
        self.host.write(f"{AT}/armed", f"{verb} {moment} {'fail' if fail else 'hold'}\n")

    @property
    def reached(self) -> bool:
        """Whether it stands there, or has failed."""
        return self.host.path(f"{AT}/reached").exists()

    def let_go(self) -> None:
        """What is held goes on."""
        self.host.path(f"{AT}/go").touch()

    def ill(self, number: int) -> None:
        """The site of that number answers with an error from now on."""
        self.host.path(f"{AT}/ill-{number}").touch()

    def trace(self) -> None:
        """Write down every verb from now on."""
        self.host.run(["sh", "-c", f"mkdir -p {AT} && rm -f {AT}/* && touch {AT}/go {AT}/traced"])

    def traced(self) -> list[tuple[float, str]]:
        """When, in seconds since the epoch, and what."""
        lines = [line.split() for line in self.host.read(f"{AT}/traced").splitlines()]
        return [(float(at), verb) for at, verb in lines]


def learned(traces: list[tuple[float, str]], events: Iterable[Event], host: str) -> Mapping[Step, list[str]]:
    """The verbs of each step in their order, as one host of a good deployment saw them."""
    started = {Step(e.step): e.time for e in events if e.host == host and e.state == "started"}
    assert list(started) == list(STEPS), f"no good deployment: {started}"
    found: dict[Step, list[str]] = {step: [] for step in STEPS}
    for at, verb in traces:
        begun = [step for step in STEPS if started[step] <= at]
        if begun and verb not in found[begun[-1]]:
            found[begun[-1]].append(verb)
    return found


def happened(database: Path, host: str, step: str, state: str, since: float) -> bool:
    """Whether the journal has that event; asked past the program."""
    if not database.exists():
        return False
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5)) as connection:
        query = "SELECT count(*) FROM event WHERE host = ? AND step = ? AND state = ? AND time >= ?"
        try:
            (count,) = connection.execute(query, (host, step, state, since)).fetchone()
        except sqlite3.OperationalError:  # its tables are being made
            return False
        return bool(count)


def until_happened(database: Path, host: str, step: str, state: str, since: float) -> None:
    """Wait for the event."""
    wait_for(lambda: happened(database, host, step, state, since), f"{step} {state} of {host}", within_s=60)


def checks_seen(host: LabHost) -> int:
    """How often the host was asked from itself, which only deployer's checks do."""
    return host.read("/var/log/nginx/access.log").count("127.0.0.1 - ")
