"""Under systemd the agent reloads and starts nginx through its unit."""

from __future__ import annotations

import pytest

from tests.conftest import FreshLab
from tests.lab.agent_sh import AgentOn, get, release_of, site

pytestmark = [pytest.mark.lab, pytest.mark.systemd]


def test_reload_start_and_refusal_under_systemd(fresh_lab: FreshLab) -> None:
    host = fresh_lab(hosts=1, init="systemd").hosts[0]
    agent = AgentOn(host)
    baseline = agent.adopted()
    seen = agent.observe()
    assert (seen.one("systemd"), seen.one("running"), seen.all("problem")) == ("yes", "yes", ())
    first = release_of(agent.manifest(baseline), {"conf.d/a.conf": site(9181)})
    agent.deployed(baseline, first)
    journal = host.run(["journalctl", "-u", "nginx", "-o", "cat", "--no-pager"]).stdout
    assert "Reloaded" in journal
    zone = "limit_req_zone {} zone=z:1m rate=9r/s;\n"
    second = release_of(first.manifest, {"conf.d/z.conf": zone.format("$uri").encode()}, "2")
    agent.stage(first.id, second, "validate")
    agent.activate(second.id, first.id)
    third = release_of(first.manifest, {"conf.d/z.conf": zone.format("$binary_remote_addr").encode()}, "3")
    agent.stage(second.id, third, "validate")
    refused = agent.refused(68, "activate", release=third.id, from_=second.id)
    assert any("zone" in line or "limit_req" in line for line in refused.all("detail"))
    assert agent.restore(second.id).one("memory") == second.id
    host.stop_nginx()
    assert agent.restore(first.id, start="yes").one("memory") == first.id
    assert host.run(["systemctl", "is-active", "nginx"]).stdout.strip() == "active"
    assert get(host, 9181) == "one"
