"""A file edited by hand on a host is neither overwritten nor forgotten."""

from __future__ import annotations

import pytest

from deployer.lab.host import LabHost
from tests.lab.agent_sh import reload
from tests.lab.story import Story, get, tree

pytestmark = pytest.mark.lab

SITE = "/etc/nginx/sites-available/shop.example.com"


@pytest.fixture
def edited(story: Story) -> LabHost:
    """web2, on which somebody changed the shop by hand, loaded it, and left a file lying around."""
    story.shop("shop 2")
    story.deploy()
    host = story.lab.host("web2")
    host.write(SITE, host.read(SITE).replace("shop 2", "shop by hand"))
    host.write("/etc/nginx/conf.d/by-hand.conf", "# who wrote this?\n")
    reload(host)
    story.until_served(host, "shop by hand")
    story.shop("shop 3")
    return host


@pytest.mark.deployed
def test_drift_is_refused_with_the_diff(story: Story, edited: LabHost) -> None:
    before = story.trees()
    refused = story.deploy(expect=3)
    assert refused.outcomes["web2"] == "refused"
    assert "shop.example.com" in refused.hosts["web2"]["reason"]
    assert "--overwrite-drift" in refused.hosts["web2"]["reason"]
    text = story.run("deploy", "lab", "--yes")
    assert text.code == 3, text
    for line in (
        '-\t\treturn 200 "shop 2\\n";',
        '+\t\treturn 200 "shop by hand\\n";',
        "+# who wrote this?",
    ):
        assert line in text.err, text
    plan = story.run("plan", "lab", "--json")
    assert plan.code == 3, plan
    drift = [d for d in plan.document["diffs"] if d["drift"]]
    assert [d["hosts"] for d in drift] == [["web2"]]
    assert "conf.d/by-hand.conf" in drift[0]["files"]
    assert plan.document["hosts"]["web2"]["action"] == "drifted"
    assert story.trees() == before
    seen = story.status(expect=6)
    assert {name for name, host in seen.items() if host["drifted"]} == {"web2"}
    assert set(seen["web2"]["drift"]) == {"sites-available/shop.example.com", "conf.d/by-hand.conf"}


@pytest.mark.deployed
def test_overwritten_drift_is_kept_and_can_be_gone_back_to(story: Story, edited: LabHost) -> None:
    before = tree(edited)
    done = story.deploy("--overwrite-drift")
    assert done.hosts["web2"]["previous"].startswith("drift-")
    assert not done.hosts["web1"]["previous"].startswith("drift-")
    story.assert_serving("shop 3")
    assert not edited.path("/etc/nginx/conf.d/by-hand.conf").exists()
    story.rollback("--no-quarantine")
    assert get(edited) == (200, "shop by hand\n")
    assert edited.read("/etc/nginx/conf.d/by-hand.conf") == "# who wrote this?\n"
    assert without_identity(tree(edited)) == without_identity(before)
    assert get(story.lab.host("web1")) == (200, "shop 2\n")
    assert story.rollback().outcome == "unchanged"
    assert story.status()["web2"]["drifted"] is False
    # What was edited by hand is a release now, and a deployment leaves it as any other.
    story.deploy()
    story.assert_serving("shop 3")


@pytest.mark.deployed
def test_a_failed_deployment_over_drift_brings_the_edit_back(story: Story, edited: LabHost) -> None:
    story.playbook(rollout={"waves": ["100%"]})
    story.shop("out of order", 503)
    failed = story.deploy("--overwrite-drift", expect=4)
    assert set(failed.outcomes.values()) == {"rolled_back"}
    assert get(edited) == (200, "shop by hand\n")
    assert edited.read("/etc/nginx/conf.d/by-hand.conf") == "# who wrote this?\n"


@pytest.mark.deployed
def test_other_hosts_can_be_deployed_to(story: Story, edited: LabHost) -> None:
    before = tree(edited)
    story.deploy("--limit", "!web2")
    assert tree(edited) == before
    assert get(story.lab.host("web3")) == (200, "shop 3\n")


@pytest.mark.deployed
@pytest.mark.slow
def test_other_kinds_of_edit(story: Story) -> None:
    """Deleted, another mode, another link; and the whole directory is one again."""
    edits = {
        "web1": "rm /etc/nginx/mime.types && chmod 755 /etc/nginx/nginx.conf",
        "web2": "ln -sfn /etc/nginx/sites-available/default /etc/nginx/sites-enabled/shop.example.com",
        "web3": "rm /etc/nginx && cp -a /var/lib/deployer/nginx/live/ /etc/nginx",
    }
    story.shop("shop 2")
    for name, edit in edits.items():
        story.lab.host(name).run(["sh", "-c", edit])
    refused = story.deploy(expect=3)
    assert set(refused.outcomes.values()) == {"refused"}
    seen = story.status(expect=6)
    assert set(seen["web1"]["drift"]) == {"mime.types", "nginx.conf"}
    assert seen["web2"]["drift"] == ["sites-enabled/shop.example.com"]


def without_identity(found: dict[str, object]) -> dict[str, object]:
    """Without the main file (its identity line names another release) and the top directory."""
    return {name: facts for name, facts in found.items() if name not in ("nginx.conf", ".")}
