"""The guard on real hosts, with and without systemd: nginx serves the old release again, also rebooted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deployer.lab.fleet import Lab
from deployer.lab.host import LabHost
from tests.conftest import need_root
from tests.lab.agent_sh import AgentOn, get, release_of, script, site, wait_for

pytestmark = pytest.mark.lab

UNIT = "/etc/systemd/system/deployer-guard.service"
WANTED = "/etc/systemd/system/nginx.service.wants/deployer-guard.service"


def two(agent: AgentOn) -> tuple[str, str]:
    """A host that serves "one", promoted, and a staged release that says "two": their ids."""
    baseline = agent.adopted()
    first = release_of(agent.manifest(baseline), {"conf.d/a.conf": site(9181, "one")})
    agent.deployed(baseline, first)
    second = release_of(first.manifest, {"conf.d/a.conf": site(9181, "two")}, "2")
    agent.stage(first.id, second, "validate")
    return first.id, second.id


def activated(agent: AgentOn, release: str, from_: str, within_s: float) -> None:
    agent.ok("arm", "activate", release=release, from_=from_, within=str(round(within_s * 1000)))
    assert get(agent.host, 9181) == "two"


def carriers(host: LabHost) -> list[str]:
    return host.run(["pgrep", "-f", "agent.sh carry"], check=False).stdout.split()


def assert_back(agent: AgentOn, release: str, how: str) -> None:
    seen = agent.observe()
    assert (seen.one("live"), seen.one("memory"), seen.one("drifted")) == (release, release, "no")
    assert (seen.one("guard"), seen.one("guard_how")) == ("fired", how)
    assert any(f"reverted to {release} ({how})" in line for line in agent.ok("log", own=False).all("log"))
    assert get(agent.host, 9181) == "one"


@pytest.fixture
def agent(host: LabHost) -> AgentOn:
    return AgentOn(host)


def test_nobody_confirms(agent: AgentOn) -> None:
    first, second = two(agent)
    activated(agent, second, first, 1.5)
    wait_for(lambda: agent.observe().one("guard") == "fired", "back")
    assert_back(agent, first, "guard")
    agent.refused(74, "confirm", release=second)


def test_sshd_and_a_dead_nginx_do_not_matter(agent: AgentOn) -> None:
    first, second = two(agent)
    activated(agent, second, first, 2.0)
    agent.host.run(["pkill", "-KILL", "sshd"], check=False)
    agent.host.stop_nginx()
    wait_for(lambda: get(agent.host, 9181) == "one", "back")
    wait_for(lambda: agent.observe().one("guard") == "fired", "recorded")
    assert_back(agent, first, "guard")


def test_the_first_switch_of_all_goes_back_to_the_baseline(agent: AgentOn) -> None:
    baseline = agent.adopted()
    first = release_of(agent.manifest(baseline), {"conf.d/a.conf": site(9181, "two")})
    agent.stage(baseline, first, "validate")
    activated(agent, first.id, baseline, 1.0)
    wait_for(lambda: agent.observe().one("guard") == "fired", "back")
    seen = agent.observe()
    assert (seen.one("live"), seen.one("memory"), seen.one("drifted")) == (baseline, baseline, "no")
    assert get(agent.host, 9181) == ""


def test_rebooted_without_systemd_it_says_so_and_the_next_begin_takes_it_back(agent: AgentOn) -> None:
    first, second = two(agent)
    activated(agent, second, first, 120)
    agent.host.reboot()
    seen = agent.observe()
    assert (seen.one("guard"), seen.one("guard_carried"), seen.one("live")) == ("expired", "no", second)
    assert get(agent.host, 9181) == "two"
    agent.begin()  # the same deployment: its controller is still there
    assert_back(agent, first, "contact")
    agent.refused(74, "confirm", release=second)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabHost]:
    need_root()
    with Lab.up(tmp_path_factory.mktemp("lab"), hosts=1, init="systemd") as made:
        yield made.hosts[0]


class TestSystemd:
    """One host, made anew for each."""

    pytestmark = pytest.mark.systemd

    @pytest.fixture
    def agent(self, machine: LabHost) -> AgentOn:
        machine.reset()
        return AgentOn(machine)

    def test_a_service_carries_it_that_no_reload_of_systemd_restarts(self, agent: AgentOn) -> None:
        first, second = two(agent)
        activated(agent, second, first, 6.0)
        units = agent.host.run(["systemctl", "list-units", "--plain", "--no-legend", "deployer-guard-*"])
        assert "running" in units.stdout
        for _ in range(3):
            agent.host.run(["systemctl", "daemon-reload"])
        assert agent.observe().one("guard") == "armed"
        wait_for(lambda: agent.observe().one("guard") == "fired", "back", within_s=12.0)
        assert_back(agent, first, "guard")
        assert agent.host.run(["systemctl", "is-active", "nginx"]).stdout.strip() == "active"
        wait_for(lambda: not carriers(agent.host), "its process is gone")
        left = agent.host.run(
            ["systemctl", "list-units", "--all", "--plain", "--no-legend", "deployer-guard-*"]
        )
        assert left.stdout == ""

    def test_confirmed_the_service_is_gone_at_once(self, agent: AgentOn) -> None:
        first, second = two(agent)
        activated(agent, second, first, 60)
        agent.ok("confirm", "promote", release=second)
        wait_for(lambda: not carriers(agent.host), "its process is gone")
        failed = agent.host.run(["systemctl", "--failed", "--plain", "--no-legend"]).stdout
        assert "deployer" not in failed

    def test_a_dead_nginx_outlives_the_service_that_started_it(self, agent: AgentOn) -> None:
        first, second = two(agent)
        activated(agent, second, first, 1.5)
        agent.host.stop_nginx()
        wait_for(lambda: agent.observe().one("guard") == "fired", "back")
        wait_for(lambda: not carriers(agent.host), "its process is gone")
        assert_back(agent, first, "guard")

    def test_rebooted_it_is_back_before_nginx_starts(self, agent: AgentOn) -> None:
        first, second = two(agent)
        activated(agent, second, first, 120)
        script(agent.host, "echo 'syntax error' >/etc/nginx/conf.d/a.conf")  # nginx would not start with it
        agent.host.reboot()
        assert_back(agent, first, "boot")
        assert agent.observe().one("running") == "yes"
        show = ["systemctl", "show", "--value", "-p"]
        ran = agent.host.run([*show, "ExecMainExitTimestampMonotonic", "deployer-guard"]).stdout
        nginx = agent.host.run([*show, "ExecMainStartTimestampMonotonic", "nginx"]).stdout
        assert 0 < int(ran) <= int(nginx)
        agent.refused(74, "confirm", release=second)

    def test_rebooted_after_a_confirmation_nothing_happens(self, agent: AgentOn) -> None:
        first, second = two(agent)
        activated(agent, second, first, 120)
        agent.ok("confirm", release=second)
        agent.host.reboot()
        assert (agent.observe().one("live"), get(agent.host, 9181)) == (second, "two")
        result = ["systemctl", "show", "--value", "-p", "ConditionResult", "deployer-guard"]
        assert agent.host.run(result).stdout.strip() == "no"

    def test_rebooted_twice_and_nginx_restarted(self, agent: AgentOn) -> None:
        first, second = two(agent)
        activated(agent, second, first, 120)
        agent.host.run(["systemctl", "restart", "nginx"])
        assert (agent.observe().one("guard"), get(agent.host, 9181)) == ("armed", "two")
        agent.host.reboot()
        agent.host.reboot()
        assert_back(agent, first, "boot")

    def test_the_unit_goes_with_the_last_adoption(self, agent: AgentOn) -> None:
        agent.adopted()
        assert agent.host.path(UNIT).exists()
        assert agent.host.path(WANTED).is_symlink()
        assert agent.observe().one("guard_boot") == "yes"
        verified = agent.host.run(["systemd-analyze", "verify", UNIT], check=False)
        assert verified.stdout + verified.stderr == ""
        agent.ok("unadopt")
        assert not agent.host.path(UNIT).exists()
        assert not agent.host.path(WANTED).is_symlink()
