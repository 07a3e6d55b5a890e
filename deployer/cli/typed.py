"""What typer does by itself, before a command begins: help, completion, the complaint about wrong use."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from deployer.cli.common import tell_early_end
from deployer.cli.streams import out

_WrongUse: type[Exception] = typer.BadParameter.__mro__[1]
"""Typer raises it for an unknown option or a missing argument; its own name is not public."""


_WHOLE = 1000  #: characters that no first sentence has


class _Untyped:
    """What typer has an option's value read by, made only for one that has a value.

    Typer makes pydantic's reader for every option, typed or not, each of which takes milliseconds.
    """

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """``None`` is what typer makes of it, too."""
        if value is None and not param.multiple and param.nargs == 1:
            return None
        param._runtime_param = None
        return param.get_runtime_param().coerce(value, param=param, ctx=ctx)


class Command(TyperCommand):
    """A command whose ``--help`` ends with 0 also when nobody reads it to its end."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what was typed, as typer does."""
        untyped: Any = _Untyped()
        for param in self.params:
            # A typer that has no such attribute, or a reader already, goes its own way.
            if getattr(param, "_runtime_param", param) is None:
                vars(param)["_runtime_param"] = untyped
        return super().parse_args(ctx, args)

    def make_context(self, *args: Any, **named: Any) -> Any:
        """Read what was typed; ``--help`` is printed in here."""
        with out():
            return super().make_context(*args, **named)
        raise typer.Exit


class Group(TyperGroup):
    """As :class:`Command`, for a command that has others below it."""

    def make_context(self, *args: Any, **named: Any) -> Any:
        """Read what was typed; ``--help`` and completion's script are printed in here."""
        with out():
            return super().make_context(*args, **named)
        raise typer.Exit

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Every command with its whole first sentence: one that breaks off in the middle helps nobody."""
        commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [
            (name, c.get_short_help_str(_WHOLE)) for name, c in commands if c is not None and not c.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def typed(context: typer.Context, name: str) -> bool:
    """Whether an option was typed; its default, or its variable, is what holds always."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def tell_wrong_use(error: BaseException | None, argv: Sequence[str]) -> None:
    """Who asked for JSON gets its document also when what was typed could not be understood.

    :param error: what typer has already said on stderr; nothing happens unless it is about wrong use.
    """
    if isinstance(error, _WrongUse) and _json_wanted(error, argv):
        said: Any = error
        tell_early_end(" ".join(said.format_message().split()), said.exit_code)


def _json_wanted(error: Any, argv: Sequence[str]) -> bool:
    typed = argv[: argv.index("--")] if "--" in argv else argv
    if "--json" in typed:
        return True
    known = {p.name: p for p in error.ctx.command.params} if error.ctx else {}
    option = known.get("json")
    return option is not None and os.environ.get(option.envvar, "").lower() in {
        "1",
        "true",
        "t",
        "yes",
        "y",
        "on",
    }
