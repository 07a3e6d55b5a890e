"""A host of the lab is a real host: strict ssh, Debian's nginx, and every fault does what it says."""

from __future__ import annotations

import http.client
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from deployer.errors import DeployerError, UsageError
from deployer.lab.fleet import Lab
from deployer.lab.host import LabHost

pytestmark = pytest.mark.lab

NO_ANSWER = r"timed out|unreachable|No route"


def ssh(
    lab: Lab, target: str, command: str, user: str = "root", timeout_s: float = 10
) -> subprocess.CompletedProcess[str]:
    argv = [
        "ssh",
        "-F",
        str(lab.ssh_config),
        "-o",
        "BatchMode=yes",
        "-o",
        "ConnectTimeout=2",
        "-l",
        user,
        target,
        command,
    ]
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s, check=False)


def get(address: str, host: str = "shop.example.com", timeout_s: float = 2) -> tuple[int, str]:
    connection = http.client.HTTPConnection(address, 80, timeout=timeout_s)
    try:
        connection.request("GET", "/", headers={"Host": host})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_ssh_works_strictly_with_the_written_config(lab: Lab) -> None:
    for target in ("web1", lab.hosts[2].address, lab.hosts[1].address6):
        done = ssh(lab, target, "hostname")
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    assert done.stdout == "web2\n"


def test_a_host_with_another_key_is_refused(lab: Lab, hosts: list[LabHost]) -> None:
    hosts[0].run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/other"])
    hosts[0].run(["cp", "/root/other", "/etc/ssh/ssh_host_ed25519_key"])
    hosts[0].reboot()
    assert "Host key verification failed" in ssh(lab, "web1", "true").stderr
    hosts[0].reset()


def test_users_and_their_rights(lab: Lab) -> None:
    assert ssh(lab, "web1", "sudo -n id -u", user="ops").stdout == "0\n"
    refused = ssh(lab, "web1", "sudo -n id -u", user="nosudo")
    assert refused.returncode == 1
    assert "password is required" in refused.stderr


def test_nothing_of_the_machine_shows(lab: Lab) -> None:
    host = lab.hosts[0]
    assert host.run(["ls", "/home"]).stdout.split() == ["nosudo", "ops"]
    assert host.run(["ls", "-A", "/root"]).stdout.split() == [".ssh"]
    top = host.run(["ls", "/"]).stdout.split()
    system = {
        "bin",
        "dev",
        "etc",
        "lib",
        "lib32",
        "lib64",
        "libx32",
        "proc",
        "run",
        "sbin",
        "sys",
        "usr",
        "var",
    }
    assert set(top) <= {*system, "home", "mnt", "root", "tmp"}
    assert host.run(["ls", "-A", "/mnt", "/tmp"]).stdout.split() == ["/mnt:", "/tmp:"]
    mounts = host.run(["cat", "/proc/self/mountinfo"]).stdout.splitlines()
    assert len(mounts) == 6
    environment = ssh(lab, "web1", "env").stdout
    assert "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n" in environment


def test_nginx_answers_over_both_protocols(lab: Lab) -> None:
    for host in lab.hosts:
        assert get(host.address) == (200, "shop 1\n")
        assert get(host.address6) == (200, "shop 1\n")
        assert get(host.address, host="nobody")[0] == 200


def test_a_name_that_nobody_knows_fails_at_once(lab: Lab) -> None:
    assert (
        lab.hosts[0].run(["getent", "hosts", "nobody.example.com"], check=False, timeout_s=2).returncode == 2
    )
    assert lab.hosts[0].run(["getent", "hosts", "web2"]).stdout.split()[0] == lab.hosts[1].address


def test_etc_nginx_can_be_renamed_or_not(hosts: list[LabHost]) -> None:
    move = ["python3", "-c", "import os; os.rename('/etc/nginx', '/etc/nginx.old')"]
    hosts[0].run(move)
    hosts[1].reset(nginx="layered")
    assert get(hosts[1].address) == (200, "shop 1\n")
    assert "Invalid cross-device link" in hosts[1].run(move, check=False).stderr
    hosts[1].reset()
    hosts[1].run(move)
    hosts[0].reset()
    hosts[1].reset()


def test_cut_and_mend(lab: Lab, hosts: list[LabHost]) -> None:
    host = hosts[0]
    host.cut()
    with pytest.raises(OSError, match=NO_ANSWER):
        get(host.address, timeout_s=0.5)
    assert host.run(["true"]).returncode == 0
    host.reboot()
    assert host.is_cut
    with pytest.raises(OSError, match=NO_ANSWER):
        get(host.address, timeout_s=0.5)
    host.mend()
    assert get(host.address)[0] == 200


def test_a_host_stops_in_the_middle_of_a_vfork(hosts: list[LabHost]) -> None:
    host = hosts[0]
    opened = "[(os.POSIX_SPAWN_OPEN, 0, '/tmp/pipe', os.O_RDONLY, 0)]"  # before the program is loaded
    spawn = f"import os; os.posix_spawn('/bin/true', ['true'], {{}}, file_actions={opened})"
    host.run(["sh", "-c", f'mkfifo /tmp/pipe; python3 -c "{spawn}" >/dev/null 2>&1 </dev/null & sleep 0.5'])
    host.pause()
    host.resume()
    assert host.run(["sh", "-c", ": >/tmp/pipe; rm /tmp/pipe; echo done"]).stdout == "done\n"


def test_pause_and_resume(hosts: list[LabHost]) -> None:
    host = hosts[0]
    host.pause()
    with pytest.raises(TimeoutError):
        get(host.address, timeout_s=0.3)
    host.resume()
    assert get(host.address)[0] == 200


def test_reboot_keeps_the_disk_and_loses_memory(lab: Lab, hosts: list[LabHost]) -> None:
    host = hosts[0]
    host.run(["sh", "-c", "echo kept >/var/lib/kept; echo lost >/run/lost; echo lost >/dev/shm/lost"])
    sleeper = host.run(["sh", "-c", "setsid sleep 600 >/dev/null 2>&1 & echo $!"]).stdout.strip()
    before, first = host.pid, host.nginx_pids()
    host.reboot()
    assert host.pid != before
    assert not set(first) & set(host.nginx_pids())
    assert host.read("/var/lib/kept") == "kept\n"
    for path in ("/run/lost", "/dev/shm/lost"):
        assert not host.path(path).exists()
    assert "sleep" not in host.run(["cat", f"/proc/{sleeper}/comm"], check=False).stdout
    assert ssh(lab, "web1", "true").returncode == 0
    assert get(host.address)[0] == 200


def test_kill_and_start(lab: Lab, hosts: list[LabHost]) -> None:
    host = hosts[0]
    host.kill()
    host.kill()
    assert not host.running
    with pytest.raises(UsageError, match="web1 is switched off"):
        host.run(["true"])
    with pytest.raises(OSError, match=NO_ANSWER):
        get(host.address, timeout_s=0.5)
    host.start()
    assert get(host.address)[0] == 200


def test_a_host_with_a_broken_configuration_boots_without_nginx(lab: Lab, hosts: list[LabHost]) -> None:
    host = hosts[0]
    host.write("/etc/nginx/conf.d/broken.conf", "nonsense\n")
    host.reboot()
    assert host.nginx_pids() == []
    assert ssh(lab, "web1", "true").returncode == 0


@pytest.mark.parametrize("times", [2, 1000], ids=["now and then", "all the time"])
def test_a_disk_is_filled_although_somebody_writes_meanwhile(
    hosts: list[LabHost], monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    host, look = hosts[0], shutil.disk_usage
    written = 0

    def looked_at_too_early(disk: Path) -> Any:
        nonlocal written
        found = look(disk)
        if written < times:
            written += 1
            (disk / f"upper/written{written}").write_bytes(b"x" * 65536)
        return found

    monkeypatch.setattr(shutil, "disk_usage", looked_at_too_early)
    if times > 2:
        with pytest.raises(DeployerError, match="writes all the time"):
            host.fill()
    else:
        host.fill()
        assert (written, look(host.disk).free) == (2, 0)
    host.empty()


def test_fill_and_empty(hosts: list[LabHost]) -> None:
    host = hosts[0]
    host.fill()
    for directory in ("/var/lib", "/etc"):
        full = host.run(["cp", "/etc/passwd", f"{directory}/new"], check=False)
        assert "No space left" in full.stderr
    host.reboot()
    assert get(host.address)[0] == 200
    assert "No space left" in host.run(["cp", "/etc/passwd", "/var/lib/new"], check=False).stderr
    host.empty()
    host.run(["cp", "/etc/passwd", "/var/lib/new"])


def test_stop_and_start_nginx(hosts: list[LabHost]) -> None:
    host = hosts[0]
    host.stop_nginx()
    assert host.nginx_pids() == []
    with pytest.raises(ConnectionRefusedError):
        get(host.address)
    host.start_nginx()
    assert get(host.address)[0] == 200


def test_delay_works_or_says_why_not(lab: Lab) -> None:
    host = lab.hosts[0]
    with suppress(UsageError):
        host.delay(40)
        assert "netem" in host.run(["tc", "qdisc", "show", "dev", "eth0"]).stdout
        host.delay(0)
        return
    with pytest.raises(UsageError, match="has no netem"):
        host.delay(40)


def test_paths_are_resolved_inside_the_host(hosts: list[LabHost]) -> None:
    host = hosts[0]
    host.run(
        [
            "sh",
            "-c",
            "mkdir -p /var/lib/x/live; echo inside >/var/lib/x/live/file; ln -s /var/lib/x/live /etc/there",
        ]
    )
    assert host.path("/etc/there").is_symlink()
    assert host.read("/etc/there/file") == "inside\n"
    assert host.path("/etc/there", follow=True).is_dir()


def test_orphans_are_reaped(lab: Lab) -> None:
    host = lab.hosts[0]
    host.run(["sh", "-c", "for i in 1 2 3 4 5; do setsid sh -c 'sleep 0.05' & done"])
    lasting = host.run(["sh", "-c", "sleep 0.3; ps -eo stat= | grep -c Z"], check=False).stdout
    assert lasting == "0\n"
