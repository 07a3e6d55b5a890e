"""What failed by its own fault is not deployed again, whoever tries, until somebody lets it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from deployer.lab import sample
from tests.lab.story import SHOP_CHECK, Story, get

pytestmark = pytest.mark.lab


def kept(story: Story, *options: str, **given: Any) -> list[dict[str, Any]]:
    """``quarantine list --json``."""
    ran = story.run("quarantine", "list", *options, "--json", **given)
    assert ran.code == 0, ran
    found: list[dict[str, Any]] = ran.document["quarantine"]
    return found


def closed(document: Mapping[str, Any]) -> list[str]:
    return [gate["gate"] for gate in document["gates"]]


@pytest.mark.deployed
def test_a_release_that_failed_is_not_deployed_again(story: Story) -> None:
    story.shop("out of order", 503)
    failed = story.deploy(expect=4)
    (bad,) = failed.ran.document["quarantined"]
    shown = story.run("show", "last")
    assert f"Quarantined, until somebody releases it: {bad}: web1: not healthy" in shown.out

    # Another commit, the same tree: the schedule of tomorrow.
    sample.git(story.lab.repo, "commit", "--quiet", "--allow-empty", "-m", "Nothing new")
    before = story.trees()
    log = story.lab.host("web1").read("/var/lib/deployer/nginx/private/log")
    again = story.deploy(expect=3)
    assert again.ran.document["exit_code"] == 3
    assert closed(again.ran.document) == ["quarantine"]
    assert failed.ran.document["id"] in again.reason
    assert f"deployer quarantine release lab {bad[-12:]}" in again.reason
    assert "--break-glass" in again.reason
    assert "\n" not in again.reason
    assert story.trees() == before
    assert story.lab.host("web1").read("/var/lib/deployer/nginx/private/log") == log, "was touched"
    plan = story.run("plan", "lab")
    assert (plan.code, "CLOSED, quarantine" in plan.out) == (3, True), plan

    # A colleague whose journal knows nothing: web1 does, though only web2 and web3 were never switched.
    (entry,) = kept(story, "lab", home="colleague")
    assert (entry["hosts"], entry["journal"]) == (["web1"], False)
    assert "known to web1" in story.deploy(expect=3, home="colleague").reason
    # Having heard of it once, the colleague's journal knows by itself.
    elsewhere = story.deploy("--limit", "web2", expect=3, home="colleague")
    assert "quarantined since" in elsewhere.reason

    # Somebody lets it be: here and on the hosts, one of which does not answer.
    web1 = story.lab.host("web1")
    web1.kill()
    left = story.run("quarantine", "release", "lab", bad, "--yes", "--json")
    assert (left.code, left.document["unreachable"]) == (6, ["web1"]), left
    web1.start()
    assert "known to web1" in story.deploy(expect=3).reason
    done = story.run("quarantine", "release", "lab", bad[-12:], "--yes")
    assert done.code == 0, done
    assert kept(story, "lab") == []
    assert story.deploy(expect=4).outcome == "rolled_back"  # it is as bad as it was, and may be tried


@pytest.mark.deployed
def test_what_was_taken_back_needs_the_glass_broken(story: Story) -> None:
    story.shop("shop 2")
    two = story.deploy().hosts["web1"]["release"]
    back = story.rollback()
    assert back.ran.document["quarantined"] == [two]
    assert {tuple(entry["hosts"]) for entry in kept(story, "lab")} == {("web1", "web2", "web3")}
    assert closed(story.deploy(expect=3).ran.document) == ["quarantine"]
    to = story.rollback("--to", two, expect=3)
    assert "is quarantined" in to.reason
    story.assert_serving("shop 1")
    assert story.run("rollback", "lab", "--yes", "--to", two, "--break-glass", " ").code == 2

    forced = story.run("deploy", "lab", "--yes", "--break-glass", "the caches were cold")
    assert forced.code == 0, forced
    assert "BREAK-GLASS by" in forced.err
    story.assert_serving("shop 2")
    assert "BREAK-GLASS" in story.run("history", "lab", "-n", "1").out
    shown = story.run("show", "last")
    assert "the caches were cold" in shown.out
    assert "Closed gates were passed" in shown.out
    # That was for once; and what is taken back with a word against it adds nothing.
    assert "quarantined" not in story.rollback("--no-quarantine").ran.document
    (entry,) = kept(story, "lab")
    assert entry["deployment"] == back.ran.document["id"]
    story.run("quarantine", "release", "lab", entry["hash"], "--yes")
    assert story.deploy().outcome == "deployed"


@pytest.mark.deployed
def test_an_environment_that_fails_is_not_held_against_the_release(story: Story) -> None:
    """The application dies while the new release is being watched: the old one fails the same check."""
    story.commit({"conf.d/app.conf": APP})
    for host in story.lab.hosts:
        host.run(["sh", "-c", SERVE])
        story.until_listening(host, 8099)
    story.playbook(checks=[SHOP_CHECK, APP_CHECK])
    story.deploy()
    story.playbook(checks=[SHOP_CHECK, APP_CHECK], health={"bake": "60s", "deadline": "2s"})
    story.shop("shop 2")
    process = story.start("deploy", "lab", "--yes", "--json")
    story.until_said(process, "web1: activated")
    host = story.lab.host("web1")
    story.until_served(host, "shop 2")
    host.run(["sh", "-c", "kill -9 $(cat /run/app.pid)"])
    ran = story.end(process)
    assert ran.code == 5, ran
    assert "it was the environment, not the release" in ran.document["reason"]
    assert "app" in ran.document["reason"]
    assert list(ran.document["ill"]) == ["web1"]
    assert "web1: back on its release, proved, and still ill" in ran.err
    assert "quarantined" not in ran.document
    assert get(host) == (200, "shop 1\n")
    assert "it was the environment" in story.run("show", "last").out
    assert kept(story, "lab") == []  # web1 was told while it went back, and told otherwise since


APP = "server { listen 8090; location / { proxy_pass http://127.0.0.1:8099; } }\n"
APP_CHECK = {"name": "app", "url": "http://127.0.0.1:8090/"}
SERVE = (
    "setsid python3 -m http.server 8099 --bind 127.0.0.1 --directory /run </dev/null >/dev/null 2>&1 & "
    "echo $! >/run/app.pid"
)


@pytest.mark.deployed
@pytest.mark.parametrize("moment", ["TAKING BACK", pytest.param("web1: back on", marks=pytest.mark.slow)])
def test_a_controller_that_dies_while_it_takes_back_loses_nothing(story: Story, moment: str) -> None:
    story.playbook(rollout={"confirm_within": "60s"})
    story.shop("out of order", 503)
    process = story.start("deploy", "lab", "--yes")
    story.until_said(process, moment)
    process.kill()
    process.communicate()
    assert "deployer recover lab" in story.deploy(expect=3).reason
    ran = story.run("recover", "lab", "--yes", "--json")
    assert ran.code in (0, 4), ran
    story.assert_serving("shop 1")
    refused = story.deploy(expect=3)
    assert closed(refused.ran.document) == ["quarantine"]
    assert "web1: not healthy with the new release" in refused.reason
    assert [entry["hosts"] for entry in kept(story, "lab", home="colleague")] == [["web1"]]


@pytest.mark.deployed
def test_a_controller_that_dies_says_nothing_of_the_release(story: Story) -> None:
    """Its guard takes the release back, and it may be deployed again."""
    story.playbook(health={"bake": "60s"}, rollout={"confirm_within": "2s"})
    story.shop("shop 2")
    process = story.start("deploy", "lab", "--yes")
    host = story.lab.host("web1")
    story.until_served(host, "shop 2")
    process.kill()
    process.communicate()
    story.until_served(host, "shop 1")
    story.playbook()
    assert story.deploy("--recover").outcome == "deployed"
