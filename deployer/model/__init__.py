"""The nouns, frozen. Nothing here does IO or decides; every room above speaks in these words.

Words are those of the field: revision, release, baseline, live, candidate, good, last known good, ``from``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any

from deployer.model.manifest import Changes as Changes
from deployer.model.manifest import Entry as Entry
from deployer.model.manifest import Kind as Kind
from deployer.model.manifest import Manifest as Manifest

RELEASE_ID = re.compile(r"[a-z0-9]{1,12}-[0-9a-f]{12}")
"""``<commit12>-<hash12>``, or ``baseline-<hash12>`` / ``drift-<hash12>`` for what the tool found."""

NO_VARS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Host:
    """One host of the inventory, with the variables that decide how it is reached and rendered."""

    name: str
    address: str  #: ``ansible_host`` or the name; IPv4, IPv6 (no brackets) or DNS name
    port: int | None = None  #: ``None``: ssh config or 22
    user: str | None = None  #: ``None``: ssh config or the local user
    key_file: str | None = None
    become: bool | None = None  #: ``ansible_become``; ``None``: ``target.become`` of the playbook decides
    groups: tuple[str, ...] = ()  #: without ``all``, in Ansible's order of precedence
    ssh_config: str | None = None  #: ``deployer_ssh_config``: instead of the operator's
    ca: str | None = None  #: ``deployer_ca``: PEM file of authorities that are believed besides the others
    vars: Mapping[str, Any] = field(default_factory=lambda: NO_VARS, hash=False, compare=False)


@dataclass(frozen=True, slots=True)
class Target:
    """What a playbook says of the host side: where the configuration lives, how it is tested and loaded."""

    directory: str = "/etc/nginx"
    state: str = "/var/lib/deployer/nginx"
    preserve: tuple[str, ...] = ()  #: globs under ``directory`` that the repo does not own
    modes: Mapping[str, str] = field(default_factory=lambda: NO_VARS, hash=False)  #: glob → "0640 root:group"
    keep: int = 5  #: good releases kept
    become: bool | None = None  #: ``None`` is ``auto``: sudo unless the user is root
    validate: tuple[str, ...] = ("nginx", "-t")
    reload: tuple[str, ...] | None = None  #: ``None`` is ``auto``
    fallback: str | None = (
        None  #: how to validate where no private namespaces can be had; ``None``: not at all
    )


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of hosts, said as a count or as a percentage."""

    value: int
    percent: bool = False

    def of(self, total: int, *, up: bool) -> int:
        """How many of ``total``; a percentage is rounded up (waves) or down (budget)."""
        if not self.percent:
            return min(self.value, total)
        share = total * self.value
        return -(-share // 100) if up else share // 100

    def __str__(self) -> str:
        return f"{self.value}%" if self.percent else str(self.value)


@dataclass(frozen=True)
class Release:
    """A tree that can be put on a host. Hosts that render alike share one object."""

    commit: str  #: 40 hex digits
    source_hash: str  #: git tree id of ``source.path``: the same source, whatever it renders to
    manifest: Manifest
    read: Callable[[str], bytes] = field(compare=False, repr=False)  #: content by its SHA-256
    masked: Mapping[str, bytes | None] = field(default_factory=lambda: NO_VARS, compare=False, repr=False)
    """By the SHA-256 of content that holds secrets: what may be shown of it; ``None``: nothing."""

    @cached_property
    def id(self) -> str:
        """``<commit12>-<hash12>``."""
        return f"{self.commit[:12]}-{self.manifest.hash[:12]}"


class TargetKind(StrEnum):
    """What stands at ``target.directory`` on a host."""

    DIRECTORY = "directory"  #: a plain directory: not converted yet
    LINK = "link"  #: our symlink
    ABSENT = "absent"
    MOUNT = "mount"
    FOREIGN = "foreign"  #: a symlink that is not ours, or no directory


@dataclass(frozen=True, slots=True)
class Good:
    """A promoted release as the host remembers it."""

    release: str
    deployment: str
    time: float  #: seconds since the epoch, the host's clock


class GuardState(StrEnum):
    """What a host says of its guard."""

    ARMED = "armed"  #: an unconfirmed release goes back by itself when the time is over
    EXPIRED = "expired"  #: the time is over, and the release is not back yet
    FIRED = "fired"  #: it was taken back, and nobody has seen to it since


@dataclass(frozen=True, slots=True)
class Guard:
    """The dead-man's switch of a host, or what is left of it.

    :ivar source: the release it takes, or took, the host back to (``from`` in the docs).
    :ivar left_s: seconds until it fires; 0 unless it is armed.
    :ivar carried: whether the process that carries it lives.
    :ivar stuck: why it could not take the release back so far; it tries again.
    :ivar time: when it fired, seconds since the epoch by the host's clock.
    :ivar elsewhere: the target that it is for, when that is another playbook's on the same nginx.
    """

    state: GuardState
    deployment: str
    release: str
    source: str
    left_s: float = 0.0
    carried: bool = False
    stuck: str | None = None
    time: float | None = None
    elsewhere: str | None = None

    @property
    def pending(self) -> bool:
        """A release is live, or about to be, that nobody has confirmed yet."""
        return self.state is not GuardState.FIRED


@dataclass(frozen=True)
class Observation:
    """What one host said about itself, at one moment. Facts only; judging is for ``rollout.plan``."""

    host: str
    protocol: int
    agent: str  #: id of the agent that answered
    installed: bool  #: that agent is the one at the stable path
    systemd: bool
    validator: str | None  #: version of the validator ("nginx/1.22.1"), None when it is not there
    problems: tuple[str, ...]  #: sentences: what is missing for a deployment (unshare, space, sudo …)
    target_kind: TargetKind
    adopted: bool
    baseline: str | None
    live: str | None  #: release the pointer names; the baseline while a directory stands there
    disk_hash: str | None  #: tree hash of what stands at the target now, preserved paths left out
    drifted: bool  #: disk_hash differs from the manifest of ``live``
    memory: str | None  #: release that master and all workers hold; None: nothing runs or not proved
    memory_note: str  #: why memory is None, else how it was proved
    running: bool  #: exactly one master runs
    good: tuple[Good, ...]  #: oldest first; the last one is the last known good
    releases: tuple[str, ...]  #: complete releases in the store
    owner: str | None  #: deployment that owns the host
    epoch: int
    last_deployment: str | None  #: latest deployment that activated something here
    last_target: str | None
    last_from: str | None
    promoted: bool  #: the live release is good
    checks: tuple[str, ...]  #: digests of the checks that passed at the last promotion
    clock: float  #: the host's time, seconds since the epoch
    guard: Guard | None = None
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: every key the agent sent

    @property
    def owner_silent_s(self) -> float:
        """For how long the owner was not heard on the host."""
        return float(self.facts.get("owner_silent", ("0",))[-1] or 0)

    @property
    def owner_controller(self) -> str:
        """``user@host`` of the owner, as it called itself."""
        return self.facts.get("owner_controller", ("",))[-1] or "somebody"

    @property
    def lkg(self) -> str | None:
        """The newest good release."""
        return self.good[-1].release if self.good else None


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who may change a host: granted by the host itself, carried by every changing request."""

    deployment: str
    epoch: int | None  #: ``None``: it was asked for and not heard of; it can only be given up
    controller: str  #: ``user@host`` of the controlling machine


class HostOutcome(StrEnum):
    """How a deployment ended for one host (a value of ``--json``)."""

    DEPLOYED = "deployed"
    UNCHANGED = "unchanged"
    PREPARED = "prepared"
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"
    STUCK = "stuck"
    UNREACHABLE = "unreachable"
    UNTOUCHED = "untouched"


class Outcome(StrEnum):
    """How a deployment ended (a value of ``--json``)."""

    DEPLOYED = "deployed"
    UNCHANGED = "unchanged"
    PARTIAL = "partial"
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"
    STUCK = "stuck"
    INTERRUPTED = "interrupted"


EXIT_CODE: Mapping[Outcome, int] = MappingProxyType(
    {
        Outcome.DEPLOYED: 0,
        Outcome.UNCHANGED: 0,
        Outcome.REFUSED: 3,
        Outcome.ROLLED_BACK: 4,
        Outcome.STUCK: 5,
        Outcome.PARTIAL: 6,
        Outcome.INTERRUPTED: 130,
    }
)
"""The exit code of a deployment by its outcome. A rollback done as asked is 0 as well (rollback.py)."""


class State(StrEnum):
    """What the journal says of a step on a host. Six states, as in oxide's saga log."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNDO_STARTED = "undo_started"
    UNDO_SUCCEEDED = "undo_succeeded"
    UNDO_FAILED = "undo_failed"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the journal, written *before* the effect it announces.

    :ivar host: ``None`` for an event of the whole deployment; then ``step`` says what happened
        ("deployment", "plan", "wave", "decision" …).
    :ivar detail: JSON values only; no secret is ever put here.
    """

    deployment: str
    host: str | None
    step: str
    state: State
    time: float  #: seconds since the epoch, the controller's clock
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HostResult:
    """One host in the result of a deployment or rollback."""

    outcome: HostOutcome
    release: str | None
    previous: str | None
    reason: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class WaveResult:
    """One wave in the result: its hosts and how it was decided."""

    hosts: tuple[str, ...]
    decision: str  #: "passed", "failed", "not started"
    seconds: float


@dataclass(frozen=True)
class Result:
    """What ``deploy --json`` and ``rollback --json`` print."""

    id: str  #: empty where there was nothing to do, and so nothing recorded
    outcome: Outcome
    exit_code: int
    revision: str | None
    reason: str | None
    hosts: Mapping[str, HostResult]
    waves: tuple[WaveResult, ...]
    seconds: float
    gates: tuple[Mapping[str, Any], ...] = ()  #: that were closed (``barriers.Closed.as_json``)
    quarantined: tuple[str, ...] = ()  #: releases that nobody deploys again until they are released
    compared: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By host, what came of the questions to live and to the rehearsed candidate (docs/compare.md)."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """By host, the release that holds what was edited by hand there."""
    ill: Mapping[str, str] = field(default_factory=dict)
    """By host that is back on the release it had, proved, and ill there: what is. Of a rollback: the check
    that does not pass afterwards, whatever it did before."""

    def as_json(self) -> dict[str, Any]:
        """The document of ``--json``; also what the journal keeps."""
        return {
            "id": self.id or None,
            "outcome": str(self.outcome),
            "exit_code": self.exit_code,
            "revision": self.revision,
            "reason": self.reason,
            "hosts": {n: asdict(host) | {"outcome": str(host.outcome)} for n, host in self.hosts.items()},
            "waves": [asdict(wave) | {"hosts": list(wave.hosts)} for wave in self.waves],
            "seconds": self.seconds,
            # These only where there is something to say.
            **({"gates": [dict(gate) for gate in self.gates]} if self.gates else {}),
            **({"quarantined": list(self.quarantined)} if self.quarantined else {}),
            **({"compared": {n: dict(found) for n, found in self.compared.items()}} if self.compared else {}),
            **({"kept": dict(self.kept)} if self.kept else {}),
            **({"ill": dict(self.ill)} if self.ill else {}),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Result:
        """Read :meth:`as_json` back. Raises ``ValueError`` when it is not one."""
        try:
            hosts = {
                name: HostResult(**{**host, "outcome": HostOutcome(host["outcome"])})
                for name, host in document["hosts"].items()
            }
            waves = tuple(WaveResult(**{**wave, "hosts": tuple(wave["hosts"])}) for wave in document["waves"])
            lists = {name: tuple(document.get(name, ())) for name in ("gates", "quarantined")}
            own = {"outcome": Outcome(document["outcome"]), "hosts": hosts, "waves": waves}
            return cls(**{**document, **own, **lists})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("not a result") from error


@dataclass(frozen=True)
class DeploymentRecord:
    """One row of the history: what was asked, by whom, and how it ended."""

    id: str  #: ``[0-9a-z-]{1,40}``, sorts by time (``journal.new_deployment_id``)
    kind: str  #: "deploy", "rollback" or "adopt"
    inventory: str
    playbook: str | None
    revision: str | None  #: as it was asked for; ``None`` when none was
    commit: str | None  #: 40 hex digits it resolved to
    subject: str | None  #: first line of the commit's message
    started: float  #: seconds since the epoch, the controller's clock
    who: str  #: ``user@host`` of the controller
    options: Mapping[str, Any] = field(default_factory=dict)  #: the command's options; JSON values
    source_hash: str | None = None  #: git tree of ``source.path``: what ``gates.after`` looks for elsewhere
    finished: float | None = None  #: ``None``: running, or its controller was lost
    outcome: Outcome | None = None
    exit_code: int | None = None
    reason: str | None = None
    result: Result | None = None
    times: int = 1  #: unattended runs with nothing to do that it stands for; it is the last of them
    first_started: float | None = None  #: when the first of these began
