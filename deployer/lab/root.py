"""A host's disk: a layer that all hosts of a lab share, over the machine's root, and a seed for each.

A host sees the machine's programs (``/usr``) and the plain files of ``/etc``; everything in which a machine's
owner keeps things (``/home``, ``/root``, ``/var``, ``/opt``, work directories, users, start-up files, enabled
units) is replaced. The layers are made with overlayfs' own marks: a whiteout hides a name, an opaque
directory hides what is below it (kernel: Documentation/filesystems/overlayfs.rst).
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

_KEPT = frozenset({"bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc"})
_DEVICES = {"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9}
OPS, NOSUDO = 1001, 1002
_WWW_DATA, _ADM = 33, 4  # the same on every Debian (base-passwd)
_HOMES = {"root": (0, 0), "ops": (OPS, OPS), "nosudo": (NOSUDO, NOSUDO)}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_SSHD = """\
Include /etc/ssh/sshd_config.d/*.conf
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM yes
PrintMotd no
AcceptEnv LANG LC_*
Subsystem sftp /usr/lib/openssh/sftp-server
"""
_SUDOERS = f"""\
Defaults env_reset
Defaults secure_path="{_PATH}"
Defaults use_pty
root ALL=(ALL:ALL) ALL
ops ALL=(ALL:ALL) NOPASSWD: ALL
nosudo ALL=(ALL:ALL) ALL
@includedir /etc/sudoers.d
"""
_PAM = "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_unix.so\n"
_FILES = {
    "etc/environment": "",
    "etc/bash.bashrc": "",
    "etc/profile": f'PATH="{_PATH}"\nexport PATH\n',
    "etc/fstab": "",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
    "etc/resolv.conf": "# nothing answers here: a name that is not in /etc/hosts fails at once\n"
    "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
    "etc/ssh/sshd_config": _SSHD,
    "etc/pam.d/sshd": _PAM,
    "etc/pam.d/sudo": _PAM,
    "var/www/html/index.html": "<!DOCTYPE html>\n<title>lab</title>\n<p>nginx of the lab\n",
}


def mkdir(path: Path, mode: int = 0o755, owner: tuple[int, int] = (0, 0), *, opaque: bool = False) -> None:
    """Make a directory with exactly this mode, and its parents; ``opaque`` hides what is below it."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    os.chown(path, *owner)
    if opaque:
        os.setxattr(path, "trusted.overlay.opaque", b"y")


def write(path: Path, text: str | bytes, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> None:
    """Write a file with exactly this mode and owner."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    os.chown(path, *owner)


def make_shared(layer: Path, public_key: str, machine: Path = Path("/")) -> None:
    """Build the layer that all hosts of a lab share."""
    mkdir(layer)
    for entry in machine.iterdir():
        if entry.name not in _KEPT:
            os.mknod(layer / entry.name, stat.S_IFCHR, 0)  # a whiteout
    for name in ("dev", "proc", "sys", "run", "mnt", "tmp", "root", "home", "var"):
        (layer / name).unlink(missing_ok=True)
        mkdir(layer / name, 0o1777 if name == "tmp" else 0o755, opaque=True)
    _devices(layer / "dev")
    mkdir(layer / "etc")
    for name in (
        "profile.d",
        "sudoers.d",
        "ssh",
        "ssh/sshd_config.d",
        "systemd/system",
        "init.d",
        "update-motd.d",
    ):
        mkdir(layer / "etc" / name, opaque=True)
    mkdir(layer / "etc/systemd")
    mkdir(layer / "etc/pam.d")
    for name in ("lib/nginx", "log", "cache", "spool", "mail", "opt", "local", "backups", "www/html"):
        mkdir(layer / "var" / name)
    mkdir(layer / "var/tmp", 0o1777)
    (layer / "var/run").symlink_to("/run")
    (layer / "var/lock").symlink_to("/run/lock")
    for name, text in _FILES.items():
        write(layer / name, text)
    write(layer / "etc/sudoers", _SUDOERS, 0o440)
    _accounts(layer / "etc", machine / "etc")
    for user, (uid, gid) in _HOMES.items():
        home = layer / ("root" if user == "root" else f"home/{user}")
        mkdir(home, 0o700, (uid, gid), opaque=True)
        mkdir(home / ".ssh", 0o700, (uid, gid))
        write(home / ".ssh/authorized_keys", public_key, 0o600, (uid, gid))
    for name in ("usr", "usr/local", "usr/local/sbin"):
        mkdir(layer / name)
    write(layer / "usr/local/sbin/lab-init", Path(__file__).with_name("init.sh").read_bytes(), 0o755)


def add_systemd(layer: Path, machine: Path = Path("/")) -> None:
    """Make the shared layer boot systemd with ssh, nginx and what systemd itself brings, and nothing else."""
    units = layer / "etc/systemd/system"
    wanted = units / "multi-user.target.wants"
    mkdir(wanted)
    for unit in ("ssh.service", "nginx.service"):
        (wanted / unit).symlink_to(f"/lib/systemd/system/{unit}")
    (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
    for unit in ("console-getty.service", "getty-static.service", "container-getty@.service"):
        (units / unit).symlink_to("/dev/null")
    # Generators of other packages would start what the machine has configured, a database for example.
    generators = layer / "etc/systemd/system-generators"
    mkdir(generators, opaque=True)
    for found in machine.glob("usr/lib/systemd/system-generators/*"):
        if not found.name.startswith("systemd-"):
            (generators / found.name).symlink_to("/dev/null")
    write(layer / "etc/pam.d/sshd", _PAM + "session optional pam_systemd.so\n")


def _devices(dev: Path) -> None:
    for name, minor in _DEVICES.items():
        os.mknod(dev / name, stat.S_IFCHR, os.makedev(1, minor))
        (dev / name).chmod(0o666)
    os.mknod(dev / "tty", stat.S_IFCHR, os.makedev(5, 0))
    (dev / "tty").chmod(0o666)
    mkdir(dev / "pts")
    mkdir(dev / "shm")
    (dev / "ptmx").symlink_to("pts/ptmx")
    (dev / "fd").symlink_to("/proc/self/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (dev / name).symlink_to(f"/proc/self/fd/{number}")


def _accounts(etc: Path, machine_etc: Path) -> None:
    """The machine's system users (nginx and sshd run as them), without its people and their passwords."""
    users = _system(machine_etc / "passwd")
    groups = _system(machine_etc / "group")
    people = {"ops": OPS, "nosudo": NOSUDO}
    passwd = ["root:x:0:0:root:/root:/bin/bash"]
    passwd += [":".join(fields) for fields in users if fields[0] != "root"]
    passwd += [f"{name}:x:{uid}:{uid}::/home/{name}:/bin/bash" for name, uid in people.items()]
    group = [":".join([*fields[:3], ""]) for fields in groups]
    group += [f"{name}:x:{gid}:" for name, gid in people.items()]
    names = ["root", *(fields[0] for fields in users if fields[0] != "root"), *people]
    # "*" matches no password and yet is not "locked", so that keys are accepted.
    shadow = [f"{name}:*:19700:0:99999:7:::" for name in names]
    write(etc / "passwd", "\n".join(passwd) + "\n")
    write(etc / "group", "\n".join(group) + "\n")
    write(etc / "shadow", "\n".join(shadow) + "\n", 0o600)
    write(etc / "gshadow", "", 0o600)


def _system(file: Path) -> Iterable[list[str]]:
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    rows = [line.split(":") for line in lines if line.count(":") >= 3]
    return [row for row in rows if row[2].isdigit() and (int(row[2]) < 1000 or int(row[2]) == 65534)]


def seed(upper: Path, *, name: str, hosts: str, key: Path, tree: Path | None, machine_id: str) -> None:
    """Fill one host's own layer.

    :param hosts: text of ``/etc/hosts``.
    :param key: the ssh host key; its public half is beside it.
    :param tree: what becomes ``/etc/nginx``, as a directory of this layer alone so that it can be renamed
        (overlayfs answers EXDEV for one that a lower layer has a part in); ``None``: left to a lower layer.
    """
    mkdir(upper)
    mkdir(upper / "etc")
    mkdir(upper / "etc/ssh")
    write(upper / "etc/hostname", f"{name}\n")
    write(upper / "etc/hosts", f"127.0.0.1 localhost\n::1 localhost\n{hosts}")
    write(upper / "etc/machine-id", f"{machine_id}\n", 0o444)
    write(upper / "etc/ssh/ssh_host_ed25519_key", key.read_bytes(), 0o600)
    write(upper / "etc/ssh/ssh_host_ed25519_key.pub", key.with_suffix(".pub").read_bytes())
    if tree is not None:
        nginx_tree(upper / "etc/nginx", tree)
    mkdir(upper / "var")
    mkdir(upper / "var/log")
    mkdir(upper / "var/log/nginx", 0o755, (0, _ADM))
    for log in ("access.log", "error.log"):
        write(upper / "var/log/nginx" / log, "", 0o640, (_WWW_DATA, _ADM))


def nginx_tree(where: Path, tree: Path) -> None:
    """Copy ``tree`` to ``where`` as packages install it: root's, 0644 and 0755, links as they are."""
    mkdir(where, opaque=True)
    for directory, folders, files in os.walk(tree):
        if ".git" in folders:
            folders.remove(".git")
        target = where / Path(directory).relative_to(tree)
        for folder in folders:
            if not (Path(directory) / folder).is_symlink():
                mkdir(target / folder)
        for file in [*files, *(f for f in folders if (Path(directory) / f).is_symlink())]:
            source = Path(directory) / file
            if source.is_symlink():
                (target / file).symlink_to(source.readlink())
            else:
                shutil.copyfile(source, target / file)
                (target / file).chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)
    for empty in ("modules-enabled", "modules-available", "conf.d"):  # git does not know empty directories
        mkdir(where / empty)
