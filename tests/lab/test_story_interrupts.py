"""Ctrl-C in the middle, and two people at once."""

from __future__ import annotations

import os
import signal

import pytest

from tests.lab.story import Story, get, wait_for

pytestmark = pytest.mark.lab


@pytest.mark.deployed
def test_interrupted_in_the_bake_of_the_first_wave(story: Story) -> None:
    """By Ctrl-C; SIGTERM and SIGHUP are the same from their handler on: test_signals.py."""
    before = story.trees()
    story.playbook(health={"bake": "60s"})
    story.shop("shop 2")
    process = story.start("deploy", "lab", "--yes", "--json")
    story.until_said(process, "web1: activated")
    story.until_served(story.lab.host("web1"), "shop 2")
    process.send_signal(signal.SIGINT)
    ran = story.end(process)
    assert ran.code == 130, ran
    assert ran.document["outcome"] == "interrupted"
    assert ran.document["exit_code"] == 130
    outcomes = {name: host["outcome"] for name, host in ran.document["hosts"].items()}
    assert outcomes == {"web1": "rolled_back", "web2": "untouched", "web3": "untouched"}
    assert story.trees() == before
    story.assert_serving("shop 1")
    story.playbook()
    story.deploy()
    story.assert_serving("shop 2")


def test_interrupted_before_anything(story: Story) -> None:
    before = story.trees()
    story.lab.host("web2").pause()
    try:
        process = story.start("deploy", "lab", "--yes")
        story.until_said(process, "asking 3 hosts")
        process.send_signal(signal.SIGINT)
        ran = story.end(process)
    finally:
        story.lab.host("web2").resume()
    assert ran.code == 130, ran
    assert story.trees() == before
    story.status()


@pytest.mark.deployed
def test_interrupted_while_all_are_prepared(story: Story) -> None:
    before = story.trees()
    story.shop("shop 2")
    process = story.start("deploy", "lab", "--yes", "--json")
    story.until_said(process, "preparing all hosts")
    process.send_signal(signal.SIGINT)
    ran = story.end(process)
    assert ran.code == 130, ran
    assert ran.document["outcome"] == "interrupted"
    assert {h["outcome"] for h in ran.document["hosts"].values()} == {"untouched"}
    assert story.trees() == before
    for seen in story.status().values():
        assert seen["owner"] is None
    story.deploy()
    story.assert_serving("shop 2")


@pytest.mark.deployed
def test_killed_without_a_word_the_next_one_is_told(story: Story) -> None:
    """What a dead controller leaves is seen, and a rollback needs nobody's lock."""
    story.playbook(health={"bake": "60s"})
    story.shop("shop 2")
    process = story.start("deploy", "lab", "--yes")
    story.until_said(process, "web1: activated")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    seen = story.status(expect=6)
    assert seen["web1"]["promoted"] is False
    story.playbook()
    busy = story.deploy(expect=3)
    assert "was never finished; recover it first: deployer recover lab" in busy.reason
    back = story.rollback()
    assert back.outcomes["web1"] == "rolled_back"
    story.assert_serving("shop 1", story.lab.hosts[:1])
    for host in story.lab.hosts:
        assert get(host) == (200, "shop 1\n")


@pytest.mark.deployed
def test_two_at_once_and_exactly_one_wins(story: Story) -> None:
    """With one journal; each with its own, again and again: test_story_two_controllers.py."""
    story.playbook(health={"bake": "3s"})
    story.inventory((story.project / "inventories/lab.yml").read_text(), "twin")
    commits = [story.shop("shop 2"), story.shop("shop 3")]
    running = [
        story.start("deploy", name, "--yes", "--json", "--rev", commit)
        for name, commit in zip(("lab", "twin"), commits, strict=True)
    ]
    ran = [story.end(process) for process in running]
    assert sorted(r.code for r in ran) == [0, 3], "\n".join(map(str, ran))
    winner = next(i for i, r in enumerate(ran) if r.code == 0)
    loser = ran[1 - winner].document
    assert {h["outcome"] for h in loser["hosts"].values()} <= {"refused", "untouched", "unchanged"}
    story.assert_serving(f"shop {winner + 2}")


@pytest.mark.deployed
def test_a_rollback_takes_over_from_a_deployment(story: Story) -> None:
    story.shop("shop 2")
    story.deploy()
    story.playbook(health={"bake": "60s"})
    story.shop("shop 3")
    process = story.start("deploy", "lab", "--yes", "--json")
    story.until_said(process, "web1: activated")
    back = story.rollback()
    assert back.outcomes["web1"] == "rolled_back"
    assert get(story.lab.host("web1")) == (200, "shop 2\n")
    process.send_signal(signal.SIGINT)
    ran = story.end(process)
    assert ran.code in (5, 130), ran
    wait_for(lambda: all(s["owner"] is None for s in story.status().values()), "still owned")
    for host in story.lab.hosts:
        assert get(host) == (200, "shop 2\n")
