"""Archives and lists that want to reach what is not theirs: whoever holds a key may send anything."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from deployer.lab.fleet import Lab
from deployer.lab.host import LabHost
from tests.lab.agent_sh import STATE, AgentOn, release_of, script

pytestmark = pytest.mark.lab

OUTSIDE = ("/etc/", "/root/", "/tmp/", "/var/lib/")
PRIVATE = "nobody may read or write this\n"

Forge = Callable[[tarfile.TarFile], None]


@pytest.fixture
def agent(host: LabHost) -> AgentOn:
    return AgentOn(host)


@dataclass(frozen=True)
class Target:
    """A host to be attacked, and the release that an honest controller would bring."""

    agent: AgentOn
    baseline: str
    header: dict[str, Any]
    tar: bytes


@pytest.fixture(scope="module")
def target(lab: Lab) -> Target:
    """One host for all attacks: each has to leave it as it was, or the next one finds it."""
    host = lab.hosts[1]
    host.reset()
    host.write("/root/secret", PRIVATE)
    agent = AgentOn(host)
    baseline = agent.adopted()
    release = release_of(agent.manifest(baseline), {"conf.d/a.conf": b"# a\n"})
    return Target(agent, baseline, *agent.stage_header(baseline, release))


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", mode: int = 0o644) -> Forge:
    """Adds one member to an archive."""

    def forge(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.mode = kind, target, mode
        data = b"evil\n" if kind == tarfile.REGTYPE else b""
        info.size, info.devmajor, info.devminor = len(data), 1, 3
        tar.addfile(info, io.BytesIO(data))

    return forge


def both(*forges: Forge) -> Forge:
    def forge(tar: tarfile.TarFile) -> None:
        for each in forges:
            each(tar)

    return forge


def listed(name: str, *paths: str) -> Forge:
    """Adds one of the lists."""

    def forge(tar: tarfile.TarFile) -> None:
        data = b"".join(path.encode() + b"\0" for path in paths)
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))

    return forge


def forged(honest: bytes, forge: Forge) -> bytes:
    """An honest payload with something more in it; the later of two members of one name counts."""
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(honest)) as old,
        tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as new,
    ):
        for info in old:
            new.addfile(info, old.extractfile(info))
        forge(new)
    return out.getvalue()


def outside(host: LabHost) -> str:
    """All that is not the agent's own, with modes, owners and contents."""
    own = " -o ".join(f"-path '{path}'" for path in (f"{STATE}/private", f"{STATE}/id", "*/instance/*"))
    facts = "! -type d -printf '%p %y %m %U:%G %l\\n' -type f -exec sha256sum {} +"
    return script(host, f"find {' '.join(OUTSIDE)} \\( {own} \\) -prune -o {facts} | sort")


LINK, HARD = tarfile.SYMTYPE, tarfile.LNKTYPE
ATTACKS = {
    "climbs": member("../../../../../../tmp/evil"),
    "climbs inside new": member("new/../../../../../../../tmp/evil"),
    "absolute": member("/tmp/evil"),
    "absolute link, then through it": both(member("new/l", LINK, "/tmp"), member("new/l/evil")),
    "climbing link, then through it": both(
        member("new/l", LINK, "../../../../../../../tmp"), member("new/l/evil")
    ),
    "hard link out": both(member("new/h", HARD, "/root/secret")),
    "hard link out by climbing": member("new/h", HARD, "../../../../../../../root/secret"),
    "hard link out, then written": both(member("new/h", HARD, "/root/secret"), member("new/h")),
    "tree is a link": both(member("tree", LINK, "/tmp"), member("tree/evil")),
    "new is a link": both(member("new", LINK, "/root")),
    "manifest is a link": member("manifest", LINK, "/root/secret"),
    "manifest is a device": member("manifest", tarfile.CHRTYPE),
    "device": member("new/null", tarfile.CHRTYPE),
    "block device": member("new/disk", tarfile.BLKTYPE),
    "fifo": member("new/fifo", tarfile.FIFOTYPE),
    "removes outside": listed("remove", "../../../../../../../root/secret"),
    "removes absolute": listed("remove", "/root/secret"),
    "bits outside": listed("exec", "../../../../../../../root/secret"),
    "bits of an option": listed("exec", "--reference=/bin/sh", "conf.d/a.conf"),
    "removes an option": listed("remove", "--no-preserve-root", "-rf"),
    "not in the manifest": member("new/conf.d/other.conf"),
    "in other letters": member("new/CONF.D/a.conf"),
    "a directory is a file": member("new/conf.d"),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_archive_reaches_nothing_but_its_release(target: Target, attack: Forge) -> None:
    agent = target.agent
    before = outside(agent.host)
    assert "/root/secret" in before
    answer = agent.call("stage", payload=forged(target.tar, attack), **target.header)[-1]
    assert answer.code in {64, 67, 69, 70}, answer
    assert len(answer.all("error")) == 1
    assert outside(agent.host) == before
    assert agent.observe().all("release") == (target.baseline,)


def test_no_release_brings_a_setuid_program(host: LabHost, agent: AgentOn) -> None:
    baseline = agent.adopted()
    release = release_of(agent.manifest(baseline), {"conf.d/a.conf": b"evil\n"})
    header, tar = agent.stage_header(baseline, release)
    agent.ok("stage", payload=forged(tar, member("new/conf.d/a.conf", mode=0o6777)), **header)
    assert script(host, f"find {STATE}/releases -perm /6022 ! -type l") == ""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("keep", "1e9"),
        ("limit", "0x10"),
        ("release", "../../../etc-000000000000"),
        ("base", "aaaaaaaaaaaa-bbbbbbbbbbbb/../.."),
        ("mode", "0 0644 root:root;id"),
        ("mode", "0 4755 root:root"),
        ("mode", "0 0644 --reference=/bin/sh"),
        ("preserve", "["),
        ("epoch", "9" * 40),
        ("deployment", "a/../b"),
    ],
)
def test_values_are_what_they_should_be(target: Target, key: str, value: str) -> None:
    tar = forged(target.tar, listed("modes/0", "conf.d/a.conf"))
    answer = target.agent.call("stage", payload=tar, **{**target.header, key: value})[-1]
    assert answer.code in {64, 67, 76}, answer
    assert len(answer.all("error")) == 1
    assert target.agent.observe().all("release") == (target.baseline,)


def test_workers_read_what_is_live_and_nothing_of_the_agents_own(host: LabHost, agent: AgentOn) -> None:
    baseline = agent.adopted()
    release = release_of(agent.manifest(baseline), {"conf.d/a.conf": b"# a\n"})
    agent.deployed(baseline, release)

    def as_worker(command: str) -> bool:
        drop = ["setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups"]
        return host.run([*drop, "sh", "-c", command], check=False).returncode == 0

    assert as_worker("cat /etc/nginx/nginx.conf /etc/nginx/conf.d/a.conf")
    assert as_worker(f"cat {STATE}/releases/{release.id}/mime.types")
    for hidden in (
        STATE,
        f"{STATE}/releases",
        f"{STATE}/private",
        "/var/lib/deployer",
        "/var/lib/deployer/instance",
    ):
        assert not as_worker(f"ls {hidden}"), hidden
    for secret in (
        f"{STATE}/private/log",
        f"{STATE}/private/good",
        "/var/lib/deployer/instance/run+nginx.pid/owner",
    ):
        assert host.run(["test", "-s", secret]).returncode == 0
        assert not as_worker(f"cat {secret}"), secret
    for place in (STATE, f"{STATE}/releases", f"{STATE}/id", "/var/lib/deployer", f"{STATE}/live/conf.d"):
        assert not as_worker(f": >{place}/evil"), place


def test_who_may_write_to_tmp_changes_nothing_that_root_runs(host: LabHost, agent: AgentOn) -> None:
    host.write("/root/secret", PRIVATE)
    # Whatever appears in /tmp is replaced by a link, as fast as a shell can.
    host.write(
        "/usr/local/bin/racer",
        "#!/bin/sh\ncd /tmp; while [ ! -e /tmp/enough ]; do for at in deployer.*; do\n"
        'rm -rf "$at" && ln -s /root/secret "$at"; done; done 2>/dev/null\n',
    )
    script(
        host,
        "chmod 755 /usr/local/bin/racer; setpriv --reuid=www-data --clear-groups racer >/dev/null 2>&1 &",
    )
    baseline = agent.adopted()
    release = release_of(agent.manifest(baseline), {"conf.d/a.conf": b"# a\n"})
    agent.deployed(baseline, release)
    for _ in range(5):
        assert agent.manifest(release.id).hash == release.manifest.hash
        asked = agent.ok("fetch", own=False, payload=b"conf.d/a.conf\0", release=release.id)
        assert asked.blob
    assert host.read("/root/secret") == PRIVATE
    assert host.run(["stat", "-c", "%a %U", "/root/secret"]).stdout == "644 root\n"
    script(host, "touch /tmp/enough; find /tmp -name 'deployer.*'")
