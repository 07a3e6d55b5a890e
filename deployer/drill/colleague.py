"""A colleague who began a deployment at a laptop's terminal, was asked, and went to lunch.

``python -m deployer.drill.colleague DIRECTORY`` keeps the terminal open; when it is killed the terminal
closes and the deployment ends. Prints the pid of the laptop once the question
stands there.
"""

from __future__ import annotations

import os
import pty
import select
import sys
import time
from pathlib import Path

from deployer.drill.keeper import LIMIT_S
from deployer.drill.scene import Scene

ASKED_WITHIN_S = 120.0
LAPTOP = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts")
"""Processes and a name of its own: whether something lives there cannot be seen from here."""


def main() -> None:
    """Deploy ``main`` with the colleague's playbook, up to the question."""
    scene = Scene.load(Path(sys.argv[1]))
    env = {**scene.environment(), "DEPLOYER_PROJECT": str(scene.project_of_others), "TERM": "dumb"}
    named = ["sh", "-c", 'hostname anns-laptop && exec "$@"', "sh"]
    argv = [*LAPTOP, *named, *scene.program("deploy", "lab")]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(argv[0], argv, env)  # noqa: S606 - argv only, and this is the child
    said = b""
    deadline = time.monotonic() + ASKED_WITHIN_S
    while b"[y/N]" not in said:
        if not (read := _read(terminal, deadline)):
            sys.exit(said.decode(errors="replace"))
        said += read
    sys.stdout.write(f"{pid}\n")
    sys.stdout.flush()
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline and scene.directory.is_dir():
        if _readable(terminal) and not _read(terminal, deadline):
            return


def _readable(terminal: int) -> bool:
    return bool(select.select([terminal], [], [], 1.0)[0])


def _read(terminal: int, deadline: float) -> bytes:
    """What is written there next; nothing at its end, or after the deadline."""
    ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
    try:
        return os.read(terminal, 4096) if ready else b""
    except OSError:  # the other end is closed
        return b""


if __name__ == "__main__":
    main()
