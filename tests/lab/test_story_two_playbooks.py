"""Two playbooks on one nginx: they share its lock, and do not stand in one another's way."""

from __future__ import annotations

import pytest

from tests.lab.story import Story, get, tree

pytestmark = pytest.mark.lab

EXTRA = {"directory": "/etc/nginx-extra", "state": "/var/lib/deployer/extra", "preserve": []}


def extra_site(text: str) -> str:
    return f'server {{ listen 8070; location / {{ return 200 "{text}\\n"; }} }}\n'


@pytest.fixture
def both(story: Story) -> Story:
    """The lab's playbook, and a second one for sites of its own in another directory."""
    for host in story.lab.hosts:
        host.run(["mkdir", "/etc/nginx-extra"])
    story.commit(
        {"conf.d/extra.conf": "include /etc/nginx-extra/*.conf;\n", "extra/README": "Not nginx's.\n"}
    )
    story.commit({"extra/site.conf": extra_site("extra 1")})
    check = {"name": "extra", "url": "http://127.0.0.1:8070/", "expect": {"body": "^extra"}}
    story.playbook("extra", target=EXTRA, source={"path": "extra"}, checks=[check])
    return story


def test_each_goes_its_own_way(both: Story) -> None:
    both.deploy("--playbook", "nginx")
    both.deploy("--playbook", "extra")
    for host in both.lab.hosts:
        assert get(host, port=8070) == (200, "extra 1\n")
    main = both.trees()
    both.commit({"extra/site.conf": extra_site("extra 2")})
    # For the other playbook this commit changes a file of its own tree, too: only what "path" holds counts.
    both.deploy("--playbook", "extra")
    for host in both.lab.hosts:
        assert get(host, port=8070) == (200, "extra 2\n")
        assert get(host) == (200, "shop 1\n")
    assert both.trees() == main
    both.rollback("--playbook", "extra")
    for host in both.lab.hosts:
        assert get(host, port=8070) == (200, "extra 1\n")
    assert both.trees() == main
    assert both.deploy("--playbook", "extra", "--rev", "main~1").outcome == "unchanged"
    broken = both.commit({"extra/site.conf": "nonsense;\n"})
    before = {host.name: tree(host, "/etc/nginx-extra") for host in both.lab.hosts}
    refused = both.deploy("--playbook", "extra", "--rev", broken, expect=3)
    assert "nonsense" in refused.reason
    assert {host.name: tree(host, "/etc/nginx-extra") for host in both.lab.hosts} == before


def test_both_at_once_one_is_told_to_wait(both: Story) -> None:
    both.deploy("--playbook", "nginx")
    both.deploy("--playbook", "extra")
    both.commit({"extra/site.conf": extra_site("extra 2")})
    both.playbook("nginx", health={"bake": "60s"})
    slow = both.start("deploy", "lab", "--yes", "--playbook", "nginx")
    both.until_said(slow, "web1: activated")
    busy = both.deploy("--playbook", "extra", expect=3)
    assert set(busy.outcomes.values()) <= {"refused", "untouched"}
    assert "owns th" in busy.reason  # this host, or these
    slow.terminate()
    assert both.end(slow).code == 130
    both.deploy("--playbook", "extra")
    for host in both.lab.hosts:
        assert get(host, port=8070) == (200, "extra 2\n")


@pytest.mark.parametrize("first", ["adopt", "deploy"])
def test_overlapping_targets_are_refused(both: Story, first: str) -> None:
    both.adopt("--playbook", "nginx") if first == "adopt" else both.deploy("--playbook", "nginx")
    before = both.trees()
    both.playbook(
        "extra", target={**EXTRA, "directory": "/etc/nginx/conf.d"}, source={"path": "extra"}, checks=[]
    )
    refused = both.deploy("--playbook", "extra", "--accept-deletions", expect=3)
    assert set(refused.outcomes.values()) <= {"refused", "untouched"}
    assert "/etc/nginx" in refused.reason
    assert both.trees() == before


def test_one_state_directory_for_two_targets_is_refused(both: Story) -> None:
    both.deploy("--playbook", "nginx")
    before = both.trees()
    both.playbook("extra", target={**EXTRA, "state": "/var/lib/deployer/nginx"}, source={"path": "extra"})
    assert both.run("deploy", "lab", "--yes", "--playbook", "extra").code == 3
    for options in (["--fix-forward"], ["--fix-forward", "--accept-deletions", "--overwrite-drift"]):
        refused = both.deploy("--playbook", "extra", *options, expect=3)
        assert "/var/lib/deployer/nginx" in refused.reason
    both.rollback("--playbook", "extra", "--to", "baseline", expect=5)
    assert both.trees() == before
    for host in both.lab.hosts:
        assert not host.path("/etc/nginx-extra").is_symlink()
        assert get(host) == (200, "shop 1\n")
