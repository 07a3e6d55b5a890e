"""The agent through its connection, on real hosts: every verb, both ways to start it, and its refusals."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import pytest

from deployer.errors import AgentError, Busy, ConfigRefused, Drifted, Fate, Fenced, TransportError
from deployer.host import program
from deployer.host.agent import Agent
from deployer.host.dial import STALL_S
from deployer.host.ssh import Connection, SshOptions
from deployer.lab.fleet import Lab
from deployer.lab.host import LabHost
from deployer.model import Entry, Host, Kind, Manifest, Ownership, Release, Target, TargetKind

pytestmark = pytest.mark.lab

WHO = "tester@controller"
PRESERVED = Target(preserve=("modules-enabled/**", "modules-available/**"))


@contextmanager
def agent_of(
    lab: Lab,
    host: LabHost,
    *,
    user: str = "root",
    target: Target = PRESERVED,
    any_version: bool = False,
    stall_s: float = STALL_S,
) -> Iterator[Agent]:
    ssh = SshOptions(config_file=lab.ssh_config, connect_timeout_s=20, stall_s=stall_s)
    connection = Connection(Host(host.name, host.address, user=user), ssh)
    connection.open()
    try:
        yield Agent(connection, target, any_version=any_version)
    finally:
        connection.close()


def release(base: Manifest, changes: Mapping[str, bytes | str | None]) -> Release:
    """The base with some paths changed (bytes: a file, str: a link, None: gone)."""
    entries, blobs = dict(base.by_path), {}
    for path, content in changes.items():
        if content is None:
            del entries[path]
        elif isinstance(content, str):
            entries[path] = Entry(path, Kind.LINK, content)
        else:
            digest = hashlib.sha256(content).hexdigest()
            kind = Kind.EXEC if content.startswith(b"#!") else Kind.FILE
            entries[path], blobs[digest] = Entry(path, kind, digest), content
    made = Manifest.of(entries.values())
    commit = hashlib.sha256(made.encode()).hexdigest()[:40]
    return Release(commit, "5" * 40, made, blobs.__getitem__)


def begun(agent: Agent, deployment: str = "d-1") -> tuple[Ownership, str, Manifest]:
    """Install, begin, adopt: the ownership, and the baseline with its manifest."""
    agent.ensure_installed()
    own = Ownership(deployment, agent.begin(deployment, WHO), WHO)
    baseline = agent.adopt(own)
    return own, baseline, agent.manifest(baseline)


ANSWER = b"server { listen 8090; location / { return 200 'new\\n'; } }\n"


def test_looking_leaves_nothing_behind(lab: Lab, host: LabHost) -> None:
    with agent_of(lab, host) as agent:
        seen = agent.observe()
        assert (seen.host, seen.protocol, seen.installed, seen.adopted) == ("web1", 1, False, False)
        assert seen.agent == program.bundled().id
        assert (seen.running, seen.target_kind) == (True, TargetKind.DIRECTORY)
        assert seen.validator
        assert seen.validator.startswith("nginx/")
        assert seen.facts["user"]
        assert abs(seen.clock - time.time()) < 60
        standing = agent.manifest()
        assert standing.hash == seen.disk_hash
        assert agent.observe(hash_disk=False).disk_hash is None
        contents = agent.fetch(["nginx.conf", "sites-enabled/default", "no such file"])
        assert list(contents) == ["nginx.conf"]
        digest = hashlib.sha256(contents["nginx.conf"]).hexdigest()
        assert digest == standing.by_path["nginx.conf"].content
    assert not host.path("/var/lib/deployer").exists()


@pytest.mark.parametrize("user", ["root", "ops"])
def test_a_deployment_and_its_way_back(lab: Lab, host: LabHost, user: str) -> None:
    with agent_of(lab, host, user=user) as agent:
        own, baseline, base = begun(agent)
        seen = agent.observe()
        assert (seen.installed, seen.adopted, seen.live, seen.owner) == (True, True, baseline, "d-1")
        assert seen.epoch == own.epoch
        new = release(
            base, {"conf.d/new.conf": ANSWER, "l": "conf.d/new.conf", "conf.d/limits.conf.old": b"x"}
        )
        agent.prepare(own, new, base, baseline)
        assert new.id in agent.observe(hash_disk=False).releases
        switched = agent.activate(own, new.id, baseline, within_s=60)
        assert (switched.memory, switched.changed) == (new.id, True)
        assert switched.proof
        agent.confirm(own, new.id)
        agent.promote(own, new.id, ["c1", "c2"])
        seen = agent.observe()
        assert (seen.live, seen.memory, seen.promoted, seen.lkg) == (new.id, new.id, True, new.id)
        assert sorted(seen.checks) == ["c1", "c2"]
        assert (seen.last_deployment, seen.last_target, seen.last_from) == ("d-1", new.id, baseline)
        assert (seen.target_kind, seen.drifted) == (TargetKind.LINK, False)
        assert agent.manifest(new.id).hash == new.manifest.hash == seen.disk_hash
        assert agent.fetch(["conf.d/new.conf"], new.id) == {"conf.d/new.conf": ANSWER}
        assert seen.owner is None, "a promoted host is nobody's"
        agent.promote(own, new.id, ["c1", "c2"])  # its answer may have been lost
        with pytest.raises(Fenced):
            agent.promote(replace(own, deployment="d-0"), new.id)
        own = Ownership("d-2", agent.begin("d-2", WHO), WHO)
        back = agent.restore(own, baseline)
        assert (back.memory, back.changed) == (baseline, True)
        assert agent.restore(own, baseline).changed is False
        assert any(new.id in line for line in agent.log())
        agent.release(own)
        assert agent.observe(hash_disk=False).owner is None


def test_back_and_given_up_in_one_call(lab: Lab, host: LabHost) -> None:
    with agent_of(lab, host) as agent:
        own, baseline, base = begun(agent)
        new = release(base, {"conf.d/new.conf": ANSWER})
        agent.prepare(own, new, base, baseline)
        agent.activate(own, new.id, baseline, within_s=60)
        back = agent.restore(own, baseline, let_go=True)
        assert (back.memory, back.changed, back.released) == (baseline, True, True)
        seen = agent.observe()
        assert (seen.owner, seen.live, seen.epoch) == (None, baseline, own.epoch)
        again = agent.restore(own, baseline, let_go=True)  # its answer may have been lost
        assert (again.memory, again.released) == (baseline, True)
        with pytest.raises(Fenced):
            agent.restore(own, new.id, let_go=True)
        agent.begin("d-2", WHO)
        with pytest.raises(Fenced):
            agent.restore(own, baseline, let_go=True)


def test_a_syntax_error_is_refused_with_the_validators_words(lab: Lab, host: LabHost) -> None:
    with agent_of(lab, host) as agent:
        own, baseline, base = begun(agent)
        with pytest.raises(ConfigRefused) as caught:
            agent.prepare(own, release(base, {"conf.d/bad.conf": b"serverr {}\n"}), base, baseline)
        assert caught.value.host == "web1"
        assert any("serverr" in line for line in caught.value.details)


def test_two_deployments_meet(lab: Lab, host: LabHost) -> None:
    with agent_of(lab, host) as agent:
        own, baseline, _ = begun(agent)
        assert agent.begin("d-1", WHO) == own.epoch
        with pytest.raises(Busy) as caught:
            agent.begin("d-2", WHO)
        assert "owner=d-1" in caught.value.details
        epoch = agent.begin("d-2", WHO, preempt=True)
        assert epoch == own.epoch + 1
        with pytest.raises(Fenced):
            agent.restore(own, baseline)


def test_drift_is_refused_and_can_be_frozen(lab: Lab, host: LabHost) -> None:
    with agent_of(lab, host) as agent:
        own, baseline, base = begun(agent)
        new = release(base, {"conf.d/new.conf": ANSWER})
        agent.prepare(own, new, base, baseline)
        agent.activate(own, new.id, baseline, within_s=60)
        agent.confirm(own, new.id)
        host.write("/etc/nginx/conf.d/new.conf", "# by hand\n")
        seen = agent.observe()
        assert seen.drifted
        assert "conf.d/new.conf" in seen.facts["drift"]
        other = release(base, {"conf.d/other.conf": b"# other\n"})
        agent.prepare(own, other, base, baseline)
        with pytest.raises(Drifted):
            agent.activate(own, other.id, new.id, within_s=60)
        frozen = agent.freeze(own)
        assert frozen.release.startswith("drift-")
        assert frozen.back == new.id  # nginx was never told to load the edit
        assert agent.observe().live == frozen.release


def test_odd_trees_are_put_together_as_meant(lab: Lab, host: LabHost) -> None:
    """The host hashes what it built: random changes, moves, links, names, bits."""
    chance = random.Random(11)  # noqa: S311 - repeatable, not secret
    names = ["a b", "quo'te\"", "ümlaut", "new\nline", "\udcff", "-rf", "$(id)", "x" * 200, "back\\slash"]
    with agent_of(lab, host) as agent:
        own, base_id, base = begun(agent)
        for _ in range(6):
            changes: dict[str, bytes | str | None] = {}
            mine = [p for p in base.by_path if p.startswith("odd/")]
            for path in mine:
                if chance.random() < 0.4:
                    changes[path] = None
            kept = {p for p in mine if p not in changes}
            for name in names:
                directory = chance.choice(["odd", "odd/d", "odd/d/e", "odd/f"])
                path = f"{directory}/{name}"
                if any(path == k or k.startswith(path + "/") or path.startswith(k + "/") for k in kept):
                    continue
                contents: list[bytes | str] = [b"1", b"2", b"#!3", b"", "nowhere", "../nginx.conf"]
                changes[path] = chance.choice(contents if "\n" not in path else contents[:4])
            if base_id.startswith("baseline"):
                changes["nginx.conf.copy"] = agent.fetch(["nginx.conf"])["nginx.conf"]
            new = release(base, changes)
            agent.prepare(own, new, base, base_id)
            assert agent.manifest(new.id) == new.manifest
            base, base_id = new.manifest, new.id


def test_modes_reach_the_host(lab: Lab, host: LabHost) -> None:
    target = replace(PRESERVED, modes={"ssl/*.key": "0640 root:www-data"})
    with agent_of(lab, host, target=target) as agent:
        own, baseline, base = begun(agent)
        new = release(base, {"ssl/a.key": b"k", "ssl/a.pem": b"p"})
        agent.prepare(own, new, base, baseline)
    listed = host.run(["stat", "-c", "%a %U:%G", f"{target.state}/releases/{new.id}/ssl/a.key"])
    assert listed.stdout == "640 root:www-data\n"


class TestHowItStarts:
    def test_another_version_is_not_asked_for_changes(self, lab: Lab, host: LabHost) -> None:
        with agent_of(lab, host) as agent:
            begun(agent)
        text = host.read(program.PATH).replace(program.bundled().id, "0123456789ab")
        host.write(program.PATH, text)
        with agent_of(lab, host) as agent:
            seen = agent.observe(hash_disk=False)
            assert (seen.agent, seen.installed) == (program.bundled().id, False)
            agent.begin("d-1", WHO)
            assert "0123456789ab" in host.read(program.PATH), "only ensure_installed installs"
            agent.ensure_installed()
            assert agent.observe(hash_disk=False).installed
            assert program.bundled().text.decode() == host.read(program.PATH)

    def test_rollback_takes_whatever_is_there(self, lab: Lab, host: LabHost) -> None:
        with agent_of(lab, host) as agent:
            begun(agent)
        host.write(program.PATH, host.read(program.PATH).replace(program.bundled().id, "0123456789ab"))
        with agent_of(lab, host, any_version=True) as agent:
            assert agent.begin("d-1", WHO) > 0
            seen = agent.observe(hash_disk=False)
            assert (seen.agent, seen.installed) == ("0123456789ab", True)

    def test_noise_of_start_up_files_does_not_matter(self, lab: Lab, host: LabHost) -> None:
        for home in ("/root", "/home/ops"):
            host.run(["mkdir", "-p", home])
            host.run(["sh", "-c", f"printf 'echo Hello; printf oops; echo err >&2\\n' >{home}/.bashrc"])
        for user in ("root", "ops"):
            with agent_of(lab, host, user=user) as agent:
                assert agent.observe(hash_disk=False).running

    def test_sudo_that_wants_a_password(self, lab: Lab, host: LabHost) -> None:
        with agent_of(lab, host, user="nosudo") as agent, pytest.raises(AgentError) as caught:
            agent.observe()
        assert caught.value.code == 77
        assert "nosudo" in str(caught.value)
        assert "NOPASSWD" in str(caught.value)

    def test_without_becoming_root_the_agent_says_so(self, lab: Lab, host: LabHost) -> None:
        target = replace(PRESERVED, become=False)
        with agent_of(lab, host, user="ops", target=target) as agent, pytest.raises(AgentError) as caught:
            agent.begin("d-1", WHO)
        assert caught.value.code == 77

    def test_no_sudo_at_all(self, lab: Lab, host: LabHost) -> None:
        host.run(["sh", "-c", 'rm -f "$(command -v sudo)"'])
        with (
            agent_of(lab, host, user="ops") as agent,
            pytest.raises(AgentError, match="no sudo") as caught,
        ):
            agent.observe()
        assert caught.value.code == 77

    def test_a_login_shell_that_runs_nothing(self, lab: Lab, host: LabHost) -> None:
        host.run(["usermod", "-s", "/usr/sbin/nologin", "ops"])
        with agent_of(lab, host, user="ops") as agent, pytest.raises(AgentError, match="login shell"):
            agent.observe()


class TestFaults:
    def test_a_frozen_host_meets_the_verbs_deadline(
        self, lab: Lab, host: LabHost, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("deployer.host.agent.OBSERVE_S", 1.0)
        with agent_of(lab, host) as agent:
            host.pause()
            begun_at = time.monotonic()
            with pytest.raises(TransportError):
                agent.observe()
            assert time.monotonic() - begun_at < 5
            host.resume()
            agent.reopen()
            monkeypatch.undo()
            assert agent.observe(hash_disk=False).running

    def test_a_cut_network_is_noticed_before_a_long_deadline(self, lab: Lab, host: LabHost) -> None:
        with agent_of(lab, host, stall_s=2.0) as agent:
            host.cut()
            begun_at = time.monotonic()
            with pytest.raises(TransportError) as caught:
                agent.connection.call("true", timeout_s=60)
            assert caught.value.fate in {Fate.NEVER_SENT, Fate.UNKNOWN}
            assert time.monotonic() - begun_at < 30
            host.mend()

    def test_a_host_that_is_off_is_unreachable(self, lab: Lab, host: LabHost) -> None:
        host.kill()
        ssh = SshOptions(config_file=lab.ssh_config, connect_timeout_s=1)
        begun_at = time.monotonic()
        with pytest.raises(TransportError) as caught:
            Connection(Host("web1", host.address, user="root"), ssh).open()
        assert caught.value.fate is Fate.NEVER_SENT
        assert time.monotonic() - begun_at < 5


def test_ipv6(lab: Lab, host: LabHost) -> None:
    ssh = SshOptions(config_file=lab.ssh_config, connect_timeout_s=10)
    there = Host("web1", host.address6, user="root", key_file=str(lab.key))
    lab.ssh_config.write_text(
        lab.ssh_config.read_text() + f"\nHost *\n  UserKnownHostsFile {lab.known_hosts}\n"
    )
    connection = Connection(there, ssh)
    connection.open()
    assert b":" in connection.call("echo $SSH_CONNECTION", timeout_s=10).stdout
    connection.close()
