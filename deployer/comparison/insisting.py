"""Ask again, and often, what the candidate failed at now and then: live the same, at the same moments.

Several at once, as users come: one after the other finds each time the connection that the one before left.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from deployer.checks.reach import Transport, reopen
from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.asking.answers import FAIR_S, Dialect, ask_one
from deployer.comparison.compare import Comparison, Difference
from deployer.comparison.pace import PER_SECOND
from deployer.comparison.reading.foresight import Foresight
from deployer.comparison.wavering import EVIDENT, Rounds, Sameness, Verdict, Wavering, crowd, exercised, first

AT_ONCE = 10
"""More than the inquiry itself asks at once, so that it takes connections that were not there."""

MOST_PLACES = 6
MOST_EXERCISED = 6
MOST_EARLY = 2
MOST_MOMENTS = 20
INSIST_S = 6.0
"""What fails now and then is asked again for so long at most, at so many moments, at so many locations; at
fewer before all else."""

_LEAST_S = 0.1
_SLOWEST_S = 0.5  # where limits want longer pauses, no evidence comes together in time

Judge = Callable[[Question, AnswerClass, AnswerClass], Difference | None]
"""Question, live's answer, the candidate's: what is worse about it, with the reason if it is meant."""


@dataclass
class Insistence:
    """Asks both sides of one host; ``transports`` are live's and the candidate's.

    :ivar deadline: of the monotonic clock.
    """

    transports: tuple[Transport, Transport]
    dialects: Mapping[tuple[str, int], Dialect]
    judge: Judge
    deadline: float
    stop: threading.Event
    rounds: Rounds = field(default_factory=Rounds)
    _early: list[Wavering] = field(default_factory=list)
    _places: set[object] = field(default_factory=set)

    def begin(self, insight: Foresight, questions: Iterable[Question]) -> None:
        """Before all else, while nothing is kept: what changed is asked many times at once.

        A connection that another route made would answer for it later.
        """
        chosen = exercised(insight, Sameness(insight.live, insight.candidate), questions)
        if not chosen:
            return
        self._reopen()
        with self._pool() as pool:
            for question in chosen[:MOST_EXERCISED]:
                one = first(question, *self._ask(pool, question, AT_ONCE))
                if one is not None and self._is_fault(one):
                    self._early.append(one)
                    self._places.add(_place(insight, question))
                    if len(self._early) <= MOST_EARLY:
                        self._insist(pool, insight, one)
                if self.stop.wait(AT_ONCE / PER_SECOND) or time.monotonic() >= self.deadline:
                    break

    def end(self, insight: Foresight, found: Comparison) -> Comparison:
        """What asking again had excused is worse where live proves it, and told with its counts elsewhere.

        :param found: what the rounds came to.
        """
        worse = {d.question for d in found.worse}
        early = {one.question for one in self._early}
        wavering = [one for one in self.rounds.wavering(insight, worse) if one.question not in early]
        wavering.sort(key=lambda one: one.question not in worse)
        same = Sameness(insight.live, insight.candidate)
        self._reopen()
        with self._pool() as pool:
            for one in wavering:
                place = _place(insight, one.question)
                if place in self._places or len(self._places) >= MOST_PLACES:
                    continue
                if not same.holds(insight, one.question) and self._is_fault(one):
                    self._places.add(place)
                    self._insist(pool, insight, one)
        return self._judged(found, [*self._early, *wavering])

    def _is_fault(self, one: Wavering) -> bool:
        judged = self.judge(one.question, one.usual, one.failure)
        return judged is not None and judged.why is None

    def _reopen(self) -> None:
        for transport in self.transports:
            reopen(transport)

    def _pool(self) -> ThreadPoolExecutor:
        """Each moment's questions go out together: to both sides, and many at once."""
        return ThreadPoolExecutor(2 * AT_ONCE, thread_name_prefix="insist")

    def _insist(self, pool: ThreadPoolExecutor, insight: Foresight, one: Wavering) -> None:
        """Ask until it is known whose doing it is, or there is no time left to know it."""
        pause_s = crowd(insight, one.question)
        if pause_s is not None and pause_s > _SLOWEST_S:
            return
        many = AT_ONCE if pause_s is None else 1
        pause_s = max(_LEAST_S, many / PER_SECOND, pause_s or 0.0)
        end = min(self.deadline, time.monotonic() + INSIST_S)
        left = MOST_MOMENTS if many > 1 else round(INSIST_S / pause_s)
        while left and one.verdict is Verdict.OPEN and one.alone + left >= EVIDENT:
            if time.monotonic() >= end or self.stop.wait(pause_s):
                return
            left -= 1
            one.hears(*self._ask(pool, one.question, many))

    def _ask(
        self, pool: ThreadPoolExecutor, question: Question, many: int
    ) -> tuple[list[AnswerClass], list[AnswerClass]]:
        """Both sides, the same question, so many times at once."""
        asked: tuple[list[Future[AnswerClass]], list[Future[AnswerClass]]] = ([], [])
        dialect, deadline = self.dialects[question.place], max(self.deadline, time.monotonic() + FAIR_S)
        for _ in range(many):
            for futures, transport in zip(asked, self.transports, strict=True):
                futures.append(pool.submit(ask_one, question, dialect, transport, deadline))
        return [f.result() for f in asked[0]], [f.result() for f in asked[1]]

    def _judged(self, found: Comparison, wavering: Iterable[Wavering]) -> Comparison:
        worse = {d.question: d for d in found.worse}
        changed = {d.question: d for d in found.changed}
        for one in wavering:
            question = one.question
            if question in worse and one.steady:
                continue  # it never was answered well
            difference = self.judge(question, one.usual, one.failure)
            if difference is None:
                continue
            told = replace(difference, reason=one.reason, sums=one.sums)
            # What was worse in every round of the inquiry stays so, unless live fails there as well.
            kept = question in worse and one.verdict is not Verdict.BOTH
            blamed = kept or (one.verdict is Verdict.CANDIDATE and told.why is None)
            worse.pop(question, None)
            changed.pop(question, None)
            (worse if blamed else changed)[question] = told
        return replace(found, worse=tuple(worse.values()), changed=tuple(changed.values()))


def _place(insight: Foresight, question: Question) -> object:
    """The same for all that the candidate answers alike."""
    now = insight.standing(insight.candidate, question)
    return now.scope[-1] if now is not None else question
