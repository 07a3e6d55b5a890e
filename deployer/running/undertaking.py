"""One deployment, rollback or adoption on its way: its name, its record in the journal, and who watches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from deployer.errors import DeployerError, Interrupted, Refused, StoreUnavailable
from deployer.journal.ids import new_deployment_id, who
from deployer.journal.process import this_process
from deployer.model import DeploymentRecord, HostOutcome, HostResult, Outcome, Result, State
from deployer.rollout.engine import Recorder
from deployer.shortage import lack

if TYPE_CHECKING:
    from deployer.journal.store import Journal
    from deployer.planning.audience import Audience
    from deployer.planning.context import Context
    from deployer.source.git import Commit


class Undertaking:
    """What deploy, rollback and adopt have in common.

    :ivar kind: "deploy", "rollback" or "adopt".
    :ivar began: seconds since the epoch.
    """

    def __init__(self, kind: str, context: Context, journal: Journal, audience: Audience) -> None:
        self.kind, self.context, self.audience = kind, context, audience
        self.began = time.time()
        self.id = new_deployment_id(lambda: self.began)
        self.recorder = Recorder(self.id, journal, audience.hears)
        self._journal = journal

    @property
    def seconds(self) -> float:
        """Since it began, for the result."""
        return round(time.time() - self.began, 3)

    @contextmanager
    def recorded(
        self,
        *,
        revision: str | None = None,
        commit: Commit | None = None,
        source_hash: str | None = None,
        options: Mapping[str, Any] | None = None,
        story: Mapping[str, Any] | None = None,
    ) -> Iterator[None]:
        """Record that it begins; should it be interrupted before there is a result, record that too.

        :param source_hash: git tree of ``source.path``, as evidence for other inventories.
        :param story: more for the first event.
        """
        record = DeploymentRecord(
            id=self.id,
            kind=self.kind,
            inventory=self.context.name,
            playbook=self.context.playbook.name,
            revision=revision,
            commit=commit.sha if commit is not None else None,
            source_hash=source_hash,
            subject=commit.subject if commit is not None else None,
            started=self.began,
            who=who(),
            options=options or {},
        )
        self._journal.start(record)
        first = {"kind": self.kind, "inventory": self.context.name, **(options or {}), **(story or {})}
        self.recorder.note("deployment", State.STARTED, **first, process=asdict(this_process()))
        try:
            yield
        except Interrupted as error:
            self.finish(self._nothing_done(error, Outcome.INTERRUPTED, error.exit_code))
            raise
        except Exception as error:
            if not self.recorder.begun and (lacked := lack(error)) is not None:
                refusal = Refused(f"{lacked}; nothing was changed: give it more, then try again")
                self.finish(self._nothing_done(refusal, Outcome.REFUSED, refusal.exit_code))
                raise refusal from error
            raise

    def finish(self, result: Result) -> None:
        """Record how it ended. The hosts are where they are by now, also when the journal is lost."""
        done = State.SUCCEEDED if result.exit_code == 0 else State.FAILED
        recorder = self.recorder
        recorder.note("deployment", done, outcome=result.outcome.value, reason=result.reason)
        try:
            if recorder.lost is None:
                self._journal.finish(self.id, result)
        except StoreUnavailable as error:
            recorder.lost = error
        if recorder.lost is not None and not self._journal.make_up(recorder.missed, self.id, result):
            self.audience.warns(f"the history will show {self.id} as unfinished: {recorder.lost}")

    def _nothing_done(self, error: DeployerError, outcome: Outcome, exit_code: int) -> Result:
        untouched = HostResult(HostOutcome.UNTOUCHED, None, None, None, 0.0)
        return Result(
            id=self.id,
            outcome=outcome,
            exit_code=exit_code,
            revision=None,
            reason=str(error),
            hosts={host.name: untouched for host in self.context.hosts},
            waves=(),
            seconds=self.seconds,
        )
