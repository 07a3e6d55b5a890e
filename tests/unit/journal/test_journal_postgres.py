"""A server that is wrong, away, slow or cut off: a sentence each, and never a wait without end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployer.errors import DeployerError, StoreUnavailable, StoreUnusable
from deployer.journal import Store
from deployer.journal.database import open_readable
from deployer.journal.location import place_of
from deployer.journal.migrations import MIGRATIONS
from deployer.journal.postgres import MIGRATION_LOCK
from deployer.journal.writer import AGAIN_S
from deployer.model import DeploymentRecord, Event, Result
from tests.postgres import PASSWORD, QUOTED, Server, silence

Make = Callable[..., DeploymentRecord]
MakeEvent = Callable[..., Event]
pytestmark = pytest.mark.slow  # a server that is gone is waited for

ROOT = Path(__file__).parents[3]
SOON_S = 2.0  #: more than anything takes that does not wait
DEPLOYMENT = "20240612-141500-aaaa"


@pytest.fixture
def store_there(server_url: str, record: Make) -> Iterator[Store]:
    """A journal on the server, with a deployment begun."""
    with Store.open(server_url) as store:
        store.start(record())
        yield store


def numbers(store: Store) -> list[int]:
    return [event.detail["number"] for event in store.events(DEPLOYMENT)]


def assert_hidden(error: BaseException) -> None:
    """Not even what caused it shows the password."""
    one: BaseException | None = error
    while one is not None:
        said = f"{one} {one!r}"
        assert not any(secret in said for secret in (PASSWORD, QUOTED, "wr0ng")), said
        one = one.__cause__ or one.__context__


# --- what cannot be opened


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"password": "wr0ng"}, "password is wrong"),
        ({"password": None}, "password is wrong"),
        ({"user": "nobody"}, "password is wrong"),
        ({"name": "nowhere"}, "knows no such database"),
        ({"port": 1}, "nothing answers there; is the server running"),
        ({"host": "nowhere.invalid"}, "cannot be resolved"),
    ],
    ids=str,
)
def test_what_is_wrong_is_a_sentence(
    postgres: Server, database: str, changes: dict[str, str | int | None], sentence: str
) -> None:
    where: dict[str, str | int | None] = {
        "user": "deployer",
        "password": QUOTED,
        "host": "127.0.0.1",
        "port": postgres.port,
    }
    where |= {"name": database} | changes
    secret = "" if where["password"] is None else f":{where['password']}"
    url = f"postgresql://{where['user']}{secret}@{where['host']}:{where['port']}/{where['name']}"
    for read_only in (False, True):
        with pytest.raises(StoreUnavailable, match=rf"journal postgresql://.*{sentence}") as caught:
            Store.open(url, read_only=read_only)
        assert_hidden(caught.value)
        assert "\n" not in str(caught.value)


def test_an_option_that_nobody_knows_is_wrong_use(server_url: str) -> None:
    with pytest.raises(StoreUnusable, match="bogus") as caught:
        Store.open(f"{server_url}?bogus=1")
    assert_hidden(caught.value)


def test_a_password_may_stand_in_the_query(postgres: Server, database: str) -> None:
    bare = postgres.url(database, password=None)
    Store.open(f"{bare}?password={QUOTED}").close()
    with pytest.raises(StoreUnavailable, match="password is wrong") as caught:
        Store.open(f"{bare}?password=wr0ng")
    assert_hidden(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgres"])
def test_the_driver_is_chosen_by_itself(postgres: Server, database: str, scheme: str) -> None:
    Store.open(f"{scheme}://admin@/{database}?host={postgres.directory}&port={postgres.port}").close()


@pytest.mark.parametrize(
    ("breaks", "why"),
    [
        ("sys.modules['psycopg'] = None", "not there: pip install '.[postgresql]'"),
        ("os.environ['PSYCOPG_IMPL'] = 'none'", "not there (requested psycopg implementation"),
    ],
    ids=["no driver", "a driver without its library"],
)
@pytest.mark.parametrize("command", ["history", "deploy lab --yes"])
def test_without_a_driver_one_sentence_says_what_to_install(
    server_url: str, tmp_path: Path, breaks: str, why: str, command: str
) -> None:
    from tests.unit.project import Project

    project = Project(tmp_path / "project")
    ran = subprocess.run(
        [sys.executable, "-c", f"import os, sys; {breaks}; from deployer.__main__ import main; main()"]
        + [*command.split(), "--state", server_url]
        + (["--ssh-config", "ssh_config"] if "lab" in command else []),
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        cwd=project.path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 2, ran
    last = ran.stderr.splitlines()[-1]
    assert "needs the PostgreSQL driver psycopg" in last
    assert why in last
    assert "pip install '.[postgresql]'" in last
    assert "Traceback" not in ran.stderr


@pytest.mark.slow
def test_a_server_behind_a_wall_is_waited_for_only_seconds() -> None:
    with silence() as port:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="has not answered within 5 s"):
            Store.open(f"postgresql://ann:wr0ng@127.0.0.1:{port}/journal")
        assert time.monotonic() - began < 5 + SOON_S


@pytest.mark.slow
def test_a_server_that_stands_still_lets_nobody_wait_for_ever(postgres: Server, server_url: str) -> None:
    Store.open(server_url).close()
    with postgres.frozen():
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="has not answered within 5 s"):
            Store.open(server_url)
        assert time.monotonic() - began < 5 + SOON_S


# --- what may not be done there


def test_a_database_that_may_only_be_read(postgres: Server, database: str, server_url: str) -> None:
    postgres.ask(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    with pytest.raises(StoreUnavailable, match="may only be read"):
        Store.open(server_url)


def test_a_user_who_may_make_no_table(postgres: Server, database: str, server_url: str) -> None:
    postgres.ask(f"ALTER DATABASE {database} OWNER TO admin")
    postgres.ask("REVOKE CREATE ON SCHEMA public FROM public", database=database)
    with pytest.raises(StoreUnavailable, match="let it own the database"):
        Store.open(server_url)
    with Store.open(server_url, read_only=True) as store:
        assert store.deployments() == ()


def test_a_database_that_cannot_hold_every_text(postgres: Server) -> None:
    name = postgres.database("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(StoreUnusable, match="not in UTF8; create one with ENCODING 'UTF8'"):
        Store.open(postgres.url(name))
    postgres.drop(name)


def test_what_is_acknowledged_is_on_the_servers_disk(
    postgres: Server, database: str, server_url: str
) -> None:
    postgres.ask(f"ALTER DATABASE {database} SET synchronous_commit = off")
    with Store.open(server_url) as store:
        said = store.call(lambda session: session.rows("SHOW synchronous_commit")).result(10)
    assert said == [{"synchronous_commit": "on"}]


def test_for_reading_nothing_can_be_written(server_url: str) -> None:
    Store.open(server_url).close()
    database = open_readable(place_of(server_url), busy_s=5)
    with pytest.raises(StoreUnavailable, match="may only be read"), database.reading() as session:
        session.change("DELETE FROM lease")
    database.close()


def test_a_lock_that_is_not_given_back_is_waited_for_only_so_long(
    postgres: Server, database: str, server_url: str, record: Make, event: MakeEvent
) -> None:
    with Store.open(server_url, busy_s=0.3) as store, postgres.connect(database) as other:
        store.start(record())
        with other.transaction():
            other.execute("LOCK TABLE event")
            for future in [store.submit(event(n)) for n in range(20)]:
                assert "locked for too long" in str(future.exception(10)) or "took too long" in str(
                    future.exception(0)
                )
        store.append(event())


def test_programs_that_migrate_at_once_wait_for_each_other(
    postgres: Server, database: str, server_url: str
) -> None:
    waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with ThreadPoolExecutor(4) as pool, postgres.connect(database) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        opening = [pool.submit(Store.open, server_url) for _ in range(4)]
        deadline = time.monotonic() + 10
        while postgres.ask(waits, database=database) != [(4,)]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        other.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])
        for store in opening:
            store.result(20).close()
    done = postgres.ask("SELECT count(*) FROM schema_version", database=database)
    assert done == [(len(MIGRATIONS),)]


# --- what happens on the way


def test_a_connection_that_was_cut_while_nobody_looked(
    postgres: Server, database: str, server_url: str, record: Make, event: MakeEvent
) -> None:
    with Store.open(server_url) as store:
        store.start(record())
        for number in range(3):
            assert postgres.disconnect(database) > 0
            store.append(event(number))
        assert numbers(store) == [0, 1, 2]


@pytest.mark.parametrize("how", ["cut", "restarted"])
def test_in_the_middle_of_writing_nothing_is_lost_and_nothing_twice(
    postgres: Server, database: str, record: Make, event: MakeEvent, how: str
) -> None:
    server_url = postgres.url(database)
    with Store.open(server_url) as store:
        store.start(record())
        stop = threading.Event()
        written: list[int] = []

        def write(first: int) -> None:
            number = first
            while not stop.is_set():
                store.append(event(number))
                written.append(number)
                number += 4

        with ThreadPoolExecutor(4) as pool:
            writing = [pool.submit(write, first) for first in range(4)]
            try:
                for goal in (100, 200):
                    deadline = time.monotonic() + 20
                    while len(written) < goal:
                        assert time.monotonic() < deadline
                        assert not any(one.done() for one in writing), [
                            one.exception() for one in writing if one.done()
                        ]
                        time.sleep(0.01)
                    if how == "cut":
                        postgres.disconnect(database)
                    else:
                        postgres.stop()
                        postgres.start()
                goal = len(written) + 20
                deadline = time.monotonic() + 20
                while len(written) < goal:
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
            finally:
                stop.set()
        for one in writing:
            one.result(10)
        assert sorted(numbers(store)) == sorted(written)


@pytest.mark.slow
@pytest.mark.parametrize("ends", [Server.stop, Server.kill])
def test_a_server_that_goes_for_good_is_said_in_seconds(
    postgres: Server, store_there: Store, event: MakeEvent, result: Result, ends: Callable[[Server], None]
) -> None:
    store, missed = store_there, [event(n) for n in range(32)]
    ends(postgres)
    try:
        began = time.monotonic()
        for future in [store.submit(one) for one in missed]:
            with pytest.raises(StoreUnavailable, match="journal postgresql://") as caught:
                store.wait(future)
            assert_hidden(caught.value)
        assert time.monotonic() - began < AGAIN_S + SOON_S
        began = time.monotonic()
        assert not store.make_up(missed, DEPLOYMENT, result)
        assert time.monotonic() - began < SOON_S
    finally:
        postgres.start()
    assert store.make_up(missed, DEPLOYMENT, result)
    assert numbers(store) == list(range(32))
    assert store.deployment("last").result == result


def test_a_server_that_stops_answering(
    postgres: Server, store_there: Store, event: MakeEvent, result: Result
) -> None:
    store = store_there
    with postgres.frozen():
        with pytest.raises(StoreUnavailable, match="has not answered for 1 s"):
            store.wait(store.submit(event()), 1.0)
        began = time.monotonic()
        assert not store.make_up([event()], DEPLOYMENT, result)
        store.close()
        assert time.monotonic() - began < SOON_S


@pytest.mark.slow
def test_reading_ends_too_when_it_stops_answering(
    postgres: Server, server_url: str, store_there: Store
) -> None:
    with Store.open(server_url, read_only=True) as reader:
        assert len(reader.deployments()) == 1
        with postgres.frozen():
            with pytest.raises(StoreUnavailable, match="has not answered for 15 s"):
                reader.deployments()
            began = time.monotonic()
            reader.close()
            assert time.monotonic() - began < SOON_S


def test_every_failure_is_one_of_ours(postgres: Server, server_url: str) -> None:
    """Whatever is done to the tables, no exception of a library comes through."""
    with Store.open(server_url) as store:
        for statement in ("DROP TABLE nowhere", "no SQL at all", "SELECT 1/0", "SELECT '\0'"):
            with pytest.raises(DeployerError, match="journal postgresql://") as caught:
                store.wait(store.call(lambda session, said=statement: session.change(said)))  # type: ignore[misc]
            assert "\n" not in str(caught.value)
        assert store.deployments() == ()
