"""What can go wrong, as one tree; every leaf knows the exit code that answers "is the fleet safe?".

::

    DeployerError                  1   (a bug, when nothing more precise was raised)
    ├── UsageError                 2   wrong use; nothing was touched
    │   ├── ConfigError            2   a file the operator wrote is wrong: file, line, key
    │   ├── UnknownRevision        2   git does not know the ref
    │   └── StoreUnusable          2   the journal is of a newer program, or its driver is missing
    ├── Refused                    3   refused before any host changed
    │   ├── SourceUnavailable      3   git could not be reached, or took too long
    │   ├── StoreUnavailable       3   the journal cannot be written, so nothing may be done
    │   └── LeaseHeld              3   somebody else is at work on this inventory
    ├── HostError                  3   one host said no or could not be asked (names the host)
    │   ├── TransportError             the connection, with what is known of the command's fate
    │   │   ├── Unreachable            no connection was ever made
    │   │   └── HostKeyError           the host is not the one we know
    │   ├── Stopped              130   a signal ended it
    │   └── AgentError                 the agent answered with a refusal
    │       ├── Busy                   another deployment owns the host
    │       ├── Fenced                 we are not the owner any more
    │       ├── Reverted               nobody confirmed the release in time: the guard took it back
    │       ├── ConfigRefused          the validator said no to the candidate
    │       │   └── AnswersWorse       it would be served, and answers worse than live
    │       ├── Drifted                live is not what its manifest says
    │       └── NotProved              switched, but memory is not proved to hold the release
    ├── RolledBack                 4   failed, and every changed host is back
    ├── OperatorNeeded             5   some host is not proved to be on its target or its ``from``
    ├── Unhealthy                  6   drift, ill health or a split fleet
    └── Interrupted              130   stopped by a signal

A message is one sentence for a tired person: what, where, what to do next. Where a page of the documentation
helps with it, the error knows which (:attr:`DeployerError.runbook`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar

RUNBOOKS: Mapping[int, str] = MappingProxyType(
    {
        3: "docs/runbooks/refused.md",
        4: "docs/runbooks/rolled-back.md",
        5: "docs/runbooks/rollback-failed.md",
        6: "docs/runbooks/split.md",
        130: "docs/runbooks/controller-lost.md",
    }
)
"""What to read after an exit code, by its path in the project's repository."""


class DeployerError(Exception):
    """Base of all errors this program raises on purpose."""

    exit_code: ClassVar[int] = 1
    page: ClassVar[str | None] = None  #: another page than that of the exit code; empty: none is needed

    @property
    def runbook(self) -> str | None:
        """The page that says what to do, by its path in the repository; ``None``: the sentence does."""
        return RUNBOOKS.get(self.exit_code) if self.page is None else self.page or None


class UsageError(DeployerError):
    """Wrong options or arguments; nothing was touched."""

    exit_code = 2


class ConfigError(UsageError):
    """A file that the operator wrote is wrong.

    :param file: path as the operator knows it.
    :param line: 1-based, ``None`` when the whole file is meant.
    :param key: dotted path of the key, ``None`` when it is not about one key.
    """

    def __init__(self, problem: str, *, file: str, line: int | None = None, key: str | None = None) -> None:
        self.problem, self.file, self.line, self.key = problem, file, line, key
        where = file if line is None else f"{file}:{line}"
        # Keys and names of files are whatever somebody wrote: a terminal must not obey them.
        told = f"{where}: {key}: " if key else f"{where}: "
        super().__init__("".join(c if c.isprintable() else repr(c)[1:-1] for c in told) + problem)


class UnknownRevision(UsageError):
    """Git has no commit for the ref that was asked for."""


class StoreUnusable(UsageError):
    """The journal is not one that this installation can use: a newer schema, a driver that is missing."""


class Refused(DeployerError):
    """Refused before any host changed."""

    exit_code = 3


class SourceUnavailable(Refused):
    """The repository could not be read: network, permission, time limit."""


class StoreUnavailable(Refused):
    """The journal could not be opened or written; nothing is done that is not journalled first."""

    page = "docs/runbook.md#the-database-is-gone"


class LeaseHeld(Refused):
    """Somebody else is at work on this inventory, as the store knows it."""

    page = "docs/runbook.md#the-lock-is-stuck"


class HostError(DeployerError):
    """Something about one host. ``host`` is its inventory name."""

    exit_code = 3

    def __init__(self, message: str, *, host: str) -> None:
        self.host = host
        super().__init__(message)


class Fate(StrEnum):
    """What is known of a remote command when its connection failed."""

    NEVER_SENT = "never sent"
    UNKNOWN = "outcome unknown"
    ANSWERED = "answered"


class TransportError(HostError):
    """The connection failed. Only ``fate is NEVER_SENT`` is safe to repeat blindly."""

    def __init__(self, message: str, *, host: str, fate: Fate) -> None:
        self.fate = fate
        super().__init__(message, host=host)


class Unreachable(TransportError):
    """No connection could be made at all, so nothing was sent."""

    def __init__(self, message: str, *, host: str) -> None:
        super().__init__(message, host=host, fate=Fate.NEVER_SENT)


class HostKeyError(Unreachable):
    """The host key is unknown or has changed: never connected, never retried."""


class Stopped(HostError):
    """A signal ended what was being done on the host before it had an answer."""

    exit_code = 130


class AgentError(HostError):
    """The agent on the host answered with a refusal.

    :param code: the agent's exit code (docs/agent.md).
    :param details: the validator's or nginx's own lines, newest last.
    """

    net = ""  #: what refused, for the journal, where the step alone does not say it

    def __init__(self, message: str, *, host: str, code: int = 0, details: tuple[str, ...] = ()) -> None:
        self.code, self.details = code, details
        super().__init__(message, host=host)


class Busy(AgentError):
    """Another deployment owns the host."""

    page = "docs/runbook.md#the-lock-is-stuck"


class Fenced(AgentError):
    """The host has a newer owner: this controller must stop."""

    page = "docs/runbooks/controller-lost.md"


class Reverted(AgentError):
    """The guard took the release back, for nobody had confirmed it in time: the host is on its ``from``."""

    page = "docs/runbooks/guard-fired.md"


class ConfigRefused(AgentError):
    """The validator on the host said no to the candidate; the host is unchanged."""


class AnswersWorse(ConfigRefused):
    """The rehearsed candidate answers worse than what is live; ``details`` are the table of both."""

    net = "comparison"


class Drifted(AgentError):
    """What is live on the host differs from the release it is said to be."""


class NotProved(AgentError):
    """The pointer was switched but memory is not proved to hold the release."""


class RolledBack(DeployerError):
    """The deployment failed; every changed host is back on its ``from``, verified."""

    exit_code = 4


class OperatorNeeded(DeployerError):
    """Some host is not proved to be on its target or its ``from``."""

    exit_code = 5


class Unhealthy(DeployerError):
    """Drift, ill health or a split fleet was found."""

    exit_code = 6


class Interrupted(DeployerError):
    """Stopped by a signal; hosts are restored or said not to be."""

    page = ""  # as an error it comes before anything was changed; results say more
    exit_code = 130
