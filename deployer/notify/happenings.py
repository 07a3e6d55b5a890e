"""From what is journalled on the way to what is told of it at once: gates, guards, quarantine. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from deployer.config.notify import Level
from deployer.model import Event, State
from deployer.notify.notices import Notice
from deployer.notify.outcomes import NOTHING_TO_DO, Command
from deployer.report.words import clean, names

REVERTED = 74  #: the agent's exit code: the guard was faster than the confirmation


def noteworthy(command: Command, event: Event) -> Notice | None:
    """What one journalled event says to people; ``None``: nothing that its end will not say.

    Only broken gates and a lost lease are loud: how the rest ended is told when the command ends.
    """
    found = _of_host(event) if event.host is not None else _of_fleet(command, event)
    if found is None:
        return None
    return replace(found, inventory=command.inventory, who=command.who, deployment=event.deployment)


def quarantine_released(command: Command, what: str, told: str, left: tuple[str, ...]) -> Notice:
    """Somebody let a release be deployed again.

    :param what: its hash.
    :param told: who let it, as a sentence has it.
    :param left: hosts that could not be told.
    """
    now = f"Say it again when {names(left)} answers." if left else NOTHING_TO_DO
    again = (command.line("quarantine release", what),) if left else ()
    return Notice(
        event="quarantine.released",
        level=Level.WARNING if left else Level.INFO,
        inventory=command.inventory,
        title=f"{what} was released from quarantine",
        happened=f"{command.who} released {what} from quarantine.",
        did=f"From now on {told}." + (f" {names(left)} could not be told." if left else ""),
        now=now,
        commands=again,
        who=command.who,
        detail={"hash": what, "left": list(left)},
    )


def trial(command: Command) -> Notice:
    """A message that says it is a test."""
    return Notice(
        event="test",
        level=Level.INFO,
        inventory=command.inventory,
        title="this is a test",
        happened=f"{command.who} tries out who is told. Nothing has happened.",
        did="Nothing.",
        now="Nothing. In earnest, this line says what to do, and the next ones what to type.",
        commands=(command.line("status"),),
        who=command.who,
    )


def _of_host(event: Event) -> Notice | None:
    if event.state is not State.FAILED or event.detail.get("code") != REVERTED:
        return None
    host = clean(str(event.host))
    return Notice(
        event="guard.fired",
        level=Level.INFO,
        inventory="",
        title=f"the guard of {host} fired",
        happened=f"Nobody confirmed the new release on {host} in time: {_why(event)}",
        did=f"{host} went back by itself to the release it had.",
        now="Wait for the end of the command: it says where every host is.",
        hosts={host: "rolled_back"},
    )


def _of_fleet(command: Command, event: Event) -> Notice | None:
    match (event.step, event.state):
        case ("gates", State.SUCCEEDED):
            return _broken(event)
        case ("quarantine", State.SUCCEEDED):
            return Notice(
                event="quarantine.added",
                level=Level.INFO,
                inventory="",
                title="a release was quarantined",
                happened=_why(event),
                did="Nobody deploys it again until somebody releases it.",
                now="Mend the configuration in git; only if it was not at fault:",
                commands=(command.line("quarantine release", str(event.detail.get("release"))),),
                detail={"release": event.detail.get("release")},
            )
        case ("guard", State.FAILED):
            hosts = [clean(str(name)) for name in event.detail.get("hosts", ())]
            return Notice(
                event="guard.not_renewed",
                level=Level.INFO,
                inventory="",
                title=f"the guard of {names(hosts)} could not be renewed",
                happened=f"The guard of {names(hosts)} could not be renewed: {_why(event)}",
                did="It is tried again; should it fail, the host goes back by itself.",
                now=NOTHING_TO_DO,
                detail={"hosts": hosts},
            )
        case ("lease", State.FAILED):
            return Notice(
                event="lease.lost",
                level=Level.WARNING,
                inventory="",
                title="the lease was taken away in the middle",
                happened=_why(event),
                did="It goes on; which of two controllers may change a host, the host decides.",
                now="Find out who else is at work, and let one of you end it.",
                commands=(command.line("unlock"),),
            )
    return None


def _broken(event: Event) -> Notice:
    gates: Any = event.detail.get("gates", ())
    return Notice(
        event="gates.broken",
        level=Level.WARNING,
        inventory="",
        title="GLASS BROKEN: closed gates were passed",
        happened=_why(event),
        did="It goes on as if they were open; history and journal keep who and why.",
        now="See that whoever answers for those gates knows.",
        commands=(f"deployer show {event.deployment}",),
        detail={"gates": [dict(gate) for gate in gates]},
    )


def _why(event: Event) -> str:
    said = clean(str(event.detail.get("reason") or event.detail.get("error") or "no reason is recorded"))
    return said[:1].upper() + said[1:]
