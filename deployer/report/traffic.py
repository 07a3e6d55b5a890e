"""Requests and failures as they were measured, read back from the journal. Pure, and tolerant."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deployer.model import Event
from deployer.report.words import clean

STEP = "impact"
MOST_SPANS = 5000


@dataclass(frozen=True)
class HostTraffic:
    """What the access logs of one host say.

    :ivar began: seconds since the epoch; ``width`` seconds are counted together.
    :ivar ahead: how far the host's clock was ahead of the controller's, in seconds.
    """

    began: float
    width: float
    requests: tuple[int, ...]
    failed: tuple[int, ...]
    logs: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    ahead: float = 0.0

    @property
    def ended(self) -> float:
        """When the last span ends."""
        return self.began + self.width * len(self.requests)

    def spans(self, since: float, until: float) -> list[tuple[float, int, int]]:
        """Those that have a part in a time: when each begins, its requests, and the failed ones."""
        found = []
        for number, (total, bad) in enumerate(zip(self.requests, self.failed, strict=True)):
            at = self.began + number * self.width
            if at + self.width > since and at < until:
                found.append((at, total, bad))
        return found


@dataclass(frozen=True)
class Traffic:
    """What was measured, host by host.

    :ivar unread: hosts whose logs could not be read, each with the reason.
    """

    hosts: Mapping[str, HostTraffic] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)

    @property
    def width(self) -> float:
        """The widest span of all hosts, in seconds."""
        return max((host.width for host in self.hosts.values()), default=1.0)

    def together(self) -> list[tuple[float, int, int]]:
        """All hosts added up, on one grid of whole spans without a gap."""
        width = self.width
        total: dict[int, list[int]] = {}
        for host in self.hosts.values():
            for at, requests, failed in host.spans(-math.inf, math.inf):
                slot = total.setdefault(math.floor((at + host.width / 2) / width), [0, 0])
                slot[0] += requests
                slot[1] += failed
        if not total or max(total) - min(total) > MOST_SPANS:
            return []
        numbers = range(min(total), max(total) + 1)
        return [(number * width, *_pair(total.get(number, [0, 0]))) for number in numbers]


def traffic_of(events: Iterable[Event]) -> Traffic | None:
    """The newest reading of each host; ``None`` when nothing was ever measured."""
    hosts: dict[str, HostTraffic] = {}
    unread: dict[str, str] = {}
    asked = False
    for event in events:
        if event.step != STEP or event.host is not None:
            continue
        asked = True
        for name, said in _mapping(event.detail.get("hosts")).items():
            if (found := _host(said)) is not None:
                hosts[name] = found
                unread.pop(name, None)
        for name, why in _mapping(event.detail.get("unread")).items():
            if name not in hosts:
                unread[name] = clean(str(why))
    return Traffic(hosts, unread) if asked else None


def _host(said: object) -> HostTraffic | None:
    detail = _mapping(said)
    requests, failed = _numbers(detail.get("requests")), _numbers(detail.get("failed"))
    began, width, ahead = (_number(detail.get(key)) for key in ("began", "width", "ahead"))
    if requests is None or failed is None or len(requests) != len(failed) or len(requests) > MOST_SPANS:
        return None
    if began is None or width is None or not 0 < width < 1e9 or not 0 <= began < 1e11:
        return None
    logs, skipped, short = (_texts(detail.get(key)) for key in ("logs", "skipped", "short"))
    return HostTraffic(began, width, requests, failed, logs, skipped, short, ahead or 0.0)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _numbers(value: object) -> tuple[int, ...] | None:
    if not isinstance(value, list | tuple):
        return None
    if any(isinstance(each, bool) or not isinstance(each, int) or each < 0 for each in value):
        return None
    return tuple(value)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(clean(str(each)) for each in value) if isinstance(value, list | tuple) else ()


def _pair(slot: list[int]) -> tuple[int, int]:
    return slot[0], slot[1]
