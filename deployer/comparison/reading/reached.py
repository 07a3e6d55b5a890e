"""Locations that the candidate still has, and that nothing reaches any more. Pure.

Somebody who takes a location away means it; somebody who leaves it there, behind a ``return`` of the server
or a prefix that stops regular expressions, does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deployer.comparison.asked import Question
from deployer.comparison.reading.foresight import Foresight, Standing
from deployer.comparison.reading.standing import is_new
from deployer.comparison.routes import BELOW
from deployer.nginx.sites import Location, effective
from deployer.nginx.way import follow

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
        # What it came through has had its say: its own "return 404" leads to the page for errors.
        reached = [x for x in (now.location, *now.way.others, *now.way.through) if x is not None]
        if any(_same(x, was.location) for x in reached):
            alive.add(key)
        elif any(_same(x, was.location) for x in now.server.every) and not _taken_on_purpose(was, now):
            taken.setdefault(key, (question, was, now))
    for key, (question, was, now) in taken.items():
        if key not in alive and was.location is not None:
            yield question, f"{was.location.title} is still there, and never reached: {_by(now)}"


def passed_by(insight: Foresight, questions: Sequence[Question]) -> Iterator[tuple[Question, str]]:
    """A question whose location a request with two slashes no longer finds; one for each server."""
    told: set[int] = set()
    for question in questions:
        was = insight.standing(insight.live, question)
        now = insight.standing(insight.candidate, question)
        if was is None or now is None or now.location is None or id(now.server) in told:
            continue
        here = now.location
        if is_new(was, now):
            continue  # a new site says for itself what it wants
        if here.regex or here.pattern == "/" or not _apart(now) or _apart(was):
            continue
        told.add(id(now.server))
        yield question, f"merge_slashes off: /{here.pattern} no longer finds {here.title}"


def _apart(standing: Standing) -> bool:
    """Whether two slashes in a row are two."""
    return any(d.args == ("off",) for d in effective(standing.scope, "merge_slashes"))


def _taken_on_purpose(was: Standing, now: Standing) -> bool:
    """Whether a location that live has nothing like takes it: a place of its own for a part of another."""
    if _answers_all(now):
        return False
    if now.location is None or now.way.moved:
        return was.location is None or was.location.pattern == "/" or not _takes_all(now)
    return all(x.pattern != now.location.pattern for x in was.server.every)


def _by(now: Standing) -> str:
    if _answers_all(now):
        return "the server's return answers first"
    if now.way.moved:
        return f"rewrite {now.way.moved[0].args[0]} leads all of it on"
    return f"{now.location.title if now.location is not None else 'nothing'} takes all of it"


def _takes_all(now: Standing) -> bool:
    """Whether the server leads any other path on as well: a rewrite of one place says what it means."""
    other = follow(now.sites.config, now.server, f"/{BELOW}/{BELOW}")
    return any(one in other.moved for one in now.way.moved)


def _answers_all(standing: Standing) -> bool:
    """Whether the server answers before any location is looked for."""
    said = standing.way.answer
    return standing.location is None and said is not None and said in standing.server.directive.all("return")


def _same(one: Location, two: Location) -> bool:
    return (one.kind, one.pattern) == (two.kind, two.pattern)
