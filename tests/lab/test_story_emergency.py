"""On the worst day: hosts gone, nginx dead, the journal broken."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.lab.agent_sh import reload
from tests.lab.story import PROGRAM, Story, get

pytestmark = pytest.mark.lab


@pytest.mark.deployed
def test_unreachable_hosts_do_not_hold_up_the_others(story: Story) -> None:
    """One behind a cut cable, and one that takes connections and never says a word."""
    story.shop("shop 2")
    story.deploy()
    web1, cut, frozen = story.lab.hosts
    cut.cut()
    frozen.pause()
    back = story.rollback(expect=5)
    assert back.outcome == "stuck"
    assert back.outcomes == {"web1": "rolled_back", "web2": "unreachable", "web3": "unreachable"}
    assert "web2" in back.reason
    assert "web3" in back.reason
    assert "web1" not in back.reason
    assert back.ran.document["seconds"] < 30
    story.assert_serving("shop 1", [web1])
    assert [seen["reachable"] for seen in story.status(expect=6).values()] == [True, False, False]

    cut.mend()
    frozen.resume()
    rest = story.rollback()
    assert rest.outcomes == {"web1": "unchanged", "web2": "rolled_back", "web3": "rolled_back"}
    story.assert_serving("shop 1")


@pytest.mark.deployed
@pytest.mark.slow
def test_a_host_that_is_switched_off_does_not_hold_up_the_others(story: Story) -> None:
    story.shop("shop 2")
    story.deploy()
    host = story.lab.host("web2")
    host.kill()
    back = story.rollback(expect=5)
    assert back.outcomes == {"web1": "rolled_back", "web2": "unreachable", "web3": "rolled_back"}
    assert back.ran.document["seconds"] < 30
    host.start()
    assert story.rollback().outcomes == {"web1": "unchanged", "web2": "rolled_back", "web3": "unchanged"}
    story.assert_serving("shop 1")


@pytest.mark.deployed
def test_a_dead_nginx_is_cured_by_rollback(story: Story) -> None:
    story.shop("shop 2")
    story.deploy()
    story.lab.host("web2").stop_nginx()
    assert story.status(expect=6)["web2"]["running"] is False
    back = story.rollback()
    assert set(back.outcomes.values()) == {"rolled_back"}
    story.assert_serving("shop 1")
    # Said again for one whose release is right already: only nginx is started.
    story.lab.host("web1").stop_nginx()
    again = story.rollback()
    assert again.outcomes == {"web1": "rolled_back", "web2": "unchanged", "web3": "unchanged"}
    story.assert_serving("shop 1")


@pytest.mark.deployed
def test_a_dead_nginx_is_cured_by_fixing_forward(story: Story) -> None:
    for host in story.lab.hosts:
        host.stop_nginx()
    story.shop("shop 2")
    story.deploy(expect=3)
    story.deploy("--fix-forward")
    story.assert_serving("shop 2")


@pytest.mark.deployed
def test_a_site_that_is_down_is_cured_by_fixing_forward(story: Story) -> None:
    """Broken by hand on every host, in memory too: the story of 12 June, without this tool."""
    for host in story.lab.hosts:
        path = "/etc/nginx/sites-available/shop.example.com"
        host.write(path, host.read(path).replace("return 200", "return 503"))
        reload(host)
        story.until_served_status(host, 503)
    story.shop("shop 2")
    story.playbook(health={"deadline": "10s"})
    refused = story.deploy("--overwrite-drift", expect=3)
    assert set(refused.outcomes.values()) <= {"refused", "untouched"}
    assert refused.ran.document["seconds"] > 10, "what is live is given time to pass"
    cured = story.deploy("--fix-forward", "--overwrite-drift")
    assert cured.ran.document["seconds"] < 10, "but the cure does not wait for it"
    story.assert_serving("shop 2")


@pytest.mark.deployed
def test_without_a_journal_rollback_works(story: Story) -> None:
    """Each host is taken back with another that is of no use."""
    story.shop("shop 2")
    story.deploy()
    story.shop("shop 3")
    (journal,) = Path(story.environment()["XDG_STATE_HOME"]).rglob("*.db")
    newer, garbage = story.directory / "newer.db", story.directory / "garbage.db"
    newer.write_bytes(journal.read_bytes())
    break_version(newer)
    garbage.write_bytes(b"not a database at all\n" * 1000)
    journals = {
        "web1": (f"sqlite:///{garbage}", 3),
        "web2": ("sqlite:////proc/nobody/journal.db", 3),
        "web3": (f"sqlite:///{newer}", 2),
    }
    for name, (state, code) in journals.items():
        refused = story.run("deploy", "lab", "--yes", "--limit", name, DEPLOYER_STATE=state)
        assert refused.code == code, refused
        assert "journal" in refused.err
        assert get(story.lab.host(name)) == (200, "shop 2\n")
        back = story.rollback("--limit", name, "--state", state)
        assert back.outcomes == {name: "rolled_back"}
        assert "journal" in back.ran.err
    story.assert_serving("shop 1")


def break_version(database: Path) -> None:
    """Make a journal that only a later version of the program could read."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("insert into schema_version values (9999, 'later', 0)")


@pytest.mark.deployed
def test_a_release_that_went_bad_on_disk_is_not_restored(story: Story) -> None:
    story.shop("shop 2")
    first = story.deploy()
    story.shop("shop 3")
    story.deploy()
    host = story.lab.host("web3")
    release = first.hosts["web3"]["release"]
    host.write(f"/var/lib/deployer/nginx/releases/{release}/nginx.conf", "rotten\n")
    back = story.rollback(expect=5)
    assert back.outcomes == {"web1": "rolled_back", "web2": "rolled_back", "web3": "stuck"}
    assert get(host) == (200, "shop 3\n")
    assert "web3" in back.reason


@pytest.mark.parametrize("limit", ["--nofile=8:8", pytest.param(f"--as={180 << 20}", marks=pytest.mark.slow)])
def test_on_a_machine_that_gives_too_little_it_goes_back_by_turns(story: Story, limit: str) -> None:
    story.shop("shop 2")
    story.deploy()
    done = subprocess.run(
        ["prlimit", limit, *PROGRAM, "rollback", "lab", "--yes"],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        stdin=subprocess.DEVNULL,
        env=story.environment(),
    )
    assert done.returncode == 0, done
    assert done.stderr.count("it goes on all the same") == 1, done
    story.assert_serving("shop 1")
