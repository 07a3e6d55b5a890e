"""Where a redirect leads: to a page, to an error, to a closed port, or round in circles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from deployer.comparison.asked import AnswerClass, Question, Rank
from deployer.nginx.sites import ANY4, ANY6, Sites

MOST = 6
"""Redirects that are followed; browsers give up at 20."""

Ask = Callable[[Question], AnswerClass | None]


@dataclass(frozen=True, slots=True)
class End:
    """Where it ended.

    :ivar answer: the last one; ``None``: elsewhere, or it could not be asked.
    :ivar trouble: why a browser shows no page, as the end of a sentence.
    """

    answer: AnswerClass | None = None
    trouble: str | None = None


def follow(question: Question, answer: AnswerClass, sites: Sites, ask: Ask, *, tls: bool) -> End:
    """Follow a redirect as long as it stays with the names and ports of this configuration.

    :param ask: one question in the configuration; ``None`` when it is not answered.
    :param tls: whether the question itself was asked over TLS.
    """
    url = _url(question, tls=tls)
    seen = [url]
    for _ in range(MOST):
        if answer.location is None or answer.status is None or not 300 <= answer.status < 400:
            return End(answer)
        url = urljoin(url, answer.location).partition("#")[0]
        if url in seen:
            return End(answer, f"redirected in a circle: {' → '.join([*seen[seen.index(url) :], url][:4])}")
        seen.append(url)
        asked = _next(url, question, sites)
        if isinstance(asked, str):
            return End(answer, asked)
        following = ask(asked) if asked is not None else None
        if following is None or following.broken:
            return End()
        answer = following
    return End(answer, f"redirected more than {MOST} times: {' → '.join(seen[:3])} …")


def trouble(end: End, *, made_up: bool) -> str | None:
    """Why a browser that followed shows no page.

    :param made_up: nobody is known to ask for it: then that it is nowhere is no trouble.
    """
    if end.trouble is not None:
        return end.trouble
    if end.answer is None or end.answer.rank is Rank.GOOD:
        return None
    if made_up and end.answer.rank is Rank.CLIENT_ERROR:
        return None
    return f"redirected to what answers {end.answer.text}"


def led_others(question: Question, answer: AnswerClass, before: Mapping[Question, AnswerClass]) -> bool:
    """Whether live leads another name from the same path to the same page: one more is led as they are."""
    target = _page(question, answer)
    return target is not None and any(
        q.name != question.name
        and (q.place, q.path, q.said) == (question.place, question.path, question.said)
        and q.name.partition(".")[2] == question.name.partition(".")[2]
        and _page(q, a) == target
        for q, a in before.items()
    )


def _page(question: Question, answer: AnswerClass) -> str | None:
    """Where it leads, without arguments; ``None``: nowhere, or to the name itself."""
    to = (answer.location or "").partition("?")[0].partition("#")[0]
    return to if to and urlsplit(to).hostname not in (None, question.name) else None


def _next(url: str, question: Question, sites: Sites) -> Question | str | None:
    """The question that a redirect to ``url`` makes; a sentence when nobody answers; ``None``: not ours."""
    parts = urlsplit(url)
    name = (parts.hostname or "").lower()
    if parts.scheme not in ("http", "https") or not _is_ours(name, question, sites):
        return None
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return f"redirected to {url}, which is no address"
    place = _place(question, port, sites)
    if place is None:
        return f"redirected to {url}, where nothing listens on port {port}"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Question(*place, question.name if name == question.address else name, path)


def _url(question: Question, *, tls: bool) -> str:
    host = question.name or question.address
    host = f"[{host}]" if ":" in host else host
    port = "" if question.port == (443 if tls else 80) else f":{question.port}"
    return f"{'https' if tls else 'http'}://{host}{port}{question.path}"


def _is_ours(name: str, question: Question, sites: Sites) -> bool:
    if name in (question.name, question.address):
        return True
    choice = sites.choose(question.place, name)
    listed = choice is not None and choice.listed
    return listed or any(name in server.names for server in sites.servers)


def _place(question: Question, port: int, sites: Sites) -> tuple[str, int] | None:
    """The same address when somebody listens there on that port, else one that is open to all."""
    if sites.listen_at((question.address, port)) is not None:
        return question.address, port
    here = [x for x in sites.listens if x.port == port and x.address in (ANY4, ANY6)]
    return here[0].place if here else None
