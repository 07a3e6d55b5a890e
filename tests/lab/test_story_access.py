"""Who may come in, and as whom: host keys, users without root, hosts that lack something."""

from __future__ import annotations

import pytest

from tests.lab.story import Story, get

pytestmark = pytest.mark.lab


def inventory(story: Story, user: str, *, on: str = "") -> str:
    """The lab's inventory with another user, on one host or on all."""
    lines = ["web:", "  hosts:"]
    for host in story.lab.hosts:
        who = user if on in ("", host.name) else "root"
        lines.append(f"    {host.name}: {{ansible_host: {host.address}, ansible_user: {who}}}")
    return "\n".join(lines) + "\n"


@pytest.mark.deployed
def test_a_wrong_host_key_is_refused(story: Story) -> None:
    before = story.trees()
    lines = story.lab.known_hosts.read_text().splitlines()
    names, kind, key = lines[1].split()
    other = lines[2].split()[2]
    assert key != other
    wrong = story.directory / "known_hosts"
    wrong.write_text("\n".join([lines[0], f"{names} {kind} {other}", lines[2]]) + "\n")
    config = story.ssh_config.read_text()
    story.ssh_config.write_text(config.replace(str(story.lab.known_hosts), str(wrong)))
    story.shop("shop 2")
    refused = story.deploy(expect=3)
    assert refused.outcomes["web2"] == "unreachable"
    assert "web2" in refused.reason
    assert "host key" in refused.reason
    assert story.trees() == before
    wrong.write_text("\n".join([lines[0], lines[2]]) + "\n")
    unknown = story.deploy(expect=3)
    assert "web2" in unknown.reason
    assert "is unknown" in unknown.reason
    assert "known_hosts" in unknown.reason
    # However ssh is told to trust: only with a warning that it is not listened to.
    story.ssh_config.write_text(
        story.ssh_config.read_text().replace("StrictHostKeyChecking yes", "StrictHostKeyChecking no")
    )
    ignored = story.deploy(expect=3)
    assert "StrictHostKeyChecking" in ignored.ran.err
    assert story.trees() == before


def test_hosts_that_are_reached_over_ipv6(story: Story) -> None:
    lines = [f"    {host.name}: {{ansible_host: '{host.address6}'}}" for host in story.lab.hosts]
    story.inventory("\n".join(["web:", "  hosts:", *lines, ""]))
    config = story.ssh_config.read_text()
    for host in story.lab.hosts:
        config = config.replace(f"Host {host.name} {host.address}", f"Host {host.address6}")
        config = config.replace(f"HostName {host.address}\n", "")
    story.ssh_config.write_text(config)
    story.shop("shop 2")
    story.deploy()
    story.assert_serving("shop 2")


def test_a_user_with_sudo(story: Story) -> None:
    story.inventory(inventory(story, "ops"))
    before = story.trees()
    story.shop("shop 2")
    story.deploy()
    story.assert_serving("shop 2")
    assert story.deploy().outcome == "unchanged"
    story.rollback()
    story.assert_serving("shop 1")
    assert story.trees() == before


def test_a_user_whose_sudo_wants_a_password(story: Story) -> None:
    story.inventory(inventory(story, "nosudo", on="web2"))
    before = story.trees()
    story.playbook(rollout={"max_failures": 1})
    refused = story.deploy(expect=3)
    assert refused.outcomes["web2"] == "refused"
    assert "web2" in refused.reason
    assert "sudo" in refused.reason
    assert "nosudo" in refused.reason
    assert story.trees() == before
    status = story.status(expect=6)
    assert "sudo" in status["web2"]["troubles"][0]


def test_root_without_sudo_on_the_host(story: Story) -> None:
    for host in story.lab.hosts:
        host.run(["mount", "--bind", "/dev/null", "/usr/bin/sudo"])
    story.shop("shop 2")
    story.deploy()
    story.assert_serving("shop 2")


def test_a_key_that_the_hosts_do_not_know(story: Story) -> None:
    story.lab.host("web2").write("/root/.ssh/authorized_keys", "")
    refused = story.deploy(expect=3)
    assert refused.outcomes["web2"] == "unreachable"
    assert "web2" in refused.reason
    assert "authorized_keys" in refused.reason


@pytest.mark.deployed
def test_a_full_disk(story: Story) -> None:
    before = story.trees()
    story.commit({"snippets/big.conf": "# " + "x" * 200_000 + "\n"})
    host = story.lab.host("web2")
    host.fill()
    refused = story.deploy(expect=3)
    assert refused.outcomes["web2"] == "refused"
    assert "web2" in refused.reason
    assert "free" in refused.reason
    host.empty()
    assert story.trees() == before
    story.assert_serving("shop 1")
    story.deploy()


def test_a_read_only_disk(story: Story) -> None:
    host = story.lab.host("web2")
    host.run(["sh", "-c", "mkdir -p /var/lib/deployer && mount -t tmpfs -o ro none /var/lib/deployer"])
    before = story.trees()
    refused = story.deploy(expect=3)
    assert refused.outcomes["web2"] == "refused", refused
    assert "read-only" in refused.reason.lower()
    assert story.trees() == before
    assert get(host)[0] == 200


def test_a_host_without_nginx_or_unshare(story: Story) -> None:
    for program in ("/usr/sbin/nginx", "/usr/bin/unshare"):
        host = story.lab.host("web2")
        if program.endswith("nginx"):
            host.stop_nginx()
        host.run(["mount", "--bind", "/dev/null", program])
        refused = story.deploy(expect=3)
        assert refused.outcomes["web2"] == "refused"
        assert program.rpartition("/")[2] in refused.hosts["web2"]["reason"]
        host.reset()
