"""What a reload would silently refuse ends a deployment before any host has changed."""

from __future__ import annotations

import pytest

from tests.lab.agent_sh import script, wait_for
from tests.lab.story import Story

pytestmark = pytest.mark.lab

ZONE = "limit_req_zone {} zone=shop:1m rate=5000r/s;\n"
SQUAT = "import socket, time\ns = socket.create_server(('127.0.0.1', 9191))\ntime.sleep(300)\n"


def squat(story: Story, name: str) -> None:
    host = story.lab.host(name)
    host.run(["sh", "-c", 'setsid python3 -c "$1" >/dev/null 2>&1 &', "sh", SQUAT])
    wait_for(lambda: ":9191 " in host.run(["ss", "-Hltn"]).stdout, "the other one listens")


@pytest.mark.deployed
def test_a_zone_with_another_key_is_refused_with_nothing_changed(story: Story) -> None:
    story.commit({"conf.d/limits.conf": ZONE.format("$uri")})
    before = story.trees()
    refused = story.run("deploy", "lab", "--yes", "--json")
    assert refused.code == 3, refused
    assert "The rehearsal refuses" in refused.document["reason"]
    assert refused.document["reason"].count('limit_req "shop" uses the "$uri" key') == 1
    assert {host["outcome"] for host in refused.document["hosts"].values()} <= {"refused", "untouched"}
    assert story.trees() == before
    story.assert_serving("shop 1")


@pytest.mark.deployed
def test_a_port_that_is_taken_on_one_host_is_refused_for_all(story: Story) -> None:
    squat(story, "web2")
    story.commit({"conf.d/second.conf": "server { listen 9191; return 200; }\n"})
    before = story.trees()
    refused = story.run("deploy", "lab", "--yes", "--json")
    assert refused.code == 3, refused
    assert "port 9191" in refused.document["reason"]
    assert "python3 (pid" in refused.document["reason"]
    assert story.trees() == before
    story.assert_serving("shop 1")


@pytest.mark.deployed
def test_prepare_only_rehearses_too(story: Story) -> None:
    squat(story, "web3")
    story.commit({"conf.d/second.conf": "server { listen 9191; return 200; }\n"})
    refused = story.run("deploy", "lab", "--yes", "--prepare-only", "--json")
    assert refused.code == 3, refused
    assert "port 9191" in refused.document["reason"]
    host = story.lab.host("web3")
    host.run(["pkill", "-f", "create_server"])
    assert story.run("deploy", "lab", "--yes", "--prepare-only", "--json").code == 0


@pytest.mark.deployed
def test_a_host_that_cannot_rehearse_is_named_and_by_on_refused(story: Story) -> None:
    script(story.lab.host("web2"), "rm $(command -v nsenter)")
    story.shop("shop 2")
    story.playbook(rehearse="on")
    before = story.trees()
    refused = story.run("deploy", "lab", "--yes", "--json")
    assert refused.code == 3, refused
    assert "rehearse: on" in refused.document["reason"]
    assert "nsenter is not on this host" in refused.document["reason"]
    assert story.trees() == before
    story.playbook(rehearse="auto")
    done = story.run("deploy", "lab", "--yes")
    assert done.code == 0, done
    assert "warning: web2: not rehearsed: nsenter is not on this host" in done.err
    assert done.err.count("web1: rehearsed") == 1
    story.assert_serving("shop 2")


@pytest.mark.deployed
def test_off_is_off(story: Story) -> None:
    story.playbook(rehearse="off")
    story.commit({"conf.d/limits.conf": ZONE.format("$uri")})
    failed = story.run("deploy", "lab", "--yes")
    assert failed.code == 4, failed  # found by the proof of the reload, and taken back
    assert "rehears" not in failed.err
    story.assert_serving("shop 1")
