"""Bad disks, foreign files, locks, newer programs: a sentence each, and a rollback goes on all the same."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deployer.errors import StoreUnavailable, StoreUnusable
from deployer.journal import NullStore, Store
from deployer.journal.location import place_of
from deployer.model import DeploymentRecord, Event, Result

Make = Callable[..., DeploymentRecord]
MakeEvent = Callable[..., Event]
DAMAGES = (b"this is no database at all, but a text\n" * 200, b"SQLite format 3\0" + b"\xff" * 8000)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "deployer-test", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def _fill(place: Path) -> Path:
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(b"x" * 512)
            except OSError:
                return filler


@needs_root
def test_a_full_disk_is_said_and_room_cures_it(small_disk: Path, record: Make, event: MakeEvent) -> None:
    with Store.open(f"sqlite:///{small_disk}/state.db") as store:
        store.start(record())
        filler = _fill(small_disk)
        failures = [store.submit(event(n)).exception(20) for n in range(100)]
        kept = failures.index(next(filter(None, failures)))
        assert "no space left; make room" in str(failures[-1])
        filler.unlink()
        store.append(event(100))
        numbers = [e.detail["number"] for e in store.events("20240612-141500-aaaa")]
        assert numbers == [*range(kept), 100]


@needs_root
def test_a_disk_that_is_full_at_the_start(small_disk: Path) -> None:
    _fill(small_disk)
    with pytest.raises(StoreUnavailable, match=r"journal .*state.db"):
        Store.open(f"sqlite:///{small_disk}/state.db")


@needs_root
def test_a_read_only_disk_can_still_be_read(small_disk: Path, record: Make) -> None:
    url = f"sqlite:///{small_disk}/state.db"
    with Store.open(url) as store:
        store.start(record())
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(
        StoreUnavailable, match=r"state.db cannot be opened for writing: Read-only file system"
    ):
        Store.open(url)
    with Store.open(url, read_only=True) as store:
        assert store.deployment("last") == record()


@pytest.mark.parametrize("content", DAMAGES, ids=["text", "damaged"])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_damaged_file_is_said_and_left_alone(tmp_path: Path, content: bytes, read_only: bool) -> None:
    file = tmp_path / "state.db"
    file.write_bytes(content)
    with pytest.raises(StoreUnavailable, match=r"state.db: it is .*move it away"):
        Store.open(f"sqlite:///{file}", read_only=read_only)
    assert file.read_bytes() == content


def file_of(url: str) -> Path:
    file = place_of(url).file
    assert file is not None
    return file


def test_a_file_that_is_damaged_further_in(file_url: str, record: Make, event: MakeEvent) -> None:
    Store.open(file_url).close()
    file = file_of(file_url)
    with closing(sqlite3.connect(file)) as raw:
        (size,) = raw.execute("PRAGMA page_size").fetchone()
        pages = [
            page for (page,) in raw.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name = 'event'")
        ]
    content = bytearray(file.read_bytes())
    for page in pages:
        content[(page - 1) * size : page * size] = b"\xff" * size
    file.write_bytes(content)
    with Store.open(file_url, read_only=True) as store, pytest.raises(StoreUnavailable, match="damaged"):
        store.events(record().id)
    with Store.open(file_url) as store:
        store.start(record())
        with pytest.raises(StoreUnavailable, match="damaged"):
            store.append(event())


def test_a_directory_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="Is a directory"):
        Store.open(f"sqlite:///{tmp_path}")
    with pytest.raises(StoreUnavailable, match="Not a directory"):
        Store.open("sqlite:////dev/null/state.db")


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_schema_is_refused(url: str, read_only: bool) -> None:
    with Store.open(url) as store:
        later = "INSERT INTO schema_version VALUES (99, 'later', 0)"
        store.call(lambda session: session.change(later)).result(10)
    with pytest.raises(StoreUnusable, match=r"newer deployer .its schema is 99.*upgrade this deployer"):
        Store.open(url, read_only=read_only)


def test_a_lock_that_is_not_given_back_is_waited_for_only_so_long(
    file_url: str, record: Make, event: MakeEvent
) -> None:
    with Store.open(file_url, busy_s=0.2) as store:
        store.start(record())
        with closing(sqlite3.connect(file_of(file_url), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiting = [store.submit(event(n)) for n in range(20)]
            for future in waiting:
                assert "locked for too long" in str(future.exception(5))
            with Store.open(file_url, read_only=True) as reader:
                assert reader.deployment("last") == record()
        store.append(event())


def test_the_switch_to_wal_is_waited_for_too(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("CREATE TABLE theirs (a)")
        other.execute("BEGIN")
        other.execute("SELECT * FROM theirs").fetchall()
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="locked for too long"):
            Store.open(f"sqlite:///{file}", busy_s=0.3)
        assert time.monotonic() - began >= 0.3
        other.execute("COMMIT")
        Store.open(f"sqlite:///{file}").close()


def test_history_without_a_journal_is_empty_and_makes_none(url: str) -> None:
    for _ in range(2):
        with Store.open(url, read_only=True) as store:
            assert store.deployments() == ()
            assert store.events("any") == ()
    file = place_of(url).file
    assert file is None or not file.parent.exists()


def test_a_reader_sees_what_is_written_meanwhile(
    store: Store, url: str, record: Make, event: MakeEvent
) -> None:
    with Store.open(url, read_only=True) as reader:
        store.start(record())
        store.append(event())
        assert reader.events("20240612-141500-aaaa") == (event(),)


def test_in_background_the_failure_comes_with_the_first_call(tmp_path: Path, record: Make) -> None:
    (tmp_path / "state.db").write_text("no database " * 100)
    with Store.open_in_background(f"sqlite:///{tmp_path}/state.db") as store:
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="not a journal"):
                store.start(record())


def test_best_effort_writes_when_it_can(url: str, record: Make, event: MakeEvent, result: Result) -> None:
    warnings: list[str] = []
    best = Store.best_effort(url, warnings.append)
    best.start(record())
    best.append(event())
    best.finish(record().id, result)
    best.close()
    with Store.open(url, read_only=True) as store:
        assert store.events(record().id) == (event(),)
        assert store.deployment("last").result == result
    assert warnings == []


def test_best_effort_warns_once_and_goes_on(
    tmp_path: Path, record: Make, event: MakeEvent, result: Result
) -> None:
    (tmp_path / "state.db").write_text("no database " * 100)
    warnings: list[str] = []
    best = Store.best_effort(f"sqlite:///{tmp_path}/state.db", warnings.append)
    best.start(record())
    for n in range(3):
        best.append(event(n))
    best.finish(record().id, result)
    best.close()
    best.append(event(3))
    assert [e.detail["number"] for e in best.kept] == [0, 1, 2, 3]
    assert len(warnings) == 1
    assert "not a journal" in warnings[0]


def test_a_journal_in_memory_only(record: Make, event: MakeEvent, result: Result) -> None:
    null = NullStore()
    null.start(record())
    null.append(event())
    null.finish(record().id, result)
    null.close()
    assert null.kept == [event()]
