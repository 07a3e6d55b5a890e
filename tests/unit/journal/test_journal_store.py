"""What goes in comes out, in order, and can be found by a person."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from deployer.errors import StoreUnavailable, UsageError
from deployer.journal import Store, new_deployment_id, who
from deployer.journal.location import default_path
from deployer.model import DeploymentRecord, Event, Outcome, Result, State

Make = Callable[..., DeploymentRecord]
MakeEvent = Callable[..., Event]


def test_a_deployment_comes_back_as_it_was(store: Store, record: Make, result: Result) -> None:
    store.start(record())
    assert store.deployment("20240612-141500-aaaa") == record()
    store.finish("20240612-141500-aaaa", result, finished=1718201760.0)
    ended = record(finished=1718201760.0, outcome=Outcome.DEPLOYED, exit_code=0, result=result)
    assert store.deployments() == (ended,)


def test_events_come_back_in_the_order_they_were_appended(
    store: Store, record: Make, event: MakeEvent
) -> None:
    store.start(record())
    given = [event(9 - n, state=state) for n, state in enumerate(State)]
    given.append(event(host=None, step="decision", detail={"scope": ["web1"], "nested": {"a": None}}))
    for one in given:
        store.append(one)
    assert store.events("20240612-141500-aaaa") == tuple(given)
    assert store.events("another") == ()


def test_odd_text_is_kept_and_never_refused(store: Store, record: Make, event: MakeEvent) -> None:
    store.start(record(subject="caf\udce9 \0 \U0001f600"))
    store.append(event(detail={"path": "a\udcff/ü\n", "where": Path("/x"), "set": {1}}))
    assert store.deployment("last").subject == "caf\\udce9  \U0001f600"
    (kept,) = store.events("20240612-141500-aaaa")
    assert kept.detail == {"path": "a\udcff/ü\n", "where": "/x", "set": [1]}


def test_newest_first_by_inventory_and_unfinished(store: Store, record: Make, result: Result) -> None:
    for n, inventory in enumerate(["prod", "staging", "prod"]):
        store.start(record(f"d{n}", inventory=inventory, started=1000.0 + n))
    store.finish("d2", result)
    assert [r.id for r in store.deployments()] == ["d2", "d1", "d0"]
    assert [r.id for r in store.deployments("prod")] == ["d2", "d0"]
    assert [r.id for r in store.deployments(limit=1)] == ["d2"]
    assert [r.id for r in store.deployments("prod", unfinished=True)] == ["d0"]


@pytest.fixture
def three(store: Store, record: Make) -> Store:
    for n, name in enumerate(["20240612-141500-aaaa", "20240612-141501-aaab", "20240613-090000-cccc"]):
        store.start(record(name, started=1000.0 + n))
    return store


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("last", "20240613-090000-cccc"),
        ("20240612-141500-aaaa", "20240612-141500-aaaa"),
        ("20240613", "20240613-090000-cccc"),
        ("aaab", "20240612-141501-aaab"),
    ],
)
def test_found_by_part_of_its_id(three: Store, name: str, found: str) -> None:
    assert three.deployment(name).id == found


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("20240612", "several deployments fit '20240612': 20240612-141501-aaab, 20240612-141500-aaaa;"),
        (
            "20240613-090000-cccd",
            "no deployment '20240613-090000-cccd' in the journal; near it: 20240613-090000-cccc",
        ),
        ("%", "there is no deployment '%' in the journal"),
    ],
)
def test_a_wrong_id_is_answered_with_near_ones(three: Store, name: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=re.escape(sentence)):
        three.deployment(name)


def test_an_empty_journal_says_so(store: Store) -> None:
    with pytest.raises(UsageError, match="the journal is empty"):
        store.deployment("last")


def test_the_file_and_its_directory_are_private(tmp_path: Path, file_url: str) -> None:
    Store.open(file_url).close()
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()}
    assert set(modes.values()) == {0o600}, modes


def test_the_default_place_is_private_though_somebody_else_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "deployer").mkdir(mode=0o755)
    Store.open().close()
    assert stat.S_IMODE((tmp_path / "deployer").stat().st_mode) == 0o700


def test_the_default_place_follows_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    Store.open().close()
    assert (tmp_path / "deployer" / "state.db").exists()
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/ann")
    assert default_path() == Path("/home/ann/.local/state/deployer/state.db")


@pytest.mark.parametrize(
    "url",
    [
        "state.db",
        "mysql://u:secret@h/d",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///a?b=c",
        "sqlite://h/a",
        "postgresql+asyncpg://u:secret@h/d",
        "postgresql://u:se@cret@h/d",
        "postgresql://h:port/d",
        "postgresql://h/d?password=se@cret",
        "postgresql://u:secret@h/d\n",
    ],
)
def test_a_url_that_names_no_journal_is_wrong_use(url: str) -> None:
    with pytest.raises(UsageError, match="--state") as caught:
        Store.open(url)
    assert "cret" not in str(caught.value)


def test_a_journal_for_reading_cannot_be_written(url: str, record: Make) -> None:
    with Store.open(url, read_only=True) as store, pytest.raises(StoreUnavailable, match="reading only"):
        store.start(record())


def test_ids_sort_by_time_and_suit_the_hosts() -> None:
    first, second = (new_deployment_id(lambda at=at: at) for at in (1718201700.9, 1718201701.0))  # type: ignore[misc]
    assert first.startswith("20240612-141500-")
    assert first < second
    assert re.fullmatch(r"[0-9a-z-]{1,40}", first)


def test_who_is_the_person_behind_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ann")
    assert who().startswith("ann@")
    monkeypatch.delenv("SUDO_USER")
    assert "@" in who()
