"""Questions that are asked once more as somebody: with credentials, as a client of another version. Pure.

Behind a login every question is answered 401 on both sides, and whatever breaks there stays unseen. What is
asked as anybody is asked as somebody too where the playbook lets it, within the same cap; the answer that
anybody gets stays compared, so a door that opens is seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.asker import ANYBODY, Asker
from deployer.comparison.routes import STRANGER, Origin, Questions, Route, covers, derive
from deployer.nginx.sites import Sites

if TYPE_CHECKING:
    from deployer.comparison.inquiry import Scope

SHARE = 3
"""A third of the cap is theirs, more where anybody's questions leave room."""

_CLOSED = (401, 403)


def questions(live: Sites, candidate: Sites, scope: Scope) -> Questions:
    """As :func:`deployer.comparison.routes.derive`, and as many of them as can be asked as somebody."""
    cap = scope.cap
    plain = derive(live, candidate, seen=scope.seen, exclude=scope.exclude, cap=cap)
    wanted = [list(_of(asker, plain.routes)) for asker in scope.askers]
    if not any(wanted):
        return plain
    room = max(cap - len(plain.routes), min(cap // SHARE, sum(map(len, wanted))))
    if room > cap - len(plain.routes):
        plain = derive(live, candidate, seen=scope.seen, exclude=scope.exclude, cap=cap - room)
        wanted = [list(_of(asker, plain.routes)) for asker in scope.askers]
    chosen = _spread(wanted, room)
    left_out = plain.left_out + sum(map(len, wanted)) - len(chosen)
    return replace(plain, routes=(*plain.routes, *chosen), left_out=left_out)


def followed(question: Question, following: Question) -> Question | None:
    """Where a redirect leads, asked as whoever was redirected; ``None``: what they say is not for there."""
    if question.asker and not may_say(question.asker, following):
        return None
    return replace(following, asker=question.asker)


def may_say(asker: Asker, question: Question) -> bool:
    """Whether what they say may be sent there. Nobody's names are for nobody; ``_`` has to be named."""
    if question.name == STRANGER:
        return False
    named = asker.only if question.name else [p for p in asker.only if p.partition("/")[0].startswith("_")]
    return any(covers(pattern, question) for pattern in named)


def remarks(askers: Iterable[Asker], live: Mapping[Question, AnswerClass]) -> list[str]:
    """What whoever wrote the playbook has to know: who is asked nothing, whose credentials do nothing."""
    found = []
    for asker in askers:
        own = {q: a for q, a in live.items() if q.asker == asker and not a.broken}
        if not own:
            found.append(f"nothing was asked as {asker.name}: no route that is known matches its only")
            continue
        anybody = {q: live.get(replace(q, asker=ANYBODY)) for q in own}
        closed = [q for q, a in anybody.items() if a is not None and a.status in _CLOSED]
        refused = all(own[q].status in _CLOSED for q in closed)
        if asker.secrets and closed and refused:
            said = sorted({str(own[q].status) for q in closed})
            found.append(
                f"the credentials of {asker.name} are not accepted by live: {' or '.join(said)} at each of "
                f"their {len(closed)} routes that are closed to others"
            )
    return found


def _of(asker: Asker, routes: Sequence[Route]) -> Iterator[Route]:
    """What is worth asking as somebody; what says something besides first, for there is least of it."""
    over_tls = {r.question.name for r in routes if r.dialect[0]}
    own = {name.lower() for name, _ in asker.headers} - {"cookie"}
    for route in sorted(routes, key=lambda r: not r.question.said):
        question = route.question
        if route.origin is Origin.SECRET or not may_say(asker, question):
            continue
        # Whoever has a password gives it over TLS where there is TLS.
        if question.name in over_tls and not route.dialect[0]:
            continue
        if not own & {name.lower() for name, _ in question.said}:
            yield replace(route, question=replace(question, asker=asker))


def _spread(wanted: Sequence[Sequence[Route]], room: int) -> list[Route]:
    """One of each in turn, so that nobody's list takes all of the room."""
    turns = (route for turn in zip_longest(*wanted) for route in turn if route is not None)
    return [route for route, _ in zip(turns, range(room), strict=False)]
