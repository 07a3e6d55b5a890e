"""This program, brought into a host of the lab: a controller that is a host itself, with an init of its own.

A host sees the machine's ``/usr`` and ``/etc``. The directories of the program and of its virtual environment
are mounted into it where they are here, read-only.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import deployer
from deployer.lab.host import LabHost

TREE = Path(deployer.__file__).parents[1]
PLACES = tuple(dict.fromkeys((Path(sys.prefix), TREE)))

# open_tree(2), setns(2), move_mount(2): a mount carried from this mount namespace into another.
_CARRY = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    answer = libc.syscall(*arguments)
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(arguments))
    return answer
pid, place = sys.argv[1], os.fsencode(sys.argv[2])
tree = call(428, -100, place, 1 | os.O_CLOEXEC)
root = os.open(f"/proc/{pid}/root", os.O_PATH)
space = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
if libc.setns(space, 0x20000):
    raise OSError(ctypes.get_errno(), "setns")
os.fchdir(root)
os.chroot(".")
os.makedirs(place, exist_ok=True)
call(429, tree, b"", -100, place, 4)
"""


def carry(host: LabHost) -> None:
    """Mount what the program needs; it lasts until the host is switched off."""
    for place in PLACES:
        argv = [sys.executable, "-c", _CARRY, str(host.pid), str(place)]
        subprocess.run(argv, check=True, timeout=30, capture_output=True)
        host.run(["mount", "-o", "remount,bind,ro", str(place)])
