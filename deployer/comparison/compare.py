"""Without any check: what a host answered before against what it answers after. Pure.

One question per server name and listening port. What was bad before is not held against the candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from deployer.comparison import judge
from deployer.comparison.asked import AnswerClass, Page, Question, Rank
from deployer.comparison.judge import Insight

__all__ = ["AnswerClass", "Comparison", "Difference", "Page", "Question", "Rank", "Survey"]
__all__ += ["compare", "concrete", "survey"]

Accepted = Callable[[Question], str | None]
"""Why an answer may be worse, when somebody said that it is meant."""

QUESTIONS = 200
"""At most so many per host; above it they are sampled evenly."""

PROBE_LABEL = "deployer-probe"
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "*": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104  # read, not bound
_LABEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


@dataclass(frozen=True)
class Survey:
    """The questions for one host, and what is not asked."""

    questions: tuple[Question, ...]
    left_out: int = 0  #: questions above the limit
    unasked: tuple[str, ...] = ()  #: server names no request can be made for: regular expressions

    @property
    def note(self) -> str | None:
        """A sentence when not everything is asked."""
        parts = []
        if self.left_out:
            total = self.left_out + len(self.questions)
            parts.append(f"only {len(self.questions)} of {total} questions are asked, evenly chosen")
        if self.unasked:
            parts.append(
                f"not asked for: {', '.join(self.unasked[:5])}" + (" …" if len(self.unasked) > 5 else "")
            )
        return "; ".join(parts) or None


def survey(listens: Iterable[str], server_names: Iterable[str], *, limit: int = QUESTIONS) -> Survey:
    """The questions for what nginx listens on (``ADDRESS:PORT``) and the server names it knows.

    Wildcard addresses are asked on loopback, wildcard names with a label of our own, the default server of
    each port with no name at all. A port on both wildcards gets but the default question over IPv6.
    """
    raw = tuple(dict.fromkeys(n.strip().lower() for n in server_names))
    names = tuple(dict.fromkeys(name for n in raw for name in concrete(n)))
    places = tuple(dict.fromkeys(place for text in listens if (place := _place(text))))
    named = [
        Question(address, port, name)
        for name in names
        for address, port in places
        if not (address == "::1" and ("127.0.0.1", port) in places)
    ]
    default = [Question(address, port, "") for address, port in places][:limit]
    room = max(0, limit - len(default))
    step = max(1.0, len(named) / room) if room else 0.0
    chosen = [named[int(i * step)] for i in range(min(room, len(named)))]
    left_out = len(places) + len(named) - len(default) - len(chosen)
    return Survey((*default, *chosen), left_out, tuple(n for n in raw if n.startswith("~")))


def concrete(server_name: str) -> tuple[str, ...]:
    """Names that a ``server_name`` is asked with; none for catch-alls and regular expressions.

    ``.example.com`` is both the name and everything below it, ``www.example.*`` ends in anything.
    """
    if server_name.startswith("."):
        names: tuple[str, ...] = (server_name[1:], PROBE_LABEL + server_name)
    elif server_name.startswith("*."):
        names = (PROBE_LABEL + server_name[1:],)
    elif server_name.endswith(".*"):
        names = (server_name[:-1] + "test",)
    else:
        names = (server_name,)
    return tuple(n for n in names if n.strip("_") and len(n) <= 253 and all(map(_is_label, n.split("."))))


def _is_label(text: str) -> bool:
    return 0 < len(text) <= 63 and _LABEL.issuperset(text)


@dataclass(frozen=True, slots=True)
class Difference:
    """One question whose answer is another one now, as a sentence.

    :ivar why: why it was accepted, by whoever said it was meant, or by the configuration itself.
    :ivar sums: what both sides answered, where one answer does not tell: "502 in 2 of 12".
    """

    question: Question
    reason: str
    old: AnswerClass | None = None
    new: AnswerClass | None = None
    why: str | None = None
    sums: tuple[str, str] | None = None

    def __str__(self) -> str:
        said = f"{self.question}: {self.reason}"
        return f"{said} ({self.why})" if self.why else said


@dataclass(frozen=True)
class Comparison:
    """Before against after.

    :ivar worse: what users would call broken; refuses or rolls back.
    :ivar changed: worth a look, no fault: another status, another redirect, a name that is gone.
    :ivar unproved: could not be asked again, so nothing is known.
    """

    worse: tuple[Difference, ...] = ()
    changed: tuple[Difference, ...] = ()
    unproved: tuple[Difference, ...] = ()
    asked: int = 0
    stopped: bool = False

    @property
    def healthy(self) -> bool:
        """As healthy as before, and known to be."""
        return not self.worse and not self.unproved and not self.stopped


def compare(
    before: Mapping[Question, AnswerClass],
    after: Mapping[Question, AnswerClass],
    *,
    names: Collection[str] | None = None,
    insight: Insight | None = None,
    accepted: Accepted | None = None,
) -> Comparison:
    """Judge every question that had an answer before.

    :param names: the server names of the configuration that answers now, when they are known. A name that it
        no longer has, and that the default server answers as it answers everybody, was taken out on purpose
        and counts as changed: unless no name is left that answers well.
    :param insight: what both configurations say; then a worse answer that they mean is changed, and another
        content that they do not mean is worse.
    :param accepted: why a question may be answered worse, for what somebody said was meant.
    """
    gone = _gone(before, after, names)
    worse: list[Difference] = []
    changed: list[Difference] = []
    unproved: list[Difference] = []
    for question, old in before.items():
        new = after.get(question)
        if old.broken or old.rank is Rank.NONE:
            continue
        if new is None or new.broken:
            if old.rank < Rank.SERVER_ERROR:
                said = new.text if new else "not asked"
                unproved.append(Difference(question, f"{old.text} before, {said} now", old, new))
        elif reason := judge.worse(question, old, new, insight):
            why = accepted(question) if accepted is not None else None
            why = why or (insight.meant(question, new) if insight is not None else None)
            if question in gone:
                why = why or "the configuration has no such name any more"
            found = Difference(question, reason, old, new, why)
            (changed if why else worse).append(found)
        elif reason := judge.changed(old, new):
            changed.append(Difference(question, reason, old, new))
    return Comparison(tuple(worse), tuple(changed), tuple(unproved), asked=len(after))


def _gone(
    before: Mapping[Question, AnswerClass],
    after: Mapping[Question, AnswerClass],
    names: Collection[str] | None,
) -> frozenset[Question]:
    """Questions for names that were taken out, answered by a default server that is no worse than it was."""
    if names is None:
        return frozenset()
    known = {name for n in names for name in concrete(n.strip().lower())}
    good = [q for q, a in before.items() if q.name and a.rank is Rank.GOOD]
    if not any(q.name in known and q in after and after[q].rank is Rank.GOOD for q in good):
        return frozenset()
    gone = set()
    for question in before:
        default = Question(question.address, question.port, "")
        if question.name and question.name not in known and default in before and default in after:
            same = question in after and after[question].status == after[default].status
            if same and after[default].rank <= before[default].rank:
                gone.add(question)
    return frozenset(gone)


def _place(listen: str) -> tuple[str, int] | None:
    """``None`` for what is no address and port (a unix socket)."""
    address, _, port = listen.strip().rpartition(":")
    if not port.isdigit() or listen.startswith("unix:"):
        return None
    address = address.strip("[]")
    return _LOOPBACK.get(address, address), int(port)
