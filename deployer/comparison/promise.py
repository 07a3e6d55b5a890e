"""What a host's live nginx is expected to answer once it is the candidate, and when it broke that. Pure.

The reference is what the rehearsed candidate answered. What a rehearsal cannot know (a listener that nginx
itself asks) is measured by what was live before. Nobody is blamed for what was as bad before the deployment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from deployer.comparison import judge
from deployer.comparison.asked import AnswerClass, Page, Question, Rank
from deployer.comparison.compare import Accepted, Difference

if TYPE_CHECKING:
    from deployer.comparison.asking.answers import Dialect
    from deployer.comparison.pace import Limits
    from deployer.comparison.reading.foresight import Foresight
    from deployer.nginx.sites import Listen

ROW = 10
"""So many worse answers in a row are no chance: where every second request fails, one time in a thousand."""

LEAST = 2
"""Where a limit of requests leaves no time for :data:`ROW`, so many, and never a good one."""

_GATEWAY = (502, 503, 504)

_THE_APPLICATIONS = (404, 410, 429)
"""Content that is gone meanwhile, and an application that counts our questions: no configuration's doing."""

_PLACE = re.compile(r"(\[[0-9a-fA-F:]+\]|[^\s:/]+):(\d+)")


@dataclass(frozen=True, slots=True)
class Expected:
    """One question, and what its answer is measured by.

    :ivar reference: the rehearsed candidate's answer, or live's where that says nothing.
    :ivar before: what live answered before anything was changed.
    :ivar rehearsed: whether the reference is the candidate's.
    :ivar zones: limits of requests that count it (:func:`deployer.comparison.pace.spacing`).
    :ivar behind: whom the candidate passes it on to.
    :ivar shared: live passed it on to the same, and they are not nginx itself.
    :ivar back: the old release is live again, and the reference is what it answered before.
    """

    question: Question
    reference: AnswerClass
    before: AnswerClass
    rehearsed: bool = True
    zones: tuple[tuple[str, float, int], ...] = ()
    behind: frozenset[str] = frozenset()
    shared: bool = False
    back: bool = False


@dataclass(frozen=True)
class Promise:
    """What one host's live nginx has to keep, in the order it is asked.

    :ivar streams: listeners of ``stream``, which are only touched (:mod:`deployer.comparison.asking.touch`).
    :ivar fresh: each question takes a connection of its own.
    """

    expected: tuple[Expected, ...]
    dialects: Mapping[tuple[str, int], Dialect] = field(default_factory=dict)
    streams: Mapping[Question, Listen] = field(default_factory=dict)
    fresh: bool = False


def promise(
    answers: tuple[Mapping[Question, AnswerClass], Mapping[Question, AnswerClass]],
    insight: Foresight,
    dialects: Mapping[tuple[str, int], Dialect],
    limits: Limits,
    accepted: Accepted = lambda _: None,
    *,
    streams: Mapping[Question, Listen] = MappingProxyType({}),
    fresh: bool = False,
) -> Promise:
    """What the answers of a rehearsal, none of them worse, promise of the same questions once it is live.

    What live could not be asked, what is expected to fail, and what may be answered worse is not asked again.

    :param answers: live's, and the candidate's.
    :param limits: of the candidate, where users are counted by the same zones.
    :param accepted: why a question may be answered worse.
    :param fresh: as of :class:`Promise`.
    """
    found = []
    for question, was in answers[0].items():
        now = answers[1].get(question)
        known = question.place in dialects if question.path else question in streams
        if was.broken or not known or accepted(question):
            continue
        unrehearsed = now is None or now.broken or insight.own_upstream(question, now) is not None
        reference = was if unrehearsed or now is None else now
        if reference.rank >= Rank.SERVER_ERROR:
            continue
        behind, shared = insight.behind(question)
        zones = tuple(limits.get(question, ()))
        one = Expected(question, _slim(reference), _slim(was), not unrehearsed, zones, behind, shared)
        found.append(one)
    return Promise(tuple(found), dict(dialects), streams, fresh)


class Only(judge.Insight):
    """Both answers are one configuration's, so nothing about them was meant, and nothing opened or moved."""

    def meant(self, question: Question, new: AnswerClass) -> str | None:
        """Nothing is."""

    def opened(self, question: Question) -> str | None:  # noqa: ARG002
        """A file that only the rehearsal could not read is no door."""
        return "it is the same configuration"

    def suspicion(self, question: Question, new: AnswerClass) -> str | None:
        """None: another content is an application's own."""

    def dropped(self, question: Question, header: str) -> bool:  # noqa: ARG002
        """No: a header that comes and goes is an application's own."""
        return False

    def typed(self, question: Question) -> bool:  # noqa: ARG002
        """No."""
        return False

    def own_page(self, question: Question, status: int) -> bool:  # noqa: ARG002
        """No: whether an error has a page of its own was judged in the rehearsal."""
        return False

    def secret(self, question: Question, new: AnswerClass) -> bool:  # noqa: ARG002
        """No: it was judged in the rehearsal."""
        return False


_ONLY = Only()


def broken_by(expected: Expected, answer: AnswerClass) -> str | None:
    """Why an answer is worse than promised, and than before; ``None``: it is not."""
    question, old = expected.question, expected.reference
    answer = _slim(answer)  # as what it is held against: what is not kept of one must not be new in the other
    reason = judge.worse(question, old, answer, _ONLY)
    if reason is None or _as_before(expected, answer):
        return None
    if answer.rank > old.rank:
        first = "before" if expected.back else "before (no rehearsal reaches it)"
        then = "in its rehearsal" if expected.rehearsed else first
        return f"{old.text} {then}, {answer.text} now"
    return reason


def _as_before(expected: Expected, answer: AnswerClass) -> bool:
    """Whether users had it no better before. That nobody listened there was no answer."""
    was = expected.before
    answered = was.status is not None or was.lost
    return answered and judge.worse(expected.question, was, answer, _ONLY) is None


class State(StrEnum):
    """What is known of a question whose answer was worse once."""

    OPEN = "open"
    GOOD = "good"
    WORSE = "worse"
    UNSTEADY = "unsteady"  #: now good, now worse
    UNPROVED = "unproved"  #: it could not be asked often enough


@dataclass
class Doubt:
    """One question that was answered worse, and every answer since.

    :ivar good: of each answer, in order, whether it was as good as promised.
    """

    expected: Expected
    good: list[bool] = field(default_factory=list)
    answer: AnswerClass | None = None
    reason: str = ""

    def hears(self, answer: AnswerClass | None) -> None:
        """Another answer; one that could not be had says nothing."""
        if answer is None or answer.broken:
            return
        reason = broken_by(self.expected, answer)
        self.good.append(reason is None)
        if reason is not None:
            self.answer, self.reason = answer, reason

    def state(self, consecutive: int, *, over: bool = False) -> State:
        """What is known now.

        :param consecutive: so many good answers in a row end the doubt.
        :param over: there is no time to ask again.
        """
        good = self.good
        if len(good) >= consecutive and all(good[-consecutive:]):
            return State.GOOD
        if len(good) >= ROW and not any(good[-ROW:]):
            return State.WORSE
        if not over:
            return State.OPEN
        if any(good):
            return State.UNSTEADY
        return State.WORSE if len(good) >= LEAST else State.UNPROVED

    @property
    def flapped(self) -> bool:
        """Whether it was answered well and worse."""
        return any(self.good) and not all(self.good)

    @property
    def failed(self) -> bool:
        """Whether it was no answer at all, or an error of the server, as long as it was worse."""
        return self.answer is not None and self.answer.rank >= Rank.SERVER_ERROR

    @property
    def counts(self) -> str:
        """How often it was worse."""
        return f"{self.good.count(False)} of {len(self.good)} times"

    @property
    def difference(self) -> Difference:
        """The last worse answer, as it is told."""
        return Difference(self.expected.question, self.reason, self.expected.reference, self.answer)


def excused(doubt: Doubt, others: Sequence[Doubt]) -> str | None:
    """Why what is worse is not the release's doing, by what else was answered; ``None``: it is."""
    answer, behind = doubt.answer, doubt.expected.behind
    if answer is None or not behind:
        return None
    if doubt.expected.shared and answer.status in _THE_APPLICATIONS:
        return f"{_named(behind)} says so, and what was live before passes it on to the same"
    if answer.rank < Rank.SERVER_ERROR:
        return None
    if any(other.flapped and other.expected.behind == behind for other in others):
        return f"{_named(behind)} answers now well, now not"
    return None


def places(expected: Expected, answer: AnswerClass | None) -> tuple[tuple[str, int], ...]:
    """The upstreams that may be dead, for live too: addresses and ports to try. None: it cannot be that."""
    if answer is None or answer.status not in _GATEWAY or not expected.shared:
        return ()
    found = [_PLACE.fullmatch(member) for member in sorted(expected.behind)]
    return tuple((f[1].strip("[]"), int(f[2])) for f in found if f) if all(found) else ()


def dead(behind: frozenset[str]) -> str:
    """Why a question that they would answer is not the release's doing."""
    return f"{_named(behind)} takes no connections, and what was live before passes it on to the same"


def _named(behind: frozenset[str]) -> str:
    return f"its upstream {', '.join(sorted(behind)[:3])}"


def _slim(answer: AnswerClass) -> AnswerClass:
    """Without what no judgment needs: it is kept for every host until its wave."""
    page = answer.page
    if page is None:
        return answer
    kept = [(n, _flags(v) if n == "set-cookie" else v) for n, v in page.headers if n in _KEPT]
    own = (page.listing, page.welcome, page.built_in)
    thin = Page(page.digest, page.size, page.kind, tuple(kept), *own)
    return replace(answer, page=thin)


_KEPT = {*judge.GUARDING, "set-cookie"}


def _flags(cookie: str) -> str:
    name, *rest = cookie.split(";")
    flags = [x.strip() for x in rest if x.strip().lower() in ("secure", "httponly")]
    return "; ".join((name.partition("=")[0] + "=", *flags))
