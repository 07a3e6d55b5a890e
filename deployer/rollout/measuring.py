"""How many requests failed meanwhile, as the access logs of the changed hosts have it.

Asked for when every host is where it ends, never before, and for a few seconds only: an unread log is said to
be unread, and can be read later (``show --measure``).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from deployer.errors import AgentError, DeployerError, HostError, TransportError
from deployer.model import Outcome, State
from deployer.rollout import waves
from deployer.rollout.hiding import Hide

if TYPE_CHECKING:
    from deployer.host.traffic import Reading
    from deployer.rollout.engine import Run
    from deployer.rollout.survey import Contact
    from deployer.rollout.waves import Fleet

IMPACT = "impact"  #: the event that holds what was measured
LEAD_S = 30.0  #: so long before the first host was switched: what is normal there
WITHIN_S = 6.0  #: at the end of a deployment nobody waits longer for this
ASK_S = 5.0  #: for one host
MOST_SPANS = 900  #: of one host; a longer time is counted in longer spans
FEWEST_SPANS = 60
MOST_NUMBERS = 20_000  #: of all hosts: what one event may hold
PARALLEL = 32

_FAILED = (Outcome.ROLLED_BACK, Outcome.STUCK, Outcome.INTERRUPTED, Outcome.PARTIAL)


def measured_at_the_end(contacts: Mapping[str, Contact], fleet: Fleet, run: Run) -> None:
    """Journal what users saw of a deployment that failed after it had changed a host."""
    changed = [name for name, member in fleet.members.items() if member.log.changed]
    began = next((at for phase, at in run.phases if phase.name == "wave"), None)
    if not changed or began is None or waves.verdict(fleet) not in _FAILED or run.recorder.lost is not None:
        return
    since = time.time() - (time.monotonic() - began) - LEAD_S
    found = measure({name: contacts[name] for name in changed}, since=since, hide=run.hide)
    run.recorder.note(IMPACT, State.SUCCEEDED, **found)


def measure(
    contacts: Mapping[str, Contact],
    *,
    since: float,
    until: float | None = None,
    within_s: float = WITHIN_S,
    ask_s: float = ASK_S,
    limit: int | None = None,
    hide: Hide = str,
) -> dict[str, Any]:
    """Count on each host; what the event holds.

    :param since: seconds since the epoch, the controller's clock.
    :param until: likewise; ``None`` is now.
    :param within_s: for all hosts together. A host that has no open connection is not connected to.
    :param limit: bytes of each log that are read.
    """
    end = time.monotonic() + within_s
    width = width_of(len(contacts), (until or time.time()) - since)

    def ask(contact: Contact) -> Reading | str:
        left = end - time.monotonic()
        if left < 1.0:
            return f"it was not asked: {within_s:.0f} s were over"
        now = time.time()
        try:
            return contact.agent.traffic(
                since_s=max(1, math.ceil(now - since)),
                until_s=max(0, int(now - until)) if until is not None else 0,
                width_s=width,
                limit=limit,
                timeout_s=min(left, ask_s),
            )
        except AgentError as error:
            return hide(str(error))
        except TransportError as error:
            return f"it could not be asked: {hide(str(error))}"
        except HostError as error:
            return hide(str(error))
        except DeployerError:
            return "its agent is of an older deployer and cannot count"

    with ThreadPoolExecutor(max_workers=PARALLEL, thread_name_prefix="measure") as pool:
        answers = dict(zip(contacts, pool.map(ask, contacts.values()), strict=True))
    read = {name: _kept(found, hide) for name, found in answers.items() if not isinstance(found, str)}
    return {
        "hosts": read,
        "unread": {name: found for name, found in answers.items() if isinstance(found, str)},
    }


def width_of(hosts: int, seconds: float) -> int:
    """Seconds that are counted together, so that all hosts' counts fit into one event."""
    spans = max(FEWEST_SPANS, min(MOST_SPANS, MOST_NUMBERS // max(1, hosts)))
    return max(1, math.ceil(seconds / spans))


def _kept(found: Reading, hide: Hide) -> dict[str, Any]:
    return {
        "began": round(found.began, 1),
        "width": found.width_s,
        "requests": list(found.requests),
        "failed": list(found.failed),
        "logs": list(map(hide, found.logs)),
        "skipped": list(map(hide, found.skipped)),
        "short": list(map(hide, found.short)),
        "ahead": found.ahead_s,
    }
