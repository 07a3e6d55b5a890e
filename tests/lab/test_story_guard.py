"""The controller dies, sleeps or loses the network before it confirms: no host stays on what it brought."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.lab.fleet import Lab
from deployer.lab.host import LabHost
from tests.conftest import need_root
from tests.lab.story import Story, get, told, wait_for

pytestmark = pytest.mark.lab

DEADLINE_S = 3.0
LONG = "60s"


def in_the_bake(
    story: Story,
    within: str = f"{DEADLINE_S:g}s",
    *,
    waves: tuple[int | str, ...] = ("100%",),
    bake: str = LONG,
) -> subprocess.Popen[str]:
    """Every host of the first wave is activated and looked at; nothing is confirmed."""
    story.playbook(health={"bake": bake}, rollout={"waves": list(waves), "confirm_within": within})
    story.shop("shop 2")
    process = story.start("deploy", "lab", "--yes", "--json")
    first = story.lab.hosts if waves == ("100%",) else story.lab.hosts[:1]
    until_activated(story, process, len(first))
    return process


def until_activated(story: Story, process: subprocess.Popen[str], count: int) -> None:
    """So many hosts have answered that they are activated."""
    for _ in range(count):
        story.until_said(process, ": activated")


def killed(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=30)


def carried(host: LabHost) -> bool:
    return bool(host.run(["pgrep", "-f", "agent.sh carry"], check=False).stdout)


@pytest.mark.deployed
def test_the_controller_is_killed_and_every_host_goes_back(story: Story) -> None:
    process = in_the_bake(story)
    killed(process)
    began = time.monotonic()
    for host in story.lab.hosts:
        story.until_served(host, "shop 1")
    assert time.monotonic() - began < DEADLINE_S + 4.0
    wait_for(lambda: not any(map(carried, story.lab.hosts)), "the guards' processes stay")
    for seen in story.status(expect=0).values():
        assert (seen["guard"]["state"], seen["live"]) == ("fired", seen["memory"])
        assert any("nobody had confirmed it" in note for note in seen["notes"])
    told = story.deploy(expect=3)  # the dead controller still owns the hosts
    assert "deployer recover lab" in told.reason
    back = story.rollback()
    assert set(back.outcomes.values()) == {"rolled_back"}
    assert story.rollback().outcome == "unchanged"
    story.assert_serving("shop 1")
    story.playbook()
    story.deploy()
    story.assert_serving("shop 2")


@pytest.mark.deployed
def test_killed_between_two_waves_the_fleet_is_split_and_says_so(story: Story) -> None:
    process = in_the_bake(story, waves=(1, "100%"))
    web1, *others = story.lab.hosts
    wait_for(lambda: carried(web1), "web1 is not guarded")
    killed(process)  # before its wave was decided: no other host was touched
    story.until_served(web1, "shop 1")
    assert [story.status()[h.name]["guard"] for h in others] == [None, None]
    story.rollback()
    story.playbook(health={"bake": "2s"}, rollout={"waves": [1, "100%"], "confirm_within": "4s"})
    process = story.start("deploy", "lab", "--yes", "--json")
    for host in others:
        story.until_served(host, "shop 2")
    killed(process)  # web1 is confirmed by now
    for host in others:
        story.until_served(host, "shop 1")
    assert get(web1) == (200, "shop 2\n")
    seen = story.status(expect=6)
    assert seen["web1"]["guard"] is None
    assert any("never promoted" in trouble for trouble in seen["web1"]["troubles"])
    assert {seen[h.name]["guard"]["state"] for h in others} == {"fired"}
    story.rollback()
    story.assert_serving("shop 1")


@pytest.mark.deployed
def test_a_rollback_does_not_wait_for_the_guards(story: Story) -> None:
    process = in_the_bake(story, within="300s")
    killed(process)
    assert {s["guard"]["state"] for s in story.status(expect=6).values()} == {"armed"}
    refused = story.deploy(expect=3)
    assert "deployer recover lab" in refused.reason
    story.rollback()
    story.assert_serving("shop 1")
    assert not any(map(carried, story.lab.hosts))
    assert {s["guard"] for s in story.status().values()} == {None}


@pytest.mark.deployed
def test_a_controller_that_sleeps_is_told_that_it_came_too_late(story: Story) -> None:
    story.playbook(health={"bake": "4s"}, rollout={"waves": ["100%"], "confirm_within": "2s"})
    story.shop("shop 2")
    process = story.start("deploy", "lab", "--yes", "--json")
    until_activated(story, process, 3)
    process.send_signal(signal.SIGSTOP)
    for host in story.lab.hosts:
        story.until_served(host, "shop 1")
    process.send_signal(signal.SIGCONT)
    late = told(story.end(process), 4)
    assert late.outcome == "rolled_back"
    assert set(late.outcomes.values()) == {"rolled_back"}
    story.assert_serving("shop 1")


@pytest.mark.deployed
def test_a_late_confirmation_alone_is_answered_reverted(story: Story) -> None:
    """Without checks nothing is noticed before the confirmation."""
    story.playbook(checks=[], health={"bake": "5s"}, rollout={"waves": ["100%"], "confirm_within": "2s"})
    story.shop("shop 1", 200)
    story.commit({"conf.d/more.conf": "# nothing that can be seen from outside\n"})
    process = story.start("deploy", "lab", "--yes", "--json")
    until_activated(story, process, 3)
    process.send_signal(signal.SIGSTOP)
    web2 = story.lab.host("web2")
    wait_for(lambda: not carried(web2), "the guard does not fire")
    process.send_signal(signal.SIGCONT)
    late = told(story.end(process), 4)
    assert "The guard took release" in late.reason
    assert set(late.outcomes.values()) == {"rolled_back"}


@pytest.mark.deployed
def test_a_wave_that_outlasts_the_deadline_is_renewed(story: Story) -> None:
    story.playbook(health={"bake": "6s"}, rollout={"waves": ["100%"], "confirm_within": "2s"})
    story.shop("shop 2")
    story.deploy()
    story.assert_serving("shop 2")


@pytest.mark.deployed
def test_a_host_that_is_cut_off_is_awaited_and_comes_back_by_itself(story: Story) -> None:
    process = in_the_bake(story, within="2s", bake="5s")
    web2 = story.lab.host("web2")
    web2.cut()
    try:
        wait_for(lambda: not carried(web2), "the guard does not fire")
        assert "shop 1" in web2.run(["cat", "/etc/nginx/sites-available/shop.example.com"]).stdout
        web2.mend()
        ran = told(story.end(process), 4)
    finally:
        web2.mend()
    assert set(ran.outcomes.values()) == {"rolled_back"}
    story.assert_serving("shop 1")


@pytest.mark.deployed
def test_a_host_that_stays_away_is_safe_and_not_proved(story: Story) -> None:
    process = in_the_bake(story, within="2s", bake="5s")
    web2 = story.lab.host("web2")
    web2.cut()
    try:
        ran = told(story.end(process), 5)
        assert ran.outcomes == {"web1": "rolled_back", "web2": "stuck", "web3": "rolled_back"}
        assert "its guard should have taken it back by now" in ran.hosts["web2"]["reason"]
        assert not carried(web2)
    finally:
        web2.mend()
    story.until_served(web2, "shop 1")
    story.rollback()
    story.assert_serving("shop 1")


@pytest.mark.systemd
class TestSystemd:
    """Two hosts whose first process is systemd."""

    @pytest.fixture
    def story(self, tmp_path: Path) -> Iterator[Story]:
        need_root()
        (tmp_path / "lab").mkdir()
        with Lab.up(tmp_path / "lab", hosts=2, init="systemd") as made:
            yield Story(made, tmp_path)

    def test_the_controller_dies_one_host_reboots_and_all_go_back(self, story: Story) -> None:
        story.deploy()
        process = in_the_bake(story, within="6s")
        killed(process)
        web1, web2 = story.lab.hosts
        web1.reboot()
        assert get(web1) == (200, "shop 1\n")  # before nginx started
        story.until_served(web2, "shop 1")
        seen = story.status()
        assert [s["guard"]["state"] for s in seen.values()] == ["fired", "fired"]
        story.rollback()
        story.assert_serving("shop 1")
