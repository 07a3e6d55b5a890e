"""Without any check: what a host answered before against what it answers after. Pure.

One question per server name and listening port. What was bad before is not held against the candidate.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

QUESTIONS = 200
"""At most so many per host; above it they are sampled evenly."""

PROBE_LABEL = "deployer-probe"
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "*": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104  # read, not bound
_LABEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


@dataclass(frozen=True, slots=True, order=True)
class Question:
    """``GET /`` for one server name at one listening port; the empty name asks the default server."""

    address: str  #: as the host reaches it, IPv6 without brackets
    port: int
    name: str

    @property
    def place(self) -> tuple[str, int]:
        """Where it is asked."""
        return self.address, self.port

    def __str__(self) -> str:
        where = f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"
        return f"{self.name} at {where}" if self.name else where


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


class Rank(IntEnum):
    """How bad an answer is for a user; a higher one after than before is worse."""

    GOOD = 0  #: 2xx, 3xx
    CLIENT_ERROR = 1
    SERVER_ERROR = 2
    NONE = 3  #: closed port, closed connection, no handshake, no HTTP


@dataclass(frozen=True, slots=True)
class AnswerClass:
    """What one question was answered with, as far as two answers are compared.

    :ivar text: for people: "200", "the connection was closed without an answer".
    :ivar verified: the certificate stood for the name; ``None`` when that was not asked.
    :ivar lost: closed or late, as it also is when the way to the server is cut.
    :ivar broken: the question could not be put, so nothing is known.
    """

    text: str
    status: int | None = None
    location: str | None = None
    names: tuple[str, ...] = ()  #: of the certificate
    verified: bool | None = None
    distrust: str | None = None  #: why the certificate was not accepted
    lost: bool = False
    broken: bool = False

    @property
    def rank(self) -> Rank:
        """How bad it is."""
        if self.status is None:
            return Rank.NONE
        return (
            Rank.GOOD if self.status < 400 else Rank.CLIENT_ERROR if self.status < 500 else Rank.SERVER_ERROR
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """One question whose answer is another one now, as a sentence."""

    question: Question
    reason: str

    def __str__(self) -> str:
        return f"{self.question}: {self.reason}"


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
) -> Comparison:
    """Judge every question that had an answer before.

    :param names: the server names of the configuration that answers now, when they are known. A name that it
        no longer has, and that the default server answers as it answers everybody, was taken out on purpose
        and counts as changed: unless no name is left that answers well.
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
                unproved.append(Difference(question, f"{old.text} before, {said} now"))
        elif reason := _worse(old, new):
            if question in gone:
                changed.append(Difference(question, f"{reason}; the configuration has no such name any more"))
            else:
                worse.append(Difference(question, reason))
        elif reason := _changed(old, new):
            changed.append(Difference(question, reason))
    return Comparison(tuple(worse), tuple(changed), tuple(unproved), asked=len(after))


def _worse(old: AnswerClass, new: AnswerClass) -> str | None:
    if old.rank >= Rank.SERVER_ERROR:
        return None
    if new.rank > old.rank:
        return f"{old.text} before, {new.text} now"
    if old.verified and new.verified is False:
        return f"good before; now {new.distrust}"
    return None


def _changed(old: AnswerClass, new: AnswerClass) -> str | None:
    if old.status != new.status:
        return f"{old.text} before, {new.text} now"
    if old.location != new.location:
        return f"redirected to {new.location} now, to {old.location} before"
    if old.names != new.names:
        return f"another certificate: for {', '.join(new.names[:3]) or 'nobody'} now"
    return None


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
