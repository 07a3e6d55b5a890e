"""Plans as text: who changes, who does not and why, and the diff."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from deployer.report.words import count, names
from deployer.rollout.back import Way
from deployer.rollout.gates import may_be_broken
from deployer.rollout.plan import Action
from deployer.rollout.saga import Do, Undo

if TYPE_CHECKING:
    from deployer.errors import HostError
    from deployer.planning.linting import Linted
    from deployer.planning.proposal import Proposal
    from deployer.rollout.back import BackPlan
    from deployer.rollout.diffs import Diff
    from deployer.rollout.resume import Recovery
    from deployer.source.changes import Between


def plan_lines(proposal: Proposal, *, diff: bool) -> Iterator[str]:
    """The plan, folded: hosts with the same fate share a line."""
    commit = proposal.commit
    yield f"revision {commit.sha[:12]}  {commit.subject}"
    if diff and proposal.between is not None:
        yield from between_lines(proposal.between)
    alike: dict[tuple[Any, ...], list[str]] = {}
    for plan in proposal.plan.hosts.values():
        changes = plan.changes
        sizes = (len(changes.added), len(changes.removed), len(changes.modified)) if changes else (0, 0, 0)
        key = (plan.action, plan.source, plan.target, plan.reason, sizes)
        alike.setdefault(key, []).append(plan.host)
    for (action, source, target, reason, sizes), hosts in alike.items():
        yield f"  {names(hosts)}: {_fate(action, source, target, reason, sizes)}"
    if len(proposal.plan.waves) > 1:
        yield "  waves: " + " → ".join(names(wave) for wave in proposal.plan.waves)
    for closed in proposal.gates.closed:
        yield f"  CLOSED, {closed.gate.value}: {closed.why}: {closed.opens}"
    if any(may_be_broken(closed.gate) for closed in proposal.gates.closed):
        yield '  deploy --break-glass "REASON" would pass what is closed'
    yield from lint_lines(proposal.linted)
    # What somebody edited by hand is shown even where the rest is not: it is the reason of a refusal.
    for part in (*proposal.drifted, *(proposal.diffs if diff else ())):
        yield from diff_lines(part)


def lint_lines(linted: Linted) -> Iterator[str]:
    """What the rules found that refuses or warns, each on its line."""
    for found in linted.found:
        one = found.finding
        if one.severity.value != "info" or found in linted.refusing:
            word = "REFUSED" if found in linted.refusing else one.severity.value
            where = f" ({names(found.hosts)})" if found.hosts else ""
            yield f"  lint: {word}: {one}{where}"


def between_lines(between: Between) -> Iterator[str]:
    """The commits that come and, in capitals, those that go."""
    for commit in between.gained:
        yield f"  brings  {commit.sha[:12]} {commit.author}: {commit.subject}"
    for commit in between.lost:
        yield f"  DROPS   {commit.sha[:12]} {commit.author}: {commit.subject}"
    if between.more:
        yield "  …"


def diff_lines(diff: Diff) -> Iterator[str]:
    """One diff with the hosts it is for."""
    what = "edited on" if diff.drift else "changes on"
    yield f"{what} {names(diff.hosts)}:"
    for lines in diff.files.values():
        yield from lines


def _fate(action: Action, source: str | None, target: str | None, reason: str | None, sizes: Any) -> str:
    if action is Action.UNCHANGED:
        return f"unchanged ({target})"
    if action is Action.CHANGE:
        added, removed, modified = sizes
        return f"{source} → {target}  (+{added} -{removed} ~{modified} files)"
    return f"{action.value.upper()}: {reason}"


def plan_json(proposal: Proposal) -> dict[str, Any]:
    """The document of ``plan --json``."""
    return {
        "revision": proposal.commit.sha,
        "subject": proposal.commit.subject,
        "hosts": {
            plan.host: {
                "action": plan.action.value,
                "from": plan.source,
                "to": plan.target,
                "reason": plan.reason,
                "added": list(plan.changes.added) if plan.changes else [],
                "removed": list(plan.changes.removed) if plan.changes else [],
                "modified": list(plan.changes.modified) if plan.changes else [],
            }
            for plan in proposal.plan.hosts.values()
        },
        "waves": [list(wave) for wave in proposal.plan.waves],
        "gates": [dict(gate) for gate in proposal.gates.as_json()],
        "findings": [found.as_json() for found in proposal.linted.found],
        "diffs": [_diff_json(d) for d in (*proposal.drifted, *proposal.diffs)],
    }


def _diff_json(diff: Diff) -> dict[str, Any]:
    files = {path: list(lines) for path, lines in diff.files.items()}
    return {"hosts": list(diff.hosts), "drift": diff.drift, "files": files}


def back_lines(plan: BackPlan, silent: Mapping[str, HostError]) -> Iterator[str]:
    """What a rollback will do, folded."""
    alike: dict[tuple[Any, ...], list[str]] = {}
    for host in plan.hosts.values():
        alike.setdefault((host.way, host.leaves, host.target, host.reason), []).append(host.host)
    yield f"rollback of {count(len(plan.moving))}" if plan.moving else "nothing to take back"
    for (way, leaves, target, reason), hosts in alike.items():
        if way is Way.BACK:
            yield f"  {names(hosts)}: {leaves} → {target}  ({reason})"
        elif way is Way.SETTLE and leaves != target:
            yield f"  {names(hosts)}: {target} is put back on disk  ({reason})"
        elif way is Way.SETTLE:
            yield f"  {names(hosts)}: stays on {target}, made to serve it ({reason})"
        else:
            yield f"  {names(hosts)}: {reason}"
    for name, error in silent.items():
        yield f"  {name}: DOES NOT ANSWER: {error}"


def recovery_lines(recovery: Recovery, silent: Mapping[str, HostError]) -> Iterator[str]:
    """What a recovery found and will do, folded."""
    yield f"recovery of {recovery.deployment}: {recovery.reason}"
    alike: dict[str, list[str]] = {}
    for name in recovery.fleet.members:
        if name not in silent:
            alike.setdefault(_deed(recovery, name), []).append(name)
    for deed, hosts in alike.items():
        yield f"  {names(hosts)}: {deed}"
    for name, error in silent.items():
        yield f"  {name}: DOES NOT ANSWER: {error}"


def _deed(recovery: Recovery, name: str) -> str:
    deed, pin = recovery.deeds.get(name), recovery.unfinished.pins.get(name)
    source, target = (pin.source, pin.target) if pin is not None else (None, None)
    if deed is None:
        return recovery.notes.get(name) or "nothing to do"
    if isinstance(deed, Do):
        return f"{target}: {deed.step.value}"
    if deed.undo is Undo.RESTORE:
        return f"{target} → {source}  (back, and proved)"
    return recovery.notes.get(name) or "given up; nothing is changed there"
