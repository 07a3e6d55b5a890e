"""Pages of other sites that ask by script: who may read an answer (CORS). Pure.

Which site may is decided by the header ``Origin``, which no plain question has. Where a configuration makes
anything of it, sites of its own ask as browsers do, and one that is nobody's. That browsers ask first, by
OPTIONS, is not done here: only GET is asked. What would be answered is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from deployer.comparison.asked import AnswerClass, Question
from deployer.nginx.handlers import GENERATED
from deployer.nginx.sites import Location, Server, Sites, effective
from deployer.nginx.tables import tables, users
from deployer.nginx.tree import Directive
from deployer.nginx.upstreams import passing
from deployer.nginx.variables import names
from deployer.nginx.way import follow

if TYPE_CHECKING:
    from deployer.comparison.routes import Origin, Route

STRANGER = "https://deployer-probe.invalid"
"""A site that is nobody's."""

_ALLOW = "access-control-allow-"
_ORIGIN, _CREDENTIALS = f"{_ALLOW}origin", f"{_ALLOW}credentials"
_PLACES = 4  # that are asked, by three sites each

_Pair = tuple[tuple[str, ...] | None, tuple[str, ...] | None]


def asking(live: Sites, candidate: Sites, routes: Sequence[Route], *, made_up: Origin) -> list[Route]:
    """Questions like some of the given ones, asked by pages of other sites."""
    places: dict[_Pair, Route] = {}
    for route in sorted(routes, key=lambda r: (r.origin, not r.dialect[0])):
        pair = _decided(live, route.question), _decided(candidate, route.question)
        if any(pair) and not route.question.said and not _apart(live, candidate, route.question):
            places.setdefault(pair, route)
    asked = sorted(places.items(), key=lambda item: item[0][0] == item[0][1])[:_PLACES]
    found = []
    for who in (*(_friends(live, candidate) if places else ()), STRANGER):
        for _, route in asked:
            origin = made_up if who == STRANGER else route.origin
            question = replace(route.question, said=(("Origin", who),))
            found.append(replace(route, question=question, origin=origin))
    return found


def unread(question: Question, old: AnswerClass, new: AnswerClass) -> str | None:
    """Why a script of another site is worse off, or of one that should not be better off."""
    who = dict(question.said).get("Origin")
    if who is None or old.page is None or new.page is None or new.status is None:
        return None
    was, now = old.page.header(_ORIGIN), new.page.header(_ORIGIN)
    trusted = (new.page.header(_CREDENTIALS) or "").lower() == "true"
    if who == STRANGER:
        told = now == who and was != who and trusted
        return f"scripts of any site may read it as whoever is logged in ({_shown(now)})" if told else None
    if who == was == now and not trusted and _is_related(who, question.name):
        lost = (old.page.header(_CREDENTIALS) or "").lower() == "true"
        return (
            f"scripts of {who} may ask as nobody who is logged in any more ({_CREDENTIALS})" if lost else None
        )
    if was not in (who, "*") or now == who or not _is_related(who, question.name):
        return None  # that a stranger's site is let in no more is nobody's mistake
    if now == "*":
        return (
            "browsers take no * together with credentials (Access-Control-Allow-Origin)" if trusted else None
        )
    return f"scripts of {who} may not read it any more ({_shown(now)})"


def decides(question: Question, header: str) -> bool:
    """Whether who asks decides a header: then :func:`unread` says what its loss is worth."""
    return header == _ORIGIN and "Origin" in dict(question.said)


def added(was: Server, now: Server, location: Location | None) -> bool:
    """Whether it stands beside all that there was: a place of its own may be for programs alone."""
    before, after = ({(x.kind, x.pattern) for x in server.every} for server in (was, now))
    return location is not None and (location.kind, location.pattern) not in before and before <= after


def _apart(live: Sites, candidate: Sites, question: Question) -> bool:
    was, now = (sites.choose(question.place, question.name) for sites in (live, candidate))
    if was is None or now is None:
        return False
    return added(was.server, now.server, follow(candidate.config, now.server, question.path).location)


def _shown(allowed: str | None) -> str:
    return f"Access-Control-Allow-Origin: {allowed}" if allowed else "no Access-Control-Allow-Origin"


def _friends(live: Sites, candidate: Sites) -> list[str]:
    """Two sites of the configurations' own that live lets in, by its tables over ``$http_origin``."""
    looking = [table for table in tables(live.config).values() if table.source == "$http_origin"]
    own = (f"https://{n}" for s in (*live.servers, *candidate.servers) for n in s.names if _is_plain(n))
    found = (who for who in own if any((row := table.row(who)) is not None and row[0] for table in looking))
    return list(dict.fromkeys(found))[:2]


def _is_related(who: str, name: str) -> bool:
    """Whether a site is of the same house."""
    return who.rpartition("/")[2].split(".")[-2:] == name.split(".")[-2:]


def _is_plain(name: str) -> bool:
    return "." in name and not set(name) & set("~*_") and not name.startswith(".") and name != "localhost"


def _decided(sites: Sites, question: Question) -> tuple[str, ...] | None:
    """What the place that answers makes of ``Origin``; ``None``: nothing."""
    choice = sites.choose(question.place, question.name)
    if choice is None or not choice.listed:
        return None
    way = follow(sites.config, choice.server, question.path)
    scope = way.location.scope if way.location is not None else choice.server.scope
    known = users(sites.config, "http_origin")
    said = [d for d in effective(scope, "add_header") if d.args and d.args[0].lower().startswith(_ALLOW)]
    if not any(known & set(names(text)) for d in said for text in d.args[1:]):
        return None
    return choice.server.title, way.location.title if way.location is not None else ""


# --- what browsers ask first


@dataclass(frozen=True)
class Preflight:
    """What nginx itself answers to OPTIONS.

    :ivar said: headers in lower case.
    :ivar asks_who: it wants a login instead, which no browser has when it asks first.
    :ivar refused: it looks for a file, and takes nothing but GET and HEAD for that (405).
    """

    said: frozenset[str]
    asks_who: bool = False
    refused: bool = False

    @property
    def allows(self) -> frozenset[str]:
        """Of the headers, those that let a script go on."""
        return frozenset(name for name in self.said if name.startswith(_ALLOW))


def preflight(sites: Sites, server: Server, path: str) -> Preflight | None:
    """What is answered to OPTIONS; ``None``: the application does, or it is not known."""
    way = follow(sites.config, server, path, {"request_method": "OPTIONS"})
    if not way.sure:
        return None
    scope = way.location.scope if way.location is not None else server.scope
    if way.answer is None:
        if _asks_who(scope):
            return Preflight(frozenset(), asks_who=True)
        files = passing(way.location) is None and scope[-1].first(*GENERATED) is None
        return Preflight(frozenset(), refused=True) if files else None
    inside = next((d for d in scope[-1].all("if") if way.answer in (d.block or ())), None)
    given = effective((*scope, inside) if inside is not None else scope, "add_header")
    return Preflight(frozenset(d.args[0].lower() for d in given if _is_sent(d, way.status)))


def refused_first(live: tuple[Sites, Server], candidate: tuple[Sites, Server], path: str) -> str | None:
    """Why scripts of other sites cannot send what they did, though all that is asked by GET is the same."""
    was = preflight(*live, path)
    if was is None or not was.allows & {f"{_ALLOW}methods", f"{_ALLOW}headers"}:
        return None
    now = preflight(*candidate, path)
    if now is None:
        return None
    if now.asks_who:
        return "scripts of other sites send nothing any more: OPTIONS is asked for a login"
    if now.refused:
        return "scripts of other sites send nothing any more: OPTIONS is answered 405"
    lost = sorted(was.allows - now.allows - {f"{_ALLOW}credentials"})
    if not lost:
        return None
    said = ", ".join(name.title() for name in lost[:3])
    return f"scripts of other sites send nothing any more: OPTIONS is answered without {said}"


def _asks_who(scope: Sequence[Directive]) -> bool:
    return any(
        d.args and d.args[0] != "off"
        for name in ("auth_request", "auth_basic")
        for d in effective(scope, name)
    )


def _is_sent(directive: Directive, status: int | None) -> bool:
    always = directive.args[-1:] == ("always",)
    return bool(directive.args) and (
        always or status in (None, 200, 201, 204, 206, 301, 302, 303, 304, 307, 308)
    )
