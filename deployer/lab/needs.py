"""What a lab needs of the machine and of its directory, said in a sentence where it is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from deployer.errors import UsageError
from deployer.lab import state as states
from deployer.lab.network import MAX_HOSTS
from deployer.lab.state import MARK

_PROGRAMS = {
    "ip": "iproute2",
    "nginx": "nginx",
    "sshd": "openssh-server",
    "ssh-keygen": "openssh-client",
    "sudo": "sudo",
    "git": "git",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
}
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


def check_machine(hosts: int, init: str) -> None:
    """:raises UsageError: this machine, or whoever asks, cannot have such a lab."""
    if os.geteuid() != 0:
        raise UsageError("a lab makes namespaces and mounts: run it as root, or with sudo")
    if not 1 <= hosts <= MAX_HOSTS:
        raise UsageError(f"--hosts {hosts}: a lab has 1 to {MAX_HOSTS} hosts")
    programs = dict(_PROGRAMS)
    if init == "systemd":
        programs["systemd-nspawn"] = "systemd-container"
    missing = sorted({package for name, package in programs.items() if not shutil.which(name, path=_SBIN)})
    if missing:
        raise UsageError(f"the lab needs packages that are not here: apt-get install {' '.join(missing)}")
    filesystems = Path("/proc/filesystems").read_text().split()
    if "overlay" not in filesystems and subprocess.run(["modprobe", "-q", "overlay"], check=False).returncode:
        raise UsageError("this kernel has no overlay file system: the lab cannot make hosts of this machine")
    elsewhere = [name for name in ("/usr", "/etc") if Path(name).is_mount()]
    if elsewhere:
        raise UsageError(
            f"{elsewhere[0]} is a file system of its own: a lab's hosts are made of the root file system"
        )


class DirectoryTaken(UsageError):
    """Somebody else has, or makes, a lab in that directory."""


def check_directory(directory: Path) -> None:
    """Whether a lab may be made there. Needs the registry's lock, or two may be told yes.

    :raises UsageError: the directory is not there for a lab to take.
    :raises DirectoryTaken: another lab has it.
    """
    if any(character in str(directory) for character in '\n"'):
        raise UsageError(f"{directory}: a lab's directory has no quotes or newlines in its name")
    if (directory / MARK).is_file() and not _is_known(directory):
        states.remove_directory(directory)  # the machine was restarted under this lab
    if _is_known(directory):
        raise DirectoryTaken(
            f"{directory} is in use; take that lab down with deployer lab down, or choose another directory"
        )
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{directory} is in use, and not by a lab; choose another directory")


def _is_known(directory: Path) -> bool:
    return any(lab is not None and lab.directory == directory for _, lab in states.known())
