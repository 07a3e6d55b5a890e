"""What hosts say may quote a secret that was rendered for them: it is hidden before anybody hears it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from deployer.errors import HostError

Hide = Callable[[str], str]
"""A text without the secrets in it; ``str`` where there are none."""

E = TypeVar("E", bound=HostError)


def hidden(error: E, hide: Hide) -> E:
    """The same error, its sentence and its details without secrets."""
    error.args = (hide(str(error)),)
    details: tuple[str, ...] = getattr(error, "details", ())
    if details:
        error.details = tuple(map(hide, details))  # type: ignore[attr-defined]
    return error
