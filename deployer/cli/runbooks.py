"""The page that helps with what ``status`` shows: by its path in the project's repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployer.errors import RUNBOOKS, Reverted
from deployer.model import GuardState

if TYPE_CHECKING:
    from deployer.status import FleetStatus

SITE_DOWN = "docs/runbooks/site-down.md"
SCHEDULE_MISSED = "docs/schedule.md#who-notices-that-it-does-not-run"
CONTROLLER_LOST = RUNBOOKS[130]


def of_status(found: FleetStatus) -> str | None:
    """The page for the worst that it shows; ``None`` where there is nothing to do."""
    if not found.exit_code:
        return None
    seen = [host.seen for host in found.hosts.values() if host.seen is not None]
    down = any(
        host.healthy is False or (host.seen and not host.seen.running) for host in found.hosts.values()
    )
    gone_off = (GuardState.FIRED, GuardState.EXPIRED)
    if down:
        return SITE_DOWN
    if any(each.guard is not None and each.guard.state in gone_off for each in seen):
        return Reverted.page
    if found.unfinished:
        return CONTROLLER_LOST
    lonely = found.late and not found.split and not any(host.troubles for host in found.hosts.values())
    return SCHEDULE_MISSED if lonely else RUNBOOKS[found.exit_code]
