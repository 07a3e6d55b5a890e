"""What the regular expression of a server's name holds of a name, and names that hold a given text. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.nginx.samples import groups, samples
from deployer.nginx.sites import Server


def captured(server: Server, name: str) -> dict[str, str]:
    """Variables of the first expression among a server's names that fits; by name, without ``$``."""
    for pattern in server.names:
        found = groups(pattern[1:], name) if pattern.startswith("~") else None
        if found is not None:
            return {key: text for key, text in found.items() if not key.isdigit()}
    return {}


def variables(pattern: str) -> tuple[str, ...]:
    """What the expression of a name calls what it holds."""
    made = samples(pattern[1:], ignore_case=True, limit=1)
    found = groups(pattern[1:], made[0], ignore_case=True) if made else None
    return tuple(key for key in found or () if not key.isdigit())


def spelt_with(pattern: str, variable: str, text: str) -> str | None:
    """A name for which an expression holds just this text in a variable; ``None``: none was found."""
    return next(_spelt(pattern[1:], variable, text.lower()), None)


def _spelt(expression: str, variable: str, text: str) -> Iterator[str]:
    for made in samples(expression, ignore_case=True, limit=4):
        held = (groups(expression, made, ignore_case=True) or {}).get(variable)
        if not held:
            continue
        start = made.find(held)
        while start >= 0:
            name = made[:start] + text + made[start + len(held) :]
            if (groups(expression, name) or {}).get(variable) == text:
                yield name
            start = made.find(held, start + 1)
