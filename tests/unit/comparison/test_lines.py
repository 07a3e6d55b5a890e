"""Questions that share connections are answered as those that do not; what one spoils is asked anew."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.asking.answers import Dialect
from deployer.comparison.asking.lines import AT_ONCE, ask_briskly
from deployer.comparison.asking.turns import Turns
from deployer.comparison.pace import Limits
from tests.unit.servers import Authority, Handler, Loopback, Server, read_request

from .twins import POSSIBLE, Twin

Serve = Callable[..., Server]
MANY = 60
PLAIN = Dialect(tls=False, proxy=False)


def asking(server: Server, number: int = MANY, name: str = "a.example") -> list[Question]:
    return [Question("127.0.0.1", server.port, name, f"/{n}") for n in range(number)]


def ask(
    questions: list[Question],
    transport: Loopback | Twin,
    *,
    limits: Limits | None = None,
    fresh: bool = False,
    calm: bool = False,
    dialect: Dialect = PLAIN,
) -> dict[Question, AnswerClass]:
    return ask_briskly(
        questions,
        {q.place: dialect for q in questions},
        transport,
        deadline_s=60,
        stop=threading.Event(),
        limits=limits or {},
        fresh=fresh,
        calm=calm,
    )


def page(request: bytes, status: int = 200, *headers: str, body: bytes | None = None) -> bytes:
    """An answer that says what was asked for."""
    asked = request.split(b" ")[1]
    body = asked if body is None else body
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", f"Location: {asked.decode()}"]
    return "\r\n".join([*lines, *headers]).encode() + b"\r\n\r\n" + body


def site(answer: Callable[[int, bytes], bytes], most: int = 10_000, after: bytes = b"") -> Handler:
    """Answers one request after another, by their number on the connection, and closes after ``most``."""

    def handle(connection: socket.socket) -> None:
        for number in range(most):
            request = read_request(connection)
            if not request:
                return
            connection.sendall(answer(number, request))
        connection.sendall(after)

    return handle


def each_by_its_own(answers: dict[Question, AnswerClass]) -> bool:
    return all((a.text, a.location) == ("200", q.path) for q, a in answers.items())


ODD = {
    "closes after some, without a word": site(lambda _, r: page(r), most=7),
    "says that it closes": site(
        lambda n, r: page(r, 200, *(["Connection: close"] if n == 4 else [])), most=5
    ),
    "has no length": site(lambda _, r: b"HTTP/1.1 200 OK\r\nLocation: " + r.split(b" ")[1] + b"\r\n\r\nx", 1),
    "speaks HTTP/1.0": site(lambda _, r: page(r).replace(b"HTTP/1.1", b"HTTP/1.0"), most=1),
    "sends more than anybody reads": site(lambda _, r: page(r, body=b"x" * 100_000)),
    "says more than it was asked": site(lambda _, r: page(r) + page(b"GET /another")),
    "hangs up with an answer of its own": site(lambda _, r: page(r), 3, page(b"GET /late", 408)),
    "takes the second for a bad one": site(lambda n, r: page(r, 400 if n else 200)),
    "in pieces": site(
        lambda _, r: (
            page(r)
            .replace(b"Content-Length: ", b"Transfer-Encoding: chunked\r\nX-Was: ")
            .rpartition(b"\r\n\r\n")[0]
            + b"\r\n\r\n1\r\nx\r\n0\r\n\r\n"
        )
    ),
}


@pytest.mark.parametrize("how", ODD)
def test_whatever_a_server_does_with_connections_each_question_has_its_own_answer(
    serve: Serve, loopback: Loopback, how: str
) -> None:
    server = serve(ODD[how])
    questions = asking(server)
    answers = ask(questions, loopback)
    assert list(answers) == questions
    assert each_by_its_own(answers), Counter(a.text for a in answers.values())


def test_connections_are_few_and_not_shared_where_they_are_told_apart(
    serve: Serve, loopback: Loopback
) -> None:
    server = serve(site(lambda _, r: page(r)))
    assert each_by_its_own(ask(asking(server), loopback))
    assert server.connections <= AT_ONCE
    assert each_by_its_own(ask(asking(server), loopback, fresh=True))
    assert server.connections >= MANY


def test_an_error_now_and_then_is_not_asked_away(serve: Serve, loopback: Loopback) -> None:
    server = serve(site(lambda n, r: page(r, 502 if n % 3 == 2 else 200)))
    assert Counter(a.text for a in ask(asking(server), loopback, calm=True).values())["502"] > MANY // 5


def test_no_more_at_once_than_a_limit_of_connections_leaves(serve: Serve, loopback: Loopback) -> None:
    inside, most, lock = [0], [0], threading.Lock()

    def answer(_: int, request: bytes) -> bytes:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        with lock:
            inside[0] -= 1
        return page(request)

    questions = asking(serve(site(answer)), 20)
    assert each_by_its_own(ask(questions, loopback))
    assert 1 < most[0] <= AT_ONCE
    most[0] = 0
    assert each_by_its_own(ask(questions, loopback, limits=dict.fromkeys(questions, (("addr", 0.0, 1),))))
    assert most[0] == 1


def test_a_limit_of_requests_is_kept_to_however_late_the_turn_comes() -> None:
    questions = [Question("127.0.0.1", 80, "a.example", f"/{n}") for n in range(5)]
    plan = [(n * 0.1, question) for n, question in enumerate(questions)]
    limits = dict.fromkeys(questions, (("each", 0.1, 1),))
    turns = Turns(plan, lambda q: q.place, limits, within_s=60, stop=threading.Event())
    time.sleep(0.5)
    first = turns.next(None)
    began = time.monotonic()
    assert first == (("127.0.0.1", 80), questions[0])
    assert [turns.next(first[0]) for _ in questions[1:]] == [(first[0], q) for q in questions[1:]]
    assert time.monotonic() - began > 0.2
    assert turns.next(first[0]) is None


def test_whoever_asks_stays_with_a_connection_and_a_long_way_is_shared() -> None:
    ways = {"long": 20, "short": 3, "shorter": 2}
    questions = [Question("127.0.0.1", 80, way, f"/{n}") for way, most in ways.items() for n in range(most)]
    plan = [(0.0, question) for question in questions]
    turns = Turns(plan, lambda q: q.name, {}, within_s=60, stop=threading.Event())
    mine = [turn[0] for _ in range(4) if (turn := turns.next(None)) is not None]
    assert mine == ["long", "short", "shorter", "long"]
    assert [turns.next("shorter"), turns.next("long")] == [
        ("shorter", questions[-1]),
        ("long", questions[2]),
    ]


def test_what_an_application_refuses_to_haste_is_asked_for_slowly(serve: Serve, loopback: Loopback) -> None:
    """It lets 100 requests a second in, with a burst of 20, and nobody can read that in a configuration."""
    lock = threading.Lock()
    bucket = [20.0, time.monotonic()]

    def answer(_: int, request: bytes) -> bytes:
        with lock:
            now = time.monotonic()
            bucket[:] = [min(20.0, bucket[0] + (now - bucket[1]) * 100), now]
            let_in = bucket[0] >= 1
            bucket[0] -= let_in
        return page(request, 200 if let_in else 429)

    questions = asking(serve(site(answer)), 200)
    assert not each_by_its_own(ask(questions, loopback))
    time.sleep(0.3)
    assert each_by_its_own(ask(questions, loopback, calm=True))


def test_nothing_is_asked_after_a_stop(serve: Serve, loopback: Loopback) -> None:
    server = serve(site(lambda _, r: page(r)))
    stop = threading.Event()
    stop.set()
    questions = asking(server, 3)
    dialects = {q.place: PLAIN for q in questions}
    assert ask_briskly(questions, dialects, loopback, deadline_s=5, stop=stop, limits={}) == {}
    assert server.connections == 0


NAMES = ("one.example", "two.example", "three.example")
SITES = """
server { listen 80 proxy_protocol; server_name one.example; keepalive_requests 5;
  add_header X-Number $connection_requests; return 200 one; }
server { listen 80 proxy_protocol; server_name two.example; return 301 https://two.example$request_uri; }
server { listen 80 proxy_protocol; server_name three.example; return 404; }
"""


@pytest.mark.slow
@pytest.mark.skipif(not POSSIBLE, reason="needs root, nginx and ip, for a network namespace")
def test_every_name_shows_its_own_certificate(tmp_path: Path, authority: Authority) -> None:
    """Real nginx: names share a plain connection, and none with TLS."""
    blocks = []
    for name in NAMES:
        pem = tmp_path / f"{name}.pem"
        shutil.copy(authority.issue(f"DNS:{name}", days=-1 if name == "three.example" else 90).path, pem)
        blocks.append(
            f"server {{ listen 443 ssl; server_name {name}; ssl_certificate {pem}; ssl_certificate_key {pem};"
            f" return 200 {name}; }}"
        )
    twin = Twin(tmp_path / "twin", SITES + "\n".join(blocks), ca=str(authority.ca))
    try:
        twin.start()
        plain = [Question("127.0.0.1", 80, name, f"/{n}") for n in range(20) for name in NAMES]
        answers = ask(plain, twin, dialect=Dialect(tls=False, proxy=True))
        assert {q.name: a.text for q, a in answers.items()} == dict(
            zip(NAMES, ("200", "301", "404"), strict=True)
        )
        tls = [Question("127.0.0.1", 443, name, f"/{n}") for n in range(20) for name in NAMES]
        shown = {
            (q.name, a.names, a.verified)
            for q, a in ask(tls, twin, dialect=Dialect(tls=True, proxy=False)).items()
        }
    finally:
        twin.stop()
    assert shown == {(name, (name,), name != "three.example") for name in NAMES}
