"""A real sshd on a loopback port, with its own keys and configuration; no namespace, no lab."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deployer.host.ssh import Connection, SshOptions
from deployer.model import Host

KEY_TYPES = ("ed25519", "ecdsa", "rsa")


def keygen(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    bits = ["-b", "2048"] if kind == "rsa" else []
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, *bits, "-N", passphrase, "-C", "test", "-f", str(path)],
        check=True,
        timeout=30,
    )
    return path


def public(path: Path) -> str:
    kind, blob = path.with_name(path.name + ".pub").read_text().split()[:2]
    return f"{kind} {blob}"


@dataclass
class Sshd:
    """One sshd process group and the client's files that go with it."""

    directory: Path
    address: str
    port: int
    process: subprocess.Popen[bytes]
    user: str = field(default_factory=getpass.getuser)

    @property
    def key(self) -> Path:
        return self.directory / "client"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    @property
    def name(self) -> str:
        return f"[{self.address}]:{self.port}"

    def host_key(self, kind: str = "ed25519") -> str:
        return public(self.directory / f"host_{kind}")

    def trust(self, *lines: str) -> None:
        self.known_hosts.write_text("".join(f"{line}\n" for line in lines))

    def config(self, text: str = "", name: str = "config") -> Path:
        file = self.directory / name
        file.write_text(
            f"{text}\nHost *\n  IdentityFile {self.key}\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {self.known_hosts}\n  GlobalKnownHostsFile none\n"
        )
        return file

    def host(self, name: str = "web1", **changes: Any) -> Host:
        values: dict[str, Any] = {"address": self.address, "port": self.port, "user": self.user}
        return Host(name=name, **(values | changes))

    def connection(self, *, config: Path | None = None, connect_s: float = 10, **changes: Any) -> Connection:
        options = SshOptions(config_file=config or self.config(), connect_timeout_s=connect_s)
        return Connection(self.host(**changes), options)

    def signal(self, number: int) -> None:
        os.killpg(self.process.pid, number)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.process.terminate()
        self.process.wait(timeout=10)


StartSshd = Callable[..., Sshd]


@pytest.fixture(scope="module")
def client_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return keygen(tmp_path_factory.mktemp("client") / "client")


@pytest.fixture(scope="module")
def start_sshd(tmp_path_factory: pytest.TempPathFactory, client_key: Path) -> Iterator[StartSshd]:
    """Start an sshd: ``start_sshd(*lines of sshd_config, address=…, keys=…)``."""
    binary = shutil.which("sshd", path="/usr/sbin:/usr/bin")
    if not binary or os.geteuid() != 0:
        pytest.skip("needs sshd and root")
    Path("/run/sshd").mkdir(exist_ok=True)
    running: list[Sshd] = []

    def start(*lines: str, address: str = "127.0.0.1", keys: tuple[str, ...] = KEY_TYPES[:1]) -> Sshd:
        directory = tmp_path_factory.mktemp("sshd")
        for name in ("client", "client.pub"):
            shutil.copy(client_key.with_name(name), directory / name)
        authorized = directory / "authorized_keys"
        authorized.write_text(public(directory / "client") + "\n")
        port = _free_port(address)
        own = "\n".join(f"HostKey {keygen(directory / f'host_{kind}', kind)}" for kind in keys)
        text = "\n".join(lines)
        (directory / "sshd_config").write_text(
            f"{text}\n{own}\nListenAddress {f'[{address}]' if ':' in address else address}\nPort {port}\n"
            f"AuthorizedKeysFile {authorized}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nPidFile none\nPermitRootLogin yes\nPrintMotd no\n"
            "SetEnv SHLVL=2\n"  # else bash reads the start-up files of whoever runs the tests
        )
        process = subprocess.Popen(
            [binary, "-D", "-e", "-f", str(directory / "sshd_config")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(directory / "log").open("wb"),
            start_new_session=True,
        )
        sshd = Sshd(directory, address, port, process)
        running.append(sshd)
        _await_listening(sshd)
        sshd.trust(*(f"{sshd.name} {sshd.host_key(kind)}" for kind in keys))
        return sshd

    yield start
    for sshd in running:
        sshd.stop()


@pytest.fixture(scope="module")
def sshd(start_sshd: StartSshd) -> Sshd:
    """The plain one, shared by a module's tests; a test that changes known_hosts uses one of its own."""
    return start_sshd("MaxStartups 200", "MaxSessions 50")


def _free_port(address: str) -> int:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def _await_listening(sshd: Sshd) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            with socket.create_connection((sshd.address, sshd.port), timeout=1) as sock:
                if sock.recv(4) == b"SSH-":
                    return
        except OSError:
            if sshd.process.poll() is not None:
                break
            time.sleep(0.02)  # nothing to wait on before it listens
    raise RuntimeError((sshd.directory / "log").read_text())
