"""Testing a candidate at the real path leaves nothing on the host, and still sees what is wrong."""

from __future__ import annotations

import time

import pytest

from deployer.lab.host import LabHost
from tests.lab.agent_sh import STATE, AgentOn, listing, release_of, script, site

pytestmark = pytest.mark.lab

WATCHED = (
    "/var/lib/nginx",
    "/var/log/nginx",
    "/run",
    "/var/cache",
    "/srv",
    "/etc",
    STATE,
    "/tmp",
    "/var/tmp",
)


@pytest.fixture
def agent(host: LabHost) -> AgentOn:
    return AgentOn(host)


def traces(host: LabHost) -> str:
    """All that validation might touch, but for the agent's own log, lock and the note that it was done."""
    seen = "\n".join(
        listing(host, path) for path in WATCHED if host.run(["test", "-e", path], check=False).returncode == 0
    )
    own = ("/log", "heard", "valid", "private/incoming", "private ", "release/")
    return "\n".join(line for line in seen.splitlines() if not any(name in line for name in own))


EVERYWHERE = (
    "error_log /srv/logs/error.log;\n"
    "proxy_cache_path /srv/cache/deep levels=1:2 keys_zone=c:1m;\n"
    "client_body_temp_path /srv/body 1 2;\n"
    "access_log /srv/logs/new.log;\n"
    "server { listen 9181; listen unix:/run/mine/new.sock;\n"
    "access_log /var/log/nginx/site/a.log; error_log /srv/logs/other.log info; }\n"
)


def test_nothing_is_left_behind(host: LabHost, agent: AgentOn) -> None:
    script(
        host,
        "mkdir -p /srv/logs /srv/cache /var/log/nginx/site /run/mine /var/lib/nginx/body",
        "echo old >/srv/logs/error.log; chown www-data /srv/cache",
    )
    baseline = agent.adopted()
    main = host.read("/etc/nginx/nginx.conf").replace("user www-data;", "user games;")
    release = release_of(
        agent.manifest(baseline), {"nginx.conf": main.encode(), "conf.d/x.conf": EVERYWHERE.encode()}
    )
    agent.stage(baseline, release)
    before = traces(host)
    pids = host.nginx_pids()
    agent.ok("validate", release=release.id)
    assert traces(host) == before
    assert host.nginx_pids() == pids
    assert "private/test" not in host.run(["cat", "/proc/1/mounts"]).stdout
    assert host.run(["sh", "-c", "ls -A /run/mount"], check=False).stdout == ""


def test_a_big_log_is_not_copied(host: LabHost, agent: AgentOn) -> None:
    baseline = agent.adopted()
    release = release_of(agent.manifest(baseline), {"conf.d/a.conf": site(9181)})
    agent.stage(baseline, release)
    host.run(["truncate", "-s", "900M", "/var/log/nginx/access.log"])
    agent.ok("validate", release=release.id)


def test_a_directory_that_is_missing_is_said(agent: AgentOn) -> None:
    baseline = agent.adopted()
    release = release_of(agent.manifest(baseline), {"conf.d/a.conf": b"access_log /srv/none/a.log;\n"})
    agent.stage(baseline, release)
    refused = agent.refused(65, "validate", release=release.id)
    assert any("/srv/none/a.log" in line for line in refused.all("detail"))


def test_absolute_includes_read_the_candidate(host: LabHost, agent: AgentOn) -> None:
    baseline = agent.adopted()
    first = release_of(agent.manifest(baseline), {"conf.d/a.conf": site(9181)})
    agent.deployed(baseline, first)
    second = release_of(first.manifest, {"conf.d/a.conf": b"nonsense;\n"}, "bad")
    agent.stage(first.id, second)
    refused = agent.refused(65, "validate", release=second.id)
    assert any("/etc/nginx/conf.d/a.conf:1" in line for line in refused.all("detail"))
    third = release_of(first.manifest, {"conf.d/a.conf": b"include /etc/nginx/../up.conf;\n"}, "3")
    agent.stage(first.id, third)
    agent.refused(65, "validate", release=third.id)


def test_warnings_are_told(agent: AgentOn) -> None:
    baseline = agent.adopted()
    twice = b"server { listen 9181; server_name a; }\nserver { listen 9181; server_name a; }\n"
    release = release_of(agent.manifest(baseline), {"conf.d/a.conf": twice})
    agent.stage(baseline, release)
    details = agent.ok("validate", release=release.id).all("detail")
    assert len(details) == 1
    assert "conflicting server name" in details[0]


def test_a_validator_that_hangs_is_stopped_and_one_that_is_missing_is_said(
    host: LabHost, agent: AgentOn
) -> None:
    host.write(
        "/usr/local/bin/check-it",
        "#!/bin/sh\necho looked at $1; cat $1/conf.d/a.conf; test ! -e $1/conf.d/bad\n",
    )
    host.run(["chmod", "755", "/usr/local/bin/check-it"])
    agent.header |= {"argv": ["check-it", "/etc/nginx"], "reload": ["true"]}
    agent.begin()
    baseline = agent.adopt()
    release = release_of(agent.manifest(baseline), {"conf.d/a.conf": b"mine\n", "conf.d/bad": b""})
    agent.stage(baseline, release)
    assert agent.refused(65, "validate", release=release.id).all("detail") == ("looked at /etc/nginx", "mine")
    good = release_of(agent.manifest(baseline), {"conf.d/a.conf": b"mine\n"})
    agent.stage(baseline, good, "validate")
    switched = agent.activate(good.id, baseline)
    assert switched.one("memory") == ""
    seen = agent.observe()
    assert (seen.one("program"), seen.one("memory"), seen.one("live")) == ("other", "", good.id)
    agent.restore(baseline)
    assert agent.observe().one("live") == baseline
    host.run(["rm", "/usr/local/bin/check-it"])
    assert "check-it" in agent.refused(67, "validate", release=good.id).one("error")


def test_no_unshare(host: LabHost, agent: AgentOn) -> None:
    baseline = agent.adopted()
    release = release_of(agent.manifest(baseline), {"conf.d/a.conf": site(9181)})
    agent.stage(baseline, release)
    said = "unshare: unshare failed: Operation not permitted"
    host.write("/usr/local/bin/unshare", f"#!/bin/sh\necho {said} >&2\nexit 1\n")
    host.run(["chmod", "755", "/usr/local/bin/unshare"])
    assert "not permitted" in agent.refused(67, "validate", release=release.id).one("error")
    host.run(["sh", "-c", "rm /usr/local/bin/unshare; mv /usr/bin/unshare /usr/bin/unshare.gone"])
    assert any("unshare" in problem for problem in agent.observe().all("problem"))
    agent.refused(67, "validate", release=release.id)


NO_NAMESPACES = "#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n"


def test_without_namespaces_a_copy_is_tested_where_the_playbook_says_so(
    host: LabHost, agent: AgentOn
) -> None:
    """The guard's way back is tested as the way there was."""
    baseline = agent.adopted()
    tree = agent.manifest(baseline)
    host.write("/usr/local/bin/unshare", NO_NAMESPACES)
    host.run(["chmod", "755", "/usr/local/bin/unshare"])
    inner = "include /etc/nginx/snippets/*.inc; include /etc/nginx.d/none*.conf;"
    bad = release_of(
        tree, {"conf.d/a.conf": inner.encode(), "snippets/a.inc": b"server { listen 9181; oops; }"}
    )
    agent.stage(baseline, bad)
    assert "not permitted" in agent.refused(67, "validate", release=bad.id).one("error")
    refused = agent.refused(65, "validate", release=bad.id, fallback="rewrite")
    assert 'unknown directive "oops" in /etc/nginx/snippets/a.inc:1' in "\n".join(refused.all("detail"))
    good = release_of(tree, {"conf.d/a.conf": inner.encode(), "snippets/a.inc": site(9181)})
    agent.stage(baseline, good)
    first, *_ = agent.ok("validate", release=good.id, fallback="rewrite").all("detail")
    assert first.startswith("tested in a weaker way (validate_fallback: rewrite): the private namespaces")
    assert host.run(["sh", "-c", f"ls {STATE}/private/incoming"]).stdout == ""
    switched = agent.call("activate", release=good.id, from_=baseline, within="2000", fallback="rewrite")[-1]
    assert switched.one("memory") == good.id
    # Nobody confirms it: the guard tests the way back as the way there was tested.
    deadline = time.monotonic() + 60
    while agent.observe().one("live") != baseline:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_host_without_unshare_is_no_problem_to_who_can_do_without(host: LabHost, agent: AgentOn) -> None:
    host.run(["mv", "/usr/bin/unshare", "/usr/bin/unshare.gone"])
    assert any("unshare" in problem for problem in agent.observe().all("problem"))
    assert not any("unshare" in problem for problem in agent.observe(fallback="rewrite").all("problem"))


def test_nothing_inherits_the_lock(host: LabHost, agent: AgentOn) -> None:
    baseline = agent.adopted()
    host.stop_nginx()
    release = release_of(agent.manifest(baseline), {"conf.d/a.conf": site(9181)})
    agent.stage(baseline, release, "validate")
    agent.activate(release.id, baseline, fix_forward="yes")
    for pid in host.nginx_pids():
        links = [str((fd).readlink()) for fd in (host.path("/").parent.parent / str(pid) / "fd").iterdir()]
        assert not any("instance" in link or "pipe:" in link for link in links), links
