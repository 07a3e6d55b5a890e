"""``deployer unlock``: whose lease it is, and an end to it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

import typer

from deployer.cli.common import Common, Inventory, Yes
from deployer.cli.streams import err, out

if TYPE_CHECKING:
    from deployer.unlock import Finding


def unlock(
    inventory: Inventory,
    *,
    yes: Yes = False,
    common: Common,
) -> None:
    """Show whose the lease of an inventory is, and release it.

    For one that is stuck. Only the store's courtesy: who owns a host, the host decides.
    """
    from deployer import unlock as case
    from deployer.cli import setup

    context = setup.load(inventory, common)
    with setup.journal_of(context) as store:
        found = case.find(context, store)
        if found.held is None:
            _end(found, common, 0)
        err("".join(f"{line}\n" for line in (*found.lines, case.HOSTS)))
        if not yes:
            if not (sys.stdin.isatty() and sys.stderr.isatty()):
                _end(found, common, 2, "unlock asks before it releases, and there is no terminal: say --yes")
            if not _agrees(inventory):
                _end(found, common, 3, "not confirmed")
        done = case.unlock(found, store)
    if not done.released:
        _end(done, common, 3, "it was given back, or taken by somebody else, meanwhile: look again")
    _end(done, common, 0)


def _agrees(inventory: str) -> bool:
    err(f"Release the lease of {inventory}? [y/N] ")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _end(found: Finding, common: Common, code: int, reason: str | None = None) -> NoReturn:
    from json import dumps

    if reason is not None:
        err(f"deployer: {reason}\n")
    with out():
        if common.json:
            typer.echo(dumps(found.as_json(exit_code=code, reason=reason), indent=2, ensure_ascii=False))
        elif found.held is None:
            typer.echo(found.lines[0])
        elif found.released:
            typer.echo(found.ended)
    raise typer.Exit(code)
