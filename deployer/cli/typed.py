"""What typer does by itself, before a command begins: help, completion. Whoever reads it may go away."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from deployer.cli.streams import out


class Command(TyperCommand):
    """A command whose ``--help`` ends with 0 also when nobody reads it to its end."""

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
