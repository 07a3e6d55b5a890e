"""Whose fault a failure was: only what goes away with the rollback is the release's own.

A host is told with its way back what it is to remember as bad, so that nothing is lost with the controller.
Should ``from`` then fail the same checks, it was the environment, and the host is told to forget it again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from deployer.errors import HostError, NotProved
from deployer.model.barriers import Quarantined, hash_of
from deployer.rollout.hiding import Hide
from deployer.rollout.saga import Step

if TYPE_CHECKING:
    from deployer.model import Event

ANSWERS = "answers"  #: what failed was no check: the host answered worse than before
MEMORY = "memory"  #: nginx did not load it, or lost it again
BLAMING = (Step.ACTIVATE, Step.VERIFY, Step.CONFIRM)
NOT_PROVED = 68  #: the agent's code of :class:`NotProved`


class Unwell(HostError):
    """A host does not answer as it should; the message says which check, and what it answered.

    :ivar details: a sentence per check that had trouble.
    :ivar failing: what passed before and fails now: digests of checks, or :data:`ANSWERS`.
    :ivar kept: how it kept what its rehearsal promised, as the journal keeps it; empty: that was not it.
    :ivar back: it serves its old release again, proved so; empty: that is not what this is about.
    """

    kept: Mapping[str, Any] = MappingProxyType({})
    back: Mapping[str, Any] = MappingProxyType({})

    def __init__(
        self, message: str, *, host: str, details: tuple[str, ...] = (), failing: tuple[str, ...] = ()
    ) -> None:
        self.details, self.failing = details, failing
        super().__init__(message, host=host)


class Verdict(StrEnum):
    """What became of one host's failure."""

    OPEN = "open"  #: the host is not back, or nobody could look
    ITS_OWN = "its own"  #: it went away with the rollback
    ENVIRONMENT = "environment"  #: ``from`` fails the same checks


@dataclass
class _Case:
    """One release that failed somewhere."""

    entry: Quarantined
    hosts: dict[str, Verdict] = field(default_factory=dict)
    symptoms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)


class Blame:
    """Keeps what failed where. Called from many threads."""

    def __init__(self, deployment: str, hide: Hide = str) -> None:
        self._deployment, self._hide = deployment, hide
        self._cases: dict[str, _Case] = {}
        self._lock = threading.Lock()

    def suspect(self, host: str, release: str, symptoms: Iterable[str], why: str) -> None:
        """A release failed on a host, with what was not seen there before."""
        entry = Quarantined(release, self._deployment, time.time(), self._hide(why))
        with self._lock:
            case = self._cases.setdefault(hash_of(release), _Case(entry))
            case.hosts[host] = Verdict.OPEN
            case.symptoms[host] = tuple(symptoms)

    def entry(self, host: str, release: str) -> Quarantined | None:
        """What a host that leaves this release is told to remember; ``None``: nothing."""
        with self._lock:
            case = self._cases.get(hash_of(release))
            if case is None:
                return None
            case.told.add(host)
            return case.entry

    def symptoms(self, host: str, release: str) -> tuple[str, ...]:
        """What it failed with there: digests of checks, :data:`ANSWERS` or :data:`MEMORY`."""
        with self._lock:
            case = self._cases.get(hash_of(release))
            return case.symptoms.get(host, ()) if case is not None else ()

    def back(self, host: str, release: str, still: Collection[str]) -> None:
        """The host is on ``from`` again.

        :param still: what fails there now.
        """
        with self._lock:
            case = self._cases.get(hash_of(release))
            if case is not None and host in case.hosts:
                gone = set(case.symptoms[host]) - set(still)
                case.hosts[host] = Verdict.ITS_OWN if gone else Verdict.ENVIRONMENT

    @property
    def guilty(self) -> tuple[Quarantined, ...]:
        """The releases whose failure went away with the rollback, on one host at least."""
        with self._lock:
            return tuple(c.entry for c in self._cases.values() if Verdict.ITS_OWN in c.hosts.values())

    def environment(self, host: str, release: str) -> bool:
        """Whether it failed there, and nowhere was that the release's own fault."""
        with self._lock:
            case = self._cases.get(hash_of(release))
            return case is not None and host in case.hosts and {*case.hosts.values()} == {Verdict.ENVIRONMENT}

    @property
    def acquitted(self) -> dict[str, tuple[str, ...]]:
        """The releases that failed by their environment alone, and the hosts that were told otherwise."""
        only = {Verdict.ENVIRONMENT}
        with self._lock:
            cases = [c for c in self._cases.values() if c.hosts and set(c.hosts.values()) == only]
            return {case.entry.release: tuple(sorted(case.told)) for case in cases}


def symptoms_of(step: Step, error: HostError) -> tuple[str, ...]:
    """What a failed step shows that was not so before; empty: it says nothing of the release."""
    if step not in BLAMING:
        return ()
    if isinstance(error, NotProved):
        return (MEMORY,)
    return error.failing if isinstance(error, Unwell) else ()


def suspects(events: Iterable[Event]) -> dict[str, tuple[tuple[str, ...], str]]:
    """From a journal: hosts on which a release failed by what may be its own fault; symptoms, and why."""
    found: dict[str, tuple[tuple[str, ...], str]] = {}
    for event in events:
        if event.host is None or event.step not in BLAMING or event.state != "failed":
            continue
        symptoms = tuple(map(str, event.detail.get("failing", ())))
        if event.detail.get("code") == NOT_PROVED:
            symptoms = (MEMORY,)
        if symptoms:
            found[event.host] = (symptoms, f"{event.host}: {event.detail.get('error', '')}")
    return found
