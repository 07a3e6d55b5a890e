"""Two real nginx with the same ports, each in a network namespace of its own: what is live, and a candidate.

Both have the same application behind them. Needs root, for the namespaces.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from deployer.comparison.inquiry import Inquirer, Inquiry, Scope
from deployer.host.exchange import Reply
from deployer.nginx.configuration import files_of_dump, parse
from deployer.nginx.sites import Sites, read

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
ADDRESS = "10.99.0.5"  #: of the host, beside loopback
POSSIBLE = os.geteuid() == 0 and all(shutil.which(x) for x in ("nginx", "ip", "unshare", "nsenter"))

APPLICATION = """
server { listen 127.0.0.1:9001; default_type text/html;
  location / { return 404 "no such page\\n"; }
  location = / { return 200 "<title>shop</title>\\n"; }
  location = /login { return 302 /account; }
  location = /account { return 200 "account of $http_host\\n"; }
  location /api/ { return 200 "api $request_uri\\n"; }
  location /big { add_header X-Big "0123456789012345678901234567890123456789"; return 200 "big\\n"; }
  location /now { return 200 "$request_id\\n"; }
}
server { listen 127.0.0.1:9002; default_type text/html; location / { return 200 "<title>blog</title>\\n"; } }
server { listen 127.0.0.1:9003; default_type text/html; location / { return 200 "anything: $uri\\n"; } }
"""


@dataclass
class Twin:
    """One nginx in a namespace; the way to it has the face of an SSH connection."""

    directory: Path
    servers: str
    main: str = ""
    application: str = APPLICATION
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    fd: int = -1
    ca: str | None = None

    def start(self) -> Twin:
        self.directory.mkdir(parents=True, exist_ok=True)
        setup = f"ip link set lo up && ip addr add {ADDRESS}/32 dev lo && echo up && exec cat"
        holder = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", setup], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.processes.append(holder)
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"up\n"
        self.fd = os.open(f"/proc/{holder.pid}/ns/net", os.O_RDONLY)
        self._nginx("application", self.application)
        self._nginx("nginx", self.servers, self.main)
        return self

    def _nginx(self, name: str, http: str, main: str = "") -> None:
        base = self.directory / name
        base.mkdir(exist_ok=True)
        temp = "".join(
            f"{kind}_temp_path {base}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        connections = "" if "worker_connections" in main else "worker_connections 512;"
        events = main if "events" in main else f"{main} events {{ {connections} }}"
        (base / "nginx.conf").write_text(
            f"daemon off; user root; worker_processes 1; pid {base}/pid; error_log {base}/error.log info;\n"
            f"{events}\nhttp {{ access_log off; {temp}\n{http}\n}}\n"
        )
        argv = ["nginx", "-p", str(base), "-c", str(base / "nginx.conf")]
        inside = ["nsenter", f"--net=/proc/{os.getpid()}/fd/{self.fd}"]
        tested = subprocess.run([*inside, *argv, "-t"], capture_output=True, text=True, check=False)
        assert tested.returncode == 0, tested.stderr
        process = subprocess.Popen([*inside, *argv], stderr=subprocess.DEVNULL)
        self.processes.append(process)
        deadline = time.monotonic() + 10
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while not children.read_text().split():
            assert process.poll() is None, (base / "error.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)

    @property
    def sites(self) -> Sites:
        base = self.directory / "nginx"
        argv = ["nginx", "-T", "-p", str(base), "-c", str(base / "nginx.conf")]
        inside = ["nsenter", f"--net=/proc/{os.getpid()}/fd/{self.fd}"]
        dump = subprocess.run([*inside, *argv], capture_output=True, check=True).stdout
        main, files = files_of_dump(dump)
        return read(parse(files, main))

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait(10)
        if self.fd >= 0:
            os.close(self.fd)

    # --- as deployer.checks.reach.Transport

    @property
    def is_open(self) -> bool:
        return True

    def open(self) -> None:
        """It always is."""

    def tunnel(self, address: str, port: int, *, timeout_s: float) -> socket.socket:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            assert _LIBC.setns(self.fd, _CLONE_NEWNET) == 0
            return socket.create_connection((address, port), timeout_s)
        finally:
            assert _LIBC.setns(home, _CLONE_NEWNET) == 0
            os.close(home)

    def call(self, command: str, *, timeout_s: float | None = None) -> Reply:
        raise AssertionError(f"an inquiry runs no command: {command} ({timeout_s})")


@contextlib.contextmanager
def twins(
    directory: Path,
    live: str,
    candidate: str,
    *,
    main: tuple[str, str] = ("", ""),
    application: str = APPLICATION,
) -> Iterator[tuple[Twin, Twin]]:
    """Both, running."""
    made = (
        Twin(directory / "live", live, main[0], application),
        Twin(directory / "candidate", candidate, main[1], application),
    )
    try:
        for one in made:
            one.start()
        yield made
    finally:
        for one in made:
            one.stop()


def inquire(
    directory: Path,
    live: str,
    candidate: str,
    scope: Scope | None = None,
    *,
    main: tuple[str, str] = ("", ""),
    application: str = APPLICATION,
) -> Inquiry:
    """Ask both, and compare."""
    with twins(directory, live, candidate, main=main, application=application) as (one, two):
        return Inquirer((one.sites, two.sites), (one, two), scope or Scope()).run()
