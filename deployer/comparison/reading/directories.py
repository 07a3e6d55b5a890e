"""Directories that files are looked for in from now on: whether the host has them. Pure.

Made-up names are 404 before and after; nobody sees by them that a letter of the directory's name is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from deployer.comparison.asked import Question
from deployer.comparison.reading.foresight import Foresight
from deployer.comparison.reading.pools import servers
from deployer.nginx.sites import Location, Server, effective
from deployer.nginx.tree import Directive
from deployer.nginx.upstreams import passing

MOST = 200
"""Places that are looked at: more lines than an agent's request may have are never asked for."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A place whose files are looked for elsewhere; both without a slash at the end."""

    question: Question
    place: str
    old: str
    new: str


def moved(insight: Foresight, questions: Sequence[Question]) -> Iterator[Moved]:
    """Places that both have, where both directories are written down without variables."""
    for question, was, now in servers(insight, questions):
        for place, old, new in _pairs(was, now):
            if old and new and old != new:
                yield Moved(question, place, old, new)


def gone(
    places: Sequence[Moved], there: Callable[[Iterable[str]], Mapping[str, str]]
) -> list[tuple[Question, str]]:
    """Places whose new directory is not there, as the old one is."""
    kinds = there([path for one in places[:MOST] for path in (one.old, one.new)]) if places else {}
    return [
        (one.question, f"files of {one.place} are looked for in {one.new}, which is not there")
        for one in places
        if kinds.get(one.new) == "nothing" and kinds.get(one.old) in ("directory", "file")
    ]


def _pairs(was: Server, now: Server) -> Iterator[tuple[str, str, str]]:
    old, new = (_written(*effective(server.scope, "root")[-1:]) for server in (was, now))
    yield now.title, old, new
    before = {(one.kind, one.pattern): one for one in was.every}
    for one in now.every:
        same = before.get((one.kind, one.pattern))
        if same is not None and passing(same) is None and passing(one) is None:
            yield one.title, _directory(same), _directory(one)


def _directory(location: Location) -> str:
    said = effective(location.scope, "root", "alias")[-1:]
    path = _written(*said)
    if not path or location.kind == "@" or location.directive.first("return") is not None:
        return ""
    if said[0].name == "alias" or location.regex:
        return path
    return (path + location.pattern).rstrip("/")


def _written(*said: Directive) -> str:
    path = said[0].args[0] if said and said[0].args else ""
    return path.rstrip("/") if path.startswith("/") and "$" not in path else ""
