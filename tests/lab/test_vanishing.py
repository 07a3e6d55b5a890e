"""What others remove while the private root of a test is being built is no fault of the candidate."""

from __future__ import annotations

import pytest

from deployer.lab.host import LabHost
from tests.lab.agent_sh import AgentOn, release_of, script, site, wait_for

pytestmark = pytest.mark.lab

# It only chooses the moment: all mounts are listed by now, and none of them is made yet.
WAITING_MOUNT = """#!/bin/sh
case "$*" in *-a*) [ -e /srv/gone ] || { echo now >/srv/ask; read -r _ </srv/gone_now; : >/srv/gone; } ;; esac
exec /usr/bin/mount "$@"
"""
LISTEN = """
import socket
guest = socket.socket(socket.AF_UNIX)
guest.bind("/run/guest")
guest.listen()
open("/srv/listens", "w").close()
guest.accept()
"""


def vanishing(host: LabHost, gone: str) -> None:
    """Something that is there when the next private root is begun goes before it is mounted."""
    script(host, "mkdir -p /srv /usr/local/sbin", "mkfifo /srv/ask /srv/gone_now")
    host.write("/usr/local/sbin/mount", WAITING_MOUNT)
    script(host, "chmod 755 /usr/local/sbin/mount")
    watcher = f"timeout 60 sh -c 'read -r _ </srv/ask; {gone}; echo gone >/srv/gone_now'"
    script(host, f"setsid {watcher} </dev/null >/dev/null 2>/srv/watcher & true")


@pytest.mark.parametrize("verb", ["validate", "rehearse"])
def test_a_mount_that_is_gone_before_it_is_seen_through(host: LabHost, verb: str) -> None:
    agent = AgentOn(host)
    base = agent.adopted()
    release = release_of(agent.manifest(base), {"conf.d/more.conf": site(9181)})
    agent.stage(base, release, *(["validate"] if verb == "rehearse" else []))
    script(host, "mkdir -p /srv/guest", "mount -t tmpfs guest /srv/guest")
    vanishing(host, "umount /srv/guest; rmdir /srv/guest")
    answer = agent.ok(verb, release=release.id)
    assert script(host, "test -e /srv/gone && ! test -e /srv/guest && echo vanished") == "vanished\n"
    assert verb == "validate" or (answer.one("transition"), answer.all("note")) == ("yes", ())


def test_a_socket_that_is_gone_before_it_is_bound(host: LabHost) -> None:
    agent = AgentOn(host)
    base = agent.adopted()
    release = release_of(agent.manifest(base), {"conf.d/more.conf": site(9181)})
    agent.stage(base, release, "validate")
    vanishing(host, "rm /run/guest")
    host.run(["sh", "-c", 'setsid python3 -c "$1" >/dev/null 2>&1 &', "sh", LISTEN])
    wait_for(lambda: host.run(["test", "-e", "/srv/listens"], check=False).returncode == 0, "it listens")
    answer = agent.ok("rehearse", release=release.id)
    assert script(host, "test -e /srv/gone && ! test -e /run/guest && echo vanished") == "vanished\n"
    assert (answer.one("transition"), answer.all("note")) == ("yes", ())
