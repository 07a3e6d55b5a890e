"""The gates of one deployment: what has to be asked of the clock, the store, git and the hosts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from deployer.errors import StoreUnavailable, StoreUnusable
from deployer.journal.ids import who
from deployer.model import State
from deployer.model.barriers import Closed, Gate, Quarantined
from deployer.report.words import names
from deployer.rollout import gates
from deployer.rollout.gates import Gatekeeping
from deployer.rollout.plan import Action

if TYPE_CHECKING:
    from deployer.journal.store import Journal, Store
    from deployer.model import Observation
    from deployer.planning.audience import Audience
    from deployer.planning.context import Context
    from deployer.planning.proposal import Prepared, Proposal
    from deployer.rollout.engine import Recorder


def gatekeeping(
    context: Context,
    prepared: Prepared,
    seen: Mapping[str, Observation],
    store: Store | None,
    *,
    asked: str | None,
    reason: str | None,
) -> Gatekeeping:
    """Look at every gate, if the plan changes anything at all.

    :param store: ``None``: it cannot be asked; what only it could open is closed.
    :param asked: the revision as it was typed; ``None``: the playbook's.
    :param reason: of ``--break-glass``.
    :raises StoreUnavailable: when the store cannot be asked.
    :raises UsageError: for keys of ``source.signed_by`` that cannot be read.
    """
    targets = _targets(prepared)
    if not targets:
        return Gatekeeping(reason=reason)
    rules, now_s = context.playbook.gates, time.time()
    closed = [*gates.frozen((f.window for f in rules.freeze), datetime.fromtimestamp(now_s, UTC))]
    closed += _after(context, prepared, store, now_s)
    signer, unsigned = _signature(context, prepared, asked)
    closed += unsigned
    closed += gates.quarantined(targets, known(context, seen, store), context.name)
    closed += filter(None, (prepared.proposal.linted.closes,))
    return Gatekeeping(tuple(closed), reason, signer)


def shown(
    context: Context,
    prepared: Prepared,
    seen: Mapping[str, Observation],
    audience: Audience,
    asked: str | None,
) -> Proposal:
    """The proposal with its gates, for a plan: it needs no store, and says so where it has none."""
    from deployer.journal.store import Store

    if not _targets(prepared):
        return prepared.proposal
    try:
        with Store.open(context.state, read_only=True) as store:
            found = gatekeeping(context, prepared, seen, store, asked=asked, reason=None)
    except (StoreUnavailable, StoreUnusable) as error:
        audience.warns(f"the gates are shown without what the journal knows: {error}")
        found = gatekeeping(context, prepared, seen, None, asked=asked, reason=None)
    return replace(prepared.proposal, gates=found)


def known(
    context: Context, seen: Mapping[str, Observation], store: Store | None
) -> dict[Quarantined, list[str]]:
    """What is in quarantine, by the store or by any host; each with the hosts that know of it."""
    found = gates.on_hosts(seen)
    for _, entry in store.quarantined(context.name) if store is not None else ():
        found.setdefault(entry, [])
    return found


def learn(context: Context, seen: Mapping[str, Observation], store: Store) -> None:
    """Let the store know what hosts keep in quarantine: another controller may have told them."""
    if found := gates.on_hosts(seen):
        store.submit_quarantine(context.name, found)


def quarantine(
    context: Context, store: Journal, entries: Iterable[Quarantined], audience: Audience
) -> tuple[str, ...]:
    """Put releases into quarantine in the store; that hosts know of it already is what counts.

    :returns: their ids.
    """
    entries = tuple({entry.hash: entry for entry in entries}.values())
    try:
        store.quarantine(context.name, entries)
    except StoreUnavailable as error:
        told = names(entry.release for entry in entries)
        audience.warns(f"that {told} is quarantined only the hosts know, for the journal was lost: {error}")
    return tuple(entry.release for entry in entries)


def _targets(prepared: Prepared) -> list[str]:
    """The releases that hosts would change to."""
    plan = prepared.proposal.plan
    return [str(host.target) for host in plan.with_action(Action.CHANGE, Action.DRIFTED)]


def _after(context: Context, prepared: Prepared, store: Store | None, now_s: float) -> tuple[Closed, ...]:
    rules = context.playbook.gates
    # One playbook serves both: what is deployed where the evidence comes from needs none.
    if rules.after is None or rules.after == context.name:
        return ()
    if store is None:
        why = f"whether it was promoted to {rules.after} cannot be told without the journal"
        return (Closed(Gate.AFTER, why, "bring the journal back, or name another with --state"),)
    source_hash = prepared.source_hash
    promoted = store.promoted(rules.after, source_hash, now_s - rules.within_s)
    oldest = min((record.finished or now_s for record in promoted), default=now_s)
    back = store.rolled_back(rules.after, oldest) if promoted else ()
    evidence = gates.Evidence(promoted, back)
    closed = gates.after(rules.after, rules.within_s, source_hash, evidence, now_s)
    return () if closed is None else (closed,)


def _signature(
    context: Context, prepared: Prepared, asked: str | None
) -> tuple[str | None, tuple[Closed, ...]]:
    """Who signed, or what is closed because nobody did who may."""
    keys = context.playbook.source.signed_by
    if keys is None:
        return None, ()
    from deployer.planning.propose import mirror_of
    from deployer.source.signature import verify

    ref = asked or context.playbook.source.ref
    commit = prepared.proposal.commit
    found = verify(mirror_of(context), ref, commit, [key.path for key in keys])
    if found.signer is not None:
        return found.signer, ()
    return None, (Closed(Gate.SIGNATURE, found.why, "have it signed by a key of source.signed_by"),)


def note_gates(recorder: Recorder, found: Gatekeeping, audience: Audience) -> None:
    """Journal who signed and which gates are closed, and say loudly which are broken, by whom and why."""
    if found.signer is not None:
        recorder.note("signature", State.SUCCEEDED, reason=f"by {found.signer}", signer=found.signer)
    if not found.closed:
        if found.reason is not None:
            audience.warns("--break-glass had nothing to pass: no gate is closed")
        return
    by = who()
    state = State.FAILED if found.refusing else State.SUCCEEDED
    said = found.refusal or found.broken_by(by)
    recorder.note("gates", state, reason=said, who=by, gates=list(found.as_json()))
    if found.broken:
        audience.warns(found.broken_by(by))
