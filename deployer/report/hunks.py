"""The journalled diff in its hunks, and which of them a failure points at. Pure.

What nginx names by file and line is named here as well. What a check found can only be compared with the
words of the change: then it is said that this is no proof.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployer.model import Event
from deployer.report.words import clean

STEP = "diff"
_PLACE = re.compile(r"( in /|lint found )([^\s:]+):(\d{1,7})\b")
_HEADER = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@")
_STATUS = re.compile(r"\bgot ([1-5][0-9][0-9])\b|\banswered ([1-5][0-9][0-9])\b|\b(5[0-9][0-9])\b")
_QUOTED = re.compile(r'"([^"]{3,80})"')


@dataclass(frozen=True)
class Hunk:
    """A part of the change of one file.

    :ivar lines: with their sign in front, without the ``@@`` line; ready to be shown, nothing else.
    :ivar first: number of its first line in the new file; 0 where the diff says none.
    :ivar size: lines of the new file that it covers.
    :ivar drift: edited by hand on the hosts, not brought by the deployment.
    """

    path: str
    hosts: tuple[str, ...]
    header: str
    lines: tuple[str, ...]
    first: int = 0
    size: int = 0
    drift: bool = False

    @property
    def added(self) -> str:
        """What comes."""
        return "\n".join(line[1:] for line in self.lines if line.startswith("+"))


@dataclass(frozen=True)
class Commit:
    """One that the deployment brought, or dropped."""

    sha: str
    author: str
    subject: str


@dataclass(frozen=True)
class Change:
    """What the journal has of a change.

    :ivar known: whether a diff was journalled at all.
    :ivar cut: lines that were left out, for there were too many.
    """

    hunks: tuple[Hunk, ...] = ()
    brings: tuple[Commit, ...] = ()
    drops: tuple[Commit, ...] = ()
    known: bool = False
    cut: int = 0


@dataclass(frozen=True)
class Blamed:
    """The hunks that a failure points at.

    :ivar proved: nginx itself named the place.
    :ivar why: how it was found, a clause for a sentence.
    """

    hunks: tuple[Hunk, ...] = ()
    proved: bool = False
    why: str = ""


def change_of(events: Iterable[Event]) -> Change:
    """Read the journalled diff."""
    hunks: list[Hunk] = []
    known, cut = False, 0
    brings: tuple[Commit, ...] = ()
    drops: tuple[Commit, ...] = ()
    for event in events:
        if event.step != STEP or event.host is not None:
            continue
        known = True
        brings, drops = _commits(event.detail.get("brings")), _commits(event.detail.get("drops"))
        for diff in _list(event.detail.get("diffs")):
            if not isinstance(diff, Mapping):
                continue
            hosts = tuple(map(str, _list(diff.get("hosts"))))
            left_out = diff.get("cut")
            cut += left_out if isinstance(left_out, int) else 0
            files = diff.get("files")
            for path, lines in files.items() if isinstance(files, Mapping) else ():
                hunks += _hunks(str(path), hosts, _list(lines), drift=diff.get("drift") is True)
    return Change(tuple(hunks), brings, drops, known, cut)


def blame(hunks: Sequence[Hunk], said: Sequence[str], hosts: Sequence[str]) -> Blamed:
    """Which hunks the lines of a failure point at; none where nothing does.

    :param said: the deciding line first.
    :param hosts: where it failed; hunks of other hosts are left out when these have their own.
    """
    there = [hunk for hunk in hunks if not hunk.drift]
    own = [hunk for hunk in there if set(hunk.hosts) & set(hosts)] or there
    for line in said:
        if (place := _PLACE.search(line)) is not None:
            path, who = f"/{place[2]}", "the lint" if "lint" in place[1] else "nginx"
            if found := _at(own, path, int(place[3])):
                return Blamed(tuple(found), proved=True, why=f"{who} names this place")
            if found := _in(own, path):
                return Blamed(tuple(found), why=f"{who} names {place[2]}, which changed elsewhere")
    if len(own) == 1:
        return Blamed(tuple(own), why="it is the whole change")
    for words in _words(said):
        found = [hunk for hunk in own if any(word in hunk.added for word in words)]
        if found and len(found) < len(own):
            return Blamed(tuple(found), why=f"it is where the change says {' or '.join(words)}")
    return Blamed()


def _at(hunks: Sequence[Hunk], place: str, number: int) -> list[Hunk]:
    return [h for h in _in(hunks, place) if h.first and h.first <= number < h.first + max(1, h.size)]


def _in(hunks: Sequence[Hunk], place: str) -> list[Hunk]:
    """By the whole path, else by the name alone: sites-enabled holds links to sites-available."""
    whole = [hunk for hunk in hunks if place.endswith(f"/{hunk.path}")]
    return whole or [h for h in hunks if h.path.rpartition("/")[2] == place.rpartition("/")[2]]


def _words(said: Sequence[str]) -> Iterator[list[str]]:
    text = " ".join(said[:3])
    statuses = [next(filter(None, groups)) for groups in _STATUS.findall(text)]
    if statuses:
        yield list(dict.fromkeys(statuses))[:3]
    quoted = [word for word in _QUOTED.findall(text) if not word.startswith("/")]
    if quoted:
        yield list(dict.fromkeys(quoted))[:3]


def _hunks(path: str, hosts: tuple[str, ...], lines: Sequence[Any], *, drift: bool) -> list[Hunk]:
    found: list[tuple[str, list[str]]] = []
    for line in map(plain, map(str, lines)):
        if line.startswith(("--- ", "+++ ")) and not found:
            continue
        if line.startswith("@@ ") or not found:
            found.append((line if line.startswith("@@ ") else "", []))
            if line.startswith("@@ "):
                continue
        found[-1][1].append(line)
    made = []
    for header, body in found or [("", [])]:
        place = _HEADER.match(header)
        first = int(place[1]) if place else 0
        size = int(place[2] or 1) if place else 0
        made.append(Hunk(clean(path), hosts, header, tuple(body), first, size, drift))
    return made


def plain(line: str) -> str:
    """One line as it stands, blanks and tabs kept, with nothing in it that a terminal would obey."""
    return "".join(c if c == "\t" or c.isprintable() else repr(c)[1:-1] for c in line)


def _commits(value: object) -> tuple[Commit, ...]:
    found = (each for each in _list(value) if isinstance(each, Mapping))
    return tuple(
        Commit(*(clean(str(each.get(key, ""))) for key in ("commit", "author", "subject"))) for each in found
    )


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()
