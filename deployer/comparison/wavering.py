"""What the candidate fails at now and then: whether that is its own doing, and how it is told. Pure.

A route that fails one time in ten is answered well when it is asked again, and fails one user in ten. Whether
the candidate does that, or an application that both sides ask, only live can tell, asked the same at the
same moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from deployer.comparison.asked import AnswerClass, Question, Rank
from deployer.comparison.compare import Difference
from deployer.comparison.pace import crowds, limiters
from deployer.comparison.reading.foresight import Foresight, Standing
from deployer.nginx.sites import Sites, written
from deployer.nginx.tree import Directive
from deployer.nginx.upstreams import passing

EVIDENT = 8
"""In so many moments the candidate failed and live never did: a trouble that both had would by chance show
itself so once in :math:`2^8` times."""

NEVER = 10
"""Or so often it was asked and never answered well, where live mostly did."""

SLOW = 2
"""What is late or cut off once is a busy machine's; so often it is told."""

_LIMITED = (429, 503)


class Verdict(StrEnum):
    """What is known of a route that fails now and then."""

    OPEN = "open"
    CANDIDATE = "candidate"  #: it is its doing
    BOTH = "both"  #: live fails there as well


@dataclass
class Wavering:
    """One question, and all that both sides answered to it, moment by moment.

    :ivar usual: live's answer of when all was well; whatever ranks worse has failed.
    :ivar moments: how often live and the candidate failed in each, and how often the candidate said so: what
        is late or cut off may be the way's doing, which is not the same for both.
    :ivar elsewhere: failures of live at what is asked of the same upstream, and the candidate was well.
    """

    question: Question
    usual: AnswerClass
    elsewhere: int = 0
    moments: list[tuple[int, int, int]] = field(default_factory=list)
    live: list[AnswerClass] = field(default_factory=list)
    candidate: list[AnswerClass] = field(default_factory=list)

    def hears(self, live: Sequence[AnswerClass | None], candidate: Sequence[AnswerClass | None]) -> None:
        """What both answered at one moment; what could not be asked says nothing."""
        known = [[a for a in side if a is not None and not a.broken] for side in (live, candidate)]
        if not all(known):
            return
        self.live += known[0]
        self.candidate += known[1]
        failures = [[a for a in side if self.failed(a)] for side in known]
        said = sum(not a.lost for a in failures[1])
        self.moments.append((len(failures[0]), len(failures[1]), said))

    def failed(self, answer: AnswerClass) -> bool:
        """Whether an answer is worse than the usual one."""
        return answer.rank > self.usual.rank

    @property
    def failures(self) -> tuple[int, int]:
        """Of live and of the candidate."""
        return sum(one for one, _, _ in self.moments), sum(two for _, two, _ in self.moments)

    @property
    def failure(self) -> AnswerClass:
        """What the candidate answers when it fails."""
        return next((a for a in reversed(self.candidate) if self.failed(a)), self.usual)

    @property
    def verdict(self) -> Verdict:
        """What is known now."""
        live = self.failures[0]
        never = self.steady and len(self.candidate) >= NEVER and live * 2 <= len(self.live)
        if self.alone >= EVIDENT and ((live == 0 and not self.elsewhere) or never):
            return Verdict.CANDIDATE
        return Verdict.BOTH if not self.steady and (live or self.elsewhere) else Verdict.OPEN

    @property
    def alone(self) -> int:
        """Moments in which the candidate failed and live did not."""
        return sum(1 for one, _, said in self.moments if said and not one)

    @property
    def steady(self) -> bool:
        """Whether the candidate failed each time."""
        return self.failures[1] == len(self.candidate)

    @property
    def sums(self) -> tuple[str, str]:
        """What each side answered, for a table."""
        return tuple(  # type: ignore[return-value]  # two sides
            self._sum(said) or f"{self.usual.brief} in {len(said)} of {len(said)}"
            for said in (self.live, self.candidate)
        )

    @property
    def reason(self) -> str:
        """As the end of a sentence."""
        live, candidate = self.failures
        bad = self._sum(self.candidate)
        said = f"answered {bad}, live {self._sum(self.live) if live else f'in 0 of {len(self.live)}'}"
        if not candidate or (not live and not self.elsewhere):
            return said
        if live:
            return f"{said}: so does what is live"
        return f"{said}, which failed at another path of the same application"

    def _sum(self, said: Sequence[AnswerClass]) -> str:
        """``502 in 2 of 12``; empty: none failed."""
        counted = Counter(a.text for a in said if self.failed(a))
        return ", ".join(f"{text} in {n} of {len(said)}" for text, n in counted.most_common(2))


def first(
    question: Question, live: Sequence[AnswerClass], candidate: Sequence[AnswerClass]
) -> Wavering | None:
    """What one moment says of a question; ``None``: the candidate did not fail, or live did."""
    found = Wavering(question, min(live, key=lambda a: a.rank))
    found.hears(live, candidate)
    failures = found.failures
    return found if failures[1] and not failures[0] and found.usual.rank < Rank.SERVER_ERROR else None


class Rounds:
    """What both sides answered in the rounds of an inquiry: who failed in one and was well in another."""

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self.heard: dict[Question, list[tuple[AnswerClass, AnswerClass]]] = {}

    def hear(self, live: Mapping[Question, AnswerClass], candidate: Mapping[Question, AnswerClass]) -> None:
        """One round."""
        for question, old in live.items():
            new = candidate.get(question)
            if new is not None and not old.broken and not new.broken:
                self.heard.setdefault(question, []).append((old, new))

    def record(self, question: Question) -> Wavering:
        """All that is known of a question that was asked."""
        pairs = self.heard[question]
        found = Wavering(question, min((old for old, _ in pairs), key=lambda a: a.rank))
        for old, new in pairs:
            found.hears([old], [new])
        return found

    def wavering(self, insight: Foresight, worse: Collection[Question]) -> list[Wavering]:
        """What failed at the candidate while live was well, and is not worse for good; users' paths first.

        What is worse in every round is among them where the application is known to fail now and then.
        """
        found: list[Wavering] = []
        for question, pairs in self.heard.items():
            if question in worse or all(new.rank <= old.rank for old, new in pairs):
                continue
            one = self.record(question)
            if one.steady and not one.failures[0]:
                continue  # a difference for good, that is meant or accepted
            if not one.alone and sum(two > 0 for _, two, _ in one.moments) < SLOW:
                continue
            if one.usual.rank < Rank.SERVER_ERROR and not self._hurried(insight, one):
                found.append(one)
        shaky = [one.question for one in found if _upset(one.failure)]
        shaky += [q for q, pairs in self.heard.items() if any(_upset(a) and not _upset(b) for a, b in pairs)]
        groups = {members for q in shaky if (members := insight.behind(q)[0])}
        found += [r for q in worse if q in self.heard and _upset((r := self.record(q)).failure)
                  and insight.behind(q)[0] in groups]  # fmt: skip
        for one in found:
            one.elsewhere = self._elsewhere(insight, one.question)
        return sorted(found, key=lambda one: insight.invented(one.question))

    def _elsewhere(self, insight: Foresight, question: Question) -> int:
        """How often live failed, and the candidate did not, at other paths of the same application."""
        members, _ = insight.behind(question)
        if not members:
            return 0
        return sum(
            1
            for other, pairs in self.heard.items()
            if other != question and insight.behind(other)[0] == members
            for old, new in pairs
            if _upset(old) and new.rank < Rank.SERVER_ERROR
        )

    def _hurried(self, insight: Foresight, one: Wavering) -> bool:
        """Whether our own haste met a limit of requests, which is tried and judged for itself."""
        now = insight.standing(insight.candidate, one.question)
        config = insight.candidate.config
        if now is None or config is None or one.failure.status not in _LIMITED:
            return False
        return bool(limiters(config, now.scope))


def _upset(answer: AnswerClass) -> bool:
    return answer.rank >= Rank.SERVER_ERROR


# --- what both configurations say of it


class Sameness:
    """Whether nothing that could hold for a question is another than live's: then no failure is its doing."""

    def __init__(self, live: Sites, candidate: Sites) -> None:
        """Compare what stands outside of servers."""
        around = [_around(sites) for sites in (live, candidate)]
        self._around = around[0] is not None and around[0] == around[1]

    def holds(self, insight: Foresight, question: Question) -> bool:
        """Whether it was left as it is, and all around it."""
        was, now = (insight.standing(s, question) for s in (insight.live, insight.candidate))
        return self._around and was is not None and now is not None and was.server.text == now.server.text


def _around(sites: Sites) -> tuple[str, ...] | None:
    """All that stands outside of servers, but logs: a release names itself in one of them."""
    if sites.config is None:
        return None
    said: list[str] = []
    for block in sites.config.directives:
        inner = block.block if block.name == "http" and block.block is not None else (block,)
        said += [written(d) for d in inner if d.name not in ("server", "error_log", "include")]
    return tuple(said)


def exercised(insight: Foresight, same: Sameness, questions: Iterable[Question]) -> list[Question]:
    """A question for each changed route whose failures kept connections, or other servers, may hide.

    Asked one after the other it finds a connection that an earlier one left; users do not. First what is
    itself another, before what only shares its connections.
    """
    found: dict[Directive, tuple[bool, Question]] = {}
    plain = (q for q in questions if not q.said)
    # Behind a login only those who have come in meet what is there.
    for question in sorted(plain, key=lambda q: (insight.invented(q), not q.asker)):
        was, now = (insight.standing(s, question) for s in (insight.live, insight.candidate))
        if was is None or now is None or now.scope[-1] in found:
            continue
        if not _varies(now) and _members(was) == _members(now):
            continue
        if crowd(insight, question) is None and not same.holds(insight, question):
            alike = written(was.scope[-1]) == written(now.scope[-1])
            found[now.scope[-1]] = alike, question
    return [question for _, question in sorted(found.values(), key=lambda item: item[0])]


def crowd(insight: Foresight, question: Question) -> float | None:
    """Seconds between two that are asked, where they may not be asked many at once; ``None``: they may."""
    pauses = []
    for sites in (insight.live, insight.candidate):
        standing = insight.standing(sites, question)
        if standing is None or sites.config is None:
            continue
        group = _group(standing)
        members = group.all("server") if group is not None else []
        if crowds(sites.config, standing.scope) or any("max_conns=" in a for d in members for a in d.args):
            pauses.append(0.0)
        pauses += [1 / max(x.rate * 0.9, 1e-3) for x in limiters(sites.config, standing.scope)]
    return max(pauses, default=None)


def _group(standing: Standing) -> Directive | None:
    """The ``upstream`` that a request is passed to."""
    directive, config = passing(standing.passer), standing.sites.config
    if directive is None or config is None or not directive.args:
        return None
    host = directive.args[0].rpartition("://")[2].partition("/")[0]
    return next((d for d, _ in config.find("upstream") if d.args[:1] == (host,)), None)


def _varies(standing: Standing) -> bool:
    """Whether two requests may take different ways: over a connection that was there, or to another place."""
    directive, group = passing(standing.passer), _group(standing)
    if group is not None and group.first("keepalive") is not None:
        return True
    return directive is not None and any("$" in a for a in directive.args[:1])


def _members(standing: Standing) -> frozenset[str]:
    to = standing.passed
    return to.members if to is not None else frozenset()


# --- what one answer is worth


def steadier(first: AnswerClass, second: AnswerClass | None) -> AnswerClass:
    """What can be relied on of two answers of live: the worse, and only the content they share."""
    if second is None or second.broken:
        return first
    if second.rank > first.rank:
        return second
    if first.page is not None and second.page is not None and first.page.differs(second.page):
        return replace(first, page=replace(first.page, digest=""))
    return first


def is_content(difference: Difference) -> bool:
    """Whether it is another content and nothing else."""
    old, new = difference.old, difference.new
    same = old is not None and new is not None and (old.status, old.location) == (new.status, new.location)
    return same and difference.why is None
