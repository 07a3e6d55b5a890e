"""What was acknowledged is on disk: under SIGKILL, from many threads, from two programs at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployer.errors import StoreUnavailable
from deployer.journal import Store
from deployer.journal.migrations import MIGRATIONS, NEWEST
from deployer.journal.sqlite import SqliteDatabase
from deployer.model import DeploymentRecord, Event, Result

pytestmark = pytest.mark.slow

Make = Callable[..., DeploymentRecord]
MakeEvent = Callable[..., Event]

CHILD = """
import os, sys, time
from concurrent.futures import ThreadPoolExecutor
from deployer.journal import Store
from deployer.model import DeploymentRecord, Event, State

url, name, threads, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
os.write(1, b"ready\\n")
sys.stdin.readline()
store = Store.open(url)
store.start(DeploymentRecord(name, "deploy", "prod", None, None, None, None, time.time(), "ann@ops1"))

def append(number):
    store.append(Event(name, f"web{number}", "stage", State.STARTED, time.time(), {"number": number}))
    os.write(1, b"%d\\n" % number)

with ThreadPoolExecutor(threads) as pool:
    list(pool.map(append, range(count)))
"""


def _child(url: str, name: str, *, threads: int, count: int) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).parents[3])
    argv = [sys.executable, "-c", CHILD, url, name, str(threads), str(count)]
    pipe = subprocess.PIPE
    child = subprocess.Popen(argv, stdin=pipe, stdout=pipe, env={**os.environ, "PYTHONPATH": root})
    assert child.stdout
    assert child.stdout.readline() == b"ready\n"
    return child


def _go(child: subprocess.Popen[bytes]) -> None:
    assert child.stdin
    child.stdin.write(b"\n")
    child.stdin.flush()


def test_an_acknowledged_event_survives_a_kill(url: str) -> None:
    child = _child(url, "killed", threads=8, count=1_000_000)
    try:
        _go(child)
        assert child.stdout
        acknowledged = {int(child.stdout.readline()) for _ in range(200)}
    finally:
        child.send_signal(signal.SIGKILL)
    rest, _ = child.communicate(timeout=20)
    acknowledged |= {int(line) for line in rest.split(b"\n")[:-1]}
    with Store.open(url, read_only=True) as store:
        kept = {event.detail["number"] for event in store.events("killed")}
        assert store.deployments(unfinished=True)[0].id == "killed"
    assert acknowledged <= kept


@pytest.mark.slow
def test_several_programs_make_and_write_one_new_journal_at_once(url: str) -> None:
    children = {f"d{n}": _child(url, f"d{n}", threads=2, count=50) for n in range(4)}
    for child in children.values():
        _go(child)
    for child in children.values():
        child.communicate(timeout=60)
    assert [child.returncode for child in children.values()] == [0] * 4
    with Store.open(url) as store:
        for name in children:
            assert sorted(e.detail["number"] for e in store.events(name)) == list(range(50))


def test_a_new_journal_is_made_once_by_all_who_open_it_together(tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def opens(file: Path) -> int:
        together.wait(10)
        database = SqliteDatabase.open_writable(file, busy_s=10)
        try:
            with database.reading() as session:
                return int(session.rows(NEWEST)[0]["newest"])
        finally:
            database.close()

    with ThreadPoolExecutor(8) as pool:
        for number in range(10):
            assert list(pool.map(opens, [tmp_path / f"{number}.db"] * 8)) == [len(MIGRATIONS)] * 8


def test_many_threads_share_commits(store: Store, record: Make, event: MakeEvent) -> None:
    store.start(record())
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda n: store.append(event(n)), range(640)))
    assert {e.detail["number"] for e in store.events("20240612-141500-aaaa")} == set(range(640))


def test_each_threads_events_stay_in_order(store: Store, record: Make, event: MakeEvent) -> None:
    store.start(record())

    def host(name: str) -> None:
        for n in range(20):
            store.append(event(n, host=name))

    names = [f"web{n}" for n in range(16)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(host, names))
    events = store.events("20240612-141500-aaaa")
    for name in names:
        assert [e.detail["number"] for e in events if e.host == name] == list(range(20))


def test_one_bad_event_fails_alone(store: Store, record: Make, event: MakeEvent) -> None:
    store.start(record())
    futures = [
        store.submit(event(n, "nobody-began-this" if n % 5 == 0 else "20240612-141500-aaaa"))
        for n in range(50)
    ]
    failed = [n for n, future in enumerate(futures) if future.exception(20)]
    assert failed == list(range(0, 50, 5))
    assert len(store.events("20240612-141500-aaaa")) == 40


def test_a_program_error_is_raised_in_its_caller(store: Store, record: Make, event: MakeEvent) -> None:
    store.start(record())
    with pytest.raises(TypeError):
        store.append(event(detail={("no", "json"): 1}))
    store.append(event())


def test_every_commit_is_forced_to_disk(tmp_path: Path) -> None:
    database = SqliteDatabase.open_writable(tmp_path / "state.db", busy_s=1)
    with database.writing() as session:
        asked = [
            next(iter(session.rows(f"PRAGMA {what}")[0].values()))
            for what in ("synchronous", "journal_mode", "foreign_keys")
        ]
    database.close()
    assert asked == [2, "wal", 1]


def test_an_event_that_is_said_twice_is_there_once(
    store: Store, record: Make, event: MakeEvent, result: Result
) -> None:
    store.start(record())
    store.append(event(1))
    assert store.make_up([event(1), event(2)], record().id, result)
    assert [e.detail["number"] for e in store.events(record().id)] == [1, 2]
    assert store.deployment("last").result == result


def test_a_closed_journal_says_so(store: Store, event: MakeEvent) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.append(event())
