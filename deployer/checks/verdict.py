"""What checks found: one verdict, and the report over many rounds of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Finding(StrEnum):
    """Broken is not failed: a probe that could not ask says nothing about the service."""

    PASSED = "passed"
    FAILED = "failed"  #: the service did not answer as expected
    BROKEN = "broken"  #: the question could not be put


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found, once.

    :ivar reason: a whole sentence that begins with the check's name.
    :ivar cut: it ended because the time of all checks was over, not its own.
    """

    check: str
    finding: Finding
    reason: str
    seconds: float
    warnings: tuple[str, ...] = ()
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """One check over all rounds."""

    check: str
    digest: str
    passed: int
    failed: int
    broken: int
    last: Verdict | None  #: of the latest round that got so far
    trouble: Verdict | None  #: the latest one that did not pass

    @classmethod
    def of(cls, check: str, digest: str, verdicts: Sequence[Verdict]) -> Record:
        """From the verdicts in the order their rounds began.

        One that ran out of everybody's time counts only when there is no other: it had no fair chance.
        """
        fair = [v for v in verdicts if not v.cut] or list(verdicts)
        troubles = [v for v in fair if v.finding is not Finding.PASSED]
        count = [v.finding for v in fair].count
        return cls(
            check,
            digest,
            count(Finding.PASSED),
            count(Finding.FAILED),
            count(Finding.BROKEN),
            last=fair[-1] if fair else None,
            trouble=troubles[-1] if troubles else None,
        )

    @property
    def ok(self) -> bool:
        """It passed when it was asked last."""
        return self.last is not None and self.last.finding is Finding.PASSED

    @property
    def complaint(self) -> str:
        """The latest trouble and how often there was one."""
        if self.trouble is None:
            return f"{self.check}: no answer yet" if self.last is None else ""
        asked = self.passed + self.failed + self.broken
        parts = [f"{n} {word}" for n, word in ((self.failed, "failed"), (self.broken, "broken")) if n]
        return self.trouble.reason if asked == 1 else f"{self.trouble.reason} ({', '.join(parts)} of {asked})"


@dataclass(frozen=True)
class CheckReport:
    """What all checks of one host found."""

    healthy: bool
    records: tuple[Record, ...]
    rounds: int
    seconds: float
    stopped: bool = False  #: ended early because it was told to

    @property
    def finding(self) -> Finding:
        """``FAILED`` when a service failed; ``BROKEN`` when nothing but probes was at fault."""
        if self.healthy:
            return Finding.PASSED
        troubles = {r.trouble.finding for r in self.records if r.trouble is not None}
        return Finding.FAILED if Finding.FAILED in troubles else Finding.BROKEN

    @property
    def reasons(self) -> tuple[str, ...]:
        """A sentence per check that had trouble; none when healthy."""
        return () if self.healthy else tuple(r.complaint for r in self.records if r.complaint)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What does not fail yet but will, each once."""
        return tuple(dict.fromkeys(w for r in self.records if r.last for w in r.last.warnings))

    @property
    def passed(self) -> frozenset[str]:
        """Digests of the checks that passed when they were asked last: what ``promote`` remembers."""
        return frozenset(r.digest for r in self.records if r.ok)


def as_before(before: CheckReport, after: CheckReport) -> tuple[str, ...]:
    """Is a host as healthy as before? A sentence per check that passed then and does not now; none: it is.

    What failed before is not held against the return, and a check that cannot be asked proves nothing.
    """
    now = {r.digest: r for r in after.records}
    worse = [r for r in before.records if r.ok and not (r.digest in now and now[r.digest].ok)]
    return tuple(
        (now[r.digest].complaint if r.digest in now else "") or f"{r.check}: passed before, not asked since"
        for r in worse
    )


def merge(reports: Iterable[CheckReport]) -> CheckReport:
    """Reports about different checks of one host, as one; all of them must be healthy."""
    reports = tuple(reports)
    return CheckReport(
        healthy=all(r.healthy for r in reports),
        records=tuple(record for r in reports for record in r.records),
        rounds=max((r.rounds for r in reports), default=0),
        seconds=sum(r.seconds for r in reports),
        stopped=any(r.stopped for r in reports),
    )
