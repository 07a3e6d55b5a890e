"""Questions that say more than name and path, where a configuration answers by what a request says. Pure.

``if ($http_user_agent ~* iphone)`` does nothing to a question that comes from no telephone. What nginx
tests is read out of both configurations, and asked with something that passes the test: what real clients
say where that does, else a string made for the expression. What the candidate changes comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from deployer.comparison.asked import AnswerClass, Question, Rank
from deployer.comparison.asker import ANYBODY
from deployer.comparison.pace import BROWSER
from deployer.nginx.conditions import Condition, conditions
from deployer.nginx.configuration import walk
from deployer.nginx.samples import matches, samples
from deployer.nginx.way import follow

if TYPE_CHECKING:
    from deployer.comparison.compare import Difference
    from deployer.comparison.routes import Origin, Route
    from deployer.nginx.configuration import Config
    from deployer.nginx.sites import Server, Sites

MOST = 24
"""Such questions for a host, of each side."""

MOST_SAME = 6
"""Of them, those for what stays as it is."""

_WEBKIT, _BLINK = "AppleWebKit/605.1.15 (KHTML, like Gecko)", "AppleWebKit/537.36 (KHTML, like Gecko)"
BROWSERS = (
    f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {_WEBKIT} Version/18.5 Mobile/15E Safari/604.1",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_BLINK} Chrome/138.0.0.0 Safari/537.36",
    f"Mozilla/5.0 (Linux; Android 10; K) {_BLINK} Chrome/138.0.0.0 Mobile Safari/537.36",
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_WEBKIT} Version/18.5 Safari/605.1.15",
    BROWSER,
)
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

_ORDINARY: Mapping[str, tuple[str, ...]] = {
    "User-Agent": BROWSERS,
    "Accept-Language": ("fr-FR,fr;q=0.9,en;q=0.8", "de-DE,de;q=0.9,en;q=0.8", "en-US,en;q=0.9"),
    "Accept": ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",),
    "Referer": ("https://www.google.com/",),
    "": ("q=two%20words", "page=2", "utm_source=newsletter&utm_medium=email", "lang=en"),
}
"""What users' browsers say, by header; with the empty name: what stands behind the question mark."""

_USUAL = {"User-Agent": "deployer-check", "Accept": "*/*", "Accept-Encoding": "identity"}
"""What every question says: a test that this passes needs no other."""

_FRAMING = re.compile(
    r"http_(host|connection|upgrade|content_.*|transfer_.*|te|trailer|expect|range|if_.*|keep_alive|http2_.*)"
)
_SECRET = re.compile(
    r"auth(?!ors?\b)|token|secret|api_?key|passw|pwd|sess|(^|_)sid\b|jwt|signature|csrf|xsrf|credential",
    re.IGNORECASE,
)
_TOUCHING = re.compile(
    r"method|log_?out|sign_?out|unsubscribe|delet|remov|purge|flush|reset|cancel|confirm|action|cmd|exec",
    re.IGNORECASE,
)
"""What may do something to whoever answers."""

_QUERY = re.compile(r"[\w.=&%+,:~-]*", re.ASCII)
_COOKIE = re.compile(r"[\w.=%+:@/~|!*-]*", re.ASCII)
_HEADER = re.compile(r"(?! )[ -~]{0,200}(?<! )")


def further(
    live: Sites, candidate: Sites, routes: Sequence[Route], *, made_up: Origin, most: int = MOST
) -> list[Route]:
    """Questions like some of the given ones that say more: :data:`MOST`, or ``most`` if that is less.

    :param routes: what is asked anyway, without what may not be asked.
    :param made_up: why one is asked that says what nobody is known to say.
    """
    sides = [list(conditions(candidate)), list(conditions(live))]
    if not any(sides):
        return []
    known = [{(name, one.identity) for server, one in side for name in _names(server)} for side in sides]
    found: list[list[tuple[int, Server, Condition]]] = [[], [], []]  # new, gone, the same
    for number in (0, 1):
        for server, one in sides[number]:
            same = any((name, one.identity) in known[1 - number] for name in _names(server))
            # A header of one's own may be a switch: it is left alone until it changes.
            if not same or _spelt(one.variable)[0] in (*_ORDINARY, "Cookie"):
                found[2 if same else number].append((number, server, one))
    held = [_by_server(sites, routes) for sites in (candidate, live)]
    ranked: list[tuple[int, int, Route]] = []
    for state, some in enumerate(found):
        for number, server, one in some[: MOST * 2]:  # not every one can be asked
            here = _places((candidate, live)[number].config, server, one, held[number].get(id(server), ()))
            ranked += [(state, n, r) for n, r in enumerate(_asked(one, here, made_up))]
    ranked.sort(key=lambda item: item[:2])
    return _chosen(ranked, min(MOST, most))


def apart(found: Iterable[Difference], every: Iterable[Difference]) -> tuple[Difference, ...]:
    """Without what says more and differs as the same does that says nothing."""
    known = {replace(d.question, path=_path(d.question)): d for d in every}

    def told(one: Difference) -> bool:
        own = replace(one.question, path=_path(one.question))
        less = [replace(own, said=(), asker=ANYBODY), replace(own, said=()), replace(own, asker=ANYBODY)]
        others = (known.get(question) for question in less if question != own)
        same = (_led(one.old) == _led(x.old) and _led(one.new) == _led(x.new) for x in others if x)
        return any(same)

    return tuple(d for d in found if d.question.bare or not told(d))


def carried(question: Question) -> tuple[tuple[str, str], ...]:
    """What a browser goes on saying where it is redirected to."""
    return tuple(x for x in question.said if x[0] and not x[0].startswith(("X-", "Forwarded", "Referer")))


def excuse(question: Question, new: AnswerClass, server: Server, *, made_up: bool) -> str | None:
    """Why a worse answer to a request that ordinary users do not make is meant; ``None``: it is not.

    :param server: of the candidate, that answers.
    :param made_up: nobody is known to ask so.
    """
    if not question.said or _is_ordinary(question):
        return None
    if made_up and new.status == 404:
        return "nobody is known to ask so"
    if new.shown:
        return "no browser says so" if all(name == "User-Agent" for name, _ in question.said) else None
    if new.rank is Rank.GOOD or (new.rank is Rank.SERVER_ERROR and new.status != 503):
        return None
    codes = _refusing(server)
    if str(new.status or 444) in codes or (new.status is not None and "$" in codes):
        return "only such requests are refused, and ordinary browsers make none"
    return None


def _refusing(server: Server) -> frozenset[str]:
    """Status codes that a server says in so many words; ``$``: and some that a variable holds."""
    codes = {"401", "429"}
    for directive, _ in walk([server.directive], tables=False):
        if directive.name == "return" and directive.args:
            codes.add("$" if directive.args[0].startswith("$") else directive.args[0])
        elif directive.name == "error_page":
            codes |= {a[1:] for a in directive.args if a.startswith("=") and len(a) > 1}
        elif directive.name == "deny":
            codes.add("403")
    return frozenset(codes)


def _is_ordinary(question: Question) -> bool:
    return all(name == "Origin" or value in _ORDINARY.get(name, ()) for name, value in question.said)


def _path(question: Question) -> str:
    return question.path.partition("?")[0]


def _led(answer: AnswerClass | None) -> tuple[int | None, str | None]:
    return (answer.status, answer.location) if answer is not None else (None, None)


# --- which questions


def _chosen(ranked: Iterable[tuple[int, int, Route]], room: int) -> list[Route]:
    chosen: dict[Question, Route] = {}
    same = 0
    for state, _, route in ranked:
        if len(chosen) >= room or (state == 2 and same >= MOST_SAME):
            break
        if route.question not in chosen:
            chosen[route.question] = route
            same += state == 2
    return list(chosen.values())


def _names(server: Server) -> tuple[str, ...]:
    return server.names or ("",)


def _by_server(sites: Sites, routes: Iterable[Route]) -> dict[int, list[Route]]:
    found: dict[int, list[Route]] = {}
    for route in routes:
        choice = sites.choose(route.question.place, route.question.name)
        if choice is not None:
            found.setdefault(id(choice.server), []).append(route)
    return found


def _places(
    config: Config | None, server: Server, condition: Condition, routes: Iterable[Route]
) -> list[Route]:
    """What is asked there anyway: one path as it is written, and one that users ask for."""
    where = condition.location
    found: dict[str, Route] = {}
    # Behind plain HTTP there is often but a redirect to TLS.
    for route in sorted(routes, key=lambda r: not r.dialect[0]):
        path = route.question.path
        whole = where is None or where.kind == "@"
        if "?" not in path and (whole or where in follow(config, server, path).through):
            found.setdefault(route.origin.name, route)
    written = next((found[o] for o in ("NAME", "WRITTEN", "PATTERN", "STRANGER") if o in found), None)
    return [r for r in (written, found.get("SEEN")) if r is not None]


def _asked(condition: Condition, routes: Sequence[Route], made_up: Origin) -> Iterator[Route]:
    values = list(dict.fromkeys(_values(condition)))
    for route in routes:
        for name, value, sampled in values:
            path = route.question.path if name else f"{route.question.path}?{value}"
            question = replace(route.question, path=path, said=((name, value),))
            yield replace(route, question=question, origin=made_up if sampled else route.origin)


# --- what they say


def _values(condition: Condition) -> Iterator[tuple[str, str, bool]]:
    """Header, value, and whether it was made for an expression: at most one for people, one for others."""
    variable = condition.variable
    if _FRAMING.fullmatch(variable) or _SECRET.search(variable) or _TOUCHING.search(variable):
        return
    name, begin = _spelt(variable)
    known = () if begin else _ORDINARY.get(name, ())
    usual = "" if begin else _USUAL.get(name, "")
    if _passes(condition, usual) and name != "User-Agent":
        return  # every question does
    fitting = [text for text in known if _passes(condition, text) is not False][:1]
    if name == "User-Agent" and _passes(condition, CRAWLER):
        fitting.append(CRAWLER)
    sampled = False
    if not fitting:
        fitting, sampled = _made(condition)
    for text in fitting:
        value = begin + text
        if name == "Cookie" and "=" not in value and _passes(condition, f"{value}=1"):
            value += "=1"
        if value != usual and _may_be_said(name, value):
            yield name, value, sampled


def _spelt(variable: str) -> tuple[str, str]:
    """The header of a variable, and what stands before its value; no header for arguments."""
    kind, _, rest = variable.partition("_")
    if kind == "http":
        return "-".join(word.capitalize() for word in rest.split("_")), ""
    if kind == "cookie":
        return "Cookie", f"{rest}="
    return "", f"{rest}=" if kind == "arg" else ""


def _passes(condition: Condition, text: str) -> bool | None:
    """Whether a value passes the test; ``None``: the expression cannot be read here."""
    test, operand = condition.test, condition.operand
    if "$" in operand and "~" not in test:
        return None
    if not test:
        return text not in ("", "0")
    if "~" in test:
        found = matches(operand, text, ignore_case=test.endswith("*"))
        return None if found is None else found is not test.startswith("!")
    return (text.lower() == operand.lower()) is (test == "=")


def _made(condition: Condition) -> tuple[list[str], bool]:
    """A value for a test that nothing known passes, and whether any other would do as well."""
    test, operand = condition.test, condition.operand
    if test in ("~", "~*"):
        known = condition.variable == "http_accept_language"  # somebody speaks it
        return list(samples(operand, ignore_case=test == "~*", limit=1)), not known
    if test == "=":
        return ([] if "$" in operand else [operand]), False
    return ["1"] if _passes(condition, "1") else [], condition.variable.startswith("arg")


def _may_be_said(name: str, value: str) -> bool:
    if name == "User-Agent":
        return _HEADER.fullmatch(value) is not None
    if _SECRET.search(value) or _TOUCHING.search(value):
        return False
    allowed = {"": _QUERY, "Cookie": _COOKIE}.get(name, _HEADER)
    return bool(value) and allowed.fullmatch(value) is not None
