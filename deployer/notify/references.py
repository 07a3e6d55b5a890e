"""What ``${NAME}`` and ``${file:PATH}`` stand for, and keeping that out of whatever is printed or kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from deployer.config.notify import REFERENCE, Referring

MASK = "********"
SHORTEST = 4  #: a shorter piece of an URL is not looked for: it would tear other words apart
MOST_BYTES = 64_000  #: of a file with a secret


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


class Scrubber:
    """Takes out of a text every part of the URLs and secrets it was told of."""

    def __init__(self) -> None:
        self._words: set[str] = set()

    def learn(self, *texts: str) -> None:
        """These are not to be seen: as a whole, nor the parts of a URL."""
        self._words.update(piece for text in texts for piece in _pieces(text))

    def scrub(self, text: str) -> str:
        """The text with a mask in place of each."""
        for word in sorted(self._words, key=len, reverse=True):
            text = text.replace(word, MASK)
        return text


def _pieces(text: str) -> Iterable[str]:
    parts = [text]
    try:
        url = urlsplit(text)
        user, at, host = url.netloc.rpartition("@")
        parts += [url.netloc, *user.split(":"), *(host.split(":") if at else [host])]
        parts += [*url.path.split("/"), *re.split(r"[&=]", url.query), url.fragment]
    except ValueError:
        pass
    for part in parts:
        for form in (part, unquote(part), quote(unquote(part), safe="")):
            if len(form) >= SHORTEST:
                yield form
