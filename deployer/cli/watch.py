"""``deployer status`` and ``deployer watch``: looking once, or for as long as it is let."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployer.cli import structured
from deployer.cli.common import Common, Inventory
from deployer.cli.streams import err, tell
from deployer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from deployer.planning.context import Context
    from deployer.status import FleetStatus
    from deployer.watch.changes import Change
    from deployer.watch.kept import Shelf
    from deployer.watch.service import Watch

LEAST_INTERVAL_S = 0.5

Once = Annotated[
    bool, typer.Option("--once", envvar="DEPLOYER_ONCE", help="Look once, show it as status does, and end.")
]
Interval = Annotated[
    str,
    typer.Option(
        metavar="DURATION", envvar="DEPLOYER_INTERVAL", help="From one look at a host to the next: 30s or 5m."
    ),
]
Listen = Annotated[
    str | None,
    typer.Option(
        metavar="ADDR:PORT", envvar="DEPLOYER_LISTEN", help="Serve Prometheus metrics there, at /metrics."
    ),
]
TextfileOption = Annotated[
    Path | None,
    typer.Option(
        "--textfile",
        metavar="FILE.prom",
        envvar="DEPLOYER_TEXTFILE",
        help="Write the metrics into a file for node_exporter.",
    ),
]
PrintUnit = Annotated[
    bool,
    typer.Option(
        "--print-unit",
        envvar="DEPLOYER_PRINT_UNIT",
        help="Only print a hardened systemd service that does it.",
    ),
]
EnvironmentFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        envvar="DEPLOYER_ENVIRONMENT_FILE",
        readable=False,
        help="For that service: variables, read by root; DEPLOYER_STATE with a password, for example.",
    ),
]


def status(inventory: Inventory, *, common: Common) -> None:
    """Show what each host serves, and what is wrong with it.

    Live, in memory, good, drift, health. Exit 6 when something is not as it should be.
    """
    from deployer import status as case
    from deployer.cli import setup
    from deployer.cli.signals import Signals

    context = setup.load(inventory, common)
    with Signals():
        found = case.status(context)
    _show(found, json=common.json)


def watch(
    inventory: Inventory,
    *,
    once: Once = False,
    interval: Interval = "30s",
    listen: Listen = None,
    textfile: TextfileOption = None,
    print_unit: PrintUnit = False,
    environment_file: EnvironmentFile = None,
    common: Common,
) -> None:
    """Look at every host again and again, and tell what changes.

    Drift, validity, what is in memory, guards, certificates, checks, errors. SIGHUP reads the files again.
    """
    from deployer.cli import setup

    every_s = setup.seconds("--interval", interval)
    if every_s < LEAST_INTERVAL_S:
        raise UsageError(f"--interval {interval}: at least {LEAST_INTERVAL_S:g} s")
    if once and listen:
        raise UsageError("--once ends at once, so nobody could ask at --listen; use --textfile")
    if listen is not None:
        from deployer.watch.exposing import address_of

        address_of(listen)
    if common.json and not once:
        raise UsageError("--json goes with --once: a watch that goes on has no one document")
    context = setup.load(inventory, common)
    if print_unit:
        if once:
            raise UsageError("--once ends at once: a service is for a watch that goes on")
        every = ("--interval", interval, *(("--listen", listen) if listen is not None else ()))
        _print_unit(context, inventory, every, textfile, environment_file, common=common)
    elif once:
        _once(context, textfile, common)
    else:
        shelf = _shelf(context, common.limit)
        load = partial(setup.load, inventory, common)
        _for_ever(context, every_s, listen, textfile, load=load, shelf=shelf, common=common)


def _print_unit(
    context: Context,
    inventory: str,
    options: tuple[str, ...],
    path: Path | None,
    environment_file: Path | None,
    *,
    common: Common,
) -> None:
    from deployer.schedule.ordering import Typed, watch_order
    from deployer.schedule.units import watch_service

    typed = Typed(
        inventory=inventory,
        playbook=common.playbook,
        ssh_config=common.ssh_config,
        limit=common.limit,
        lock_wait_s=0.0,
        environment_file=environment_file,
    )
    tell(watch_service(watch_order(context, typed, options, path)).rstrip())


def _once(context: Context, path: Path | None, common: Common) -> None:
    from deployer.cli.alerts import tell_once
    from deployer.cli.signals import Signals
    from deployer.status import of_round
    from deployer.watch.exposing import Textfile, registry_of
    from deployer.watch.fleet import Fleet
    from deployer.watch.once import look_once, rules_of, take_in

    shelf = _shelf(context, common.limit)
    with Signals():
        kept = shelf.take()
        hosts = [host.name for host in context.hosts]
        fleet = Fleet(context.name, hosts, rules_of(context), kept, interval_s=0.0)
        file = Textfile(path, registry_of(fleet.now)) if path is not None else None
        found = look_once(context, kept.tallies)
        for change in take_in(fleet, found):
            if not common.quiet:
                _print(change)
        tell_once(context, common, fleet.now)
        left = fleet.kept()
        shelf.put(left.tallies, left.conditions)
        if file is not None:
            try:
                file.write()
            except OSError as error:
                raise UsageError(f"--textfile {path} cannot be written: {error.strerror}") from error
    _show(of_round(found), json=common.json)


def _show(found: FleetStatus, *, json: bool) -> None:
    from json import dumps

    from deployer.cli.tables import status_table

    tell(dumps(found.as_json(), indent=2, ensure_ascii=False) if json else status_table(found))
    raise typer.Exit(found.exit_code)


def _for_ever(
    context: Context,
    every_s: float,
    listen: str | None,
    path: Path | None,
    *,
    load: Callable[[], Context],
    shelf: Shelf,
    common: Common,
) -> None:
    from deployer.cli.alerts import Alerts
    from deployer.report.words import count
    from deployer.watch.exposing import Exposer, Textfile, address_of, registry_of
    from deployer.watch.service import Watch
    from deployer.watch.systemd import Manager

    made = Watch(
        context=context,
        interval_s=every_s,
        shelf=shelf,
        manager=Manager(),
        load=load,
        tell=_print,
    )
    alerts = Alerts(context, common, made.now)

    def tell_all(change: Change) -> None:
        _print(change)
        alerts.hears()

    def load_all() -> Context:
        found = load()
        alerts.take_over(found)
        return found

    made.tell, made.load = tell_all, load_all
    said = f"watching {count(len(context.hosts))} of {context.name}, every {every_s:g} s"
    if listen or path is not None:
        registry = registry_of(made.now)
        if listen:
            exposer = Exposer(address_of(listen), registry)
            exposer.start()
            said += f"; metrics on port {exposer.port}"
        if path is not None:
            made.textfile = Textfile(path, registry)
    if not common.quiet:
        _say(said)
    code = _run(made)
    alerts.stop()
    # What still waits for a frozen host is not waited for.
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _run(watch: Watch) -> int:
    """Until a signal: SIGTERM is the ordinary end of a service, Ctrl-C that of a person."""
    code = 0

    def stop(number: int, _frame: Any) -> None:
        nonlocal code
        code = 130 if number == signal.SIGINT else 0
        watch.ask_to_stop()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, lambda _number, _frame: watch.ask_to_reread())
    watch.run()
    return code


def _shelf(context: Context, limit: str | None) -> Shelf:
    from deployer.watch.kept import Shelf

    return Shelf.of(context.project, context.name, context.playbook.name, limit or "")


def _say(what: str) -> None:
    if (log := structured.current()) is not None:
        log.says("info", what)
    else:
        err(f"{what}\n")


def _print(change: Change) -> None:
    from deployer.report.words import clean, iso
    from deployer.watch.changes import Turn

    if (log := structured.current()) is not None:
        level = "warning" if change.loud and change.turn is not Turn.ENDS else "info"
        log.says(level, clean(change.told), event=change.kind.value, host=change.host, turn=change.turn.value)
        return
    mark = "+" if change.turn is Turn.ENDS else "!" if change.loud else "."
    at = (iso(change.time) or "").partition(".")[0]
    err(f"{at}Z {mark} {clean(change.told)}\n")
