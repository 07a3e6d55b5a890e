"""``${NAME}`` and ``${file:PATH}`` in a playbook: what must not stand there, and what they stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from pydantic import ValidationInfo

MOST_BYTES = 64_000  #: of a file with a secret
REFERENCE = re.compile(r"\$\{(?:file:(?P<file>[^{}\0]+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*))\}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


@dataclass(frozen=True, slots=True)
class Referring:
    """A text with references to what must not stand in a playbook; it may be secret as a whole.

    :ivar text: as it is written: ``${NAME}`` is a variable of the environment, ``${file:PATH}`` a file.
    :ivar base: the project directory, from which a relative path is meant.
    """

    text: str = field(repr=False)
    base: Path = field(default=Path(), compare=False)

    @property
    def whole(self) -> bool:
        """It is one reference and nothing else."""
        return REFERENCE.fullmatch(self.text) is not None

    @property
    def scheme(self) -> str:
        """``slack`` of ``slack://…``; empty where only the reference knows it."""
        found = _SCHEME.match(self.text)
        return found[1].lower() if found else ""


def referring(value: Any, info: ValidationInfo) -> Referring:
    """A text, its references well formed. No message quotes it: it may hold a secret."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("expected a line of text")
    if "${" in REFERENCE.sub("", value):
        raise ValueError("a reference is written ${NAME} (a variable) or ${file:PATH} (a file)")
    return Referring(value, info.context if isinstance(info.context, Path) else Path())


class Unknown(Exception):
    """A reference leads nowhere. The message names it, never a value."""


def value_of(found: Referring, environment: Mapping[str, str]) -> str:
    """The text with what its references stand for.

    One that is the whole text is taken as it is; one that is a part of a URL is percent-encoded, so that a
    password may hold any character.

    :raises Unknown: a variable that is not set, a file that cannot be read, or either empty.
    """

    def known(match: re.Match[str]) -> str:
        if match["name"]:
            value = environment.get(match["name"], "")
            if not value:
                raise Unknown(f"the variable {match['name']} is not set")
        else:
            value = _content(found.base, match["file"])
        return value if found.whole else quote(value, safe="")

    return REFERENCE.sub(known, found.text)


def _content(base: Path, name: str) -> str:
    path = base.absolute() / Path(name).expanduser()
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES)
        value = raw.decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise Unknown(f"the file {name} cannot be read: {why}") from None
    if not value:
        raise Unknown(f"the file {name} is empty")
    return value
