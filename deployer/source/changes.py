"""What a plan shows: text differences that are safe on a terminal, and the commits between two revisions."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from deployer.model import Kind
    from deployer.source.git import Commit, Mirror

MAX_BYTES = 256 << 10
MAX_LINES = 4_000

_PRIVATE = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY")
_PRIVATE_NAME = re.compile(r"(\.(key|p12|pfx|jks)|(^|[./])htpasswd|\.htpasswd|\.passwd)$", re.IGNORECASE)
_COMMIT = re.compile(r"[0-9a-f]{12,40}")


def text_diff(
    path: str,
    old: bytes | None,
    new: bytes | None,
    *,
    kinds: tuple[Kind, Kind] | None = None,
    context: int = 3,
    shows: Callable[[str], str] | None = str,
) -> list[str]:
    """A unified diff in lines without line ends; ``None`` is a file that is not there.

    :param kinds: what the path was and becomes, when both are there; a changed one is shown. The content of
        a link is its target.
    :param shows: what to show for a line; ``None``: no line may be shown.

    Private keys and password files are said to differ, not shown; so are binary and huge files. Control
    characters are made visible, for a diff must not be able to move the cursor of who reads it.
    """
    changed = [f"{kinds[0]} becomes {kinds[1]}"] if kinds is not None and kinds[0] is not kinds[1] else []
    if old == new:
        return [f"    {_visible(path)}: {changed[0]}"] if changed else []
    name = _visible(path)
    head = [f"--- {f'a/{name}' if old is not None else '/dev/null'}"]
    head.append(f"+++ {f'b/{name}' if new is not None else '/dev/null'}")
    summary = _summary(path, old, new, hidden=shows is None)
    if summary or shows is None:
        return [*head, *changed, *summary]
    # Compared as they are: a masked value that changes is a change.
    compared = list(difflib.unified_diff(lines(old), lines(new), n=context, lineterm=""))[2:]
    body = [line if line.startswith("@@ ") else line[0] + shows(line[1:]) for line in compared]
    return [*head, *changed, *body]


def _summary(path: str, old: bytes | None, new: bytes | None, *, hidden: bool) -> list[str]:
    sides = [side for side in (old, new) if side is not None]
    sizes = " → ".join("absent" if side is None else _size(len(side)) for side in (old, new))
    if _PRIVATE_NAME.search(path) or any(_PRIVATE.search(side) for side in sides):
        return [f"(content hidden: key or password file, {sizes})"]
    if any(b"\0" in side for side in sides):
        return [f"(binary file, {sizes})"]
    if any(len(side) > MAX_BYTES or side.count(b"\n") > MAX_LINES for side in sides):
        return [f"(too large to show, {sizes})"]
    return [f"(content hidden: it depends on secret values, {sizes})"] if hidden else []


def _size(count: int) -> str:
    if count < 10_000:
        return f"{count} B"
    return f"{count / 1e3:.1f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"


def lines(content: bytes | None) -> list[str]:
    """The lines of a file, safe on a terminal."""
    if not content:
        return []
    found = content.decode("utf-8", "backslashreplace").split("\n")
    if found[-1]:
        found[-1] += " \\ no newline at end of file"
    else:
        found.pop()
    return [_visible(line) for line in found]


def _visible(text: str) -> str:
    return "".join(c if c == "\t" or c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@dataclass(frozen=True, slots=True)
class Between:
    """Commits that lead from one revision to another, newest first.

    :ivar gained: reachable from the new revision only.
    :ivar lost: reachable from the old one only: not empty when going back or to another branch.
    :ivar more: there are more than were asked for.
    """

    gained: tuple[Commit, ...]
    lost: tuple[Commit, ...]
    more: bool


def log_between(mirror: Mirror, old: str, new: str, *, path: str = ".", limit: int = 20) -> Between | None:
    """The commits between two ids (12 to 40 hex digits) that touch ``path``; ``None`` when git lacks one.

    Never uses the network.
    """
    if not mirror.directory.is_dir() or not (_COMMIT.fullmatch(old) and _COMMIT.fullmatch(new)):
        return None
    if not all(mirror.commits("--no-walk", each, "--", limit=1) for each in (old, new)):
        return None
    parts = [part for part in path.split("/") if part not in ("", ".")]
    only = ("--", "/".join(parts)) if parts else ("--",)
    gained = mirror.commits(f"{old}..{new}", *only, limit=limit + 1)
    lost = mirror.commits(f"{new}..{old}", *only, limit=limit + 1)
    return Between(gained[:limit], lost[:limit], len(gained) > limit or len(lost) > limit)
