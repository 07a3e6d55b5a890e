"""What a host's access logs say of a span of time: requests and failures, by the controller's clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deployer.host.reply import VerbAnswer


@dataclass(frozen=True, slots=True)
class Reading:
    """Counts per span of time.

    :ivar began: seconds since the epoch, the controller's clock: when the first span began.
    :ivar width_s: seconds in each span.
    :ivar requests: how many requests ended in each span.
    :ivar failed: how many of them were answered with 5xx.
    :ivar logs: the files that were read.
    :ivar skipped: files that were not, each with the reason.
    :ivar short: logs that begin later than the first span.
    :ivar ahead_s: how far the host's clock is ahead of the controller's.
    """

    began: float
    width_s: int
    requests: tuple[int, ...]
    failed: tuple[int, ...]
    logs: tuple[str, ...]
    skipped: tuple[str, ...]
    short: tuple[str, ...]
    ahead_s: float


def reading(said: VerbAnswer, *, now: float) -> Reading:
    """Read the answer.

    :param now: seconds since the epoch, the controller's clock, when it was made.
    """
    clock, start, width = said.number("clock"), said.number("from"), max(1, int(said.number("width", 1)))
    spans = max(0, -int((start - said.number("to")) // width))
    requests, failed = [0] * spans, [0] * spans
    for line in said.all("count"):
        words = line.split()
        if len(words) != 3 or not all(word.isdigit() for word in words):
            continue
        at = int((int(words[0]) - start) // width)
        if 0 <= at < spans:
            requests[at] += int(words[1])
            failed[at] += int(words[2])
    ahead = clock - now
    return Reading(
        start - ahead,
        width,
        tuple(requests),
        tuple(failed),
        said.all("log"),
        said.all("skipped"),
        said.all("short"),
        round(ahead, 1),
    )
