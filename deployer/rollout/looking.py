"""One quick look at the checks of hosts that were put right: to inform, for the proof is in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from deployer.errors import HostError

if TYPE_CHECKING:
    from deployer.checks.verdict import CheckReport
    from deployer.config.playbook import Playbook
    from deployer.rollout.survey import Contact, Survey

LOOK_S = 3.0  #: how long the checks are asked


def quick_look(contact: Contact, playbook: Playbook) -> CheckReport:
    """What the playbook's checks say of a host now."""
    from deployer.checks.health import Once, until_healthy

    pace = Once(LOOK_S, playbook.health.interval_s)
    return until_healthy(playbook.checks, contact.connection, pace, address=contact.host.address)


def failing_checks(survey: Survey, playbook: Playbook, hosts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Hosts and what does not pass there; a check of a site that the older release lacks fails rightly."""
    hosts = tuple(hosts)
    if not playbook.checks or not hosts:
        return

    def look(contact: Contact) -> tuple[str, ...]:
        return quick_look(contact, playbook).reasons

    for name, found in survey.each(look, hosts).items():
        for reason in (str(found),) if isinstance(found, HostError) else found:
            yield name, reason
