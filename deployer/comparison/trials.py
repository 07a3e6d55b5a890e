"""What is tried of live and of the candidate besides the questions: as other clients do, and repeatedly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from deployer.comparison.asked import AnswerClass, Question, Rank
from deployer.comparison.asking.answers import Dialect, Manner
from deployer.comparison.compare import Difference
from deployer.comparison.pace import Limiter, limiters
from deployer.comparison.reading.foresight import Foresight
from deployer.comparison.reading.predictions import CALM
from deployer.comparison.routes import STRANGER

MOST_REPEATED = 8
MOST_HANDSHAKES = 20
MOST_PASSWORDS = 5
REPEATS, REPEAT_S = 3, 0.12
"""Of a route whose limits are new: so many requests, so far apart; a page with two pictures."""

Answers = Mapping[Question, AnswerClass]
Ask = Callable[[Question, Manner | None], AnswerClass | None]


@dataclass(frozen=True)
class Trials:
    """Three of them, each of a few questions.

    :ivar bare: asked as anybody, who says nothing besides.
    :ivar dialects: by place.
    :ivar to_live: puts one question; ``None``: there is no time left for it.
    """

    insight: Foresight
    bare: Sequence[Question]
    dialects: Mapping[tuple[str, int], Dialect]
    to_live: Ask
    to_candidate: Ask
    stop: threading.Event

    def all(self, before: Answers, after: Answers) -> Iterator[Difference]:
        """What got worse by them."""
        yield from self._repeated(before, after)
        yield from self._older_clients(before, after)
        yield from self._passwords(before, after)

    def _repeated(self, before: Answers, after: Answers) -> Iterator[Difference]:
        """Limits that are new, tried as a browser would: a page and what is on it."""
        config = self.insight.candidate.config
        if config is None or not config.find("limit_req", "limit_conn"):
            return
        tried: set[tuple[Limiter, ...]] = set()
        for question, answer in after.items():
            old = before.get(question)
            if old is None or old.rank is not Rank.GOOD or answer.rank is not Rank.GOOD:
                continue
            new = self._new_limits(question)
            if not new or new in tried or CALM.search(question.path) or len(tried) >= MOST_REPEATED:
                continue
            tried.add(new)
            self.stop.wait(min(2.0, max((1 / x.rate for x in new if x.rate), default=0.0)))
            statuses = []
            for _ in range(REPEATS):
                again = self.to_candidate(question, None)
                statuses.append(again.text if again is not None else "?")
                self.stop.wait(REPEAT_S)
            if {"503", "429"} & set(statuses):
                said = f"refused from the second request on: {' '.join(statuses)}"
                yield Difference(question, said, old, answer)

    def _new_limits(self, question: Question) -> tuple[Limiter, ...]:
        live, candidate = self.insight.live, self.insight.candidate
        was, now = self.insight.standing(live, question), self.insight.standing(candidate, question)
        if was is None or now is None or live.config is None or candidate.config is None:
            return ()
        before = {(x.key, x.rate, x.burst) for x in limiters(live.config, was.scope)}
        limits = limiters(candidate.config, now.scope)
        return tuple(x for x in limits if (x.key, x.rate, x.burst) not in before)

    def _older_clients(self, before: Answers, after: Answers) -> Iterator[Difference]:
        """Whether those that know TLS 1.2 and no later still get in, and are answered as all others are:
        once for each name and port."""
        manner = Manner(newest=False)
        pages = [q for q in self.bare if q.path == "/" and q.name not in ("", STRANGER)]
        both = [q for q in pages if q in before and q in after and self.dialects[q.place].tls]
        asked = [q for q in both if before[q].status and after[q].status]
        for question in asked[:MOST_HANDSHAKES]:
            new = self.to_candidate(question, manner)
            if new is None or new.broken or new.rank <= after[question].rank:
                continue
            old = self.to_live(question, manner)
            if old is not None and old.rank < new.rank:
                said = f"clients that know TLS 1.2 and no later are shut out: {new.text}"
                yield Difference(question, said, old, new)

    def _passwords(self, before: Answers, after: Answers) -> Iterator[Difference]:
        """A file of passwords that is not there is only missed once somebody gives one."""
        manner = Manner({"Authorization": "Basic ZGVwbG95ZXI6cHJvYmU="})  # deployer:probe, of nobody
        both = [q for q in self.bare if q in before and q in after]
        closed = [q for q in both if after[q].status == before[q].status == 401]
        for question in closed[:MOST_PASSWORDS]:
            new = self.to_candidate(question, manner)
            if new is None or new.status in (None, 401):
                continue
            old = self.to_live(question, manner)
            if old is not None and old.status == 401:
                said = f"{new.text} to whoever gives a password: its file cannot be read"
                yield Difference(question, said, old, new)
