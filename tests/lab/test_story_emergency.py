"""On the worst day: hosts gone, nginx dead, the journal broken."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.lab.story import Story, get, reload

pytestmark = pytest.mark.lab


@pytest.mark.parametrize(
    "how", ["cut", *(pytest.param(how, marks=pytest.mark.slow) for how in ("kill", "pause"))]
)
def test_an_unreachable_host_does_not_hold_up_the_others(story: Story, how: str) -> None:
    story.shop("shop 2")
    story.deploy()
    host = story.lab.host("web2")
    {"cut": host.cut, "kill": host.kill, "pause": host.pause}[how]()
    back = story.rollback(expect=5)
    assert back.outcome == "stuck"
    assert back.outcomes == {"web1": "rolled_back", "web2": "unreachable", "web3": "rolled_back"}
    assert "web2" in back.reason
    assert "web1" not in back.reason
    assert back.ran.document["seconds"] < 30
    story.assert_serving("shop 1", [story.lab.host("web1"), story.lab.host("web3")])
    seen = story.status(expect=6)["web2"]
    assert seen["reachable"] is False

    {"cut": host.mend, "kill": host.start, "pause": host.resume}[how]()
    rest = story.rollback()
    assert rest.outcomes == {"web1": "unchanged", "web2": "rolled_back", "web3": "unchanged"}
    story.assert_serving("shop 1")


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


def test_a_dead_nginx_is_cured_by_fixing_forward(story: Story) -> None:
    story.deploy()
    for host in story.lab.hosts:
        host.stop_nginx()
    story.shop("shop 2")
    story.deploy(expect=3)
    story.deploy("--fix-forward")
    story.assert_serving("shop 2")


def test_a_site_that_is_down_is_cured_by_fixing_forward(story: Story) -> None:
    """Broken by hand on every host, in memory too: the story of 12 June, without this tool."""
    story.deploy()
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


@pytest.mark.parametrize(
    "how",
    [
        "garbage",
        *(pytest.param(h, marks=pytest.mark.slow) for h in ("nowhere to write", "of a newer program")),
    ],
)
def test_without_a_journal_rollback_works(story: Story, how: str) -> None:
    story.shop("shop 2")
    story.deploy()
    story.shop("shop 3")
    state: dict[str, str] = {}
    journals = list(Path(story.environment()["XDG_STATE_HOME"]).rglob("*.db"))
    assert len(journals) == 1, journals
    if how == "garbage":
        journals[0].write_bytes(b"not a database at all\n" * 1000)
    elif how == "nowhere to write":
        state = {"DEPLOYER_STATE": "sqlite:////proc/nobody/journal.db"}
    else:
        break_version(journals[0])
    refused = story.run("deploy", "lab", "--yes", **state)
    assert refused.code == (2 if how == "of a newer program" else 3), refused
    assert "journal" in refused.err
    story.assert_serving("shop 2")
    back = story.rollback("--state", state["DEPLOYER_STATE"]) if state else story.rollback()
    assert set(back.outcomes.values()) == {"rolled_back"}
    assert "journal" in back.ran.err
    story.assert_serving("shop 1")


def break_version(database: Path) -> None:
    """Make a journal that only a later version of the program could read."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("insert into schema_version values (9999, 'later', 0)")


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
