"""From how a command ended to what is told of it: how loud, whether it is a problem, what to do now. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from shlex import quote

from deployer.config.notify import Level
from deployer.errors import Busy, DeployerError, Interrupted, LeaseHeld
from deployer.model import HostOutcome, Outcome, Result
from deployer.notify.notices import Notice, Turn, fingerprint
from deployer.report.ending import ending_so, headline, unproved
from deployer.report.result import BLAMED, NOT_CONFIRMED, reason
from deployer.report.words import clean, names

FLEET = "fleet"  #: topic: it is not proved that every host is where it should be
NOTHING_TO_DO = "Nothing."

#: How a kind of command is called, and what it did to hosts.
KINDS: Mapping[str, str] = {
    "deploy": "deployment",
    "rollback": "rollback",
    "recover": "recovery",
    "adopt": "adoption",
}
#: What is over when such a command ended well on the whole inventory.
ENDS: Mapping[str, tuple[str, ...]] = {
    "deploy": (FLEET, "deploy", "rollback", "recover", "adopt"),
    "rollback": (FLEET, "rollback", "recover"),
    "recover": (FLEET, "recover"),
    "adopt": ("adopt",),
}
_LEVELS: Mapping[Outcome, Level] = {
    Outcome.REFUSED: Level.WARNING,
    Outcome.ROLLED_BACK: Level.WARNING,
    Outcome.PARTIAL: Level.WARNING,
    Outcome.INTERRUPTED: Level.WARNING,
    Outcome.STUCK: Level.CRITICAL,
}
_TITLES: Mapping[Outcome, str] = {
    Outcome.DEPLOYED: "{kind} succeeded",
    Outcome.UNCHANGED: "{kind} succeeded, nothing changed",
    Outcome.PARTIAL: "{kind} left hosts behind",
    Outcome.REFUSED: "{kind} refused",
    Outcome.ROLLED_BACK: "{kind} failed and was rolled back",
    Outcome.INTERRUPTED: "{kind} interrupted",
    Outcome.STUCK: "{kind} stuck, OPERATOR NEEDED",
}

_VERBS: Mapping[Outcome, str] = {
    Outcome.REFUSED: "was refused",
    Outcome.PARTIAL: "left hosts behind",
    Outcome.STUCK: "got stuck",
    Outcome.INTERRUPTED: "was interrupted",
}


@dataclass(frozen=True, slots=True)
class Command:
    """What was asked for.

    :ivar kind: "deploy", "rollback", "recover" or "adopt".
    :ivar inventory: as it was typed, for the commands that are proposed.
    :ivar whole: it was for all hosts of the inventory, and for good: its end may be the end of a problem.
    :ivar more: what has to stand after the proposed commands: ``--playbook nginx``.
    """

    kind: str
    inventory: str
    who: str
    whole: bool = True
    more: str = ""

    @property
    def called(self) -> str:
        """For a sentence: ``deployment``."""
        return KINDS.get(self.kind, self.kind)

    def line(self, *words: str) -> str:
        """A command on this inventory, to be typed."""
        typed = " ".join(("deployer", words[0], quote(clean(self.inventory)), *words[1:]))
        return f"{typed} {self.more}" if self.more else typed


def started(command: Command, deployment: str, hosts: Iterable[str], revision: str | None) -> Notice:
    """Hosts are being worked on from now on."""
    there = list(hosts)
    of = f" of {clean(revision)}" if revision else ""
    return Notice(
        event=f"{command.kind}.started",
        level=Level.INFO,
        inventory=command.inventory,
        title=f"{command.called} started",
        happened=f"{command.who} began {_a(command)}{of} on {names(there)}.",
        did="Nothing is live yet." if command.kind == "deploy" else "",
        now=NOTHING_TO_DO,
        who=command.who,
        deployment=deployment,
        revision=revision,
    )


def ended(command: Command, result: Result) -> Notice | None:
    """What is told of a result; ``None``: nothing happened at all."""
    if result.reason == NOT_CONFIRMED and result.outcome is Outcome.REFUSED:
        return None
    level, whole = _level(command, result), command.whole and result.exit_code == 0
    topic = _topic(command, result, level)
    why = reason(result)
    now, commands = advice(command, result)
    return Notice(
        event=f"{command.kind}.{result.outcome.value}",
        level=level,
        inventory=command.inventory,
        title=_title(command, result),
        happened=_happened(command, result, why),
        did=_did(result, command.kind),
        now=now,
        commands=commands,
        turn=Turn.PROBLEM if topic else Turn.NEWS,
        topic=topic,
        fingerprint=_fingerprint(result, why),
        covers=_covered(result),
        ends=ENDS.get(command.kind, ()) if whole else (),
        who=command.who,
        deployment=result.id or None,
        revision=result.revision,
        exit_code=result.exit_code,
        hosts={name: host.outcome.value for name, host in result.hosts.items()},
        detail={"reason": why, "seconds": result.seconds, "gates": [dict(gate) for gate in result.gates]},
        quarantined=result.quarantined,
    )


def failed(command: Command, error: BaseException, *, attended: bool) -> Notice | None:
    """What is told of a command that ended without a result.

    :param attended: somebody sits in front of it, who sees a slip of the fingers without being told.
    """
    if isinstance(error, Interrupted) or not isinstance(error, Exception):
        return None
    if not isinstance(error, DeployerError):
        return _bug(command, error)
    if error.exit_code == 2 and attended:
        return None
    somebody = isinstance(error, LeaseHeld | Busy)
    said = clean(str(error))
    return Notice(
        event=f"{command.kind}.{'busy' if somebody else 'refused'}",
        level=Level.INFO if somebody else Level.WARNING,
        inventory=command.inventory,
        title=f"{command.called} refused" + (", somebody else is at work" if somebody else ""),
        happened=f"{_a(command).capitalize()} by {command.who} ended before it began: {said}",
        did="Nothing was changed on any host; the fleet serves what it served before.",
        now="Wait for them." if somebody else "Mend that, then once more.",
        commands=(command.line(command.kind),),
        turn=Turn.NEWS if somebody else Turn.PROBLEM,
        topic=None if somebody else command.kind,
        fingerprint=fingerprint(type(error).__name__, text=said),
        who=command.who,
        exit_code=error.exit_code,
        detail={"reason": said},
    )


def advice(command: Command, result: Result) -> tuple[str, tuple[str, ...]]:
    """What a person should do now, and what to type for it."""
    story = (f"deployer show {result.id}",) if result.id else ()
    doubtful = unproved(result, command.kind)
    if doubtful and set(doubtful) <= set(result.ill):
        now = f"Mend what {names(doubtful)} depends on NOW, for the old release is as ill; then deploy again."
        return now, (command.line("status"), *story)
    if doubtful:
        again = "rollback" if command.kind in ("deploy", "rollback") else command.kind
        return f"Look at {names(doubtful)} NOW; then:", (command.line("status"), command.line(again))
    if result.exit_code == 0:
        return _after_success(command, result)
    if result.outcome is Outcome.REFUSED:
        opens = [clean(str(gate["opens"])) for gate in result.gates if not gate.get("broken")]
        now = f"{'; '.join(opens)}; then once more." if opens else "Mend that, then once more."
        return now[0].upper() + now[1:], (*story, command.line(command.kind))
    if result.outcome is Outcome.ROLLED_BACK:
        return "Nothing urgent: the site is served. Mend the cause before deploying again.", story
    return "See what each host serves, then once more.", (command.line("status"), command.line(command.kind))


def _after_success(command: Command, result: Result) -> tuple[str, tuple[str, ...]]:
    if command.kind in ("rollback", "recover") and result.outcome is not Outcome.DEPLOYED:
        then = (command.line("deploy"),)
        return "Mend the configuration in git before the next deployment brings it again.", then
    undo = (command.line("rollback"),) if result.outcome is Outcome.DEPLOYED else ()
    return NOTHING_TO_DO + (" To undo it:" if undo else ""), undo


def _a(command: Command) -> str:
    return f"{'an' if command.called.startswith('a') else 'a'} {command.called}"


def _level(command: Command, result: Result) -> Level | None:
    if unproved(result, command.kind):
        return Level.CRITICAL
    if result.outcome is Outcome.UNCHANGED:
        return Level.INFO if ending_so(result, HostOutcome.PREPARED) else None
    return _LEVELS.get(result.outcome, Level.INFO)


def _topic(command: Command, result: Result, level: Level | None) -> str | None:
    if result.exit_code == 0 or level is None:
        return None
    refused = result.outcome in (Outcome.REFUSED, Outcome.ROLLED_BACK) and level is not Level.CRITICAL
    return command.kind if refused else FLEET


def _title(command: Command, result: Result) -> str:
    if command.kind in ("rollback", "recover") and result.exit_code == 0:
        back = result.outcome is Outcome.ROLLED_BACK
        return f"{command.called} succeeded" + (": the fleet was taken back" if back else "")
    if result.outcome is Outcome.REFUSED and unproved(result, command.kind):
        return _TITLES[Outcome.STUCK].format(kind=command.called)
    return _TITLES[result.outcome].format(kind=command.called)


def _happened(command: Command, result: Result, why: str | None) -> str:
    of = f" of {clean(result.revision)[:12]}" if result.revision else ""
    what = f"{_a(command).capitalize()}{of} on {command.inventory} by {command.who}"
    if result.exit_code == 0:
        return f"{what} ended well." + (f" {why}" if why else "")
    return f"{what} {_VERBS.get(result.outcome, 'failed')}: {why or 'no reason is recorded'}"


def _did(result: Result, kind: str) -> str:
    kept = f" {', '.join(map(clean, result.quarantined))} is quarantined." if result.quarantined else ""
    return headline(result, kind=kind) + kept


def _fingerprint(result: Result, why: str | None) -> str:
    shut = sorted(str(gate["gate"]) for gate in result.gates if not gate.get("broken"))
    if result.outcome is Outcome.REFUSED and shut == ["freeze"]:
        return fingerprint(result.outcome, *shut)  # the same freeze, whatever is committed meanwhile
    blamed = [name for outcome in BLAMED for name in ending_so(result, outcome)]
    return fingerprint(result.outcome, result.revision, *blamed, text=why or "")


def _covered(result: Result) -> tuple[str, ...]:
    """The releases for whose quarantine alone it was refused."""
    shut = [gate for gate in result.gates if not gate.get("broken")]
    if result.outcome is not Outcome.REFUSED or any(gate["gate"] != "quarantine" for gate in shut):
        return ()
    return tuple(str(gate["release"]) for gate in shut)


def _bug(command: Command, error: BaseException) -> Notice:
    name = type(error).__name__
    return Notice(
        event=f"{command.kind}.failed",
        level=Level.CRITICAL,
        inventory=command.inventory,
        title=f"{command.called} ended by a bug in deployer",
        happened=f"{_a(command).capitalize()} by {command.who} ended by a bug in deployer ({name}).",
        did="What was begun was taken back as far as possible; armed hosts go back by themselves.",
        now="Look at the hosts, and report the bug with what was printed.",
        commands=(command.line("status"),),
        turn=Turn.PROBLEM,
        topic=FLEET,
        fingerprint=fingerprint(name),
        who=command.who,
        exit_code=1,
        detail={"reason": name},
    )
