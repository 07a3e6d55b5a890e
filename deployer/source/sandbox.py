"""The Jinja2 environment of a release: no Python internals, no files, no chance, bounded arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

_MAX_REPEAT = 1_000_000
_MAX_EXPONENT = 1_000


class LimitExceeded(Exception):
    """A template exceeds a limit. The message may be shown: it holds no value of a variable."""


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and abs(right) > _MAX_EXPONENT:
            raise LimitExceeded(f"an exponent is larger than {_MAX_EXPONENT}")
        for one, other in ((left, right), (right, left)):
            if isinstance(one, int) and hasattr(other, "__len__") and one * len(other) > _MAX_REPEAT:
                raise LimitExceeded(f"a repeated text or list is longer than {_MAX_REPEAT}")
        return super().call_binop(context, operator, left, right)


def make_environment(source: Callable[[str], tuple[str, str] | None]) -> Environment:
    """An environment whose templates are found by ``source(path) -> (text, file name)`` alone.

    What depends on chance (``random``, ``lipsum``) is left out: the same revision and variables must give
    the same release.
    """

    def load(name: str) -> tuple[str, str, Callable[[], bool]] | None:
        found = source(name)
        return None if found is None else (*found, lambda: True)

    environment = _Environment(
        loader=FunctionLoader(load),
        undefined=StrictUndefined,
        autoescape=False,  # nginx configuration is not HTML
        keep_trailing_newline=True,
        trim_blocks=True,
        cache_size=-1,
    )
    del environment.globals["lipsum"]
    del environment.filters["random"]
    return environment
