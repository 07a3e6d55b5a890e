"""The controller is killed, at each stage; ``recover`` finishes or unwinds, with its journal or without."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import Any

import pytest

from tests.lab.story import Story, Told, get, told

pytestmark = pytest.mark.lab

WITHIN = "2s"
LONG = {"bake": "60s"}


def playbook(
    story: Story, *, waves: Sequence[int | str] = (1, "100%"), within: str = "60s", **more: Any
) -> None:
    rollout = {"waves": list(waves), "confirm_within": within, **more.pop("rollout", {})}
    story.playbook(rollout=rollout, **more)


def begun(story: Story, until: str, home: str = "home") -> subprocess.Popen[str]:
    """A deployment of shop 2 over shop 1 that has said this."""
    story.shop("shop 2")
    process = story.start("deploy", "lab", "--yes", home=home)
    story.until_said(process, until)
    return process


def killed(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=30)


def recover(story: Story, *options: str, expect: int = 0, home: str = "home") -> Told:
    return told(story.run("recover", "lab", "--yes", "--json", *options, home=home), expect)


def recovered_later(story: Story, expect: int = 0, home: str = "home") -> Told:
    """Without the journal the controller is believed dead only when it was silent for a while."""
    deadline = time.monotonic() + 30.0
    while (ran := story.run("recover", "lab", "--yes", "--json", home=home)).code == 3:
        assert "was heard on" in ran.document["reason"], ran
        assert time.monotonic() < deadline, ran
    return told(ran, expect)


def lose_the_journal(story: Story) -> None:
    shutil.rmtree(story.directory / "home/state")


def free(story: Story) -> bool:
    return all(seen["owner"] is None for seen in story.status().values())


def in_history(story: Story, ran: Told) -> str:
    listed = story.run("history", "--json").document["deployments"]
    return next(str(d["outcome"]) for d in listed if d["id"] == ran.ran.document["id"])


@pytest.mark.deployed
def test_nothing_to_recover(story: Story) -> None:
    ran = recover(story)
    assert ran.reason == "nothing to recover"
    assert ran.ran.document["id"] is None


@pytest.mark.deployed
@pytest.mark.parametrize("journal", [True, False], ids=["journal", "hosts alone"])
def test_killed_while_preparing(story: Story, journal: bool) -> None:
    before = story.trees()
    playbook(story, within=WITHIN)
    killed(begun(story, "preparing all hosts"))
    refused = story.deploy(expect=3) if journal else None
    assert refused is None or "deployer recover lab" in refused.reason
    if not journal:
        lose_the_journal(story)
    ran = recover(story) if journal else recovered_later(story)
    assert (ran.outcome, set(ran.outcomes.values())) == ("unchanged", {"untouched"})
    assert story.trees() == before
    assert free(story)
    assert in_history(story, ran) == "interrupted"


@pytest.mark.deployed
@pytest.mark.parametrize("journal", [True, False], ids=["journal", "hosts alone"])
def test_killed_after_the_activation_of_a_host(story: Story, journal: bool) -> None:
    before = story.trees()
    playbook(story, health=LONG, within="60s" if journal else WITHIN)
    killed(begun(story, "web1: activated"))
    if not journal:
        lose_the_journal(story)
    ran = recover(story) if journal else recovered_later(story)
    assert ran.outcome == "rolled_back"
    assert ran.outcomes == {"web1": "rolled_back", "web2": "untouched", "web3": "untouched"}
    assert story.trees() == before
    story.assert_serving("shop 1")
    assert recover(story).reason == "nothing to recover"


@pytest.mark.deployed
@pytest.mark.parametrize("journal", [True, False], ids=["journal", "hosts alone"])
def test_killed_between_confirmations_the_fleet_is_split(story: Story, journal: bool) -> None:
    """web1 is confirmed; the guards of the others fire; recover proves them and takes web1 back."""
    playbook(story, health={"bake": "3s"}, within=WITHIN)
    process = begun(story, "web3: activated")
    killed(process)
    for host in story.lab.hosts[1:]:
        story.until_served(host, "shop 1")
    assert get(story.lab.host("web1")) == (200, "shop 2\n")
    shown = story.run("status", "lab")
    assert shown.code == 6, shown
    assert "deployer recover lab" in shown.out
    if not journal:
        lose_the_journal(story)
    ran = recovered_later(story)
    assert set(ran.outcomes.values()) == {"rolled_back"}, ran
    story.assert_serving("shop 1")
    assert in_history(story, ran) == "interrupted"


@pytest.mark.deployed
@pytest.mark.parametrize("journal", [True, False], ids=["journal", "hosts alone"])
def test_killed_while_promoting_it_is_promoted(story: Story, journal: bool) -> None:
    playbook(story, health={"bake": "1s"}, within=WITHIN)
    web1 = story.lab.host("web1")
    story.shop("shop 2")
    process = story.start("deploy", "lab", "--yes")
    story.until_said(process, "web3: activated")
    web1.cut()  # it is confirmed by now
    try:
        story.until_said(process, "web2: promoted")
        killed(process)
        # The kernel goes on sending what a dead process has written: web1 would still be told to promote it.
        web1.run(["pkill", "-f", "^sshd: root@notty"], check=False)
        if not journal:
            lose_the_journal(story)
            lost = recovered_later(story, expect=5)
            assert lost.outcomes["web1"] == "unreachable"
        else:
            lost = recover(story, expect=5)
            assert lost.outcomes == {"web1": "unreachable", "web2": "deployed", "web3": "deployed"}
        assert "web1" in lost.reason
    finally:
        web1.mend()
    ran = recovered_later(story)
    assert ran.outcome == "deployed", ran
    assert ran.outcomes["web1"] == "deployed"
    story.assert_serving("shop 2")
    assert in_history(story, ran) == "deployed"


@pytest.mark.deployed
def test_deploy_refuses_and_recovers_by_itself_when_told(story: Story) -> None:
    playbook(story, health=LONG)
    killed(begun(story, "web1: activated"))
    playbook(story)
    refused = story.deploy(expect=3)
    assert "was never finished" in refused.reason
    assert "deployer recover lab" in refused.reason
    adopted = story.adopt(expect=3)
    assert "deployer recover lab" in adopted.reason
    other = story.deploy(expect=3, home="other")  # who has only the hosts
    assert "owns these hosts" in other.reason
    story.deploy("--recover")
    story.assert_serving("shop 2")


@pytest.mark.deployed
def test_a_rollback_settles_it(story: Story) -> None:
    playbook(story, health=LONG)
    killed(begun(story, "web1: activated"))
    story.rollback()
    listed = story.run("history", "--json").document["deployments"]
    assert [d["outcome"] for d in listed] == ["rolled_back", "interrupted", "deployed"]
    assert recover(story).reason == "nothing to recover"


@pytest.mark.deployed
def test_the_recovery_itself_is_killed_and_one_host_is_gone(story: Story) -> None:
    playbook(story, waves=("100%",), health=LONG)
    killed(begun(story, "web3: activated"))
    web2 = story.lab.host("web2")
    process = story.start("recover", "lab", "--yes")
    story.until_said(process, "TAKING BACK")
    killed(process)
    web2.cut()
    try:
        lost = recover(story, expect=5)
        assert lost.outcome == "stuck"
        assert lost.outcomes["web2"] == "unreachable"
        assert "web2" in lost.reason
    finally:
        web2.mend()
    assert in_history(story, lost) == "stuck"
    ran = recover(story)
    assert ran.outcomes["web2"] == "rolled_back"
    story.assert_serving("shop 1")
    assert in_history(story, ran) == "interrupted"


@pytest.mark.deployed
def test_who_lives_is_not_disturbed(story: Story) -> None:
    playbook(story, health=LONG, waves=("100%",))
    process = begun(story, "web3: activated")
    same = recover(story, expect=3)
    assert f"pid {process.pid}" in same.reason
    other = recover(story, expect=3, home="other")
    assert "may be at work" in other.reason
    process.send_signal(signal.SIGINT)
    assert story.end(process).code == 130
    story.assert_serving("shop 1")


def test_it_asks_first(story: Story) -> None:
    assert story.run("recover", "lab").code == 2


@pytest.mark.deployed
def test_hosts_that_were_made_anew_meanwhile_are_said_to_know_nothing(story: Story) -> None:
    """The fleet was taken down in the middle of it, and another one answers to its names."""
    playbook(story, health=LONG)
    killed(begun(story, "web1: activated"))
    for host in story.lab.hosts:
        host.reset()
    ran = story.run("recover", "lab", "--yes")
    assert ran.code == 0, ran
    assert "None" not in ran.out + ran.err
    assert "what it changed is not there any more, so there is nothing to take back" in ran.err
    assert "web1: it knows nothing of any deployment any more" in ran.err
    assert recover(story).reason == "nothing to recover"
