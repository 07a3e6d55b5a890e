"""A host in a box: mount and pid namespaces of its own, so the agent can work here as root without a lab.

What it manages is no nginx but a directory with a validator and a reload command that the test writes, so
only what stands on disk can be proved; nothing outlives the box, what was started detached included.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployer.host import program
from deployer.host.reply import VerbAnswer, parse
from tests.agent_text import agent
from tests.lab.agent_sh import packed_release, release_of

SHELLS = (("dash",), ("busybox", "ash"), ("bash",))
BASE = "/var/lib/deployer"
STATE = f"{BASE}/site"

# The agent's own directory and /usr/local/sbin are the box's; the rest is this machine's, as it is.
_BOOT = """
set -e
mount -t overlay -o "lowerdir=/var/lib,upperdir=$1/lib,workdir=$1/work" overlay /var/lib
mount --bind "$1/sbin" /usr/local/sbin
echo booted
exec tail -f /dev/null
"""


@dataclass
class Box:
    """One host. ``reboot`` ends every process and keeps the disk."""

    directory: Path
    shell: Sequence[str] = ("sh",)
    deployment: str = "d1"
    epoch: int = 0
    _init: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("lib", "work", "sbin", "etc/site"):
            (self.directory / name).mkdir(parents=True)
        self.target = self.directory / "etc/site"
        (self.target / "page").write_text("one\n")
        self.program("validator", "exit 0")
        self.program("loader", "exit 0")
        self.start()

    # --- power

    def start(self) -> None:
        own = ["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]
        self._init = subprocess.Popen(
            [*own, "--propagation=private", "sh", "-c", _BOOT, "init", str(self.directory)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert self._init.stdout
        assert self._init.stdout.readline() == b"booted\n"

    def stop(self) -> None:
        if self._init is not None:
            self._init.kill()
            self._init.communicate()
            self._init = None

    def reboot(self) -> None:
        self.stop()
        self.start()

    @property
    def pid(self) -> int:
        assert self._init is not None
        children = Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children").read_text()
        return int(children)

    # --- calling

    def run(self, *argv: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--pid"]
        return subprocess.run([*enter, *argv], input=stdin, capture_output=True, timeout=60, check=False)

    def call(self, *verbs: str, payload: bytes = b"", own: bool = True, **header: Any) -> list[VerbAnswer]:
        """Run verbs; every one that ran has an answer. Nothing may be said on standard error."""
        values: dict[str, str | list[str]] = {
            "target": str(self.target),
            "state": STATE,
            "argv": "/usr/local/sbin/validator",
            "reload": "/usr/local/sbin/loader",
        }
        if own:
            values |= {"deployment": self.deployment, "epoch": str(self.epoch), "controller": "test@here"}
        values |= {key.removesuffix("_"): value for key, value in header.items()}
        lines = [
            f"{key}={one}\n"
            for key, value in values.items()
            for one in ([value] if isinstance(value, str) else value)
        ]
        done = self.run(
            *self.shell,
            *agent(*verbs),
            stdin="".join(lines).encode() + b"\n" + payload,
        )
        assert not done.stderr, done.stderr.decode()
        answer = parse(done.stdout)
        assert answer, done.stdout
        assert answer.complete, done.stdout
        assert done.returncode == answer.verbs[-1].code, done.stdout
        return list(answer.verbs)

    def ok(self, *verbs: str, **more: Any) -> VerbAnswer:
        """Run verbs that must succeed; the last answer."""
        last = self.call(*verbs, **more)[-1]
        assert last.code == 0, (last.name, last.fields)
        return last

    def refused(self, code: int, *verbs: str, **more: Any) -> VerbAnswer:
        """Run verbs of which the last that runs must refuse with that code, in one sentence."""
        last = self.call(*verbs, **more)[-1]
        assert last.code == code, (last.name, last.fields, last.code)
        assert len(last.all("error")) == 1
        return last

    # --- steps

    def install(self) -> None:
        text = program.bundled()
        self.ok("install", payload=text.text, own=False, sha256=text.sha256)

    def begin(self, deployment: str = "d1", **header: Any) -> None:
        self.deployment = deployment
        self.epoch = int(self.ok("begin", **header).one("epoch"))

    def observe(self) -> VerbAnswer:
        return self.ok("observe", own=False, survey="no")

    def adopted(self) -> str:
        """Install, begin and adopt: the baseline."""
        self.install()
        self.begin()
        return self.ok("adopt").one("baseline")

    def staged(self, base: str, text: str) -> str:
        """Stage and validate a release whose page says this: its id."""
        release = release_of(self.manifest(base), {"page": f"{text}\n".encode()}, text)
        header, tar = packed_release(self.manifest(base), base, release)
        self.ok("stage", "validate", payload=tar, **header)
        return release.id

    def manifest(self, release: str) -> Any:
        from deployer.model import Manifest

        blob = self.ok("manifest", own=False, release=release).blob
        assert blob is not None
        return Manifest.decode(blob)

    def activated(self, release: str, from_: str, within_s: float) -> VerbAnswer:
        """Arm and activate."""
        header = {"release": release, "from_": from_, "within": str(round(within_s * 1000))}
        return self.ok("arm", "activate", **header)

    # --- looking past the agent

    @property
    def page(self) -> str:
        """What stands at the target, followed as a process in the box would follow it."""
        return self.run("cat", str(self.target / "page")).stdout.decode().strip()

    @property
    def instance(self) -> Path:
        (found,) = (self.directory / "lib/deployer/instance").iterdir()
        return found

    @property
    def guardians(self) -> list[int]:
        """Processes that carry a guard, as the box numbers them."""
        # A child that was forked this moment still has its parent's arguments, but no session of its own.
        listed = self.run("ps", "-eo", "pid=,sid=,args=").stdout.decode().splitlines()
        found = [line.split(maxsplit=2) for line in listed if "agent.sh carry" in line]
        return [int(pid) for pid, session, _ in found if pid == session]

    def log(self) -> list[str]:
        """The host's own log."""
        return list(self.ok("log", own=False).all("log"))

    def replace(self, name: str, text: str) -> None:
        """Put a text in the place of a program, for the box alone; ``$REAL`` in it is the real one."""
        real = self.directory / "real" / name
        real.parent.mkdir(exist_ok=True)
        if not real.exists():
            shutil.copy(f"/usr/bin/{name}", real)
        self.program(name, f"REAL={real}\n{text}")
        done = self.run("mount", "--bind", str(self.directory / "sbin" / name), f"/usr/bin/{name}")
        assert done.returncode == 0, done.stderr

    def program(self, name: str, text: str) -> None:
        """Put a program of the box's own before all others."""
        path = self.directory / "sbin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)


def until(condition: Any, what: str, within_s: float = 10.0) -> float:
    """Poll until it is so; seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s, f"{what} within {within_s:g} s"
        time.sleep(0.02)
    return time.monotonic() - began


def boxed(directory: Path, shell: Sequence[str] = ("sh",)) -> Iterator[Box]:
    """A box that ends with the test."""
    import pytest

    if os.geteuid() != 0:
        pytest.skip("a box makes namespaces and mounts: run the tests as root")
    box = Box(directory, shell)
    try:
        yield box
    finally:
        box.stop()
