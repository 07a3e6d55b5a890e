"""A good revision reaches every host, is served there, and is known to be."""

from __future__ import annotations

import pytest

from tests.lab.story import Story, get

pytestmark = pytest.mark.lab


def test_a_good_deploy_and_a_second_one(story: Story) -> None:
    commit = story.shop("shop 2")
    done = story.deploy()
    assert done.outcome == "deployed"
    assert done.ran.document["revision"] == commit
    assert set(done.outcomes.values()) == {"deployed"}
    assert [len(w["hosts"]) for w in done.ran.document["waves"]] == [1, 2]
    assert {w["decision"] for w in done.ran.document["waves"]} == {"passed"}
    for host in done.hosts.values():
        assert host["release"].startswith(commit[:12])
        assert host["previous"].startswith("baseline-")
    story.assert_serving("shop 2")

    before = story.trees()
    workers = {h.name: h.nginx_pids() for h in story.lab.hosts}
    again = story.deploy()
    assert again.outcome == "unchanged"
    assert set(again.outcomes.values()) == {"unchanged"}
    assert {h.name: h.nginx_pids() for h in story.lab.hosts} == workers, "nginx was reloaded for nothing"
    assert story.trees() == before
