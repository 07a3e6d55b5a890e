"""All commands and options, asked of the program itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import typer

from deployer.cli.main import app


@cache
def commands() -> Mapping[str, Any]:
    """Every command by what is typed: ``lab up``."""
    return MappingProxyType(dict(_below(typer.main.get_command(app), "")))


def options(command: Any) -> list[Any]:
    """What may be typed after it, without ``--help``."""
    return [p for p in command.params if p.param_type_name == "option" and p.name != "help"]


def arguments(command: Any) -> list[Any]:
    """What has its place."""
    return [p for p in command.params if p.param_type_name == "argument"]


def _below(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _below(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command
