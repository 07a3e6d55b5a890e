"""Which hosts served the new release, from when to when, as the journal has it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from deployer.model import Event, State


class Ended(StrEnum):
    """How a host's time on the new release ended."""

    RESTORED = "restored"  #: it is back, proved
    KEPT = "kept"  #: it was confirmed, or promoted, and still serves it as far as this journal goes
    UNKNOWN = "unknown"  #: nothing of its end is recorded


@dataclass(frozen=True, slots=True)
class Stay:
    """One host's time on the new release.

    :ivar began: seconds since the epoch, when the switch was begun.
    :ivar until: when its end was proved; ``None``: it has none that is recorded.
    """

    host: str
    began: float
    until: float | None = None
    how: Ended = Ended.UNKNOWN

    def seconds(self, now: float) -> float:
        """How long at most; ``now`` where it has no end."""
        return max(0.0, (self.until if self.until is not None else now) - self.began)


def stays(events: Iterable[Event]) -> tuple[Stay, ...]:
    """In the order in which the hosts were switched; a host has at most one."""
    found: dict[str, Stay] = {}
    for event in events:
        if event.host is None or not isinstance(event.time, int | float):
            continue
        if event.step == "activate" and event.state is State.STARTED:
            found.setdefault(event.host, Stay(event.host, event.time))
        elif event.host in found:
            found[event.host] = _after(found[event.host], event)
    return tuple(found.values())


def _after(stay: Stay, event: Event) -> Stay:
    if event.step == "activate" and (event.state is State.UNDO_SUCCEEDED or is_back(event)):
        return replace(stay, until=event.time, how=Ended.RESTORED)
    if event.step == "activate" and event.state in (State.UNDO_STARTED, State.UNDO_FAILED):
        return replace(stay, until=None, how=Ended.UNKNOWN)
    if event.step in ("confirm", "promote") and event.state is State.SUCCEEDED:
        return replace(stay, how=Ended.KEPT)
    return stay


def is_back(event: Event) -> bool:
    """Whether a way back that failed is only a host that is not as healthy there as before."""
    return event.state is State.UNDO_FAILED and bool(event.detail.get("back"))


def span(found: Sequence[Stay]) -> tuple[float, float | None] | None:
    """From the first switch to the last proved return; the end is ``None`` while some host has none."""
    gone = [stay for stay in found if stay.how is not Ended.KEPT]
    if not gone:
        return None
    ends = [stay.until for stay in gone]
    known = [end for end in ends if end is not None]
    return min(stay.began for stay in gone), max(known) if len(known) == len(ends) else None
