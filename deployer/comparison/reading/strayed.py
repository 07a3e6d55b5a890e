"""Answers that are as good as before by their status, and lead users astray all the same. Pure.

What :mod:`deployer.comparison.judge` cannot see in two answers, and
:mod:`deployer.comparison.reading.foresight` not in two configurations: it takes both, and what the names
stand for.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import SplitResult, urljoin, urlsplit

from deployer.comparison.asked import AnswerClass, Question, Rank
from deployer.comparison.reading.additions import amiss
from deployer.comparison.reading.foresight import Foresight, Standing
from deployer.comparison.routes import BELOW, STRANGER
from deployer.nginx.sites import Location, Server, effective
from deployer.nginx.upstreams import passed, passing

Rule = Callable[[Foresight, Question, AnswerClass, AnswerClass], str | None]

_NEVER = re.compile(r"(.*\.)?(invalid|localhost)\.?")
"""Names that lead nobody anywhere (RFC 6761), or to the user's own machine."""

_INNER = re.compile(r"[^.:]+|.+\.(internal|local|localdomain|lan|intranet|corp|private|home|home\.arpa)")
"""Names that only an inner network may know: those without a dot, and below what is never delegated."""

_SECOND = frozenset(("ac", "co", "com", "edu", "gov", "net", "ne", "or", "org"))
"""Labels below a country's that anybody registers under: ``example.co.uk``."""

_KINDS = (
    ("page", re.compile(r"text/html|application/xhtml\+xml")),
    ("data", re.compile(r"application/(.+\+)?json|(application|text)/xml|application/.+\+xml")),
    ("text", re.compile(r"text/plain")),
    ("program", re.compile(r"(text|application)/(x-)?javascript|application/wasm")),
    ("style", re.compile(r"text/css")),
    ("media", re.compile(r"(image|audio|video|font)/.*")),
)


def strayed(insight: Foresight, question: Question, old: AnswerClass, new: AnswerClass) -> str | None:
    """Why a good answer is worse than the one before, as the end of a sentence; ``None``: it is not."""
    if old.rank >= Rank.SERVER_ERROR or new.rank is not Rank.GOOD:
        return None
    return next((reason for rule in _RULES if (reason := rule(insight, question, old, new))), None)


def _nobody(insight: Foresight, question: Question, old: AnswerClass, new: AnswerClass) -> str | None:
    """A redirect to a host that is none."""
    target, was = _target(question, new), _target(question, old)
    if target is None or (was is not None and _host(was) == _host(target)):
        return None
    host, before = _host(target), _host(was) if was is not None else None
    if host in (question.name, question.address) or _serves(insight, host):
        return None
    if _never(host) and not _never(question.name) and question.name not in ("", STRANGER):
        return f"redirected to {new.location}: {host or 'no name'} leads nobody anywhere"
    named = next((n for n in sorted(_names(insight)) if _mistyped(host, n)), None)
    if named is not None:
        return f"redirected to {new.location}: nobody here has the name {host}, but {named}"
    if before is None or not _unknown(insight, question, host, before):
        return None
    return f"redirected to {new.location}: neither configuration has {host}, it led to {before} before"


def _gathered(insight: Foresight, question: Question, old: AnswerClass, new: AnswerClass) -> str | None:
    """From a name to its own site in TLS; now to another one's, though that site is still there."""
    target, was = _target(question, new), _target(question, old)
    if target is None or was is None or question.name in ("", STRANGER) or _host(was) != question.name:
        return None
    host = _host(target)
    if (
        was.scheme != "https"
        or target.scheme != "https"
        or host == question.name
        or not _serves(insight, host)
    ):
        return None
    if host.removeprefix("www.") == question.name.removeprefix("www."):
        return None
    name = next((n for n in _alike(insight, question, host) if _lives(insight, n)), None)
    return f"redirected to {new.location}: {name} has a site of its own, where it led to" if name else None


def _alike(insight: Foresight, question: Question, host: str) -> list[str]:
    """The names that meet that same redirect: its own, and those that its wildcard takes."""
    here = insight.candidate.choose(question.place, question.name)
    found = {n: insight.candidate.choose(question.place, n) for n in sorted(_names(insight))}
    same = [n for n, c in found.items() if c is not None and here is not None and c.server is here.server]
    return [question.name, *(n for n in same if n.removeprefix("www.") != host.removeprefix("www."))]


def _lives(insight: Foresight, name: str) -> bool:
    """Whether a name has pages by TLS, and is not sent on from there too."""
    own = [a for q, a in insight.after.items() if q.name == name and _tls(insight, q)]
    return bool(own) and all(
        a.page is not None and not a.location and a.rank < Rank.SERVER_ERROR for a in own
    )


def _tls(insight: Foresight, question: Question) -> bool:
    listen = insight.candidate.listen_at(question.place)
    return listen is not None and listen.tls and question.path == "/" and not question.said


def _unknown(insight: Foresight, question: Question, host: str, before: str) -> bool:
    """Whether it led to one of ours, and leads to whom nothing speaks for."""
    if before != question.name and not _serves(insight, before):
        return False  # elsewhere as before
    ours = (_registered(before), _registered(question.name))
    return _registered(host) not in ours and not _led_there(insight, host)


def _inner(_: Foresight, question: Question, old: AnswerClass, new: AnswerClass) -> str | None:
    """From a name that everybody knows to one that only nginx, or its network, does."""
    target, was = _target(question, new), _target(question, old)
    if target is None or old.rank is not Rank.GOOD or question.name in ("", STRANGER):
        return None
    host, before = _host(target), _host(was) if was is not None else ""
    if not _is_inner(host) or host == question.name or _is_inner(question.name) or _is_inner(before):
        return None
    return f"redirected to {new.location}: outside of its own network nobody knows {host}"


def _plain(insight: Foresight, question: Question, old: AnswerClass, new: AnswerClass) -> str | None:
    """From TLS back to plain HTTP, where it stayed with TLS."""
    sockets = [s.listen_at(question.place) for s in (insight.live, insight.candidate)]
    if not all(x is not None and x.tls for x in sockets):
        return None
    target, was = _target(question, new, "https"), _target(question, old, "https")
    if target is None or target.scheme != "http" or (was is not None and was.scheme != "https"):
        return None
    if not (old.shown or was is not None) or _host(target) not in (question.name, was and _host(was)):
        return None
    return f"redirected to {new.location}: from TLS back to plain HTTP"


def _front(insight: Foresight, question: Question, old: AnswerClass, new: AnswerClass) -> str | None:
    """From an address of its own to the front page: whoever follows an old link does not find the page."""
    target, was = _target(question, new), _target(question, old)
    if target is None or was is None or _host(target) != _host(was) or insight.invented(question):
        return None
    now = insight.standing(insight.candidate, question)
    if now is None or passing(now.location) is not None:
        return None  # the application says so
    front = ("", "/")
    if (
        target.path not in front
        or target.query
        or was.path in front
        or question.path.partition("?")[0] in front
    ):
        return None
    return f"redirected to the front page now, to {old.location} before"


def _another(insight: Foresight, question: Question, old: AnswerClass, new: AnswerClass) -> str | None:
    """A page of another kind, from somebody else, where the candidate has nothing of its own for it.

    Either alone is everyday: an application that moved, a page that became a document. Both together are a
    request that fell through to the wrong place.
    """
    was, now = insight.standing(insight.live, question), insight.standing(insight.candidate, question)
    if was is None or now is None or not (old.shown and new.shown) or insight.typed(question):
        return None
    one, two = _kind(old), _kind(new)
    if not one or not two or one == two or _is_new(now.location, was.server):
        return None
    if not _parted(_handler(was), _handler(now)):
        return None
    here = now.location.title if now.location is not None else now.server.title
    kinds = [answer.page.kind for answer in (old, new) if answer.page is not None]
    return f"{kinds[0]} before, {kinds[-1]} now: somebody else answers ({here})"


def _nowhere(insight: Foresight, question: Question, old: AnswerClass, new: AnswerClass) -> str | None:
    """A path that exists nowhere is a page now, where the site had a page of its own that said so.

    That every path is a page is how an application of one page works; but it says so by ``try_files``, and
    never had a page for what is not found.
    """
    if old.status != 404 or not question.path.partition("?")[0].endswith(BELOW):
        return None
    was, now = insight.standing(insight.live, question), insight.standing(insight.candidate, question)
    if was is None or now is None:
        return None
    if not _not_found(was, pretends=False) or not _not_found(now, pretends=True):
        return None
    target = f" to {new.location}" if new.location else ""
    return f"404 before, {new.text}{target} now: error_page hides that a page is missing"


def _renewal(insight: Foresight, question: Question, _: AnswerClass, new: AnswerClass) -> str | None:
    """Where certificates are renewed: sent elsewhere by one site, while the others go on answering there."""
    was, now = insight.standing(insight.live, question), insight.standing(insight.candidate, question)
    target = _target(question, new)
    if target is None or was is None or now is None or _challenges(was.location) is None:
        return None
    if _challenges(now.location) is not None or _proves(insight, target):
        return None
    directory = _challenges(was.location)
    others = {s.title for s in insight.candidate.servers for x in s.every if _challenges(x) == directory}
    if not others:
        return None  # certificates come in another way now
    return (
        f"certificates are not renewed there any more, as they are for {min(others)}: sent to {new.location}"
    )


def _proves(insight: Foresight, target: SplitResult) -> bool:
    """Whether whoever follows finds the files after all."""
    port = target.port or (443 if target.scheme == "https" else 80)
    for listen in insight.candidate.listens:
        if listen.port == port and not _serves(insight, _host(target)):
            return True  # elsewhere: who knows
        choice = insight.candidate.choose(listen.place, _host(target)) if listen.port == port else None
        if choice is not None and choice.listed:
            return _challenges(choice.server.locate(target.path)) is not None
    return False


def _challenges(location: Location | None) -> str | None:
    """The directory of ACME's challenges, where a location is made for them (RFC 8555, 8.3)."""
    if location is None or "acme-challenge" not in location.pattern or passing(location) is not None:
        return None
    places = effective(location.scope, "root", "alias")
    return places[-1].args[0] if places and places[-1].args else None


_RULES: tuple[Rule, ...] = (_nobody, _gathered, _inner, _plain, _front, _another, _nowhere, _renewal, amiss)


# --- who answers


def _kind(answer: AnswerClass) -> str:
    """What sort of content it is; empty: not known."""
    said = answer.page.kind if answer.page is not None else ""
    return next((name for name, pattern in _KINDS if pattern.fullmatch(said)), "")


def _is_new(location: Location | None, before: Server) -> bool:
    if location is None:
        return False
    return all((x.kind, x.pattern) != (location.kind, location.pattern) for x in before.every)


def _handler(standing: Standing) -> tuple[str, frozenset[str]]:
    """How a request is answered, and by whom: what passes it on, a text, or a directory."""
    block = standing.scope[-1]
    if block.first("return") is not None:
        return "text", frozenset(a for d in block.all("return") for a in d.args)
    on = passed(standing.sites, standing.location, standing.path)
    if on is not None:
        return "passed", on.members
    places = effective(standing.scope, "root", "alias")
    return "files", frozenset(d.args[0].rstrip("/") for d in places if d.args)


def _parted(one: tuple[str, frozenset[str]], two: tuple[str, frozenset[str]]) -> bool:
    return one != two and (one[0] != two[0] or one[1].isdisjoint(two[1]))


def _not_found(standing: Standing, *, pretends: bool) -> bool:
    """Whether ``error_page`` has a page for 404 that keeps the status, or one that pretends to be another."""
    for directive in effective(standing.scope, "error_page"):
        *codes, page = directive.args or ("",)
        if "404" in codes:
            other = any(re.fullmatch(r"=[23]\d\d", code) for code in codes)
            led = re.match(r"https?://|\$scheme://", page) is not None
            return (other or led) is pretends and "=" not in codes
    return False


# --- names


def _target(question: Question, answer: AnswerClass, scheme: str = "http") -> SplitResult | None:
    """Where an answer leads; ``None``: nowhere, or to what is no URL."""
    if answer.location is None or answer.status is None or not 300 <= answer.status < 400:
        return None
    try:
        return urlsplit(urljoin(f"{scheme}://{question.name or 'localhost'}{question.path}", answer.location))
    except ValueError:
        return None


def _host(target: SplitResult) -> str:
    return (target.hostname or "").lower().removesuffix(".")


def _never(host: str) -> bool:
    return not host or host.startswith("127.") or host == "::1" or _NEVER.fullmatch(host) is not None


def _is_inner(host: str) -> bool:
    return _INNER.fullmatch(host) is not None


def _serves(insight: Foresight, host: str) -> bool:
    """Whether either configuration has a server with the name, whatever it listens on."""
    for sites in (insight.live, insight.candidate):
        for place in dict.fromkeys(listen.place for listen in sites.listens):
            choice = sites.choose(place, host)
            if choice is not None and choice.listed:
                return True
    return False


def _names(insight: Foresight) -> frozenset[str]:
    found = {n for s in (insight.live, insight.candidate) for x in s.servers for n in x.names}
    return frozenset(n.lstrip("*.") for n in found if "." in n and not n.startswith("~"))


def _led_there(insight: Foresight, host: str) -> bool:
    """Whether live sends users to that host already, from wherever."""
    targets = (_target(q, a) for q, a in insight.before.items() if a.location)
    return any(t is not None and _host(t) == host for t in targets)


def _registered(host: str) -> str:
    """The part of a name that somebody owns, as well as that can be told without a list of suffixes."""
    labels = host.split(".")
    if _is_address(host) or len(labels) < 2:
        return host
    return ".".join(labels[-3:] if labels[-2] in _SECOND and len(labels[-1]) == 2 else labels[-2:])


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _mistyped(host: str, name: str) -> bool:
    """Whether the owned part of a name is that of another with one slip of the fingers."""
    one, two = _registered(host), _registered(name)
    if one == two or _is_address(host) or _is_address(name) or abs(len(one) - len(two)) > 1 or len(two) < 8:
        return False
    start = next(
        (i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two))
    )
    first, second = one[start:], two[start:]
    if first[1::-1] == second[:2] and len(second) > 1 and first[2:] == second[2:]:
        return True  # two neighbours changed places
    # Another ending is mostly another country's: example.de and example.se.
    ending = one.rpartition(".")[2] == two.rpartition(".")[2]
    return ending and (first[1:] == second[1:] or first[1:] == second or first == second[1:])
