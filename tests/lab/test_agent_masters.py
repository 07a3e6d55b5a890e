"""Which nginx is meant? One that lives in a container, and one of two, are not guessed about: refused."""

from __future__ import annotations

import pytest

from deployer.lab.host import LabHost
from tests.lab.agent_sh import AgentOn, release_of, site
from tests.lab.story import Story

pytestmark = pytest.mark.lab

#: Starts an nginx that shares /run, and so the pid file, with the host, and has files of its own.
CONTAINERS = {
    "mounts": """unshare --mount sh -ec '
        mkdir /tmp/etc
        cp -a /etc/passwd /etc/group /tmp/etc
        cp -aL /etc/nginx /tmp/etc
        mount --bind /tmp/etc /etc
        exec nginx'""",
    "root": """
        mkdir -p /srv/jail
        mount -t tmpfs tmpfs /srv/jail
        cd /srv/jail
        mkdir usr run dev var
        cp -a /bin /lib* /sbin /etc .
        for part in usr run dev var; do mount --bind /$part $part; done
        chroot . /usr/sbin/nginx""",
}


@pytest.fixture
def agent(host: LabHost) -> AgentOn:
    return AgentOn(host)


def contain(host: LabHost, how: str) -> None:
    """Put nginx into a container; its pid file is the host's."""
    host.stop_nginx()
    host.run(["sh", "-ec", CONTAINERS[how]])


@pytest.mark.parametrize("how", CONTAINERS)
def test_an_nginx_with_files_of_its_own_is_refused(host: LabHost, agent: AgentOn, how: str) -> None:
    baseline = agent.adopted()
    release = release_of(agent.manifest(baseline), {"conf.d/a.conf": site(9181)})
    agent.stage(baseline, release, "validate")
    contain(host, how)
    seen = agent.observe()
    assert seen.one("running") == "no"
    assert "container or a chroot" in "".join(seen.all("problem"))
    for verb in ("activate", "restore"):
        refused = agent.refused(67, verb, release=release.id, from_=baseline, fix_forward="yes", start="yes")
        assert "container or a chroot" in refused.one("error")
    assert agent.observe().one("live") == baseline


def test_one_whose_target_is_a_link_already_is_refused_too(host: LabHost, agent: AgentOn) -> None:
    baseline = agent.adopted()
    release = release_of(agent.manifest(baseline), {"conf.d/a.conf": site(9181)})
    agent.deployed(baseline, release)
    host.stop_nginx()
    # Its own copy of the store, at the same path.
    host.run(
        [
            "unshare",
            "--mount",
            "sh",
            "-ec",
            "cp -a /var/lib/deployer /tmp/d; mount --bind /tmp/d /var/lib/deployer; exec nginx",
        ]
    )
    assert "container or a chroot" in "".join(agent.observe().all("problem"))


def test_an_nginx_in_a_container_is_not_adopted(host: LabHost, agent: AgentOn) -> None:
    contain(host, "mounts")
    agent.begin()
    assert "container or a chroot" in agent.refused(67, "adopt", accept_unproven="yes").one("error")
    assert agent.observe().one("adopted") == "no"


def test_two_masters_on_one_configuration_are_refused(host: LabHost, agent: AgentOn) -> None:
    baseline = agent.adopted()
    release = release_of(agent.manifest(baseline), {"conf.d/a.conf": site(9181)})
    agent.stage(baseline, release, "validate")
    first = host.read("/run/nginx.pid").strip()
    host.run(["unshare", "--net", "nginx"])  # the ports are taken, here
    seen = agent.observe()
    assert seen.one("running") == "no"
    assert f"{first}) over the same configuration" in "".join(seen.all("problem"))
    refused = agent.refused(67, "activate", release=release.id, from_=baseline)
    assert "More than one nginx master" in refused.one("error")
    assert agent.observe().one("live") == baseline


def test_an_nginx_of_its_own_configuration_is_no_second_master(host: LabHost, agent: AgentOn) -> None:
    agent.adopted()
    host.write("/etc/other.conf", "pid /run/other.pid;\nerror_log /var/log/nginx/other.log;\nevents {}\n")
    host.run(["nginx", "-c", "/etc/other.conf"])
    seen = agent.observe()
    assert (seen.one("running"), seen.all("problem")) == ("yes", ())


def test_the_program_says_it_and_changes_nobody(story: Story) -> None:
    story.deploy()
    story.shop("shop 2")
    contain(story.lab.host("web2"), "mounts")
    before = story.trees()
    refused = story.deploy("--fix-forward", expect=3)
    assert "container or a chroot" in refused.hosts["web2"]["reason"]
    assert set(refused.outcomes.values()) <= {"refused", "untouched"}
    assert story.trees() == before
