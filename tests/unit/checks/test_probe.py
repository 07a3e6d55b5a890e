"""One check, asked once: what passes, what fails, what is nobody's fault but the way's."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from deployer.checks.probe import run_check
from deployer.checks.reach import BrokenProbe, direct
from deployer.checks.verdict import Finding, Verdict
from deployer.config.playbook import Check, Expect, From
from deployer.config.terms import LocalFile, statuses
from tests.unit.servers import Authority, Loopback, Server, never, read_request, replying, response

Serve = Callable[..., Server]


def run(transport: Loopback, url: str, expect: Expect | None = None, **keys: object) -> Verdict:
    check = Check(name="shop", url=url, expect=expect or Expect(), **keys)  # type: ignore[arg-type]
    return run_check(check, transport)


def command(transport: Loopback, *argv: str, within_s: float = 5) -> Verdict:
    check = Check(name="disk", from_=From.COMMAND, command=argv, expect=Expect(within_s=within_s))
    return run_check(check, transport)


def test_a_503_is_a_failed_service(serve: Serve, loopback: Loopback) -> None:
    server = serve(replying(response(503)))
    verdict = run(loopback, f"http://127.0.0.1:{server.port}/", Expect(status=statuses(200)))
    assert verdict.finding is Finding.FAILED
    assert verdict.reason.startswith("shop: expected status 200, got 503 in ")
    assert verdict.reason.endswith(f" ms from http://127.0.0.1:{server.port}/")


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        (Expect(), None),
        (Expect(status=statuses(["2xx", 404])), None),
        (Expect(status=statuses(404)), "expected status 404, got 200"),
        (Expect(body="^h.llo$"), None),
        (Expect(body="goodbye"), r"the body \(5 bytes\) does not match 'goodbye'"),
        (Expect(headers={"x-served-by": "^web\\d$"}), None),
        (Expect(headers={"X-Served-By": "^db"}), "the header X-Served-By 'web1' does not match '\\^db'"),
        (Expect(headers={"X-Cache": "."}), "the header X-Cache is missing"),
        (Expect(headers={"Set-Cookie": "^x"}), "the header Set-Cookie does not match"),
    ],
)
def test_expectations(serve: Serve, loopback: Loopback, expect: Expect, words: str | None) -> None:
    raw = response(200, b"hello", "X-Served-By: web1", "Set-Cookie: session=very-secret")
    verdict = run(loopback, f"http://127.0.0.1:{serve(replying(raw)).port}/", expect)
    assert verdict.finding is (Finding.FAILED if words else Finding.PASSED)
    assert "very-secret" not in verdict.reason
    if words:
        assert re.search(words, verdict.reason)


def test_a_redirect_is_an_answer_and_not_followed(serve: Serve, loopback: Loopback) -> None:
    server = serve(replying(response(301, b"", "Location: https://elsewhere.example/")))
    url = f"http://127.0.0.1:{server.port}/"
    assert run(loopback, url).finding is Finding.FAILED
    assert run(loopback, url, Expect(status=statuses(301))).finding is Finding.PASSED
    assert server.connections == 2


def test_what_refuses_is_a_failed_service(loopback: Loopback, free_port: int) -> None:
    verdict = run(loopback, f"http://127.0.0.1:{free_port}/")
    assert verdict.finding is Finding.FAILED
    assert "the host could not connect" in verdict.reason
    verdict = run(loopback, f"http://127.0.0.1:{free_port}/", from_=From.CONTROLLER)
    assert verdict.finding is Finding.FAILED
    assert "the connection was refused" in verdict.reason


def test_what_is_silent_is_a_failed_service_while_the_connection_lives(
    serve: Serve, loopback: Loopback
) -> None:
    server = serve(never)
    verdict = run(loopback, f"http://127.0.0.1:{server.port}/", Expect(within_s=0.2))
    assert verdict.finding is Finding.FAILED
    assert "no complete answer within 0.2" in verdict.reason
    assert not verdict.cut


def test_what_is_silent_on_a_dead_connection_is_a_broken_probe(serve: Serve, loopback: Loopback) -> None:
    def die(connection: socket.socket) -> None:
        read_request(connection)
        loopback.dead = True

    verdict = run(loopback, f"http://127.0.0.1:{serve(die).port}/")
    assert verdict.finding is Finding.BROKEN
    assert "the SSH connection is lost (the connection was closed without an answer)" in verdict.reason


def test_no_forwarding_and_no_connection_are_broken_probes(serve: Serve, loopback: Loopback) -> None:
    url = f"http://127.0.0.1:{serve(replying(response())).port}/"
    loopback.prohibited = True
    verdict = run(loopback, url)
    assert (verdict.finding, "prohibited" in verdict.reason) == (Finding.BROKEN, True)
    loopback.dead = True
    assert run(loopback, url).finding is Finding.BROKEN


def test_the_end_of_all_checks_is_not_the_checks_fault(serve: Serve, loopback: Loopback) -> None:
    server = serve(never)
    check = Check(name="shop", url=f"http://127.0.0.1:{server.port}/")
    assert run_check(check, loopback, deadline=time.monotonic() + 0.1).cut


def test_from_the_controller_to_the_hosts_address(serve: Serve, loopback: Loopback) -> None:
    loopback.dead = True
    server = serve(replying(response()))
    check = Check(name="vip", url=f"http://{{host}}:{server.port}/", from_=From.CONTROLLER)
    assert run_check(check, loopback, address="127.0.0.1").finding is Finding.PASSED
    six = serve(replying(response()), socket.AF_INET6)
    check = Check(name="vip", url=f"http://{{host}}:{six.port}/", from_=From.CONTROLLER)
    verdict = run_check(check, loopback, address="::1")
    assert verdict.finding is Finding.PASSED
    assert f"http://[::1]:{six.port}/" in verdict.reason


def test_what_cannot_be_put_into_a_request_is_a_broken_probe(loopback: Loopback) -> None:
    assert run(loopback, "http://{host}/").finding is Finding.BROKEN
    assert run(loopback, "http://127.0.0.1/", headers={"Host": "[::1"}).finding is Finding.BROKEN


def test_a_name_that_does_not_resolve_here_is_a_broken_probe(loopback: Loopback) -> None:
    verdict = run(loopback, "http://does-not-exist.invalid/", from_=From.CONTROLLER)
    assert verdict.finding is Finding.BROKEN
    assert "does-not-exist.invalid does not resolve here" in verdict.reason


def test_the_second_address_of_a_name_is_tried(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(replying(response()))
    both = [
        (socket.AF_INET6, 1, 6, "", ("::1", server.port, 0, 0)),
        (socket.AF_INET, 1, 6, "", ("127.0.0.1", server.port)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    direct("both.example", server.port, time.monotonic() + 5).close()


@pytest.mark.slow
def test_an_address_that_swallows_everything_leaves_time_for_the_next(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(replying(response()))
    with ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # beyond its backlog, SYNs are dropped
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        both = [
            (socket.AF_INET, 1, 6, "", full.getsockname()),
            (socket.AF_INET, 1, 6, "", ("127.0.0.1", server.port)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
        deadline = time.monotonic() + 2
        direct("both.example", 80, deadline).close()
        assert time.monotonic() < deadline - 0.5


def test_a_resolver_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        release.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(BrokenProbe, match="no answer in time"):
        direct("slow.example", 80, time.monotonic() + 0.1)
    release.set()


def test_no_query_is_shown(serve: Serve, loopback: Loopback) -> None:
    url = f"http://127.0.0.1:{serve(replying(response())).port}/a?key=very-secret"
    assert "very-secret" not in run(loopback, url).reason


def test_tls_takes_its_name_from_the_host_header(
    serve: Serve, loopback: Loopback, authority: Authority
) -> None:
    seen: list[str | None] = []
    server = serve(authority.issue("DNS:shop.example.com", days=3).handler(replying(response()), seen))
    url, ca = f"https://127.0.0.1:{server.port}/", LocalFile(str(authority.ca))
    verdict = run(loopback, url, headers={"Host": "shop.example.com:443"}, ca=ca)
    assert verdict.finding is Finding.PASSED
    assert [w.partition(" (")[0] for w in verdict.warnings] == [
        "shop: the certificate of shop.example.com expires in 3 days"
    ]
    assert run(loopback, url, server_name="shop.example.com", ca=ca).finding is Finding.PASSED
    wrong = run(loopback, url, server_name="other.example.com", ca=ca)
    assert (wrong.finding, "Hostname mismatch" in wrong.reason) == (Finding.FAILED, True)
    assert run(loopback, url, verify=False).finding is Finding.PASSED
    assert seen == ["shop.example.com", "shop.example.com", "other.example.com", None]


def test_an_authority_that_cannot_be_read_is_a_broken_probe(serve: Serve, loopback: Loopback) -> None:
    server = serve(replying(response()))
    verdict = run(loopback, f"https://127.0.0.1:{server.port}/", ca=LocalFile("/nonexistent/ca.pem"))
    assert verdict.finding is Finding.BROKEN
    assert "/nonexistent/ca.pem" in verdict.reason


def test_an_authority_of_the_project_is_found_from_anywhere(
    serve: Serve, loopback: Loopback, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(authority.issue("IP:127.0.0.1").handler(replying(response())))
    monkeypatch.chdir(tmp_path)
    ca = LocalFile(authority.ca.name, authority.ca.parent)
    assert run(loopback, f"https://127.0.0.1:{server.port}/", ca=ca).finding is Finding.PASSED


def test_commands(loopback: Loopback) -> None:
    assert command(loopback, "test", "a b;$(c)", "=", "a b;$(c)").finding is Finding.PASSED
    failed = command(loopback, "sh", "-c", "echo no room >&2; exit 3")
    assert failed.finding is Finding.FAILED
    assert failed.reason.startswith("disk: expected exit status 0, got 3 (no room) in ")
    assert failed.reason.endswith(" from command sh")
    assert command(loopback, "no-such-program").finding is Finding.BROKEN
    assert command(loopback, "/etc/passwd").finding is Finding.BROKEN


@pytest.mark.slow
def test_a_command_that_hangs_is_ended_and_failed(loopback: Loopback) -> None:
    started = time.monotonic()
    verdict = command(loopback, "sleep", "30", within_s=0.5)
    assert verdict.finding is Finding.FAILED
    assert "did not end in time" in verdict.reason
    assert time.monotonic() - started < 5
    loopback.dead = True
    assert command(loopback, "true").finding is Finding.BROKEN
