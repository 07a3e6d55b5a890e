"""One host of the lab: what runs there, and everything that can happen to a host."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from deployer.errors import DeployerError, UsageError
from deployer.lab import boot, root
from deployer.lab.network import delay
from deployer.lab.proc import held_up, in_pid_namespace_of, is_stopped, kill_all_under, with_root_under
from deployer.lab.state import HostState, mount_tmpfs, remove_control_groups, unmount

if TYPE_CHECKING:
    from deployer.lab.fleet import Lab

DISK = "512m"  #: of memory, at most; a host that was just booted takes about 0.3 MB
_WITHIN_S = 20.0
_FILL_TRIES = 20


class LabHost:
    """A host. All faults are idempotent, and last until undone; ``reset`` undoes everything."""

    def __init__(self, lab: Lab, state: HostState) -> None:
        self._lab, self._state = lab, state
        self.name = state.name
        self.port = 22
        self.address = lab.network.address(state.number)
        self.address6 = lab.network.address6(state.number)

    def __repr__(self) -> str:
        return f"LabHost({self.name} {self.address})"

    # --- being there

    @property
    def pid(self) -> int:
        """Pid, as the machine sees it, of the host's first process.

        :raises UsageError: the host is switched off.
        """
        if (pid := self._pid()) is None:
            raise UsageError(f"{self.name} is switched off")
        return pid

    def _pid(self) -> int | None:
        process = self._state.process
        if process is None or not process.alive:
            return None
        return process.pid if self._lab.init == "light" else boot.init_below(process.pid)

    @property
    def lab(self) -> Lab:
        """The lab that it belongs to."""
        return self._lab

    @property
    def running(self) -> bool:
        return self._pid() is not None

    @property
    def is_cut(self) -> bool:
        return self._state.cut

    @property
    def disk(self) -> Path:
        return self._lab.runtime / "hosts" / self.name

    def run(
        self,
        argv: Sequence[str],
        *,
        input: str | None = None,  # noqa: A002 - the name subprocess.run gives it
        timeout_s: float = 30.0,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the host as root, in the host's namespaces and past its network.

        :raises UsageError: the host is switched off.
        :raises DeployerError: with ``check``, when its status is not 0; says what it printed.
        :raises subprocess.TimeoutExpired: after ``timeout_s`` seconds.
        """
        pid = self.pid
        enter = ["nsenter", f"--target={pid}", "--mount", "--uts", "--ipc", "--net", "--pid", "--root"]
        done = subprocess.run(
            [*enter, f"--wd=/proc/{pid}/root", "--", *argv],
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            env=boot.ENV,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode:
            said = (done.stdout + done.stderr).strip()
            raise DeployerError(f"{self.name}: {list(argv)} ended with {done.returncode}: {said}")
        return done

    def path(self, path: str, *, follow: bool = False) -> Path:
        """Where a path of the host is, seen from the machine.

        Links on the way are followed *inside the host*: opened through ``/proc/PID/root``, an absolute link
        would lead to the machine's own files. The last component is followed only with ``follow``. What /proc
        says of "self" is not to be had this way: use ``run``.
        """
        top = Path(f"/proc/{self.pid}/root")
        todo = list(reversed(PurePosixPath("/", path).parts[1:]))
        done: list[str] = []
        for _ in range(400):
            if not todo:
                return top.joinpath(*done)
            part = todo.pop()
            if part == "..":
                done = done[:-1]
                continue
            here = top.joinpath(*done, part)
            if here.is_symlink() and (todo or follow):
                target = PurePosixPath(here.readlink())
                if target.is_absolute():
                    done = []
                todo += [p for p in reversed(target.parts) if p != "/"]
            else:
                done.append(part)
        raise OSError(f"too many links in {path} on {self.name}")

    def read(self, path: str) -> str:
        """Text of a file on the host, links followed there."""
        return self.path(path, follow=True).read_text()

    def write(self, path: str, text: str) -> None:
        """Write into a file on the host, links followed there; an existing file keeps owner and mode."""
        self.path(path, follow=True).write_text(text)

    # --- nginx

    def nginx(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run(["nginx", *args], check=check)

    def nginx_pids(self) -> list[int]:
        """Every process called nginx on the host, as the machine numbers them."""
        pids = []
        for pid in in_pid_namespace_of(self.pid):
            with suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text() == "nginx\n":
                    pids.append(pid)
        return pids

    def stop_nginx(self) -> None:
        """Stop nginx at once, whatever its pid file says."""
        if self._lab.init == "systemd":
            self.run(["systemctl", "stop", "nginx"])
        self._until(self._no_nginx, "nginx does not stop")

    def _no_nginx(self) -> bool:
        pids = self.nginx_pids()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        return not pids

    def start_nginx(self) -> None:
        """Start nginx as the host does at boot. :raises DeployerError: it does not start."""
        self.run(["systemctl", "start", "nginx"] if self._lab.init == "systemd" else ["nginx"])

    # --- faults

    def cut(self) -> None:
        """Pull the network cable: packets vanish, both ways; connections stay until they time out."""
        self._cable(up=False)

    def mend(self) -> None:
        self._cable(up=True)

    def _cable(self, *, up: bool) -> None:
        self._state.cut = not up
        self._lab.save()
        if self.running:
            self._lab.network.set_cable(self._state.number, up=up)

    def delay(self, rtt_ms: float) -> None:
        """Make the network slow, by ``rtt_ms`` there and back; 0 undoes it.

        :raises UsageError: the kernel has no netem.
        """
        delay(self.pid, self._lab.network.cable(self._state.number), rtt_ms)

    def pause(self) -> None:
        """Stop every process of the host; connections stay open and nothing answers."""
        self._until(self._all_stopped, "some processes do not stop")

    def _all_stopped(self) -> bool:
        every = with_root_under(self.disk)
        moving = [process for process in every if not is_stopped(process.pid)]
        for process in moving:
            process.signal(signal.SIGSTOP)
        return not moving or {one.pid for one in moving} <= held_up(one.pid for one in every)

    def resume(self) -> None:
        for process in with_root_under(self.disk):
            process.signal(signal.SIGCONT)

    def fill(self) -> None:
        """Fill the disk, the one file system that holds everything but /run and /dev/shm, to the last.

        :raises DeployerError: something on the host writes all the time.
        """
        for _ in range(_FILL_TRIES):  # somebody writes between the look and the limit, now and then
            usage = shutil.disk_usage(self.disk)
            with suppress(subprocess.CalledProcessError):
                self._resize(str(usage.used))
                return
        raise DeployerError(f"{self.name}: its disk could not be filled: something there writes all the time")

    def empty(self) -> None:
        """Take the filling away again."""
        self._resize(DISK)

    def _resize(self, size: str) -> None:
        argv = ["mount", "-o", f"remount,size={size}", str(self.disk)]
        subprocess.run(argv, capture_output=True, timeout=30, check=True)

    def kill(self) -> None:
        """Switch the power off: memory is lost, the disk stays."""
        if self._state.process is not None:
            self._state.process.kill()
            kill_all_under(self.disk)
        if self._lab.init == "systemd":
            group = f"{self._lab.network.bridge}-{self.name}"
            remove_control_groups(group, time.monotonic() + _WITHIN_S)
        self._state.process = None
        self._lab.save()
        self._lab.network.unplug(self._state.number)

    def start(self) -> None:
        """Switch the power on and wait until sshd listens; by then nginx was started, or has refused."""
        if self.running:
            return
        self._state.process = self._lab.boot(self._state, disk=self.disk)
        self._lab.save()
        if self._lab.init == "systemd":  # sshd listens before all else is started
            self.run(["systemctl", "is-system-running", "--wait"], check=False, timeout_s=boot.BOOT_WITHIN_S)

    def reboot(self) -> None:
        """Power off and on: the same disk, address and host key."""
        self.kill()
        self.start()

    def reset(self, *, nginx: str = "own") -> None:
        """Make the host anew: as it was after ``up``, all faults gone.

        :param nginx: ``own``: /etc/nginx can be renamed, as on a plain disk; ``layered``: renaming it answers
            EXDEV, as in a container image.
        """
        if nginx not in {"own", "layered"}:
            raise UsageError(f"nginx={nginx!r}: expected own or layered")
        self.kill()
        self._state.cut = False
        if self.disk.is_mount():
            unmount(self.disk, time.monotonic() + _WITHIN_S)
        self.make_disk(layered=nginx == "layered")
        self.start()

    def make_disk(self, *, layered: bool = False) -> None:
        """Mount the host's disk and fill in what it has from the start."""
        mount_tmpfs(self.disk, DISK)
        for name in ("upper", "work", "root"):
            (self.disk / name).mkdir()
        if layered:
            (self.disk / "layered").touch()
        lab = self._lab
        others = "".join(f"{lab.network.address(h.number)} {h.name}\n" for h in lab.state.hosts)
        root.seed(
            self.disk / "upper",
            name=self.name,
            hosts=others,
            key=lab.runtime / "fs/keys" / self.name,
            tree=None if layered else lab.runtime / "fs/tree",
            machine_id=f"{lab.network.index:016x}{self._state.number:016x}",
        )

    def _until(self, done: Callable[[], bool], problem: str) -> None:
        deadline = time.monotonic() + _WITHIN_S
        while not done():
            if time.monotonic() > deadline:
                raise DeployerError(f"{self.name}: {problem} within {_WITHIN_S:.0f} s")
            time.sleep(0.01)
