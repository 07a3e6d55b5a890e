"""The command line: what is typed and shown, and the one map from error to exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from deployer import __version__
from deployer.cli import commands
from deployer.cli.common import as_told
from deployer.cli.streams import complain, err, tell
from deployer.cli.telling import settle
from deployer.cli.typed import Group, tell_wrong_use
from deployer.errors import DeployerError, Interrupted
from deployer.whoami import have_home

EMERGENCY = "In an emergency: deployer rollback INVENTORY --yes"
EXIT_CODES = (
    "Exit codes: 0 done, 2 wrong use, 3 refused and nothing changed, 4 failed and everything is back, "
    "5 an operator is needed, 6 something is not as it should be, 130 interrupted."
)

HELP = "Deploy nginx configurations to a fleet: validated, proved to be served, back by itself when not."
COMPLETING = "_DEPLOYER_COMPLETE"  #: a shell asks for completions; what was typed so far is not in argv


def program(only: str | None = None) -> typer.Typer:
    """All commands, or one of them: to build the others takes longer than to run a short one.

    :param only: one of :data:`commands.NAMES`.
    """
    app = typer.Typer(
        cls=Group,
        name="deployer",
        help=HELP,
        epilog=f"{EMERGENCY}\n\n{EXIT_CODES}",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_program)  # without it, one command alone would not be called by its name
    commands.register(app, only)
    return app


def __getattr__(name: str) -> typer.Typer:
    """``app``: all commands."""
    if name == "app":
        return program()
    raise AttributeError(name)


def _tell_version(wanted: bool) -> None:
    if wanted:
        tell(f"deployer {__version__}")
        raise typer.Exit


def _program(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_tell_version, help="Print the version and exit."),
    ] = False,
) -> None:
    """Options of the program itself; its help is the program's."""


def run(argv: list[str] | None = None) -> int:
    """Run the command and give its exit code; errors become one sentence on stderr."""
    have_home()
    try:
        return _run(argv)
    finally:
        settle()  # everything was shown by now


def _run(argv: list[str] | None) -> int:
    typed = sys.argv[1:] if argv is None else argv
    only = next((word for word in typed[:1] if word in commands.NAMES and COMPLETING not in os.environ), None)
    try:
        program(only)(typed, prog_name="deployer", standalone_mode=True)
    except SystemExit as done:
        tell_wrong_use(done.__context__, typed)
        return _code(done)
    except KeyboardInterrupt:
        return _said(Interrupted("interrupted before anything was changed"))
    except Exception as error:
        told = as_told(error)
        return _bug(error) if told is None else _said(told)
    return 0


def _code(done: SystemExit) -> int:
    return done.code if isinstance(done.code, int) else 0 if done.code is None else 1


def _said(error: DeployerError) -> int:
    complain(str(error), error.runbook)
    return error.exit_code


def _bug(error: Exception) -> int:
    import traceback

    err(traceback.format_exc())
    err(
        f"deployer: a bug in deployer ({type(error).__name__}); "
        "look at the hosts with 'deployer status' and report the lines above\n"
    )
    return 1
