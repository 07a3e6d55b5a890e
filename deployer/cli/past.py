"""``deployer history`` and ``deployer show``: what was done, what changed near a time, one story whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployer.cli.common import HERE, Common, errors_told
from deployer.cli.streams import err, tell
from deployer.cli.typed import typed

if TYPE_CHECKING:
    from deployer.journal.search import Wanted
    from deployer.model import Event
    from deployer.report.when import When

MOST_MINUTES = 366 * 24 * 60.0
State = Annotated[str | None, typer.Option(envvar="DEPLOYER_STATE", help="URL of the journal.")]


def history(
    context: typer.Context,
    inventory: Annotated[
        str | None, typer.Argument(metavar="INVENTORY", help="Only deployments of this inventory.")
    ] = None,
    *,
    number: Annotated[
        int, typer.Option("--number", "-n", min=1, envvar="DEPLOYER_NUMBER", help="How many, newest first.")
    ] = 20,
    host: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            envvar="DEPLOYER_HOST",
            help="Only those with such a host: web1, web*, web*:!web3.",
        ),
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option(
            metavar="REV",
            envvar="DEPLOYER_REVISION",
            help="Only of this revision: as it was asked for, or the beginning of a commit or release.",
        ),
    ] = None,
    outcome: Annotated[
        str | None,
        typer.Option(
            metavar="OUTCOME",
            envvar="DEPLOYER_OUTCOME",
            help="Only those that ended so: deployed, rolled_back …; failed: all that did not end with 0.",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", envvar="DEPLOYER_SINCE", help="Only what was not over by then: 14:15, 2h ago …"
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", envvar="DEPLOYER_UNTIL", help="Only what had begun by then."),
    ] = None,
    around: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            envvar="DEPLOYER_AROUND",
            help="What changed in the minutes before this time, the most suspicious first.",
        ),
    ] = None,
    minutes: Annotated[
        float,
        typer.Option(min=0.1, max=MOST_MINUTES, envvar="DEPLOYER_MINUTES", help="How many, for --around."),
    ] = 15.0,
    state: State = None,
    json: Annotated[bool, typer.Option("--json", envvar="DEPLOYER_JSON", help="As a JSON document.")] = False,
) -> None:
    """List deployments and rollbacks, newest first; or say what changed near a time."""
    from deployer.errors import UsageError
    from deployer.journal.search import Wanted

    with errors_told(json):
        name = Path(inventory).stem if inventory else None
        if around is not None:
            _refuse_with_around(host=host, revision=revision, outcome=outcome, since=since, until=until)
            return _around(_time("--around", around, past=True), minutes, name, state, json=json)
        if typed(context, "minutes"):  # a variable is there for whoever says --around now and then
            raise UsageError(_minutes_alone(minutes))
        start = _time("--since", since).seconds if since is not None else None
        end = _time("--until", until).seconds if until is not None else None
        wanted = Wanted(name, host, revision, _outcome(outcome), start, end)
        return _list(wanted, number, state, json=json)


def _list(wanted: Wanted, number: int, state: str | None, *, json: bool) -> None:
    from deployer.journal.search import Wanted, search
    from deployer.journal.store import Store
    from deployer.report.history import history_json, history_table

    with Store.open(state, read_only=True) as store:
        records = list(search(store, wanted, limit=number))
        empty = not records and not list(search(store, Wanted(), limit=1))
    if json:
        return _document({"deployments": history_json(records)})
    if not records and not empty:
        return tell("No deployment of this journal is so; all of them: deployer history")
    hosts = wanted.matches if wanted.host is not None else None
    return tell(history_table(records, hosts=hosts))


def _around(when: When, minutes: float, inventory: str | None, state: str | None, *, json: bool) -> None:
    from deployer.explain import look_around
    from deployer.journal.store import Store
    from deployer.report.around import around_json, around_text

    with Store.open(state, read_only=True) as store:
        look = look_around(store, when, minutes, inventory)
    if json:
        return _document(around_json(look))
    return tell(around_text(look))


def show(
    deployment: Annotated[
        str, typer.Argument(metavar="ID", help="Id of a deployment, or its beginning; 'last' is the newest.")
    ],
    *,
    format_: Annotated[
        str,
        typer.Option(
            "--format", metavar="text|markdown|html|json", envvar="DEPLOYER_FORMAT", help="How it is told."
        ),
    ] = "text",
    measure: Annotated[
        str | None,
        typer.Option(
            metavar="INVENTORY",
            envvar="DEPLOYER_MEASURE",
            help="First count requests in the access logs of the hosts that it switched.",
        ),
    ] = None,
    project: Annotated[
        Path,
        typer.Option(
            envvar="DEPLOYER_PROJECT", help="Project directory, for --measure.", show_default="here"
        ),
    ] = HERE,
    playbook: Annotated[
        str | None,
        typer.Option(envvar="DEPLOYER_PLAYBOOK", help="Name or path of a playbook, for --measure."),
    ] = None,
    ssh_config: Annotated[
        Path | None,
        typer.Option(envvar="DEPLOYER_SSH_CONFIG", help="OpenSSH client configuration, for --measure."),
    ] = None,
    state: State = None,
    json: Annotated[bool, typer.Option("--json", envvar="DEPLOYER_JSON", help="--format json.")] = False,
) -> None:
    """Explain one deployment: what happened, to whom, why, and what follows.

    A failed one as a draft of a post-mortem. Times are UTC.
    """
    from deployer.errors import UsageError
    from deployer.explain import belonging
    from deployer.journal.store import Store
    from deployer.report.timeline import FORMATS, timeline

    chosen: Any = "json" if json else format_
    with errors_told(json):
        if chosen not in FORMATS:
            raise UsageError(f"--format {format_!r} is not known; it is text, markdown, html or json")
        with Store.open(state, read_only=measure is None) as store:
            record = store.deployment(deployment)
            events = store.events(record.id)
            around = belonging(store, record, events)
            if measure is not None:
                common = Common(project=project, playbook=playbook, ssh_config=ssh_config, state=state)
                events = (*events, _measured(measure, common, store, record, events, around))
    tell(timeline(record, events, format=chosen, around=around))


def _measured(inventory: str, common: Common, *known: Any) -> Event:
    from deployer.cli import setup
    from deployer.explain import measured_now

    os.environ.pop("DEPLOYER_STATE", None)  # it may hold a password, and ssh need not know it
    context = setup.load(inventory, common)
    store, record, events, around = known
    event = measured_now(context, store, record, events, around)
    unread = event.detail["unread"]
    for name, why in unread.items():
        err(f"deployer: {name}: not measured: {why}\n")
    return event


def _outcome(text: str | None) -> str | None:
    from deployer.errors import UsageError
    from deployer.journal.search import OUTCOMES

    if text is None:
        return None
    word = text.strip().lower().replace("-", "_").replace(" ", "_")
    if word not in OUTCOMES:
        raise UsageError(f"--outcome {text!r} is not known; it is one of {', '.join(OUTCOMES)}")
    return word


def _time(option: str, text: str, *, past: bool = False) -> When:
    from datetime import datetime

    from deployer.errors import UsageError
    from deployer.report.when import parse_time

    now = datetime.now().astimezone()
    try:
        when = parse_time(text, now)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
    if past and when.seconds > now.timestamp():
        raise UsageError(f"{option}: {when.shown} is still to come; did you mean 'yesterday …'?")
    return when


def _minutes_alone(minutes: float) -> str:
    return (
        f"--minutes goes with --around TIME; 'history --since \"{minutes:g}m ago\"' lists the last "
        f"{minutes:g} minutes, 'history --around now --minutes {minutes:g}' says what changed in them"
    )


def _refuse_with_around(**given: str | None) -> None:
    from deployer.errors import UsageError

    for name, value in given.items():
        if value is not None:
            raise UsageError(f"--around names what changed near a time; it does not go with --{name}")


def _document(document: Any) -> None:
    from json import dumps

    tell(dumps(document, indent=2, ensure_ascii=False))
