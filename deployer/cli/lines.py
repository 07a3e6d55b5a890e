"""An audience without a terminal: a line for each thing that happens, on stderr."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from deployer.cli.streams import err
from deployer.model import Event, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deployer.cli.signals import Signals
    from deployer.errors import HostError
    from deployer.planning.proposal import Proposal
    from deployer.rollout.back import BackPlan
    from deployer.rollout.resume import Recovery

DONE = {
    "begin": "taken",
    "prepare": "prepared",
    "rehearse": "rehearsed",
    "activate": "activated, new workers proved",
    "verify": "healthy",
    "confirm": "confirmed",
    "promote": "promoted",
    "adopt": "adopted",
}
UNDONE = {"begin": "given up", "activate": "back on its release, proved"}
PHASES = {
    "begin": "taking the hosts",
    "prepare": "preparing all hosts; nothing changes yet",
    "confirm": "wave {wave} is good: confirming",
    "wave": "wave {wave}: {hosts}",
    "promote": "all waves are good: promoting",
    "overdue": "wave {wave} was not decided in time",
    "unwind": "TAKING BACK: {hosts}",
    "release": "giving the hosts up",
}


class Lines:
    """Says what happens in lines. With ``quiet`` only warnings and failures."""

    def __init__(
        self, signals: Signals, *, quiet: bool = False, verbose: int = 0, diff: bool = False
    ) -> None:
        self._signals, self._quiet, self._verbose = signals, quiet, verbose
        self._diff = diff
        self._lock = threading.Lock()
        self._told: dict[tuple[str, ...], str] = {}  #: a failure, and the host it was told of first

    @property
    def wants_diff(self) -> bool:
        """Only where somebody reads it."""
        return self._diff

    def saying(self, what: str) -> None:
        """What is being done now."""
        if not self._quiet:
            self._say(what)

    def proposes(self, proposal: Proposal) -> None:
        """The plan, shortly."""
        from deployer.cli.plans import plan_lines

        if not self._quiet:
            for line in plan_lines(proposal, diff=self._diff):
                self._write(line)

    def agrees(self, _proposal: Proposal, /) -> bool:
        """Nobody can be asked here; the command refused to begin without --yes."""
        return False

    def shows_way_back(self, plan: BackPlan, silent: Mapping[str, HostError]) -> None:
        """What a rollback will do."""
        from deployer.cli.plans import back_lines

        if not self._quiet:
            for line in back_lines(plan, silent):
                self._write(line)

    def agrees_to_go_back(self, _plan: BackPlan, /) -> bool:
        """Nobody can be asked here."""
        return False

    def shows_recovery(self, recovery: Recovery, silent: Mapping[str, HostError]) -> None:
        """What a recovery will do."""
        from deployer.cli.plans import recovery_lines

        if not self._quiet:
            for line in recovery_lines(recovery, silent):
                self._write(line)

    def agrees_to_recover(self, _recovery: Recovery, /) -> bool:
        """Nobody can be asked here."""
        return False

    def hears(self, event: Event) -> None:
        """A line for what ended, and for each phase."""
        if event.host is not None:
            self._signals.working = True
        line = self._again(event) or line_of(event, verbose=bool(self._verbose))
        loud = event.state in (State.FAILED, State.UNDO_FAILED)
        if line is not None and (loud or not self._quiet):
            self._say(line)

    def _again(self, event: Event) -> str | None:
        """One line for a host that failed like another before it: the details are told once."""
        if event.host is None or event.state not in (State.FAILED, State.UNDO_FAILED):
            return None
        first = self._told.setdefault((event.step, event.state, str(event.detail.get("error"))), event.host)
        if first == event.host:
            return None
        if event.state is State.UNDO_FAILED:
            return f"{event.host}: {_not_back(event)}, as {first}"
        return f"{event.host}: {event.step} failed as on {first}"

    def warns(self, what: str) -> None:
        """A warning; also when quiet."""
        self._say(f"warning: {what}")

    def _say(self, what: str) -> None:
        self._write(f"{time.strftime('%H:%M:%S', time.gmtime())} {what}")

    def _write(self, line: str) -> None:
        with self._lock:
            err(line + "\n")


def line_of(event: Event, *, verbose: bool = False) -> str | None:
    """One event as a line for people; ``None`` for what would only be noise."""
    if event.host is None:
        return _phase(event)
    seconds = event.detail.get("seconds")
    took = f" ({seconds:.1f} s)" if isinstance(seconds, int | float) else ""
    if event.state in (State.FAILED, State.UNDO_FAILED):
        what = _not_back(event) if event.state is State.UNDO_FAILED else f"{event.step} failed"
        said = f"{event.host}: {what}: {event.detail.get('error', '')}"
        more = [line for line in event.detail.get("details", ())[:20] if line not in said]
        return "\n             ".join([said, *more])
    if event.state is State.SUCCEEDED and (verbose or event.step not in ("begin", "confirm")):
        return _done(event, took, verbose=verbose)
    if event.state is State.UNDO_SUCCEEDED and (verbose or event.step != "begin"):
        return f"{event.host}: {UNDONE.get(event.step, event.step)}{took}"
    return None


def _not_back(event: Event) -> str:
    return (
        "back on its release, proved, and still ill"
        if event.detail.get("back")
        else "could not be taken back"
    )


def _done(event: Event, took: str, *, verbose: bool) -> str | None:
    if event.detail.get("table"):
        head = f"{event.host}: {DONE.get(event.step, event.step)}, some answers differ{took}"
        return "\n             ".join([head, *event.detail["table"]])
    if skipped := event.detail.get("skipped"):
        return f"{event.host}: {event.step} skipped: {skipped}" if verbose else None
    what = "; ".join(event.detail.get("notes", ())) or DONE.get(event.step, event.step)
    return f"{event.host}: {what}{took}"


def _phase(event: Event) -> str | None:
    if event.step == "decision":
        text = PHASES.get(str(event.detail.get("decision")))
        hosts = ", ".join(event.detail.get("scope", ()))
        return text.format(wave=event.detail.get("wave"), hosts=hosts) if text else None
    if event.step == "guard":
        return f"{', '.join(event.detail.get('hosts', ()))}: guard not renewed: {event.detail.get('error')}"
    if event.step in ("quarantine", "acquittal") and event.state is State.SUCCEEDED:
        return f"{'' if event.step == 'quarantine' else 'not '}quarantined: {event.detail.get('reason')}"
    if event.step == "precheck" and event.state is State.FAILED:
        return f"precheck: {', '.join(event.detail.get('hosts', ()))}: {event.detail.get('error')}"
    return None
