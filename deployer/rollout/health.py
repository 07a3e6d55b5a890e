"""Is a host as it should be? Before, after, and after it was taken back.

By the playbook's checks or, where it has none, by comparing the host's own answers with those it gave before:
protection must not depend on somebody having written checks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deployer.checks.health import bake, precheck, until_healthy
from deployer.checks.verdict import CheckReport, Finding, as_before
from deployer.comparison.asking.answers import Look, look, settle
from deployer.comparison.compare import survey
from deployer.errors import Stopped
from deployer.model import Kind, Release
from deployer.rollout.blame import ANSWERS, Unwell
from deployer.rollout.witness import beside

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence

    from deployer.comparison.asked import Question
    from deployer.comparison.compare import Difference
    from deployer.config.playbook import Playbook
    from deployer.rollout.survey import Contact
    from deployer.rollout.witness import Witness

MOST_TOLD = 3  #: of the routes that answer unsteadily

SETTLE_S = 3.0  #: what got worse and stays so for this long is worse; users are waiting
_SERVER_NAME = re.compile(rb"^\s*server_name\s+([^;{}#]+);", re.MULTILINE)


@dataclass
class Physician:
    """Looks after one host through one deployment.

    :ivar meant: why a question may be answered worse, where somebody said so.
    :ivar witness: holds the host to what its rehearsal promised.
    :ivar kept: how that was kept, as the journal has it; empty: nothing was rehearsed there.
    :ivar warnings: what does not fail yet, each once (a certificate that expires soon).
    :ivar passed: digests of the checks that passed with the new release: what the host will remember.
    """

    contact: Contact
    playbook: Playbook
    stop: threading.Event
    release: Release
    meant: Callable[[Question], str | None] = lambda _: None
    witness: Witness | None = None
    kept: Mapping[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    passed: frozenset[str] = frozenset()
    _checks_before: CheckReport | None = None
    _look_before: Look | None = None

    def before(self, *, gate: bool) -> None:
        """Look at what is live now.

        :param gate: raise when checks that passed at the last promotion do not pass now.
        :raises Unwell: then nothing was changed.
        """
        seen = self.contact.seen
        if seen is None or not seen.running:
            return
        connection, health = self.contact.connection, self.playbook.health
        if not self.playbook.checks:
            names = {*seen.facts.get("server_name", ()), *server_names(self.release)}
            asked = survey(seen.facts.get("listen", ()), sorted(names))
            self._look_before = look(asked, connection, stop=self.stop)
            if asked.note:
                self.warnings.append(asked.note)
            return
        # The cure does not wait for the ill to get well: without a gate every check is asked once.
        known = seen.checks if gate else ()
        found = precheck(
            self.playbook.checks, known, connection, health, address=self._address, stop=self.stop
        )
        self._checks_before = found.report
        self._keep_warnings(found.report)
        if gate and not found.gating.healthy:
            what = "not healthy before anything was changed (deploy the cure with --fix-forward)"
            raise self._unwell(what, found.gating.reasons)

    def after(self) -> None:
        """Look at what was activated: N times in a row, then the bake.

        While it bakes it is asked what its rehearsal was asked, where one was.

        :raises Unwell: when it is not as it should be, or it was told to stop.
        """
        self._well()
        if self.witness is not None and self.witness.waits:
            beside(self._promised, self._bakes, self.stop)
        else:
            self._bakes(self.stop)
        self._stop_if_told()
        if self.playbook.checks:
            self.passed = frozenset(check.digest for check in self.playbook.checks)

    def _well(self) -> None:
        checks, health = self.playbook.checks, self.playbook.health
        if not checks:
            self._compare(new=True)
            self._stop_if_told()
            return
        connection, before = self.contact.connection, self._passed_before
        report = until_healthy(
            checks, connection, health, address=self._address, stop=self.stop, passed_before=before
        )
        self._judge(report)

    def _bakes(self, stop: threading.Event) -> None:
        checks, health = self.playbook.checks, self.playbook.health
        if health.bake_s <= 0:
            return
        if checks:
            report = bake(checks, self.contact.connection, health, address=self._address, stop=stop)
            if not (report.stopped and stop is not self.stop):  # else something else failed meanwhile
                self._judge(report)
        elif self._look_before is not None and not stop.wait(health.bake_s):
            self._compare(new=True)

    def _judge(self, report: CheckReport) -> None:
        self._keep_warnings(report)
        if report.stopped or not report.healthy:
            self._stop_if_told()
        if not report.healthy:
            failing = _failing(report) & self._passed_before
            raise self._unwell("not healthy with the new release", report.reasons, failing)

    def _promised(self, stop: threading.Event) -> None:
        """Ask what its rehearsal was asked; what is worse than promised is worse."""
        kept = self.witness.look(stop) if self.witness is not None else None
        if kept is None:
            return
        from deployer.rollout.shown import broken, kept_document

        self.kept = kept_document(kept)
        self.warnings += _unsteady(kept.unsteady)
        if kept.worse:
            first, more = kept.worse[0], len(kept.worse) - 1
            said = f"once live it answers worse than expected: {first}"
            said += f", and {more} more" if more else ""
            error = Unwell(said, host=self.contact.host.name, details=broken(kept), failing=(ANSWERS,))
            error.kept = self.kept
            raise error
        if kept.unproved and not stop.is_set():
            raise self._unwell("its answers could not be asked again", map(str, kept.unproved))

    def as_before(self) -> None:
        """Look at what was put back: whatever passed before has to pass again.

        :raises Unwell: naming what passed before and does not now.
        """
        if self.playbook.checks:
            self._checks_as_before()
        else:
            self._compare(new=False)
        kept = self.witness.look_back() if self.witness is not None else None
        if kept is not None and (still := (*kept.worse, *kept.unproved)):
            blamed = {ANSWERS} if kept.worse else ()
            raise self._unwell(
                "not as healthy as before, though the old release is back", map(str, still), blamed
            )

    def _checks_as_before(self) -> None:
        before = self._checks_before
        if before is None:
            return
        good = tuple(c for c in self.playbook.checks if c.digest in before.passed)
        report = until_healthy(good, self.contact.connection, self.playbook.health, address=self._address)
        if worse := as_before(before, report):
            still = _failing(report) & before.passed
            raise self._unwell("not as healthy as before, though the old release is back", worse, still)

    @property
    def _passed_before(self) -> frozenset[str]:
        return self._checks_before.passed if self._checks_before is not None else frozenset()

    def _stop_if_told(self) -> None:
        if self.stop.is_set():
            raise Stopped("interrupted while it was being checked", host=self.contact.host.name)

    @property
    def _address(self) -> str:
        return self.contact.host.address

    def _compare(self, *, new: bool) -> None:
        if self._look_before is None:
            return
        names = server_names(self.release) if new else None
        deadline_s = min(self.playbook.health.deadline_s, SETTLE_S)
        found = settle(
            self._look_before,
            self.contact.connection,
            deadline_s=deadline_s,
            names=names,
            accepted=self.meant,
        )
        if found.worse:
            raise self._unwell("it answers worse than before", map(str, found.worse), {ANSWERS})
        if not found.healthy:
            raise self._unwell("its answers could not be asked again", map(str, found.unproved))
        self.warnings += [f"answers differently now: {change}" for change in found.changed]

    def _unwell(self, what: str, reasons: Iterable[str], failing: Iterable[str] = ()) -> Unwell:
        reasons = tuple(reasons)
        said = f"{what}: {reasons[0]}" if reasons else what
        return Unwell(said, host=self.contact.host.name, details=reasons, failing=tuple(sorted(failing)))

    def _keep_warnings(self, report: CheckReport) -> None:
        self.warnings += [w for w in report.warnings if w not in self.warnings]


def _unsteady(found: Sequence[Difference]) -> list[str]:
    told = [f"answers unsteadily: {difference}" for difference in found[:MOST_TOLD]]
    more = len(found) - MOST_TOLD
    return [*told, f"answers unsteadily: {more} more routes"] if more > 0 else told


def _failing(report: CheckReport) -> frozenset[str]:
    """The checks whose service failed; a probe that could not ask says nothing of it."""
    failed = [r for r in report.records if r.trouble is not None and r.trouble.finding is Finding.FAILED]
    return frozenset(record.digest for record in failed)


def server_names(release: Release) -> frozenset[str]:
    """The server names that a release's files mention, as they are written."""
    found: set[str] = set()
    for digest in {e.content for e in release.manifest.entries if e.kind is not Kind.LINK}:
        for names in _SERVER_NAME.findall(release.read(digest)):
            found |= {name.decode("utf-8", "replace").strip("\"'") for name in names.split()}
    return frozenset(found)
