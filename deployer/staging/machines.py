"""From a design to hosts of a lab: disks filled, stand-ins started, nginx brought up."""

from __future__ import annotations

import base64
import json
import os
import secrets as random
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import deployer
from deployer.errors import DeployerError, Refused
from deployer.lab import root
from deployer.staging.design import ELSEWHERE, Design, Image, Stub, certificate_names
from deployer.staging.remedy import Missing, complaint, remedy

if TYPE_CHECKING:
    from deployer.lab.fleet import Lab
    from deployer.lab.host import LabHost
    from deployer.staging.certificates import Authority

OUTSIDE = "outside"
"""The host of the lab that has all addresses of the world outside, and no nginx."""
READY_S = 60.0
TEST_S = 60.0
_REMEDIES = 40
_FIRST_UID = 900


class Machines:
    """Fills the disks of a lab's hosts; ``lab.up`` calls :meth:`seed` for each.

    :param names: the lab's name of each host of the inventory.
    """

    def __init__(
        self, design: Design, names: Mapping[str, str], authority: Authority, directory: str
    ) -> None:
        self._design, self._names, self._directory = design, names, directory
        self._authority = authority
        self._images = {names[image.host]: image for image in design.images}

    def seed(self, host: LabHost) -> None:
        """Fill one host's disk, before it is switched on."""
        upper = host.disk / "upper"
        host.disk.parent.chmod(0o700)  # a configuration is not for every user of this machine
        _remove(upper / "etc/nginx")
        if (image := self._images.get(host.name)) is None:
            root.mkdir(upper / "etc/nginx", opaque=True)
            root.write(upper / "etc/lab-network", _WORLD)
            return
        root.mkdir(_below(upper, self._directory), opaque=True)
        for path in image.directories:
            if not _volatile(path):
                _made(_below(upper, path))
        self._files(upper, image)
        _users(upper, host.disk.parents[1] / "fs/shared/etc", image.users)
        self._network(upper, host, image)

    def _files(self, upper: Path, image: Image) -> None:
        private = {pair.key for pair in image.secrets.pairs} | image.secrets.tickets | image.secrets.phrases
        for path, content in image.files.items():
            mode = 0o600 if path in private else 0o755 if path in image.executable else 0o644
            _put(upper, path, content, mode)
        for path, to in image.links.items():
            where = _below(upper, path)
            _made(where.parent)
            if not where.exists() and not where.is_symlink():
                where.symlink_to(to)
        kept = image.secrets
        names = certificate_names(image)
        made: dict[str, tuple[bytes, bytes]] = {}
        for pair in kept.pairs:
            if {pair.certificate, pair.key} <= image.files.keys():
                continue
            certificate, key = made.setdefault(
                pair.certificate, self._authority.pair(names[pair.certificate])
            )
            both = certificate + key if pair.certificate == pair.key else certificate
            _put(upper, pair.key, key, 0o600)
            _put(upper, pair.certificate, both, 0o600 if pair.certificate == pair.key else 0o644)
        for path in kept.tickets - image.files.keys():
            _put(upper, path, random.token_bytes(80), 0o600)
        for path in kept.phrases - image.files.keys():
            _put(upper, path, b"\n", 0o600)
        for path in kept.trusted - image.files.keys():
            _put(upper, path, self._authority.pem, 0o644)

    def _network(self, upper: Path, host: LabHost, image: Image) -> None:
        lab = host.lab
        outside = lab.host(OUTSIDE)
        lines = [f"address add {a}/{128 if ':' in a else 32} dev lo" for a in image.addresses]
        lines += [f"route add default via {outside.address} dev eth0"]
        lines += [f"route add default via {outside.address6} dev eth0"]
        root.write(upper / "etc/lab-network", "\n".join(lines) + "\n")
        hosts = ["127.0.0.1 localhost", "::1 localhost", f"{host.address} {host.name}"]
        hosts += [f"{host.address} {name}" for name in image.names if name not in self._names]
        hosts += [f"{lab.host(machine).address} {name}" for name, machine in self._names.items()]
        hosts += [f"{address} {name}" for name, address in self._design.names.items()]
        root.write(upper / "etc/hosts", "\n".join(dict.fromkeys(hosts)) + "\n")


_LINKS = {
    "/var/run": "/run",
    "/lib": "/usr/lib",
    "/bin": "/usr/bin",
    "/sbin": "/usr/sbin",
    "/lib64": "/usr/lib64",
}
# In the main table, or they would outrank the way back to the hosts.
_WORLD = "route add local 0.0.0.0/0 dev lo table main\nroute add local ::/0 dev lo table main\n"


def start_stubs(lab: Lab, design: Design, names: Mapping[str, str], authority: Authority) -> list[str]:
    """Start what stands in for the servers behind nginx; it ends with the lab.

    :returns: sentences: what could not be had.
    :raises DeployerError: it does not start.
    """
    listeners = [line for stub in design.stubs for line in _listeners(lab, stub, names)]
    if not listeners:
        return []
    certificate, key = authority.pair(sorted(design.names) or ["staging.invalid"])
    (lab.directory / "stub.pem").write_bytes(certificate)
    (lab.directory / "stub.key").touch(mode=0o600)
    (lab.directory / "stub.key").write_bytes(key)
    spec = lab.directory / "stubs.json"
    document: dict[str, Any] = {
        "pids": {host.name: host.pid for host in lab.hosts},
        "names": dict(design.names),
        "listeners": listeners,
        "certificate": str(lab.directory / "stub.pem"),
        "key": str(lab.directory / "stub.key"),
    }
    spec.touch(mode=0o600)
    spec.write_text(json.dumps(document))
    package = str(Path(deployer.__file__).parents[1])
    # In the pid namespace of a host of the lab: whatever ends the lab ends this, too.
    argv = ["nsenter", f"--target={lab.host(OUTSIDE).pid}", "--pid", "--"]
    argv += [sys.executable, "-m", "deployer.staging.stub", str(spec)]
    with (lab.directory / "stubs.log").open("wb") as log:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env={"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": package, "LANG": "C.UTF-8"},
            cwd="/",
            start_new_session=True,
        )
    said = _first_line(child, READY_S)
    try:
        failed = json.loads(said)["failed"]
    except (ValueError, KeyError):
        child.kill()
        log_said = (lab.directory / "stubs.log").read_text(errors="replace").strip().splitlines()
        why = log_said[-1] if log_said else "it said nothing"
        raise DeployerError(f"what stands in for the upstreams did not start: {why}") from None
    return [f"no stand-in for {text}" for text in failed]


def bring_up(host: LabHost, title: str, *, hide: Callable[[str], str] = str) -> list[str]:
    """Have nginx run on its image; what the machine around it lacks is made on the way.

    :param hide: takes secrets out of what nginx quotes.
    :returns: sentences: what was made.
    :raises Refused: the configuration does not validate, and nothing here can help it.
    """
    done: list[str] = []
    for _ in range(_REMEDIES):
        tested = host.run(["nginx", "-t"], check=False, timeout_s=TEST_S)
        said = tested.stderr + tested.stdout
        if tested.returncode == 0:
            break
        found = remedy(said)
        told = f"{title}: made for nginx: {found.missing} {found.what}" if found else ""
        if found is None or told in done:
            raise Refused(
                f"the live configuration of {title} does not validate in staging: {hide(complaint(said))}; "
                "nothing was left behind"
            )
        _make(host, found.missing, found.what)
        done.append(told)
    if not host.nginx_pids():
        started = host.run(["nginx"], check=False, timeout_s=TEST_S)
        if started.returncode:
            raise Refused(
                f"nginx does not start on the live configuration of {title} in staging: "
                f"{hide(complaint(started.stderr))}; nothing was left behind"
            )
    return done


def _make(host: LabHost, missing: Missing, what: str) -> None:
    if missing is Missing.NAME:
        with host.path("/etc/hosts", follow=True).open("a") as file:
            file.write(f"{ELSEWHERE[-2]} {what}\n")
    elif missing is Missing.DIRECTORY:
        host.run(["mkdir", "-p", "--", what])
    elif missing is Missing.ADDRESS:
        host.run(["ip", "address", "replace", what, "dev", "lo"])
    else:
        _append(host.path("/etc/group", follow=True), f"{what}:x:{_FIRST_UID + 50}:\n")
        if missing is Missing.USER:
            line = f"{what}:x:{_FIRST_UID + 50}:{_FIRST_UID + 50}::/nonexistent:/usr/sbin/nologin\n"
            _append(host.path("/etc/passwd", follow=True), line)


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def _listeners(lab: Lab, stub: Stub, names: Mapping[str, str]) -> list[dict[str, Any]]:
    server = stub.server
    rules = [
        [r.name, r.path, r.status, r.location, r.kind, _text(r.body), [list(h) for h in r.headers]]
        for r in stub.rules
    ]
    told: dict[str, Any] = {
        "written": server.written,
        "protocol": server.protocol,
        "tls": server.tls,
        "status": stub.status,
        "to": stub.to,
        "rules": rules,
    }
    if not server.port:
        return [
            {**told, "host": names[h], "unix": _place(lab.host(names[h]), server.host)} for h in stub.hosts
        ]
    where = {**told, "port": server.port}
    if server.here:
        local = "127.0.0.1" if server.host == "localhost" else server.host
        both = [local, "::1"] if server.host == "localhost" else [local]
        return [{**where, "host": names[h], "address": a} for h in stub.hosts for a in both]
    return [{**where, "host": OUTSIDE, "address": stub.address}]


def _place(host: LabHost, path: str) -> str:
    """See to it that a socket can be made there on the host."""
    host.run(["mkdir", "-p", "--", str(Path(path).parent)])
    return path


def _text(body: bytes | None) -> str | None:
    return None if body is None else base64.b64encode(body).decode()


def _first_line(child: subprocess.Popen[bytes], within_s: float) -> str:
    assert child.stdout is not None  # noqa: S101 - asked for with PIPE
    deadline, line = time.monotonic() + within_s, b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([child.stdout], [], [], max(0.0, deadline - time.monotonic()))
        data = os.read(child.stdout.fileno(), 1 << 16) if ready else b""
        if not data:
            return ""
        line += data
    return line.decode()


def _users(upper: Path, etc: Path, users: Sequence[str]) -> None:
    known = {line.partition(":")[0] for line in (etc / "passwd").read_text().splitlines()}
    missing = [user for user in users if user not in known]
    if not missing:
        return
    for name, line in (
        ("passwd", "{0}:x:{1}:{1}::/nonexistent:/usr/sbin/nologin\n"),
        ("group", "{0}:x:{1}:\n"),
    ):
        more = "".join(line.format(user, _FIRST_UID + n) for n, user in enumerate(missing))
        root.write(upper / "etc" / name, (etc / name).read_text() + more)


def _volatile(path: str) -> bool:
    """Whether it is on a disk that is empty at each start."""
    return f"{path}/".startswith(("/run/", "/var/run/", "/tmp/", "/dev/"))  # noqa: S108 - of the host


def _put(upper: Path, path: str, content: bytes, mode: int) -> None:
    if _volatile(path):
        return
    where = _below(upper, path)
    _made(where.parent)
    if where.is_symlink():
        where.unlink()
    root.write(where, content, mode)


def _below(upper: Path, path: str) -> Path:
    path = os.path.normpath(path)
    for link, to in _LINKS.items():
        if path.startswith(f"{link}/"):
            path = to + path.removeprefix(link)
    return upper / path.lstrip("/")


def _made(directory: Path) -> None:
    """Make a directory and those above it, 0755 as packages do; what is there keeps its mode."""
    for each in reversed((directory, *directory.parents)):
        if not each.exists():
            each.mkdir(mode=0o755)
            each.chmod(0o755)


def _remove(tree: Path) -> None:
    import shutil

    if tree.exists():
        shutil.rmtree(tree)
