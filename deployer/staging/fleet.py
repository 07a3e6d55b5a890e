"""Make a throw-away fleet in the image of an inventory, list what is up, take it down."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployer.config.staging import Keys
from deployer.errors import HostError, Refused, UsageError
from deployer.lab import state as states
from deployer.lab.fleet import Lab
from deployer.lab.memory import free_mb
from deployer.lab.needs import DirectoryTaken, check_machine
from deployer.lab.network import MAX_HOSTS
from deployer.lab.signals import interrupted_once
from deployer.report.words import count
from deployer.staging import inventory as inventories
from deployer.staging.choose import choose, groups_of, machine_names
from deployer.staging.design import Design, design
from deployer.staging.machines import OUTSIDE, Machines, bring_up, start_stubs
from deployer.staging.records import Fleet, Match, directory_of, fleets, save

if TYPE_CHECKING:
    from deployer.model import Host
    from deployer.planning.context import Context
    from deployer.staging.exporting import Export

PARALLEL = 8
HOST_MB = 48  #: of memory that a host of the fleet may need while it is deployed to
Say = Callable[[str], None]


@dataclass(frozen=True)
class Wishes:
    """What was asked for on the command line."""

    name: str | None = None
    per_group: int = 1


def name_for(context: Context, asked: str | None) -> str:
    """The fleet's name: what was asked for, what ``gates.after`` waits for, or ``staging``.

    :raises UsageError: it cannot be one.
    """
    name = asked or context.playbook.gates.after or "staging"
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or name[0] in "-.":
        raise UsageError(f"--name {name!r}: letters, digits and . _ - are expected")
    if name == context.name:
        raise UsageError(
            f"{name} is the inventory itself; a staging fleet of it needs another name: --name NAME"
        )
    return name


def up(context: Context, wishes: Wishes, say: Say) -> Fleet:
    """Make a fleet; what was made of it is gone again when that fails or is interrupted.

    :raises UsageError: the name is taken, or this machine cannot have such a fleet.
    :raises Refused: a host of production does not give its configuration, or it does not validate here.
    """
    with interrupted_once():
        return _up(context, wishes, say)


def _up(context: Context, wishes: Wishes, say: Say) -> Fleet:
    name = name_for(context, wishes.name)
    chosen = choose([h.name for h in context.hosts], context.inventory.groups, wishes.per_group)
    _check(context, name, len(chosen))
    hosts = [host for host in context.hosts if host.name in chosen]
    say(f"asking {count(len(hosts))} of {context.name} for their configuration: {', '.join(chosen)}")
    exports = _exports(context, hosts)
    where = inventories.place(context.project, context.inventory.path, name)
    plan = _Plan(name, directory_of(name), where, exports, design(exports, context.playbook.staging))
    return _made(context, plan, say)


def down(fleet: Fleet) -> None:
    """Remove a fleet, its inventory, and every process, mount and link of it.

    :raises UsageError: whoever asks is not root.
    """
    if os.geteuid() != 0:
        raise UsageError(
            "a staging fleet is made of namespaces and mounts: take it down as root, or with sudo"
        )
    for lab in _labs(fleet.directory):
        lab.down()
    states.remove_directory(fleet.directory)
    with suppress(OSError):
        fleet.directory.parent.rmdir()
    inventories.remove(fleet.inventory)


def find(name: str) -> Fleet:
    """The fleet of that name, or the one that is made in the image of the inventory of that name.

    :raises UsageError: there is none, or there are several.
    """
    there = fleets()
    named = [fleet for fleet in there if fleet.name == name] or [f for f in there if f.production == name]
    if len(named) == 1:
        return named[0]
    if named:
        raise UsageError(f"{name} has several staging fleets; name one: {', '.join(f.name for f in named)}")
    known = f"; there are: {', '.join(f.name for f in there)}" if there else ""
    raise UsageError(f"there is no staging fleet {name!r}{known or '; deployer staging up makes one'}")


def running(fleet: Fleet) -> Mapping[str, bool]:
    """Which of its hosts run."""
    found = {host.name: host.running for lab in _labs(fleet.directory) for host in lab.status()}
    return {host.name: found.get(host.machine, False) for host in fleet.hosts}


@dataclass(frozen=True)
class _Plan:
    """All that is decided before the first host is made."""

    name: str
    directory: Path
    where: Path
    exports: Sequence[Export]
    design: Design


def _made(context: Context, plan: _Plan, say: Say) -> Fleet:
    from deployer.staging.certificates import Authority

    exports, made, where, directory = plan.exports, plan.design, plan.where, plan.directory
    machines = machine_names([e.host.name for e in exports], reserved=(OUTSIDE,))
    authority = Authority(f"staging of {context.name}"[:60])
    filler = Machines(made, machines, authority, context.playbook.target.directory)
    _check(context, plan.name, len(exports))  # again: production may have taken its time
    say(f"starting {count(len(exports))} with real sshd and nginx on this machine")
    try:
        lab = Lab.up(
            directory,
            hosts=len(exports) + 1,
            name=f"staging {plan.name}",
            names=[*machines.values(), OUTSIDE],
            seed=filler.seed,
        )
    except DirectoryTaken as error:
        raise UsageError(_being_made(plan.name)) from error
    try:
        notes = [*_unlike(context), *made.notes, *start_stubs(lab, made, machines, authority)]
        for host, machine in machines.items():
            notes += bring_up(lab.host(machine), host, hide=context.veil.hide)
        (directory / "ca.pem").write_bytes(authority.pem)
        addresses = {host: lab.host(machine).address for host, machine in machines.items()}
        connection = {
            "ansible_user": "root",
            "ansible_port": 22,
            "deployer_ssh_config": str(lab.ssh_config),
            "deployer_ca": str(directory / "ca.pem"),
        }
        groups = groups_of(addresses, context.inventory.groups)
        say("comparing its answers with production's")
        matches = _compared(lab, addresses, exports)
        # Last: who is killed before this leaves no inventory of hosts that are not there.
        notes += inventories.write(where, context.inventory, addresses, groups, connection)
        fleet = Fleet.of(
            name=plan.name, production=context.name, project=context.project.absolute(), inventory=where,
            directory=directory, machines=machines, addresses=addresses, groups=groups, matches=matches,
            stubs=len(made.stubs), notes=tuple(dict.fromkeys(notes)), made=time.time(),
        )  # fmt: skip
        save(fleet)
        lab.detach()
    except BaseException:
        inventories.remove(where)  # ours from here on: before, another one may make the same fleet
        lab.down()
        raise
    return fleet


def _unlike(context: Context) -> list[str]:
    """What the playbook wants of a host that these hosts cannot do."""
    reload = context.playbook.reload
    if reload is None or Path(reload[0]).name not in ("systemctl", "service"):
        return []
    return [
        f"hosts of staging have no systemd, so reload: [{', '.join(reload)}] fails there; reload: auto works"
    ]


def _check(context: Context, name: str, hosts: int) -> None:
    """Whatever can be known to be in the way before anybody is asked anything."""
    if hosts + 1 > MAX_HOSTS:
        raise Refused(
            f"a staging fleet of {count(hosts)} has no room on this machine (at most {MAX_HOSTS - 1}): "
            "lower --hosts-per-group, or leave groups out with --limit"
        )
    check_machine(hosts + 1, "light")
    directory = directory_of(name)
    there = next((fleet for fleet in fleets() if fleet.name == name), None)
    alive = [lab for lab in _labs(directory) if not lab.state.abandoned]
    if there is not None and alive:
        raise UsageError(
            f"the staging fleet {name} is up already (of {there.production}, in {there.project}); "
            f"take it down with: deployer staging down {name}"
        )
    if alive:
        raise UsageError(_being_made(name))
    if there is not None:
        down(there)  # this machine was restarted under it
    inventories.check_free(context.project, name)
    free = free_mb()
    if free is not None and free < HOST_MB * (hosts + 1):
        raise Refused(
            f"a staging fleet of {count(hosts)} has no room on this machine: {free} MB of memory are free, "
            f"and it may need {HOST_MB * (hosts + 1)} MB; free some, lower --hosts-per-group or "
            "use --limit; nothing was left behind"
        )


def _being_made(name: str) -> str:
    return f"the staging fleet {name} is being made at this moment; wait for it: deployer staging status"


def _exports(context: Context, hosts: Sequence[Host]) -> list[Export]:
    from deployer.host.ssh import Connection
    from deployer.staging.exporting import export

    rules = context.playbook.staging

    def one(host: Host) -> Export:
        connection = Connection(host, context.ssh)
        try:
            return export(
                connection, context.playbook, asking=rules.record, keys=rules.certificates is Keys.COPY
            )
        except HostError as error:
            hidden = context.veil.hide(str(error))
            raise Refused(
                f"{host.name} does not give its configuration, and staging needs it: {hidden}; "
                f"to take another one of its group: --limit 'all:!{host.name}'"
            ) from error
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=PARALLEL, thread_name_prefix="export") as pool:
        return list(pool.map(one, hosts))


def _compared(lab: Lab, addresses: Mapping[str, str], exports: Sequence[Export]) -> dict[str, Match]:
    """How the answers of each host of the fleet are to those of production, status by status."""
    from deployer.host.ssh import Connection, SshOptions
    from deployer.model import Host
    from deployer.staging.recording import again

    found = {}
    for export in exports:
        if not export.recorded:
            continue
        staged = Host(export.host.name, addresses[export.host.name], user="root")
        connection = Connection(staged, SshOptions(config_file=lab.ssh_config))
        try:
            connection.open()
            answers = again(connection, export.recorded)
        finally:
            connection.close()
        other = []
        for one in export.recorded:
            answer = answers.get(one.question)
            if answer is not None and answer.status != one.status:
                other.append(f"{one.question}: {answer.brief}, in production {one.status}")
        found[export.host.name] = Match(len(export.recorded), tuple(other))
    return found


def _labs(directory: Path) -> list[Lab]:
    return [Lab(state) for _, state in states.known() if state is not None and state.directory == directory]


def as_json(fleet: Fleet) -> dict[str, Any]:
    """A fleet as ``--json`` shows it."""
    return {**json.loads(fleet.dump()), "running": dict(running(fleet))}
