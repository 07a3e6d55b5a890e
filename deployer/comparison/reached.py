"""Locations that the candidate still has, and that nothing reaches any more. Pure.

Somebody who takes a location away means it; somebody who leaves it there, behind a ``return`` of the server
or a prefix that stops regular expressions, does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deployer.comparison.asked import Question
from deployer.comparison.foresight import Foresight, Standing
from deployer.nginx.sites import Location

Key = tuple[int, str, str, str]  #: port, name, and the location's kind and pattern


def unreached(insight: Foresight, questions: Sequence[Question]) -> Iterator[tuple[Question, str]]:
    """A question that reached such a location in live, and why none does in the candidate."""
    taken: dict[Key, tuple[Question, Standing, Standing]] = {}
    alive: set[Key] = set()
    for question in questions:
        was = insight.standing(insight.live, question)
        now = insight.standing(insight.candidate, question)
        if was is None or now is None or was.location is None or _answers_all(was):
            continue
        key = question.port, question.name, was.location.kind, was.location.pattern
        if not _answers_all(now) and now.location is not None and _same(now.location, was.location):
            alive.add(key)
        elif any(_same(x, was.location) for x in now.server.every) and not _taken_on_purpose(was, now):
            taken.setdefault(key, (question, was, now))
    for key, (question, was, now) in taken.items():
        if key not in alive and was.location is not None:
            yield question, f"{was.location.title} is still there, and never reached: {_by(now)}"


def _taken_on_purpose(was: Standing, now: Standing) -> bool:
    """Whether a location that live has nothing like takes it: a place of its own for a part of another."""
    if _answers_all(now) or now.location is None:
        return False
    return all(x.pattern != now.location.pattern for x in was.server.every)


def _by(now: Standing) -> str:
    if _answers_all(now):
        return "the server's return answers first"
    return f"{now.location.title if now.location is not None else 'nothing'} takes all of it"


def _answers_all(standing: Standing) -> bool:
    """Whether the server answers before any location is looked for."""
    return standing.server.directive.first("return") is not None


def _same(one: Location, two: Location) -> bool:
    return (one.kind, one.pattern) == (two.kind, two.pattern)
