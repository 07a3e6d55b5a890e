"""Which requests are refused by their method. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from deployer.nginx.samples import matches
from deployer.nginx.tree import Directive


def refused(scope: Sequence[Directive], method: str) -> Directive | None:
    """The ``if`` of these blocks that answers a method with an error; ``None``: none does."""
    return next((d for d in _conditions(scope) if _holds(d.args, method) and _says_no(d)), None)


def only_written_to(scope: Sequence[Directive]) -> bool:
    """Whether the innermost block refuses GET, by ``limit_except`` or ``if``, and lets POST through."""

    def closed(method: str) -> bool:
        limits = scope[-1].all("limit_except")
        kept_out = any(
            method not in d.args and any(x.args == ("all",) for x in d.all("deny")) for d in limits
        )
        return kept_out or refused(scope[-1:], method) is not None

    return closed("GET") and not closed("POST")


def _conditions(scope: Sequence[Directive]) -> Iterable[Directive]:
    for block in scope:
        yield from block.all("if")


def _holds(args: Sequence[str], method: str) -> bool:
    if len(args) != 3 or args[0] != "$request_method":
        return False
    _, operator, wanted = args
    if operator in ("=", "!="):
        return (wanted == method) is (operator == "=")
    found = matches(wanted, method, ignore_case=operator.endswith("*"))
    return found is not None and found is not operator.startswith("!")


def _says_no(block: Directive) -> bool:
    return any(d.args and re.fullmatch(r"4\d\d", d.args[0]) for d in block.all("return"))
