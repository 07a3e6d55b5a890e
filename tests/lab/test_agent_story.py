"""The agent's verbs in the order of a deployment, on real nginx, under each shell."""

from __future__ import annotations

import ipaddress

import pytest

from deployer.lab.host import LabHost
from deployer.model import Kind
from tests.lab.agent_sh import (
    SHELLS,
    STATE,
    AgentOn,
    get,
    listing,
    release_of,
    reload,
    script,
    site,
    wait_for,
)

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_release_travels_and_comes_back(host: LabHost, shell: tuple[str, ...]) -> None:
    agent = AgentOn(host, shell=shell)
    before = listing(host, "/etc/nginx/")
    first = agent.observe()
    assert first.one("running") == "yes"
    assert first.one("adopted") == "no"
    assert first.one("target_kind") == "directory"
    assert first.one("validator").startswith("nginx/")
    assert not first.all("problem")
    assert host.run(["ls", "/var/lib/deployer"], check=False).returncode != 0, "observe left something"

    baseline = agent.adopted()
    assert baseline == f"baseline-{first.one('disk_hash')[:12]}"
    assert agent.observe().one("memory") == baseline
    assert listing(host, "/etc/nginx/") == before

    release = release_of(agent.manifest(baseline), {"conf.d/new.conf": site(9181)})
    agent.stage(baseline, release, "validate")
    assert listing(host, "/etc/nginx/") == before
    switched = agent.activate(release.id, baseline)
    assert switched.one("memory") == release.id
    assert switched.one("changed") == "yes"
    assert get(host, 9181) == "one"
    seen = agent.observe()
    assert (seen.one("live"), seen.one("memory"), seen.one("drifted")) == (release.id, release.id, "no")
    assert seen.one("disk_hash") == release.manifest.hash
    assert (seen.one("last_target"), seen.one("last_from")) == (release.id, baseline)
    assert seen.one("promoted") == "no"
    assert any(value.endswith(":9181") for value in seen.all("listen"))

    assert agent.activate(release.id, baseline).one("changed") == "no"
    agent.ok("confirm", "promote", release=release.id, check=["11", "22"])
    seen = agent.observe()
    assert seen.one("promoted") == "yes"
    assert seen.all("check") == ("11", "22")
    assert [line.split()[0] for line in seen.all("good")] == [baseline, release.id]

    assert agent.restore(baseline).one("memory") == baseline
    assert get(host, 9181) == ""
    assert listing(host, "/etc/nginx/") == before
    again = agent.restore(baseline)
    assert again.one("changed") == "no"
    assert agent.observe().one("memory") == baseline
    agent.ok("demote", release=release.id)
    agent.ok("release")
    seen = agent.observe()
    assert seen.one("owner") == ""
    assert [line.split()[0] for line in seen.all("good")] == [baseline]
    verbs = [line.split()[2] for line in agent.ok("log", own=False).all("log")]
    assert verbs[:4] == ["begin", "adopt", "stage", "validate"]


def test_every_verb_can_be_said_twice(host: LabHost) -> None:
    agent = AgentOn(host)
    agent.begin()
    epoch = agent.epoch
    agent.begin()
    assert agent.epoch == epoch
    baseline = agent.adopt()
    assert agent.adopt() == baseline
    release = release_of(agent.manifest(baseline), {"conf.d/new.conf": site(9181)})
    assert agent.stage(baseline, release).one("changed") == "yes"
    assert agent.stage(baseline, release).one("changed") == "no"
    for verb in ("validate", "validate"):
        agent.ok(verb, release=release.id)
    agent.activate(release.id, baseline)
    for verb in ("confirm", "confirm", "promote", "promote"):
        agent.ok(verb, release=release.id)
    assert len(agent.observe().all("good")) == 2
    for _ in range(2):
        agent.ok("prune", keep="1", hold=[])
        agent.ok("demote", release=baseline)
    for _ in range(2):
        agent.ok("release")


def test_bytes_owner_mode_xattrs_links_and_empty_directories_survive(host: LabHost) -> None:
    script(
        host,
        "mkdir -p ssl empty/deep; printf key >ssl/a.key; chown root:www-data ssl/a.key; chmod 640 ssl/a.key",
        "setfattr -n user.note -v hello ssl/a.key; setfattr -n user.note -v main nginx.conf",
        "chmod 2755 ssl; touch -d 2001-02-03 koi-utf ssl; chown www-data koi-win",
        "ln -s nowhere dangling; ln -s /etc/hostname absolute; ln -s ../mime.types ssl/relative",
    )
    reload(host)
    agent = AgentOn(host)
    before = listing(host, "/etc/nginx/")
    baseline = agent.adopted()
    release = release_of(
        agent.manifest(baseline),
        {
            "ssl/a.key": b"changed",
            "koi-win": None,
            "nginx.conf": host.read("/etc/nginx/nginx.conf").encode() + b"# changed\n",
            "bin/tool": (Kind.EXEC, b"#!/bin/sh\n"),
            "dangling": (Kind.LINK, "elsewhere"),
        },
    )
    agent.stage(baseline, release, modes={"bin/*": "0700 www-data:root"})
    agent.activate(release.id, baseline)
    after = host.run(
        ["stat", "-c", "%a %U:%G", "/etc/nginx/ssl/a.key", "/etc/nginx/bin/tool", "/etc/nginx/bin"]
    ).stdout
    assert after.splitlines() == ["640 root:www-data", "700 www-data:root", "755 root:root"]
    notes = host.run(
        ["getfattr", "-n", "user.note", "--only-values", "/etc/nginx/ssl/a.key", "/etc/nginx/nginx.conf"]
    )
    assert notes.stdout == "hellomain"
    assert host.run(["test", "-d", "/etc/nginx/empty/deep"]).returncode == 0
    assert agent.restore(baseline).one("memory") == baseline
    assert listing(host, "/etc/nginx/") == before
    assert host.run(["find", f"{STATE}/releases", "-type", "f", "-links", "+1"]).stdout == ""


def test_unadopt_leaves_a_plain_directory_and_nothing_else(host: LabHost) -> None:
    agent = AgentOn(host)
    baseline = agent.adopted()
    release = release_of(agent.manifest(baseline), {"conf.d/new.conf": site(9181)})
    agent.deployed(baseline, release)
    agent.ok("unadopt")
    seen = agent.observe()
    assert (seen.one("target_kind"), seen.one("adopted")) == ("directory", "no")
    assert seen.one("disk_hash") == release.manifest.hash
    assert "deployer" not in host.read("/etc/nginx/nginx.conf")
    assert host.run(["test", "-e", STATE], check=False).returncode == 1
    assert host.run(["sh", "-c", "ls -a /etc | grep deployer"], check=False).stdout == ""
    assert get(host, 9181) == "one"
    agent.ok("release")
    agent.begin("d2")
    assert agent.adopt() == f"baseline-{release.manifest.hash[:12]}"


def test_what_nginx_listens_on(host: LabHost) -> None:
    agent = AgentOn(host)
    wanted = (
        "0.0.0.0:9181",
        "[::]:9182",
        "127.0.0.1:9183",
        "[::1]:9184",
        "[::]:9185",
        "[fd00:1:2::5:1]:9186",
    )
    host.run(["ip", "-6", "address", "add", "fd00:1:2::5:1/128", "dev", "lo", "nodad"])
    lines = "".join(f"listen {one}; " for one in wanted).replace("9185;", "9185 ipv6only=off;")
    names = "server_name a.example *.b.example\n  ~^c; # server_name no.example;"
    host.write("/etc/nginx/conf.d/l.conf", f"server {{ {lines} {names}\n return 200; }}\n")
    host.nginx("-s", "reload")
    wait_for(lambda: len(agent.observe().all("listen")) > len(wanted), "the reload")
    seen = agent.observe()
    assert {"a.example", "*.b.example"} <= set(seen.all("server_name"))
    assert "no.example" not in seen.all("server_name")
    host.run(["sh", "-c", "mv $(command -v ss) /root/ss"])
    for one in (seen, agent.observe()):
        said = {
            (ipaddress.ip_address(v.rpartition(":")[0].strip("[]")), v.rpartition(":")[2])
            for v in one.all("listen")
        }
        assert {
            (ipaddress.ip_address(v.rpartition(":")[0].strip("[]")), v.rpartition(":")[2]) for v in wanted
        } <= said
    assert not agent.observe(survey="no").all("listen")


def test_prune_keeps_what_is_needed(host: LabHost) -> None:
    agent = AgentOn(host)
    baseline = agent.adopted()
    manifest = agent.manifest(baseline)
    ids = [
        agent.deployed(baseline, release_of(manifest, {"conf.d/new.conf": site(9181, f"n{n}")}, f"a{n}"))
        for n in range(6)
    ]
    failed = release_of(manifest, {"conf.d/new.conf": site(9181, "failed")}, "bad")
    agent.stage(baseline, failed)
    held = release_of(manifest, {"conf.d/new.conf": site(9181, "held")}, "0e1d")
    agent.stage(baseline, held)
    agent.ok("prune", keep="2", hold=[held.id])
    seen = agent.observe()
    # ids[4] is both the second newest good one and the last `from`.
    assert set(seen.all("release")) == {baseline, ids[4], ids[5], held.id}
    assert [line.split()[0] for line in seen.all("good")] == [baseline, ids[4], ids[5]]
    refused = agent.refused(67, "restore", release=ids[0])
    assert "deploy --rev" in refused.one("error")
