"""Checks through a real SSH connection, against a real nginx: a sick service is not a sick way to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deployer.checks.health import bake, precheck, until_healthy
from deployer.checks.probe import run_check
from deployer.checks.verdict import Finding, as_before
from deployer.comparison.asking.answers import look, settle
from deployer.comparison.compare import survey
from deployer.config.playbook import Check, Expect, From, Health
from deployer.config.terms import statuses
from deployer.host.ssh import Connection, SshOptions
from deployer.lab.fleet import Lab
from deployer.lab.host import LabHost
from deployer.model import Host

pytestmark = pytest.mark.lab

FAST = Health(deadline_s=20, interval_s=0.05, consecutive=3, bake_s=0.5)
SHOP = Check(
    name="shop", url="http://127.0.0.1/", headers={"Host": "shop.example.com"}, expect=Expect(within_s=5)
)
SITE = "/etc/nginx/conf.d/checks.conf"


@pytest.fixture
def ssh(lab: Lab, host: LabHost) -> Iterator[Connection]:
    options = SshOptions(config_file=lab.ssh_config, connect_timeout_s=5)
    connection = Connection(Host(name=host.name, address=host.name), options)
    connection.open()
    yield connection
    connection.close()


def load(host: LabHost, text: str) -> None:
    """Put a file into conf.d, reload, and wait until only new workers are left."""
    host.write(SITE, text)
    old = set(host.nginx_pids())
    host.nginx("-s", "reload")
    deadline = time.monotonic() + 30
    while len(set(host.nginx_pids()) & old) > 1:  # the master stays
        assert time.monotonic() < deadline, host.read("/var/log/nginx/error.log")
        time.sleep(0.02)


def test_the_three_ways_to_ask(host: LabHost, ssh: Connection) -> None:
    expect = Expect(status=statuses(200), within_s=5)
    outside = Check(name="outside", url="http://{host}/", from_=From.CONTROLLER, expect=Expect(within_s=5))
    command = Check(name="user", from_=From.COMMAND, command=("test", "-d", "/etc/nginx"), expect=expect)
    by_name = Check(name="name", url="http://localhost/", headers=SHOP.headers, expect=Expect(within_s=5))
    six = Check(name="six", url="http://[::1]/", headers=SHOP.headers, expect=Expect(within_s=5))
    report = until_healthy(
        [SHOP, command, by_name, six, outside], ssh, Health(deadline_s=10, interval_s=0.1, consecutive=2),
        address=host.address,
    )  # fmt: skip
    records = {r.check: r for r in report.records}
    assert records["shop"].ok, report.reasons
    assert records["user"].ok
    assert records["name"].ok
    assert records["six"].ok
    assert records["outside"].last is not None
    assert records["outside"].last.finding is not Finding.BROKEN


def test_a_503_and_a_dead_nginx_are_failed(host: LabHost, ssh: Connection) -> None:
    before = precheck([SHOP], [SHOP.digest], ssh, FAST)
    assert before.gating.healthy
    host.run(["sh", "-c", "grep -rl shop_app /etc/nginx | xargs sed -i 's/return 200/return 503/'"])
    load(host, "")
    report = until_healthy([SHOP], ssh, Health(deadline_s=0.5, interval_s=0.05, consecutive=3))
    assert report.finding is Finding.FAILED
    assert "expected status 200-299, got 503" in report.reasons[0]
    assert as_before(before.report, report)
    host.stop_nginx()
    report = until_healthy([SHOP], ssh, Health(deadline_s=0.5, interval_s=0.05, consecutive=3))
    assert report.finding is Finding.FAILED
    assert "the host could not connect" in report.reasons[0]
    host.start_nginx()


def test_a_stopped_nginx_is_failed_and_a_stopped_host_is_broken(host: LabHost, ssh: Connection) -> None:
    quick = Check(name="shop", url="http://127.0.0.1/", expect=Expect(within_s=0.5))
    pids = host.nginx_pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert run_check(quick, ssh).finding is Finding.FAILED
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert run_check(SHOP, ssh).finding is Finding.PASSED
    host.pause()
    try:
        verdict = run_check(quick, ssh)
    finally:
        host.resume()
    assert verdict.finding is Finding.BROKEN, verdict
    assert until_healthy([SHOP], ssh, FAST).healthy


def test_a_host_that_comes_back_is_asked_again(host: LabHost, ssh: Connection) -> None:
    host.kill()
    back = threading.Thread(target=host.start)
    back.start()
    report = until_healthy([SHOP], ssh, FAST)
    back.join()
    assert report.healthy, report.reasons


def test_no_forwarding_is_broken_and_commands_still_work(lab: Lab, host: LabHost) -> None:
    host.run(["sh", "-c", "sed -i '1i AllowTcpForwarding no' /etc/ssh/sshd_config"])
    host.reboot()
    options = SshOptions(config_file=lab.ssh_config, connect_timeout_s=5)
    connection = Connection(Host(name=host.name, address=host.name), options)
    connection.open()
    try:
        verdict = run_check(SHOP, connection)
        assert verdict.finding is Finding.BROKEN
        assert "AllowTcpForwarding" in verdict.reason
        argv = ("sh", "-c", "nginx -t")
        assert (
            run_check(Check(name="t", from_=From.COMMAND, command=argv), connection).finding is Finding.PASSED
        )
    finally:
        connection.close()


def test_a_slow_command_costs_neither_the_connection_nor_a_process(host: LabHost, ssh: Connection) -> None:
    hang = Check(name="hang", from_=From.COMMAND, command=("sleep", "4321"), expect=Expect(within_s=0.5))
    verdict = run_check(hang, ssh)
    assert verdict.finding is Finding.FAILED
    assert ssh.is_open
    assert "4321" not in host.run(["ps", "axo", "args"]).stdout


def test_the_bake_sees_a_service_die(host: LabHost, ssh: Connection) -> None:
    assert bake([SHOP], ssh, FAST).healthy
    dying = threading.Timer(0.5, host.stop_nginx)
    dying.start()
    report = bake([SHOP], ssh, Health(interval_s=0.05, bake_s=60))
    dying.join()
    assert report.finding is Finding.FAILED
    assert report.seconds < 30


@contextmanager
def slowly(lab: Lab, host: LabHost, directory: Path, rtt_ms: int) -> Iterator[Connection]:
    """A connection to the host over a line with that round trip."""
    (directory / "upstream.json").write_text(json.dumps([host.address]))
    argv = [sys.executable, "-m", "tests.benchmarks.slow_network", str(directory), str(rtt_ms)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as line:
        assert line.stdout is not None
        [port] = json.loads(line.stdout.readline())
        config = directory / "ssh_config"
        config.write_text(
            f"Host slow\n  HostName 127.0.0.1\n  Port {port}\n  HostKeyAlias {host.name}\n  User root\n"
            f"  IdentityFile {lab.key}\n  UserKnownHostsFile {lab.known_hosts}\n"
        )
        connection = Connection(Host(name="slow", address="slow"), SshOptions(config_file=config))
        try:
            connection.open()
            yield connection
        finally:
            connection.close()
            line.communicate(timeout=10)


def test_three_rounds_cost_little_more_than_one_on_a_slow_line(
    lab: Lab, host: LabHost, tmp_path: Path
) -> None:
    with slowly(lab, host, tmp_path, 400) as ssh:
        report = until_healthy([SHOP], ssh, FAST)
        assert report.healthy
        print(f"three rounds at 400 ms: {report.seconds:.2f} s")
        assert report.seconds < 2.0  # one after the other: 2.4 s and more
        listens = ["0.0.0.0:80", "[::]:80", "127.0.0.1:8081"]
        seen = look(survey(listens, ["shop.example.com", "_"]), ssh)
        started = time.monotonic()
        assert settle(seen, ssh, deadline_s=10).healthy
        print(f"{len(seen.answers)} questions at 400 ms: {time.monotonic() - started:.2f} s")
        assert time.monotonic() - started < 2.0


def test_without_checks_the_answers_are_compared(host: LabHost, ssh: Connection) -> None:
    load(
        host,
        "server { listen 80; server_name a.example; return 200; }\n"
        "server { listen 8080; listen [::]:8080; server_name a.example b.example; return 200; }\n"
        "server { listen 8090 proxy_protocol; server_name a.example; return 200; }\n",
    )
    listens = ["0.0.0.0:80", "[::]:80", "0.0.0.0:8080", "[::]:8080", "0.0.0.0:8090"]
    names = ["shop.example.com", "a.example", "b.example", "_"]
    started = time.monotonic()
    seen = look(survey(listens, names), ssh)
    first_s = time.monotonic() - started
    assert len(seen.dialects) == 5
    started = time.monotonic()
    assert settle(seen, ssh, deadline_s=10).healthy
    print(f"{len(seen.answers)} questions: {first_s:.2f} s before, {time.monotonic() - started:.2f} s after")
    load(
        host,
        "server { listen 80; server_name a.example; return 503; }\n"
        "server { listen 8080; listen [::]:8080; server_name a.example b.example; return 200; }\n"
        "server { listen 8090 proxy_protocol; server_name a.example; return 301 /x; }\n",
    )
    found = settle(seen, ssh, deadline_s=1.5)
    assert [str(d) for d in found.worse] == ["a.example at 127.0.0.1:80: 200 before, 503 now"]
    assert {d.question.port for d in found.changed} == {8090}
    host.pause()
    try:
        found = settle(seen, ssh, deadline_s=3)
    finally:
        host.resume()
    assert found.unproved
    assert not found.worse
