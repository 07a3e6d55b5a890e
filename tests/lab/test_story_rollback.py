"""Back to where every host came from: bytes, owners, modes and memory."""

from __future__ import annotations

import pytest

from deployer.lab import sample
from tests.lab.agent_sh import reload
from tests.lab.story import Story, get

pytestmark = pytest.mark.lab


def test_back_to_the_baseline_byte_for_byte(story: Story) -> None:
    for host in story.lab.hosts:
        host.run(["sh", "-ec", DRESS_UP])
        reload(host)
    before = story.trees()
    story.commit({"sites-enabled/default": None, "conf.d/new.conf": "# new\n"})
    story.shop("shop 2")
    story.deploy("--accept-deletions")
    story.assert_serving("shop 2")
    assert story.trees() != before
    back = story.rollback()
    assert back.outcome == "rolled_back"
    assert set(back.outcomes.values()) == {"rolled_back"}
    assert story.trees() == before
    story.assert_serving("shop 1")

    again = story.rollback()
    assert again.outcome == "unchanged"
    assert set(again.outcomes.values()) == {"unchanged"}
    assert story.trees() == before
    story.assert_serving("shop 1")


DRESS_UP = """\
cd /etc/nginx
mkdir -p secret
echo x:y >secret/htpasswd
chown root:www-data secret/htpasswd
chmod 640 secret/htpasswd
chown ops conf.d/limits.conf
chmod 600 conf.d/limits.conf
setfattr -n user.origin -v hand nginx.conf
ln -s ../nowhere/at/all dangling
ln -s limits.conf conf.d/limits.old
chmod 700 snippets
mkdir -m 1777 empty
echo '#!/bin/sh' >hook
chmod 4755 hook
"""


@pytest.mark.deployed
def test_back_from_the_latest_and_no_further(story: Story) -> None:
    for text in ("shop 2", "shop 3"):
        story.shop(text)
        story.deploy()
    assert set(story.rollback().outcomes.values()) == {"rolled_back"}
    story.assert_serving("shop 2")
    for _ in range(2):
        assert story.rollback().outcome == "unchanged"
        story.assert_serving("shop 2")
    story.shop("shop 4")
    story.deploy()
    story.assert_serving("shop 4")
    story.rollback()
    story.assert_serving("shop 2")


@pytest.mark.deployed
def test_the_repository_moved_away(story: Story) -> None:
    story.shop("shop 2")
    story.deploy()
    away = story.lab.repo.with_name("repo-moved")
    story.lab.repo.rename(away)
    try:
        back = story.rollback(XDG_CACHE_HOME=str(story.directory / "empty-cache"))
    finally:
        away.rename(story.lab.repo)
    assert set(back.outcomes.values()) == {"rolled_back"}
    story.assert_serving("shop 1")


@pytest.mark.deployed
def test_after_a_failed_deployment_there_is_nothing_to_undo(story: Story) -> None:
    for text in ("shop 2", "shop 3"):
        story.shop(text)
        story.deploy()
    story.shop("out of order", 503)
    story.deploy(expect=4)
    # web1 was taken back already, the others never moved: going back now would be one release too far.
    back = story.rollback()
    assert back.outcomes["web1"] != "rolled_back"
    story.assert_serving("shop 3", story.lab.hosts[:1])


def test_list_and_to(story: Story) -> None:
    commits = []
    for text in ("shop 2", "shop 3", "shop 4"):
        commits.append(story.shop(text))
        story.deploy()
    listed = story.run("rollback", "lab", "--list", "--json")
    assert listed.code == 0, listed
    releases = listed.document["hosts"]["web1"]
    assert {r.partition("-")[0] for r in releases} == {"baseline", *(c[:12] for c in commits)}
    table = story.run("rollback", "lab", "--list")
    assert "where a rollback leads" in table.out

    story.rollback("--to", commits[0][:12])
    story.assert_serving("shop 2")
    assert story.rollback("--to", commits[0]).outcome == "unchanged"
    baseline = next(r for r in releases if r.startswith("baseline"))
    story.rollback("--to", baseline)
    story.assert_serving("shop 1")


@pytest.mark.deployed
@pytest.mark.slow
def test_a_revision_to_go_back_to_in_full_or_by_name(story: Story) -> None:
    two = story.shop("shop 2")
    story.deploy()
    story.shop("shop 3")
    story.deploy()
    story.rollback("--to", two)
    story.assert_serving("shop 2")


@pytest.mark.deployed
@pytest.mark.slow
def test_a_pruned_release_is_refused_with_what_would_bring_it(story: Story) -> None:
    story.playbook(target={"keep": 1})
    commits = []
    for text in ("shop 2", "shop 3", "shop 4", "shop 5"):
        commits.append(story.shop(text))
        story.deploy()
    before = story.trees()
    kept = story.run("rollback", "lab", "--list", "--json").document["hosts"]["web1"]
    assert not [r for r in kept if r.startswith(commits[0][:12])], "nothing was pruned"
    refused = story.run("rollback", "lab", "--yes", "--to", commits[0][:12])
    assert refused.code == 3, refused
    assert f"deployer deploy INVENTORY --rev {commits[0][:12]}" in refused.err
    assert story.trees() == before
    story.deploy("--rev", commits[0][:12])
    story.assert_serving("shop 2")


@pytest.mark.deployed
def test_a_limited_rollback(story: Story) -> None:
    story.shop("shop 2")
    story.deploy()
    back = story.rollback("--limit", "web2")
    assert set(back.hosts) == {"web2"}
    assert get(story.lab.host("web2")) == (200, "shop 1\n")
    assert get(story.lab.host("web1")) == (200, "shop 2\n")
    rest = story.rollback()
    assert rest.outcomes == {"web1": "rolled_back", "web2": "unchanged", "web3": "rolled_back"}
    story.assert_serving("shop 1")


def test_a_fleet_that_nothing_was_deployed_to(story: Story) -> None:
    before = story.trees()
    assert story.rollback().outcome == "unchanged"
    assert story.trees() == before


@pytest.mark.deployed
@pytest.mark.slow
def test_a_check_that_does_not_pass_afterwards_is_named_and_changes_no_exit_code(story: Story) -> None:
    story.shop("shop 2")
    story.deploy()
    story.playbook(checks=[{"name": "up", "from": "command", "command": ["test", "-e", "/run/well"]}])
    back = story.rollback()
    assert back.outcome == "rolled_back"
    assert set(back.ran.document["ill"]) == set(back.outcomes)
    assert "after the rollback a check does not pass" in back.ran.err
    assert {get(host)[1].strip() for host in story.lab.hosts} == {"shop 1"}


@pytest.mark.deployed
def test_deploying_again_what_was_rolled_back_works(story: Story) -> None:
    story.shop("shop 2")
    story.deploy()
    story.rollback("--no-quarantine")
    assert sample.git(story.lab.repo, "rev-parse", "HEAD")
    assert story.deploy().outcome == "deployed"
    story.assert_serving("shop 2")


@pytest.mark.deployed
def test_what_came_in_two_deployments_is_not_taken_back_in_silence(story: Story) -> None:
    story.playbook(rollout={"max_failures": 1})
    story.shop("shop 2")
    story.deploy()
    away = story.lab.host("web3")
    away.kill()
    story.shop("shop 3")
    story.deploy(expect=6)
    away.start()
    story.deploy()
    back = story.rollback(expect=6)
    assert back.outcome == "partial"
    assert back.outcomes == {"web1": "unchanged", "web2": "unchanged", "web3": "rolled_back"}
    assert "web1, web2 still serve" in back.reason
    assert "--limit 'all:!web3'" in back.reason
    told = story.run("status", "lab", "--json")
    assert (told.code, told.document["exit_code"]) == (6, 6)
    assert "web1, web2 serve what was taken back on web3" in told.document["split"]
    assert all(host["troubles"] == [] for host in told.document["hosts"].values())
    again = story.run("rollback", "lab", "--yes")
    assert again.code == 0, again
    assert "web1, web2 still serve" in again.err
    story.rollback("--limit", "all:!web3")
    story.assert_serving("shop 2")
