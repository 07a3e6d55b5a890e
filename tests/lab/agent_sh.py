"""The agent's text, run on a lab host by hand: its tests do not depend on the Python that calls it."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from deployer.host import payload, program
from deployer.host.reply import VerbAnswer, parse
from deployer.lab import boot
from deployer.lab.host import LabHost
from deployer.model import Entry, Kind, Manifest, Release
from tests.agent_text import agent

STATE = "/var/lib/deployer/nginx"
NO_MODES: Mapping[str, str] = MappingProxyType({})
SHELLS = (("dash",), ("busybox", "ash"), ("bash",))

Content = bytes | tuple[Kind, bytes | str] | None
"""A file's content, a link or executable with its kind, or ``None``: it goes."""


@dataclass
class AgentOn:
    """The agent on one host."""

    host: LabHost
    shell: Sequence[str] = ("sh",)
    header: dict[str, str | list[str]] = field(
        default_factory=lambda: {"target": "/etc/nginx", "state": STATE, "argv": ["nginx", "-t"]}
    )
    deployment: str = "d1"
    epoch: int = 0

    def start(
        self, *verbs: str, payload: bytes = b"", own: bool = True, **header: Any
    ) -> subprocess.Popen[bytes]:
        """Begin a call; its standard input is written and closed."""
        values: dict[str, str | list[str]] = {**self.header}
        if own:
            values |= {"deployment": self.deployment, "epoch": str(self.epoch), "controller": "test@here"}
        values |= {key.removesuffix("_"): value for key, value in header.items()}
        if "activate" in verbs and "arm" not in verbs:  # nothing is activated without a guard
            at = verbs.index("activate")
            verbs = (*verbs[:at], "arm", *verbs[at:])
            values.setdefault("within", "120000")
        lines = [
            f"{key}={one}\n"
            for key, value in values.items()
            for one in ([value] if isinstance(value, str) else value)
        ]
        pid = self.host.pid
        enter = ["nsenter", f"--target={pid}", "--mount", "--uts", "--ipc", "--net", "--pid", "--root"]
        command = [*enter, f"--wd=/proc/{pid}/root", *self.shell, *agent(*verbs)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=boot.ENV,
        )
        assert process.stdin
        self._input = "".join(lines).encode("utf-8", "surrogateescape") + b"\n" + payload
        return process

    def call(self, *verbs: str, payload: bytes = b"", own: bool = True, **header: Any) -> list[VerbAnswer]:
        """Run verbs; every one that ran has an answer. Nothing may be said on standard error."""
        process = self.start(*verbs, payload=payload, own=own, **header)
        stdout, stderr = process.communicate(self._input, timeout=90)
        assert not stderr, stderr.decode(errors="replace")
        answer = parse(stdout)
        assert answer, stdout
        assert answer.complete, stdout
        assert process.returncode == answer.verbs[-1].code
        return [verb for verb in answer.verbs if verb.code or verb.name != "arm" or "arm" in verbs]

    def ok(self, *verbs: str, payload: bytes = b"", own: bool = True, **header: Any) -> VerbAnswer:
        """Run verbs that must succeed; the last answer."""
        answers = self.call(*verbs, payload=payload, own=own, **header)
        last = answers[-1]
        assert last.code == 0, (last.name, last.fields)
        assert [a.name for a in answers] == list(verbs)
        return last

    def refused(
        self, code: int, *verbs: str, payload: bytes = b"", own: bool = True, **header: Any
    ) -> VerbAnswer:
        """Run verbs of which the last that runs must refuse with that code, in one sentence."""
        last = self.call(*verbs, payload=payload, own=own, **header)[-1]
        assert last.code == code, (last.name, last.fields, last.code)
        assert len(last.all("error")) == 1
        return last

    # --- steps

    def begin(self, deployment: str = "d1", **header: Any) -> None:
        self.deployment = deployment
        text = program.bundled()
        self.ok("install", payload=text.text, own=False, sha256=text.sha256)
        self.epoch = int(self.ok("begin", **header).one("epoch"))

    def adopt(self, **header: Any) -> str:
        return self.ok("adopt", **header).one("baseline")

    def observe(self, **header: Any) -> VerbAnswer:
        return self.ok("observe", own=False, **header)

    def manifest(self, release: str = "") -> Manifest:
        header: dict[str, Any] = {"release": release} if release else {}
        blob = self.ok("manifest", own=False, **header).blob
        assert blob is not None
        return Manifest.decode(blob)

    def stage_header(
        self, base_id: str, release: Release, modes: Mapping[str, str] = NO_MODES
    ) -> tuple[dict[str, Any], bytes]:
        """Header and payload of ``stage``."""
        return packed_release(self.manifest(base_id), base_id, release, modes)

    def stage(
        self, base_id: str, release: Release, *verbs: str, modes: Mapping[str, str] = NO_MODES
    ) -> VerbAnswer:
        header, tar = self.stage_header(base_id, release, modes)
        return self.ok("stage", *verbs, payload=tar, **header)

    def activate(self, release: str, from_: str, **header: Any) -> VerbAnswer:
        """Arm, activate and confirm: the answer to activate."""
        answers = self.call("activate", "confirm", release=release, from_=from_, **header)
        assert [(a.name, a.code) for a in answers] == [("activate", 0), ("confirm", 0)], answers
        return answers[0]

    def restore(self, release: str, **header: Any) -> VerbAnswer:
        return self.ok("restore", release=release, **header)

    def adopted(self) -> str:
        """Begin and adopt: the baseline."""
        self.begin()
        return self.adopt()

    def deployed(self, base_id: str, release: Release) -> str:
        """Stage, validate, activate, promote."""
        self.stage(base_id, release, "validate")
        live = self.observe().one("live")
        answer = self.activate(release.id, live)
        assert answer.one("memory") == release.id
        self.ok("promote", release=release.id)
        return release.id


def release_of(base: Manifest, changes: Mapping[str, Content], commit: str = "c0ffee") -> Release:
    """A release that differs from a manifest by these paths."""
    entries, blobs = dict(base.by_path), {}
    for path, content in changes.items():
        kind, data = content if isinstance(content, tuple) else (Kind.FILE, content)
        if data is None:
            entries.pop(path)
        elif isinstance(data, str):
            entries[path] = Entry(path, kind, data)
        else:
            digest = hashlib.sha256(data).hexdigest()
            blobs[digest] = data
            entries[path] = Entry(path, kind, digest)
    return Release(
        commit.ljust(40, "0"), "5" * 40, Manifest.of(entries.values()), lambda digest: blobs[digest]
    )


def packed_release(
    base: Manifest, base_id: str, release: Release, modes: Mapping[str, str] = NO_MODES
) -> tuple[dict[str, Any], bytes]:
    """Header and payload of ``stage``."""
    built = payload.build(base, release, modes=modes, main="nginx.conf")
    header: dict[str, Any] = {
        "release": release.id,
        "tree_hash": release.manifest.hash,
        "base": base_id,
        "commit": release.commit,
        "source_hash": release.source_hash,
        "mode": list(built.modes),
    }
    return header, built.tar


def site(port: int, answer: str = "one", before: str = "") -> bytes:
    """A server block."""
    return f"{before}server {{ listen {port}; location / {{ return 200 {answer}; }} }}\n".encode()


def script(host: LabHost, *lines: str) -> str:
    """Run commands on the host, in /etc/nginx; the first that fails ends the test. What they print."""
    return host.run(["sh", "-ec", "\n".join(["cd /etc/nginx", *lines])]).stdout


def reload(host: LabHost) -> None:
    """Reload nginx by hand, and wait until only new workers run."""
    time.sleep(0.05)  # a worker's age is known to a hundredth of a second only: what was written is older
    master = int(host.read("/run/nginx.pid"))
    children = f"cat /proc/{master}/task/{master}/children"
    before = set(host.run(["sh", "-c", children]).stdout.split())
    host.nginx("-s", "reload")
    wait_for(
        lambda: before.isdisjoint(set(host.run(["sh", "-c", children]).stdout.split()) or before),
        "new workers",
    )


def get(host: LabHost, port: int) -> str:
    """What the host answers on a port of its loopback, empty when nothing listens."""
    ask = f"exec 3<>/dev/tcp/127.0.0.1/{port} && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && tail -n 1 <&3"
    return host.run(["bash", "-c", ask], check=False).stdout


def listing(host: LabHost, path: str, *, times: bool = True) -> str:
    """Everything that can be seen of a tree: type, mode, owner, times, sizes, links, content."""
    stamp = "%T@ " if times else ""
    seen = host.run(["find", path, "-printf", f"%P %y %m %u:%g {stamp}%s %l\\n"]).stdout
    inside = "cd $0 && find . -type f -exec sha256sum {} + | sort; getfattr -hRP -d -m '^user\\.' ."
    content = host.run(["sh", "-c", inside, path]).stdout
    return "\n".join([*sorted(seen.splitlines()), content])


def wait_for(condition: Callable[[], bool], what: str, within_s: float = 10.0) -> None:
    """Poll until it is so."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} within {within_s:g} s"
        time.sleep(0.02)


def sweep(limit: int) -> Iterator[int]:
    """Points to break something at: with ``DEPLOYER_SWEEP=all`` all up to ``limit``, otherwise a sample.

    The sample's seed is printed, and taken from ``DEPLOYER_SWEEP_SEED`` to try one again.
    """
    if os.environ.get("DEPLOYER_SWEEP") == "all":
        yield from range(1, limit)
        return
    seed = os.environ.get("DEPLOYER_SWEEP_SEED") or str(random.randrange(10**6))  # noqa: S311 - no secret
    print(f"DEPLOYER_SWEEP_SEED={seed}")
    dice = random.Random(seed)  # noqa: S311
    at = dice.randint(1, 8)
    while at < limit:
        yield at
        at += dice.randint(6, 14)
    yield limit
