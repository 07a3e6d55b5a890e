"""What somebody says is meant: ``--accept-change`` and ``--reason``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

AcceptChange = Annotated[
    list[str] | None,
    typer.Option(
        "--accept-change",
        metavar="ROUTE",
        envvar="DEPLOYER_ACCEPT_CHANGE",
        help="Let this route (HOST/PATH, with *) be answered worse than now. May be given more than once.",
    ),
]
Reason = Annotated[
    str | None,
    typer.Option(metavar="TEXT", envvar="DEPLOYER_REASON", help="Why; it is recorded with the deployment."),
]


def accepted(routes: Sequence[str] | None, reason: str | None) -> tuple[tuple[str, str], ...]:
    """Each route with the reason; none is given: it is empty.

    :raises UsageError: one is no route, there is a reason and no route, or a reason without a word.
    """
    from deployer.config.compare import route
    from deployer.errors import UsageError

    if reason is not None and not routes:
        raise UsageError("--reason says why a change is accepted; say which with --accept-change ROUTE")
    if reason is not None and not reason.strip():
        raise UsageError("--reason is empty; say why the change is meant, or leave it out")
    try:
        return tuple((route(text), " ".join((reason or "").split())) for text in routes or ())
    except ValueError as error:
        raise UsageError(f"--accept-change: {error}") from None
