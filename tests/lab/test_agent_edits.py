"""What nginx holds of files that were edited by hand, as the agent finds it out."""

from __future__ import annotations

import pytest

from deployer.lab.host import LabHost
from tests.lab.agent_sh import STATE, AgentOn, get, release_of, reload, script, site, wait_for

pytestmark = pytest.mark.lab

MORE = "/etc/nginx/conf.d/more.conf"
OTHER = "/etc/nginx/conf.d/other.conf"


@pytest.fixture
def agent(host: LabHost) -> AgentOn:
    """It brought a release that is good; a second deployment has begun."""
    agent = AgentOn(host)
    base = agent.adopted()
    agent.deployed(base, release_of(agent.manifest(base), {"conf.d/more.conf": site(9181)}))
    agent.ok("release")
    agent.begin("d2")
    return agent


def test_an_edit_that_was_loaded_is_what_to_go_back_to(host: LabHost, agent: AgentOn) -> None:
    live = agent.observe().one("live")
    host.write(MORE, site(9181, "edited").decode())
    reload(host)
    assert agent.observe().one("drift_loaded") == "yes"
    frozen = agent.ok("freeze")
    drift = frozen.one("frozen")
    assert frozen.one("back") == drift
    seen = agent.observe()
    # It bears the name of the release that it was written into, and is not taken for it.
    assert (seen.one("live"), seen.one("memory")) == (drift, drift)
    assert drift in seen.all("good")[-1]
    # That one has its own bytes again; nothing but a reload proves that they are served.
    assert agent.restore(live).one("changed") == "yes"
    wait_for(lambda: get(host, 9181) == "one", "the release is served again")
    assert agent.observe().one("memory") == live


def test_an_edit_after_another_one_was_loaded_leaves_memory_unproved(host: LabHost, agent: AgentOn) -> None:
    live = agent.observe().one("live")
    host.write(OTHER, "# one\n")
    reload(host)
    host.write(MORE, "no configuration")
    assert agent.observe().one("drift_loaded") == "partly"
    agent.refused(65, "freeze")
    script(host, "rm /etc/nginx/conf.d/other.conf")
    # What was loaded is gone from the disk, so that it looks as if nothing had been: not proved all the same.
    assert agent.observe().one("drift_loaded") == "no"
    frozen = agent.ok("freeze")
    assert frozen.one("back") == live
    seen = agent.observe()
    assert seen.one("memory") == ""
    assert "edited while nginx ran" in seen.one("memory_note")
    assert seen.all("good")[-1].startswith(live)
    # The rehearsal begins with the best that is known, and says so.
    new = release_of(agent.manifest(live), {"conf.d/more.conf": site(9182)}, commit="beef")
    agent.stage(live, new, "validate")
    rehearsed = agent.ok("rehearse", release=new.id)
    assert rehearsed.one("transition") == "yes"
    assert f"so the way from {live} was rehearsed" in rehearsed.one("note")
    assert agent.restore(live).one("memory") == live


def test_where_the_bytes_are_not_kept_the_edit_is_no_obstacle(host: LabHost, agent: AgentOn) -> None:
    """The release was brought by an agent that kept its bytes once."""
    live = agent.observe().one("live")
    zone = "limit_req_zone {} zone=mine:1m rate=5r/s;\n"
    first = release_of(agent.manifest(live), {"conf.d/zone.conf": zone.format("$uri").encode()}, "beef")
    agent.deployed(live, first)
    agent.ok("release")
    agent.begin("d3")
    script(host, f"rm -rf {STATE}/private/release/{first.id}/tree")
    host.write("/etc/nginx/conf.d/zone.conf", zone.format("$host"))
    frozen = agent.ok("freeze")
    drift = frozen.one("frozen")
    assert frozen.one("back") == drift
    seen = agent.observe()
    assert (seen.one("memory"), seen.one("live")) == (first.id, drift)
    assert first.id not in " ".join(seen.all("release"))
    assert seen.all("good")[-1].startswith(live)
    cure = release_of(agent.manifest(drift), {"conf.d/zone.conf": zone.format("$uri").encode()}, "cafe")
    agent.stage(drift, cure, "validate")
    rehearsed = agent.ok("rehearse", release=cure.id)
    assert rehearsed.one("transition") == "start"
    notes = " ".join(rehearsed.all("note"))
    assert f"nginx holds {first.id} in memory, which is not in" in notes
    assert "files that were edited by hand" in notes
    assert agent.activate(cure.id, live, leaves=drift).one("memory") == cure.id


def test_an_agent_killed_while_it_keeps_an_edit_leaves_a_release_to_go_back_to(
    host: LabHost, agent: AgentOn
) -> None:
    live = agent.observe().one("live")
    host.write(MORE, "no configuration")
    drift = agent.ok("freeze").one("frozen")
    # As if it had been killed before the release was made whole again.
    host.write(f"{STATE}/releases/{live}/conf.d/more.conf", "no configuration")
    host.write(f"{STATE}/private/mending", f"{live}\n")
    again = agent.ok("freeze")
    assert (again.one("frozen"), again.one("back")) == (drift, live)
    assert agent.restore(live).one("memory") == live
    assert host.read(MORE) == site(9181).decode()


def test_nothing_is_promoted_that_nginx_does_not_hold(host: LabHost, agent: AgentOn) -> None:
    live = agent.observe().one("live")
    new = release_of(agent.manifest(live), {"conf.d/more.conf": site(9182)}, commit="beef")
    agent.stage(live, new, "validate")
    agent.activate(new.id, live)
    before = agent.observe().all("good")
    # Somebody else's way back between the confirmation and the promotion, half undone again.
    script(host, f"ln -sfn releases/{live} {STATE}/live")
    reload(host)
    script(host, f"ln -sfn releases/{new.id} {STATE}/live")
    error = agent.refused(68, "promote", release=new.id).one("error")
    assert f"not proved to be in memory, so it cannot be promoted: it holds {live}" in error
    assert agent.observe().all("good") == before
