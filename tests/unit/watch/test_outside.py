"""Git and the journal, asked for real; and hosts that never answer, watched without harm."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deployer.config.inventory import load_inventory
from deployer.config.playbook import load_playbook
from deployer.errors import ConfigError
from deployer.host.ssh import SshOptions
from deployer.journal import schedules
from deployer.journal.process import this_process
from deployer.journal.store import Store
from deployer.model import DeploymentRecord, Event, State
from deployer.model.scheduled import Scheduled
from deployer.planning.context import Context
from deployer.running.leasing import lease_name
from deployer.watch.changes import Change, Turn
from deployer.watch.findings import Kind
from deployer.watch.kept import Shelf
from deployer.watch.outside import Source, ask_journal
from deployer.watch.service import Watch
from deployer.watch.systemd import Manager
from tests.postgres import Server
from tests.unit.project import INVENTORY, Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Project(tmp_path / "project")


def context(project: Project, state: str | None = None) -> Context:
    inventory = load_inventory(project.path / "inventories/lab.yml")
    book = load_playbook(project.path / "playbooks/nginx.yml", project.path)
    ssh = SshOptions(config_file=project.path / "ssh_config")
    return Context(project.path, inventory.name, inventory, inventory.hosts, book, ssh, state)


def commit(project: Project, name: str, text: str) -> None:
    (project.repo / name).write_text(text)
    project.git("add", ".")
    project.git("commit", "--quiet", "--message", f"Changes {name}")


# --- git


def test_what_differs_from_what_is_live_is_named(project: Project) -> None:
    source = Source(context(project))
    source.fetch()
    first = source.compare({})
    live = first.wanted["web1"]
    commit(project, "a.conf", "# new\n")
    commit(project, "nginx.conf", "events { }\n")
    source.fetch()
    found = source.compare({"web1": (live.release, live.tree), "web2": ("baseline-000000000000", "0" * 64)})
    assert (found.subject, found.error) == ("Changes nginx.conf", None)
    assert found.wanted["web1"].files == ("a.conf", "nginx.conf")
    assert found.wanted["web2"].files is None, "git does not know it"
    again = source.compare({"web1": (found.wanted["web1"].release, found.wanted["web1"].tree)})
    assert again.wanted["web1"].files == ()


def test_what_git_had_stays_while_it_cannot_be_asked(project: Project) -> None:
    source = Source(context(project))
    (project.repo / ".git").rename(project.path / "gone")
    source.fetch()
    never = source.compare({})
    assert never.commit is None
    assert never.error
    (project.path / "gone").rename(project.repo / ".git")
    source.fetch()
    known = source.compare({})
    assert known.error is None
    (project.repo / ".git").rename(project.path / "gone")
    source.fetch()
    lost = source.compare({})
    assert lost.error
    assert lost.wanted == known.wanted


# --- the journal


def record(project: Project, store: Store, *, dead: bool) -> None:
    now = context(project)
    me = this_process()
    store.start(DeploymentRecord("20240612-1", "deploy", "lab", "nginx", "main", None, None, 1.0, "ann@ops1"))
    detail = {
        "process": {"pid": me.pid, "machine": me.machine, "born": 1 if dead else me.born},
        "lease": lease_name(now),
    }
    store.append(Event("20240612-1", None, "deployment", State.STARTED, 1.0, detail))
    store.append(Event("20240612-1", "web1", "begin", State.STARTED, 1.0))


@pytest.mark.parametrize("dead", [True, False])
def test_only_what_a_dead_controller_left_is_told(project: Project, dead: bool) -> None:
    assert ask_journal(context(project)).left == (), "no journal yet, and none is made"
    with Store.open() as store:
        record(project, store, dead=dead)
    left = ask_journal(context(project)).left
    assert [each.id for each in left] == (["20240612-1"] if dead else [])
    assert all("deployer recover lab" in each.sentence for each in left)


def test_a_schedule_that_was_missed_is_told_by_whoever_shares_the_journal(project: Project) -> None:
    ours = Scheduled(lease_name(context(project)), "", "lab", "/srv/p", "daily", "UTC", "ops1", since=1.0)
    with Store.open() as store:
        store.wait(schedules.install(store, ours))
        store.wait(schedules.install(store, replace(ours, lease="lab of another project")))
    (found,) = ask_journal(context(project)).schedules
    assert found.sentence.startswith("the unattended deployment of lab was missed: it was due 1970-01-02 ")


def test_a_database_that_is_restarted_is_missed_only_meanwhile(project: Project, postgres: Server) -> None:
    name = postgres.database()
    try:
        now = context(project, postgres.url(name))
        with Store.open(now.state) as store:
            record(project, store, dead=True)
        assert len(ask_journal(now).left) == 1
        postgres.stop()
        lost = ask_journal(now)
        assert (lost.left, bool(lost.error)) == ((), True)
        postgres.start()
        assert len(ask_journal(now).left) == 1
    finally:
        postgres.drop(name)


# --- the service, with hosts that answer to nobody


class Running:
    """A watch in a thread of this process."""

    def __init__(self, project: Project, load: Callable[[], Context]) -> None:
        self.told: list[Change] = []
        self._news = threading.Condition()
        self.watch = Watch(
            context(project),
            1.0,
            Shelf.of(project.path, "lab", "nginx"),
            Manager(),
            load=load,
            tell=self._tell,
        )
        self._thread = threading.Thread(target=self.watch.run, daemon=True)

    def _tell(self, change: Change) -> None:
        with self._news:
            self.told.append(change)
            self._news.notify_all()

    def until(self, host: str | None, kind: Kind, turn: Turn) -> Change:
        def found() -> Change | None:
            return next((c for c in self.told if (c.host, c.kind, c.turn) == (host, kind, turn)), None)

        with self._news:
            assert self._news.wait_for(lambda: found() is not None, 30), self.told
            change = found()
        assert change is not None
        return change

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.watch.ask_to_stop()
        self._thread.join(10)
        assert not self._thread.is_alive(), "it does not end"


def test_silent_hosts_are_told_once_also_over_a_restart(project: Project) -> None:
    with Running(project, lambda: context(project)) as first:
        for name in ("web1", "web2"):
            first.until(name, Kind.UNREACHABLE, Turn.BEGINS)
        assert all(host.look is not None for host in first.watch.now().hosts.values())
    with Running(project, lambda: context(project)) as second:
        project.write("inventories/lab.yml", INVENTORY.replace("web[1:2]", "web[2:3]"))
        second.watch.ask_to_reread()
        second.until("web3", Kind.UNREACHABLE, Turn.BEGINS)
        assert set(second.watch.now().hosts) == {"web2", "web3"}
    assert [c.host for c in second.told] == ["web3"], "web1 and web2 were told by the first"


def test_a_broken_file_leaves_the_old_ones_and_is_told_once(project: Project) -> None:
    broken = True

    def load() -> Context:
        if broken:
            raise ConfigError("expected a mapping", file="inventories/lab.yml", line=3)
        return replace(context(project))

    with Running(project, load) as running:
        running.watch.ask_to_reread()
        change = running.until(None, Kind.FILES, Turn.BEGINS)
        assert "inventories/lab.yml:3: expected a mapping" in change.sentence
        running.watch.ask_to_reread()
        running.until("web1", Kind.UNREACHABLE, Turn.BEGINS)
        broken = False
        running.watch.ask_to_reread()
        running.until(None, Kind.FILES, Turn.ENDS)
    assert sum(c.kind is Kind.FILES for c in running.told) == 2
