"""Keeping secrets out of whatever is printed or kept."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote, urlsplit

MASK = "********"
SHORTEST = 4  #: a shorter piece of an URL is not looked for: it would tear other words apart


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
