"""What production answers, so that a staging fleet answers alike: statuses, and the pages of the checks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deployer.checks.certificate import Trust
from deployer.checks.http import NoAnswer, Url, get
from deployer.checks.reach import BrokenProbe, through
from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.asking.answers import Dialect, ask
from deployer.comparison.pace import limiters, spacing
from deployer.comparison.routes import derive
from deployer.comparison.seen import seen_by

if TYPE_CHECKING:
    from deployer.comparison.pace import Limits
    from deployer.config.playbook import Check, Playbook
    from deployer.host.ssh import Connection
    from deployer.nginx.sites import Sites

DEADLINE_S = 45.0
CHECK_S = 5.0
MOST_BODY = 1 << 16


@dataclass(frozen=True, slots=True)
class Recorded:
    """One question to production and its answer.

    :ivar body: only of what a check of the playbook asks for; ``None``: only the status was taken.
    :ivar headers: likewise, those that the check looks at.
    """

    question: Question
    status: int
    location: str | None = None
    kind: str = ""
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    tls: bool = False
    proxy: bool = False


def record(
    connection: Connection, sites: Sites, playbook: Playbook, paths: Iterable[tuple[str, str, str]] = ()
) -> tuple[Recorded, ...]:
    """Ask a host what the comparison would ask it, within :data:`DEADLINE_S`; and what the checks ask.

    :param paths: what its users asked for, as the agent tells it.
    """
    rules = playbook.compare
    seen = seen_by(paths, sites, rules.sample)
    asked = put(connection, sites, exclude=rules.exclude, cap=rules.cap, seen=seen)
    found = {(r.question, r.tls): r for r in asked}
    for check in playbook.checks:
        if (page := _page(connection, check)) is not None:
            found[page.question, page.tls] = page
    return tuple(found.values())


def put(
    connection: Connection,
    sites: Sites,
    *,
    exclude: tuple[str, ...],
    cap: int,
    seen: Sequence[tuple[str, str]],
) -> tuple[Recorded, ...]:
    """The answers to all questions that a configuration gives rise to; those that got none are left out."""
    routes = derive(sites, sites, seen=seen, exclude=exclude, cap=cap).routes
    dialects = {route.question.place: Dialect(*route.dialect) for route in routes}
    questions = [route.question for route in routes if not route.question.said]
    answers = ask(questions, dialects, connection, deadline_s=DEADLINE_S, limits=_limits(sites, questions))
    return tuple(_recorded(q, a, dialects[q.place]) for q, a in answers.items() if a.status is not None)


def again(connection: Connection, recorded: tuple[Recorded, ...]) -> dict[Question, AnswerClass]:
    """Ask what was recorded somewhere else."""
    dialects = {r.question.place: Dialect(r.tls, r.proxy) for r in recorded}
    return ask([r.question for r in recorded], dialects, connection, deadline_s=DEADLINE_S)


def _recorded(question: Question, answer: AnswerClass, dialect: Dialect) -> Recorded:
    kind = answer.page.kind if answer.page is not None else ""
    return Recorded(question, answer.status or 0, answer.location, kind, tls=dialect.tls, proxy=dialect.proxy)


def _limits(sites: Sites, questions: list[Question]) -> Limits:
    """Users are counted by the same zones: they are left nearly all of what they share."""
    if sites.config is None or not sites.config.find("limit_req"):
        return {}
    found = {}
    for question in questions:
        choice = sites.choose(question.place, question.name)
        if choice is None:
            continue
        location = choice.server.locate(question.path.partition("?")[0])
        scope = location.scope if location is not None else choice.server.scope
        if limits := limiters(sites.config, scope):
            found[question] = spacing(limits, gentle=True)
    return found


def _page(connection: Connection, check: Check) -> Recorded | None:
    """What a check of the playbook gets, as the host itself sees it; ``None``: it cannot be asked so."""
    if check.url is None or check.from_ == "command":
        return None
    try:
        url = Url.parse(check.url.replace("{host}", "127.0.0.1"))
        headers = dict(check.headers)
        name = next((urlsplit(f"//{v}").hostname for n, v in headers.items() if n.lower() == "host"), None)
        until = time.monotonic() + CHECK_S
        stream = through(connection, url.host, url.port, until)
        trust = Trust(verify=False, server_name=check.server_name or name)
        answer = get(stream, url, deadline=until, headers=headers, trust=trust, limit=MOST_BODY)
    except (NoAnswer, BrokenProbe, ValueError):
        return None
    wanted = {n.lower() for n in check.expect.headers}
    return Recorded(
        Question(url.host, url.port, name or "", url.target),
        answer.status,
        answer.header("location"),
        (answer.header("content-type") or "").partition(";")[0].strip(),
        body=answer.body,
        headers=tuple((n, v) for n, v in answer.headers if n.lower() in wanted),
        tls=url.tls,
    )
