"""``deployer lab``: a fleet of real sshd and nginx hosts on this machine, to try every other command on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deployer.cli.streams import tell
from deployer.cli.typed import Command, Group

lab = typer.Typer(
    cls=Group,
    help="A fleet of real sshd and nginx hosts on this machine.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Option("--name", envvar="DEPLOYER_LAB_NAME", help="Name of the lab.")]
Directory = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        envvar="DEPLOYER_LAB_DIR",
        help="Where it is kept.",
        show_default="XDG_STATE_HOME/deployer/lab/NAME",
    ),
]


@lab.command(cls=Command)
def up(
    hosts: Annotated[
        int, typer.Option("--hosts", min=1, max=240, envvar="DEPLOYER_LAB_HOSTS", help="How many.")
    ] = 5,
    init: Annotated[
        str,
        typer.Option(
            "--init",
            metavar="light|systemd",
            envvar="DEPLOYER_LAB_INIT",
            help="light: sshd and nginx only.",
        ),
    ] = "light",
    name: Name = "lab",
    directory: Directory = None,
) -> None:
    """Start hosts, and write an inventory, an ssh config and a sample repository for them."""
    from deployer.errors import UsageError
    from deployer.lab.fleet import Lab, default_directory

    where = directory or default_directory(name)
    if init == "systemd":
        made = Lab.up(where, hosts=hosts, init="systemd", name=name, detached=True)
    elif init == "light":
        made = Lab.up(where, hosts=hosts, init="light", name=name, detached=True)
    else:
        raise UsageError(f"--init {init!r} is not known; it is light or systemd")
    tell(f"{hosts} hosts are up. To try the other commands on them:")
    tell(f"  export DEPLOYER_PROJECT={made.project} DEPLOYER_SSH_CONFIG={made.ssh_config}")
    tell(f"  deployer deploy lab        # the configuration is in {made.repo}")
    tell(f"  ssh -F {made.ssh_config} {made.hosts[0].name}")
    tell("  deployer lab down" + (f" --dir {directory}" if directory else f" --name {name}"))


@lab.command(cls=Command)
def down(name: Name = "lab", directory: Directory = None) -> None:
    """Stop the hosts and remove every process, mount, namespace and link of the lab."""
    from deployer.lab.fleet import Lab, default_directory, sweep

    swept = sweep()
    where = directory or default_directory(name)
    if swept:
        tell(f"removed what was left of: {', '.join(swept)}")
    Lab.load(where).down()
    tell("the lab is gone")


@lab.command(cls=Command)
def status(name: Name = "lab", directory: Directory = None) -> None:
    """Show which hosts run."""
    from deployer.lab.fleet import Lab, default_directory

    for host in Lab.load(directory or default_directory(name)).status():
        state = "cut off" if host.cut else "running" if host.running else "off"
        tell(f"{host.name}  {host.address}  {state}")
