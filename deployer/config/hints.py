"""Names that were nearly right."""

from __future__ import annotations

from collections.abc import Iterable


def warn(message: str, *values: object) -> None:
    """Tell the operator something that is no error."""
    import logging

    logging.getLogger("deployer").warning(message, *values)


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """``; did you mean "children"?``, or nothing when no known word is near."""
    from difflib import get_close_matches

    near = get_close_matches(wrong, list(known), n=1, cutoff=0.6)
    return f'; did you mean "{near[0]}"?' if near else ""


def listing(names: Iterable[str], *, limit: int = 12) -> str:
    """``a, b, c and 4 more``, or ``nothing``."""
    found = list(names)
    if not found:
        return "nothing"
    more = len(found) - limit
    return ", ".join(found[:limit]) + (f" and {more} more" if more > 0 else "")
