"""Answers that are as good as before by their status, and lead users astray all the same. Pure.

What :mod:`deployer.checks.judge` cannot see in two answers, and :mod:`deployer.checks.foresight` not in two
configurations: it takes both, and what the names stand for.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import SplitResult, urljoin, urlsplit

from deployer.checks.asked import AnswerClass, Question, Rank
from deployer.checks.foresight import Foresight
from deployer.checks.routes import STRANGER

Rule = Callable[[Foresight, Question, AnswerClass, AnswerClass], str | None]

_NEVER = re.compile(r"(.*\.)?(invalid|localhost)\.?")
"""Names that lead nobody anywhere (RFC 6761), or to the user's own machine."""

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


def _unknown(insight: Foresight, question: Question, host: str, before: str) -> bool:
    """Whether it led to one of ours, and leads to whom nothing speaks for."""
    if before != question.name and not _serves(insight, before):
        return False  # elsewhere as before
    ours = (_registered(before), _registered(question.name))
    return _registered(host) not in ours and not _led_there(insight, host)


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


_RULES: tuple[Rule, ...] = (_nobody, _plain)


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
