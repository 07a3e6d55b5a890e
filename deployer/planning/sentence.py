"""After a deployment was unwound: what failed by its own fault is quarantined, what did not is let go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from deployer.errors import DeployerError
from deployer.journal.ids import who
from deployer.model import Ownership, State
from deployer.planning.gating import quarantine
from deployer.report.words import names

if TYPE_CHECKING:
    from deployer.journal.store import Journal
    from deployer.planning.audience import Audience
    from deployer.planning.context import Context
    from deployer.rollout.blame import Blame
    from deployer.rollout.engine import Recorder
    from deployer.rollout.survey import Contact


def sentenced(
    context: Context,
    recorder: Recorder,
    store: Journal,
    blame: Blame,
    contacts: Mapping[str, Contact],
    *,
    audience: Audience,
) -> tuple[str, ...]:
    """Record who is guilty, and have hosts forget what they were told of the others.

    :returns: the releases that are quarantined.
    """
    guilty = blame.guilty
    for entry in guilty:
        said = f"{entry.release}: {entry.why}"
        recorder.note("quarantine", State.SUCCEEDED, release=entry.release, reason=said)
    found = quarantine(context, store, guilty, audience) if guilty else ()
    for release, hosts in blame.acquitted.items():
        why = f"release {release} failed, and so does what was there before: it was the environment"
        recorder.note("acquittal", State.STARTED, release=release, hosts=list(hosts), reason=why)
        asked = {name: contacts[name] for name in hosts if name in contacts}
        careful = acquit(recorder.deployment, release, asked)
        state = State.FAILED if careful else State.SUCCEEDED
        recorder.note("acquittal", state, release=release, hosts=careful or list(hosts), reason=why)
        if careful:
            command = f"deployer quarantine release {context.name} {release}"
            audience.warns(f"{names(careful)} still calls {release} quarantined, which it is not: {command}")
    return found


def acquit(deployment: str, release: str, contacts: Mapping[str, Contact]) -> list[str]:
    """Have hosts forget that a release was bad.

    :param deployment: in whose name they are taken for that, one call long.
    :returns: those that could not be told.
    """
    careful = []
    for name, contact in contacts.items():
        try:
            contact.connection.open()
            epoch = contact.agent.begin(deployment, who())
            contact.agent.pardon(Ownership(deployment, epoch, who()), release)
        except DeployerError:  # also an agent of an older version, which does not know the verb
            careful.append(name)
    return careful
