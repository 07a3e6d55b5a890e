"""Take over what is live: copy it as the baseline, so that there is something to go back to from day one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer.errors import HostError, Refused, TransportError, UsageError
from deployer.journal.ids import who
from deployer.model import (
    Entry,
    HostOutcome,
    HostResult,
    Kind,
    Outcome,
    Ownership,
    Result,
    State,
)
from deployer.planning.context import Context
from deployer.report.words import count
from deployer.rollout.effects import release
from deployer.rollout.engine import Recorder
from deployer.rollout.plan import without_boot_unit
from deployer.rollout.summing import told
from deployer.rollout.survey import Contact, Survey
from deployer.running.leasing import lease_name, leased
from deployer.running.undertaking import Undertaking
from deployer.running.unfinished import in_the_way

if TYPE_CHECKING:
    from pathlib import Path

    from deployer.journal.store import Store
    from deployer.planning.audience import Audience

EXPORT_BYTES = 256 << 20  #: of one host's tree that is exported


@dataclass(frozen=True)
class Wishes:
    """What was asked for on the command line."""

    accept_unproven: bool = False
    undo: bool = False
    export: Path | None = None


Deed = Callable[[Contact, Ownership], HostResult]


def adopt(context: Context, wishes: Wishes, journal: Store, audience: Audience) -> Result:
    """Adopt what is live on every host, or undo that; with ``export``, also write it out for git.

    Nothing that users see changes, so a host that refuses does not stop the others.
    """
    if wishes.export is not None:
        _is_empty(wishes.export)
    own = Undertaking("adopt", context, journal, audience)
    target, hide = context.playbook.target_spec(), context.veil.hide
    with (
        leased(own, journal) as tenure,
        Survey(context.hosts, target, context.ssh, parallel=32, hide=hide) as survey,
    ):
        audience.saying(f"asking {count(len(context.hosts))} what is live")
        survey.observe()
        tenure.granted()
        if unfinished := in_the_way(context, journal, survey.answered):
            raise Refused(unfinished)
        options = {"undo": True} if wishes.undo else {}
        with own.recorded(options=options, story={"lease": lease_name(context)}):
            deed = _unadopt if wishes.undo else _adopt(wishes.accept_unproven)
            if not wishes.undo and (warning := without_boot_unit(survey.answered)):
                audience.warns(warning)
            results = _on_each(survey, own.recorder, deed)
        result = _result(own, {h.name: results[h.name] for h in context.hosts})
        own.finish(result)
        if wishes.export is not None:
            _exported(survey, wishes.export, context.name)
    return result


def _on_each(survey: Survey, recorder: Recorder, deed: Deed) -> Mapping[str, HostResult]:
    def act(contact: Contact) -> HostResult:
        name, started = contact.host.name, time.monotonic()
        recorder.note("adopt", State.STARTED, host=name)
        contact.agent.ensure_installed()
        own = Ownership(recorder.deployment, contact.agent.begin(recorder.deployment, who()), who())
        try:
            result = deed(contact, own)
        finally:
            release(contact, own)
        notes = [result.reason] if result.reason else []
        recorder.note("adopt", State.SUCCEEDED, host=name, release=result.release, notes=notes)
        return HostResult(
            result.outcome, result.release, None, result.reason, round(time.monotonic() - started, 3)
        )

    results: dict[str, HostResult] = {}
    for name, answer in {**survey.silent, **survey.each(act, survey.answered)}.items():
        if isinstance(answer, HostError):
            lost = isinstance(answer, TransportError)
            outcome = HostOutcome.UNREACHABLE if lost else HostOutcome.REFUSED
            results[name] = HostResult(outcome, None, None, told(answer), 0.0)
            if name in survey.answered:
                recorder.note("adopt", State.FAILED, host=name, error=str(answer))
        else:
            results[name] = answer
    return results


def _adopt(accept_unproven: bool) -> Deed:
    def deed(contact: Contact, own: Ownership) -> HostResult:
        if contact.seen is not None and contact.seen.adopted:
            return HostResult(HostOutcome.UNCHANGED, contact.seen.baseline, None, "already adopted", 0.0)
        baseline = contact.agent.adopt(own, accept_unproven=accept_unproven)
        return HostResult(HostOutcome.PREPARED, baseline, None, None, 0.0)

    return deed


def _unadopt(contact: Contact, own: Ownership) -> HostResult:
    if contact.seen is not None and not contact.seen.adopted:
        return HostResult(HostOutcome.UNCHANGED, None, None, "was not adopted", 0.0)
    contact.agent.unadopt(own)
    return HostResult(HostOutcome.PREPARED, None, None, "a plain directory again", 0.0)


def _result(own: Undertaking, hosts: Mapping[str, HostResult]) -> Result:
    bad = [(n, h) for n, h in hosts.items() if h.outcome in (HostOutcome.REFUSED, HostOutcome.UNREACHABLE)]
    reason = f"{bad[0][0]}: {bad[0][1].reason}" if bad else None
    return Result(
        id=own.id,
        outcome=Outcome.REFUSED if bad else Outcome.UNCHANGED,
        exit_code=3 if bad else 0,
        revision=None,
        reason=reason,
        hosts=hosts,
        waves=(),
        seconds=own.seconds,
    )


def _exported(survey: Survey, directory: Path, inventory: str) -> None:
    try:
        export(survey, directory)
    except OSError as error:
        raise Refused(
            f"adopted, and not exported: {error.filename or directory} cannot be written: {error.strerror}; "
            f"empty {directory} and say 'deployer adopt {inventory} --export' again"
        ) from None


def _is_empty(directory: Path) -> None:
    try:
        if next(directory.iterdir(), None) is not None:
            raise UsageError(f"{directory} is not empty; name a new directory for --export")
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"--export {directory}: cannot be read: {error.strerror}") from None


def export(survey: Survey, directory: Path) -> None:
    """Write what is live out for git: one tree when all hosts are alike, else one directory per host.

    Preserved paths are left out, as the repository must not own them.

    :raises UsageError: when the directory is not empty.
    :raises HostError: when a host does not give its files.
    """
    _is_empty(directory)
    trees: dict[str, list[str]] = {}
    for name, seen in survey.answered.items():
        trees.setdefault(str(seen.disk_hash), []).append(name)
    for names in trees.values():
        for name in names if len(trees) > 1 else names[:1]:
            _write_tree(survey.contacts[name], directory / name if len(trees) > 1 else directory)


def _write_tree(contact: Contact, directory: Path) -> None:
    manifest = contact.agent.manifest(None)
    files = [e for e in manifest.entries if e.kind is not Kind.LINK]
    contents = contact.agent.fetch([e.path for e in files], limit=EXPORT_BYTES)
    _write(directory, manifest.entries, contents)


def _write(directory: Path, entries: Iterable[Entry], contents: Mapping[str, bytes]) -> None:
    for entry in entries:
        path = directory / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.kind is Kind.LINK:
            path.symlink_to(entry.content)
            continue
        path.write_bytes(contents[entry.path])
        path.chmod(0o755 if entry.kind is Kind.EXEC else 0o644)
