"""Globs over paths of a release, as one regular expression that Python and POSIX ``find`` read alike.

``*`` and ``?`` stop at ``/``; ``**/`` is any number of directories, none included; a trailing ``/**`` is all
below; ``[abc]`` and ``[!abc]`` as in sh. A glob is matched against the whole relative path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache


def to_ere(globs: Iterable[str], *, prefix: str = "") -> str:
    """One POSIX extended regular expression for all globs, anchored by its user.

    :param prefix: literal text before each path, ``./`` for what ``find`` prints.
    :raises ValueError: for a glob that is empty, absolute, climbs with ``..`` or holds a newline.
    """
    return "|".join(f"{_literal(prefix)}{_translate(glob)}" for glob in globs)


def matches(path: str, globs: Iterable[str]) -> bool:
    """Whether any of the globs matches the relative path."""
    return any(_compiled(glob).fullmatch(path) for glob in globs)


@lru_cache(maxsize=1024)
def _compiled(glob: str) -> re.Pattern[str]:
    return re.compile(_translate(glob), re.DOTALL)


def _translate(glob: str) -> str:
    if not glob or glob.startswith("/") or "\n" in glob or "\0" in glob or ".." in glob.split("/"):
        raise ValueError(f"{glob!r} is not a glob over relative paths")
    out, at = [], 0
    while at < len(glob):
        if glob.startswith("**/", at) and (at == 0 or glob[at - 1] == "/"):
            out.append("(.*/)?")
            at += 3
        elif glob.startswith("**", at):
            out.append(".*")
            at += 2
        elif glob[at] in "*?":
            out.append("[^/]*" if glob[at] == "*" else "[^/]")
            at += 1
        elif glob[at] == "[" and (end := glob.find("]", at + 2)) > 0:
            body = glob[at + 1 : end]
            out.append(f"[^{body[1:]}]" if body[0] in "!^" else f"[{body}]")
            at = end + 1
        else:
            out.append(_literal(glob[at]))
            at += 1
    return "".join(out)


def _literal(text: str) -> str:
    # A bracket is the one escape that Python's re and POSIX read alike; ^ and \ cannot stand alone in one.
    return "".join(f"\\{c}" if c in "^\\" else f"[{c}]" if c in ".*?+()[]{}|$" else c for c in text)
