"""Ask a host's live nginx what its rehearsal was asked, and doubt what is worse before it is believed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from deployer.checks.http import NoAnswer
from deployer.checks.reach import BrokenProbe, Transport, reopen, through
from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.asking.answers import WORKERS
from deployer.comparison.asking.lines import ask_briskly
from deployer.comparison.asking.touch import touch
from deployer.comparison.compare import Difference
from deployer.comparison.promise import Doubt, Expected, Promise, State, broken_by, dead, excused, places

ASKED_S = 20.0
"""All of it ends by then."""

DOUBT_S = 8.0
"""What is worse is asked again for so long at most: users may be meeting it."""

AGAIN_S = 0.3
MOST_AGAIN = 24
MOST_IN_A_ROW = 5
BATCH = 200
"""So many are asked before what was worse among them is asked again."""

SLOWEST_S = 2.0
"""Where a limit of requests wants longer pauses than this, nothing is asked a second time."""

_KNOCK_S = 2.0


@dataclass(frozen=True)
class Kept:
    """How a promise was kept.

    :ivar worse: it was not, for as long as it was asked again.
    :ivar unsteady: now well and now not, or not by the release's doing: told, and no failure.
    :ivar settled: worse at first, and as promised when they were asked again; those that failed are unsteady
        as well.
    :ivar unproved: what could not be asked any more.
    :ivar left_out: questions for which there was no time, or no turn.
    """

    asked: int = 0
    worse: tuple[Difference, ...] = ()
    unsteady: tuple[Difference, ...] = ()
    unproved: tuple[Difference, ...] = ()
    settled: int = 0
    left_out: int = 0
    seconds: float = 0.0


@dataclass
class Reality:
    """Asks one host.

    :ivar consecutive: good answers in a row that end a doubt.
    :ivar doubt_s: how long doubts last at most.
    """

    promise: Promise
    transport: Transport
    consecutive: int = 3
    doubt_s: float = DOUBT_S
    stop: threading.Event = field(default_factory=threading.Event)
    _asked: int = 0
    _lost: bool = False  #: the way to the host, for as long as it was tried
    _doubts: list[Doubt] = field(default_factory=list)
    _excuses: dict[Question, str] = field(default_factory=dict)
    _knocked: dict[tuple[str, int], bool] = field(default_factory=dict)

    def run(self) -> Kept:
        """Ask all, what is worse again. Ends early with the first that are worse for good."""
        started = time.monotonic()
        end = started + ASKED_S
        self.consecutive = min(self.consecutive, MOST_IN_A_ROW)
        for batch in _batches(self.promise.expected):
            if self._is_enough(end):
                break
            doubts = self._first(batch, end - time.monotonic())
            for at in range(0, len(doubts), MOST_AGAIN):
                if self._is_enough(end):
                    break
                some = doubts[at : at + MOST_AGAIN]
                self._settle(some, end - time.monotonic())
                self._lost = any(not doubt.good for doubt in some)
        return replace(self._told(), seconds=round(time.monotonic() - started, 3))

    def _is_enough(self, end: float) -> bool:
        return self._lost or bool(self._worse()) or self.stop.is_set() or time.monotonic() >= end

    # --- asking

    def _first(self, batch: Sequence[Expected], left_s: float) -> list[Doubt]:
        """Ask them all once; what has to be asked again."""
        answers = self._ask(batch, left_s)
        self._asked += len(answers)
        doubts = []
        for expected in batch:
            answer = answers.get(expected.question)
            if answer is not None and (answer.broken or broken_by(expected, answer)):
                doubts.append(Doubt(expected))
                doubts[-1].hears(answer)
        self._doubts += doubts
        return doubts

    def _settle(self, doubts: Sequence[Doubt], left_s: float) -> None:
        """Ask again until each is known to be good or worse, or the time is over."""
        from tenacity import Retrying, retry_if_result, stop_after_delay, stop_when_event_set, wait_fixed

        pauses_s = {id(d): max([0.0, *(p for _, p, _ in d.expected.zones)]) for d in doubts}
        quick = [d for d in doubts if pauses_s[id(d)] <= SLOWEST_S]
        within_s = min(self.doubt_s, left_s)
        end = time.monotonic() + within_s

        def again() -> bool:
            reopen(self.transport)
            some = [d for d in quick if d.state(self.consecutive) is State.OPEN]
            answers = self._ask([d.expected for d in some], end - time.monotonic(), fresh=True)
            for doubt in some:
                doubt.hears(answers.get(doubt.expected.question))
            return any(d.state(self.consecutive) is State.OPEN for d in quick)

        pause_s = max([AGAIN_S, *(pauses_s[id(d)] for d in quick)])
        if not quick or self.stop.wait(pause_s):
            return
        Retrying(
            stop=stop_after_delay(max(0.0, within_s - pause_s)) | stop_when_event_set(self.stop),
            wait=wait_fixed(pause_s),
            sleep=self._rest,
            retry=retry_if_result(bool),
            retry_error_callback=lambda _: True,
        )(again)

    def _rest(self, seconds: float) -> None:
        self.stop.wait(seconds)

    def _ask(
        self, some: Sequence[Expected], left_s: float, *, fresh: bool = False
    ) -> dict[Question, AnswerClass]:
        limits = {e.question: e.zones for e in some if e.zones}
        deadline = time.monotonic() + left_s
        said = ask_briskly(
            [e.question for e in some if e.question not in self.promise.streams],
            self.promise.dialects,
            self.transport,
            deadline_s=max(0.0, left_s),
            stop=self.stop,
            limits=limits,
            fresh=fresh or self.promise.fresh,
        )
        return said | self._touch([e.question for e in some if e.question in self.promise.streams], deadline)

    def _touch(self, some: Sequence[Question], deadline: float) -> dict[Question, AnswerClass]:
        if not some or self.stop.is_set() or time.monotonic() > deadline:
            return {}
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="touch") as pool:
            streams = self.promise.streams
            return dict(
                zip(some, pool.map(lambda q: touch(streams[q], self.transport, deadline), some), strict=True)
            )

    # --- what came of it

    def _worse(self) -> list[Doubt]:
        """What is worse for good, and nobody else's fault."""
        found = [d for d in self._doubts if d.state(self.consecutive, over=True) is State.WORSE]
        for doubt in found:
            question = doubt.expected.question
            if question not in self._excuses and (why := self._excuse(doubt)):
                self._excuses[question] = why
        return [d for d in found if d.expected.question not in self._excuses]

    def _excuse(self, doubt: Doubt) -> str | None:
        if why := excused(doubt, self._doubts):
            return why
        asked = places(doubt.expected, doubt.answer)
        return dead(doubt.expected.behind) if asked and all(map(self._is_dead, asked)) else None

    def _is_dead(self, place: tuple[str, int]) -> bool:
        """Whether the host gets no connection there; not known counts as no."""
        if place not in self._knocked:
            try:
                through(self.transport, *place, time.monotonic() + _KNOCK_S).close()
            except NoAnswer:
                self._knocked[place] = True
            except BrokenProbe:
                self._knocked[place] = False
            else:
                self._knocked[place] = False
        return self._knocked[place]

    def _told(self) -> Kept:
        worse = self._worse()
        unsteady, unproved, settled = [], [], 0
        for doubt in self._doubts:
            if doubt.state(self.consecutive, over=True) is State.GOOD:
                settled += 1
                if doubt.failed:  # for a moment users met it: that is said, and no more
                    unsteady.append(replace(doubt.difference, why=f"{doubt.counts}, and then no more"))
                continue
            if doubt in worse:
                continue
            if not doubt.good:
                expected = doubt.expected
                said = f"{expected.reference.text} expected, and it could not be asked again"
                unproved.append(Difference(expected.question, said, expected.reference))
                continue
            why = self._excuses.get(doubt.expected.question)
            why = why or (f"now well, now not: {doubt.counts}" if doubt.flapped else "asked only once")
            unsteady.append(replace(doubt.difference, why=why))
        left_out = len(self.promise.expected) - self._asked
        told = tuple(d.difference for d in worse)
        return Kept(self._asked, told, tuple(unsteady), tuple(unproved), settled, left_out)


def _batches(expected: Sequence[Expected]) -> Iterator[Sequence[Expected]]:
    """As many at a time as are asked quickly; what limits of requests count comes last, and all at once.

    The pauses that such limits want are kept within one batch.
    """
    counted = [e for e in expected if any(pause_s for _, pause_s, _ in e.zones)]
    late = set(map(id, counted))
    free = [e for e in expected if id(e) not in late]
    for at in range(0, len(free), BATCH):
        yield free[at : at + BATCH]
    if counted:
        yield counted
