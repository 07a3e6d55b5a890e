"""What a host really holds: on disk, in memory, towards users. Nothing of deployer is asked."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from deployer.lab.host import LabHost

NOT_OURS = (".git", "modules-enabled")
IDENTITY = re.compile(rb"\nerror_log [^\n]* # deployer identity\n\Z")
ASK = (
    "exec 3<>/dev/tcp/127.0.0.1/80 && printf 'GET / HTTP/1.0\\r\\nHost: shop.example.com\\r\\n\\r\\n' >&3 && "
    "cat <&3"
)


@dataclass(frozen=True)
class Standing:
    """The number of the shop that stands on a host; ``None`` where it is none, or several."""

    disk: int | None
    memory: int | None
    answer: int | None
    guarded: bool  #: a guard is armed, or has not taken back yet what it should

    @property
    def number(self) -> int | None:
        """What stands on disk and in memory alike, and is served."""
        return self.disk if self.disk == self.memory == self.answer else None

    def __str__(self) -> str:
        return f"disk {self.disk}, memory {self.memory}, answer {self.answer}, guarded {self.guarded}"


@dataclass
class Proof:
    """Knows every shop that was ever committed."""

    by_tree: dict[str, int] = field(default_factory=dict)
    by_commit: dict[str, int] = field(default_factory=dict)

    def learn(self, number: int, commit: str, repo: Path) -> None:
        """That commit, which the working tree holds, is the shop of that number."""
        self.by_tree[digest(repo)] = number
        self.by_commit[commit[:12]] = number

    def standing(self, host: LabHost) -> Standing:
        """What stands there now. Every part is ``None`` where the host is off."""
        try:
            guarded = any(host.path("/var/lib/deployer/instance").glob("*/guard"))
            disk = self.by_tree.get(digest(host.path("/etc/nginx", follow=True)))
            return Standing(disk, self._memory(host), answer(host), guarded)
        except (OSError, subprocess.TimeoutExpired):
            return Standing(None, None, None, guarded=False)

    def _memory(self, host: LabHost) -> int | None:
        held = {release for pid in host.nginx_pids() for release in releases_of(pid)}
        return self.by_commit.get(held.pop()[:12]) if len(held) == 1 else None


def digest(top: Path) -> str:
    """Of all names below a directory, their kinds, contents and link targets; but for what is not ours."""
    found: list[bytes] = []
    for directory, folders, files in os.walk(top):
        folders[:] = [name for name in folders if name not in NOT_OURS]
        for name in (*files, *(f for f in folders if Path(directory, f).is_symlink())):
            path = Path(directory, name)
            where = str(path.relative_to(top))
            if path.is_symlink():
                found.append(f"link {where} {path.readlink()}".encode())
                continue
            content = path.read_bytes()
            if where == "nginx.conf":
                content = IDENTITY.sub(b"\n", content)
            runs = path.stat().st_mode & 0o100
            found.append(f"file {where} {runs} {hashlib.sha256(content).hexdigest()}".encode())
    return hashlib.sha256(b"\0".join(sorted(found))).hexdigest()


def releases_of(pid: int) -> set[str]:
    """Releases whose identity a process holds open; a worker that is shutting down does not count."""
    found = set()
    with suppress(OSError):
        if b"shutting down" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return set()
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                where = descriptor.readlink()
                if where.parent.name == "id":
                    found.add(where.name)
        return found or {"none"}
    return set()


def answer(host: LabHost) -> int | None:
    """The number of the shop that a user gets, asked on the host itself: it may be cut off."""
    said = host.run(["bash", "-c", ASK], check=False, timeout_s=5).stdout
    found = re.search(r"^shop (\d+)$", said, re.MULTILINE)
    return int(found[1]) if found and said.startswith("HTTP/1.1 200") else None
