"""Questions over connections that are kept, as a browser keeps its own.

What may be shared is what a connection has for itself: address and port, whether PROXY and TLS are spoken,
and in TLS the server name, so that every name still shows its own certificate. An answer that a kept
connection may be the cause of is not believed, but asked for on a fresh one. A connection costs as much as
four questions on one that is kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from deployer.checks.http import Answer, NoAnswer, Talk
from deployer.checks.reach import Transport
from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.asking.answers import FAIR_S, Dialect, Way, ask, ask_one, classified, unless_lost
from deployer.comparison.asking.turns import Turns
from deployer.comparison.pace import Limits, schedule

AT_ONCE = 4
"""Questions to one side at a time: fewer than one browser's, and what a host without perl lets through."""

CALM_S = 1.0
"""Of silence, before what haste may have brought about is asked again."""

FEW = 8

_TOO_MANY = 429
_ODD = (400, 408, 421)
"""What a server says of a connection, not of a page. From 500 on it counts as it comes: what fails now and
then must not be asked away."""


def ask_briskly(
    questions: Iterable[Question],
    dialects: Mapping[tuple[str, int], Dialect],
    transport: Transport,
    *,
    deadline_s: float,
    stop: threading.Event,
    limits: Limits,
    fresh: bool = False,
    calm: bool = False,
) -> dict[Question, AnswerClass]:
    """Ask them all as fast as they are answered and the limits allow, :data:`AT_ONCE` at a time.

    What was not asked before the deadline or a stop is left out; what is has :data:`FAIR_S` for its answer.

    :param limits: of the configuration that answers, which has to be known.
    :param fresh: each on a connection of its own: what a kept one was answered is doubted, or the
        configuration tells connections apart.
    :param calm: what is refused for haste (429) is asked for again, slowly.
    """
    end = time.monotonic() + deadline_s
    plan = schedule((q for q in questions if q.place in dialects), limits, within_s=deadline_s, rate=None)

    def way_of(question: Question) -> Hashable:
        return _way(question, dialects[question.place])

    turns = Turns(plan, way_of, limits, within_s=deadline_s, stop=stop)
    said: dict[Question, AnswerClass] = {}

    def work() -> None:
        line, mine = Line(transport), None
        try:
            while (turn := turns.next(mine)) is not None:
                mine, question = turn
                dialect = dialects[question.place]
                fair = max(end, time.monotonic() + FAIR_S)
                try:
                    if fresh:
                        said[question] = ask_one(question, dialect, transport, fair)
                    else:
                        said[question] = line.ask(question, dialect, fair, counted=question in limits)
                finally:
                    turns.done(question)
        finally:
            line.close()

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="ask") as pool:
        for future in [pool.submit(work) for _ in range(min(AT_ONCE, len(plan)))]:
            future.result()

    def slowly(some: Sequence[Question]) -> dict[Question, AnswerClass]:
        if not some or stop.wait(CALM_S) or (left_s := end - time.monotonic()) <= 0:
            return {}
        return ask(some, dialects, transport, deadline_s=left_s, stop=stop, limits=limits)

    answers = unless_lost({q: said[q] for _, q in plan if q in said}, transport)
    return answers | _better(answers, slowly) if calm else answers


def _better(
    answers: Mapping[Question, AnswerClass],
    slowly: Callable[[Sequence[Question]], dict[Question, AnswerClass]],
) -> dict[Question, AnswerClass]:
    """What was refused to haste and is not when asked for slowly: an application has limits nobody can read.

    A few refusals are asked for again. If one of them fares better, all are.
    """
    refused = [question for question, answer in answers.items() if answer.status == _TOO_MANY]
    few = refused[:: len(refused) // FEW + 1]
    again = slowly(few)
    if all(answer.broken or answer.status == _TOO_MANY for answer in again.values()):
        return {}
    return again | slowly([question for question in refused if question not in again])


class Line:
    """One connection at a time to one side, kept for as long as questions go the same way."""

    def __init__(self, transport: Transport) -> None:
        """Connect with the first question."""
        self._transport = transport
        self._talk: Talk | None = None
        self._way: Hashable = None
        self._distrust: str | None = None

    def ask(
        self, question: Question, dialect: Dialect, deadline: float, *, counted: bool = False
    ) -> AnswerClass:
        """Ask one question; that there is no answer is an answer, too.

        :param counted: by a limit of requests: an answer is not asked for a second time.
        """
        return classified(
            question, lambda: self._get(Way(question, dialect, self._transport, deadline), counted)
        )

    def close(self) -> None:
        """Hang up."""
        talk, self._talk = self._talk, None
        if talk is not None:
            talk.close()

    def _get(self, way: Way, counted: bool) -> tuple[Answer, str | None]:
        talk = self._talk
        if talk is not None and self._way == _way(way.question, way.dialect) and talk.usable:
            try:
                answer = way.ask(talk)
            except NoAnswer:
                pass  # it may have been closed for its age; whatever it was, a fresh one tells
            else:
                if counted or answer.status not in _ODD:
                    return answer, self._distrust
        self.close()
        self._talk, self._distrust = way.open()
        self._way = _way(way.question, way.dialect)
        return way.ask(self._talk, end=self._talk.deadline), self._distrust


def _way(question: Question, dialect: Dialect) -> Hashable:
    """What has to be alike for two questions to share a connection."""
    return question.place, dialect, question.name if dialect.tls else None
