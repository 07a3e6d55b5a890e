"""An audience at a terminal: the plan in colour, a question, then a table with a row per host."""

from __future__ import annotations

import logging
import sys
import threading
import time
from typing import TYPE_CHECKING, Self

from deployer.cli.lines import DONE, PHASES, UNDONE
from deployer.model import State
from deployer.report.words import count

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from rich.console import RenderableType
    from rich.live import Live as RichLive

    from deployer.cli.signals import Signals
    from deployer.errors import HostError
    from deployer.model import Event
    from deployer.planning.proposal import Proposal
    from deployer.rollout.back import BackPlan
    from deployer.rollout.resume import Recovery

DOING = {
    "begin": "taking …",
    "prepare": "staging and validating …",
    "rehearse": "rehearsing …",
    "activate": "activating …",
    "verify": "checking …",
    "confirm": "confirming …",
    "promote": "promoting …",
}
UNDOING = {"activate": "putting its release back …"}
ROWS = 40  #: above it only hosts that are busy or in trouble get a row


class Live:
    """Entered around a command; the table appears with the first thing that is done on a host."""

    def __init__(self, signals: Signals, *, verbose: int = 0, diff: bool = True) -> None:
        from rich.console import Console

        self._signals, self._verbose, self._diff = signals, verbose, diff
        self._console = Console(stderr=True, highlight=False)
        self._lock = threading.Lock()
        self._live: RichLive | None = None
        self._phase = ""
        self._rows: dict[str, tuple[str, str, float]] = {}  #: what, style, since
        self._order: dict[str, int] = {}  #: a host's row stands where the inventory has it, whoever is first

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def wants_diff(self) -> bool:
        """It is shown before the question."""
        return self._diff

    def saying(self, what: str) -> None:
        """What is being done now."""
        self._console.print(f"{what} …", style="dim", markup=False)

    def proposes(self, proposal: Proposal) -> None:
        """The plan in colour."""
        from deployer.cli.colour import print_plan

        self._order = {name: place for place, name in enumerate(proposal.plan.hosts)}
        print_plan(proposal, diff=self._diff, to_stderr=True)

    def agrees(self, proposal: Proposal, /) -> bool:
        """Ask."""
        return self._ask(f"Deploy to {count(len([h for wave in proposal.plan.waves for h in wave]))}?")

    def shows_way_back(self, plan: BackPlan, silent: Mapping[str, HostError]) -> None:
        """What a rollback will do."""
        from deployer.cli.colour import styled
        from deployer.cli.plans import back_lines

        self._order = {name: place for place, name in enumerate(plan.hosts)}
        for line in back_lines(plan, silent):
            self._console.print(styled(line))

    def agrees_to_go_back(self, plan: BackPlan, /) -> bool:
        """Ask."""
        return self._ask(f"Roll back {count(len(plan.moving))}?")

    def shows_recovery(self, recovery: Recovery, silent: Mapping[str, HostError]) -> None:
        """What a recovery will do."""
        from deployer.cli.colour import styled
        from deployer.cli.plans import recovery_lines

        for line in recovery_lines(recovery, silent):
            self._console.print(styled(line))

    def agrees_to_recover(self, recovery: Recovery, /) -> bool:
        """Ask."""
        return self._ask(f"Recover {count(len(recovery.deeds))}?")

    def _ask(self, question: str) -> bool:
        sys.stderr.write(f"{question} [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def hears(self, event: Event) -> None:
        """Turn an event into the state of a row."""
        from rich.markup import escape

        with self._lock:
            if event.host is None:
                self._note_phase(event)
                return
            self._signals.working = True
            if not (event.step == "begin" and event.state in (State.UNDO_STARTED, State.UNDO_SUCCEEDED)):
                # giving a host up says nothing about how it ended
                self._rows[event.host] = (*_row(event), time.monotonic())
            if event.state in (State.FAILED, State.UNDO_FAILED):
                said = f"{event.host}: {event.detail.get('error', '')}"
                self._tell(f"[bold red]{escape(said)}[/]")
                for line in event.detail.get("details", ())[:20]:
                    if line not in said:
                        self._tell(f"  [red]{escape(line)}[/]")
            self._show()

    def warns(self, what: str) -> None:
        """A line above the table."""
        from rich.markup import escape

        self._tell(f"[yellow]warning: {escape(what)}[/]")

    def _note_phase(self, event: Event) -> None:
        if event.step != "decision":
            return
        text = PHASES.get(str(event.detail.get("decision")))
        if text:
            hosts = event.detail.get("scope", ())
            named = ", ".join(hosts[:8]) + (" …" if len(hosts) > 8 else "")
            self._phase = text.format(wave=event.detail.get("wave"), hosts=named)

    def _tell(self, markup: str) -> None:
        console = self._live.console if self._live is not None else self._console
        console.print(markup)

    def _show(self) -> None:
        if self._live is None:
            from rich.live import Live as RichLive

            logging.getLogger("deployer").setLevel(logging.ERROR)  # lines of a logger would tear the table
            self._live = RichLive(
                get_renderable=self._table, console=self._console, refresh_per_second=8, transient=False
            )
            self._live.start()

    def _table(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        table.add_column("host", style="bold")
        table.add_column("what it is doing", min_width=max(map(len, DOING.values())))
        table.add_column("for", justify="right")
        rows = sorted(self._rows.items(), key=lambda row: self._order.get(row[0], len(self._order)))
        busy = [row for row in rows if row[1][0].endswith("…") or "red" in row[1][1]]
        for name, (what, style, since) in rows if len(rows) <= ROWS else busy[:ROWS]:
            seconds = f"{time.monotonic() - since:.0f} s" if what.endswith("…") else ""
            table.add_row(name, Text(what, style=style), seconds)
        if len(rows) > ROWS:
            table.add_row("", Text(f"{len(rows)} hosts in all", style="dim"), "")
        return Group(Text(self._phase, style="bold"), table)


def _row(event: Event) -> tuple[str, str]:
    step = event.step
    match event.state:
        case State.STARTED:
            return DOING.get(step, f"{step} …"), "cyan"
        case State.SUCCEEDED:
            return DONE.get(step, step), "green"
        case State.UNDO_STARTED:
            return UNDOING.get(step, f"undoing {step} …"), "yellow"
        case State.UNDO_SUCCEEDED:
            return UNDONE.get(step, f"{step} undone"), "yellow"
        case _:
            return f"{step} FAILED", "bold red"
