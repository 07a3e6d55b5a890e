"""A lab comes up whole and goes without a trace, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from deployer.config.inventory import load_inventory
from deployer.config.playbook import load_playbook
from deployer.errors import UsageError
from deployer.lab import fleet, state
from deployer.lab.fleet import Lab
from deployer.lab.host import LabHost
from deployer.lab.load import Load
from deployer.lab.proc import with_root_under
from tests.conftest import FreshLab, need_root

pytestmark = pytest.mark.lab

UP = """
import sys
from pathlib import Path
from typing import TypeVar
from deployer.lab.fleet import Lab
lab = Lab.up(Path(sys.argv[1]), hosts=int(sys.argv[2]), init=sys.argv[3])
print("up", flush=True)
sys.stdin.read()
lab.down()
"""


class Owner:
    """A process that owns a lab."""

    def __init__(self, directory: Path, hosts: int = 2, init: str = "light") -> None:
        self.directory = directory
        self.process = subprocess.Popen(
            [sys.executable, "-c", UP, str(directory), str(hosts), init],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def wait_up(self) -> Lab:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "up\n", self.process.stderr
        return Lab.load(self.directory)

    def runtime(self) -> Path:
        """Its runtime directory, as soon as there is one."""
        return until(self._runtime)

    def _runtime(self) -> Path | None:
        for path, lab in state.known():
            if lab is not None and lab.directory == self.directory:
                return path
        return None


T = TypeVar("T")


def until(ask: Callable[[], T | None], within_s: float = 20.0) -> T:
    deadline = time.monotonic() + within_s
    while (answer := ask()) is None:
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
    return answer


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Callable[..., Owner]]:
    need_root()
    owners: list[Owner] = []

    def make(hosts: int = 2, init: str = "light") -> Owner:
        owners.append(Owner(tmp_path / f"lab{len(owners)}", hosts, init))
        return owners[-1]

    yield make
    for each in owners:
        each.process.kill()
        each.process.communicate(timeout=30)
    fleet.sweep()


def traces(runtime: Path) -> list[str]:
    """Whatever is left of the lab with that runtime directory."""
    index = runtime.name
    left = [f"process {process.pid}" for process in with_root_under(runtime)]
    left += [f"mount {mount}" for mount in state.mounts_under(runtime)]
    links = [entry.name for entry in Path("/sys/class/net").iterdir()]
    left += [f"link {name}" for name in links if name == f"dlab{index}" or name.startswith(f"dlab{index}h")]
    left += [
        str(path)
        for top in ("", "systemd", "unified")
        for path in Path("/sys/fs/cgroup", top).glob(f"dlab{index}-*")
    ]
    left += [str(runtime)] if runtime.exists() else []
    return left


def test_down_leaves_nothing(tmp_path: Path) -> None:
    need_root()
    lab = Lab.up(tmp_path / "lab", hosts=2)
    namespaces = {Path(f"/proc/{h.pid}/ns/net").stat().st_ino for h in lab.hosts}
    assert len(traces(lab.runtime)) > 5
    lab.hosts[0].run(["sh", "-c", "setsid unshare -m -p --fork sleep 600 >/dev/null 2>&1 </dev/null &"])
    lab.hosts[1].cut()
    lab.hosts[1].pause()
    lab.down()
    lab.down()
    assert traces(lab.runtime) == []
    assert not lab.directory.exists()
    alive = set()
    for process in Path("/proc").glob("[0-9]*/ns/net"):
        try:
            alive.add(process.stat().st_ino)
        except OSError:
            continue
    assert not namespaces & alive


def test_a_lab_whose_owner_was_killed_goes_with_the_next_up(
    owner: Callable[..., Owner], fresh_lab: FreshLab
) -> None:
    dead = owner()
    lab = dead.wait_up()
    dead.process.kill()
    dead.process.wait()
    fresh = fresh_lab(hosts=1)
    assert not lab.directory.exists()
    assert fresh.runtime == lab.runtime or traces(lab.runtime) == []


def test_a_lab_whose_owner_was_killed_is_taken_down_by_another_process(owner: Callable[..., Owner]) -> None:
    dead = owner()
    dead.wait_up()
    dead.process.kill()
    dead.process.wait()
    lab = Lab.load(dead.directory)
    lab.down()
    assert traces(lab.runtime) == []


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("hosts_there", [0, 1, 12])
def test_stopped_in_the_middle_of_up(
    owner: Callable[..., Owner], stop: signal.Signals, hosts_there: int
) -> None:
    making = owner(hosts=24)
    runtime = making.runtime()
    until(lambda: len(with_root_under(runtime)) >= hosts_there or None)
    making.process.send_signal(stop)
    making.process.send_signal(stop)
    out, err = making.process.communicate(timeout=60)
    assert out == ""
    assert making.process.returncode != 0
    if stop == signal.SIGKILL:
        fleet.sweep()
    assert traces(runtime) == []
    assert not making.directory.exists(), err


def test_two_labs_at_once_do_not_meet(owner: Callable[..., Owner]) -> None:
    one, two = owner(), owner()
    first, second = one.wait_up(), two.wait_up()
    assert first.runtime != second.runtime
    assert not {h.address for h in first.hosts} & {h.address for h in second.hosts}
    first.down()
    assert [host.running for host in second.hosts] == [True, True]
    assert second.hosts[0].run(["hostname"]).stdout == "web1\n"


def test_down_of_a_lab_long_gone_does_not_touch_its_successor(tmp_path: Path) -> None:
    need_root()
    old = Lab.up(tmp_path / "old", hosts=1)
    Lab.load(old.directory).down()
    with Lab.up(tmp_path / "new", hosts=1) as new:
        old.down()
        assert new.hosts[0].run(["hostname"]).stdout == "web1\n"


def test_a_detached_lab_outlives_its_maker(tmp_path: Path) -> None:
    need_root()
    program = UP.replace("init=sys.argv[3])", "detached=True)").replace("lab.down()", "")
    directory = tmp_path / "lab"
    argv = [sys.executable, "-c", program, str(directory), "1"]
    subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=60)
    fleet.sweep()
    lab = Lab.load(directory)
    try:
        assert [(s.name, s.running, s.cut) for s in lab.status()] == [("web1", True, False)]
        assert lab.hosts[0].run(["hostname"]).stdout == "web1\n"
    finally:
        lab.down()
    assert traces(lab.runtime) == []


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    need_root()
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(UsageError, match="is in use"):
        Lab.up(tmp_path, hosts=1)
    assert (tmp_path / "thesis.txt").exists()


def test_a_full_disk_is_named_also_where_git_meets_it(tmp_path: Path) -> None:
    need_root()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", tmp_path], check=True)
    try:
        with pytest.raises(UsageError, match="No space left on device; --dir names another place"):
            Lab.up(tmp_path / "full", hosts=1)
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_directory_left_over_from_before_a_restart_is_taken_again(tmp_path: Path) -> None:
    need_root()
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / state.MARK).touch()
    (tmp_path / "lab/known_hosts").write_text("old")
    with Lab.up(tmp_path / "lab", hosts=1) as lab:
        assert "web1" in lab.known_hosts.read_text()


def test_without_root_it_is_said_so(tmp_path: Path) -> None:
    need_root()
    # Root goes only after the imports: the checkout may be where nobody else can read.
    program = (
        "import os; from deployer.lab.fleet import Lab, Path; os.setuid(65534); Lab.up(Path('/x'), hosts=1)"
    )
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    assert "UsageError: a lab makes namespaces and mounts: run it as root, or with sudo" in done.stderr


def test_a_missing_lab_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no lab in"):
        Lab.load(tmp_path)


def test_a_lab_of_another_name_is_named(lab: Lab) -> None:
    with pytest.raises(UsageError, match=f"--name .*{lab.directory.name}"):
        Lab.load(lab.directory.parent / "nosuch")


def test_what_up_writes_can_be_read_by_the_commands(lab: Lab) -> None:
    inventory = load_inventory(lab.project / "inventories/lab.yml")
    seen = [(host.name, host.address, host.user, host.groups) for host in inventory.hosts]
    assert seen == [(host.name, host.address, "root", ("web",)) for host in lab.hosts]
    playbook = load_playbook(lab.project / "playbooks/nginx.yml")
    assert playbook.source.repo == str(lab.repo)
    assert [check.name for check in playbook.checks] == ["shop"]
    assert lab.key.stat().st_mode & 0o077 == 0
    assert lab.directory.stat().st_mode & 0o077 == 0


def test_live_is_the_first_commit_byte_for_byte(lab: Lab, hosts: list[object]) -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=lab.repo, capture_output=True, text=True, check=True)
    for name in tracked.stdout.split():
        theirs, ours = lab.hosts[0].path(f"/etc/nginx/{name}"), lab.repo / name
        if ours.is_symlink():
            assert theirs.readlink() == ours.readlink()
        else:
            assert theirs.read_bytes() == ours.read_bytes()


def is_another(host: LabHost, pid: int) -> bool:
    """Whether the host runs, with another first process than that; it is gone in between."""
    try:
        return host.pid != pid
    except UsageError:
        return False


@pytest.mark.systemd
def test_systemd_hosts(fresh_lab: FreshLab) -> None:
    lab = fresh_lab(hosts=2, init="systemd")
    host = lab.hosts[0]
    assert host.run(["systemctl", "is-system-running"]).stdout == "running\n"
    assert host.run(["systemctl", "is-active", "nginx", "ssh"]).stdout == "active\nactive\n"
    assert host.run(["systemd-run", "--wait", "--pipe", "--quiet", "hostname"]).stdout == "web1\n"
    host.run(
        [
            "systemd-run",
            "--unit=soon",
            "--on-active=100ms",
            "--timer-property=AccuracySec=10ms",
            "touch",
            "/run/fired",
        ]
    )
    until(lambda: host.path("/run/fired").exists() or None)
    argv = ["ssh", "-F", str(lab.ssh_config), "web2", "systemctl is-active nginx; readlink /proc/1/exe"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "active\n/usr/lib/systemd/systemd\n"
    enter = ["unshare", "-m", "-p", "-n", "-i", "--fork", "--kill-child=KILL", "--mount-proc"]
    host.run(
        [*enter, "sh", "-c", "ip link set lo up && mount -t tmpfs x /mnt && mount --bind /etc/ssh /etc/nginx"]
    )

    boot, pid = host.read("/proc/sys/kernel/random/boot_id"), host.pid
    host.run(["sh", "-c", "echo kept >/var/lib/kept"])
    host.reboot()
    assert host.pid != pid
    assert host.read("/proc/sys/kernel/random/boot_id") != boot
    assert host.read("/var/lib/kept") == "kept\n"
    assert host.run(["systemctl", "is-active", "nginx"]).stdout == "active\n"

    pid = host.pid
    host.run(["systemctl", "reboot"], check=False)
    until(lambda: is_another(host, pid) or None)
    until(lambda: host.run(["systemctl", "is-active", "nginx"], check=False).stdout == "active\n" or None)

    host.pause()
    host.resume()
    host.stop_nginx()
    assert host.nginx_pids() == []
    host.start_nginx()
    host.reset()
    assert not host.path("/var/lib/kept").exists()
    lab.down()
    assert traces(lab.runtime) == []


def test_load_counts_what_users_see(lab: Lab, hosts: list[object]) -> None:
    addresses = [host.address for host in lab.hosts]
    with Load(addresses, rate=200) as load:
        until(lambda: lab.hosts[2].path("/var/log/nginx/access.log").stat().st_size > 2000 or None)
        good = load.phase()
        lab.hosts[0].stop_nginx()
        time.sleep(0.5)
        lab.hosts[0].start_nginx()
        bad = load.phase()
        total = load.stop()
    assert good.failed == 0
    assert set(good.by_status) == {"200"}
    assert 0 < bad.failed < bad.total
    assert {failure.address for failure in bad.failures} == {addresses[0]}
    assert bad.by_status.get("refused", 0) > 10
    assert bad.first_failure is not None
    assert bad.last_failure is not None
    assert bad.began <= bad.first_failure < bad.last_failure <= bad.ended
    assert total.failed == bad.failed
    assert total.total / total.seconds == pytest.approx(200, rel=0.1)


def memory_mb(lab: Lab) -> tuple[float, float]:
    """Megabytes of a lab: its processes' proportional share, and its file systems in memory."""
    processes = 0
    for process in with_root_under(lab.runtime):
        try:
            rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        except OSError:
            continue
        processes += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    files = 0
    for mount in state.mounts_under(lab.runtime):
        usage = os.statvfs(mount)
        files += (usage.f_blocks - usage.f_bfree) * usage.f_frsize
    return processes / 1024, files / 1024 / 1024


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_120_light_hosts_fit_in_a_gigabyte_and_start_within_a_minute(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    need_root()
    began = time.monotonic()
    with Lab.up(tmp_path / "lab", hosts=120) as lab:
        up_s = time.monotonic() - began
        with Load([host.address for host in lab.hosts], rate=240) as load:
            time.sleep(1.5)
            report = load.stop()
        processes_mb, files_mb = memory_mb(lab)
        began = time.monotonic()
    down_s = time.monotonic() - began
    figures = {"up_s": up_s, "processes_mb": processes_mb, "files_mb": files_mb, "down_s": down_s}
    print(json.dumps({key: round(value, 1) for key, value in figures.items()}))
    for key, value in figures.items():
        record_property(key, round(value, 1))
    assert report.failed == 0
    assert up_s < 60
    assert processes_mb + files_mb < 1024
    assert traces(lab.runtime) == []
