"""A candidate run beside live: what a reload silently refuses is found, and nothing is touched."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from deployer.lab.host import LabHost
from tests.lab.agent_sh import SHELLS, STATE, AgentOn, Content, get, listing, release_of, reload, script, site

pytestmark = pytest.mark.lab

WATCHED = (
    "/etc",
    "/run",
    "/var/log/nginx",
    "/var/lib/nginx",
    "/var/cache",
    "/srv",
    "/tmp",
    "/var/tmp",
    STATE,
)


@pytest.fixture
def host(hosts: list[LabHost]) -> LabHost:
    return hosts[0]


@pytest.fixture
def agent(host: LabHost) -> AgentOn:
    return AgentOn(host)


def traces(host: LabHost) -> str:
    """All that a rehearsal might leave: files and their times, processes, mounts, what listens."""
    own = ("/log", "heard", "valid", "private/incoming", "private ", "release/")
    there = [path for path in WATCHED if host.run(["test", "-e", path], check=False).returncode == 0]
    files = [
        line
        for path in there
        for line in listing(host, path).splitlines()
        if not any(name in line for name in own)
    ]
    # Of /proc what stays as long as its process does.
    seen = "ss -Hltunx | sort; cat /proc/self/mountinfo; ls -l /proc/1/ns/net"
    return "\n".join([*files, host.run(["sh", "-c", seen]).stdout, processes(host), memory(host)])


def processes(host: LabHost) -> str:
    """Every process of the host and below it but those that ask, and sshd's."""
    shown = host.run(["ps", "-eo", "pid,args", "--no-headers"]).stdout.splitlines()
    return "\n".join(line for line in shown if "ps -eo" not in line and "sshd" not in line)


def memory(host: LabHost) -> str:
    return AgentOn(host).observe(hash="no", survey="no").one("memory")


def staged(agent: AgentOn, base: str, changes: dict[str, Content]) -> str:
    """Stage and validate what differs from the base: the test has to pass."""
    release = release_of(agent.manifest(base), changes)
    agent.stage(base, release, "validate")
    return release.id


ZONE = (
    "limit_req_zone {} zone=mine:1m rate=5r/s;\n"
    "server {{ listen 9180; limit_req zone=mine burst=9; return 200 ok; }}\n"
)
CACHE = (
    "proxy_cache_path {} levels={} keys_zone=kept:1m;\n"
    "server {{ listen 9180; location / {{ proxy_cache kept; proxy_pass http://127.0.0.1:8081; }} }}\n"
)


@dataclass(frozen=True)
class Silent:
    """What ``nginx -t`` passes and a reload refuses without a word."""

    before: str
    after: str
    says: str
    first: tuple[str, ...] = ()


SILENT = {
    "zone key": Silent(
        ZONE.format("$binary_remote_addr"), ZONE.format("$uri"), r'limit_req "mine" uses the "\$uri" key'
    ),
    "cache path": Silent(
        CACHE.format("/var/cache/nginx/a", "1:2"),
        CACHE.format("/var/cache/nginx/b", "1:2"),
        r'cache "kept" uses the "/var/cache/nginx/b"',
        ("mkdir -p /var/cache/nginx",),
    ),
    "cache levels": Silent(
        CACHE.format("/var/cache/nginx/a", "1:2"),
        CACHE.format("/var/cache/nginx/a", "1"),
        r'cache "kept" had previously different levels',
        ("mkdir -p /var/cache/nginx",),
    ),
    "wildcard to specific": Silent(
        "server { listen 9180; return 200 ok; }\n",
        "server { listen 127.0.0.1:9180; return 200 ok; }\n",
        r"bind\(\) to 127\.0\.0\.1:9180 failed",
    ),
    "ipv6only=off": Silent(
        "server { listen 9180; return 200 ok; }\n",
        "server { listen 9180; listen [::]:9180 ipv6only=off; return 200 ok; }\n",
        r"bind\(\) to \[::\]:9180 failed",
    ),
    "pid path in an included file": Silent("", "", "changes the pid path"),
}


@pytest.mark.parametrize("case", SILENT)
def test_what_a_reload_would_silently_refuse_is_refused(host: LabHost, agent: AgentOn, case: str) -> None:
    silent = SILENT[case]
    script(host, *silent.first, f"cat >conf.d/mine.conf <<'END'\n{silent.before}\nEND")
    if case.startswith("pid"):
        script(host, "sed -i '/^pid /d' nginx.conf", "echo 'pid /run/nginx.pid;' >modules-enabled/pid.conf")
    reload(host)
    base = agent.adopted()
    changes: dict[str, Content] = {"conf.d/mine.conf": silent.after.encode()}
    if case.startswith("pid"):
        changes = {"modules-enabled/pid.conf": b"pid /run/other.pid;\n"}
    release = staged(agent, base, changes)
    before = traces(host)
    answer = agent.refused(65, "rehearse", release=release)
    assert re.search(silent.says, answer.one("error")), answer.fields
    assert "The rehearsal refuses" in answer.one("error")
    assert traces(host) == before


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_good_change_passes_and_leaves_nothing(host: LabHost, shell: tuple[str, ...]) -> None:
    agent = AgentOn(host, shell)
    script(
        host,
        "mkdir -p /var/cache/nginx",
        f"cat >conf.d/mine.conf <<'END'\n{SILENT['cache path'].before}\nEND",
    )
    reload(host)
    base = agent.adopted()
    assert get(host, 9180)
    release = staged(agent, base, {"conf.d/more.conf": site(9181)})
    before = traces(host)
    answer = agent.ok("rehearse", release=release)
    assert (answer.one("transition"), answer.all("note")) == ("yes", ())
    assert traces(host) == before
