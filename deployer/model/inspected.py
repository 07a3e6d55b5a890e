"""What a watched host is asked, and what it says beyond its observation: nouns, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_NOTHING: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked in one look.

    :ivar validity: have the validator test what is live.
    :ivar certificates: name the certificates of the configuration.
    :ivar known: keys of certificates that need not be sent.
    :ivar offsets: how far each log was read, by inode; empty: counting begins.
    :ivar window: where counting begins, so many bytes before the end are counted as well.
    """

    validity: bool = True
    certificates: bool = True
    known: frozenset[str] = frozenset()
    offsets: Mapping[int, int] = field(default_factory=dict)
    window: int = 0


@dataclass(frozen=True, slots=True)
class Written:
    """Who wrote something last, as far as the file says."""

    path: str
    owner: str
    time: float  #: seconds since the epoch, the host's clock


@dataclass(frozen=True, slots=True)
class Counts:
    """Lines that logs gained.

    :ivar answers: by the first digit of the status, "5" for 5xx.
    :ivar levels: of error logs: error, emerg and so on.
    :ivar other: lines that could not be read.
    :ivar skipped: bytes that were not counted, because there were too many.
    """

    answers: Mapping[str, int] = field(default_factory=lambda: _NOTHING)
    levels: Mapping[str, int] = field(default_factory=lambda: _NOTHING)
    other: int = 0
    skipped: int = 0

    @property
    def total(self) -> int:
        """Answers of every status."""
        return sum(self.answers.values())

    @property
    def failed(self) -> int:
        """Answers with a status of 500 and more."""
        return self.answers.get("5", 0)


@dataclass(frozen=True)
class Inspection:
    """What ``inspect`` found.

    :ivar valid: ``None``: not asked, or it could not be tested; ``invalid`` says why.
    :ivar invalid: the validator's lines.
    :ivar offsets: how far each log is read now, by inode; ``None``: no nginx runs that holds any.
    :ivar certificates: path by key; ``None``: not asked.
    :ivar pems: the certificates (DER) that were not known, by key.
    """

    valid: bool | None = None
    invalid: tuple[str, ...] = ()
    valid_s: float = 0.0
    wrote: tuple[Written, ...] = ()
    present: tuple[str, ...] = ()
    offsets: Mapping[int, int] | None = None
    counts: Counts = Counts()
    certificates: Mapping[str, tuple[str, ...]] | None = None
    pems: Mapping[str, bytes] = field(default_factory=dict)
