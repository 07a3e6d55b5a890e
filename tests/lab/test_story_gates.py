"""Windows, evidence and signatures: looked at before any host changes, named together, passed by a reason."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from deployer.lab import sample
from tests.lab.story import Story, get

pytestmark = pytest.mark.lab

STAGING, PRODUCTION = "staging", "lab"


def test_staging_first_then_the_rest_and_not_in_a_freeze(story: Story) -> None:
    split_inventories(story)
    window = freeze(-60, 60)
    story.playbook(gates={"after": STAGING, "freeze": [window]})
    two = story.shop("shop 2")
    before = story.trees()
    logs = [host.run(["ls", "-A", "/var/lib"]).stdout for host in story.lab.hosts]

    # Both are named, each with what opens it; for a program one by one; in the plan, too.
    refused = story.deploy(expect=3)
    assert [gate["gate"] for gate in refused.ran.document["gates"]] == ["freeze", "after"]
    assert "2 gates are closed: frozen by 'sale': it ends" in refused.reason
    assert "deployer deploy staging" in refused.reason
    quiet = story.run("deploy", "lab", "--yes", "--quiet")
    assert (quiet.code, quiet.err.count("\n")) == (3, 0), quiet
    assert "frozen by 'sale'" in quiet.out
    plan = story.run("plan", "lab", "--json")
    assert (plan.code, plan.document["exit_code"]) == (3, 3)
    assert [gate["gate"] for gate in plan.document["gates"]] == ["freeze", "after"]
    assert (story.trees(), [host.run(["ls", "-A", "/var/lib"]).stdout for host in story.lab.hosts]) == (
        before,
        logs,
    )

    # Where the evidence comes from none is needed; the freeze holds there as well.
    story.playbook(gates={"after": STAGING, "freeze": []})
    assert story.deploy(expect=3).ran.document["gates"][0]["gate"] == "after"
    staged = story.run("deploy", STAGING, "--yes", "--json", "--prepare-only")
    assert staged.code == 0, staged
    story.deploy(expect=3)  # that was no promotion
    staged = story.run("deploy", STAGING, "--yes", "--json")
    assert staged.code == 0, staged
    # The same tree under another commit is the same source.
    sample.git(story.lab.repo, "commit", "--quiet", "--allow-empty", "-m", "Nothing new")
    assert story.deploy().outcome == "deployed"
    assert get(story.lab.host("web3")) == (200, "shop 2\n")
    # What changes nothing needs no gate: a schedule at night is quiet.
    story.playbook(gates={"after": STAGING, "freeze": [freeze(-60, 60)]})
    assert story.deploy().outcome == "unchanged"

    # What was taken back in staging is evidence no more.
    story.playbook(gates={"after": STAGING})
    story.shop("shop 3")
    assert story.run("deploy", STAGING, "--yes").code == 0
    assert story.run("rollback", STAGING, "--yes").code == 0
    assert "was taken back from staging by" in story.deploy(expect=3).reason
    forced = story.deploy("--break-glass", "staging is not like production")
    assert [gate["broken"] for gate in forced.ran.document["gates"]] == [True]
    assert two


def test_a_commit_that_nobody_signed(story: Story) -> None:
    key, keys = story.directory / "key", story.project / "signers"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=30)
    keys.write_text(f"ann@example.com {key.with_suffix('.pub').read_text()}")
    story.playbook(source={"signed_by": "signers"}, rollout={"waves": ["100%"]})
    story.shop("shop 2")
    before = story.trees()
    refused = story.deploy(expect=3)
    assert refused.ran.document["gates"][0]["gate"] == "signature"
    assert "is not signed: have it signed by a key of source.signed_by" in refused.reason
    assert story.trees() == before
    signing = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={key}")
    sample.git(story.lab.repo, *signing, "commit", "--quiet", "--amend", "-S", "-m", "Signed")
    signed = story.deploy()
    story.assert_serving("shop 2")
    assert "The signature is good: by ann@example.com" in story.run("show", signed.ran.document["id"]).out
    keys.write_text("# nobody\n")
    story.shop("shop 3")
    wrong = story.run("deploy", "lab", "--yes")
    assert (wrong.code, "source.signed_by" in wrong.err) == (2, True), wrong


def split_inventories(story: Story) -> None:
    """web1 is staging, the others are production."""
    whole = yaml.safe_load((story.project / "inventories/lab.yml").read_text())
    hosts = whole_hosts(whole)
    for name, members in ((STAGING, ["web1"]), (PRODUCTION, ["web2", "web3"])):
        story.inventory(yaml.safe_dump({"all": {"hosts": {host: hosts[host] for host in members}}}), name)


def whole_hosts(tree: dict[str, Any]) -> dict[str, Any]:
    """Every host of an inventory with its variables, from whichever group."""
    found: dict[str, Any] = {}
    for group in tree.values():
        for host, own in ((group or {}).get("hosts") or {}).items():
            found[host] = {**found.get(host, {}), **(own or {})}
        found |= whole_hosts((group or {}).get("children") or {})
    return found


def freeze(begins_min: int, ends_min: int) -> dict[str, str]:
    """A window around now."""
    now = datetime.now(UTC)
    start, end = (f"{now + timedelta(minutes=m):%Y-%m-%dT%H:%M}" for m in (begins_min, ends_min))
    return {"name": "sale", "from": start, "to": end, "zone": "UTC"}
