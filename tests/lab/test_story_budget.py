"""Hosts that are gone count: before the deployment, and in the middle of it."""

from __future__ import annotations

import pytest

from tests.lab.story import Story, get

pytestmark = pytest.mark.lab


@pytest.mark.deployed
def test_a_host_that_is_down_at_the_start(story: Story) -> None:
    story.lab.host("web3").kill()
    up = story.lab.hosts[:2]
    story.shop("shop 2")
    refused = story.deploy(expect=3)
    assert refused.outcomes["web3"] == "unreachable"
    assert "web3" in refused.reason
    for host in up:
        assert get(host) == (200, "shop 1\n")
    plan = story.run("plan", "lab", "--json")
    assert plan.code == 3, plan
    assert plan.document["hosts"]["web3"]["action"] == "unreachable"

    story.playbook(rollout={"max_failures": 1})
    done = story.deploy(expect=6)
    assert done.outcome == "partial"
    assert done.outcomes == {"web1": "deployed", "web2": "deployed", "web3": "unreachable"}
    assert done.reason == f"web3: {done.hosts['web3']['reason']}"
    story.assert_serving("shop 2", up)

    story.lab.host("web3").start()
    rest = story.deploy()
    assert rest.outcomes == {"web1": "unchanged", "web2": "unchanged", "web3": "deployed"}
    story.assert_serving("shop 2")


def test_nobody_at_all(story: Story) -> None:
    story.playbook(rollout={"max_failures": "100%"})
    for host in story.lab.hosts:
        host.kill()
    gone = story.run("deploy", "lab", "--yes", "--json")
    assert gone.code in (3, 6), gone
    assert {h["outcome"] for h in gone.document["hosts"].values()} == {"unreachable"}


@pytest.mark.deployed
@pytest.mark.slow
def test_a_host_that_dies_in_the_second_wave(story: Story) -> None:
    story.playbook(health={"bake": "4s"}, rollout={"confirm_within": "8s"})
    story.shop("shop 2")
    process = story.start("deploy", "lab", "--yes", "--json")
    story.until_said(process, "wave 2")
    story.until_said(process, "web3: activated")
    story.lab.host("web3").kill()
    ran = story.end(process, within_s=200)  # the way back is tried until its guard's deadline and 10 s more
    assert ran.code == 5, ran
    assert ran.document["exit_code"] == 5
    hosts = ran.document["hosts"]
    assert {n: h["outcome"] for n, h in hosts.items()} == {
        "web1": "rolled_back",
        "web2": "rolled_back",
        "web3": "stuck",
    }
    assert "web3" in ran.document["reason"]
    story.assert_serving("shop 1", story.lab.hosts[:2])
    story.lab.host("web3").start()
    seen = story.status(expect=6)
    assert seen["web3"]["promoted"] is False
    assert {n: h["outcome"] for n, h in story.rollback().hosts.items()} == {
        "web1": "unchanged",
        "web2": "unchanged",
        "web3": "rolled_back",
    }
    story.assert_serving("shop 1")
