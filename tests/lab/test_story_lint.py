"""What the lint calls an error is refused before any host has changed; what it warns of is shown."""

from __future__ import annotations

import pytest

from tests.lab.story import Story

pytestmark = pytest.mark.lab


@pytest.mark.deployed
def test_a_left_over_return_reaches_no_user(story: Story) -> None:
    story.playbook(lint={"fail_on": "error"})
    before = story.trees()
    story.shop("down", 503)
    refused = story.deploy(expect=3)
    assert refused.outcomes == dict.fromkeys(refused.outcomes, "untouched")
    assert "left-over-return" in refused.ran.document["reason"]
    assert "sites-available/shop.example.com:23" in refused.ran.document["reason"]
    assert story.trees() == before
    story.assert_serving("shop 1")

    plan = story.run("plan", "lab", "--json")
    assert plan.code == 3
    (found,) = [f for f in plan.document["findings"] if f["severity"] == "error"]
    assert (found["rule"], found["hosts"]) == ("left-over-return", [])
    assert "lint: REFUSED: " in story.run("plan", "lab").out

    # Whoever must can pass it, and that is told; here the check finds what the lint had found.
    broken = story.deploy("--break-glass", "to see what happens", expect=4)
    assert "BREAK-GLASS" in broken.ran.err
    story.run("quarantine", "release", "lab", broken.hosts["web1"]["release"], "--yes")

    # Said on purpose, it is deployed: here the check finds it, as for somebody who has no lint.
    text = (story.lab.repo / "sites-available/shop.example.com").read_text()
    meant = text.replace("return 503", "# deployer: ignore left-over-return a test\n\t\treturn 503")
    story.commit({"sites-available/shop.example.com": meant})
    assert story.run("plan", "lab").code == 0
    story.deploy(expect=4)
    story.assert_serving("shop 1")


def test_what_does_not_change_refuses_nothing(story: Story) -> None:
    story.commit({"conf.d/a.conf": "server { listen 8082; server_name a:80; }\n"})
    story.deploy()
    story.playbook(lint={"fail_on": "error"})
    unchanged = story.deploy()
    assert set(unchanged.outcomes.values()) == {"unchanged"}
    story.shop("shop 2")
    assert "server-name-malformed" in story.deploy(expect=3).ran.document["reason"]
    story.playbook(lint={"fail_on": "error", "ignore": ["server-name-malformed"]})
    story.deploy()
    story.assert_serving("shop 2")
