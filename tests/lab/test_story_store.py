"""A team's journal on PostgreSQL, and what becomes of a deployment whose journal goes away in the middle."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from deployer.journal import Store
from deployer.lab.fleet import Lab
from tests.lab.conftest import Beginning
from tests.lab.story import Ran, Story, get
from tests.postgres import PASSWORD, QUOTED, Server, silence

pytestmark = pytest.mark.lab

SECRETS = (PASSWORD, QUOTED, "wr0ng")
SHORT_BAKE = {"bake": "2s"}  #: the next event after it is the first that a lost journal misses
ONE_WAVE = {"waves": ["100%"]}
SOON_S = 30.0  #: to notice, to go back on every host, to end


@pytest.fixture(scope="module")
def template(postgres: Server) -> Iterator[str]:
    """The database of the first deployment."""
    name = postgres.database()
    yield name
    postgres.drop(name)


@pytest.fixture(scope="module")
def beginning(
    lab: Lab, postgres: Server, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Beginning:
    """The first deployment, journalled on a server."""
    state = postgres.url(template)
    directory = tmp_path_factory.mktemp("beginning")
    return Beginning(lab, directory, lambda story: story.deploy(DEPLOYER_STATE=state))


@pytest.fixture
def database(postgres: Server, request: pytest.FixtureRequest, story: Story) -> Iterator[str]:
    """The name of a new database: empty, or a copy of the first deployment's."""
    copied = request.node.get_closest_marker("deployed") is not None
    name = postgres.database(*([f"TEMPLATE {request.getfixturevalue('template')}"] if copied else []))
    yield name
    postgres.drop(name)


@pytest.fixture
def state(postgres: Server, database: str) -> str:
    """The same, as ``DEPLOYER_STATE`` names it."""
    return postgres.url(database)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "deployer-test", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def records(state: str) -> list[Any]:
    with Store.open(state, read_only=True) as store:
        return list(store.deployments())


def steps(state: str, host: str) -> list[tuple[str, str]]:
    """What the journal says of a host in the newest deployment."""
    with Store.open(state, read_only=True) as store:
        events = store.events(store.deployment("last").id)
    return [(event.step, event.state.value) for event in events if event.host == host]


def half_way(story: Story, state: str) -> tuple[object, subprocess.Popen[str]]:
    """The hosts' trees, and a deployment of shop 2 that is served by the first of them, and bakes there."""
    before = story.trees()
    story.playbook(health=SHORT_BAKE)
    story.shop("shop 2")
    process = story.start("deploy", "lab", "--yes", "--json", DEPLOYER_STATE=state)
    story.until_said(process, "web1: activated")
    return before, process


def assert_made_safe(story: Story, ran: Ran, before: object) -> None:
    """Interrupted, with every host as it was; the journal is the reason, and shows no secret."""
    assert ran.code == 130, ran
    assert ran.document["outcome"] == "interrupted"
    assert "the journal was lost on the way: the journal " in ran.document["reason"]
    outcomes = {name: host["outcome"] for name, host in ran.document["hosts"].items()}
    assert outcomes == {"web1": "rolled_back", "web2": "untouched", "web3": "untouched"}
    assert story.trees() == before
    story.assert_serving("shop 1")
    assert not any(secret in ran.out + ran.err for secret in SECRETS)


def test_a_team_shares_one_journal(story: Story, state: str) -> None:
    """From three homes, as it were: nothing but the store in common."""
    story.shop("shop 2")
    story.deploy(DEPLOYER_STATE=state)
    back = story.rollback(home="other", DEPLOYER_STATE=state)
    assert set(back.outcomes.values()) == {"rolled_back"}
    ran = story.run("history", "--json", home="third", DEPLOYER_STATE=state)
    assert [one["kind"] for one in ran.document["deployments"]] == ["rollback", "deploy"]
    assert "web1" in story.run("show", "last", home="third", DEPLOYER_STATE=state).out


@pytest.mark.deployed
def test_a_server_that_dies_in_the_middle(story: Story, postgres: Server, state: str) -> None:
    """One that was stopped in good order is the same to a journal: test_journal_postgres.py."""
    before, process = half_way(story, state)
    try:
        postgres.kill()
        ran = story.end(process, SOON_S)
        assert_made_safe(story, ran, before)
        assert "the history will show" in ran.err
        assert "nothing answers there" in ran.err
        refused = story.run("deploy", "lab", "--yes", DEPLOYER_STATE=state)
        assert refused.code == 3, refused
        back = story.rollback(DEPLOYER_STATE=state)
        assert set(back.outcomes.values()) == {"unchanged"}, "it was taken back already"
        assert "this is not journalled, and goes on all the same" in back.ran.err
    finally:
        postgres.start()
    assert records(state)[0].outcome is None, "unfinished, as was said"
    story.deploy("--recover", "--lock-wait", "2m", DEPLOYER_STATE=state)
    story.assert_serving("shop 2")


@pytest.mark.deployed
def test_a_server_that_comes_back_while_hosts_go_back_hears_the_rest(
    story: Story, postgres: Server, state: str
) -> None:
    _, process = half_way(story, state)
    postgres.kill()
    story.until_said(process, "TAKING BACK")
    postgres.start()
    ran = story.end(process, SOON_S)
    assert ran.code == 130, ran
    (newest, _) = records(state)
    assert newest.outcome == "interrupted"
    assert "the history will show" not in ran.err
    assert steps(state, "web1")[-4:] == [
        ("activate", "undo_started"),
        ("activate", "undo_succeeded"),
        ("begin", "undo_started"),
        ("begin", "undo_succeeded"),
    ]


@pytest.mark.deployed
def test_a_short_absence_is_not_even_noticed(story: Story, postgres: Server, state: str) -> None:
    """Nor is a connection that is cut, which is the half of it: test_journal_postgres.py."""
    _, process = half_way(story, state)
    postgres.stop()
    postgres.start()
    ran = story.end(process)
    assert ran.code == 0, ran
    story.assert_serving("shop 2")
    (newest, _) = records(state)
    assert newest.outcome == "deployed"
    assert steps(state, "web1")[-1] == ("promote", "succeeded")


@pytest.mark.deployed
def test_a_server_that_only_stands_still(story: Story, postgres: Server, state: str) -> None:
    before, process = half_way(story, state)
    with postgres.frozen():
        ran = story.end(process, SOON_S + 15)
    assert_made_safe(story, ran, before)


def test_a_full_disk_in_the_middle(story: Story, small_disk: Path) -> None:
    state = f"sqlite:///{small_disk}/state.db"
    story.deploy(DEPLOYER_STATE=state)
    before, process = half_way(story, state)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65_536, 512):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    ran = story.end(process, SOON_S)
    assert_made_safe(story, ran, before)
    assert "no space left; make room" in ran.document["reason"]
    back = story.rollback(DEPLOYER_STATE=state)
    assert set(back.outcomes.values()) == {"unchanged"}, "it was taken back already"
    filler.unlink()
    # Its end may have found no room, or just enough.
    story.deploy("--recover", DEPLOYER_STATE=state)
    story.assert_serving("shop 2")


@pytest.mark.deployed
def test_a_rollback_needs_no_server(story: Story, state: str) -> None:
    """Each host is taken back with another journal that cannot be had."""
    story.shop("shop 2")
    story.deploy(DEPLOYER_STATE=state)
    with silence() as port:
        journals = {
            "web1": "postgresql://ann:wr0ng@127.0.0.1:1/journal",
            "web2": f"postgresql://ann:wr0ng@127.0.0.1:{port}/journal",
            "web3": state.replace(QUOTED, "wr0ng"),
        }
        for name, journal in journals.items():
            began = time.monotonic()
            back = story.rollback("--limit", name, DEPLOYER_STATE=journal)
            assert back.outcomes == {name: "rolled_back"}
            assert time.monotonic() - began < 15
            assert "this is not journalled, and goes on all the same" in back.ran.err
            assert not any(secret in str(back) for secret in SECRETS)
    story.assert_serving("shop 1")


# --- the lease


@pytest.mark.deployed
def test_two_at_once_and_one_is_told_of_the_other(story: Story, state: str) -> None:
    story.playbook(health={"bake": "2s"}, rollout=ONE_WAVE)
    commits = [story.shop("shop 2"), story.shop("shop 3")]
    running = [
        story.start("deploy", "lab", "--yes", "--json", "--rev", commit, home=home, DEPLOYER_STATE=state)
        for commit, home in zip(commits, ("home", "other"), strict=True)
    ]
    ran = [story.end(process) for process in running]
    assert sorted(r.code for r in ran) == [0, 3], "\n".join(map(str, ran))
    winner = next(i for i, r in enumerate(ran) if r.code == 0)
    reason = ran[1 - winner].document["reason"]
    assert f"pid {running[winner].pid} on" in reason
    assert f"deploy {ran[winner].document['id']}" in reason
    story.assert_serving(f"shop {winner + 2}")


@pytest.mark.deployed
def test_the_second_waits_for_the_first(story: Story, state: str) -> None:
    story.playbook(health={"bake": "2s"}, rollout=ONE_WAVE)
    commits = [story.shop("shop 2"), story.shop("shop 3")]
    first = story.start("deploy", "lab", "--yes", "--json", "--rev", commits[0], DEPLOYER_STATE=state)
    story.until_said(first, "taking the hosts")
    wait = ("--lock-wait", "60s", "--rev", commits[1])
    second = story.start("deploy", "lab", "--yes", "--json", *wait, home="other", DEPLOYER_STATE=state)
    said = story.until_said(second, "waiting up to")
    assert f"pid {first.pid} on" in said
    assert story.end(first).code == 0
    ran = story.end(second)
    assert ran.code == 0, ran
    assert {host["previous"][:12] for host in ran.document["hosts"].values()} == {commits[0][:12]}
    story.assert_serving("shop 3")


@pytest.mark.parametrize("where", ["a file", "a server"])
def test_who_was_killed_holds_nobody_up_but_on_the_hosts(
    story: Story, where: str, request: pytest.FixtureRequest
) -> None:
    """The lease of a dead process is free at once; the hosts' own word stands until it lapses."""
    home = story.environment()["XDG_STATE_HOME"]
    state = request.getfixturevalue("state") if where == "a server" else f"sqlite:///{home}/state.db"
    story.deploy(DEPLOYER_STATE=state)
    _, process = half_way(story, state)
    process.kill()
    process.communicate()
    owner = story.run("unlock", "lab", "--json", DEPLOYER_STATE=state)
    assert owner.code == 2, owner
    assert (owner.document["owner"]["pid"], owner.document["owner"]["alive"]) == (process.pid, False)
    refused = story.deploy(expect=3, DEPLOYER_STATE=state)
    assert "took the lease over from" in refused.ran.err
    assert "was never finished; recover it first: deployer recover lab" in refused.reason
    back = story.rollback(DEPLOYER_STATE=state)
    assert back.outcomes["web1"] == "rolled_back"
    assert get(story.lab.host("web1")) == (200, "shop 1\n")


@pytest.mark.deployed
def test_unlocked_while_it_works_the_hosts_still_refuse(story: Story, state: str) -> None:
    story.playbook(health={"bake": "60s"}, rollout=ONE_WAVE)
    story.shop("shop 2")
    # Started cold: what its command line says is told.
    process = story.start("deploy", "lab", "--yes", "--json", DEPLOYER_STATE=state, PYTHONUTF8="1")
    story.until_said(process, "web1: activated")
    unlocked = story.run("unlock", "lab", "--yes", DEPLOYER_STATE=state)
    assert unlocked.code == 0, unlocked
    process_is = f"pid {process.pid}: deployer deploy lab --yes --json"
    assert f"That process lives ({process_is}" in unlocked.err
    assert f"pid {process.pid} goes on" in unlocked.out
    busy = story.deploy(expect=3, DEPLOYER_STATE=state)
    assert f"is still at work ({process_is}" in busy.reason
    assert f"'kill {process.pid}'" in busy.reason
    process.send_signal(signal.SIGINT)
    assert story.end(process).code == 130
    story.assert_serving("shop 1")


# --- secrets


def test_no_secret_is_shown_anywhere(story: Story, postgres: Server, database: str, state: str) -> None:
    story.shop("shop 2")
    stop, seen = threading.Event(), set[str]()
    process = story.start("deploy", "lab", "--yes", "--json", "-vv", DEPLOYER_STATE=state)

    def watch() -> None:
        while not stop.is_set():
            seen.update(_children(process.pid))

    watching = threading.Thread(target=watch)
    watching.start()
    ran = story.end(process)
    stop.set()
    watching.join()
    assert ran.code == 0, ran
    assert any("git" in one for one in seen), "it was looked at while it worked"
    dump = ["pg_dump", "-h", str(postgres.directory), "-p", str(postgres.port), "-U", "admin", database]
    journal = subprocess.run(dump, capture_output=True, text=True, check=True, timeout=30).stdout
    assert ran.document["id"] in journal
    for text in (ran.out, ran.err, journal, *seen):
        assert not any(secret in text for secret in SECRETS), text
    for host in story.lab.hosts:
        words = [word for secret in SECRETS for word in ("-e", secret)]
        found = host.run(["grep", "-rF", *words, "/var/lib/deployer", "/var/log"], check=False)
        assert (found.returncode, found.stdout) == (1, "")


def _children(pid: int) -> Iterator[str]:
    """What ``ps e`` shows of the programs that a process started."""
    with suppress(OSError):
        own = Path(f"/proc/{pid}/cmdline").read_bytes()
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                before, shown, after = (
                    Path(f"/proc/{child}/{what}").read_bytes() for what in ("cmdline", "environ", "cmdline")
                )
                if own not in (before, after):  # else it was still a copy of its parent
                    yield f"{after!r} {shown!r}"
