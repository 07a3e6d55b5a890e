"""A fleet of real sshd and nginx hosts on one Linux machine, without containers of anybody else's.

``Lab.up`` makes it, ``lab.down`` removes every trace of it; in between ``lab.hosts`` can be cut off, paused,
filled, killed and rebooted. A lab belongs to the process that made it and counts as abandoned when that
process is gone, unless it is *detached*, as ``deployer lab up`` makes it. Abandoned labs go with the next
``up`` or ``down``.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from deployer.errors import UsageError
from deployer.lab import boot, root, sample
from deployer.lab import state as states
from deployer.lab.host import LabHost
from deployer.lab.needs import check_directory, check_machine
from deployer.lab.network import Network
from deployer.lab.proc import Process
from deployer.lab.signals import deaf, interrupted_once
from deployer.lab.state import MARK, HostState, LabState

Init = Literal["light", "systemd"]


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One host as ``lab.status()`` tells of it."""

    name: str
    address: str
    running: bool
    cut: bool
    pid: int | None


class Lab:
    """A lab that is up, or was. Use ``Lab.up`` or ``Lab.load``."""

    def __init__(self, state: LabState) -> None:
        self.state = state
        self.network = Network(state.index)
        self.hosts = [LabHost(self, host) for host in state.hosts]

    # --- coming and going

    @classmethod
    def up(
        cls,
        directory: Path,
        *,
        hosts: int,
        init: Init = "light",
        name: str | None = None,
        detached: bool = False,
        names: Sequence[str] | None = None,
        seed: Callable[[LabHost], None] | None = None,
    ) -> Self:
        """Make a lab of ``hosts`` hosts, web1 … webN, and return when all of them serve ssh and http.

        :param directory: becomes the lab's: project, ssh config, keys, repository; absent or empty before,
            and removed by ``down``.
        :param detached: it outlives this process, until somebody takes it down.
        :param names: of the hosts, instead of web1 … webN: letters that files and ssh take.
        :param seed: called for each host with its disk made and nothing running, several at a time.
        :raises UsageError: not root, packages missing, directory in use, kernel without what it takes.
        """
        directory = directory.absolute()
        check_machine(hosts, init)
        with interrupted_once():
            states.sweep()
            with states.registry():
                check_directory(directory)
                me = Process.of(os.getpid())
                state = states.allocate(name=name or directory.name, directory=directory, init=init, owner=me)
            lab = cls(state)
            try:
                lab._make(names or [f"web{number}" for number in range(1, hosts + 1)], seed)
                if detached:
                    lab.detach()
            except (OSError, subprocess.CalledProcessError) as error:
                lab.down()
                if (why := _of_the_place(error)) is None:
                    raise
                raise UsageError(
                    f"no lab can be made in {directory}: {why}; --dir names another place"
                ) from error
            except BaseException:
                lab.down()
                raise
        return lab

    @classmethod
    def load(cls, directory: Path) -> Self:
        """The lab of a directory. :raises UsageError: there is none."""
        directory = directory.absolute()
        there = [state for _, state in states.known() if state is not None]
        for state in there:
            if state.directory == directory:
                return cls(state)
        beside = [state.directory.name for state in there if state.directory.parent == directory.parent]
        others = f", or say --name {' or '.join(beside[:3])}" if beside else ""
        raise UsageError(f"there is no lab in {directory}; make one with: deployer lab up{others}")

    def detach(self) -> None:
        """Let it outlive this process."""
        self.state.owner = None
        self.save()

    def down(self) -> None:
        """Remove the lab, and abandoned ones: processes, links, mounts, directories. Twice is once."""
        with deaf():
            states.take_down(self.state)
            states.sweep()
            self.hosts = []
            self.state.hosts = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def status(self) -> list[HostStatus]:
        return [
            HostStatus(h.name, h.address, h.running, h.is_cut, h.pid if h.running else None)
            for h in self.hosts
        ]

    # --- what it has

    @property
    def name(self) -> str:
        return self.state.name

    @property
    def init(self) -> str:
        return self.state.init

    @property
    def directory(self) -> Path:
        return self.state.directory

    @property
    def runtime(self) -> Path:
        return self.state.runtime

    @property
    def project(self) -> Path:
        """A project directory: ``inventories/lab.yml``, ``playbooks/nginx.yml``."""
        return self.directory / "project"

    @property
    def repo(self) -> Path:
        """The sample repository, with a working tree on ``main``."""
        return self.directory / "repo"

    @property
    def ssh_config(self) -> Path:
        return self.directory / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    @property
    def key(self) -> Path:
        """The private key that root, ops and nosudo accept on every host."""
        return self.directory / "id_ed25519"

    def host(self, name: str) -> LabHost:
        return next(host for host in self.hosts if host.name == name)

    def save(self) -> None:
        with self._saving:
            self.state.save()

    _saving = threading.Lock()

    # --- making it

    def _make(self, names: Sequence[str], seed: Callable[[LabHost], None] | None) -> None:
        runtime = self.runtime
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.directory / MARK).write_text(f"{runtime}\n")
        self.state.hosts = [HostState(name, number) for number, name in enumerate(names, 1)]
        self.hosts = [LabHost(self, host) for host in self.state.hosts]
        states.mount_tmpfs(runtime / "fs", "256m")
        (runtime / "fs/keys").mkdir(mode=0o700)
        _keygen(self.key, f"lab {self.name}")
        root.make_shared(runtime / "fs/shared", self.key.with_suffix(".pub").read_text())
        if self.init == "systemd":
            root.add_systemd(runtime / "fs/shared")
        sample.make_repo(self.repo)
        root.nginx_tree(runtime / "fs/tree", self.repo)
        root.mkdir(runtime / "fs/layered/etc")
        root.nginx_tree(runtime / "fs/layered/etc/nginx", self.repo)
        self.network.make()
        with ThreadPoolExecutor(max_workers=2 * (os.cpu_count() or 1)) as pool:
            futures = [pool.submit(self._make_host, host, seed) for host in self.hosts]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                with deaf():
                    pool.shutdown(wait=True, cancel_futures=True)
                raise
        self._write_project()

    def _make_host(self, host: LabHost, seed: Callable[[LabHost], None] | None) -> None:
        _keygen(self.runtime / "fs/keys" / host.name, host.name)
        host.make_disk()
        if seed is not None:
            seed(host)
        host.start()

    def boot(self, host: HostState, *, disk: Path) -> Process:
        """Switch a host on. For ``LabHost``."""
        lowers = [self.runtime / "fs/shared", Path("/")]
        if (disk / "layered").exists():
            lowers.insert(0, self.runtime / "fs/layered")
        machine = boot.Machine(
            name=host.name,
            number=host.number,
            disk=disk,
            lower=":".join(map(str, lowers)),
            console=self.runtime / "fs" / f"{host.name}.console",
            network=self.network,
        )
        start = boot.systemd if self.init == "systemd" else boot.light
        return start(machine, cable_up=not host.cut)

    def _write_project(self) -> None:
        pairs = [(host.name, host.address) for host in self.hosts]
        (self.project / "inventories").mkdir(parents=True)
        (self.project / "playbooks").mkdir()
        (self.project / "inventories/lab.yml").write_text(sample.inventory(pairs))
        (self.project / "playbooks/nginx.yml").write_text(sample.playbook(self.repo))
        ways = [(f"{host.name} {host.address}", host.address) for host in self.hosts]
        ways += [(host.address6, host.address6) for host in self.hosts]
        self.ssh_config.write_text(sample.ssh_config(ways, key=self.key, known_hosts=self.known_hosts))
        keys = self.runtime / "fs/keys"
        lines = []
        for host in self.hosts:
            kind, public, *_ = (keys / f"{host.name}.pub").read_text().split()
            lines.append(f"{host.name},{host.address},{host.address6} {kind} {public}\n")
        self.known_hosts.write_text("".join(lines))


def default_directory(name: str = "lab") -> Path:
    """Where ``deployer lab`` keeps a lab of that name: below the XDG state directory.

    :raises UsageError: it is no name.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise UsageError(f"--name {name!r}: up to 64 letters, digits and . _ - are expected")
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(base) / "deployer/lab" / name


def labs() -> list[Lab]:
    """Every lab on this machine, abandoned ones too."""
    return [Lab(state) for _, state in states.known() if state is not None]


def sweep() -> list[str]:
    """Remove labs whose owner is gone; their names."""
    return states.sweep()


def _of_the_place(error: OSError | subprocess.CalledProcessError) -> str | None:
    """What is wrong with the directory; ``None``: a program failed for another reason."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    full = [os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT)]
    return next((each for each in full if each in f"{error.stderr} {error.stdout}"), None)


def _keygen(path: Path, comment: str) -> None:
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
    subprocess.run(argv, capture_output=True, timeout=30, check=True)
