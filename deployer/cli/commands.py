"""The commands: each reads its options, calls one use case and shows its result. No decisions."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployer.cli.accepting import AcceptChange, Reason, accepted
from deployer.cli.check import check
from deployer.cli.common import HERE, Common, Inventory, Yes, with_common
from deployer.cli.drill import drill
from deployer.cli.glass import BreakGlass, NoQuarantine
from deployer.cli.lab import lab
from deployer.cli.notify import notify
from deployer.cli.past import history, show
from deployer.cli.quarantine import quarantine
from deployer.cli.recover import recover
from deployer.cli.schedule import schedule
from deployer.cli.schema import schema
from deployer.cli.staging import staging
from deployer.cli.streams import err, out, tell
from deployer.cli.telling import telling
from deployer.cli.typed import Command
from deployer.cli.unattended import OnCalendar, Unattended, load, run
from deployer.cli.unlock import unlock
from deployer.cli.watch import status, watch
from deployer.errors import UsageError

if TYPE_CHECKING:
    from deployer.cli.signals import Signals
    from deployer.model import Result
    from deployer.planning.audience import Audience
    from deployer.planning.context import Context

Rev = Annotated[
    str | None,
    typer.Option(envvar="DEPLOYER_REV", help="Branch, tag or commit; otherwise source.ref of the playbook."),
]
AcceptUnproven = Annotated[
    bool,
    typer.Option(
        "--accept-unproven",
        envvar="DEPLOYER_ACCEPT_UNPROVEN",
        help="Adopt although files are newer than the running workers.",
    ),
]


_GROUPS = {"quarantine": quarantine, "notify": notify, "staging": staging, "lab": lab, "drill": drill}
NAMES = frozenset(
    {"init", "check", "adopt", "plan", "deploy", "rollback", "recover", "status", "watch", "unlock"}
    | {"schedule", "history", "show", "schema", *_GROUPS}
)
"""Of every command."""


def register(app: typer.Typer, only: str | None = None) -> None:
    """Put every command on the program, in the order of a first day; or only the one of that name."""
    commands = (init, check, adopt, plan, deploy, rollback, recover, status, watch, unlock, schedule)
    for command in (*commands, history, show, schema):
        if only in {None, command.__name__}:
            plain = command in {init, check, history, show, schema}
            app.command(cls=Command)(command if plain else with_common(command))
    for name, group in _GROUPS.items():
        if only in {None, name}:
            app.add_typer(group, name=name)


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write them.")] = HERE,
) -> None:
    """Write a commented inventory and playbook to start from."""
    from deployer.config.init import write_samples

    for path in write_samples(directory):
        tell(f"wrote {path}")
    err("Edit both, then: deployer plan production\n")


def adopt(
    inventory: Inventory,
    *,
    undo: Annotated[
        bool,
        typer.Option("--undo", envvar="DEPLOYER_UNDO", help="Make a plain directory again of what is live."),
    ] = False,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            envvar="DEPLOYER_EXPORT",
            help="Also write what is live into DIR, to put it into git.",
        ),
    ] = None,
    print_hardening: Annotated[
        Path | None,
        typer.Option(
            metavar="KEY.pub",
            envvar="DEPLOYER_PRINT_HARDENING",
            help="Only print the script that lets that key do the agent's work on a host, and nothing else.",
        ),
    ] = None,
    accept_unproven: AcceptUnproven = False,
    common: Common,
) -> None:
    """Take over what is live as the baseline to go back to.

    A copy is made on each host; users notice nothing. The first deploy does it by itself.
    """
    from deployer import adopt as case
    from deployer.cli import setup

    context = setup.load(inventory, common)
    if print_hardening is not None:
        return _print_hardening(context, print_hardening, common)
    wishes = case.Wishes(accept_unproven, undo, export)
    with telling(context, "adopt", common, whole=not undo) as teller:
        with _signals() as signals, setup.journal_of(context) as journal:
            result = case.adopt(context, wishes, journal, teller.beside(_lines(signals, common)))
        teller.ended(result)
    return end(result, inventory, "adopt", common)


def _print_hardening(context: Context, key: Path, common: Common) -> None:
    from deployer.hardening import script

    text = script(context, key)
    if common.json:
        _document({"hosts": [host.name for host in context.hosts], "script": text})
    else:
        tell(text.removesuffix("\n"))
        err("Read it, then run it as root on each host: ssh root@HOST sh < harden.sh\n")


def plan(inventory: Inventory, *, rev: Rev = None, common: Common) -> None:
    """Show what would change, host by host, with the diff.

    Nothing is touched, not even adopted. Exit 3 when a deploy would be refused.
    """
    from deployer.cli import setup
    from deployer.cli.colour import print_plan
    from deployer.cli.plans import plan_json
    from deployer.planning.gating import shown
    from deployer.planning.proposal import Wishes
    from deployer.planning.propose import propose, would_refuse
    from deployer.rollout.plan import without_boot_unit
    from deployer.rollout.survey import Survey

    setup.not_empty("--rev", rev)
    context = setup.load(inventory, common)
    target, hide = context.playbook.target_spec(), context.veil.hide
    with (
        _signals() as signals,
        Survey(context.hosts, target, context.ssh, parallel=32, hide=hide) as survey,
    ):
        audience = _lines(signals, common, diff=True)
        prepared = propose(context, Wishes(rev), survey, audience)
        proposal = shown(context, prepared, survey.answered, audience, rev)
        if warning := without_boot_unit(survey.answered):
            audience.warns(warning)
    code = 3 if would_refuse(proposal) else 0
    if common.json:
        _document(plan_json(proposal) | {"exit_code": code})
    else:
        with out():
            print_plan(proposal)
    raise typer.Exit(code)


def deploy(
    inventory: Inventory,
    *,
    rev: Rev = None,
    yes: Yes = False,
    prepare_only: Annotated[
        bool,
        typer.Option(
            "--prepare-only",
            envvar="DEPLOYER_PREPARE_ONLY",
            help="Stage, validate and rehearse on every host, change none.",
        ),
    ] = False,
    fix_forward: Annotated[
        bool,
        typer.Option(
            "--fix-forward",
            envvar="DEPLOYER_FIX_FORWARD",
            help="Deploy the cure while the site is down: no precheck, nginx may be dead.",
        ),
    ] = False,
    overwrite_drift: Annotated[
        bool,
        typer.Option(
            "--overwrite-drift",
            envvar="DEPLOYER_OVERWRITE_DRIFT",
            help="Replace what was edited by hand; it is kept as a release.",
        ),
    ] = False,
    accept_deletions: Annotated[
        bool,
        typer.Option(
            "--accept-deletions",
            envvar="DEPLOYER_ACCEPT_DELETIONS",
            help="Let the first deployment delete files that git does not have.",
        ),
    ] = False,
    accept_unproven: AcceptUnproven = False,
    accept_change: AcceptChange = None,
    reason: Reason = None,
    recover: Annotated[
        bool,
        typer.Option(
            "--recover",
            envvar="DEPLOYER_RECOVER",
            help="First finish or unwind what an interrupted deployment left.",
        ),
    ] = False,
    lock_wait: Annotated[
        str,
        typer.Option(
            metavar="SECONDS",
            envvar="DEPLOYER_LOCK_WAIT",
            help="How long to wait while somebody else is at work: 90, 90s or 10m.",
        ),
    ] = "0",
    break_glass: BreakGlass = None,
    unattended: Unattended = False,
    on_calendar: OnCalendar = None,
    common: Common,
) -> None:
    """Deploy a revision, prove it is served, take it back if not.

    Prepared and validated on all hosts before any is changed, then in waves.
    """
    from deployer.cli import setup

    setup.need_yes(yes, "deploy")
    setup.not_empty("--rev", rev)
    setup.not_empty("--break-glass", break_glass)
    context = (load if unattended else setup.load)(inventory, common)
    wait_s, meant = setup.seconds("--lock-wait", lock_wait), accepted(accept_change, reason)
    if on_calendar is not None and not unattended:
        raise UsageError("--on-calendar says when an unattended run is due: it goes with --unattended")
    with setup.ahead(context, rev, now=not (unattended or wait_s)) as source:
        from deployer.deploy import deploy as case
        from deployer.planning.proposal import Wishes
        from deployer.rollout.plan import Permissions

        allowed = Permissions(fix_forward, overwrite_drift, accept_deletions, accept_unproven)
        wishes = Wishes(rev, allowed, prepare_only, yes, wait_s, recover, break_glass, meant)
        if unattended:
            run(context, wishes, inventory, common, on_calendar)
        with telling(context, "deploy", common, whole=not prepare_only) as teller:
            with (
                _signals() as signals,
                setup.journal_of(context) as journal,
                audience_of(signals, common, diff=not yes) as audience,
            ):
                signals.guard_s = context.playbook.rollout.confirm_within_s
                beside = teller.beside(audience)
                result = case(context, wishes, journal, beside, signals.stop, source=source)
            teller.ended(result)
    end(result, inventory, "deploy", common)


def rollback(
    inventory: Inventory,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="RELEASE|REVISION", envvar="DEPLOYER_TO", help="This release instead of the one before."
        ),
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", envvar="DEPLOYER_LIST", help="Only list the releases on the hosts.")
    ] = False,
    yes: Yes = False,
    no_quarantine: NoQuarantine = False,
    break_glass: BreakGlass = None,
    common: Common,
) -> None:
    """EMERGENCY: take the latest deployment back, everywhere.

    Needs no git and no database, and helps every host that answers. Said twice it changes nothing more.
    """
    from deployer.cli import setup

    if not list_:
        setup.need_yes(yes, "rollback")
    setup.not_empty("--to", to)
    setup.not_empty("--break-glass", break_glass)
    context = setup.load(inventory, common, emergency=True)
    if list_:
        return _list_releases(context, common)
    with setup.dialling(context, len(context.hosts)):  # nobody waits for a dead host
        from deployer.rollback import Wishes
        from deployer.rollback import rollback as case

        with telling(context, "rollback", common) as teller:
            with (
                _signals() as signals,
                audience_of(signals, common) as audience,
                setup.emergency_journal(context, audience.warns) as journal,
            ):
                wishes = Wishes(to, yes, not no_quarantine, break_glass)
                result = case(context, wishes, journal, teller.beside(audience), signals.stop)
            teller.ended(result)
    return end(result, inventory, "rollback", common)


def _signals() -> Signals:
    from deployer.cli.signals import Signals

    return Signals()


def _lines(signals: Signals, common: Common, *, diff: bool = False) -> Audience:
    from deployer.cli.lines import Lines
    from deployer.cli.structured import Fields, current

    if (log := current()) is not None:
        return Fields(signals, log)
    return Lines(signals, quiet=common.quiet, verbose=common.verbose, diff=diff)


def audience_of(signals: Signals, common: Common, *, diff: bool = False) -> AbstractContextManager[Audience]:
    """A live table on a terminal, lines elsewhere."""
    if sys.stderr.isatty() and not (common.json or common.quiet or common.log):
        from deployer.cli.live import Live

        return Live(signals, diff=diff)
    return nullcontext(_lines(signals, common, diff=diff))


def _list_releases(context: Context, common: Common) -> None:
    from deployer.cli.tables import releases_table
    from deployer.status import status as look

    found = look(context, checks=False)
    if common.json:
        _document({"hosts": {n: list(h.seen.releases) if h.seen else None for n, h in found.hosts.items()}})
    else:
        tell(releases_table(found))


def _document(document: Any) -> None:
    from json import dumps

    tell(dumps(document, indent=2, ensure_ascii=False))


def end(result: Result, inventory: str, kind: str, common: Common) -> None:
    """Show the result, and end with its code."""
    from deployer.report.result import result_json, result_summary

    if common.json:
        _document(result_json(result))
    else:
        tell(result_summary(result, kind=kind, inventory=inventory))
    raise typer.Exit(result.exit_code)
