"""Is a host as it should be? Before, after, and after a rollback: by the playbook's checks, or, where it has
none, by comparing the host's own answers with those it gave before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deployer.checks.compare import Question, ask, compare, questions
from deployer.checks.health import bake, precheck, until_healthy
from deployer.checks.verdict import CheckReport, as_before
from deployer.errors import HostError

if TYPE_CHECKING:
    import threading

    from deployer.checks.compare import AnswerClass
    from deployer.config.playbook import Playbook
    from deployer.rollout.survey import Contact


class Unwell(HostError):
    """A host does not answer as it should; the message says which check, and what it answered.

    :ivar details: a sentence per check that had trouble.
    """

    def __init__(self, message: str, *, host: str, details: tuple[str, ...] = ()) -> None:
        self.details = details
        super().__init__(message, host=host)


@dataclass
class Physician:
    """Looks after one host through one deployment.

    :ivar names: server names of the candidate, for the comparison where there are no checks.
    :ivar warnings: what does not fail yet, each once (a certificate that expires soon).
    """

    contact: Contact
    playbook: Playbook
    stop: threading.Event
    names: tuple[str, ...] = ()
    warnings: list[str] = field(default_factory=list)
    _checks_before: CheckReport | None = None
    _answers_before: Mapping[Question, AnswerClass] = field(default_factory=dict)
    passed: frozenset[str] = frozenset()  #: digests of the checks that passed last

    @property
    def _address(self) -> str:
        return self.contact.host.address

    def before(self, *, gate: bool) -> None:
        """Look at what is live now.

        :param gate: raise when checks that passed at the last promotion do not pass now.
        :raises Unwell: then nothing was changed.
        """
        seen = self.contact.seen
        if seen is None or not seen.running:
            return
        if not self.playbook.checks:
            listens = seen.facts.get("listen", ())
            asked = questions(listens, {*seen.facts.get("server_name", ()), *self.names})
            self._answers_before = ask(asked, self.contact.connection)
            return
        found = precheck(
            self.playbook.checks,
            seen.checks,
            self.contact.connection,
            self.playbook.health,
            address=self._address,
            stop=self.stop,
        )
        self._checks_before = found.report
        self._keep_warnings(found.report)
        if gate and not found.gating.healthy:
            raise self._unwell("not healthy before anything was changed", found.gating.reasons)

    def after(self) -> None:
        """Look at what was activated: N in a row, then the bake.

        :raises Unwell: when it is not as it should be, or was told to stop.
        """
        health = self.playbook.health
        if not self.playbook.checks:
            return self._compare()
        connection = self.contact.connection
        report = until_healthy(
            self.playbook.checks, connection, health, address=self._address, stop=self.stop
        )
        if report.healthy and health.bake_s > 0:
            self._keep_warnings(report)
            report = bake(self.playbook.checks, connection, health, address=self._address, stop=self.stop)
        self._keep_warnings(report)
        if self.stop.is_set() and not report.healthy:
            raise self._unwell("interrupted while it was being checked", ())
        if not report.healthy:
            raise self._unwell("not healthy with the new release", report.reasons)
        self.passed = frozenset(check.digest for check in self.playbook.checks)
        return None

    def as_before(self) -> None:
        """Look at what was put back: whatever passed before has to pass again.

        :raises Unwell: naming what passed before and does not now.
        """
        if not self.playbook.checks:
            return self._compare()
        if self._checks_before is None:
            return None
        good = tuple(c for c in self.playbook.checks if c.digest in self._checks_before.passed)
        report = until_healthy(good, self.contact.connection, self.playbook.health, address=self._address)
        if worse := as_before(self._checks_before, report):
            raise self._unwell("not as healthy as before, though the old release is back", worse)
        return None

    def _compare(self) -> None:
        if not self._answers_before:
            return
        found = compare(self._answers_before, ask(tuple(self._answers_before), self.contact.connection))
        if found.worse:
            raise self._unwell("answers got worse", found.worse)

    def _unwell(self, what: str, reasons: Iterable[str]) -> Unwell:
        reasons = tuple(reasons)
        said = f"{what}: {reasons[0]}" if reasons else what
        return Unwell(said, host=self.contact.host.name, details=reasons)

    def _keep_warnings(self, report: CheckReport) -> None:
        self.warnings += [w for w in report.warnings if w not in self.warnings]
