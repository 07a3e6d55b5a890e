"""Deployments that never ended: what the journal, and what the hosts, still have of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from deployer.journal.process import Process
from deployer.model import HostOutcome, HostResult, Outcome, Result, State
from deployer.report.words import clean, duration, minute, names
from deployer.rollout.resume import traces
from deployer.running.leasing import lease_name
from deployer.running.living import how_to_end, which

if TYPE_CHECKING:
    from deployer.journal.store import Journal, Store
    from deployer.model import DeploymentRecord, Event, Observation
    from deployer.planning.context import Context


@dataclass(frozen=True)
class Open:
    """A record without an end."""

    record: DeploymentRecord
    events: tuple[Event, ...]

    @property
    def alive(self) -> bool | None:
        """Whether its controller lives; ``None`` when that cannot be seen from here."""
        process = self.process
        return process.alive if process is not None else None

    @property
    def process(self) -> Process | None:
        """The process that worked on it last."""
        said = [e.detail["process"] for e in self.events if isinstance(e.detail.get("process"), Mapping)]
        if not said:
            return None
        return Process(said[-1].get("pid", 0), said[-1].get("machine"), said[-1].get("born"))

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts on which anything was begun: it is journalled before."""
        return frozenset(event.host for event in self.events if event.host is not None)

    @property
    def told(self) -> str:
        """``deployment 20240612-… of ann@ops1, begun 2024-06-12 14:15 UTC``."""
        record = self.record
        kind = {"deploy": "deployment", "adopt": "adoption"}.get(record.kind, record.kind)
        return f"{kind} {record.id} of {clean(record.who)}, begun {minute(record.started)} UTC"


def open_records(context: Context, journal: Journal) -> list[Open]:
    """What the journal has of this inventory without an end, newest first.

    :raises StoreUnavailable: when it cannot be asked.
    """
    found = [Open(record, journal.events(record.id)) for record in journal.unfinished(context.name)]
    return [each for each in found if _is_of(each, context)]


def _is_of(found: Open, context: Context) -> bool:
    """Another project may share the store, and have an inventory of the same name."""
    lease = next((e.detail["lease"] for e in found.events if "lease" in e.detail), None)
    if lease is not None:
        return bool(lease == lease_name(context))
    return found.record.playbook in (None, context.playbook.name)


def in_the_way(context: Context, journal: Store, seen: Mapping[str, Observation]) -> str | None:
    """Why nothing may be begun here: an unfinished deployment, in one sentence. What never began is closed.

    :raises StoreUnavailable: when the journal cannot be asked.
    """
    for found in open_records(context, journal):
        if found.alive:
            return at_work(found, context.name)
        if not found.hosts:
            close([found], journal, "its controller was lost before anything was begun")
        elif found.record.kind == "deploy":
            return f"{found.told}, was never finished; recover it first: {cure(context, found.record)}"
    return _on_hosts(context, journal, seen)


def at_work(found: Open, inventory: str) -> str:
    """Of one whose controller lives here: which process that is, and what to do about it."""
    process = found.process
    return f"{found.told}, is still at work ({which(process)}): {how_to_end(process, inventory)}"


def _on_hosts(context: Context, journal: Store, seen: Mapping[str, Observation]) -> str | None:
    for deployment, hosts in traces(seen).items():
        first = seen[hosts[0]]
        heard = ""
        if first.owner == deployment:
            silent = duration(first.owner_silent_s)
            heard = f" of {clean(first.owner_controller)}, heard {silent} ago,"
        owned = "owns this host" if len(hosts) == 1 else "owns these hosts"
        return (
            f"{names(hosts)}: deployment {clean(deployment)}{heard} {owned} and is not finished; "
            f"wait for it or, should its controller be dead: {cure(context, journal.known(deployment))}"
        )
    return None


def cure(context: Context, record: DeploymentRecord | None) -> str:
    """The command that ends it: a rollback is said again; another playbook on the same nginx has its own."""
    command = "rollback" if record is not None and record.kind == "rollback" else "recover"
    said = f"deployer {command} {context.name}"
    if record is None or record.playbook in (None, context.playbook.name):
        return said
    return f"{said} --playbook {quote(record.playbook)}"


def close(found: Iterable[Open], journal: Journal, reason: str, result: Result | None = None) -> None:
    """Record that these were interrupted.

    :param result: of what settled them, for what became of their hosts.
    """
    for each in found:
        hosts = {name: _untouched() for name in each.hosts}
        if result is not None:
            hosts |= {name: host for name, host in result.hosts.items() if name in each.hosts}
        end = Result(
            id=each.record.id,
            outcome=Outcome.INTERRUPTED,
            exit_code=130,
            revision=each.record.commit,
            reason=reason,
            hosts=hosts,
            waves=(),
            seconds=round(max(0.0, _last(each) - each.record.started), 3),
        )
        journal.finish(each.record.id, end)


def settle(context: Context, journal: Journal, by: Result, *, before: float) -> None:
    """After a rollback: what it took back was interrupted, and has ended with it.

    Left alone: what began later, what still runs and will say itself how it ended, and what has hosts that
    the rollback did not look at.
    """
    asked = {host.name for host in context.hosts}
    ended = [
        each
        for each in open_records(context, journal)
        if each.record.started < before and each.record.id != by.id and not each.alive and each.hosts <= asked
    ]
    close(ended, journal, f"its controller was lost; settled by {by.id}", by)


def _last(found: Open) -> float:
    return found.events[-1].time if found.events else found.record.started


def _untouched() -> HostResult:
    return HostResult(HostOutcome.UNTOUCHED, None, None, None, 0.0)


def decisive(events: Iterable[Event]) -> bool:
    """Whether the journal knows who was to change: a deployment that was lost before that changed nothing."""
    return any(e.step == "plan" and e.state is State.SUCCEEDED for e in events)
