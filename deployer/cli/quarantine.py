"""``deployer quarantine``: what is not deployed again, and an end to that."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from deployer.cli.common import Common, Inventory, Yes, with_common
from deployer.cli.streams import err, out, tell
from deployer.cli.typed import Command, Group

if TYPE_CHECKING:
    from deployer.quarantine import Kept, Released

quarantine = typer.Typer(
    cls=Group,
    help="Releases that failed or were taken back: nobody deploys them again until they are released.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def list_(
    inventory: Annotated[
        str | None,
        typer.Argument(metavar="[INVENTORY]", help="Also ask its hosts; otherwise the journal alone."),
    ] = None,
    *,
    common: Common,
) -> None:
    """List what is in quarantine: since when, why, and which hosts know of it.

    With an inventory its hosts are asked too: they know what another controller told them.
    """
    from deployer import quarantine as case
    from deployer.cli import setup
    from deployer.journal.store import Store

    if inventory is None:
        with Store.open(common.state, read_only=True) as store:
            found = case.of_store(store)
    else:
        context = setup.load(inventory, common)
        with Store.open(context.state, read_only=True) as store:
            found = case.of_inventory(context, store)
    _show(found, common)


def release(
    inventory: Inventory,
    release: Annotated[
        str, typer.Argument(metavar="RELEASE|HASH", help="A release's id, or the hash at its end.")
    ],
    *,
    yes: Yes = False,
    common: Common,
) -> None:
    """Let a release be deployed again, here and on every host that knows of it.

    Hosts that cannot be told are named (6): they go on refusing it; say it again when they answer.
    """
    from deployer import quarantine as case
    from deployer.cli import setup
    from deployer.cli.telling import telling

    setup.not_empty("RELEASE|HASH", release)
    setup.need_yes(yes, "quarantine release")
    context = setup.load(inventory, common)
    with telling(context, "quarantine", common) as teller, setup.journal_of(context) as store:
        found = case.of_inventory(context, store)
        meant = case.meant(found, release)
        for line in case.lines(meant):
            err(f"{line}\n")
        if not yes and not _agrees():
            _end(case.Released(context.name, meant.entries[0].hash, (), ()), common, 3, "not confirmed")
        done = case.release(context, store, meant)
        teller.quarantine_released(done.hash, done.told, done.left)
    _end(done, common, done.exit_code, done.reason)


def _agrees() -> bool:
    err("Let it be deployed again? [y/N] ")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _show(found: Kept, common: Common) -> None:
    from json import dumps

    from deployer.quarantine import lines

    if common.json:
        tell(dumps(found.as_json(), indent=2, ensure_ascii=False))
    else:
        for line in lines(found):
            tell(line)


def _end(done: Released, common: Common, code: int, reason: str | None) -> NoReturn:
    from json import dumps

    if reason is not None:
        err(f"deployer: {reason}\n")
    with out():
        if common.json:
            typer.echo(dumps(done.as_json(exit_code=code, reason=reason), indent=2, ensure_ascii=False))
        elif code in (0, 6):
            typer.echo(f"released {done.hash}: {done.told}")
    raise typer.Exit(code)


quarantine.command("list", cls=Command)(with_common(list_))
quarantine.command("release", cls=Command)(with_common(release))
