"""Looking back: what a deployment's story is made of, what users saw of it, and what changed near a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deployer.errors import HostError, UsageError
from deployer.journal.search import Wanted, search
from deployer.model import DeploymentRecord, Event, Outcome, State
from deployer.report.around import Lookout, Note, ordered, suspect
from deployer.report.explanation import Around
from deployer.report.exposure import stays
from deployer.rollout.measuring import IMPACT, LEAD_S, measure
from deployer.rollout.survey import Survey

if TYPE_CHECKING:
    from deployer.journal.database import Row
    from deployer.journal.store import Store
    from deployer.planning.context import Context
    from deployer.report.when import When

NEAR_LATER = 50  #: deployments after one that are looked through for what belongs to it
MOST_AROUND = 200
TAIL_S = 10.0  #: what is logged so long after the last host was back is counted as well
MEASURE_S = 60.0  #: for all hosts, when somebody asks for it
ASK_S = 30.0
READ_BYTES = 256 << 20  #: of each log
CHANGING = (Outcome.DEPLOYED, Outcome.PARTIAL, Outcome.ROLLED_BACK, Outcome.STUCK, Outcome.INTERRUPTED)


def belonging(store: Store, record: DeploymentRecord, events: Sequence[Event]) -> Around:
    """What else belongs to the story: what a rollback undid, and what came after."""
    undoes = next(
        (e.detail["undoes"] for e in events if e.step == "deployment" and e.detail.get("undoes")), None
    )
    of = store.known(str(undoes)) if undoes else None
    wanted = Wanted(inventory=record.inventory, since=record.started)
    near = [each for each in search(store, wanted, limit=MOST_AROUND) if each.started > record.started]
    later = list(reversed(near))[:NEAR_LATER]
    undone: dict[str, Sequence[Event]] = {}
    for each in later:
        if each.kind == "rollback" and each.outcome is not Outcome.REFUSED:
            said = store.events(each.id)
            if any(e.step == "deployment" and e.detail.get("undoes") == record.id for e in said):
                undone[each.id] = said
    return Around(
        undoes=(of, store.events(of.id)) if of is not None else None,
        later=later,
        undone_by=frozenset(undone),
        undoing=tuple(event for said in undone.values() for event in said),
    )


def measured_now(
    context: Context, store: Store, record: DeploymentRecord, events: Sequence[Event], around: Around
) -> Event:
    """Read the access logs of the hosts that a deployment switched, and journal what they say.

    What is not finished is measured, but not written to: whoever recovers it reads its journal.

    :raises UsageError: when it switched no host, or another inventory is meant.
    """
    if context.name != record.inventory:
        raise UsageError(f"{record.id} was a {record.kind} on {record.inventory}, not on {context.name}")
    found = stays([*events, *around.undoing])
    if not found:
        hint = f"; it took back {around.undoes[0].id}: measure that" if around.undoes is not None else ""
        raise UsageError(f"{record.id} switched no host, so there is nothing to measure{hint}")
    there = {host.name: host for host in context.hosts}
    hosts = [there[stay.host] for stay in found if stay.host in there]
    ends = [stay.until for stay in found if stay.until is not None] + [e.time for e in around.undoing]
    end = max([*ends, record.finished or time.time()]) + TAIL_S
    target, ssh = context.playbook.target_spec(), context.ssh
    with Survey(hosts, target, ssh, parallel=32, any_version=False, hide=context.veil.hide) as survey:
        opened = survey.each(lambda contact: contact.connection.open(), survey.contacts)
        lost = {name: str(error) for name, error in opened.items() if isinstance(error, HostError)}
        said = measure(
            {name: contact for name, contact in survey.contacts.items() if name not in lost},
            since=min(stay.began for stay in found) - LEAD_S,
            until=min(end, time.time()),
            within_s=MEASURE_S,
            ask_s=ASK_S,
            limit=READ_BYTES,
            hide=context.veil.hide,
        )
    gone = {stay.host: "it is not in the inventory any more" for stay in found if stay.host not in there}
    said["unread"] = {**gone, **lost, **said["unread"]}
    event = Event(record.id, None, IMPACT, State.SUCCEEDED, time.time(), {**said, "asked": "later"})
    if record.finished is not None:
        store.append(event)
    return event


def look_around(store: Store, when: When, minutes: float, inventory: str | None = None) -> Lookout:
    """What changed in the minutes before a time, on every inventory that the journal knows."""
    since = when.seconds - 60 * minutes
    wanted = Wanted(inventory=inventory, since=since, until=when.seconds)
    near = [
        suspect(record, store.events(record.id), since, when.seconds)
        for record in search(store, wanted, limit=MOST_AROUND)
    ]
    after = Wanted(inventory=inventory, since=when.seconds, until=when.seconds + 60 * minutes)
    later = [record for record in search(store, after, limit=MOST_AROUND) if record.started > when.seconds]
    before = Wanted(inventory=inventory, until=since)
    nearest = next(
        (
            record
            for record in search(store, before, limit=MOST_AROUND)
            if record.outcome in CHANGING and record.finished is not None and record.finished < since
        ),
        None,
    )
    rows = store.quarantine_between(since, when.seconds)
    kept = tuple(note for row in rows for note in _notes(row, inventory) if since <= note.at <= when.seconds)
    inventories = store.inventories() if inventory is None else (inventory,)
    return Lookout(when, since, ordered(near), tuple(reversed(later)), nearest, inventories, kept)


def _notes(row: Row, inventory: str | None) -> list[Note]:
    if inventory not in (None, row["inventory"]):
        return []
    release, where = row["release_id"], row["inventory"]
    came = f"{where}: {release} was put in quarantine by {row['deployment']}: {row['why']}"
    notes = [Note(row["since"], came)]
    if row["released"] is not None:
        released = f"{where}: {release} was released from quarantine by {row['released_by']}"
        notes.append(Note(row["released"], released, opens=True))
    return notes
