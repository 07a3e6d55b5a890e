"""The fleet at one moment: what metrics are made of. Frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployer.watch.changes import Conditions
from deployer.watch.look import Look
from deployer.watch.tally import Tally


@dataclass(frozen=True)
class HostNow:
    """One host as it stands.

    :ivar look: the latest; ``None``: it was not looked at yet.
    :ivar known: the latest that was answered.
    :ivar expires: when the first certificate of its configuration ends, seconds since the epoch.
    """

    look: Look | None = None
    known: Look | None = None
    tally: Tally = field(default_factory=Tally)
    conditions: Conditions = field(default_factory=dict)
    expires: float | None = None


@dataclass(frozen=True)
class Now:
    """The fleet as it stands.

    :ivar files_read: when inventory and playbook were read last, seconds since the epoch.
    """

    inventory: str
    hosts: Mapping[str, HostNow]
    fleet: Conditions
    interval_s: float
    files_read: float
