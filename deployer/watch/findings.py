"""What a look means: the conditions that a host, and the fleet, can be in, each as one sentence. Pure."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from shlex import quote

from deployer.model import Guard, GuardState, Observation
from deployer.report.words import clean, duration, minute, names
from deployer.rollout.edits import beside, not_loaded
from deployer.rollout.resume import LAPSES_S, traces
from deployer.rollout.split import Split, split_of
from deployer.schedule.due import Verdict
from deployer.watch.look import Look, Origin, Past

FEW_ANSWERS = 20
"""Of fewer answers no share is taken: one failed answer of two is no outage."""

FAILED_SHARE = 0.05
"""From so many answers with 5xx on among those since the last look, somebody should look."""

CERTIFICATE_LOUD_S = 3 * 86_400.0
"""A certificate with less than this left is a trouble; before that (14 days) it is only told."""


_STAMP = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d (\[\w+\]) \d+#\d+: ")
"""What differs each time nginx writes the same into a log."""


class Kind(StrEnum):
    """What can be wrong; the values are labels of metrics and keys of JSON, so they stay."""

    UNREACHABLE = "unreachable"
    PROBLEM = "problem"  #: something is missing on the host for a deployment
    DOWN = "down"  #: nginx does not run
    DRIFT = "drift"  #: git's bytes were edited on disk
    NOT_LOADED = "not_loaded"  #: disk and memory differ: a reload was refused, or never done
    NOT_PROMOTED = "not_promoted"
    GUARD = "guard"  #: expired and not back yet, or armed by a controller that is silent
    REVERTED = "reverted"  #: the guard took a release back, and nobody has seen to it since
    INVALID = "invalid"  #: what is live would not start again
    CHECKS = "checks"
    CERTIFICATE = "certificate"
    ERRORS = "errors"  #: too many answers are 5xx
    EMERGENCIES = "emergencies"  #: nginx wrote [emerg] or [alert] into its log: it refused a reload, say
    UNFINISHED = "unfinished"  #: a deployment was left half-way
    SCHEDULE = "schedule"  #: an unattended deployment was missed, failed, or is refused
    SPLIT = "split"  #: a part of the fleet serves what was taken back on another
    JOURNAL = "journal"  #: it cannot be read
    SOURCE = "source"  #: git cannot be asked
    FILES = "files"  #: inventory or playbook could not be read again; the old ones stay


FLEET_KINDS = (Kind.UNFINISHED, Kind.SCHEDULE, Kind.SPLIT, Kind.JOURNAL, Kind.SOURCE, Kind.FILES)
HOST_KINDS = tuple(k for k in Kind if k not in FLEET_KINDS)


@dataclass(frozen=True, slots=True)
class Finding:
    """One condition.

    :ivar subject: what tells it from another of its kind; a sentence may change without it (seconds run).
    :ivar loud: something is not as it should be; otherwise it is only told.
    """

    kind: Kind
    sentence: str
    subject: str = ""
    loud: bool = True


@dataclass(frozen=True)
class Judgement:
    """What was found, and what was looked for: of other kinds nothing is known this time."""

    findings: tuple[Finding, ...]
    asked: frozenset[Kind]

    def without(self, kind: Kind) -> Judgement:
        """As if one kind had not been looked for."""
        return Judgement(tuple(f for f in self.findings if f.kind is not kind), self.asked - {kind})


@dataclass(frozen=True, slots=True)
class Rules:
    """What of the playbook matters for judging."""

    confirm_within_s: float = 120.0


def judge_look(look: Look, rules: Rules, *, now: float, patient: bool = True) -> Judgement:
    """What one look found on a host.

    :param patient: while a deployment is at work it is not asked whether memory is what is on disk, and good.
    """
    seen = look.seen
    if seen is None:
        return Judgement(
            (Finding(Kind.UNREACHABLE, f"cannot be asked: {look.error}"),), frozenset({Kind.UNREACHABLE})
        )
    asked = {Kind.UNREACHABLE, Kind.PROBLEM, Kind.DOWN, Kind.GUARD, Kind.REVERTED, Kind.DRIFT}
    found = [Finding(Kind.PROBLEM, problem, problem) for problem in seen.problems]
    if not seen.running:
        found.append(Finding(Kind.DOWN, "nginx is not running"))
    if seen.drifted and seen.adopted:
        found.append(_drift(look, seen))
    if not (patient and at_work(seen)):
        asked |= {Kind.NOT_LOADED, Kind.NOT_PROMOTED}
        found += list(_loaded(seen)) if seen.adopted else []
        if (lines := _emergencies(look)) is not None:
            asked.add(Kind.EMERGENCIES)
            found += lines
    found += list(_guard(seen, rules))
    for kind, told in (
        (Kind.INVALID, _invalid(look)),
        (Kind.CHECKS, _checks(look)),
        (Kind.ERRORS, _errors(look)),
    ):
        if told is not None:
            asked.add(kind)
            found += told
    if look.certificates is not None:
        asked.add(Kind.CERTIFICATE)
        found += list(_certificates(look, now))
    return Judgement(tuple(found), frozenset(asked))


def at_work(seen: Observation, age_s: float = 0.0) -> bool:
    """Whether a deployment is, or may be, changing the host.

    :param age_s: so long ago it was seen.
    """
    guard = seen.guard
    armed = guard is not None and guard.state is GuardState.ARMED and guard.left_s >= age_s
    return armed or (seen.owner is not None and seen.owner_silent_s + age_s < LAPSES_S)


def judge_fleet(
    looks: Iterable[Look], origin: Origin | None, past: Past | None, *, inventory: str
) -> Judgement:
    """What is wrong with the fleet as a whole.

    :param looks: the latest of each host that was answered; one that is older than the others has aged since.
    """
    found: list[Finding] = []
    asked: set[Kind] = set()
    if past is not None:
        asked |= {Kind.JOURNAL} | (set() if past.error else {Kind.UNFINISHED, Kind.SCHEDULE})
        found += [Finding(Kind.UNFINISHED, left.sentence, left.id) for left in past.left]
        found += map(_schedule, past.schedules)
        if past.error:
            found.append(Finding(Kind.JOURNAL, f"the journal cannot be read: {past.error}", loud=False))
    if origin is not None:
        asked.add(Kind.SOURCE)
        if origin.error:
            found.append(Finding(Kind.SOURCE, f"git cannot be asked: {origin.error}", loud=False))
    known = {left.id for left in past.left} if past else set()
    answered = [(look, look.seen) for look in looks if look.seen is not None]
    seen = {look.host: host for look, host in answered}
    newest = max((look.time for look, _ in answered), default=0.0)
    busy = {look.host for look, host in answered if at_work(host, newest - look.time)}
    for deployment, hosts in traces(seen).items():
        if deployment not in known and busy.isdisjoint(hosts):
            found.append(_left(deployment, {name: seen[name] for name in hosts}, inventory))
    if not busy:
        asked.add(Kind.SPLIT)
        split = split_of(seen.values())
        found += [Finding(Kind.SPLIT, split_told(split, inventory), split.pattern)] if split else []
    return Judgement(tuple(found), frozenset(asked | ({Kind.UNFINISHED} if past is None else set())))


# --- the sentences


def _left(deployment: str, seen: Mapping[str, Observation], inventory: str) -> Finding:
    owner = min(seen.values(), key=lambda o: (o.owner != deployment, o.owner_silent_s))
    heard = f", not heard for {duration(owner.owner_silent_s)}," if owner.owner == deployment else ""
    said = (
        f"deployment {clean(deployment)}{heard} was left on {names(seen)}; "
        f"finish it or take it back: deployer recover {inventory}"
    )
    return Finding(Kind.UNFINISHED, said, deployment)


def split_told(found: Split, inventory: str) -> str:
    """How the fleet is split, with the command that ends it."""
    still = "serves" if len(found.stayed) == 1 else "serve"
    return (
        f"the fleet is split: {names(found.stayed)} {still} what was taken back on {names(found.back)}; "
        f"take it back there, too (deployer rollback {inventory} --limit {quote(found.pattern)}), "
        "or deploy again"
    )


def _schedule(verdict: Verdict) -> Finding:
    return Finding(Kind.SCHEDULE, verdict.sentence, verdict.subject, loud=verdict.loud)


def _drift(look: Look, seen: Observation) -> Finding:
    paths = seen.facts.get("drift", ())
    said = f"edited since it was deployed: {', '.join(paths[:5]) or 'see deployer plan'}{not_loaded(seen)}"
    inspection = look.inspection
    if inspection is not None and inspection.wrote:
        last = max(inspection.wrote, key=lambda w: w.time)
        said += f" (last: {last.path}, of {last.owner}, written {minute(last.time)} UTC"
        there = [present.replace(" ", " from ", 1) for present in inspection.present[:5]]
        said += f"; logged in then: {', '.join(there)})" if there else ")"
    return Finding(Kind.DRIFT, said, "\n".join(paths))


def _loaded(seen: Observation) -> Iterator[Finding]:
    if seen.running and seen.memory != seen.live:
        held = seen.memory or "nothing that can be proved"
        said = f"{seen.live} is on disk, but memory holds {held} ({seen.memory_note})"
        yield Finding(Kind.NOT_LOADED, said, f"{seen.live} {seen.memory}")
    if not seen.promoted:
        said = f"{seen.live} was never promoted: {why_not_promoted(seen)}"
        yield Finding(Kind.NOT_PROMOTED, said, str(seen.live))


def why_not_promoted(seen: Observation) -> str:
    """The end of a sentence."""
    if instead := beside(seen):
        return (
            "it is what somebody edited by hand and nginx never loaded; deploy again, or put "
            f"{instead} back on disk: rollback --to {instead}"
        )
    ended = seen.owner is None or seen.owner != seen.last_deployment
    return "a deployment ended early; deploy again, or roll back" if ended else "its deployment has not ended"


def _guard(seen: Observation, rules: Rules) -> Iterator[Finding]:
    guard = seen.guard
    if guard is None:
        return
    if guard.state is GuardState.EXPIRED:
        yield Finding(Kind.GUARD, guard_expired(guard), guard.deployment)
    elif guard.state is GuardState.FIRED:
        yield Finding(Kind.REVERTED, guard_note(guard), f"{guard.deployment} {guard.time}", loud=False)
    elif not guard.carried:
        said = (
            f"the guard of {guard.release} is armed and nothing carries it: 'deployer rollback' takes it back"
        )
        yield Finding(Kind.GUARD, said, guard.deployment)
    elif seen.owner == guard.deployment and seen.owner_silent_s > rules.confirm_within_s * 2 / 3:
        said = (
            f"the guard of deployment {clean(guard.deployment)} was left armed: its controller was not heard "
            f"for {duration(seen.owner_silent_s)}; {guard_note(guard)}"
        )
        yield Finding(Kind.GUARD, said, guard.deployment)


def guard_expired(guard: Guard) -> str:
    """What an expired guard is at."""
    said = f"{guard.release} was not confirmed in time and is not taken back to {guard.source} yet"
    if guard.stuck:
        return f"{said}: {guard.stuck} It is tried again every 10 s"
    if guard.carried:
        return f"{said}: its guard is at it"
    return f"{said}, and nothing carries its guard (a reboot without systemd?): 'deployer rollback' does it"


def guard_note(guard: Guard) -> str:
    """What a guard that is armed will do, or one that fired has done."""
    if guard.state is GuardState.ARMED:
        goes = f"{guard.release} goes back to {guard.source} by itself in {guard.left_s:.0f} s"
        return f"{goes}, unless confirmed"
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(guard.time or 0))
    return (
        f"its guard took {guard.release} of {guard.deployment} back to {guard.source} at {at} UTC: "
        "nobody had confirmed it; see 'deployer show', then deploy again, or 'deployer rollback' the rest"
    )


def _invalid(look: Look) -> list[Finding] | None:
    if look.inspection is None or look.inspection.valid is None:
        return None
    if look.inspection.valid:
        return []
    lines = [_STAMP.sub(r"nginx: \1 ", line) for line in look.inspection.invalid]
    why = next((line for line in lines if "[emerg]" in line), lines[0] if lines else "it gives no reason")
    return [Finding(Kind.INVALID, f"what is live would not start again: {why}", why)]


def _checks(look: Look) -> list[Finding] | None:
    if look.health is None:
        return None
    failing = " ".join(look.health.failing)
    return [Finding(Kind.CHECKS, reason, failing) for reason in look.health.reasons]


def _errors(look: Look) -> list[Finding] | None:
    if look.since_s is None or look.inspection is None or look.inspection.offsets is None:
        return None
    counts = look.inspection.counts
    if counts.total < FEW_ANSWERS or counts.failed < counts.total * FAILED_SHARE:
        return []
    share = 100 * counts.failed / counts.total
    of = f"{counts.failed} of {counts.total} answers in the last {duration(look.since_s)}"
    return [Finding(Kind.ERRORS, f"{of} were 5xx ({share:.0f} %)")]


def _emergencies(look: Look) -> list[Finding] | None:
    if look.since_s is None or look.inspection is None or look.inspection.offsets is None:
        return None
    levels = look.inspection.counts.levels
    counted = [f"{levels[level]} [{level}]" for level in ("emerg", "alert") if levels.get(level)]
    said = (
        f"nginx wrote {' and '.join(counted)} into its error log in the last {duration(look.since_s)}: "
        "it refused a reload, or a worker could not go on"
    )
    return [Finding(Kind.EMERGENCIES, said)] if counted else []


def _certificates(look: Look, now: float) -> Iterator[Finding]:
    for dated in look.certificates or ():
        if soon := dated.certificate.expires_soon(now):
            loud = dated.certificate.not_after - now < CERTIFICATE_LOUD_S
            yield Finding(Kind.CERTIFICATE, f"{soon}: {dated.path}", f"{dated.path} {loud}", loud=loud)
