"""Files edited by hand that nginx never took up: they are kept, and in nobody's way."""

from __future__ import annotations

import pytest

from deployer.lab.host import LabHost
from tests.lab.story import Story, Told, get, wait_for

pytestmark = pytest.mark.lab

LIMITS = "conf.d/limits.conf"
ZONE = "limit_req_zone {} zone=shop:1m rate=5000r/s;\n"
EDITED = {
    "web1": ZONE.format("$binary_remote_addr") + "# who wrote this?\n",  # a comment, not even reloaded
    "web2": ZONE.format("$binary_remote_addr") + "oops\n",  # no configuration any more
    "web3": ZONE.format("$uri"),  # passes nginx -t, and a reload is refused without a word
}


@pytest.fixture
def held(story: Story) -> str:
    """What all hosts serve and hold: a release with a zone, which is the last known good one."""
    story.playbook(rollout={"waves": ["100%"]})
    story.commit({LIMITS: ZONE.format("$binary_remote_addr")})
    done = story.deploy()
    return str(done.hosts["web1"]["release"])


def edit(story: Story) -> None:
    """Three people, three hosts."""
    for name, text in EDITED.items():
        story.lab.host(name).write(f"/etc/nginx/{LIMITS}", text)
    host = story.lab.host("web3")
    host.nginx("-s", "reload")
    log = "/var/log/nginx/error.log"
    wait_for(lambda: 'uses the "$uri" key' in host.read(log), "nginx refuses the zone's key")


def refuse(story: Story) -> Told:
    """A deployment over the edits that the rehearsal refuses: by then they have been kept."""
    story.commit({LIMITS: ZONE.format("$host")}, "Another key")
    before = story.trees()
    refused = story.deploy("--overwrite-drift", expect=3)
    assert without_identity(story.trees()) == without_identity(before)
    return refused


def without_identity(trees: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    """Without the main file (its identity line names another release) and the top directory."""
    return {
        host: {name: facts for name, facts in found.items() if name not in ("nginx.conf", ".")}
        for host, found in trees.items()
    }


def kept_file(host: LabHost, release: str) -> str:
    """The edit, in the release that holds it."""
    return host.read(f"/var/lib/deployer/nginx/releases/{release}/{LIMITS}")


@pytest.mark.deployed
def test_a_refusal_tells_what_was_kept_and_a_rollback_helps(story: Story, held: str) -> None:
    edit(story)
    plan = story.deploy(expect=3)
    assert "nginx does not have the edit loaded" in plan.hosts["web3"]["reason"]
    refused = refuse(story)
    kept = refused.ran.document["kept"]
    assert set(kept) == set(EDITED)
    for name, text in EDITED.items():
        host = story.lab.host(name)
        assert kept_file(host, kept[name]) == text
        assert get(host) == (200, "shop 1\n")
    # Whoever the rehearsal refused on had been kept before: it says so, and not that nothing was done.
    reasons = [h["reason"] for h in refused.hosts.values() if "rehearsal refuses" in str(h["reason"])]
    assert reasons
    for reason in reasons:
        assert 'while previously it used the "$binary_remote_addr" key' in reason, "not from memory"
        assert "what was edited by hand is kept as release drift-" in reason
        assert "Nothing was changed" not in reason
    for name, seen in story.status(expect=6).items():
        assert (seen["live"], seen["memory"], seen["good"][-1]) == (kept[name], held, held)
    put_back = story.rollback("--to", held)
    assert set(put_back.outcomes.values()) == {"rolled_back"}
    assert "quarantined" not in put_back.ran.document, "nobody was served the edits: they are not bad"
    assert {seen["live"] for seen in story.status().values()} == {held}
    # Without a name it undoes what a deployment brought, as if nobody had edited; and said twice no more.
    edit(story)
    refuse(story)
    back = story.rollback()
    assert held not in {host["release"] for host in back.hosts.values()}
    assert {host["previous"] for host in back.hosts.values()} == {held}
    story.assert_serving("shop 1")
    assert story.rollback().outcome == "unchanged"
    assert all(held not in seen["good"] for seen in story.status().values())


@pytest.mark.deployed
def test_deployments_over_edits_go_forward_or_back_to_what_was_served(story: Story, held: str) -> None:
    edit(story)
    story.shop("out of order", 503)
    failed = story.deploy("--overwrite-drift", expect=4)
    assert set(failed.outcomes.values()) == {"rolled_back"}
    story.assert_serving("shop 1")
    assert {seen["live"] for seen in story.status().values()} == {held}
    edit(story)
    refuse(story)
    # The last known good release itself.
    done = story.deploy("--rev", held.partition("-")[0])
    assert {host["release"] for host in done.hosts.values()} == {held}
    story.assert_serving("shop 1")
    edit(story)
    kept = refuse(story).ran.document["kept"]
    story.commit({LIMITS: ZONE.format("$binary_remote_addr")}, "The old key")
    story.shop("shop 2")
    done = story.deploy("--fix-forward")
    assert {host["previous"] for host in done.hosts.values()} == {held}
    story.assert_serving("shop 2")
    for name, text in EDITED.items():
        assert kept_file(story.lab.host(name), kept[name]) == text, "the promotion took it away"


@pytest.mark.deployed
def test_a_recovery_tells_what_was_kept_before_the_controller_died(story: Story, held: str) -> None:
    edit(story)
    story.shop("shop 2")
    process = story.start("deploy", "lab", "--yes", "--overwrite-drift")
    story.until_said(process, "web2: prepared")
    process.kill()
    story.end(process)
    recovered = story.run("recover", "lab", "--yes")
    assert recovered.code == 0, recovered
    assert recovered.out.startswith("Recovered: no file that stood there had been changed")
    assert "what was edited by hand is a release of its own on " in recovered.out
    assert "docs/runbooks/edited.md" in recovered.out
    seen = story.status(expect=6)["web2"]
    assert (seen["memory"], seen["live"] in recovered.out) == (held, True)
    # What it proposes helps, and so does the other.
    back = story.rollback("--to", held, "--limit", "web2")
    assert back.outcomes["web2"] == "rolled_back"
    story.deploy("--overwrite-drift")
    story.assert_serving("shop 2")
