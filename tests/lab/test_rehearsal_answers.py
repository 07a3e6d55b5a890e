"""A rehearsed candidate that stays for questions: what it answers, and that nothing of it stays longer."""

from __future__ import annotations

import difflib
import http.client
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from deployer.checks.stream import Timed
from deployer.errors import TransportError
from deployer.host.rehearsal import Listen, Rehearsed
from deployer.lab.fleet import Lab
from deployer.lab.host import LabHost
from deployer.model import Ownership
from tests.conftest import FreshLab
from tests.lab.agent_sh import script, wait_for
from tests.lab.test_ssh_agent import agent_of, begun, release

pytestmark = pytest.mark.lab

NEW = b"server { listen 8090; location / { return 200 new; } }\n"


@dataclass
class Talk:
    """A rehearsal that answers, and what the host was like before it."""

    rehearsed: Rehearsed
    host: LabHost
    own: Ownership
    before: str
    hang_up: Callable[[], None]

    def ask(
        self, port: int, *, address: str = "127.0.0.1", path: str = "/", name: str = "x"
    ) -> tuple[int, str]:
        transport = self.rehearsed.transport
        assert transport is not None
        stream = transport.tunnel(address, port, timeout_s=10)
        try:
            connection = http.client.HTTPConnection(name)
            connection.sock = Timed(stream, time.monotonic() + 10)
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            stream.close()


@contextmanager
def talk(lab: Lab, host: LabHost, files: dict[str, bytes], *, user: str = "root") -> Iterator[Talk]:
    with agent_of(lab, host, user=user) as agent:
        own, base, live = begun(agent)
        candidate = release(live, dict(files))
        agent.prepare(own, candidate, live, base)
        before = state_of(host)
        with agent.rehearse(own, candidate.id, answers=True, hold_s=60) as rehearsed:
            assert rehearsed.answering, rehearsed.notes
            yield Talk(rehearsed, host, own, before, agent.connection.close)


def state_of(host: LabHost) -> str:
    """Processes (but those of logins and agents), mounts, namespaces, sockets, files with their times."""
    files = (
        "find /run /var/log/nginx /var/lib/nginx /var/cache /tmp /dev/shm /etc -printf '%P %T@ %s\\n' | sort"
    )
    others = " ".join(
        f"-e '{args}'" for args in ("sshd", "^sh ", "^sudo ", "sh -c", "^ps ", "^find ", "^sort")
    )
    inside = f"ps -eo args --no-headers | grep -v {others}"
    seen = f"{files}; {inside}; cat /proc/self/mountinfo; ss -Hltunx | sort; lsns -no TYPE,NS | sort -u"
    return host.run(["sh", "-c", seen]).stdout


def ours(host: LabHost) -> str:
    """The processes of a rehearsal, and of the nginx in it."""
    rows = host.run(["ps", "-eo", "ni,args", "--no-headers"]).stdout.splitlines()
    return "\n".join(row for row in rows if "deployer-rehearsal" in row or row.split()[0] == nicer())


def nicer() -> str:
    """How nice a rehearsal is: by 10 more than all else on a host, which is as nice as we are."""
    return str(min(os.getpriority(os.PRIO_PROCESS, 0) + 10, 19))


def gone(host: LabHost, before: str, within_s: float = 10.0) -> None:
    """Wait until the host is as it was."""
    wait_for(
        lambda: "deployer-rehearsal" not in host.run(["ps", "-eo", "args"]).stdout, "it is gone", within_s
    )
    deadline = time.monotonic() + within_s
    while (now := state_of(host)) != before:
        assert time.monotonic() < deadline, "\n".join(
            difflib.unified_diff(before.split("\n"), now.split("\n"), n=0)
        )


@pytest.mark.parametrize("user", ["root", "ops"])
def test_it_answers_where_it_will_listen(lab: Lab, host: LabHost, user: str) -> None:
    with talk(lab, host, {"conf.d/new.conf": NEW}, user=user) as it:
        assert it.ask(8090) == (200, "new")
        assert it.ask(8090, address="localhost") == (200, "new")
        assert it.ask(80, name="shop.example.com") == (200, "shop 1\n")  # through the real upstream
        assert it.ask(80, name="shop.example.com", address="::1") == (200, "shop 1\n")
        assert Listen("tcp", "0.0.0.0", 8090) in it.rehearsed.listens
        assert "listen 8090" in it.rehearsed.candidate_text
        assert "listen 8090" not in it.rehearsed.live_text
        assert "# configuration file /etc/nginx/nginx.conf:" in it.rehearsed.live_text
        transport = it.rehearsed.transport
        assert transport is not None
        for port in (22, 9999):  # what the host listens on is not there either
            with pytest.raises(ConnectionRefusedError):
                transport.tunnel("127.0.0.1", port, timeout_s=5)
        assert " 8090" not in host.run(["ss", "-Hltn"]).stdout
    gone(host, it.before)
    with pytest.raises(TransportError):
        transport.tunnel("127.0.0.1", 8090, timeout_s=5)


def test_it_has_the_addresses_of_the_host_and_no_others(lab: Lab, host: LabHost) -> None:
    bound = "location /%s/ { proxy_bind %s; proxy_pass http://127.0.0.1:8081/; }"
    places = bound % ("ours", "127.0.0.7") + bound % ("theirs", "10.99.99.99")
    with talk(lab, host, {"conf.d/new.conf": f"server {{ listen 8090; {places} }}".encode()}) as it:
        assert it.ask(8090, path="/ours/")[0] == 200
        assert it.ask(8090, path="/theirs/")[0] == 500
        assert it.ask(80, name="shop.example.com", address=host.address) == (200, "shop 1\n")


def test_sockets_of_others_are_reached_and_caches_are_its_own(lab: Lab, host: LabHost) -> None:
    server = (
        "import socketserver, http.server, os\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        " def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b'by socket')\n"
        " def address_string(self): return ''\n"
        "os.makedirs('/run/php', exist_ok=True)\n"
        "socketserver.UnixStreamServer('/run/php/app.sock', H).serve_forever()\n"
    )
    host.run(["sh", "-c", 'setsid python3 -c "$1" >/dev/null 2>&1 &', "sh", server])
    wait_for(lambda: host.run(["test", "-S", "/run/php/app.sock"], check=False).returncode == 0, "it listens")
    script(
        host,
        "chmod 666 /run/php/app.sock",
        "mkdir -p /var/cache/nginx/shop/scripts",
        "echo live >/var/cache/nginx/shop/kept",
    )
    cached = (
        b"proxy_cache_path /var/cache/nginx/shop keys_zone=shopping:1m;\n"
        b"fastcgi_cache_path /var/cache/nginx/shop/scripts keys_zone=scripts:1m;\n"  # within the other
        b"server { listen 8090; listen unix:/run/own.sock;\n"
        b" location / { proxy_pass http://unix:/run/php/app.sock; }\n"
        b" location /c/ { proxy_cache shopping; proxy_cache_valid 1h;\n"
        b"  proxy_pass http://127.0.0.1:8081/; } }\n"
    )
    with talk(lab, host, {"conf.d/new.conf": cached}) as it:
        assert it.ask(8090) == (200, "by socket")
        assert it.ask(8090, path="/c/") == it.ask(8090, path="/c/") == (200, "shop 1\n")
        assert Listen("unix", "/run/own.sock", 0) in it.rehearsed.listens
        inside = host.run(
            ["sh", "-c", "pgrep -f '^/bin/sh -cecho 1000|deployer-rehearsal$'"], check=False
        ).stdout
        kept = [
            host.run(["find", f"/proc/{pid}/root/var/cache/nginx/shop", "-type", "f"], check=False).stdout
            for pid in inside.split()
        ]
        assert any(kept), "it has a cache of its own"
        assert not any("shop/kept" in found for found in kept), "and nothing in it that live has kept"
    gone(host, it.before)


def test_it_is_bounded(lab: Lab, host: LabHost) -> None:
    main = host.read("/etc/nginx/nginx.conf").replace("worker_processes 2;", "worker_processes auto;")
    with talk(lab, host, {"conf.d/new.conf": NEW, "nginx.conf": main.encode()}):
        rows = host.run(["ps", "-eo", "pid,ni,args", "--no-headers"]).stdout.splitlines()
        ours = [row.split(None, 2) for row in rows if f" {nicer()} nginx: " in row]
        assert [title.partition(" process")[0] for _, _, title in ours] == ["nginx: master", "nginx: worker"]
        for pid, _, _ in ours:
            assert host.read(f"/proc/{pid}/oom_score_adj").strip() == "1000"
            assert host.run(["sh", "-c", f"[ /proc/{pid}/ns/net -ef /proc/1/ns/net ]"]).returncode == 0
        master = host.read(f"/proc/{ours[0][0]}/status")
        bounding = int(next(line for line in master.splitlines() if line.startswith("CapBnd")).split()[1], 16)
        assert not bounding & (1 << 10), "it could bind a privileged port of the host"


PARTS = {
    "what keeps it": "deployer-rehearsal$",
    "unshare": "^unshare .*deployer-rehearsal",
    "its time limit": "^timeout .*deployer-rehearsal",
}


@pytest.mark.parametrize("part", PARTS)
def test_killed_in_part_it_is_gone_as_a_whole(lab: Lab, host: LabHost, part: str) -> None:
    with talk(lab, host, {"conf.d/new.conf": NEW}) as it:
        pattern = PARTS[part]
        if part == "its time limit":  # then the connection is all that holds it
            host.run(["pkill", "-KILL", "-o", "-f", pattern])
        else:
            host.run(["pkill", "-KILL", "-f", pattern])
            wait_for(lambda: ours(host) == "", "it is gone")
    gone(host, it.before)


def test_a_killed_agent_takes_it_along(lab: Lab, host: LabHost) -> None:
    with talk(lab, host, {"conf.d/new.conf": NEW}) as it:
        parent = host.run(
            ["sh", "-c", "ps -o ppid= -p $(pgrep -o -f '^timeout .*deployer-rehearsal')"]
        ).stdout
        host.run(["kill", "-KILL", parent.strip()])
        gone(host, it.before)


def test_a_lost_connection_takes_it_along(lab: Lab, host: LabHost) -> None:
    with talk(lab, host, {"conf.d/new.conf": NEW}) as it:
        it.hang_up()
        gone(host, it.before)


def test_a_host_that_stood_still_meanwhile_has_nothing_left(lab: Lab, host: LabHost) -> None:
    with talk(lab, host, {"conf.d/new.conf": NEW}) as it:
        host.pause()
        it.hang_up()
        host.resume()
        gone(host, it.before)


def test_an_emergency_does_not_wait_for_it(lab: Lab, host: LabHost) -> None:
    with talk(lab, host, {"conf.d/new.conf": NEW}) as it, agent_of(lab, host) as other:
        began = time.monotonic()
        epoch = other.begin("d-2", "somebody@else", preempt=True)
        own = Ownership("d-2", epoch, "somebody@else")
        seen = other.observe(hash_disk=False)
        assert not seen.problems, "nor is its nginx taken for live's"
        other.restore(own, str(seen.live))
        assert time.monotonic() - began < 3
        assert it.ask(8090) == (200, "new")
    gone(host, it.before)


@pytest.mark.systemd
def test_it_answers_on_a_host_with_systemd(fresh_lab: FreshLab) -> None:
    lab = fresh_lab(hosts=1, init="systemd")
    host = lab.hosts[0]
    with talk(lab, host, {"conf.d/new.conf": NEW}) as it:
        assert it.ask(8090) == (200, "new")
        assert it.ask(80, name="shop.example.com") == (200, "shop 1\n")
    wait_for(lambda: ours(host) == "", "it is gone")
    assert host.run(["sh", "-c", "lsns -no NS -t net | wc -l"]).stdout.strip() == "1"


@pytest.mark.parametrize("relay", ["bash", "nc"])
def test_without_perl_bash_or_nc_pass_the_bytes_on(lab: Lab, host: LabHost, relay: str) -> None:
    away = {"bash": ("perl",), "nc": ("perl", "bash")}[relay]
    script(host, "sed -i 's#:/bin/bash$#:/bin/sh#' /etc/passwd")
    script(host, *(f"rm -f $(command -v {tool}) /bin/{tool}" for tool in away))
    if relay == "nc":
        script(host, "[ -x /usr/bin/nc ] || { printf '#!/bin/sh\\nexec busybox nc \"$@\"\\n' >/usr/bin/nc; }")
        script(host, "chmod 755 /usr/bin/nc")
    with talk(lab, host, {"conf.d/new.conf": NEW}) as it:
        assert it.ask(8090) == (200, "new")
        assert it.ask(80, name="shop.example.com") == (200, "shop 1\n")
        assert it.rehearsed.transport is not None
        with pytest.raises(ConnectionRefusedError):
            it.rehearsed.transport.tunnel("127.0.0.1", 9999, timeout_s=5)
        idle = it.rehearsed.transport.tunnel("127.0.0.1", 8090, timeout_s=5)
        idle.close()
    wait_for(lambda: ours(host) == "", "it is gone")


def test_more_streams_than_sshd_has_sessions(lab: Lab, host: LabHost) -> None:
    with talk(lab, host, {"conf.d/new.conf": NEW}) as it, ThreadPoolExecutor(max_workers=12) as pool:
        answers = list(pool.map(lambda _: it.ask(8090), range(36)))
        assert set(answers) == {(200, "new")}
    gone(host, it.before)
