"""What the agent must refuse, and what it must not call served. The silent cases are nginx's own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deployer.lab.host import LabHost
from deployer.model import Kind
from tests.lab.agent_sh import (
    STATE,
    AgentOn,
    Content,
    get,
    listing,
    release_of,
    reload,
    script,
    site,
    wait_for,
)

pytestmark = pytest.mark.lab

ZONE = "limit_req_zone {key} zone=z:1m rate=9r/s;\n"


@pytest.fixture
def agent(host: LabHost) -> AgentOn:
    return AgentOn(host)


@contextmanager
def taken(host: LabHost, port: int) -> Iterator[None]:
    """Another program listens on the port."""
    listen = f"s=socket.socket(); s.bind(('0.0.0.0', {port})); s.listen()"
    program = f"import socket, time; {listen}; print('up', flush=True); time.sleep(60)"
    enter = ["nsenter", f"--target={host.pid}", "--net"]
    process = subprocess.Popen([*enter, "python3", "-c", program], stdout=subprocess.PIPE)
    try:
        assert process.stdout
        assert process.stdout.readline() == b"up\n"
        yield
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    "text",
    [
        b"server { listen 9181; retrn 200; }\n",
        b"server { listen 9181; proxy_pass_ http://x; }\n",
        b"server {\n",
    ],
)
def test_what_does_not_validate_changes_nothing(host: LabHost, agent: AgentOn, text: bytes) -> None:
    baseline = agent.adopted()
    before = listing(host, "/etc/nginx/")
    bad = release_of(agent.manifest(baseline), {"conf.d/bad.conf": text})
    agent.stage(baseline, bad)
    refused = agent.refused(65, "validate", release=bad.id)
    assert any("[emerg]" in line and "/etc/nginx/conf.d/bad.conf" in line for line in refused.all("detail"))
    agent.refused(65, "activate", release=bad.id, from_=baseline)
    assert listing(host, "/etc/nginx/") == before
    assert agent.observe().one("memory") == baseline


SILENT: dict[str, tuple[dict[str, Content], dict[str, Content]]] = {
    "zone key": (
        {"conf.d/z.conf": site(9181, "old", ZONE.format(key="$binary_remote_addr"))},
        {"conf.d/z.conf": site(9181, "new", ZONE.format(key="$uri"))},
    ),
    "cache levels": (
        {"conf.d/z.conf": site(9181, "old", "proxy_cache_path /var/cache/z levels=1 keys_zone=c:1m;\n")},
        {"conf.d/z.conf": site(9181, "new", "proxy_cache_path /var/cache/z levels=1:2 keys_zone=c:1m;\n")},
    ),
    "wildcard to specific": (
        {"conf.d/z.conf": b"server { listen 9181; return 200 old; }\n"},
        {"conf.d/z.conf": b"server { listen 127.0.0.1:9181; return 200 new; }\n"},
    ),
    "ipv6only beside": (
        {"conf.d/z.conf": b"server { listen 9181; return 200 old; }\n"},
        {"conf.d/z.conf": b"server { listen 9181; listen [::]:9181 ipv6only=off; return 200 new; }\n"},
    ),
}


@pytest.mark.parametrize("case", SILENT)
def test_a_reload_that_nginx_refuses_is_not_success(host: LabHost, agent: AgentOn, case: str) -> None:
    old, new = SILENT[case]
    host.run(["mkdir", "-p", "/var/cache/z"])
    baseline = agent.adopted()
    first = release_of(agent.manifest(baseline), old)
    agent.deployed(baseline, first)
    second = release_of(first.manifest, new, "bad")
    agent.stage(first.id, second, "validate")
    refused = agent.refused(68, "activate", release=second.id, from_=first.id)
    assert refused.one("memory") == first.id
    assert any("[emerg]" in line or "still could not bind" in line for line in refused.all("detail"))
    seen = agent.observe()
    assert (seen.one("live"), seen.one("memory")) == (second.id, first.id)
    restored = agent.restore(first.id)
    assert restored.one("memory") == first.id
    seen = agent.observe()
    assert (seen.one("live"), seen.one("memory"), seen.one("drifted")) == (first.id, first.id, "no")
    # And the master is sound: the next good release loads.
    good = release_of(first.manifest, {"conf.d/more.conf": site(9182)}, "900d")
    agent.deployed(first.id, good)
    assert get(host, 9182) == "one"


def test_a_port_in_use_is_not_success(host: LabHost, agent: AgentOn) -> None:
    baseline = agent.adopted()
    release = release_of(agent.manifest(baseline), {"conf.d/z.conf": site(9181)})
    with taken(host, 9181):
        agent.stage(baseline, release, "validate")
        refused = agent.refused(68, "activate", release=release.id, from_=baseline)
        assert any("9181" in line for line in refused.all("detail"))
        assert refused.one("memory") == baseline
        assert agent.restore(baseline).one("memory") == baseline
    agent.activate(release.id, baseline)


def test_a_port_that_is_freed_while_nginx_retries_is_success(host: LabHost, agent: AgentOn) -> None:
    baseline = agent.adopted()
    release = release_of(agent.manifest(baseline), {"conf.d/z.conf": site(9181)})
    agent.stage(baseline, release, "validate")
    with taken(host, 9181):
        process = agent.start("activate", release=release.id, from_=baseline)
        assert process.stdin
        process.stdin.write(agent._input)
        process.stdin.close()
        process.stdin = None
        log = "/var/log/nginx/error.log"
        wait_for(lambda: "9181 failed" in host.run(["tail", "-n", "5", log]).stdout, "the first bind fails")
    stdout, stderr = process.communicate(timeout=30)
    assert not stderr
    assert process.returncode == 0, stdout


def test_a_changed_pid_path_is_refused_before_anything_moves(host: LabHost, agent: AgentOn) -> None:
    baseline = agent.adopted()
    text = host.read("/etc/nginx/nginx.conf").replace("/run/nginx.pid", "/run/other.pid").encode()
    release = release_of(agent.manifest(baseline), {"nginx.conf": text})
    header, tar = agent.stage_header(baseline, release)
    assert "/run/other.pid" in agent.refused(65, "stage", payload=tar, **header).one("error")


def test_drift_is_seen_refused_and_frozen(host: LabHost, agent: AgentOn) -> None:
    baseline = agent.adopted()
    first = release_of(agent.manifest(baseline), {"conf.d/a.conf": site(9181, "first")})
    agent.deployed(baseline, first)
    host.write("/etc/nginx/conf.d/a.conf", site(9181, "by hand").decode().replace("by hand", "hand"))
    host.run(["touch", "/etc/nginx/conf.d/odd\nname"])
    seen = agent.observe()
    assert seen.one("drifted") == "yes"
    assert set(seen.all("drift")) == {"conf.d/a.conf", "conf.d/odd?name"}
    assert seen.one("disk_hash") == agent.manifest().hash
    second = release_of(first.manifest, {"conf.d/a.conf": site(9181, "second")}, "2")
    header, tar = agent.stage_header(baseline, second)
    agent.ok("stage", "validate", payload=tar, **header)
    assert set(agent.refused(66, "activate", release=second.id, from_=first.id).all("detail")) == {
        "conf.d/a.conf",
        "conf.d/odd?name",
    }
    frozen = agent.ok("freeze").one("frozen")
    assert frozen == f"drift-{seen.one('disk_hash')[:12]}"
    assert agent.ok("freeze").one("frozen") == frozen
    seen = agent.observe()
    assert (seen.one("live"), seen.one("drifted"), seen.one("memory")) == (frozen, "no", first.id)
    agent.activate(second.id, frozen)
    assert get(host, 9181) == "second"
    assert agent.restore(frozen).one("memory") == frozen
    assert get(host, 9181) == "hand"


def test_drift_before_the_first_activate_is_frozen_too(host: LabHost, agent: AgentOn) -> None:
    baseline = agent.adopted()
    host.run(["sh", "-c", "echo '# by hand' >>/etc/nginx/nginx.conf"])
    release = release_of(agent.manifest(baseline), {"conf.d/a.conf": site(9181)})
    agent.stage(baseline, release, "validate")
    assert agent.refused(66, "activate", release=release.id, from_=baseline).all("detail") == ("nginx.conf",)
    frozen = agent.ok("freeze").one("frozen")
    agent.activate(release.id, frozen)
    agent.restore(frozen)
    assert host.read("/etc/nginx/nginx.conf").endswith("# by hand\n")


def test_ownership(host: LabHost, agent: AgentOn) -> None:
    baseline = agent.adopted()
    other = AgentOn(host, deployment="d2")
    busy = other.refused(75, "begin")
    assert (busy.one("owner"), busy.one("owner_controller")) == ("d1", "test@here")
    assert int(busy.one("silent")) < 60
    other.begin("d2", preempt="yes")
    assert other.epoch == agent.epoch + 1
    release = release_of(agent.manifest(baseline), {"conf.d/a.conf": site(9181)})
    header, tar = agent.stage_header(baseline, release)
    for verbs in (
        ["stage"],
        ["adopt"],
        ["validate"],
        ["freeze"],
        ["promote"],
        ["prune"],
        ["unadopt"],
        ["restore"],
    ):
        agent.refused(76, *verbs, payload=tar, **{**header, "keep": "1"})
    agent.ok("release")  # not ours any more: nothing to give up
    assert agent.observe().one("owner") == "d2"
    other.ok("release")
    other.refused(76, "adopt")
    agent.begin("d1")
    assert agent.epoch == other.epoch + 1


def test_an_owner_that_was_silent_for_ten_minutes_has_lost(host: LabHost, agent: AgentOn) -> None:
    agent.adopted()
    host.run(
        ["sh", "-c", "f=$(ls /var/lib/deployer/instance/*/heard); read -r h b <$f; echo $((h - 601)) $b >$f"]
    )
    other = AgentOn(host, deployment="d2")
    other.begin("d2")
    agent.refused(76, "adopt")


def test_a_writer_through_a_link_is_refused(host: LabHost, agent: AgentOn) -> None:
    script(host, "ln -s /etc/hostname conf.d/out; ln -s /tmp dir")
    reload(host)
    baseline = agent.adopted()
    base = agent.manifest(baseline)
    before = host.read("/etc/hostname")
    # A controller that forgot to say that the link goes.
    release = release_of(base, {"conf.d/out": b"through"})
    header, tar = agent.stage_header(baseline, release)
    agent.ok("stage", payload=tar, **header)  # said properly, the link is replaced
    assert host.read("/etc/hostname") == before
    at = tar.index(b"remove\0")
    cut = tar[:at] + tar[at:].replace(b"conf.d/out\0", b"conf.d/0ut\0", 1)
    other = release_of(base, {"conf.d/out": b"through"}, "2")
    agent.refused(64, "stage", payload=cut, **{**header, "release": other.id, "commit": other.commit})
    inside = release_of(base, {"dir/file": b"through"}, "3")
    header, tar = agent.stage_header(baseline, inside)
    assert agent.call("stage", payload=tar, **header)[-1].code in {67, 69, 70}
    assert host.run(["test", "-e", "/tmp/file"], check=False).returncode == 1


def test_a_relative_link_that_climbs_out_is_refused(agent: AgentOn) -> None:
    baseline = agent.adopted()
    base = agent.manifest(baseline)
    fine = release_of(
        base, {"a/b/fine": (Kind.LINK, "../../mime.types"), "also": (Kind.LINK, "a/../mime.types")}
    )
    agent.stage(baseline, fine)
    bad = release_of(base, {"a/b/bad": (Kind.LINK, "../../../passwd")}, "bad")
    header, tar = agent.stage_header(baseline, bad)
    assert agent.refused(67, "stage", payload=tar, **header).all("detail") == ("a/b/bad",)


def test_a_release_that_was_touched_in_the_store_is_not_activated(host: LabHost, agent: AgentOn) -> None:
    baseline = agent.adopted()
    release = release_of(agent.manifest(baseline), {"conf.d/a.conf": site(9181)})
    agent.stage(baseline, release, "validate")
    host.run(["sh", "-c", f"echo >>{STATE}/releases/{release.id}/mime.types"])
    refused = agent.refused(69, "activate", release=release.id, from_=baseline)
    assert refused.all("detail") == ("mime.types",)
    assert agent.stage(baseline, release).one("changed") == "yes"
    agent.activate(release.id, baseline)


def test_a_dead_nginx(host: LabHost, agent: AgentOn) -> None:
    baseline = agent.adopted()
    host.stop_nginx()
    seen = agent.observe()
    assert (seen.one("running"), seen.one("memory")) == ("no", "")
    release = release_of(agent.manifest(baseline), {"conf.d/a.conf": site(9181)})
    agent.stage(baseline, release, "validate")
    agent.refused(67, "activate", release=release.id, from_=baseline)
    assert agent.activate(release.id, baseline, fix_forward="yes").one("memory") == release.id
    assert get(host, 9181) == "one"
    host.stop_nginx()
    agent.refused(68, "restore", release=baseline)
    assert agent.restore(baseline, start="yes").one("memory") == baseline
    host.stop_nginx()
    assert agent.restore(baseline, start="yes").one("memory") == baseline
    assert agent.observe().one("running") == "yes"


def test_a_return_release_that_no_longer_validates_moves_nothing(host: LabHost, agent: AgentOn) -> None:
    baseline = agent.adopted()
    base = agent.manifest(baseline)
    host.run(["sh", "-c", "echo >/etc/included.conf"])
    first = release_of(base, {"conf.d/a.conf": b"include /etc/included.conf;\n"})
    agent.deployed(baseline, first)
    second = release_of(base, {"conf.d/a.conf": site(9181)}, "2")
    agent.deployed(baseline, second)
    host.run(["rm", "/etc/included.conf"])
    agent.refused(65, "restore", release=first.id)
    seen = agent.observe()
    assert (seen.one("live"), seen.one("memory")) == (second.id, second.id)


def test_an_unfinished_upgrade_and_orphans_are_refused(host: LabHost, agent: AgentOn) -> None:
    baseline = agent.adopted()
    release = release_of(agent.manifest(baseline), {"conf.d/a.conf": site(9181)})
    agent.stage(baseline, release, "validate")
    host.run(["touch", "/run/nginx.pid.oldbin"])
    assert agent.observe().one("oldbin") == "yes"
    agent.refused(67, "activate", release=release.id, from_=baseline)
    host.run(["rm", "/run/nginx.pid.oldbin"])
    host.run(["sh", "-c", "kill -KILL $(cat /run/nginx.pid)"])
    # The kernel takes a moment to give the workers a new parent.
    wait_for(lambda: int(agent.observe().one("orphans")) > 0, "orphans")
    seen = agent.observe()
    assert seen.one("running") == "no"
    assert seen.all("problem")
    assert "orphan" not in seen.one("memory")
    agent.refused(67, "activate", release=release.id, from_=baseline, fix_forward="yes")


def test_a_stale_pid_file_is_no_master(host: LabHost, agent: AgentOn) -> None:
    agent.adopted()
    host.stop_nginx()
    host.run(["sh", "-c", "echo 1 >/run/nginx.pid"])
    assert agent.observe().one("running") == "no"


def test_targets_that_overlap_or_share_a_state_are_refused(host: LabHost, agent: AgentOn) -> None:
    agent.adopted()
    agent.ok("release")
    for target, state in (
        ("/etc/nginx", "/var/lib/deployer/other"),
        ("/etc/nginx/conf.d", "/var/lib/deployer/other"),
        ("/etc", "/var/lib/deployer/other"),
        ("/srv/sites", STATE),
        ("/var/lib/deployer", "/var/lib/deployer/other"),
    ):
        other = AgentOn(host)
        other.header |= {"target": target, "state": state}
        refused = other.refused(67, "begin", deployment="d9")
        if target != "/var/lib/deployer":
            assert refused.one("error") in other.observe().all("problem"), "who only looks is told, too"


def test_adopting_what_does_not_validate_or_is_newer_than_the_workers(host: LabHost, agent: AgentOn) -> None:
    agent.begin()
    host.run(["sh", "-c", "echo 'server { listen 9181; return 200 x; }' >/etc/nginx/conf.d/later.conf"])
    assert "conf.d/later.conf" in agent.refused(68, "adopt").all("detail")
    reload(host)
    script(host, "echo bad >conf.d/later.conf; touch -d 2020-01-01 conf.d/later.conf")
    assert agent.refused(68, "adopt").all("detail")
    host.run(["sh", "-c", "rm /etc/nginx/conf.d/later.conf; echo bad >>/etc/nginx/nginx.conf"])
    host.stop_nginx()
    assert agent.refused(65, "adopt").all("detail")
    assert host.run(["ls", f"{STATE}/releases"]).stdout == ""
    assert agent.adopt(accept_unproven="yes").startswith("baseline-")


def test_special_files_mounts_and_foreign_links(host: LabHost, agent: AgentOn) -> None:
    agent.begin()
    host.run(["mkfifo", "/etc/nginx/pipe"])
    assert agent.refused(67, "adopt", accept_unproven="yes").all("detail") == ("pipe",)
    host.run(["rm", "/etc/nginx/pipe"])
    host.run(["mount", "--bind", "/etc/nginx", "/etc/nginx"])
    assert agent.observe().one("target_kind") == "mount"
    agent.refused(67, "adopt")
    host.run(["umount", "/etc/nginx"])
    host.run(["sh", "-c", "mv /etc/nginx /etc/real && ln -s real /etc/nginx"])
    assert agent.observe().one("target_kind") == "foreign"
    agent.refused(67, "adopt")
    host.run(["rm", "/etc/nginx"])
    assert agent.observe().one("target_kind") == "absent"
    agent.refused(67, "adopt")
