"""``deployer schedule``: unattended deployments by a timer or cron; which there are; an end to one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployer.cli.common import Common
from deployer.cli.streams import err, tell
from deployer.cli.unattended import OnCalendar
from deployer.errors import DeployerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deployer.planning.context import Context
    from deployer.schedule.calendar import Calendar
    from deployer.schedule.listing import Listed
    from deployer.schedule.ordering import Typed
    from deployer.schedule.units import Order


def schedule(
    inventory: Annotated[
        str | None,
        typer.Argument(
            metavar="[INVENTORY]", help="Name (inventories/NAME.yml) or path; --list does without."
        ),
    ] = None,
    *,
    on_calendar: OnCalendar = None,
    print_: Annotated[
        bool,
        typer.Option(
            "--print", envvar="DEPLOYER_PRINT", help="Only print what would be written: the default."
        ),
    ] = False,
    install: Annotated[
        bool,
        typer.Option("--install", envvar="DEPLOYER_INSTALL", help="Write it on this machine and start it."),
    ] = False,
    cron: Annotated[
        bool, typer.Option("--cron", envvar="DEPLOYER_CRON", help="For cron instead of systemd.")
    ] = False,
    list_: Annotated[
        bool,
        typer.Option(
            "--list",
            envvar="DEPLOYER_LIST",
            help="List schedules: when they are due, and how they went. Exit 6 when one is not well.",
        ),
    ] = False,
    remove: Annotated[
        bool,
        typer.Option("--remove", envvar="DEPLOYER_REMOVE", help="Take the schedule off this machine again."),
    ] = False,
    lock_wait: Annotated[
        str,
        typer.Option(
            metavar="SECONDS",
            envvar="DEPLOYER_LOCK_WAIT",
            help="How long a run waits while somebody else is at work; 0: it leaves at once.",
        ),
    ] = "10m",
    user: Annotated[
        str | None,
        typer.Option(envvar="DEPLOYER_USER", help="Who is to run it  [you, also behind sudo]"),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(metavar="NAME", envvar="DEPLOYER_UNIT", help="Name of the units  [deployer-INVENTORY]"),
    ] = None,
    environment_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="DEPLOYER_ENVIRONMENT_FILE",
            readable=False,
            help="Variables for the run, read by root: DEPLOYER_STATE with a password, for example.",
        ),
    ] = None,
    on_failure: Annotated[
        str | None,
        typer.Option(
            metavar="UNIT", envvar="DEPLOYER_ON_FAILURE", help="Unit that systemd starts when a run fails."
        ),
    ] = None,
    common: Common,
) -> None:
    """Have a revision deployed unattended, by a systemd timer or cron.

    Nothing new: 0, in a second, one line. Refused: told once. Left unfinished: recovered first.
    """
    from deployer.cli import setup

    _one_of(**{"--print": print_, "--install": install, "--list": list_, "--remove": remove})
    if list_:
        return _list(inventory, common)
    if inventory is None:
        raise UsageError("which INVENTORY? Only --list does without")
    if remove:
        return _remove(inventory, common)
    if on_calendar is None:
        raise UsageError("when? Say --on-calendar 'Mon..Fri 10:00', or --list what there is")
    from deployer.schedule.ordering import Typed

    typed = Typed(
        inventory=inventory,
        playbook=common.playbook,
        ssh_config=common.ssh_config,
        limit=common.limit,
        lock_wait_s=setup.seconds("--lock-wait", lock_wait),
        user=user,
        unit=unit,
        environment_file=environment_file,
        on_failure=on_failure,
    )
    return _write(typed, on_calendar, common, install=install, cron=cron)


def _one_of(**given: bool) -> None:
    said = [option for option, there in given.items() if there]
    if len(said) > 1:
        raise UsageError(f"{' and '.join(said)} do not go together: say one")


def _write(typed: Typed, expression: str, common: Common, *, install: bool, cron: bool) -> None:
    from deployer.cli import setup
    from deployer.running.leasing import lease_name
    from deployer.schedule import installing
    from deployer.schedule.here import understood
    from deployer.schedule.ordering import order_of, state_in

    calendar = understood(expression)
    if install and typed.environment_file is not None and common.state is None:
        # The journal of the runs is where they are known before the first of them.
        common = replace(common, state=state_in(typed.environment_file))
    context = setup.load(typed.inventory, common)
    order = order_of(context, typed, calendar, lease_name(context))
    if not install:
        text = installing.crontab(order, user=False) if cron else None
        return _print(
            {"crontab": text} if text is not None else installing.systemd_files(order), calendar, common
        )
    done = installing.install_cron(order) if cron else installing.install_systemd(order)
    _known(context, order)
    files = {str(path): path.read_text() for path in done}
    if common.json:
        return _document({**_said(files, calendar), "installed": True})
    for path in done:
        tell(f"wrote {path}")
    tell(f"due next: {_next(calendar)}")
    tell(f"try it now: systemctl start {order.name}.service" if not cron else _try_by_hand(order))
    if cron and not context.playbook.notify and not installing.SENDMAIL.exists():
        err(
            "deployer: warning: nobody will hear of a run that fails: cron has no sendmail to mail with, "
            "and the playbook names nobody in notify (docs/notify.md)\n"
        )
    return None


def _try_by_hand(order: Order) -> str:
    from deployer.schedule.cron import shell_command
    from deployer.schedule.installing import run_by_cron

    given = f" and with what {order.environment_file} says" if order.environment_file else ""
    return f"try it now, as {order.user}{given}: {shell_command(run_by_cron(order), order.project)}"


def _known(context: Context, order: Order) -> None:
    """Tell the journal of the runs, so that a schedule that never runs is missed."""
    import pwd

    from deployer.cli import setup
    from deployer.journal import schedules
    from deployer.schedule.here import scheduled
    from deployer.schedule.installing import as_user

    found = scheduled(order.lease, order.part, order.inventory, order.project, order.calendar)
    context = replace(context, state=order.state or context.state)

    def tell_it() -> None:
        try:
            with setup.journal_of(context) as journal:
                journal.wait(schedules.install(journal, found))
        except DeployerError as error:
            err(f"deployer: warning: the journal does not know of it before its first run: {error}\n")

    as_user(pwd.getpwnam(order.user), tell_it)


def _print(files: Mapping[str, str], calendar: Calendar, common: Common) -> None:
    if common.json:
        return _document({**_said(files, calendar), "installed": False})
    tell(
        "\n".join(
            text if name == "crontab" else f"# --- {name}\n{text}" for name, text in files.items()
        ).rstrip()
    )
    err(f"Due next: {_next(calendar)}. To have it: the same with --install, as root.\n")
    return None


def _said(files: Mapping[str, str], calendar: Calendar) -> dict[str, Any]:
    return {"files": dict(files), "calendar": calendar.text, "next": _next(calendar), "exit_code": 0}


def _next(calendar: Calendar) -> str:
    import time

    from deployer.report.words import minute
    from deployer.schedule.here import zone_here

    at = calendar.next_after(time.time(), zone_here())
    return f"{minute(at)} UTC" if at is not None else "never"


def _list(inventory: str | None, common: Common) -> None:
    from deployer.schedule.listing import lines, listed

    found, trouble = listed(inventory, common.state)
    if common.json:
        _document({**found.as_json(), "journal": trouble, "exit_code": found.exit_code})
    else:
        if trouble is not None:
            err(f"deployer: warning: how they went is not known: {trouble}\n")
        tell("\n".join(lines(found)))
    raise typer.Exit(found.exit_code)


def _remove(inventory: str, common: Common) -> None:
    from deployer.schedule.listing import removed

    gone: Listed = removed(inventory, common.project, common.limit or "", common.state)
    if common.json:
        return _document({**gone.as_json(), "exit_code": 0})
    for each in gone.rows:
        tell(f"removed {each.name}")
    if not gone.rows:
        tell(f"there is no schedule of {inventory} here: nothing to remove")
    return None


def _document(document: Any) -> None:
    from json import dumps

    tell(dumps(document, indent=2, ensure_ascii=False))
