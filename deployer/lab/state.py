"""What is known of every lab on this machine, in files that outlive the process that made it.

``/run/deployer-lab/INDEX/`` belongs to one lab: ``state.json``, ``fs`` (a tmpfs: shared layer, keys, pristine
tree) and ``hosts/NAME`` (a tmpfs each: the host's disk). INDEX is also the lab's network. All is found again
from these files and from the kernel's own lists, so that a lab can be removed whoever made it and however far
it came.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from deployer.errors import DeployerError, UsageError
from deployer.lab.network import NETWORKS, Network, taken_networks
from deployer.lab.proc import Process, kill_all_under

RUNTIME = Path("/run/deployer-lab")
MARK = ".deployer-lab"  #: stands in a lab's own directory, which goes when the lab goes
_GONE_WITHIN_S = 20.0
_LOCK_WAIT_S = 60.0


@dataclass(slots=True)
class HostState:
    """One host, as ``state.json`` has it."""

    name: str
    number: int  #: 1-based; decides the address
    process: Process | None = None  #: the host's pid 1; ``None``: powered off
    cut: bool = False


@dataclass(slots=True)
class LabState:
    """One lab, as ``state.json`` has it."""

    index: int
    name: str
    directory: Path
    init: str
    boot: str  #: the machine's boot id: after a reboot nothing of the lab is left but files
    token: str  #: tells it from a later lab with the same index
    owner: Process | None  #: ``None``: meant to outlive whoever made it
    hosts: list[HostState] = field(default_factory=list)

    @property
    def runtime(self) -> Path:
        return RUNTIME / str(self.index)

    @property
    def abandoned(self) -> bool:
        """Nobody is left who would take it down."""
        return self.boot != boot_id() or (self.owner is not None and not self.owner.alive)

    def save(self) -> None:
        text = json.dumps({**asdict(self), "directory": str(self.directory)}, indent=1)
        new = self.runtime / f"state.json.{os.getpid()}"
        new.write_text(text)
        new.replace(self.runtime / "state.json")

    @classmethod
    def load(cls, runtime: Path) -> LabState | None:
        """The lab of a runtime directory; ``None`` when it never got as far as a state file."""
        try:
            raw = json.loads((runtime / "state.json").read_text())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        hosts = [HostState(**{**host, "process": _process(host["process"])}) for host in raw["hosts"]]
        fixed = {"directory": Path(raw["directory"]), "owner": _process(raw["owner"]), "hosts": hosts}
        return cls(**{**raw, **fixed})


def _process(raw: dict[str, int] | None) -> Process | None:
    return None if raw is None else Process(**raw)


def boot_id() -> str:
    """The machine's, another after each restart."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@contextmanager
def registry() -> Iterator[None]:
    """The machine-wide lock under which labs come and go; it goes with the last of them.

    :raises UsageError: not to be had within a minute.
    """
    deadline = time.monotonic() + _LOCK_WAIT_S
    while (lock := _try_lock()) is None:
        if time.monotonic() > deadline:
            raise UsageError(f"another lab command holds {RUNTIME}/lock for more than a minute")
        time.sleep(0.02)
    try:
        yield
    finally:
        if not known():
            (RUNTIME / "lock").unlink()
            with suppress(OSError):
                RUNTIME.rmdir()
        os.close(lock)


def _try_lock() -> int | None:
    """A descriptor that holds the lock; ``None`` when it is held, or was removed while we came."""
    path = RUNTIME / "lock"
    with suppress(FileExistsError):
        RUNTIME.mkdir(mode=0o755)
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_ino == path.stat().st_ino:
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(lock)
    return None


def allocate(*, name: str, directory: Path, init: str, owner: Process | None) -> LabState:
    """Take a free network and its runtime directory. Needs the registry's lock."""
    taken = taken_networks()
    for index in range(NETWORKS):
        runtime = RUNTIME / str(index)
        if index in taken or runtime.exists():
            continue
        runtime.mkdir(mode=0o755)
        state = LabState(index, name, directory, init, boot_id(), secrets.token_hex(8), owner)
        state.save()
        return state
    raise UsageError("all lab networks of this machine are in use; take labs down with: deployer lab down")


def known() -> list[tuple[Path, LabState | None]]:
    """Every runtime directory with its lab."""
    if not RUNTIME.is_dir():
        return []
    paths = sorted((p for p in RUNTIME.iterdir() if p.name.isdigit()), key=lambda p: int(p.name))
    return [(path, LabState.load(path)) for path in paths]


def take_down(state: LabState) -> None:
    """Remove a lab, unless that was done already."""
    with registry():
        current = LabState.load(state.runtime)
        if current is not None and current.token == state.token:
            tear_down(state.runtime, current)


def sweep() -> list[str]:
    """Remove every abandoned lab; their names."""
    removed = []
    with registry():
        for runtime, state in known():
            if state is None or state.abandoned:
                tear_down(runtime, state)
                removed.append(state.name if state else runtime.name)
    return removed


def tear_down(runtime: Path, state: LabState | None) -> None:
    """Remove processes, links, mounts and directories of one lab, in whatever condition it is.

    :raises DeployerError: something could not be removed within 20 s; the sentence names it.
    """
    deadline = time.monotonic() + _GONE_WITHIN_S
    for host in state.hosts if state else []:
        if host.process:
            host.process.kill()
    kill_all_under(runtime, within_s=_GONE_WITHIN_S)
    network = Network(int(runtime.name))
    network.remove()
    remove_control_groups(f"{network.bridge}-*", deadline)
    for mount in reversed(mounts_under(runtime)):
        unmount(mount, deadline)
    if state:
        remove_directory(state.directory)
    shutil.rmtree(runtime)  # last: with it goes the knowledge that there is anything to remove


def remove_directory(directory: Path) -> None:
    """Remove a lab's own directory: one that bears the mark, or an empty one."""
    if (directory / MARK).is_file():
        shutil.rmtree(directory)
    elif directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()


def remove_control_groups(pattern: str, deadline: float) -> None:
    """Remove the emptied control groups of systemd hosts, in whichever hierarchies they were made."""
    for top in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified")):
        for group in top.glob(pattern):
            while not _remove_group(group):
                if time.monotonic() > deadline:
                    raise DeployerError(f"the control group {group} cannot be removed")
                time.sleep(0.02)


def _remove_group(group: Path) -> bool:
    """The kernel says busy until the last process of a group is reaped."""
    try:
        for directory, _, _ in os.walk(group, topdown=False):
            Path(directory).rmdir()
    except OSError:
        return not group.exists()
    return True


def mounts_under(directory: Path) -> list[Path]:
    """Mount points below ``directory`` in this namespace, in the order they were made."""
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4].encode().decode("unicode_escape")
        if point.startswith(f"{directory}/"):
            points.append(Path(point))
    return points


def mount_tmpfs(where: Path, size: str) -> None:
    """Make the directory and mount a tmpfs of ``size`` on it. :raises UsageError: the kernel refuses."""
    where.mkdir(parents=True, exist_ok=True)
    argv = ["mount", "-t", "tmpfs", "-o", f"mode=755,size={size}", "deployer-lab", str(where)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise UsageError(
            f"a tmpfs cannot be mounted on {where} ({done.stderr.strip()}); the lab needs real root"
        )


def unmount(where: Path, deadline: float) -> None:
    """Unmount, waiting for a dying mount namespace to let go; at the deadline detach it lazily."""
    while True:
        lazy = ["--lazy"] if time.monotonic() > deadline else []
        argv = ["umount", *lazy, str(where)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode == 0:
            return
        if lazy:
            raise DeployerError(f"{where} cannot be unmounted: {done.stderr.strip()}")
        time.sleep(0.02)
