"""``deployer notify``: who is told, tried before the bad day."""

from __future__ import annotations

from typing import Annotated

import typer

from deployer.cli.common import Common, Inventory, with_common
from deployer.cli.streams import tell
from deployer.cli.typed import Command, Group
from deployer.errors import UsageError

notify = typer.Typer(
    cls=Group,
    help="Who is told of what happens, as the playbook's notify has it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def try_(
    inventory: Inventory,
    *,
    to: Annotated[
        str | None,
        typer.Option(metavar="NAME", envvar="DEPLOYER_NOTIFY_TO", help="Only this recipient."),
    ] = None,
    common: Common,
) -> None:
    """Send a test message to everybody whom the playbook names, whatever their level.

    No host is asked. Exit 6 when somebody did not take it.
    """
    from json import dumps

    from deployer.cli import setup
    from deployer.cli.telling import command_of, settings_of
    from deployer.config.notify import called
    from deployer.notify.happenings import trial
    from deployer.notify.trying import try_out
    from deployer.report.words import clean

    setup.not_empty("--to", to)
    context = setup.load(inventory, common)
    recipients = context.playbook.notify
    if not recipients:
        raise UsageError(f"{context.playbook.path}: its notify names nobody: docs/notify.md says how")
    names = called(recipients)
    if to is not None and to not in names:
        raise UsageError(f"--to {to!r} is nobody of notify; there is {', '.join(map(clean, names))}")
    notice = trial(command_of(context, "notify", common))
    found = try_out(recipients, notice, settings_of(context), only=to)
    code = 6 if any(one.reason is not None for one in found) else 0
    if common.json:
        document = {"recipients": [one.as_json() for one in found], "exit_code": code}
        tell(dumps(document, indent=2, ensure_ascii=False))
    else:
        for one in found:
            how = "told" if one.reason is None else f"NOT told: {one.reason}"
            tell(f"{clean(one.name)} (from {one.level}): {how} ({one.seconds:.1f} s)")
    raise typer.Exit(code)


notify.command("test", cls=Command)(with_common(try_))
