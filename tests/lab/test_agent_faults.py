"""The agent killed at every process it starts, disks that are full or read-only, connections that vanish."""

from __future__ import annotations

import signal
import subprocess
import threading
from typing import Any

import pytest

from deployer.lab.host import LabHost
from deployer.model import Release
from tests.lab.agent_sh import STATE, AgentOn, get, listing, release_of, reload, script, site, sweep, wait_for

pytestmark = pytest.mark.lab

TOOLS = "mv ln rm cp sync perl mkdir tar mount sort tail sleep flock sha256sum"

# Stands before the real tool. At the N-th call of any of them it kills the agent, before or after it ran.
TRAP = """#!/bin/sh
tool=$(PATH=/usr/bin:/bin command -v "${0##*/}")
pid=$PPID
while [ "$pid" -gt 1 ]; do
  case $(tr '\\0' ' ' </proc/$pid/cmdline) in *deployer-agent*) victims="$pid $victims" ;; esac
  read -r stat </proc/$pid/stat || break  # an agent that was killed leaves its children behind
  rest=${stat##*) }
  rest=${rest#* }
  pid=${rest%% *}
done
[ -n "$victims" ] || exec "$tool" "$@"
read -r left when </kill-at
left=$((left - 1))
echo "$left $when" >/kill-at
[ "$left$when" = 0before ] || "$tool" "$@" 3>&-
status=$?
[ "$left" = 0 ] || exit $status
kill -KILL $victims
exit 1
"""


@pytest.fixture
def agent(host: LabHost) -> AgentOn:
    return AgentOn(host)


def set_traps(host: LabHost) -> None:
    host.write("/usr/local/bin/.trap", TRAP)
    host.run(["chmod", "755", "/usr/local/bin/.trap"])
    script(host, f"cd /usr/local/bin; for t in {TOOLS}; do ln -s .trap $t; done; echo '0 none' >/kill-at")


def call_and_kill(
    agent: AgentOn, at: int, when: str, *verbs: str, payload: bytes = b"", **header: Any
) -> bool:
    """Run verbs, killed at the N-th tool. Whether it was killed."""
    agent.host.write("/kill-at", f"{at} {when}\n")
    process = agent.start(*verbs, payload=payload, **header)
    stdout, _ = process.communicate(agent._input, timeout=90)
    agent.host.write("/kill-at", "0 none\n")
    if process.returncode in {-signal.SIGKILL, 137}:
        return True
    if process.returncode == 67:
        assert b"cannot be tested" in stdout  # the trap sprang inside the test's own pid namespace
        return True
    assert process.returncode == 0, stdout
    return False


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["perl", "no perl", "layered"])
def test_killed_anywhere_in_the_first_switch(host: LabHost, agent: AgentOn, kind: str, when: str) -> None:
    if kind == "layered":
        host.reset(nginx="layered")
    if kind == "no perl":
        host.run(["mv", "/usr/bin/perl", "/usr/bin/perl.gone"])
    before = listing(host, "/etc/nginx/", times=False)
    set_traps(host)
    for at in sweep(60):
        baseline = agent.adopted()
        release = release_of(agent.manifest(baseline), {"conf.d/new.conf": site(9181)})
        agent.stage(baseline, release, "validate")
        killed = call_and_kill(agent, at, when, "activate", release=release.id, from_=baseline)
        agent.observe()
        agent.begin()  # repairs
        assert host.run(["nginx", "-t"], check=False).returncode == 0
        seen = agent.observe()
        assert seen.one("drifted") == "no", (at, seen.fields)
        assert seen.one("live") in {baseline, release.id}
        if at % 2:
            assert agent.activate(release.id, baseline, leaves=seen.one("live")).one("memory") == release.id
        assert agent.restore(baseline).one("memory") == baseline, at
        assert listing(host, "/etc/nginx/", times=False) == before, at
        agent.ok("unadopt")
        assert listing(host, "/etc/nginx/", times=False) == before, at
        assert host.run(["sh", "-c", "ls -a /etc | grep deployer"], check=False).stdout == "", at
        agent.ok("release")
        reload(host)  # unadopt wrote the main file: a worker's age is known to a hundredth of a second only
        if not killed:
            break
    else:
        raise AssertionError("the call never came to its end")
    assert at > 15


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_anywhere_in_a_deployment(host: LabHost, agent: AgentOn, when: str) -> None:
    baseline = agent.adopted()
    first = release_of(agent.manifest(baseline), {"conf.d/new.conf": site(9181, "first")})
    agent.deployed(baseline, first)
    before = listing(host, "/etc/nginx/")
    set_traps(host)
    second = release_of(first.manifest, {"conf.d/new.conf": site(9181, "second"), "koi-utf": None}, "2")
    steps = ("stage", "activate", "promote", "restore")
    for step in steps:
        for at in sweep(60):
            killed = killed_in(agent, step, (at, when), first, second)
            seen = agent.observe()
            assert seen.one("live") in {first.id, second.id}
            agent.restore(first.id)
            assert listing(host, "/etc/nginx/") == before, (step, at)
            assert host.run(["ls", f"{STATE}/private/incoming"]).stdout == ""
            host.run(["rm", "-rf", f"{STATE}/releases/{second.id}"])
            if not killed:
                break
        else:
            raise AssertionError(f"{step} never came to its end")


def killed_in(agent: AgentOn, step: str, trap: tuple[int, str], first: Release, second: Release) -> bool:
    at, when = trap
    header, tar = agent.stage_header(first.id, second)
    if step == "stage":
        killed = call_and_kill(agent, at, when, "stage", "validate", payload=tar, **header)
        agent.begin()
        return killed
    agent.ok("stage", "validate", payload=tar, **header)
    if step == "activate":
        return call_and_kill(agent, at, when, "activate", release=second.id, from_=first.id)
    agent.activate(second.id, first.id)
    if step == "promote":
        killed = call_and_kill(agent, at, when, "promote", release=second.id)
        agent.ok("promote", release=second.id)
        agent.ok("demote", release=second.id)
        return killed
    return call_and_kill(agent, at, when, "restore", release=first.id)


@pytest.mark.slow
def test_killed_anywhere_in_adopting(host: LabHost, agent: AgentOn) -> None:
    before = listing(host, "/etc/nginx/")
    set_traps(host)
    for at in sweep(80):
        agent.begin()
        killed = call_and_kill(agent, at, "before", "adopt")
        assert listing(host, "/etc/nginx/") == before
        baseline = agent.adopted()
        seen = agent.observe()
        assert (seen.one("baseline"), seen.one("memory"), seen.all("release")) == (
            baseline,
            baseline,
            (baseline,),
        )
        agent.ok("unadopt")
        assert listing(host, "/etc/nginx/") == before
        if not killed:
            break
    else:
        raise AssertionError("adopt never came to its end")


def test_no_gap_in_the_first_switch(host: LabHost, agent: AgentOn) -> None:
    baseline = agent.adopted()
    release = release_of(agent.manifest(baseline), {"conf.d/new.conf": site(9181)})
    agent.stage(baseline, release, "validate")
    watched = host.path("/etc") / "nginx"
    gaps, seen, done = 0, set(), threading.Event()

    def watch() -> None:
        nonlocal gaps
        while not done.is_set():
            try:
                seen.add(watched.is_symlink())
                watched.lstat()
            except FileNotFoundError:
                gaps += 1

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        agent.activate(release.id, baseline)
    finally:
        done.set()
        watcher.join()
    assert seen == {True, False}
    assert gaps == 0


@pytest.mark.parametrize("kind", ["no perl", "layered"])
def test_the_first_switch_without_an_exchange(host: LabHost, agent: AgentOn, kind: str) -> None:
    if kind == "layered":
        host.reset(nginx="layered")
    else:
        host.run(["mv", "/usr/bin/perl", "/usr/bin/perl.gone"])
    before = listing(host, "/etc/nginx/", times=False)
    baseline = agent.adopted()
    release = release_of(agent.manifest(baseline), {"conf.d/new.conf": site(9181)})
    agent.stage(baseline, release, "validate")
    agent.activate(release.id, baseline)
    assert listing(host, "/etc/.nginx.deployer-before/", times=False) == before
    agent.ok("promote", release=release.id)
    assert host.run(["ls", "-A", "/etc/.nginx.deployer-before"], check=False).returncode != 0
    agent.restore(baseline)
    assert listing(host, "/etc/nginx/", times=False) == before
    agent.ok("unadopt")
    assert listing(host, "/etc/nginx/", times=False) == before


def test_a_full_disk(host: LabHost, agent: AgentOn) -> None:
    baseline = agent.adopted()
    first = release_of(agent.manifest(baseline), {"conf.d/new.conf": site(9181)})
    agent.deployed(baseline, first)
    before = listing(host, "/etc/nginx/")
    second = release_of(first.manifest, {"conf.d/new.conf": site(9181, "two"), "big": b"x" * 3_000_000}, "2")
    header, tar = agent.stage_header(first.id, second)
    third = release_of(first.manifest, {"conf.d/new.conf": site(9181, "three")}, "3")
    agent.stage(first.id, third, "validate")
    agent.activate(third.id, first.id)
    host.run(["rm", f"{STATE}/private/release/{first.id}/valid", f"{STATE}/private/loaded"])
    host.fill()
    try:
        assert any("free" in problem for problem in agent.observe().all("problem"))
        answer = agent.refused(67, "stage", payload=tar, **header)
        assert "space" in answer.one("error")
        # Going back needs no space: that is when one goes back.
        assert agent.restore(first.id).one("memory") == first.id
    finally:
        host.empty()
    assert listing(host, "/etc/nginx/") == before
    agent.ok("stage", "validate", payload=tar, **header)


def test_a_read_only_file_system(host: LabHost, agent: AgentOn) -> None:
    script(
        host,
        "mkdir -p /var/lib/deployer; mount --bind /var/lib/deployer /var/lib/deployer",
        "mount -o remount,bind,ro /var/lib/deployer",
    )
    refused = agent.refused(67, "begin", epoch="0")
    assert "read-only" in refused.one("error")
    agent.observe()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM, signal.SIGINT])
def test_a_lost_connection_does_not_stop_a_switch(
    host: LabHost, agent: AgentOn, number: signal.Signals
) -> None:
    baseline = agent.adopted()
    release = release_of(agent.manifest(baseline), {"conf.d/new.conf": site(9181)})
    agent.stage(baseline, release, "validate")
    process = agent.start("activate", release=release.id, from_=baseline)
    assert process.stdin
    assert process.stdout
    process.stdin.write(agent._input)
    process.stdin.close()
    live = host.path(f"{STATE}/live")
    wait_for(lambda: live.readlink().name == release.id, "the switch")
    process.stdout.close()
    is_agent = "case $(tr '\\0' ' ' <$p/cmdline) in *deployer-agent*activate*)"
    host.run(
        ["sh", "-c", f"for p in /proc/[0-9]*; do {is_agent} kill -{number:d} ${{p#/proc/}};; esac; done"],
        check=False,
    )
    process.wait(timeout=30)
    assert process.stderr
    process.stderr.close()
    if number in {signal.SIGHUP, signal.SIGPIPE}:
        seen = agent.observe()
        assert (seen.one("live"), seen.one("memory")) == (release.id, release.id)
        assert "ok" in agent.ok("log", own=False).all("log")[-1]
    assert agent.restore(baseline).one("memory") == baseline


def test_a_call_waits_for_the_one_before(host: LabHost, agent: AgentOn) -> None:
    baseline = agent.adopted()
    holder = agent.start("observe", own=False)
    holder.kill()
    holder.communicate()
    lock = "/var/lib/deployer/instance/run+nginx.pid/lock"
    enter = ["nsenter", f"--target={host.pid}", "--mount", "--pid", "--root"]
    other = subprocess.Popen([*enter, "flock", lock, "sleep", "1"])
    try:
        assert agent.adopt() == baseline
    finally:
        other.wait(timeout=10)


def test_two_playbooks_share_one_nginx(host: LabHost, agent: AgentOn) -> None:
    script(
        host,
        "mkdir -p /srv/sites; echo 'server { listen 9182; return 200 site; }' >/srv/sites/a.conf",
        "sed -i 's|include /etc/nginx/conf.d|include /srv/sites/*.conf; &|' nginx.conf",
    )
    reload(host)
    baseline = agent.adopted()
    first = release_of(agent.manifest(baseline), {"conf.d/new.conf": site(9181)})
    agent.deployed(baseline, first)
    second = AgentOn(host)
    second.header |= {"target": "/srv/sites", "state": "/var/lib/deployer/sites"}
    second.refused(75, "begin", deployment="d2")
    agent.ok("release")
    second.begin("d2")
    assert second.epoch == agent.epoch + 1
    sites = second.adopt()
    seen = second.observe()
    assert seen.one("main") == ""
    assert seen.one("memory") == sites
    release = release_of(second.manifest(sites), {"a.conf": site(9182, "changed")})
    second.stage(sites, release, "validate")
    switched = second.activate(release.id, sites)
    assert switched.one("memory") == release.id
    assert "time" in switched.one("proof")
    second.ok("confirm", "promote", release=release.id)
    assert get(host, 9182) == "changed"
    assert agent.observe().one("memory") == first.id
    reload(host)
    assert second.observe().one("memory") == release.id  # the same bytes have stood there
    script(host, "echo '# drift' >>/srv/sites/a.conf")
    reload(host)
    assert second.observe().one("memory") == ""
    host.run(["sed", "-i", "$d", "/srv/sites/a.conf"])
    assert second.restore(sites).one("memory") == sites
    assert get(host, 9182) == "site"
