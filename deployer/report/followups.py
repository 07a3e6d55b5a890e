"""What to do about it, derived from what happened and from nothing else. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployer.model import DeploymentRecord, Event, State
from deployer.report.cause import Cause, Fault, failed_undos
from deployer.report.exposure import Stay
from deployer.report.hunks import Blamed, Change
from deployer.report.impact import SKEW_S
from deployer.report.traffic import Traffic
from deployer.report.words import clean, count, duration, names

SLOW_S = 15.0  #: users who meet a bad release for longer want it decided sooner
MOST_WARNINGS = 5


@dataclass(frozen=True)
class Task:
    """Something to do, and why."""

    title: str
    text: str


@dataclass(frozen=True)
class Case:
    """What the tasks are derived from."""

    record: DeploymentRecord
    events: Sequence[Event]
    cause: Cause | None
    change: Change
    blamed: Blamed
    stays: Sequence[Stay]
    traffic: Traffic | None

    @property
    def inventory(self) -> str:
        """As it is typed."""
        return clean(self.record.inventory)

    @property
    def plan(self) -> Mapping[str, Any]:
        """The detail of the plan, as far as it is known."""
        return next((e.detail for e in self.events if e.step == "plan" and e.host is None), {})

    @property
    def checks(self) -> tuple[str, ...] | None:
        """Names of the playbook's checks at that time; ``None``: not recorded."""
        for event in self.events:
            said = event.detail.get("checks")
            if event.step == "precheck" and isinstance(said, list | tuple):
                return tuple(clean(str(name)) for name in said)
        return None


def tasks(case: Case) -> tuple[Task, ...]:
    """The most urgent first."""
    found = [*_operator(case)]
    if case.cause is not None:
        found += _BY_FAULT.get(case.cause.fault, _nothing)(case)
    return (*found, *_of_the_way(case), *_of_the_logs(case))


def _nothing(_case: Case) -> Iterator[Task]:
    yield from ()


def _operator(case: Case) -> Iterator[Task]:
    stuck = [str(event.host) for event in failed_undos(case.events)]
    if stuck and case.record.finished is not None:
        yield Task(
            f"Look at {names(stuck)} now",
            f"what is served there is not proved: `deployer status {case.inventory}`, "
            f"then `deployer rollback {case.inventory}`.",
        )
    if case.record.finished is None:
        yield Task(
            "End it",
            f"`deployer status {case.inventory}` says where each host stands; "
            f"should its controller be gone: `deployer recover {case.inventory}`.",
        )


def _config(case: Case) -> Iterator[Task]:
    cause = case.cause
    if cause is None:
        return
    yield _mend(case)
    if cause.step == "verify" and _was_rehearsed(case):
        yield Task(
            "Find out what differs between the rehearsal and the host",
            "the rehearsal had nothing against these routes: caches, sockets, full disks, limits that "
            "users share, and listeners that nginx itself asks are not rehearsed (docs/rehearsal.md). "
            "A staging fleet would show them first (`gates.after`).",
        )
    elif cause.step == "verify":
        yield Task(
            "Have it found before a host serves it",
            "the validator accepted it on every host, so users of the first wave were the test: "
            "rehearse it (`rehearse`), write a lint rule for it, or have it pass a staging fleet first "
            "(`gates.after`).",
        )
        if case.checks == ():
            yield Task(
                "Write checks into the playbook",
                "there are none, so all that decided was a comparison with the answers of before: "
                "`checks:` says what has to be true (docs/checks.md).",
            )
    elif cause.step == "activate":
        yield Task(
            "Rehearse such changes",
            "the validator accepts what a running nginx then refuses to load; "
            "a rehearsal (`rehearse`) loads it for real, aside.",
        )
    elif cause.step == "lint":
        yield Task(
            "Ask the rules before it is merged",
            f"`deployer check {case.inventory}` in the pipeline says the same, and needs no host "
            "(docs/lint.md).",
        )
    else:
        yield Task(
            "Ask the validator before it is merged",
            f"`deployer deploy {case.inventory} --prepare-only --yes` in the pipeline says the same and "
            "changes no host.",
        )


def _was_rehearsed(case: Case) -> bool:
    """Whether what failed was a promise of its own rehearsal."""
    return any(e.step == "verify" and e.state is State.FAILED and "promised" in e.detail for e in case.events)


def _mend(case: Case) -> Task:
    kept = case.record.result.quarantined if case.record.result is not None else ()
    listed = f"`deployer quarantine list {case.inventory}`"
    if kept:
        until = f"nobody deploys {', '.join(map(clean, kept))} until it is released ({listed})."
    else:
        until = f"until then a deployment may bring the same again, unless it is in quarantine ({listed})."
    return Task("Mend the configuration in git", f"{_what(case)}; {until}")


def _what(case: Case) -> str:
    paths = list(dict.fromkeys(hunk.path for hunk in case.blamed.hunks))
    where = f"`{'`, `'.join(paths[:4])}`" if paths else "what changed"
    commit = clean((case.record.commit or "")[:12])
    subject = f' "{clean(case.record.subject)}"' if case.record.subject else ""
    author = next((c.author for c in case.change.brings if c.sha == case.record.commit), "")
    return f"{where} of {commit or 'that revision'}{subject}" + (f" by {author}" if author else "")


def _before(case: Case) -> Iterator[Task]:
    hosts = names(case.cause.hosts) if case.cause is not None else "the hosts"
    yield Task(
        f"Mend what is ill on {hosts}",
        f"`deployer status {case.inventory}` names it; if this deployment is the cure: "
        f"`deployer deploy {case.inventory} --fix-forward`.",
    )


def _environment(case: Case) -> Iterator[Task]:
    hosts = names(case.cause.hosts) if case.cause is not None else "the hosts"
    yield Task(
        f"Mend what {hosts} depends on",
        f"The old release fails the same there: `deployer status {case.inventory}` shows when it is well; "
        f"then `deployer deploy {case.inventory}`.",
    )


def _drift(case: Case) -> Iterator[Task]:
    paths = list(dict.fromkeys(hunk.path for hunk in case.change.hunks if hunk.drift))
    files = f"`{'`, `'.join(paths[:6])}`" if paths else "what was edited"
    yield Task(
        "Decide about what was edited by hand",
        f"{files}: put it into git, or replace it with `deployer deploy {case.inventory} --overwrite-drift` "
        "(it is kept as a release).",
    )
    yield Task(
        "Find out who edits on the hosts, and why",
        "the journal does not know: times and owners of the files, and the logs of sudo and sshd there, may.",
    )


def _lost(case: Case) -> Iterator[Task]:
    hosts = case.cause.hosts if case.cause is not None else ()
    pattern = ":".join(hosts[:8])
    yield Task(
        f"Find out why {names(hosts)} could not be reached",
        f"`deployer status {case.inventory}{f' --limit {pattern}' if pattern else ''}`; "
        "then the host's console, its sshd and the network between.",
    )


def _unseen(case: Case) -> Iterator[Task]:
    yield Task(
        "Write the check that was missing",
        f"{_none_or(case.checks)}: ask those who took it back what they saw, and write it down as a check "
        "(`checks:`, docs/checks.md), so that the next deployment sees it first.",
    )
    yield _mend(case)


def _none_or(checks: tuple[str, ...] | None) -> str:
    if checks is None:
        return "which checks there were is not recorded"
    return f"{names(checks)} saw nothing" if checks else "there are no checks in the playbook"


def _busy(case: Case) -> Iterator[Task]:
    yield Task(
        "Talk to whoever was at work",
        f"`deployer unlock {case.inventory}` names who holds the inventory and asks before it ends that; "
        f"`deployer deploy {case.inventory} --lock-wait 10m` waits for them.",
    )


def _controller(_case: Case) -> Iterator[Task]:
    yield Task(
        "Deploy from where it is not cut off",
        "its controller did not live to the end: a scheduled job, or a session that survives a closed "
        "terminal.",
    )


def _journal(_case: Case) -> Iterator[Task]:
    yield Task("Look at the journal's database", "it was lost on the way, and nothing goes on without it.")


_BY_FAULT = {
    Fault.CONFIG: _config,
    Fault.BEFORE: _before,
    Fault.ENVIRONMENT: _environment,
    Fault.DRIFT: _drift,
    Fault.LOST: _lost,
    Fault.BUSY: _busy,
    Fault.UNSEEN: _unseen,
    Fault.CONTROLLER: _controller,
    Fault.JOURNAL: _journal,
}


def _of_the_way(case: Case) -> Iterator[Task]:
    waves = case.plan.get("waves")
    first = waves[0] if isinstance(waves, list) and waves and isinstance(waves[0], list) else []
    failed = case.cause is not None and case.cause.fault is Fault.CONFIG and case.stays
    if failed and len(first) > 1 and isinstance(waves, list) and len(case.stays) > 1:
        yield Task(
            "Begin with one host",
            f"the first wave had {count(len(first))}, and {len(case.stays)} served the bad release: "
            "`rollout.waves: [1, …]`.",
        )
    longest = max((stay.seconds(stay.began) for stay in case.stays if stay.until), default=0.0)
    if failed and longest > SLOW_S:
        yield Task(
            "Decide sooner",
            f"a host served it for {duration(longest)}: a check that answers wrongly is given up early, "
            "one that is late or new waits for `health.deadline`.",
        )
    guards = [e for e in case.events if e.step == "guard" and e.state is State.FAILED]
    if guards:
        hosts = {str(name) for e in guards for name in _names(e.detail.get("hosts"))}
        yield Task(
            f"Look at the network to {names(hosts)}",
            f"a guard could not be renewed {count(len(guards), 'time')} while the release was undecided.",
        )
    yield from _warnings(case)


def _warnings(case: Case) -> Iterator[Task]:
    said: dict[str, None] = {}
    for event in case.events:
        for line in _names(event.detail.get("warnings")):
            said[f"{event.host}: {clean(str(line))}" if event.host else clean(str(line))] = None
    if said:
        more = f" (and {len(said) - MOST_WARNINGS} more)" if len(said) > MOST_WARNINGS else ""
        yield Task("See to the warnings", "; ".join(list(said)[:MOST_WARNINGS]) + more + ".")


def _of_the_logs(case: Case) -> Iterator[Task]:
    hosts = case.traffic.hosts if case.traffic is not None else {}
    unread = [name for name, host in hosts.items() if host.skipped and not host.logs]
    if unread:
        yield Task(
            f"Log on {names(unread)} in a format that can be counted",
            "`combined`, `main`, or one that begins like them; without it nobody can say how many users "
            "met this.",
        )
    wrong = [name for name, host in hosts.items() if abs(host.ahead) > SKEW_S]
    if wrong:
        yield Task(f"Set the clock of {names(wrong)}", "its logs and this timeline do not agree.")


def _names(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()
