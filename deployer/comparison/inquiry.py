"""Ask live and the rehearsed candidate the same questions, and say what got worse.

Both are asked at the same time. What got worse is asked again, of both, before it is believed: an answer that
changes by itself, or that the questions' own haste brought about (``limit_req``), is nobody's fault.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from deployer.checks.reach import Transport, reopen
from deployer.comparison.asked import AnswerClass, Question, Rank
from deployer.comparison.asker import Asker
from deployer.comparison.askers import followed, questions, remarks
from deployer.comparison.asking.answers import Dialect, Manner, ask_one
from deployer.comparison.asking.backends import Reach, There, nobody_there
from deployer.comparison.asking.follow import follow, led_others, trouble
from deployer.comparison.asking.lines import ask_briskly
from deployer.comparison.asking.touch import streams
from deployer.comparison.compare import Comparison, Difference, compare
from deployer.comparison.conditions import apart, carried
from deployer.comparison.insisting import Insistence
from deployer.comparison.pace import Limits, crowding, crowds, limiters, spacing, tells_connections
from deployer.comparison.promise import Promise, promise
from deployer.comparison.reading.directories import gone, moved
from deployer.comparison.reading.foresight import Foresight
from deployer.comparison.reading.lookups import forgotten
from deployer.comparison.reading.pools import exchanges
from deployer.comparison.reading.predictions import predictions
from deployer.comparison.reading.strayed import strayed
from deployer.comparison.reading.unshown import telling, unshown
from deployer.comparison.routes import CAP, STRANGER, covers
from deployer.comparison.trials import Trials
from deployer.comparison.wavering import is_content, steadier
from deployer.nginx.sites import Sites

DEADLINE_S = 45.0
AGAIN_S = 0.7
ROUNDS = 2
MOST_AGAIN = 24
MOST_FOLLOWED = 60


@dataclass(frozen=True)
class Scope:
    """What may be asked, and what may have changed.

    :ivar accepted: pattern (:func:`deployer.comparison.routes.covers`) and reason of what is meant.
    :ivar seen: name and path of what users asked for.
    :ivar askers: as whom is asked besides.
    """

    exclude: tuple[str, ...] = ()
    accepted: tuple[tuple[str, str], ...] = ()
    seen: tuple[tuple[str, str], ...] = ()
    cap: int = CAP
    askers: tuple[Asker, ...] = ()

    def why(self, question: Question) -> str | None:
        """The reason for which an answer may be worse."""
        for pattern, reason in self.accepted:
            if covers(pattern, question):
                return f"accepted: {reason}" if reason else "accepted"
        return None


@dataclass(frozen=True)
class Inquiry:
    """What came of it.

    :ivar notes: sentences: what was not asked, and why.
    :ivar unshown: what is changed and no answer shows, as a sentence.
    :ivar promise: what live is expected to answer once it is the candidate; ``None``: the candidate is worse.
    """

    comparison: Comparison
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    promise: Promise | None = None
    unshown: str | None = None


class Inquirer:
    """One inquiry into two configurations."""

    def __init__(
        self,
        sides: tuple[Sites, Sites],
        transports: tuple[Transport, Transport],
        scope: Scope,
        stop: threading.Event | None = None,
        there: There = lambda _: {},
    ) -> None:
        """Derive the questions; nothing is asked yet. ``sides`` and ``transports``: live, candidate.

        :param there: what the host has at paths.
        """
        self._there = there
        self._live, self._candidate = sides
        self._to_live, self._to_candidate = transports
        self._scope, self._stop = scope, stop or threading.Event()
        self.questions = questions(*sides, scope)
        origins = {r.question: r.origin for r in self.questions.routes}
        self._known = {r.question: r.origin for r in self.questions.read} | origins
        self._insight = Foresight(self._live, self._candidate, self._known)
        self._origins = origins
        self._bare = [question for question in origins if question.bare]
        self._read = [*self._bare, *(r.question for r in self.questions.read)]
        self._dialects = {r.question.place: Dialect(*r.dialect) for r in self.questions.routes}
        self._limits = (self._paced(self._live, gentle=True), self._paced(self._candidate, gentle=False))
        self._fresh = any(s.config is not None and tells_connections(s.config) for s in sides)
        self._deadline = 0.0

    def run(self, deadline_s: float = DEADLINE_S) -> Inquiry:
        """Ask, compare, doubt, ask again; what is still worse then is worse."""
        started = time.monotonic()
        self._deadline = started + deadline_s
        insisting = self._insisting()
        insisting.begin(self._insight, self._origins)
        before, after = self._both(list(self._origins))
        touched = streams(self._live.streams, self._to_live, self._to_candidate, self._deadline)
        before |= {q: one for q, (one, _) in touched.items()}
        after |= {q: two for q, (_, two) in touched.items()}
        found = self._compared(before, after)
        insisting.rounds.hear({q: a for q, a in before.items() if q in self._origins}, after)
        for number in range(ROUNDS):
            # What is only another content may be another one each time; that is not worth a second round.
            doubted = [*found.worse, *(d for d in found.changed if not number and is_content(d))]
            doubtful = [d.question for d in doubted if d.question in self._origins][:MOST_AGAIN]
            if not doubtful or self._stop.wait(AGAIN_S) or time.monotonic() > self._deadline:
                break
            again, now = self._both(doubtful, fresh=True)
            insisting.rounds.hear(again, now)
            for question in doubtful:
                before[question] = steadier(before[question], again.get(question))
                after[question] = now.get(question, after[question])
            found = self._compared(before, after)
        extra = [*self._strayed(before, after), *self._led_astray(before, after)]
        extra += self._trials().all(before, after)
        extra += [*self._unborn(after), *self._foretold(), *self._deserted()]
        if not self._stop.is_set():
            found = insisting.end(self._insight, found)
        found = self._with(found, extra)
        found = replace(found, asked=len(before), stopped=self._stop.is_set())
        promised = None if found.worse or found.stopped else self._promised(before, after)
        notes = self._notes(before, after, found)
        differing = {d.question for d in (*found.worse, *found.changed)}
        differing |= {q for q, answer in after.items() if q in before and telling(before[q], answer)}
        silent = None if found.stopped else unshown(self._insight, differing)
        return Inquiry(found, notes, round(time.monotonic() - started, 3), promised, silent)

    # --- asking

    def _both(
        self, questions: Sequence[Question], *, fresh: bool = False
    ) -> tuple[dict[Question, AnswerClass], dict[Question, AnswerClass]]:
        left_s = max(1.0, self._deadline - time.monotonic())

        def one(transport: Transport, limits: Limits) -> dict[Question, AnswerClass]:
            reopen(transport)
            return ask_briskly(
                questions,
                self._dialects,
                transport,
                deadline_s=left_s,
                stop=self._stop,
                limits=limits,
                fresh=fresh or self._fresh,
                calm=not fresh,
            )

        with ThreadPoolExecutor(2, thread_name_prefix="inquire") as pool:
            live = pool.submit(one, self._to_live, self._limits[0])
            candidate = pool.submit(one, self._to_candidate, self._limits[1])
            return live.result(), candidate.result()

    def _one(
        self, question: Question, transport: Transport, sites: Sites, manner: Manner | None = None
    ) -> AnswerClass | None:
        """A question that was not planned: where a redirect leads to, or put in another manner."""
        if time.monotonic() > self._deadline or any(covers(p, question) for p in self._scope.exclude):
            return None
        listen = sites.listen_at(question.place)
        if listen is None:
            return AnswerClass("the connection was refused")
        dialect = Dialect(listen.tls, listen.proxy)
        return ask_one(question, dialect, transport, self._deadline, manner)

    def _paced(self, sites: Sites, *, gentle: bool) -> Limits:
        config = sites.config
        if config is None or not config.find("limit_req", "limit_conn"):
            return {}
        found = {}
        for question in self._origins:
            standing = self._insight.standing(sites, question)
            if standing is None:
                continue
            zones = spacing(limiters(config, standing.scope), gentle=gentle)
            if zones := (*zones, *crowding(crowds(config, standing.scope), gentle=gentle)):
                found[question] = zones
        return found

    def _insisting(self) -> Insistence:
        def judge(question: Question, old: AnswerClass, new: AnswerClass) -> Difference | None:
            one = compare({question: old}, {question: new}, insight=self._insight, accepted=self._scope.why)
            return next(iter((*one.worse, *one.changed)), None)

        sides = (self._to_live, self._to_candidate)
        return Insistence(sides, self._dialects, judge, self._deadline, self._stop)

    def _trials(self) -> Trials:
        return Trials(
            self._insight,
            self._bare,
            self._dialects,
            lambda question, manner: self._one(question, self._to_live, self._live, manner),
            lambda question, manner: self._one(question, self._to_candidate, self._candidate, manner),
            self._stop,
        )

    # --- judging

    def _compared(
        self, before: Mapping[Question, AnswerClass], after: Mapping[Question, AnswerClass]
    ) -> Comparison:
        insight = Foresight(self._live, self._candidate, self._known)
        insight.before, insight.after = before, after
        self._insight = insight
        return compare(before, after, insight=insight, accepted=self._scope.why)

    def _with(self, found: Comparison, extra: Iterable[Difference]) -> Comparison:
        """Add what asking alone did not show; each question once."""
        known = {d.question for d in found.worse}
        worse, changed = list(found.worse), list(found.changed)
        for difference in extra:
            if difference.question in known:
                continue
            known.add(difference.question)
            why = self._scope.why(difference.question)
            (changed if why else worse).append(replace(difference, why=why))
        changed = [d for d in changed if d.question not in {w.question for w in worse}]
        worse.sort(key=lambda d: d.question.name in ("", STRANGER))  # what has a name says more to people
        return replace(found, worse=apart(worse, worse), changed=apart(changed, [*worse, *changed]))

    def _strayed(
        self, before: Mapping[Question, AnswerClass], after: Mapping[Question, AnswerClass]
    ) -> Iterator[Difference]:
        for question in self._origins:
            old, new = before.get(question), after.get(question)
            if old is None or new is None or new.broken:
                continue
            if reason := strayed(self._insight, question, old, new):
                yield Difference(question, reason, old, new)

    def _led_astray(
        self, before: Mapping[Question, AnswerClass], after: Mapping[Question, AnswerClass]
    ) -> list[Difference]:
        """Redirects that are new, and end nowhere."""
        found = []
        fine = [q for q, a in before.items() if a.rank < Rank.SERVER_ERROR and q in after]
        moved = [q for q in fine if after[q].location and before[q].location != after[q].location]
        for question in moved[:MOST_FOLLOWED]:
            ended = self._end(question, after[question], self._to_candidate, self._candidate)
            if ended is None or self._stop.is_set():
                continue
            old = before[question]
            if led_others(question, after[question], before):
                continue
            if old.location and self._end(question, old, self._to_live, self._live) is not None:
                continue  # it led nowhere before
            if old.rank is Rank.CLIENT_ERROR and "answers 4" in ended:
                continue
            found.append(Difference(question, ended, old, after[question]))
        return found

    def _end(self, question: Question, answer: AnswerClass, transport: Transport, sites: Sites) -> str | None:
        def asked(following: Question) -> AnswerClass | None:
            own = followed(question, replace(following, said=carried(question)))
            return self._one(own, transport, sites) if own is not None else None

        tls = self._dialects[question.place].tls
        end = follow(question, answer, sites, asked, tls=tls)
        ended = trouble(end, made_up=self._origins[question].made_up)
        now = self._insight.standing(self._candidate, question)
        if ended is not None and "nothing listens" in ended and now is not None and now.proxied:
            return None
        return ended

    def _unborn(self, after: Mapping[Question, AnswerClass]) -> list[Difference]:
        """A site that is new and answers nothing but errors of a server."""
        names = {name for server in self._live.servers for name in server.names}
        found = []
        for name in dict.fromkeys(q.name for q in after if q.name not in ("", STRANGER)):
            answers = {q: a for q, a in after.items() if q.name == name and not a.broken}
            choices = [self._candidate.choose(q.place, name) for q in answers]
            listed = [c for c in choices if c is not None and c.listed]
            if not listed or any(n in names for c in listed for n in c.server.names):
                continue
            bad = [q for q, a in answers.items() if a.status is not None and a.rank is Rank.SERVER_ERROR]
            own = [q for q in bad if self._insight.own_upstream(q, answers[q])]
            if bad and len(bad) == len(answers) and len(own) < len(bad):
                said = f"the new site answers everything with {answers[bad[0]].text}"
                found.append(Difference(bad[0], said, None, answers[bad[0]]))
        return found

    def _foretold(self) -> list[Difference]:
        theirs = [question for question in self._origins if question.asker]
        found = [*predictions(self._insight, self._read), *forgotten(self._insight, theirs)]
        return [Difference(question, reason) for question, reason in found]

    def _deserted(self) -> list[Difference]:
        """Where the candidate looks, and nobody is: servers, sockets, directories."""
        every = list(exchanges(self._insight, self._read))
        reach = Reach(self._to_live, self._there, self._deadline)
        found = nobody_there(every, reach, self._stop) if every else []
        found += gone(list(moved(self._insight, self._read)), self._there)
        return [Difference(question, reason) for question, reason in found]

    def _promised(
        self, before: Mapping[Question, AnswerClass], after: Mapping[Question, AnswerClass]
    ) -> Promise:
        self._insight.before, self._insight.after = before, after
        limits = self._paced(self._candidate, gentle=True)
        streams = {Question(*x.place, "", ""): x for x in self._live.streams}
        why, dialects = self._scope.why, self._dialects
        return promise(
            (before, after), self._insight, dialects, limits, why, streams=streams, fresh=self._fresh
        )

    def _notes(
        self,
        before: Mapping[Question, AnswerClass],
        after: Mapping[Question, AnswerClass],
        found: Comparison,
    ) -> tuple[str, ...]:
        notes = [self.questions.note] if self.questions.note else []
        notes += remarks(self._scope.askers, before)
        for side, answers in (("what is live", before), ("the rehearsed candidate", after)):
            broken = [a for a in answers.values() if a.broken]
            if broken and len(broken) == len(answers):
                notes.append(f"{side} could not be asked anything: {broken[0].text}")
        missed = len(found.unproved)
        if missed:
            notes.append(f"{missed} of {len(before)} answers could not be compared")
        return tuple(notes)
