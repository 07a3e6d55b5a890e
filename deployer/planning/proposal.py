"""What was asked for, and what is proposed for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deployer.model import Release
from deployer.model.manifest import Manifest
from deployer.planning.context import Context
from deployer.planning.linting import Linted
from deployer.rollout.diffs import Diff
from deployer.rollout.gates import Gatekeeping
from deployer.rollout.plan import Permissions, Plan

if TYPE_CHECKING:
    from deployer.source.changes import Between
    from deployer.source.git import Commit


@dataclass(frozen=True)
class Wishes:
    """What was asked for on the command line."""

    revision: str | None = None  #: ``None``: ``source.ref`` of the playbook
    allowed: Permissions = field(default_factory=Permissions)
    prepare_only: bool = False
    confirmed: bool = False  #: ``--yes``
    lock_wait_s: float = 0.0  #: how long somebody else's lease is waited for
    recover: bool = False  #: ``--recover``: what an interrupted deployment left is seen to first
    break_glass: str | None = None  #: ``--break-glass``: why closed gates are passed
    accepted: tuple[tuple[str, str], ...] = ()  #: ``--accept-change``: routes, each with a reason


@dataclass(frozen=True)
class Proposal:
    """The plan, as it is shown before the question.

    :ivar drifted: what was edited by hand, for the hosts that are refused for it.
    :ivar gates: those that are closed, as far as they were looked at.
    :ivar between: the commits from what most of the changing hosts serve to what is proposed.
    :ivar linted: what the rules say of the releases of the hosts that change.
    """

    context: Context
    commit: Commit
    plan: Plan
    diffs: tuple[Diff, ...]
    drifted: tuple[Diff, ...]
    between: Between | None = None
    gates: Gatekeeping = field(default_factory=Gatekeeping)
    linted: Linted = field(default_factory=Linted)


@dataclass(frozen=True)
class Prepared:
    """A proposal with what carrying it out needs: each host's release, and manifests by tree hash."""

    proposal: Proposal
    releases: Mapping[str, Release]
    live: Mapping[str, Manifest]

    @property
    def source_hash(self) -> str:
        """Git tree of ``source.path``: the same for every host."""
        return next((release.source_hash for release in self.releases.values()), "")
