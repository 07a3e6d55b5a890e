"""``deployer staging``: a throw-away fleet on this machine in the image of an inventory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deployer.cli.common import Common, Inventory, errors_told, with_common
from deployer.cli.streams import err, tell
from deployer.cli.typed import Command, Group

if TYPE_CHECKING:
    from deployer.staging.records import Fleet

staging = typer.Typer(
    cls=Group,
    help="A throw-away fleet on this machine in the image of an inventory.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Which = Annotated[
    str, typer.Argument(metavar="NAME", help="Of the fleet, or of the inventory in whose image it is made.")
]
Json = Annotated[bool, typer.Option("--json", envvar="DEPLOYER_JSON", help="One JSON document on stdout.")]


def up(
    inventory: Inventory,
    *,
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            envvar="DEPLOYER_STAGING_NAME",
            help="Name of the fleet, and of its inventory  [gates.after of the playbook, or staging]",
        ),
    ] = None,
    hosts_per_group: Annotated[
        int,
        typer.Option(
            "--hosts-per-group",
            min=1,
            max=100,
            envvar="DEPLOYER_HOSTS_PER_GROUP",
            help="How many hosts of each group get an image.",
        ),
    ] = 1,
    common: Common,
) -> None:
    """Make hosts with the live configuration of real ones, and an inventory of them to deploy to.

    Production is only read. Private keys stay there; what stands behind nginx is stubbed (docs/staging.md).
    """
    from deployer.cli import setup
    from deployer.staging import fleet as case

    setup.not_empty("--name", name)
    context = setup.load(inventory, common)

    def say(text: str) -> None:
        if not common.quiet and not common.json:
            err(f"{text}\n")

    made = case.up(context, case.Wishes(name, hosts_per_group), say)
    if common.json:
        _document(made)
        return
    if not common.quiet:
        for note in made.notes:
            err(f"note: {note}\n")
    for line in _lines(made):
        tell(line)
    tell(f"To deploy to it: deployer deploy {made.name} --rev REVISION")
    tell(f"To remove it:    deployer staging down {made.name}")


def down(fleet: Which, *, json: Json = False) -> None:
    """Remove a fleet: its hosts, its inventory, every process, mount and link of it."""
    from json import dumps

    from deployer.staging import fleet as case

    with errors_told(json):
        found = case.find(fleet)
        case.down(found)
    tell(dumps({"removed": found.name}) if json else f"the staging fleet {found.name} is gone")


def status(
    fleet: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="One fleet; otherwise all of this machine that are yours."),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """List the fleets that are up, their hosts, and how their answers were to production's."""
    from json import dumps

    from deployer.staging import fleet as case
    from deployer.staging.records import fleets

    with errors_told(json):
        found = fleets() if fleet is None else [case.find(fleet)]
    if json:
        tell(dumps({"fleets": [case.as_json(each) for each in found]}, indent=2, ensure_ascii=False))
        return
    for each in found:
        for line in _lines(each):
            tell(line)
    if not found:
        tell("no staging fleet is up; deployer staging up INVENTORY makes one")


def _document(made: Fleet) -> None:
    from json import dumps

    from deployer.staging.fleet import as_json

    tell(dumps(as_json(made), indent=2, ensure_ascii=False))


def _lines(fleet: Fleet) -> list[str]:
    """A fleet as a tired person reads it."""
    from deployer.staging.fleet import running

    alive = running(fleet)
    lines = [f"{fleet.name}: in the image of {fleet.production}, {fleet.inventory}"]
    for host in fleet.hosts:
        state = "running" if alive[host.name] else "off"
        groups = ", ".join(host.groups) or "no group"
        lines.append(f"  {host.name}  {host.address}  {state}  ({groups}){_match(host.match)}")
        if host.match is not None:
            lines += [f"    {text}" for text in host.match.other[:5]]
            more = len(host.match.other) - 5
            lines += [f"    … and {more} more"] if more > 0 else []
    if not any(alive.values()):
        lines.append(f"  this machine was restarted under it: deployer staging down {fleet.name}")
    return lines


def _match(match: object) -> str:
    from deployer.staging.records import Match

    if not isinstance(match, Match):
        return "  not compared with production"
    same = match.asked - len(match.other)
    return f"  {same} of {match.asked} answers as in production"


staging.command("up", cls=Command)(with_common(up))
staging.command("down", cls=Command)(down)
staging.command("status", cls=Command)(status)
