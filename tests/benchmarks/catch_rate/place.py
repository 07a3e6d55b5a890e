"""Makes a lab's host the one that the base is for: files, names, certificates, what is behind nginx."""

from __future__ import annotations

import datetime
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deployer.lab.host import LabHost
from tests.benchmarks.catch_rate.case import WWW_DATA, Base, Certificates

REPO = Path(__file__).resolve().parents[3]
PROGRAM_S = 7200.0  #: what stands behind nginx ends by itself after that
_WITHIN_S = 20.0
_DAY = datetime.timedelta(days=1)


class Authority:
    """A certificate authority with another one between it and the sites, as the public ones have."""

    def __init__(self, name: str) -> None:
        self._root_key, self._between_key = _key(), _key()
        root = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        between = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name}, between")])
        self.root = _sign(root, root, self._root_key, self._root_key, days=3650, authority=True)
        self._between = _sign(between, root, self._between_key, self._root_key, days=3000, authority=True)

    def issue(self, names: Sequence[str], days: int) -> tuple[str, str, str]:
        """Certificate, the one between, and key, as PEM."""
        key = _key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        leaf = _sign(subject, self._between.subject, key, self._between_key, days=days, names=names)
        return _pem(leaf), _pem(self._between), _key_pem(key)


def write_certificates(directory: Path, certificates: Certificates) -> Path:
    """Write all of them. The authority's own file, which users trust."""
    directory.mkdir(parents=True)
    authority, stranger = Authority("A test authority"), Authority("a machine")
    (directory / "authority.crt").write_text(_pem(authority.root))
    for by, issued in ((authority, certificates.issued), (stranger, certificates.strangers)):
        for name, (names, days) in issued.items():
            leaf, between, key = by.issue(names, days)
            (directory / f"{name}.crt").write_text(leaf + between)
            (directory / f"{name}-only.crt").write_text(leaf)
            (directory / f"{name}.key").write_text(key)
    for path in directory.iterdir():
        path.chmod(0o600 if path.suffix == ".key" else 0o644)
    return directory / "authority.crt"


def place(host: LabHost, base: Base, certificates: Path, tree: Path) -> None:
    """Furnish a host, with ``tree`` as its ``/etc/nginx``, and start nginx anew."""
    root = host.path("/")
    shutil.copytree(base.directory / "files", root, dirs_exist_ok=True)
    base.furnish(root)
    shutil.copytree(certificates, host.path(base.certificates.directory), dirs_exist_ok=True)
    hosts = root / "etc/hosts"
    known = hosts.read_text()
    hosts.write_text(known + "".join(f"{line}\n" for line in base.names if line not in known))
    _start_programs(host, base)
    host.stop_nginx()
    write_tree(host, base, tree)
    host.start_nginx()


def _start_programs(host: LabHost, base: Base) -> None:
    for module in base.programs:
        source = Path(*module.split(".")).with_suffix(".py")
        there = host.path("/opt") / source
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPO / source, there)
    program = f"cd /opt && setsid python3 -m {base.programs[-1]} {PROGRAM_S} </dev/null >/tmp/app.log 2>&1 &"
    host.run(["sh", "-c", program])
    _until(host.path(base.ready).exists, f"{host.name}: what stands behind nginx is not up")


def write_tree(host: LabHost, base: Base, tree: Path) -> None:
    """Make ``tree`` the host's ``/etc/nginx``, past any program."""
    live = host.path("/etc/nginx")
    if live.is_symlink():
        live.unlink()
    elif live.exists():
        shutil.rmtree(live)
    shutil.copytree(tree, live, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    for name in ("modules-enabled", "modules-available"):
        (live / name).mkdir(exist_ok=True)
    for private in live.glob(base.private) if base.private else ():
        os.chown(private, 0, WWW_DATA)


def load(host: LabHost) -> str:
    """Have nginx load its files as everybody does; what it said when it refused, else nothing."""
    log = host.path("/var/log/nginx/error.log")
    offset = log.stat().st_size if log.exists() else 0
    old = set(host.nginx_pids())
    host.nginx("-s", "reload")
    said = ""

    def settled() -> bool:
        nonlocal said
        new = log.read_bytes()[offset:].decode(errors="replace") if log.exists() else ""
        refused = [line for line in new.splitlines() if "[emerg]" in line and "still could not bind" in line]
        refused += [line for line in new.splitlines() if "[emerg]" in line and "bind() to" not in line]
        said = refused[0] if refused else ""
        now = set(host.nginx_pids())
        return bool(said) or (len(now & old) == 1 and len(now) > 1)

    _until(settled, f"{host.name}: nginx neither loads nor refuses")
    return said


def _until(done: Callable[[], bool], problem: str) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while not done():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{problem} within {_WITHIN_S:.0f} s")
        time.sleep(0.02)


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _sign(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    days: int,
    authority: bool = False,
    names: Sequence[str] = (),
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number())
    made = made.not_valid_before(now - 300 * _DAY).not_valid_after(now + days * _DAY)
    made = made.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if names:
        made = made.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False
        )
    return made.sign(signer, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    kind, no = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, kind, no).decode()
