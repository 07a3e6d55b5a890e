"""Hosts that still serve what was taken back on others: each of them well, the fleet is not. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from deployer.model import Observation


@dataclass(frozen=True, slots=True)
class Split:
    """One part of the fleet went back, another did not.

    :ivar stayed: hosts that serve the release still, or what the same deployment brought them.
    :ivar back: hosts that went back from it.
    """

    stayed: tuple[str, ...]
    back: tuple[str, ...]

    @property
    def pattern(self) -> str:
        """For ``--limit``: those that stayed, by the shorter way to say it."""
        if len(self.back) < len(self.stayed):
            return "all:" + ":".join(f"!{name}" for name in self.back)
        return ",".join(self.stayed)


def split_of(seen: Iterable[Observation]) -> Split | None:
    """How the fleet is split, if it is.

    It comes about when a host was away during a rollback, and when one revision came to the hosts in more
    than one deployment, of which the rollback undid the latest.
    """
    seen = tuple(seen)
    back = [o for o in seen if o.last_target and o.live == o.last_from != o.last_target]
    left = {o.last_target for o in back} | {o.last_deployment for o in back}
    stayed = [o for o in seen if o.live and o.live == o.last_target and {o.live, o.last_deployment} & left]
    if not stayed:
        return None
    theirs = {o.live for o in stayed} | {o.last_deployment for o in stayed}
    gone = tuple(o.host for o in back if {o.last_target, o.last_deployment} & theirs)
    return Split(tuple(o.host for o in stayed), gone)
