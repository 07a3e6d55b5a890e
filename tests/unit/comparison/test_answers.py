"""The default comparison against a real nginx on loopback that is reloaded from good to bad."""

from __future__ import annotations

import http.client
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployer.comparison.asked import AnswerClass
from deployer.comparison.asking.answers import Dialect, Look, look, settle
from deployer.comparison.compare import Question, Survey, survey
from tests.unit.servers import Authority, Loopback, Server, never, read_request, response

pytestmark = [pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx"), pytest.mark.slow]

Serve = Callable[..., Server]
NAMES = ["shop.example.com", "blog.example.com", "*.wild.example.com", "_"]
PORTS = ("plain", "tls", "proxy", "proxy_tls", "refuses")


class Nginx:
    """One nginx in a directory of its own; ``load`` waits until the new workers answer."""

    def __init__(self, directory: Path, pem: Path) -> None:
        self._directory, self._pem = directory, pem
        # Drawn at once: a second draw may give a port of the first again.
        self._generation_port, *others = _free_ports(len(PORTS) + 1)
        self.ports = dict(zip(PORTS, others, strict=True))
        self._generation = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def listens(self) -> list[str]:
        return [f"127.0.0.1:{port}" for port in self.ports.values()]

    def place(self, port: str) -> tuple[str, int]:
        return "127.0.0.1", self.ports[port]

    def load(self, text: str) -> None:
        """``text``: the servers; ``$plain`` and so on are ports."""
        self._generation += 1
        for name in sorted(PORTS, key=len, reverse=True):
            text = text.replace(f"${name};", f"127.0.0.1:{self.ports[name]};")
            text = text.replace(f"${name} ", f"127.0.0.1:{self.ports[name]} ")
        (self._directory / "nginx.conf").write_text(
            f"""daemon off; pid {self._directory}/pid; error_log {self._directory}/error.log info;
            worker_processes 1; events {{}}
            http {{ access_log off; ssl_certificate {self._pem}; ssl_certificate_key {self._pem};
            {
                "".join(
                    f"{kind}_temp_path {self._directory}/{kind};"
                    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
                )
            }
            server {{ listen 127.0.0.1:{self._generation_port}; return 200 {self._generation}; }}
            {text} }}"""
        )
        if self._process is None:
            argv = ["nginx", "-p", str(self._directory), "-c", str(self._directory / "nginx.conf")]
            self._process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
        else:
            self._process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 20
        while not (self._answering() == str(self._generation) and self._workers() == 1):
            assert time.monotonic() < deadline, (self._directory / "error.log").read_text()
            time.sleep(0.02)

    def _workers(self) -> int:
        """Old workers that are still there may still answer."""
        assert self._process is not None
        pid = self._process.pid
        return len(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())

    def _answering(self) -> str | None:
        connection = http.client.HTTPConnection("127.0.0.1", self._generation_port, timeout=2)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read().decode()
        except OSError:
            return None
        finally:
            connection.close()

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [int(s.getsockname()[1]) for s in sockets]
    for made in sockets:
        made.close()
    return ports


@pytest.fixture
def nginx(tmp_path: Path, authority: Authority) -> Iterator[Nginx]:
    made = Nginx(tmp_path, authority.issue("DNS:shop.example.com,DNS:blog.example.com").path)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's authority among the system's."""
    from deployer.checks import certificate

    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    certificate._context.cache_clear()


GOOD = """
server { listen $plain default_server; server_name _; return 404; }
server { listen $plain; listen $tls ssl; listen $proxy proxy_protocol; listen $proxy_tls ssl proxy_protocol;
         server_name shop.example.com; return 200 shop; }
server { listen $plain; listen $tls ssl; server_name blog.example.com; return 301 https://blog.example.com/; }
server { listen $plain; server_name *.wild.example.com; return 503; }
server { listen $refuses ssl default_server; ssl_reject_handshake on; }
server { listen $refuses ssl; server_name shop.example.com; return 200 shop; }
"""


def before(nginx: Nginx, loopback: Loopback) -> Look:
    nginx.load(GOOD)
    return look(survey(nginx.listens, NAMES), loopback)


def again(nginx: Nginx, loopback: Loopback, seen: Look, servers: str) -> dict[str, list[str]]:
    nginx.load(servers)
    found = settle(seen, loopback, deadline_s=1.5, names=NAMES)
    return {
        "worse": [str(d) for d in found.worse],
        "changed": [str(d) for d in found.changed],
        "unproved": [str(d) for d in found.unproved],
    }


def test_each_port_is_asked_in_what_it_speaks(nginx: Nginx, loopback: Loopback) -> None:
    seen = before(nginx, loopback)
    assert seen.dialects == {
        nginx.place("plain"): Dialect(tls=False, proxy=False),
        nginx.place("tls"): Dialect(tls=True, proxy=False),
        nginx.place("proxy"): Dialect(tls=False, proxy=True),
        nginx.place("proxy_tls"): Dialect(tls=True, proxy=True),
        nginx.place("refuses"): Dialect(tls=True, proxy=False),
    }
    plain, tls = nginx.ports["plain"], nginx.ports["tls"]

    def at(port: int, name: str) -> tuple[int | None, bool | None]:
        answer = seen.answers[Question("127.0.0.1", port, name)]
        return answer.status, answer.verified

    assert at(plain, "") == (404, None)
    assert at(plain, "shop.example.com") == (200, None)
    assert at(plain, "blog.example.com") == (301, None)
    assert at(plain, "deployer-probe.wild.example.com") == (503, None)
    assert at(tls, "shop.example.com") == (200, True)
    assert at(tls, "deployer-probe.wild.example.com") == (200, False)
    assert at(tls, "") == (200, None)
    assert at(nginx.ports["proxy_tls"], "shop.example.com") == (200, True)
    assert at(nginx.ports["refuses"], "shop.example.com") == (200, True)
    assert at(nginx.ports["refuses"], "") == (None, None)


def test_the_same_again_is_healthy_at_once(nginx: Nginx, loopback: Loopback) -> None:
    seen = before(nginx, loopback)
    started = time.monotonic()
    assert settle(seen, loopback, deadline_s=10).healthy
    assert time.monotonic() - started < 5


def test_the_update_of_the_outage_is_worse(nginx: Nginx, loopback: Loopback) -> None:
    seen = before(nginx, loopback)
    found = again(nginx, loopback, seen, GOOD.replace("return 200 shop", "return 503"))
    assert f"shop.example.com at 127.0.0.1:{nginx.ports['plain']}: 200 before, 503 now" in found["worse"]
    assert not any("wild" in reason and "plain" in reason for reason in found["worse"])


BREAKS = {
    "tls turned off": ("listen $refuses ssl", "listen $refuses ", "refuses", "TLS handshake failed"),
    "port closed": ("listen $proxy proxy_protocol; ", "", "proxy", "could not connect"),
    "PROXY no longer read": ("$proxy proxy_protocol", "$proxy ", "proxy", "400 now"),
    "forbidden": ("return 301 https://blog.example.com/", "return 403", "plain", "301 before, 403 now"),
}


@pytest.mark.parametrize("how", BREAKS)
def test_what_breaks_users(nginx: Nginx, loopback: Loopback, how: str) -> None:
    old, new, port, words = BREAKS[how]
    assert old in GOOD
    seen = before(nginx, loopback)
    found = again(nginx, loopback, seen, GOOD.replace(old, new))
    assert [r for r in found["worse"] if f":{nginx.ports[port]}:" in r and words in r], found


def test_a_certificate_that_fits_no_more_is_worse(
    nginx: Nginx, loopback: Loopback, authority: Authority
) -> None:
    seen = before(nginx, loopback)
    other = authority.issue("DNS:shop.example.com", days=-1).path
    bad = f"ssl_certificate {other}; ssl_certificate_key {other};"
    found = again(nginx, loopback, seen, GOOD.replace("return 200 shop", f"{bad} return 200 shop"))
    wanted = f"shop.example.com at 127.0.0.1:{nginx.ports['tls']}: good before; now the certificate is not"
    assert [r for r in found["worse"] if r.startswith(wanted) and "expired" in r], found


def test_what_recovers_in_time_is_healthy(nginx: Nginx, loopback: Loopback) -> None:
    seen = before(nginx, loopback)
    nginx.load(GOOD.replace("return 200 shop", "return 503"))
    timer = threading.Timer(1.0, lambda: nginx.load(GOOD))
    timer.start()
    assert settle(seen, loopback, deadline_s=30).healthy
    timer.join()


@pytest.mark.parametrize(
    ("said", "deadline_s"),
    [
        ([("500 Oh", 0.0), ("200 OK", 0.6)], 0.8),  # the second comes when the time of all is over
        ([("200 OK", 0.6)], 0.2),  # so does the first
        ([("500 Oh", 0.6), ("200 OK", 0.0)], 0.2),  # it is doubted though no time is left for that
    ],
)
def test_the_last_question_has_time_for_its_answer(
    loopback: Loopback, said: list[tuple[str, float]], deadline_s: float
) -> None:
    answers = iter(said)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for status, late_s in answers:
                connection, _ = server.accept()
                with connection:
                    connection.recv(4096)
                    time.sleep(late_s)
                    connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

        threading.Thread(target=serve, daemon=True).start()
        question = Question("127.0.0.1", server.getsockname()[1], "")
        good = {question: AnswerClass("200", 200)}
        seen = Look(Survey((question,)), {question.place: Dialect(tls=False, proxy=False)}, good)
        assert settle(seen, loopback, deadline_s=deadline_s).healthy


def test_a_limit_on_requests_is_not_mistaken_for_an_outage(nginx: Nginx, loopback: Loopback) -> None:
    seen = before(nginx, loopback)
    limited = "limit_req_zone $server_name zone=a:1m rate=4r/s;" + GOOD.replace(
        "server_name shop.example.com;", "server_name shop.example.com; limit_req zone=a; root /nonexistent;"
    ).replace("return 200 shop;", "error_page 404 =200 @ok; location @ok { return 200; }")
    nginx.load(limited)
    assert settle(seen, loopback, deadline_s=30).worse == ()


def test_a_site_that_was_taken_out_is_changed(nginx: Nginx, loopback: Loopback) -> None:
    seen = before(nginx, loopback)
    nginx.load(GOOD.replace("server_name blog.example.com", "server_name other.example.com"))
    names = ["shop.example.com", "other.example.com", "*.wild.example.com"]
    found = settle(seen, loopback, deadline_s=2, names=names)
    assert found.healthy, found
    assert any("no such name" in str(d) for d in found.changed)


def test_nginx_gone_is_worse_and_ssh_gone_is_unproved(nginx: Nginx, loopback: Loopback) -> None:
    seen = before(nginx, loopback)
    nginx.close()
    found = settle(seen, loopback, deadline_s=1)
    assert found.worse
    assert not found.unproved
    loopback.dead = True
    found = settle(seen, loopback, deadline_s=1)
    assert not found.worse
    assert found.unproved


def test_what_does_not_speak_http_is_not_judged(serve: Serve, loopback: Loopback) -> None:
    def smtp(connection: socket.socket) -> None:
        connection.sendall(b"220 mail.example.com ESMTP\r\n")
        read_request(connection)

    mail, mute = serve(smtp), serve(lambda connection: read_request(connection) and None)
    seen = look(survey([f"127.0.0.1:{s.port}" for s in (mail, mute)], ["a.example"]), loopback)
    assert (seen.dialects, seen.answers) == ({}, {})
    assert settle(seen, loopback, deadline_s=1).healthy


def test_a_default_server_that_hangs_up_does_not_hide_the_sites(nginx: Nginx, loopback: Loopback) -> None:
    nginx.load(GOOD.replace("server_name _; return 404", "server_name _; return 444"))
    seen = look(survey([f"127.0.0.1:{nginx.ports['plain']}"], NAMES), loopback)
    assert seen.dialects == {nginx.place("plain"): Dialect(tls=False, proxy=False)}
    assert {q.name: a.status for q, a in seen.answers.items()} == {
        "": None,
        "shop.example.com": 200,
        "blog.example.com": 301,
        "deployer-probe.wild.example.com": 503,
    }


def test_a_silent_server_on_a_dead_connection_is_unproved(serve: Serve, loopback: Loopback) -> None:
    def handle(connection: socket.socket) -> None:
        read_request(connection)
        if cut.is_set():
            loopback.dead = True
        else:
            connection.sendall(response())

    cut = threading.Event()
    seen = look(survey([f"127.0.0.1:{serve(handle).port}"], []), loopback)
    assert [a.status for a in seen.answers.values()] == [200]
    cut.set()
    found = settle(seen, loopback, deadline_s=0.1)
    assert found.unproved
    assert not found.worse


def test_a_stop_and_a_deadline_end_the_look(serve: Serve, loopback: Loopback) -> None:
    servers = [serve(never) for _ in range(3)]
    found = survey([f"127.0.0.1:{s.port}" for s in servers], ["a.example"])
    started = time.monotonic()
    assert look(found, loopback, deadline_s=0.5).answers == {}
    stop = threading.Event()
    stop.set()
    assert look(found, loopback, stop=stop).answers == {}
    assert time.monotonic() - started < 5
