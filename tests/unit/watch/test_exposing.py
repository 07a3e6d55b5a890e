"""Metrics as a scraper gets them, what is kept over a restart, and a word to the service manager."""

from __future__ import annotations

import os
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deployer.errors import UsageError
from deployer.watch.changes import Standing
from deployer.watch.exposing import AT_ONCE, Exposer, Textfile, address_of, registry_of
from deployer.watch.findings import FLEET_KINDS, HOST_KINDS, Kind
from deployer.watch.kept import FLEET, Shelf
from deployer.watch.look import Health, Look, Wanted
from deployer.watch.now import HostNow, Now
from deployer.watch.systemd import Manager
from deployer.watch.tally import Tally
from tests.unit.seen import seen

PAGE = Path(__file__).parents[3] / "docs/monitoring/README.md"
DOWN = {Kind.DOWN: Standing("nginx is not running", "", True, 5.0)}
TALLY = Tally({"2": 7, "5": 1}, {"error": 2}, 1, 9, {1: 2}, 100.0)
LOOK = Look(
    "web1",
    100.0,
    0.5,
    seen=seen(disk_hash="1" * 64, facts={"drift": ("a", "b")}),
    health=Health(False, failing=("shop",)),
    wanted=Wanted("b-2", "2" * 64),
)
NOW = Now(
    "lab",
    {"web1": HostNow(LOOK, LOOK, TALLY, DOWN, 900.0), "web2": HostNow(Look("web2", 1.0, error="x"))},
    {},
    30.0,
    50.0,
)


@pytest.fixture
def exposer() -> Iterator[Exposer]:
    made = Exposer(("127.0.0.1", 0), registry_of(lambda: NOW))
    made.start()
    yield made
    made.shutdown()
    made.server_close()


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (s.name, frozenset(s.labels.items())): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


def read(exposer: Exposer, path: str = "/metrics") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{exposer.port}{path}", timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def test_a_scraper_gets_what_stands_now(exposer: Exposer) -> None:
    found = samples(read(exposer))

    def value(name: str, **labels: str) -> float | None:
        return found.get((name, frozenset({"inventory": "lab", **labels}.items())))

    assert value("deployer_watch_hosts") == 2
    assert value("deployer_host_up", host="web1") == 1
    assert value("deployer_host_up", host="web2") == 0
    assert value("deployer_host_condition", host="web1", condition="down") == 1
    assert value("deployer_host_condition", host="web1", condition="drift") == 0
    assert value("deployer_fleet_condition", condition="unfinished") == 0
    assert value("deployer_host_answers_total", **{"host": "web1", "class": "5xx"}) == 1
    assert value("deployer_host_answers_total", **{"host": "web1", "class": "4xx"}) == 0
    assert value("deployer_host_answers_total", **{"host": "web2", "class": "4xx"}) is None
    assert value("deployer_host_log_lines_total", host="web1", level="error") == 2
    assert value("deployer_host_drifted_files", host="web1") == 2
    assert value("deployer_host_behind_git", host="web1") == 1
    assert value("deployer_host_checks_failing", host="web1") == 1
    assert value("deployer_host_certificate_expiry_timestamp_seconds", host="web1") == 900
    assert value("deployer_host_look_timestamp_seconds", host="web2") is None


def test_the_page_and_the_metrics_name_each_other(exposer: Exposer) -> None:
    told = set(re.findall(r"`(deployer_\w+)`", PAGE.read_text()))
    exposed = set(re.findall(r"^# TYPE (deployer_\w+)", read(exposer), re.MULTILINE))
    assert told == exposed
    for kind in (*HOST_KINDS, *FLEET_KINDS):
        assert f"`{kind.value}`" in PAGE.read_text()


def test_only_metrics_are_served(exposer: Exposer) -> None:
    for path in ("/", "/etc/passwd", "/metrics/x", "/../metrics"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            read(exposer, path)
        assert refused.value.code == 404
        refused.value.close()


def test_clients_that_only_hold_on_are_hung_up_on(exposer: Exposer) -> None:
    idle = [socket.create_connection(("127.0.0.1", exposer.port)) for _ in range(AT_ONCE)]
    try:
        late = socket.create_connection(("127.0.0.1", exposer.port))
        late.settimeout(10)
        assert late.recv(1) == b""
        late.close()
    finally:
        for each in idle:
            each.close()


def test_a_port_that_is_taken_is_said(exposer: Exposer) -> None:
    with pytest.raises(UsageError, match=f"--listen 127.0.0.1:{exposer.port} cannot be had"):
        Exposer(("127.0.0.1", exposer.port), registry_of(lambda: NOW))


def test_it_listens_on_ipv6() -> None:
    made = Exposer(address_of("[::1]:0"), registry_of(lambda: NOW))
    assert made.address_family is socket.AF_INET6
    made.server_close()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9095", ("127.0.0.1", 9095)),
        ("[::1]:9095", ("::1", 9095)),
        (":9095", ("127.0.0.1", 9095)),
        ("0.0.0.0:1", ("0.0.0.0", 1)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert address_of(text) == address


@pytest.mark.parametrize("text", ["", "9095", "host:", "::1:9095", "a:b", "a:70000", "a:-1"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match="--listen wants ADDRESS:PORT"):
        address_of(text)


def test_a_textfile_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "deployer.prom"
    Textfile(path, registry_of(lambda: NOW)).write()
    assert ("deployer_host_up", frozenset({("inventory", "lab"), ("host", "web1")})) in samples(
        path.read_text()
    )
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "words"), [("x.txt", "end in .prom"), ("no/x.prom", "there is no directory")]
)
def test_a_textfile_that_nobody_would_read(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Textfile(tmp_path / name, registry_of(lambda: NOW))


# --- what is kept


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "watch/lab.json")
    assert shelf.take().tallies == {}
    shelf.put({"web1": TALLY, "web2": Tally()}, {"web1": DOWN, FLEET: {}})
    assert Shelf(shelf.path).take().tallies == {}, "another watch holds it"
    shelf.let_go()
    kept = Shelf(shelf.path).take()
    assert kept.tallies == {"web1": Tally(offsets={1: 2}, read_at=100.0)}
    assert kept.conditions == {"web1": DOWN}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 9}', '{"version":1,"logs":{"a":1},"conditions":{}}']
)
def test_what_cannot_be_read_is_as_if_it_were_not_there(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lab.json"
    path.write_text(text)
    assert Shelf(path).take().tallies == {}


def test_a_condition_that_is_not_known_any_more_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "lab.json"
    path.write_text(
        '{"version":1,"logs":{},"conditions":{"a":{"haunted":["x","",true,1],"down":["y","",true,2]}}}'
    )
    assert Shelf(path).take().conditions == {"a": {Kind.DOWN: Standing("y", "", True, 2.0)}}


# --- the service manager


def test_the_manager_hears_and_no_child_inherits_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind(str(tmp_path / "notify"))
        there.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "2000000")
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
        manager = Manager()
        assert "NOTIFY_SOCKET" not in os.environ
        assert manager.watchdog_s == 2.0
        manager.ready()
        manager.status("well")
        manager.status("well")
        manager.alive()
        manager.stopping()
        said = [there.recv(100).decode() for _ in range(4)]
    assert said == ["READY=1", "STATUS=well", "WATCHDOG=1", "STOPPING=1"]
    manager.status("nobody listens any more")


def test_without_a_manager_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", "2000000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    manager = Manager()
    assert manager.watchdog_s is None
    manager.ready()
