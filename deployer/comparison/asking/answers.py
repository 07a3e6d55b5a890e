"""Put the questions of a survey to a host, and ask again until the answers are as good as before.

The kernel says what nginx listens on, not what is spoken there, so each port is first asked in plain HTTP,
in TLS, and in both behind a PROXY protocol header, until something answers.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from deployer.checks.certificate import Trust
from deployer.checks.http import Answer, Lack, NoAnswer, Talk, Url
from deployer.checks.reach import BrokenProbe, Transport, is_alive, reopen, through
from deployer.comparison.asked import Page
from deployer.comparison.compare import Accepted, AnswerClass, Comparison, Question, Survey, compare
from deployer.comparison.pace import Limits, schedule

WORKERS = 8
LIMIT_S = 5.0
DEADLINE_S = 30.0
"""One question has this long; all of them together that long."""

AGAIN_S = 0.5
"""Between two tries at what got worse: a probe that hurries trips ``limit_req`` and finds its own 503."""

FAIR_S = 2.0
"""No question is put with less time for its answer than this, though the deadline of all is nearer."""

_BODY_LIMIT = 32_768
_OF_CONNECTIONS = ("connection", "keep-alive")
_INCLUDES = re.compile(rb"<!--#\s*(include|echo|if|set|config|block)\b")
_WRONG_PORT = b"plain HTTP request was sent to HTTPS port"


@dataclass(frozen=True, slots=True)
class Dialect:
    """What is spoken at a listening port."""

    tls: bool
    proxy: bool  #: a PROXY protocol header is expected before anything else


@dataclass(frozen=True)
class Manner:
    """How a question is put, when not in the usual way."""

    headers: Mapping[str, str] = field(default_factory=dict)
    newest: bool = True  #: ``False``: as a client that knows TLS 1.2 and no later


@dataclass(frozen=True)
class Look:
    """What a host answered before anything was changed.

    :ivar dialects: by address and port; a port that is missing did not speak HTTP and is not judged.
    """

    survey: Survey
    dialects: Mapping[tuple[str, int], Dialect]
    answers: Mapping[Question, AnswerClass]


def look(
    survey: Survey,
    transport: Transport,
    *,
    deadline_s: float = DEADLINE_S,
    stop: threading.Event | None = None,
) -> Look:
    """Find out what each port speaks and how each question is answered now."""
    stop = stop or threading.Event()
    deadline = time.monotonic() + deadline_s
    by_place: dict[tuple[str, int], list[Question]] = {}
    for question in survey.questions:
        by_place.setdefault(question.place, []).append(question)
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="look") as pool:
        # The default server may refuse everybody (444, ssl_reject_handshake): then the first names are tried.
        found = pool.map(
            lambda questions: _dialect(questions[:4], transport, deadline, stop), by_place.values()
        )
        dialects = {place: d for place, d in zip(by_place, found, strict=True) if d is not None}
    left_s = max(0.0, deadline - time.monotonic())
    answers = ask(survey.questions, dialects, transport, deadline_s=left_s, stop=stop)
    return Look(survey, dialects, answers)


def ask(
    questions: Iterable[Question],
    dialects: Mapping[tuple[str, int], Dialect],
    transport: Transport,
    *,
    deadline_s: float = DEADLINE_S,
    stop: threading.Event | None = None,
    limits: Limits | None = None,
) -> dict[Question, AnswerClass]:
    """Ask them all, several at a time. What was not asked before the deadline or a stop is left out.

    What is asked has :data:`FAIR_S` for its answer, though the deadline is nearer.

    :param limits: how fast nginx lets some of them be asked (:func:`deployer.comparison.pace.schedule`).
    """
    stop = stop or threading.Event()
    started = time.monotonic()
    deadline = started + deadline_s
    futures = {}
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="ask") as pool:

        def one(question: Question) -> AnswerClass | None:
            if stop.is_set() or time.monotonic() >= deadline:
                return None
            fair = max(deadline, time.monotonic() + FAIR_S)
            return ask_one(question, dialects[question.place], transport, fair)

        known = [q for q in questions if q.place in dialects]
        for at_s, question in schedule(known, limits or {}, within_s=deadline_s):
            if stop.wait(max(0.0, started + at_s - time.monotonic())):
                break
            futures[question] = pool.submit(one, question)
    return unless_lost({q: a for q, f in futures.items() if (a := f.result()) is not None}, transport)


def unless_lost(answers: dict[Question, AnswerClass], transport: Transport) -> dict[Question, AnswerClass]:
    """A dead SSH connection looks like servers that are silent: one question tells them apart."""
    silent = [q for q, a in answers.items() if a.lost]
    if silent and not is_alive(transport):
        lost = AnswerClass("the SSH connection is lost", broken=True)
        answers.update(dict.fromkeys(silent, lost))
    return answers


def settle(
    before: Look,
    transport: Transport,
    *,
    deadline_s: float,
    names: Collection[str] | None = None,
    accepted: Accepted | None = None,
    stop: threading.Event | None = None,
) -> Comparison:
    """Ask the same questions after a change; what got worse is asked again until ``deadline_s`` has passed.

    Once more it is asked in any case: the last round may take :data:`FAIR_S` longer.

    :param names: the server names of the configuration that answers now (see :func:`compare`).
    :param accepted: likewise.
    """
    stop = stop or threading.Event()
    end = time.monotonic() + deadline_s
    after = ask(before.answers, before.dialects, transport, deadline_s=deadline_s, stop=stop)
    doubted = False
    while True:
        found = compare(before.answers, after, names=names, accepted=accepted)
        left_s = end - time.monotonic() - AGAIN_S
        if found.healthy or (doubted and left_s <= 0) or stop.wait(AGAIN_S):
            break
        doubted = True
        reopen(transport)
        doubtful = [d.question for d in (*found.worse, *found.unproved)]
        # Whoever is asked has time to answer, in the last round too: "late" is said of nginx, not of a clock.
        after |= ask(doubtful, before.dialects, transport, deadline_s=max(left_s, FAIR_S), stop=stop)
    if found.healthy:
        return found
    return Comparison(found.worse, found.changed, found.unproved, found.asked, stopped=stop.is_set())


def ask_one(
    question: Question,
    dialect: Dialect,
    transport: Transport,
    deadline: float,
    manner: Manner | None = None,
) -> AnswerClass:
    """Ask one question on a connection of its own; that there is no answer is an answer, too."""
    way = Way(question, dialect, transport, deadline, manner)
    return classified(question, way.get)


def classified(question: Question, get: Callable[[], tuple[Answer, str | None]]) -> AnswerClass:
    """What came of asking.

    :param get: asks; returns the answer, and why its certificate was not accepted.
    """
    try:
        answer, distrust = get()
    except NoAnswer as error:
        return AnswerClass(question.asker.masked(str(error)), lost=error.lack in (Lack.SILENT, Lack.LATE))
    except BrokenProbe as error:
        return AnswerClass(str(error), broken=True)
    if question.asker:  # an application may say back whatever it was told
        known = tuple((name, question.asker.masked(value)) for name, value in answer.headers)
        answer = replace(answer, headers=known)
    certificate = answer.certificate
    named = certificate is not None and bool(question.name)
    return AnswerClass(
        str(answer.status),
        answer.status,
        answer.header("location"),
        certificate.names if certificate else (),
        verified=distrust is None if named else None,
        distrust=distrust,
        page=_page(answer),
        fits=certificate.fits(question.name) if certificate is not None and named else None,
        current=certificate.current() if certificate is not None else None,
    )


def _page(answer: Answer) -> Page:
    # Whether a connection is kept is said of the connection, and not of the page.
    headers = tuple((n.lower(), value) for n, value in answer.headers if n.lower() not in _OF_CONNECTIONS)
    kind = (answer.header("content-type") or "").partition(";")[0].strip().lower()
    return Page(
        hashlib.sha256(answer.body).hexdigest()[:16],
        len(answer.body),
        kind,
        headers,
        listing=b"<title>Index of /" in answer.body[:400],
        welcome=b"<title>Welcome to nginx" in answer.body[:400],
        built_in=b"<hr><center>nginx" in answer.body[:400],
        garbled=_is_garbled(answer),
        unmade=_INCLUDES.search(answer.body) is not None,
        seconds=answer.seconds,
    )


def _is_garbled(answer: Answer) -> bool:
    said = re.search(r"^text/.*charset\s*=\s*\"?([^\s;\"]+)", (answer.header("content-type") or "").lower())
    if said is None or answer.header("content-encoding") is not None:
        return False
    try:
        answer.body.decode(said[1])
    except UnicodeDecodeError as error:
        return error.reason != "unexpected end of data"  # which may be cut off
    except (LookupError, ValueError):  # no character set, or none that is told by single characters
        return False
    return False


@dataclass(frozen=True)
class Way:
    """How one question gets to a server."""

    question: Question
    dialect: Dialect
    transport: Transport
    deadline: float
    manner: Manner | None = None

    def get(self, *, proof: bool = True) -> tuple[Answer, str | None]:
        """Ask on a connection of its own. The answer, and why its certificate was not accepted.

        :param proof: whether the certificate is held against the name.
        :raises NoAnswer: there was none.
        :raises BrokenProbe: it could not be asked.
        """
        talk, distrust = self.open(proof=proof)
        with contextlib.closing(talk):
            return self.ask(talk, end=talk.deadline, last=True), distrust

    def open(self, *, proof: bool = True) -> tuple[Talk, str | None]:
        """Connect. What is not accepted for its certificate is opened a second time without proof."""
        # An address is not what certificates are made out to.
        if not proof or self.manner is not None or not self.question.name or not self.dialect.tls:
            return self._open(verify=False), None
        try:
            return self._open(verify=True), None
        except NoAnswer as error:
            if error.lack is not Lack.CERTIFICATE:
                raise
            return self._open(verify=False), str(error)

    def ask(self, talk: Talk, *, end: float | None = None, last: bool = False) -> Answer:
        """Ask on a connection that is open.

        :param end: when it is late; ``None``: as late as any question by itself.
        :param last: it is asked nothing after this.
        """
        headers = {**self.question.headers, **(self.manner.headers if self.manner else {})}
        end = self._end if end is None else end
        return talk.get(self._url, deadline=end, headers=headers, limit=_BODY_LIMIT, last=last)

    def _open(self, *, verify: bool) -> Talk:
        host, port = self.question.address, self.question.port
        preface = b""
        if self.dialect.proxy:
            family = "TCP6" if ":" in host else "TCP4"
            preface = f"PROXY {family} {host} {host} 65535 {port}\r\n".encode()
        end = self._end
        stream = through(self.transport, host, port, end)
        newest = self.manner is None or self.manner.newest
        trust = Trust(verify, newest=newest, also=self.transport.ca)
        return Talk(stream, self._url, deadline=end, trust=trust, preface=preface)

    @property
    def _url(self) -> Url:
        question, tls = self.question, self.dialect.tls
        scheme = "https" if tls else "http"
        name = question.name or question.address
        return Url(f"{scheme}://{question}", tls, name, question.port, question.path)

    @property
    def _end(self) -> float:
        return min(self.deadline, time.monotonic() + LIMIT_S)


def _dialect(
    questions: list[Question], transport: Transport, deadline: float, stop: threading.Event
) -> Dialect | None:
    """What is spoken at the place of these questions; ``None`` when nothing there answers in HTTP."""
    tls_first = str(questions[0].port).endswith("443")
    weak: Dialect | None = None
    for question in questions:
        for dialect in [Dialect(t, p) for p in (False, True) for t in (tls_first, not tls_first)]:
            if stop.is_set():
                return None
            try:
                answer, _ = Way(question, dialect, transport, deadline).get(proof=False)
            except NoAnswer as error:
                if error.lack in (Lack.REFUSED, Lack.LATE):
                    return weak
            except BrokenProbe:
                return weak
            else:
                if answer.status != 400:
                    return dialect
                # nginx says 400 to plain HTTP at a TLS port, and to a PROXY header where none is wanted.
                wrong = _WRONG_PORT in answer.body
                weak = weak or Dialect(dialect.tls or wrong, dialect.proxy)
    return weak
