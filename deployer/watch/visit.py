"""One host that is looked at again and again over one connection."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from deployer.errors import DeployerError, HostError, TransportError
from deployer.host.inspection import Inspector
from deployer.host.ssh import Connection
from deployer.model.inspected import Inspection, Questions
from deployer.rollout.hiding import hidden
from deployer.watch.look import Dated, Health, Look

if TYPE_CHECKING:
    from deployer.checks.certificate import Certificate
    from deployer.checks.verdict import CheckReport
    from deployer.model import Host, Observation
    from deployer.planning.context import Context
    from deployer.watch.tally import Tally

CHECKS_S = 5.0  #: how long the checks are asked, at most; what failed the last time is asked once
CERTIFICATES_EVERY_S = 600.0  #: they change seldom, and to find them every file is read
VALIDITY_SHARE = 20  #: a validator that takes long is asked again only after so many times as long
MAX_CERTIFICATES = 200
STALL_S = (
    10.0  #: who only looks gives a connection up sooner than who deploys: it can be opened again at no cost
)


class Visit:
    """Looks at one host. Not for several threads at once, but for :meth:`close`."""

    def __init__(self, context: Context, host: Host) -> None:
        self.host = host
        self._certificates: dict[str, Certificate | None] = {}
        self._certificates_due = 0.0
        self._validity_due = 0.0
        self._ill = False
        self._connection = Connection(host, replace(context.ssh, stall_s=STALL_S, pulse_s=STALL_S))
        self._next: Context | None = None
        self._go_by(context)

    def renew(self, context: Context) -> None:
        """Go on by another reading of the playbook, from the next look on."""
        self._next = context

    def _go_by(self, context: Context) -> None:
        self._next, self._context = None, context
        self._agent = Inspector(self._connection, context.playbook.target_spec())
        self._certificates_due = self._validity_due = 0.0

    def look(self, tally: Tally, *, window: int = 0) -> Look:
        """Ask everything that is due. What the host, or the way to it, does wrong is part of the answer."""
        if self._next is not None:
            self._go_by(self._next)
        began = time.monotonic()
        try:
            seen, found = self._asked(tally, window)
            answered = time.time()
            certificates = self._dated(found) if found is not None else None
            health = self._health()
            if health is not None and health.broken:
                # That says nothing of the service, and perhaps that the host is gone meanwhile.
                self._answer(Questions(validity=False, certificates=False))
        except DeployerError as error:
            told = hidden(error, self._context.veil.hide) if isinstance(error, HostError) else error
            return Look(self.host.name, time.time(), time.monotonic() - began, error=str(told))
        return Look(
            host=self.host.name,
            time=answered,
            seconds=time.monotonic() - began,
            seen=seen,
            inspection=found,
            health=health,
            certificates=certificates,
            since_s=tally.since_s(answered) if tally.offsets else None,
        )

    @property
    def is_open(self) -> bool:
        """Whether the connection is believed to be alive; may be asked by any thread."""
        return self._connection.is_open

    def close(self) -> None:
        """End the connection. Waits for nobody."""
        self._connection.close()

    def _asked(self, tally: Tally, window: int) -> tuple[Observation, Inspection | None]:
        now = time.monotonic()
        questions = Questions(
            validity=now >= self._validity_due,
            certificates=now >= self._certificates_due,
            known=frozenset(self._certificates),
            offsets=tally.offsets,
            window=window,
        )
        seen, found = self._answer(questions)
        if _in_motion(seen):
            seen, found = self._agent.look(questions)
        if found is not None and found.valid is not None:
            self._validity_due = now + found.valid_s * VALIDITY_SHARE
        if found is not None and questions.certificates:
            self._certificates_due = now + (CERTIFICATES_EVERY_S if self._complete(found) else 0)
        return self._veiled(seen, found)

    def _answer(self, questions: Questions) -> tuple[Observation, Inspection | None]:
        was_open = self._connection.is_open
        self._connection.open()
        try:
            return self._agent.look(questions)
        except TransportError:
            # The connection was idle for an interval, and may be long dead. Looking twice does no harm.
            if not was_open:
                raise
            self._connection.reopen()
            return self._agent.look(questions)

    def _veiled(self, seen: Observation, found: Inspection | None) -> tuple[Observation, Inspection | None]:
        hide = self._context.veil.hide
        seen = replace(seen, problems=tuple(map(hide, seen.problems)), memory_note=hide(seen.memory_note))
        return seen, found and replace(found, invalid=tuple(map(hide, found.invalid)))

    def _complete(self, found: Inspection) -> bool:
        """Whether every certificate was sent; only so many come at once."""
        named = found.certificates or {}
        return all(key in self._certificates or key in found.pems for key in named)

    def _dated(self, found: Inspection) -> tuple[Dated, ...] | None:
        from deployer.checks.certificate import read_certificate

        if found.certificates is None:
            return None
        old = {key: c for key, c in self._certificates.items() if key in found.certificates}
        new = {key: read_certificate(der, verified=False) for key, der in found.pems.items()}
        self._certificates = dict(list({**old, **new}.items())[:MAX_CERTIFICATES])
        return tuple(
            Dated(path, certificate)
            for key, paths in found.certificates.items()
            if (certificate := self._certificates.get(key)) is not None
            for path in paths
        )

    def _health(self) -> Health | None:
        from deployer.checks.health import Once, ask_once, until_healthy
        from deployer.checks.verdict import Finding

        playbook = self._context.playbook
        if not playbook.checks:
            return None
        asked, limit_s = playbook.checks, min(playbook.health.deadline_s, CHECKS_S)
        if self._ill:
            # An outage is no blip that waiting forgives: other hosts are waiting, too.
            report = ask_once(asked, self._connection, limit_s, address=self.host.address)
        else:
            report = until_healthy(
                asked,
                self._connection,
                Once(limit_s, playbook.health.interval_s),
                address=self.host.address,
                passed_before=[check.digest for check in asked],
            )
        if hurried(report, limit_s):
            report = ask_once(asked, self._connection, limit_s, address=self.host.address)
        self._ill = not report.healthy
        hide: Callable[[str], str] = self._context.veil.hide
        return Health(
            report.healthy,
            tuple(map(hide, report.reasons)),
            report.warnings,
            () if report.healthy else tuple(r.check for r in report.records if not r.ok),
            any(r.last is not None and r.last.finding is Finding.BROKEN for r in report.records),
        )


def hurried(report: CheckReport, limit_s: float) -> bool:
    """Whether a check failed only because it was begun when the time of all was nearly over.

    On a busy machine that says something of the machine, and a false alarm of checks wakes somebody.
    """
    troubles = [r.trouble for r in report.records if r.trouble is not None and not r.ok]
    return any(trouble.cut and trouble.seconds < limit_s / 2 for trouble in troubles)


def _in_motion(seen: Observation) -> bool:
    """Whether it may be but a moment: of nginx that stops or loads, of a file that is being written."""
    half_written = seen.drifted and not seen.facts.get("drift")
    return seen.adopted and (half_written or (seen.running and seen.memory != seen.live))
