"""Counting in access logs, without a lab: formats, times, rotation, bounds, and lines that were forged."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from deployer.host.reply import VerbAnswer, parse
from tests.agent_text import agent

SHELLS = (("dash",), ("busybox", "ash"), ("bash",))
NOW = int(time.time())

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the agent refuses to work for anybody but root"),
    pytest.mark.skipif(not shutil.which("nginx", path="/usr/sbin:/usr/bin"), reason="needs nginx"),
]


class Ground:
    """A target that names one access log, and no nginx that runs."""

    def __init__(self, directory: Path) -> None:
        self.log = directory / "access.log"
        self.target = directory / "etc"
        (self.target / "conf.d").mkdir(parents=True)
        self.names(str(self.log))

    def names(self, *logs: str) -> None:
        lines = "".join(f"  access_log {log} main buffer=32k;\n" for log in logs)
        (self.target / "conf.d/site.conf").write_text(f"server {{\n{lines}  # access_log off;\n}}\n")

    def ask(self, shell: tuple[str, ...] = ("sh",), code: int = 0, **header: Any) -> VerbAnswer:
        values = {"target": self.target, "state": self.target.parent / "state", "argv": "nginx"}
        text = "".join(f"{key}={value}\n" for key, value in {**values, **header}.items()) + "\n"
        done = subprocess.run(
            [*shell, *agent("traffic")],
            input=text.encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert not done.stderr, done.stderr
        answer = parse(done.stdout)
        assert answer is not None
        assert answer.complete
        assert answer.verbs[-1].code == code, done.stdout
        return answer.verbs[-1]


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    global NOW  # noqa: PLW0603 - each test's own: the whole suite takes minutes
    NOW = int(time.time())
    return Ground(tmp_path)


def line(
    ago: int, status: int = 200, *, zone: str = "+0000", user: str = "-", request: str = "GET / HTTP/1.1"
) -> str:
    """A line of nginx's format "combined" of so many seconds ago, by a clock in this zone."""
    shift = (int(zone[1:3]) * 3600 + int(zone[3:]) * 60) * (-1 if zone[0] == "-" else 1)
    stamp = time.strftime("%d/%b/%Y:%H:%M:%S", time.gmtime(NOW - ago + shift))
    return f'192.0.2.7 - {user} [{stamp} {zone}] "{request}" {status} 612 "-" "curl/7.88.1"\n'


def counts(said: VerbAnswer) -> dict[int, tuple[int, int]]:
    """Requests and failed ones, by how many seconds ago."""
    rows = [tuple(map(int, row.split())) for row in said.all("count")]
    return {NOW - at: (total, failed) for at, total, failed in rows}


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_requests_and_failures_by_the_second(ground: Ground, shell: tuple[str, ...]) -> None:
    ground.log.write_text(
        line(1500)
        + line(30) * 3
        + line(20, 503) * 2
        + line(20)
        + line(19, 499, zone="+0530")
        + line(18, 502, zone="-0330").rstrip("\n")
        + ' "198.51.100.1"\n'  # as "main" ends
        + "\n"
    )
    said = ground.ask(shell, since=1200)
    assert counts(said) == {30: (3, 0), 20: (3, 2), 19: (1, 0), 18: (1, 1)}
    assert said.all("log") == (str(ground.log),)
    assert not said.all("skipped")
    assert not said.all("short")
    assert abs(float(said.one("clock")) - time.time()) < 10


def test_our_own_checks_are_no_users(ground: Ground) -> None:
    ground.log.write_text(line(30) + line(30, 503).replace("curl/7.88.1", "deployer-check") * 5)
    assert counts(ground.ask(since=1200)) == {30: (1, 0)}


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_times_of_all_kinds_of_years(ground: Ground, shell: tuple[str, ...]) -> None:
    for text in ("29/Feb/2024:23:59:59 +0000", "01/Mar/2024:00:00:00 +0000", "31/Dec/2025:23:59:59 -0100"):
        ground.log.write_text(f'::1 - - [{text}] "GET / HTTP/2.0" 200 1 "-" "-"\n')
        said = ground.ask(shell, since=2**30, until=1, width=2**20)
        (row,) = said.all("count")
        stamp = time.strptime(text, "%d/%b/%Y:%H:%M:%S %z")
        at = int(time.mktime(stamp)) - time.timezone - stamp.tm_gmtoff
        start = int(said.one("from"))
        assert int(row.split()[0]) == start + (at - start) // 2**20 * 2**20, text


def test_only_what_was_asked_for(ground: Ground) -> None:
    ground.log.write_text("".join(line(ago) for ago in (900, 461, 460, 441, 440, 5)))
    found = counts(ground.ask(since=600, until=200, width=100))
    assert sum(total for total, _ in found.values()) == 4
    assert len(found) <= 2


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_what_users_write_is_not_taken_for_a_time_or_a_status(ground: Ground, shell: tuple[str, ...]) -> None:
    forged = f"x [{time.strftime('%d/%b/%Y:%H:%M:%S')} +0000] 503 "
    ground.log.write_text(
        line(20, user=forged)
        + line(20, request=r"GET /\x22 503 1 \x22 HTTP/1.1")
        + line(20, request="")
        + line(20, 400, request="-")
        + line(20, request="$(touch /tmp/gone) `id` ' ; %s%n")
        + "deployer: cut off, says somebody\n"
        + line(20).replace(" 200 ", " 999 ")
    )
    assert counts(ground.ask(shell, since=1200)) == {20: (5, 0)}


@pytest.mark.parametrize("kind", ["plain", "gzip", "dated"])
def test_a_log_that_was_rotated_meanwhile(ground: Ground, kind: str) -> None:
    before, after = "".join(line(ago, 503) for ago in (1500, 800, 700)), line(500)
    ground.log.write_text(after)
    if kind == "plain":
        ground.log.with_name("access.log.1").write_text(before)
    elif kind == "gzip":
        ground.log.with_name("access.log.1.gz").write_bytes(gzip.compress(before.encode()))
    else:
        ground.log.with_name("access.log-20240611").write_text(line(90000))
        ground.log.with_name("access.log-20240612").write_text(before)
    said = ground.ask(since=1200)
    assert counts(said) == {800: (1, 1), 700: (1, 1), 500: (1, 0)}
    assert len(said.all("log")) == 2
    assert not said.all("short")


def test_a_log_that_was_rotated_this_moment_is_empty(ground: Ground) -> None:
    ground.log.touch()
    ground.log.with_name("access.log.1").write_text(line(1500) + line(800))
    assert counts(ground.ask(since=1200)) == {800: (1, 0)}


def test_a_rotated_log_that_does_not_reach_back_is_told(ground: Ground) -> None:
    ground.log.write_text(line(300))
    ground.log.with_name("access.log.1").write_text(line(500))
    assert ground.ask(since=1200).all("short") == (str(ground.log),)


def test_what_is_read_is_bounded(ground: Ground) -> None:
    ground.log.write_text(line(800, 503) * 1000 + line(700) * 100)
    said = ground.ask(since=1200, limit=len(line(700)) * 100)
    assert counts(said) == {700: (100, 0)}
    assert said.all("short") == (str(ground.log),)
    assert not said.all("skipped"), "its first line is half a line"


def test_logs_that_cannot_be_read_are_named(ground: Ground, tmp_path: Path) -> None:
    other, error = tmp_path / "json.log", tmp_path / "error.log"
    other.write_text('{"status": 200}\n')
    error.write_text("2024/06/12 14:15:00 [error] 7#7: *1 connect() failed\n  more of it\n")
    ground.names(str(other), str(error), "/var/log/nginx/$host.log", "/dev/null", "/nowhere/at.all")
    said = ground.ask(since=1200)
    assert [text.partition(": ")[0] for text in said.all("skipped")] == [
        str(other),
        "/var/log/nginx/$host.log",
    ]
    assert not said.all("log")
    assert not said.all("count")


def test_several_logs_are_added(ground: Ground, tmp_path: Path) -> None:
    second = tmp_path / "second.log"
    ground.names(str(ground.log), str(second), str(ground.log))
    ground.log.write_text(line(20))
    second.write_text(line(20, 500))
    assert counts(ground.ask(since=1200)) == {20: (2, 1)}


@pytest.mark.parametrize(
    "header",
    [{}, {"since": "x"}, {"since": 5, "until": 5}, {"since": 10**6, "width": 1}, {"since": 5, "width": 0}],
)
def test_nonsense_is_refused(ground: Ground, header: dict[str, Any]) -> None:
    ground.ask(code=64, **header)


def test_another_program_than_nginx_has_no_known_log(ground: Ground) -> None:
    assert "not nginx" in ground.ask(code=67, since=1200, argv="true").one("error")
