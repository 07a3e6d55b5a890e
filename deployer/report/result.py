"""A result as its JSON document, and as the last lines that somebody reads at three in the morning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployer.errors import RUNBOOKS
from deployer.model import HostOutcome, Outcome, Result
from deployer.report.ending import ending_so, headline, kept_sentence, unproved
from deployer.report.words import clean, duration, names, one_or_many

NOT_CONFIRMED = "not confirmed"  #: somebody was asked and said no
#: Whose reason explains the whole, the worst first.
BLAMED = (HostOutcome.STUCK, HostOutcome.ROLLED_BACK, HostOutcome.REFUSED, HostOutcome.UNREACHABLE)

NEXT_AFTER_DEPLOY: Mapping[Outcome, str] = {
    Outcome.DEPLOYED: "nothing to do; to undo it: deployer rollback {inventory}",
    Outcome.UNCHANGED: "nothing to do",
    Outcome.PARTIAL: "deployer status {inventory}; then deploy again when the others are back, "
    "or undo it: deployer rollback {inventory}",
    Outcome.REFUSED: "mend that, then deploy again; the whole story: deployer show {id}",
    Outcome.ROLLED_BACK: "mend the cause before deploying again; the whole story: deployer show {id}",
    Outcome.STUCK: "look at {doubtful} now (deployer status {inventory}), "
    "then: deployer rollback {inventory}",
    Outcome.INTERRUPTED: "deployer status {inventory}; then deploy again, or: deployer rollback {inventory}",
}
NEXT_AFTER_ROLLBACK: Mapping[Outcome, str] = {
    Outcome.DEPLOYED: "mend the configuration in git, or the next deploy brings the bad one again",
    Outcome.UNCHANGED: "to go further back: deployer rollback {inventory} --list, then --to RELEASE",
    Outcome.PARTIAL: "take it back on the others, too, if it is bad there; "
    "what each host serves: deployer status {inventory}",
    Outcome.REFUSED: "mend that, then once more: deployer rollback {inventory}; "
    "the whole story: deployer show {id}",
    Outcome.ROLLED_BACK: "mend the configuration in git, or the next deploy brings the bad one again",
    Outcome.STUCK: "look at {doubtful} now (deployer status {inventory}), "
    "then once more: deployer rollback {inventory}",
    Outcome.INTERRUPTED: "once more: deployer rollback {inventory}",
}
NEXT_AFTER_RECOVERY: Mapping[Outcome, str] = {
    Outcome.DEPLOYED: "nothing to do; to undo it: deployer rollback {inventory}",
    Outcome.UNCHANGED: "nothing to do",
    Outcome.PARTIAL: "deployer status {inventory}; then deploy again, or: deployer rollback {inventory}",
    Outcome.REFUSED: "once more: deployer recover {inventory}",
    Outcome.ROLLED_BACK: "deploy again: deployer deploy {inventory}; the whole story: deployer show {id}",
    Outcome.STUCK: "look at {doubtful} (deployer status {inventory}), "
    "then once more: deployer recover {inventory}",
    Outcome.INTERRUPTED: "deployer status {inventory}; then once more: deployer recover {inventory}",
}
NEXT: Mapping[str, Mapping[Outcome, str]] = {
    "deploy": NEXT_AFTER_DEPLOY,
    "rollback": NEXT_AFTER_ROLLBACK,
    "recover": NEXT_AFTER_RECOVERY,
    "adopt": {
        **NEXT_AFTER_DEPLOY,
        Outcome.UNCHANGED: "deployer status {inventory}",
        Outcome.REFUSED: "mend that, then once more: deployer adopt {inventory}",
    },
}


def result_json(result: Result) -> dict[str, Any]:
    """The document of ``--json``: the keys that are promised, and the page that helps where one does."""
    page = RUNBOOKS.get(result.exit_code)
    return result.as_json() | ({"help": page} if page else {})


def result_summary(result: Result, *, kind: str = "deploy", inventory: str = "INVENTORY") -> str:
    """What happened and whether the fleet is safe; why; what to do next, and the page that helps.

    :param kind: "deploy", "rollback", "recover" or "adopt".
    :param inventory: as it was typed, for the commands that are proposed.
    """
    lines = [f"{headline(result, kind=kind)} ({duration(result.seconds)})"]
    if (why := reason(result)) and why.lower() not in lines[0].lower():
        lines.append(f"Why:  {why}")
    if result.quarantined:
        which = ", ".join(map(clean, result.quarantined))
        lines.append(f"Kept: {which} is quarantined: nobody deploys it until it is released")
    if result.kept:
        lines.append(f"Kept: {kept_sentence(result.kept)}")
    lines.append(f"Next: {_next(result, kind, inventory)}")
    page = RUNBOOKS.get(result.exit_code)
    if page and result.reason != NOT_CONFIRMED:
        lines.append(f"Help: {page}")
    return "\n".join(lines)


def reason(result: Result) -> str | None:
    """The one reason, with the host it is about."""
    blamed = {name: result.hosts[name].reason for outcome in BLAMED for name in ending_so(result, outcome)}
    text = result.reason or next(filter(None, blamed.values()), None)
    if text and not any(name in text for name in result.hosts):
        about = [name for name, own in blamed.items() if own and (own in text or text in own)]
        text = f"{names(about)}: {text}" if about else text
    return clean(text) if text else None


def _after_rollback(result: Result, inventory: str) -> str:
    if not result.ill:
        return f"mend the configuration in git, then: deployer deploy {inventory}"
    return (
        f"see what is ill: deployer status {inventory}; where the release is to blame, go further back: "
        f"deployer rollback {inventory} --list, then --to RELEASE"
    )


def _next(result: Result, kind: str, inventory: str) -> str:
    if kind == "deploy" and ending_so(result, HostOutcome.PREPARED) and not result.exit_code:
        return f"to make it live: deployer deploy {clean(inventory)}"
    if result.reason == NOT_CONFIRMED:
        return f"nothing, if that is what you want; else once more: deployer {kind} {clean(inventory)}"
    if kind == "rollback" and not result.exit_code and (result.ill or result.quarantined):
        return _after_rollback(result, clean(inventory))
    if kind == "recover" and result.kept and not result.exit_code:
        inv = clean(inventory)
        return (
            f"deploy again: deployer deploy {inv}; or have back on disk what nginx holds, named by "
            f"deployer status {inv}: docs/runbooks/edited.md"
        )
    after = NEXT.get(kind, NEXT_AFTER_DEPLOY)
    doubtful = unproved(result, kind)
    who = names(doubtful) if doubtful else "the fleet"
    if doubtful and set(doubtful) <= set(result.ill):
        mend = f"mend what {who} {one_or_many(doubtful, 'depends', 'depend')} on"
        inv = clean(inventory)
        return (
            f"{mend} (deployer status {inv}), then deploy again; the whole story: deployer show {result.id}"
        )
    outcome = Outcome.STUCK if doubtful and result.outcome is Outcome.INTERRUPTED else result.outcome
    return after[outcome].format(inventory=clean(inventory), id=result.id, doubtful=who)
