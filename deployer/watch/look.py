"""One look at one host, and at the fleet around it: nouns that judging speaks of. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployer.checks.certificate import Certificate
from deployer.model import Observation
from deployer.model.barriers import Quarantined
from deployer.model.inspected import Inspection
from deployer.schedule.due import Verdict


@dataclass(frozen=True, slots=True)
class Health:
    """What the playbook's checks say.

    :ivar failing: names of the checks that do not pass.
    :ivar broken: some could not be made: that says nothing of the service.
    """

    healthy: bool
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Dated:
    """A certificate that the configuration names."""

    path: str
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Wanted:
    """What git has for a host.

    :ivar release: the id that it would be deployed as.
    :ivar tree: its tree hash.
    :ivar files: paths in which it differs from what is live; ``None``: what is live does not come from git.
    """

    release: str
    tree: str
    files: tuple[str, ...] | None = ()


@dataclass(frozen=True)
class Look:
    """What was found on a host.

    :ivar time: seconds since the epoch, when the answer came; the controller's clock.
    :ivar seen: ``None``: it could not be asked; ``error`` says why.
    :ivar inspection: ``None``: its agent does not know the question.
    :ivar health: ``None``: there are no checks, or they were not asked.
    :ivar certificates: ``None``: not asked this time.
    :ivar since_s: what time the counts of the logs are of; ``None``: not known, they are the newest lines.
    """

    host: str
    time: float
    seconds: float = 0.0
    seen: Observation | None = None
    error: str | None = None
    inspection: Inspection | None = None
    health: Health | None = None
    certificates: tuple[Dated, ...] | None = None
    wanted: Wanted | None = None
    since_s: float | None = None

    @property
    def behind(self) -> bool | None:
        """Whether git has something else for it than what is on disk; ``None``: not known."""
        if self.wanted is None or self.seen is None or self.seen.disk_hash is None:
            return None
        return self.seen.disk_hash != self.wanted.tree


@dataclass(frozen=True)
class Origin:
    """What git said of the playbook's revision.

    :ivar wanted: by host.
    :ivar error: why it could not be asked; what was known before stays.
    """

    commit: str | None = None
    ref: str = ""
    subject: str = ""
    error: str | None = None
    wanted: Mapping[str, Wanted] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Left:
    """A deployment that the journal has without an end, and whose controller is known to be dead."""

    id: str
    sentence: str


@dataclass(frozen=True)
class Past:
    """What the journal said.

    :ivar quarantined: releases that nobody deploys again.
    :ivar schedules: unattended deployments that are not as they should be.
    :ivar error: why it could not be asked.
    """

    left: tuple[Left, ...] = ()
    quarantined: tuple[Quarantined, ...] = ()
    error: str | None = None
    schedules: tuple[Verdict, ...] = ()
