"""A candidate run beside live: what a reload silently refuses is found, and nothing is touched."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import pytest

from deployer.lab.host import LabHost
from tests.lab.agent_sh import (
    SHELLS,
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


def test_the_next_release_is_rehearsed_from_the_one_that_is_live(host: LabHost, agent: AgentOn) -> None:
    base = agent.adopted()
    first = release_of(agent.manifest(base), {"conf.d/zone.conf": ZONE.format("$uri").encode()})
    agent.deployed(base, first)
    good = staged(agent, first.id, {"conf.d/more.conf": site(9181)})
    bad = staged(agent, first.id, {"conf.d/zone.conf": ZONE.format("$host").encode()})
    before = traces(host)
    assert agent.ok("rehearse", release=good).one("transition") == "yes"
    assert 'limit_req "mine"' in agent.refused(65, "rehearse", release=bad).one("error")
    assert traces(host) == before


SQUAT = (
    "import socket, time\ns = socket.create_server(({0!r}, 9190), family=socket.{1}, dualstack_ipv6={2})\n"
)


@dataclass(frozen=True)
class Squatter:
    """Who listens on the host already, and where the candidate wants to."""

    address: str
    listen: str
    clashes: bool = True
    dual: bool = False

    def sits(self, host: LabHost) -> None:
        family = "AF_INET6" if ":" in self.address else "AF_INET"
        squat = SQUAT.format(self.address, family, self.dual) + "time.sleep(300)\n"
        host.run(["sh", "-c", 'setsid python3 -c "$1" >/dev/null 2>&1 &', "sh", squat])
        wait_for(lambda: ":9190 " in host.run(["ss", "-Hltn"]).stdout, "the other one listens")


SQUATTERS = (
    Squatter("0.0.0.0", "9190"),
    Squatter("127.0.0.1", "9190"),
    Squatter("127.0.0.1", "127.0.0.1:9190"),
    Squatter("127.0.0.2", "127.0.0.1:9190", clashes=False),
    Squatter("::", "9190", dual=True),
    Squatter("::", "9190", clashes=False),
    Squatter("::1", "[::]:9190"),
)


@pytest.mark.parametrize("squatter", SQUATTERS, ids=str)
def test_a_port_of_another_process_is_refused_and_its_owner_named(
    host: LabHost, agent: AgentOn, squatter: Squatter
) -> None:
    squatter.sits(host)
    base = agent.adopted()
    release = staged(agent, base, {"conf.d/x.conf": f"server {{ listen {squatter.listen}; }}\n".encode()})
    if not squatter.clashes:
        assert agent.ok("rehearse", release=release).one("transition") == "yes"
        return
    error = agent.refused(65, "rehearse", release=release).one("error")
    assert re.search(r"listens on port 9190 \(tcp\), where python3 \(pid \d+\) listens already", error), error


def test_without_ss_the_kernel_is_asked(host: LabHost, agent: AgentOn) -> None:
    Squatter("127.0.0.1", "9190").sits(host)
    base = agent.adopted()
    bad = staged(agent, base, {"conf.d/x.conf": b"server { listen 9190; listen [::]:9191; }\n"})
    good = staged(agent, base, {"conf.d/x.conf": b"server { listen 127.0.0.9:9190; listen [::]:9191; }\n"})
    script(host, "mv /usr/bin/ss /usr/bin/ss.away; hash -r; ! command -v ss || rm $(command -v ss)")
    assert "port 9190 (tcp), where python3" in agent.refused(65, "rehearse", release=bad).one("error")
    assert agent.ok("rehearse", release=good).one("transition") == "yes"


DNS = """
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.53", 53))
while True:
    asked, who = s.recvfrom(512)
    end = asked.index(b"\\0", 12) + 5
    kind = struct.unpack(">H", asked[end - 4 : end - 2])[0]
    found = b"\\xc0\\x0c" + struct.pack(">HHIH4B", 1, 1, 60, 4, 127, 0, 0, 1) if kind == 1 else b""
    s.sendto(asked[:2] + struct.pack(">HHHHH", 0x8180, 1, bool(found), 0, 0) + asked[12:end] + found, who)
"""
NAMED = "server {{ listen 9180; location / {{ proxy_pass http://{}:8081; }} }}\n"


def test_names_that_only_the_host_can_resolve_are_looked_up_there(host: LabHost, agent: AgentOn) -> None:
    host.run(["sh", "-c", 'setsid python3 -c "$1" >/dev/null 2>&1 &', "sh", DNS])
    script(host, "echo 'nameserver 127.0.0.53' >/etc/resolv.conf")
    wait_for(lambda: host.run(["getent", "hosts", "a.example"], check=False).returncode == 0, "names resolve")
    script(host, f"echo '{NAMED.format('one.example')}' >conf.d/mine.conf")
    reload(host)
    base = agent.adopted()
    release = staged(agent, base, {"conf.d/mine.conf": NAMED.format("two.example").encode()})
    before = traces(host)
    answer = agent.ok("rehearse", release=release)
    assert (answer.one("transition"), answer.all("note")) == ("yes", ())
    assert traces(host) == before


def test_where_live_could_not_be_started_anew_only_a_start_is_rehearsed(
    host: LabHost, agent: AgentOn
) -> None:
    script(host, "cp /etc/hosts /etc/hosts.kept", "echo '127.0.0.1 gone.example' >>/etc/hosts")
    script(host, f"echo '{NAMED.format('gone.example')}' >conf.d/mine.conf")
    reload(host)
    base = agent.adopted()
    release = staged(agent, base, {"conf.d/mine.conf": NAMED.format("127.0.0.1").encode()})
    script(host, "cat /etc/hosts.kept >/etc/hosts")
    answer = agent.ok("rehearse", release=release)
    assert answer.one("transition") == "start"
    assert "gone.example" in answer.one("note")
    host.stop_nginx()
    answer = agent.ok("rehearse", release=release)
    assert "nginx does not run" in answer.one("note")


@pytest.mark.parametrize("tool", ["nsenter", "unshare"])
def test_a_host_that_cannot_says_so(host: LabHost, agent: AgentOn, tool: str) -> None:
    base = agent.adopted()
    release = staged(agent, base, {"conf.d/more.conf": site(9181)})
    script(host, f"rm $(command -v {tool})")
    answer = agent.ok("rehearse", release=release)
    assert answer.one("transition") == "no"
    assert answer.one("note") == f"not rehearsed: {tool} is not on this host (util-linux, coreutils)"


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_an_agent_killed_in_the_middle_leaves_nothing(host: LabHost, agent: AgentOn, share: float) -> None:
    base = agent.adopted()
    release = staged(agent, base, {"conf.d/more.conf": site(9181)})
    began = time.monotonic()
    agent.ok("rehearse", release=release)
    took = time.monotonic() - began
    before = traces(host)
    process = agent.start("rehearse", release=release)
    assert process.stdin
    process.stdin.write(agent._input)
    process.stdin.close()
    time.sleep(took * share)  # a moment in the middle; which one does not matter
    process.kill()
    process.wait(timeout=10)
    wait_for(lambda: traces(host) == before, "nothing is left")


def test_a_log_by_syslog_and_workers_that_die_are_told_apart(host: LabHost, agent: AgentOn) -> None:
    script(host, "echo 'access_log syslog:server=unix:/dev/log;' >conf.d/log.conf")
    reload(host)
    base = agent.adopted()
    good = staged(agent, base, {"conf.d/more.conf": site(9181)})
    assert agent.ok("rehearse", release=good).one("transition") == "yes"
    main = host.read("/etc/nginx/nginx.conf") + "working_directory /var/lib/deployer/nginx/private;\n"
    dying = staged(agent, base, {"nginx.conf": main.encode()})
    error = agent.refused(65, "rehearse", release=dying).one("error")
    assert "no worker for 2 s" in error, error
    assert not re.search(r"\[alert\]", host.run(["tail", "-n", "5", "/var/log/nginx/error.log"]).stdout)


def test_what_stands_below_dev_shm_stays_as_it_is(host: LabHost, agent: AgentOn) -> None:
    script(host, "mkdir -p /dev/shm/cache; chown www-data /dev/shm/cache")
    base = agent.adopted()
    script(host, "find /dev/shm -printf '%p %U %T@\\n' | sort >/tmp/shm")
    cached = CACHE.format("/dev/shm/cache/new", "1:2")
    release = staged(agent, base, {"conf.d/mine.conf": cached.encode()})
    script(host, "rm -rf /dev/shm/cache/new", "find /dev/shm -printf '%p %U %T@\\n' | sort >/tmp/shm")
    assert agent.ok("rehearse", release=release).one("transition") == "yes"
    assert (
        script(host, "find /dev/shm -printf '%p %U %T@\\n' | sort | diff /tmp/shm - && echo same") == "same\n"
    )


def test_a_pid_file_behind_an_absolute_link_is_found(host: LabHost, agent: AgentOn) -> None:
    script(host, "mkdir -p /opt /run/own; ln -s /run/own /opt/run")
    script(host, "sed -i 's,^pid .*,pid /opt/run/nginx.pid;,' nginx.conf")
    host.stop_nginx()
    script(host, "nginx")
    base = agent.adopted()
    release = staged(agent, base, {"conf.d/more.conf": site(9181)})
    assert agent.ok("rehearse", release=release).one("transition") == "yes"


def test_a_name_that_has_gone_since_the_test_is_no_fault_of_the_release(
    host: LabHost, agent: AgentOn
) -> None:
    script(host, "cp /etc/hosts /etc/hosts.kept", "echo '127.0.0.1 new.example' >>/etc/hosts")
    base = agent.adopted()
    release = staged(agent, base, {"conf.d/mine.conf": NAMED.format("new.example").encode()})
    script(host, "cat /etc/hosts.kept >/etc/hosts")
    answer = agent.ok("rehearse", release=release)
    assert answer.one("transition") == "no"
    assert 'host not found in upstream "new.example"' in answer.one("note")


def test_what_live_listens_on_already_is_no_clash_whoever_is_beside_it(host: LabHost, agent: AgentOn) -> None:
    script(host, f"echo '{site(9190).decode().strip()}' >conf.d/mine.conf")
    script(host, "sed -i 's/listen 9190/listen 127.0.0.1:9190 reuseport/' conf.d/mine.conf")
    reload(host)
    sharing = (
        "import socket, time\ns = socket.socket()\ns.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n"
        "s.bind(('127.0.0.1', 9190))\ns.listen()\nopen('/tmp/sits', 'w')\ntime.sleep(300)\n"
    )
    host.run(["sh", "-c", 'setsid python3 -c "$1" >/dev/null 2>&1 &', "sh", sharing])
    wait_for(lambda: host.run(["test", "-e", "/tmp/sits"], check=False).returncode == 0, "it listens, too")
    base = agent.adopted()
    release = staged(agent, base, {"conf.d/more.conf": site(9181)})
    assert agent.ok("rehearse", release=release).one("transition") == "yes"
