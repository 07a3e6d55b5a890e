"""One or two plain sentences on how it ended: first whether the fleet is safe, then host by host."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from deployer.model import HostOutcome, HostResult, Outcome, Result
from deployer.report.words import clean, count, names, one_or_many

#: In the order they are told: the new state first, what was left alone last.
TOLD = (
    HostOutcome.DEPLOYED,
    HostOutcome.ROLLED_BACK,
    HostOutcome.STUCK,
    HostOutcome.UNREACHABLE,
    HostOutcome.PREPARED,
    HostOutcome.UNCHANGED,
    HostOutcome.REFUSED,
    HostOutcome.UNTOUCHED,
)

#: What is said of one host, and of several, that ended so.
DEPLOY_HOSTS: Mapping[HostOutcome, tuple[str, str]] = {
    HostOutcome.DEPLOYED: ("serves {release}, proved", "serve {release}, proved"),
    HostOutcome.ROLLED_BACK: (
        "is back on the release it had, verified",
        "are back on the releases they had, verified",
    ),
    HostOutcome.STUCK: (
        "is NOT proved to serve the new release or the one it had",
        "are NOT proved to serve the new release or the ones they had",
    ),
    HostOutcome.UNREACHABLE: ("could not be reached", "could not be reached"),
    HostOutcome.PREPARED: ("holds the release, validated", "hold the release, validated"),
    HostOutcome.UNCHANGED: ("had it already", "had it already"),
    HostOutcome.REFUSED: ("refused, unchanged", "refused, unchanged"),
    HostOutcome.UNTOUCHED: ("was not touched", "were not touched"),
}
BACK_AND_ILL = (
    "is back on the release it had, proved, but NOT as healthy there as before",
    "are back on the releases they had, proved, but NOT as healthy there as before",
)
ROLLBACK_HOSTS: Mapping[HostOutcome, tuple[str, str]] = {
    **DEPLOY_HOSTS,
    HostOutcome.DEPLOYED: ("serves {release} again, proved", "serve {release} again, proved"),
    HostOutcome.ROLLED_BACK: ("serves {release} again, proved", "serve {release} again, proved"),
    HostOutcome.STUCK: ("is NOT proved to be back", "are NOT proved to be back"),
    HostOutcome.UNREACHABLE: (
        "could not be reached and is NOT proved to be back",
        "could not be reached and are NOT proved to be back",
    ),
    HostOutcome.UNCHANGED: ("was there already", "were there already"),
}
SPLIT_HOSTS: Mapping[HostOutcome, tuple[str, str]] = {
    **ROLLBACK_HOSTS,
    HostOutcome.UNCHANGED: ("was left as it was", "were left as they were"),
}

RECOVER_HOSTS: Mapping[HostOutcome, tuple[str, str]] = {
    **DEPLOY_HOSTS,
    HostOutcome.UNREACHABLE: (
        "could not be reached and is NOT proved to be safe",
        "could not be reached and are NOT proved to be safe",
    ),
}
ADOPT_HOSTS: Mapping[HostOutcome, tuple[str, str]] = {
    **DEPLOY_HOSTS,
    HostOutcome.PREPARED: ("keeps {release} as its baseline", "keep {release} as their baseline"),
    HostOutcome.UNCHANGED: ("was adopted already", "were adopted already"),
}
UNADOPT_HOSTS: Mapping[HostOutcome, tuple[str, str]] = {
    **DEPLOY_HOSTS,
    HostOutcome.PREPARED: ("has a plain directory again", "have a plain directory again"),
    HostOutcome.UNCHANGED: ("was not adopted", "were not adopted"),
}

REFUSED = "Refused: nothing was changed on any host; the fleet serves what it served before."
REFUSED_KEPT = "Refused: the fleet serves what it served before, and no file that stood there was changed."
RECOVERED = "Recovered: nothing had been changed, and the hosts are free again."
RECOVERED_KEPT = "Recovered: no file that stood there had been changed, and the hosts are free again."
NOTHING_TO_RECOVER = "Nothing to recover: no host and no journal knows of a deployment that did not end."


def headline(result: Result, *, kind: str = "deploy") -> str:
    """What happened and whether the fleet is safe. ``kind`` is "deploy", "rollback" or "adopt"."""
    opening = OPENINGS.get(kind, DEPLOY)[result.outcome](result)
    if opening == REFUSED and result.kept:
        return REFUSED_KEPT
    if opening in (REFUSED, NOTHING_TO_RECOVER):
        return opening
    return " ".join([opening, *host_sentences(result, kind)])


def kept_sentence(kept: Mapping[str, str]) -> str:
    """Where the edits went that a deployment found.

    :param kept: by host, the release that holds them.
    """
    hosts: dict[str, list[str]] = {}
    for name, release in kept.items():
        hosts.setdefault(release, []).append(name)
    edits = [f"{names(on)} ({clean(release)})" for release, on in hosts.items()]
    return f"what was edited by hand is a release of its own on {', '.join(edits)}"


def host_sentences(result: Result, kind: str) -> list[str]:
    """One sentence for all hosts that ended alike."""
    phrases = _host_phrases(result, kind)
    sentences = []
    worst_first = sorted(TOLD, key=lambda outcome: outcome not in _doubtful(kind))
    for outcome in worst_first:
        hosts = ending_so(result, outcome)
        if outcome is HostOutcome.STUCK and (ill := [name for name in hosts if name in result.ill]):
            hosts = [name for name in hosts if name not in ill]
            sentences.append(f"{names(ill)} {one_or_many(ill, *BACK_AND_ILL)}.")
        if hosts:
            who = f"All {count(len(hosts))}" if len(hosts) == len(result.hosts) > 1 else names(hosts)
            phrase = one_or_many(hosts, *phrases[outcome]).format(release=_release(result, hosts))
            sentences.append(f"{who} {phrase}.")
    return sentences


def ended(host: HostResult, kind: str, *, ill: bool = False) -> str:
    """How one host ended and what it serves: ``rolled back, on baseline-0123456789ab``.

    :param ill: it is back, and not as healthy as before.
    """
    word = host.outcome.replace("_", " ")
    if ill:
        return f"rolled back, on {clean(host.previous or '')}, and not as healthy there as before"
    if host.outcome is HostOutcome.STUCK:
        releases = [clean(release) for release in (host.release, host.previous) if release]
        return f"{word}, not proved to be on {' or '.join(releases) or 'any release'}"
    if host.outcome is HostOutcome.UNREACHABLE:
        return word
    # A deployment's "release" is the one aimed at; only some hosts arrived there.
    arrived = kind != "deploy" or host.outcome in (HostOutcome.DEPLOYED, HostOutcome.UNCHANGED)
    serves = host.release if arrived else host.previous
    return f"{word}, on {clean(serves)}" if serves else word


def _host_phrases(result: Result, kind: str) -> Mapping[HostOutcome, tuple[str, str]]:
    if kind == "rollback":
        return SPLIT_HOSTS if result.outcome is Outcome.PARTIAL else ROLLBACK_HOSTS
    if kind == "recover":
        return RECOVER_HOSTS
    if kind != "adopt":
        return DEPLOY_HOSTS
    undone = any(result.hosts[name].release is None for name in ending_so(result, HostOutcome.PREPARED))
    return UNADOPT_HOSTS if undone else ADOPT_HOSTS


def unproved(result: Result, kind: str) -> list[str]:
    """The hosts that somebody has to look at."""
    return ending_so(result, *_doubtful(kind))


def _doubtful(kind: str) -> frozenset[HostOutcome]:
    # A deployment leaves a host it cannot reach as it found it; a rollback owed it the way back.
    rollback = kind in ("rollback", "recover")
    return frozenset({HostOutcome.STUCK, HostOutcome.UNREACHABLE} if rollback else {HostOutcome.STUCK})


def ending_so(result: Result, *outcomes: HostOutcome) -> list[str]:
    """The hosts that ended in one of these ways."""
    return [name for name, host in result.hosts.items() if host.outcome in outcomes]


def _release(result: Result, hosts: list[str]) -> str:
    releases = {result.hosts[name].release for name in hosts}
    only = releases.pop() if len(releases) == 1 else None
    return clean(only) if only else one_or_many(hosts, "its release", "each its own release")


def _unchanged(result: Result) -> str:
    if ending_so(result, HostOutcome.PREPARED):
        return "Prepared only: nothing is live yet, nothing was changed."
    return "Unchanged: nothing was touched."


def _interrupted(result: Result) -> str:
    if ending_so(result, HostOutcome.STUCK):
        return "Interrupted, OPERATOR NEEDED:"
    if ending_so(result, HostOutcome.DEPLOYED):
        return "Interrupted half-way: the fleet is split, but what each host serves was proved."
    return "Interrupted: the fleet is safe, no host was left on the new release."


def _interrupted_rollback(result: Result) -> str:
    if unproved(result, "rollback"):
        return "Interrupted, OPERATOR NEEDED:"
    return "Interrupted: the rollback is not finished."


def _rolled_back(result: Result) -> str:
    if result.ill:
        return f"Rolled back, BUT A CHECK DOES NOT PASS on {names(list(result.ill))}."
    return "Rolled back: the fleet is safe."


def _said(sentence: str) -> Callable[[Result], str]:
    return lambda _: sentence


DEPLOY: Mapping[Outcome, Callable[[Result], str]] = {
    Outcome.DEPLOYED: _said("Deployed: the fleet is safe."),
    Outcome.UNCHANGED: _unchanged,
    Outcome.PARTIAL: _said("Partly deployed: the fleet is split."),
    Outcome.REFUSED: _said(REFUSED),
    Outcome.ROLLED_BACK: _said("Failed and rolled back: the fleet is safe."),
    Outcome.STUCK: _said("OPERATOR NEEDED:"),
    Outcome.INTERRUPTED: _interrupted,
}
ROLLBACK: Mapping[Outcome, Callable[[Result], str]] = {
    Outcome.DEPLOYED: _said("Rolled back: the fleet is safe."),
    Outcome.UNCHANGED: _said("Nothing to roll back: nothing was touched."),
    Outcome.PARTIAL: _said("Partly rolled back: the fleet is split."),
    Outcome.REFUSED: _said(REFUSED),
    Outcome.ROLLED_BACK: _rolled_back,
    Outcome.STUCK: _said("OPERATOR NEEDED:"),
    Outcome.INTERRUPTED: _interrupted_rollback,
}
RECOVER: Mapping[Outcome, Callable[[Result], str]] = {
    Outcome.DEPLOYED: _said("Recovered and promoted: the fleet is safe."),
    Outcome.UNCHANGED: lambda result: (
        (RECOVERED_KEPT if result.kept else RECOVERED) if result.id else NOTHING_TO_RECOVER
    ),
    Outcome.PARTIAL: _said("Recovered: every host is proved, but they do not all serve the same."),
    Outcome.REFUSED: _said(REFUSED),
    Outcome.ROLLED_BACK: _said("Recovered and rolled back: the fleet is safe."),
    Outcome.STUCK: _said("OPERATOR NEEDED:"),
    Outcome.INTERRUPTED: _said("Interrupted: the recovery is not finished."),
}
ADOPT: Mapping[Outcome, Callable[[Result], str]] = {
    **DEPLOY,
    Outcome.UNCHANGED: _said("Done: nothing that users see was changed."),
    Outcome.REFUSED: _said("Not done on every host; nothing that users see was changed."),
}
OPENINGS: Mapping[str, Mapping[Outcome, Callable[[Result], str]]] = {
    "deploy": DEPLOY,
    "rollback": ROLLBACK,
    "recover": RECOVER,
    "adopt": ADOPT,
}
