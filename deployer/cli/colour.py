"""Colour where there is a terminal that wants it; the same text elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

    from deployer.planning.proposal import Proposal


LOUD = ("REFUSED:", "DRIFTED:", "UNREACHABLE:", "DOES NOT ANSWER:")


def print_plan(proposal: Proposal, *, diff: bool = True, to_stderr: bool = False) -> None:
    """The plan with its diff, coloured on a terminal (``NO_COLOR`` is honoured)."""
    from deployer.cli.plans import plan_lines

    stream = sys.stderr if to_stderr else sys.stdout
    if not stream.isatty():
        for line in plan_lines(proposal, diff=diff):
            stream.write(line + "\n")
        return
    from rich.console import Console

    console = Console(file=stream, highlight=False, soft_wrap=True)
    for line in plan_lines(proposal, diff=diff):
        console.print(styled(line))


def styled(line: str) -> Text:
    """One line of a plan or diff in its colour; its text is never read as markup."""
    from rich.text import Text

    if line.startswith(("--- ", "+++ ")):
        return Text(line, style="bold")
    style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
    if line.startswith("  ") and any(
        word in line for word in ("REFUSED", "DRIFTED", "UNREACHABLE", "DOES NOT ANSWER")
    ):
        style = "bold red"
    return Text(line, style=style)
