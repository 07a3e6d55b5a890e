"""Rounds, in a row, until a deadline; the bake; the precheck."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from deployer.checks.health import bake, precheck, split_checks, until_healthy
from deployer.checks.verdict import Finding, as_before
from deployer.config.playbook import Check, Expect, From, Health
from tests.unit.servers import Handler, Loopback, Server, never, read_request, replying, response

Serve = Callable[..., Server]

FAST = Health(deadline_s=5, interval_s=0.02, consecutive=3, bake_s=0.3)


def check(server: Server, name: str = "shop", within_s: float = 2.0) -> Check:
    return Check(name=name, url=f"http://127.0.0.1:{server.port}/{name}", expect=Expect(within_s=within_s))


class Script:
    """A handler that answers with one status after the other, the last one for good."""

    def __init__(self, *statuses: int, delay_s: float = 0.0) -> None:
        self._statuses = list(statuses)
        self._delay_s = delay_s
        self._lock = threading.Lock()

    def __call__(self, connection: socket.socket) -> None:
        read_request(connection)
        with self._lock:
            status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        threading.Event().wait(self._delay_s)  # a slow service, not synchronisation
        connection.sendall(response(status))


def test_three_in_a_row(serve: Serve, loopback: Loopback) -> None:
    server = serve(Script(200))
    report = until_healthy([check(server)], loopback, FAST)
    assert report.healthy
    assert report.finding is Finding.PASSED
    assert report.records[0].passed >= 3
    assert report.seconds < 1
    assert report.passed == {check(server).digest}
    assert report.reasons == ()


def test_a_failure_in_between_begins_the_row_anew(serve: Serve, loopback: Loopback) -> None:
    server = serve(Script(200, 200, 503, 200))
    report = until_healthy([check(server)], loopback, FAST)
    assert report.healthy
    assert (report.records[0].failed, report.records[0].passed) == (1, 5)


def test_every_check_has_to_pass_in_the_same_round(serve: Serve, loopback: Loopback) -> None:
    shop, blog = serve(Script(200)), serve(Script(503))
    report = until_healthy(
        [check(shop), check(blog, "blog")], loopback, Health(deadline_s=0.5, interval_s=0.05, consecutive=2)
    )
    assert not report.healthy
    assert report.finding is Finding.FAILED
    assert len(report.reasons) == 1
    assert report.reasons[0].startswith("blog: expected status 200-299, got 503 in ")
    assert report.reasons[0].endswith(f"({report.records[1].failed} failed of {report.records[1].failed})")
    assert report.passed == {check(shop).digest}
    assert 0.5 <= report.seconds < 1.5


@pytest.mark.slow
def test_rounds_overlap(serve: Serve, loopback: Loopback) -> None:
    server = serve(Script(200, delay_s=1.0))
    report = until_healthy([check(server), check(server, "other")], loopback, FAST)
    assert report.healthy
    assert report.seconds < 2.5  # one after the other: 3 s and more


def test_no_more_is_asked_than_is_needed_while_answers_are_on_their_way(
    serve: Serve, loopback: Loopback
) -> None:
    server = serve(Script(200, delay_s=0.15))
    report = until_healthy([check(server)], loopback, Health(deadline_s=10, interval_s=0.02, consecutive=3))
    assert (report.healthy, report.rounds) == (True, 3)


def test_one_lost_answer_is_not_waited_for(serve: Serve, loopback: Loopback) -> None:
    turns: Iterator[Handler] = iter([never, *[Script(200)] * 100])

    def handle(connection: socket.socket) -> None:
        next(turns)(connection)

    server = serve(handle)
    report = until_healthy([check(server, within_s=8)], loopback, FAST)
    assert report.healthy
    assert report.seconds < 4


def test_what_never_answers_is_not_asked_without_end(serve: Serve, loopback: Loopback) -> None:
    server = serve(never)
    report = until_healthy([check(server)], loopback, Health(deadline_s=0.5, interval_s=0.01, consecutive=3))
    assert report.finding is Finding.FAILED
    assert server.connections == 3
    assert "no complete answer within 0." in report.reasons[0]
    assert report.seconds < 2


def test_a_check_that_ran_out_of_everybodys_time_does_not_hide_the_real_trouble(
    serve: Serve, loopback: Loopback
) -> None:
    def first_bad_then_silent(connection: socket.socket) -> None:
        if server.connections == 1:
            read_request(connection)
            connection.sendall(response(500))
        else:
            never(connection)

    server = serve(first_bad_then_silent)
    report = until_healthy([check(server)], loopback, Health(deadline_s=0.4, interval_s=0.05, consecutive=2))
    assert "got 500" in report.reasons[0]


def test_broken_is_not_failed(serve: Serve, loopback: Loopback) -> None:
    server = serve(Script(200))
    loopback.prohibited = True
    report = until_healthy([check(server)], loopback, Health(deadline_s=0.2, interval_s=0.05, consecutive=2))
    assert report.finding is Finding.BROKEN
    assert report.records[0].failed == 0
    assert "broken of" in report.reasons[0]


def test_a_broken_probe_is_tried_again_and_a_lost_connection_opened(serve: Serve, loopback: Loopback) -> None:
    class Revived(Loopback):
        def open(self) -> None:
            super().open()
            self.dead = self.opened < 3

    transport = Revived(dead=True)
    report = until_healthy([check(serve(Script(200)))], transport, FAST)
    assert report.healthy
    assert transport.opened == 3
    assert report.records[0].broken == 2


def test_one_broken_and_one_failed_is_failed(serve: Serve, loopback: Loopback) -> None:
    gone = Check(name="gone", from_=From.COMMAND, command=("no-such-program",))
    report = until_healthy(
        [gone, check(serve(Script(503)))], loopback, Health(deadline_s=0.2, interval_s=0.05, consecutive=1)
    )
    assert report.finding is Finding.FAILED
    assert len(report.reasons) == 2


def test_a_stop_is_noticed(serve: Serve, loopback: Loopback) -> None:
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    health = Health(deadline_s=30, interval_s=5, consecutive=3)
    report = until_healthy([check(serve(Script(503)))], loopback, health, stop=stop)
    assert (report.healthy, report.stopped) == (False, True)
    assert report.seconds < 2
    report = bake([check(serve(Script(200)))], loopback, Health(bake_s=30), stop=stop)
    assert (report.stopped, report.rounds) == (True, 0)


def test_no_checks_are_healthy_at_once(loopback: Loopback) -> None:
    assert until_healthy([], loopback, FAST).healthy
    assert bake([], loopback, FAST).healthy


def test_an_interval_of_nothing_is_no_busy_loop(serve: Serve, loopback: Loopback) -> None:
    server = serve(Script(503))
    until_healthy([check(server)], loopback, Health(deadline_s=0.3, interval_s=0, consecutive=1))
    assert server.connections <= 31


def test_a_bug_in_a_probe_is_not_swallowed(serve: Serve) -> None:
    class Wrong(Loopback):
        def tunnel(self, *_: object, **__: object) -> socket.socket:
            raise AssertionError("a bug")

    with pytest.raises(AssertionError, match="a bug"):
        until_healthy(
            [check(serve(Script(200)))], Wrong(), Health(deadline_s=0.1, interval_s=0.05, consecutive=1)
        )


def test_the_bake_forgives_one_blip(serve: Serve, loopback: Loopback) -> None:
    server = serve(Script(200, 503, 200))
    report = bake([check(server)], loopback, FAST)
    assert report.healthy
    assert report.records[0].failed == 1
    assert 0.3 <= report.seconds < 1
    assert report.rounds >= 3


def test_the_bake_ends_at_the_second_failure_running(serve: Serve, loopback: Loopback) -> None:
    server = serve(Script(200, 503, 503, 200))
    report = bake([check(server)], loopback, Health(interval_s=0.02, bake_s=30))
    assert report.finding is Finding.FAILED
    assert report.seconds < 2
    assert report.records[0].failed == 2


@pytest.mark.parametrize("lasting", [False, True])
def test_a_broken_probe_in_the_bake(serve: Serve, lasting: bool) -> None:
    class Moody(Loopback):
        tunnels = 0

        def tunnel(self, address: str, port: int, *, timeout_s: float) -> socket.socket:
            self.tunnels += 1
            self.prohibited = self.tunnels > 3 if lasting else 2 < self.tunnels < 5
            return super().tunnel(address, port, timeout_s=timeout_s)

    report = bake([check(serve(Script(200)))], Moody(), FAST)
    assert report.healthy is not lasting
    assert report.records[0].broken >= 2
    assert report.finding is (Finding.BROKEN if lasting else Finding.PASSED)


def test_the_bake_opens_a_lost_connection_again(serve: Serve) -> None:
    class Dropping(Loopback):
        def open(self) -> None:
            super().open()
            self.dead = False

        def tunnel(self, address: str, port: int, *, timeout_s: float) -> socket.socket:
            self.dead = self.dead or (server.connections == 2 and not self.opened)
            return super().tunnel(address, port, timeout_s=timeout_s)

    server, transport = serve(Script(200)), Dropping()
    assert bake([check(server)], transport, FAST).healthy
    assert transport.opened == 1


def test_only_what_passed_before_gates(serve: Serve, loopback: Loopback) -> None:
    live, new = check(serve(Script(200))), check(serve(Script(404)), "new")
    assert split_checks([live, new], [live.digest, "0" * 16]) == ((live,), (new,))
    found = precheck([live, new], [live.digest], loopback, FAST)
    assert found.gating.healthy
    assert not found.report.healthy
    assert [r.check for r in found.report.records if r.ok] == ["shop"]


def test_a_sick_host_is_refused_by_name_and_soon(serve: Serve, loopback: Loopback) -> None:
    sick = check(serve(Script(503)))
    started = time.monotonic()
    found = precheck([sick], [sick.digest], loopback, Health(deadline_s=0.3, interval_s=0.05))
    assert found.gating.finding is Finding.FAILED
    assert found.gating.reasons[0].startswith("shop: expected status 200-299, got 503")
    assert time.monotonic() - started < 2


def test_as_healthy_as_before(serve: Serve, loopback: Loopback) -> None:
    good, bad = check(serve(Script(200))), check(serve(Script(503)), "bad")
    flips: Handler = Script(200, 503)
    turned = check(serve(flips), "turned")
    checks = [good, bad, turned]
    before = precheck(checks, [], loopback, FAST).report
    after = precheck(checks, [], loopback, FAST).report
    assert [sentence.partition(":")[0] for sentence in as_before(before, after)] == ["turned"]
    assert as_before(before, before) == ()
    assert as_before(before, until_healthy([good], loopback, FAST)) == (
        "turned: passed before, not asked since",
    )


def test_warnings_are_said_once(serve: Serve, loopback: Loopback) -> None:
    report = until_healthy([check(serve(replying(response())))], loopback, FAST)
    assert report.warnings == ()
