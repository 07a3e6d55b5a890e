"""Switching a host on: the processes that make its namespaces and its first process."""

from __future__ import annotations

import os
import select
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import DeployerError, UsageError
from deployer.lab.network import Network
from deployer.lab.proc import Process, children

BOOT_WITHIN_S = 60.0
ENV = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}
_LISTEN = "0A"  # TCP state in /proc/net/tcp (kernel: include/net/tcp_states.h)


@dataclass(frozen=True, slots=True)
class Machine:
    """All that booting one host needs to know."""

    name: str
    number: int
    disk: Path  #: holds ``upper``, ``work`` and ``root``
    lower: str  #: overlay's ``lowerdir``
    console: Path
    network: Network


def light(machine: Machine, *, cable_up: bool) -> Process:
    """Boot a host whose init starts nginx and sshd and nothing else; returns when both were started.

    :return: the host's pid 1.
    """
    deadline = time.monotonic() + BOOT_WITHIN_S
    unshare = ["unshare", "--mount", "--uts", "--ipc", "--net"]
    init = _script(unshare, "boot.sh", machine, deadline, cable_up=cable_up)
    wait_for_port(machine, init, 22, deadline)
    return init


def systemd(machine: Machine, *, cable_up: bool) -> Process:
    """Boot a host whose pid 1 is systemd; returns when sshd listens and systemd has nothing left to start.

    :return: the supervisor, below which the host's pid 1 is found with ``init_below``.
    """
    deadline = time.monotonic() + BOOT_WITHIN_S
    unshare = ["unshare", "--mount", "--net"]
    supervisor = _script(unshare, "nspawn.sh", machine, deadline, control_group(machine), cable_up=cable_up)
    wait_for_port(machine, supervisor, 22, deadline)
    return supervisor


def control_group(machine: Machine) -> str:
    """Name of the control group in which a systemd host lives."""
    return f"{machine.network.bridge}-{machine.name}"


def _script(
    unshare: list[str], script: str, machine: Machine, deadline: float, *more: str, cable_up: bool
) -> Process:
    argv = [*unshare, "sh", str(Path(__file__).with_name(script)), str(machine.disk), machine.name]
    argv += [machine.lower, str(machine.console), *more]
    with subprocess.Popen(
        argv,
        env=ENV,
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us: we take the lab down in order
        bufsize=0,
    ) as child:
        try:
            pid = _converse(child, machine, deadline, cable_up=cable_up)
        except BaseException:
            child.kill()
            raise
    process = Process.of(pid)
    if process is None:
        raise DeployerError(f"{machine.name} died while booting: {_console(machine)}")
    return process


def init_below(pid: int) -> int | None:
    """The pid 1 of the pid namespace below a supervisor; ``None`` while it is between two lives."""
    for child in children(pid):
        if _numbers(child)[-1:] == ["1"]:
            return child
        if (found := init_below(child)) is not None:
            return found
    return None


def _numbers(pid: int) -> list[str]:
    """A process's pids, from our pid namespace down to its own (proc(5), NSpid); [] when it is in ours."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return []
    numbers = next((line.split()[1:] for line in lines if line.startswith("NSpid:")), [])
    return numbers if len(numbers) > 1 else []


def _converse(child: subprocess.Popen[bytes], machine: Machine, deadline: float, *, cable_up: bool) -> int:
    """Hold the conversation that talk.sh describes; the pid of the host's init."""
    if _line(child, deadline) != "mounted":
        raise _boot_error(child, machine)
    machine.network.plug(machine.number, child.pid, up=cable_up)
    net, number = machine.network, machine.number
    assert child.stdin is not None  # noqa: S101 - asked for with PIPE
    child.stdin.write(f"go {net.address(number)}/24 {net.address6(number)}/64\n".encode())
    child.stdin.close()
    answer = _line(child, deadline)
    if not answer.isdigit():
        raise _boot_error(child, machine)
    return int(answer)


def _line(child: subprocess.Popen[bytes], deadline: float) -> str:
    """One line of the child's output; empty at its end."""
    assert child.stdout is not None  # noqa: S101 - asked for with PIPE
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([child.stdout], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise DeployerError(f"a host did not boot within {BOOT_WITHIN_S:.0f} s")
        byte = os.read(child.stdout.fileno(), 1)
        if not byte:
            return ""
        line += byte
    return line.decode().strip()


def _boot_error(child: subprocess.Popen[bytes], machine: Machine) -> UsageError:
    assert child.stderr is not None  # noqa: S101 - asked for with PIPE
    said = child.stderr.read().decode(errors="replace").strip() or "no reason given"
    return UsageError(
        f"{machine.name} cannot be booted ({said.splitlines()[0]}); the lab needs root and a kernel that "
        "allows overlay mounts and mount, pid, uts, ipc and network namespaces"
    )


def wait_for_port(machine: Machine, process: Process, port: int, deadline: float) -> None:
    """Wait until something in the host listens on ``port``, seen without sending it anything."""
    while not listens(process.pid, port):
        if not process.alive:
            raise DeployerError(f"{machine.name} died while booting: {_console(machine)}")
        if time.monotonic() > deadline:
            raise DeployerError(f"nothing listens on port {port} of {machine.name}: {_console(machine)}")
        time.sleep(0.01)


def listens(pid: int, port: int) -> bool:
    """Whether a TCP socket in ``pid``'s network namespace listens on ``port``."""
    wanted = f"{port:04X}"
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, *_ = line.split()
            if state == _LISTEN and local.endswith(f":{wanted}"):
                return True
    return False


def _console(machine: Machine) -> str:
    try:
        lines = machine.console.read_text(errors="replace").strip().splitlines()
    except FileNotFoundError:
        lines = []
    return " / ".join(lines[-3:]) or "its console is empty"
