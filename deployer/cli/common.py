"""The options that every command on an inventory has: declared once, handed over as one :class:`Common`."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from deployer.cli.signals import touched
from deployer.cli.streams import tell
from deployer.errors import DeployerError, Interrupted, OperatorNeeded, Refused, UsageError
from deployer.model import Outcome
from deployer.report.words import clean
from deployer.shortage import lack

HERE = Path()
MOST_OF_A_NAME = 200  #: characters of a file's name that a sentence holds
Inventory = Annotated[
    str, typer.Argument(metavar="INVENTORY", help="Name (inventories/NAME.yml) or path of an inventory.")
]
Yes = Annotated[
    bool, typer.Option("--yes", "-y", envvar="DEPLOYER_YES", help="Do not ask. Needed without a terminal.")
]


@dataclass(frozen=True, kw_only=True)
class Common:
    """What was typed of the shared options."""

    limit: Annotated[
        str | None,
        typer.Option(envvar="DEPLOYER_LIMIT", help="Only these hosts: an Ansible pattern (web:!web3)."),
    ] = None
    project: Annotated[
        Path, typer.Option(envvar="DEPLOYER_PROJECT", help="Project directory.", show_default="here")
    ] = HERE
    playbook: Annotated[
        str | None,
        typer.Option(
            envvar="DEPLOYER_PLAYBOOK", help="Name or path of a playbook; not needed when there is only one."
        ),
    ] = None
    ssh_config: Annotated[
        Path | None,
        typer.Option(envvar="DEPLOYER_SSH_CONFIG", help="OpenSSH client configuration  [~/.ssh/config]"),
    ] = None
    state: Annotated[
        str | None,
        typer.Option(envvar="DEPLOYER_STATE", help="URL of the journal  [SQLite under XDG_STATE_HOME]"),
    ] = field(default=None, repr=False)
    json: Annotated[
        bool,
        typer.Option("--json", envvar="DEPLOYER_JSON", help="One JSON document on stdout."),
    ] = False
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, envvar="DEPLOYER_VERBOSE", help="Say more.")
    ] = 0
    log: Annotated[
        str | None,
        typer.Option(
            metavar="json|journald",
            envvar="DEPLOYER_LOG",
            help="Fields instead of lines: JSON on stderr, or systemd's journal.",
        ),
    ] = None
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", envvar="DEPLOYER_QUIET", help="Say only warnings and how it ended."),
    ] = False


def with_common(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the shared options after its own; it takes them as its parameter ``common``."""
    hints = get_type_hints(command, include_extras=True)
    shared = get_type_hints(Common, include_extras=True)
    own = [
        parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(command).parameters.items()
        if name != "common"
    ]
    added = [
        inspect.Parameter(
            f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=shared[f.name]
        )
        for f in fields(Common)
    ]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        os.environ.pop("DEPLOYER_STATE", None)  # it may hold a password, and git and ssh need not know it
        common = Common(**{f.name: given.pop(f.name) for f in fields(Common)})
        with errors_told(common.json):
            command(**given, common=common)

    run.__annotations__ = {p.name: p.annotation for p in (*own, *added)}
    run.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
    del run.__wrapped__  # or its signature would be looked up instead
    return run


@contextmanager
def errors_told(json: bool) -> Iterator[None]:
    """Who asked for JSON gets one document also when it ends early: a result's keys, without hosts."""
    try:
        yield
    except Exception as error:
        told = as_told(error)
        if told is None:
            raise
        if json:
            interrupted = isinstance(told, Interrupted)
            tell_early_end(str(told), told.exit_code, interrupted=interrupted, runbook=told.runbook)
        raise told from error.__cause__


def as_told(error: Exception) -> DeployerError | None:
    """What a person is told of it; ``None``: it is a bug. What the machine did not give is none."""
    if isinstance(error, DeployerError):
        return error
    if (lacked := lack(error)) is None:
        return None
    if touched():
        return OperatorNeeded(
            f"{lacked}: hosts may have been left half-way; give it more, then look with 'deployer status' "
            "and end it with 'deployer recover'"
        )
    return Refused(f"{lacked}; nothing was changed: give it more, then try again")


@contextmanager
def files_told() -> Iterator[None]:
    """What was named on the command line and the system does not give is wrong use.

    For what is read before any host is touched: afterwards that is no answer to "is the fleet safe?".

    :raises UsageError: naming the file.
    """
    try:
        yield
    except OSError as error:
        if not isinstance(error.filename, str | bytes | os.PathLike) or lack(error) is not None:
            raise
        name = clean(os.fsdecode(error.filename))
        shown = name if len(name) <= MOST_OF_A_NAME else f"{name[:MOST_OF_A_NAME]}…"
        raise UsageError(f"{shown} cannot be read: {error.strerror}") from None


def tell_early_end(
    reason: str, exit_code: int, *, interrupted: bool = False, runbook: str | None = None
) -> None:
    """The JSON document of a command that did not come to its result."""
    from json import dumps

    outcome = Outcome.INTERRUPTED if interrupted else Outcome.REFUSED
    said = {"outcome": outcome.value, "exit_code": exit_code, "revision": None, "reason": reason}
    helped = {"help": runbook} if runbook else {}
    tell(dumps({"id": None, **said, "hosts": {}, "waves": [], "seconds": 0.0, **helped}, indent=2))
