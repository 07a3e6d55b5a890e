"""The options that pass a gate, or keep one from closing."""

from __future__ import annotations

from typing import Annotated

import typer

BreakGlass = Annotated[
    str | None,
    typer.Option(
        "--break-glass",
        metavar="REASON",
        envvar="DEPLOYER_BREAK_GLASS",
        help="Pass closed gates (freeze, after, signature, quarantine, lint); journalled with who and why.",
    ),
]
NoQuarantine = Annotated[
    bool,
    typer.Option(
        "--no-quarantine",
        envvar="DEPLOYER_NO_QUARANTINE",
        help="Let what is taken back be deployed again.",
    ),
]
