"""Places whose requests are handed on to servers that live does not ask. Pure.

Whether somebody listens there can be tried for each of them, also where no question gets through: behind a
password, where only what is sent is taken, in a row of a table that nobody is known to find.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from deployer.comparison.asked import Question
from deployer.comparison.reading.foresight import Foresight
from deployer.nginx.sites import Server, Sites
from deployer.nginx.tables import tables
from deployer.nginx.tree import Directive
from deployer.nginx.upstreams import members, passing

_HOST = re.compile(r"[\w.:-]+|\[[0-9a-fA-F:.]+\]")
_PORTS = {"https": 443, "grpcs": 443}


@dataclass(frozen=True, slots=True, order=True)
class Backend:
    """One server behind nginx; the address is without brackets. With port 0 it is the path of a socket."""

    address: str
    port: int

    def __str__(self) -> str:
        if not self.port:
            return f"unix:{self.address}"
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A place, and who is asked by it now.

    :ivar question: one that has to do with the place.
    :ivar place: as it is written: ``location /reports/``, ``upstream reports``.
    :ivar old: of live, those that were written down with an address.
    :ivar new: of the candidate; never empty, and each with an address.
    """

    question: Question
    place: str
    old: frozenset[Backend]
    new: frozenset[Backend]


def exchanges(insight: Foresight, questions: Sequence[Question]) -> Iterator[Exchange]:
    """Each place once, in no order that means anything."""
    yield from _groups(insight, questions)
    yield from _locations(insight, questions)
    yield from _rows(insight, questions)


def _groups(insight: Foresight, questions: Sequence[Question]) -> Iterator[Exchange]:
    """``upstream`` blocks that both have."""
    before, after = _upstreams(insight.live), _upstreams(insight.candidate)
    for name in before.keys() & after.keys():
        if (asked := _using(insight.candidate, name, questions)) is not None:
            yield from _exchange(insight, asked, f"upstream {name}", (name, name))


def _locations(insight: Foresight, questions: Sequence[Question]) -> Iterator[Exchange]:
    """Locations that both have, and that name their servers themselves, or another group."""
    ends: dict[int, Question] = {}
    for question in questions:
        ended = insight.standing(insight.candidate, question)
        if ended is not None and ended.location is not None:
            ends.setdefault(id(ended.location), question)
    for question, was, now in servers(insight, questions):
        had = {(one.kind, one.pattern): passing(one) for one in was.every}
        for one in now.every:
            old, new = had.get((one.kind, one.pattern)), passing(one)
            if old is not None and new is not None and old.args[:1] != new.args[:1]:
                asked = ends.get(id(one), question)
                yield from _exchange(insight, asked, one.title, (_target(old), _target(new)))


def _rows(insight: Foresight, questions: Sequence[Question]) -> Iterator[Exchange]:
    """Rows of tables by which it is decided who is asked."""
    before, after = tables(insight.live.config), tables(insight.candidate.config)
    for target in before.keys() & after.keys():
        if before[target] == after[target]:
            continue
        asked = _using(insight.candidate, f"${target}", questions)
        old, new = ({"": t.default, **dict(t.rows)} for t in (before[target], after[target]))
        for key in old.keys() & new.keys():
            if asked is not None and old[key] != new[key]:
                place = f"the row {key or 'default'} of ${target}"
                yield from _exchange(insight, asked, place, (old[key], new[key]))


def _exchange(
    insight: Foresight, question: Question, place: str, targets: tuple[str, str]
) -> Iterator[Exchange]:
    old, new = (
        [_backend(target, one) for one in members(sites, target)]
        for sites, target in zip((insight.live, insight.candidate), targets, strict=True)
    )
    known = frozenset(one for one in old if one is not None)
    asked = frozenset(one for one in new if one is not None)
    if not asked or len(asked) < len(new) or not known or asked <= known:
        return
    # What nginx itself will listen on cannot be there before it is live.
    if not any(backend.port in _new_ports(insight) for backend in asked):
        yield Exchange(question, place, known, asked)


def _new_ports(insight: Foresight) -> set[int]:
    live, candidate = (
        {listen.port for listen in (*sites.listens, *sites.streams)}
        for sites in (insight.live, insight.candidate)
    )
    return candidate - live


def _backend(target: str, member: str) -> Backend | None:
    """``None``: a variable, or nothing that is an address."""
    if member.startswith("unix:"):
        return None if "$" in member else Backend(member.removeprefix("unix:"), 0)
    host, colon, port = member.rpartition(":")
    if not colon or not port.isdigit():
        host, port = member, str(_PORTS.get(target.partition("://")[0], 80))
    if not _HOST.fullmatch(host) or not 0 < int(port) < 65536:
        return None
    return Backend(host.strip("[]"), int(port))


def _target(directive: Directive) -> str:
    return directive.args[0] if directive.args else ""


def _upstreams(sites: Sites) -> Mapping[str, Directive]:
    """Those of ``http``: what ``stream`` hands on is asked of its listeners."""
    found = sites.config.find("upstream") if sites.config is not None else ()
    return {d.args[0]: d for d, around in found if d.args and any(b.name == "http" for b in around)}


def servers(insight: Foresight, questions: Sequence[Question]) -> Iterator[tuple[Question, Server, Server]]:
    """Servers of live and of the candidate that answer the same question; each pair once."""
    known = set()
    for question in questions:
        was = insight.live.choose(question.place, question.name)
        now = insight.candidate.choose(question.place, question.name)
        if was is None or now is None or (id(was.server), id(now.server)) in known:
            continue
        known.add((id(was.server), id(now.server)))
        yield question, was.server, now.server


def _using(sites: Sites, name: str, questions: Sequence[Question]) -> Question | None:
    """The first question whose server hands requests on to a group or variable, itself or by a table."""
    wanted = _standing_for(sites, name)
    for question in questions:
        choice = sites.choose(question.place, question.name)
        handed = [passing(one) for one in choice.server.every] if choice is not None else []
        for target in [_target(directive) for directive in handed if directive is not None]:
            if re.sub(r"^\w+://|/.*$", "", target).replace("{", "").replace("}", "") in wanted:
                return question
    return None


def _standing_for(sites: Sites, name: str) -> frozenset[str]:
    """A text, and the variables that become it, and nothing more, by a table."""
    found, every = {name}, list(tables(sites.config).values())
    while True:
        more = {f"${t.target}" for t in every if found & {t.default, *(value for _, value in t.rows)}}
        if more <= found:
            return frozenset(found)
        found |= more
