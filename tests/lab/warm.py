"""Starts the program as a process of its own, without loading it anew each time.

Loading takes longer than most of what a story does then. So one process loads it once and forks for every
start: what comes out has its own pid, session, homes, environment and streams, runs ``deployer.__main__`` and
may be killed. ``DEPLOYER_COLD=1`` starts every one from nothing instead, as people do; the tests of pages,
drills and terminals always do.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import inspect
import io
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from typing import Any

AT_START = ("PYTHON", "LANG", "LC_", "TZ", "LD_", "MALLOC_", "GLIBC_", "OPENSSL_", "SSL_")
"""Variables that an interpreter or a library looks at before the program does begin so."""

NOT_LOADED = ("deployer.__main__", "deployer.lab", "deployer.drill", "deployer.staging")
LIBRARIES = ("sqlalchemy.dialects.sqlite",)
BYTES = 1 << 16
FIRST_FREE = 3  #: after the standard streams


PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
USED = ("_close_pipe_fds", "_handle_exitstatus", "_internal_poll", "_try_wait")
"""What is used of ``subprocess.Popen`` that no documentation promises."""


def fits(env: dict[str, str]) -> bool:
    """Whether a start with this environment would not have differed before the program's first line."""
    return not os.environ.get("DEPLOYER_COLD") and _early(env) == _early(_ground()) and popen_is_known()


def popen_is_known() -> bool:
    """Whether this Python makes processes as is believed here; a start from nothing is never wrong."""
    execute = getattr(subprocess.Popen, "_execute_child", None)
    if execute is None or not all(hasattr(subprocess.Popen, name) for name in USED):
        return False
    if not hasattr(threading, "_shutdown") or not hasattr(atexit, "_run_exitfuncs"):
        return False
    return {"args", "cwd", "env", *PIPES} <= set(inspect.signature(execute).parameters)


def _early(env: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(AT_START) and value}


def _ground() -> dict[str, str]:
    """The environment that the program is loaded in."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if os.environ.get(name)}
    return {**kept, "LANG": "C.UTF-8"}


class Warm(subprocess.Popen[str]):
    """A program that was started so; to a test it is a process like every other."""

    # Popen makes the pipes, calls the first of these, and asks the others whether it has ended.

    def _execute_child(self, *given: Any, **named: Any) -> None:
        told = inspect.signature(super()._execute_child).bind(*given, **named).arguments  # type: ignore[misc]
        ends = [told[name] for name in PIPES]
        self._told = _nursery().bear(told["args"], str(told["cwd"]), told["env"], (ends[0], ends[3], ends[5]))
        self._close_pipe_fds(*ends)  # type: ignore[attr-defined]
        self.pid = int(self._word())
        self._child_created = True

    def _internal_poll(self, *_given: Any, **_named: Any) -> int | None:
        lock = self._waitpid_lock  # type: ignore[attr-defined]
        if self.returncode is None and lock.acquire(blocking=False):
            try:
                pid, status = self._try_wait(os.WNOHANG)
                if pid and self.returncode is None:
                    self._handle_exitstatus(status)  # type: ignore[attr-defined]
            finally:
                lock.release()
        return self.returncode

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        try:
            status = int(self._word(socket.MSG_DONTWAIT if wait_flags & os.WNOHANG else 0))
        except BlockingIOError:
            return 0, 0
        self._told.close()
        return self.pid, status

    def _word(self, flags: int = 0) -> str:
        """What is said of it next: its pid, then how it ended."""
        word = self._told.recv(BYTES, flags)
        assert word, "the process that keeps the program warm is gone"
        return word.decode()


class Nursery:
    """The process that has loaded the program. It ends with the one that made it."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            subprocess.Popen(
                [sys.executable, "-P", __file__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # A run knows by its environment what it left behind (script/lib.sh).
                env={**_ground(), "TESTS_ARE_IN": tempfile.gettempdir()},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def bear(self, args: list[str], cwd: str, env: dict[str, str], streams: tuple[int, ...]) -> socket.socket:
        """Start the program with these streams; where it is said how it goes."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            asked = json.dumps({"argv": args[args.index("deployer") + 1 :], "cwd": cwd, "env": env})
            socket.send_fds(self._socket, [asked.encode()], [*streams, theirs.fileno()])
        return ours


@cache
def _nursery() -> Nursery:
    return Nursery()


# --- in the process that has loaded the program


def load() -> None:
    """Load what a deployment loads by and by."""
    import deployer

    for found in pkgutil.walk_packages(deployer.__path__, "deployer."):
        if not found.name.startswith(NOT_LOADED):
            importlib.import_module(found.name)
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def serve(asking: socket.socket) -> list[str]:
    """Make a process of each request. Comes back only in these, with what was typed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how a keeper ended
    while True:
        request, fds, *_ = socket.recv_fds(asking, BYTES, 4)
        if not request:
            os._exit(0)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            asking.close()
            if (pid := os.fork()) == 0:
                return begin(json.loads(request), fds)
            keep(pid, fds[-1])
        for fd in fds:
            os.close(fd)


def keep(pid: int, teller: int) -> None:
    """Wait, and say how it ended, while the next one is already asked for."""
    os.closerange(0, teller)
    os.closerange(teller + 1, BYTES)
    with socket.socket(fileno=teller) as telling:
        telling.send(str(os.waitpid(pid, 0)[1]).encode())
    os._exit(0)


def begin(request: dict[str, Any], fds: list[int]) -> list[str]:
    """Become the process that was asked for, then say who it is; what was typed."""
    os.setsid()
    for stream, fd in enumerate(fds[:FIRST_FREE]):
        os.dup2(fd, stream)
    open_streams()
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    with socket.socket(fileno=fds[-1]) as telling:
        telling.send(str(os.getpid()).encode())
    os.closerange(FIRST_FREE, BYTES)
    sys.path.insert(0, request["cwd"])
    argv: list[str] = request["argv"]
    return argv


def open_streams() -> None:
    """Python's own streams, opened anew: those it has remember what they were opened on."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        old = getattr(sys, name)
        buffer = open(number, "wb" if number else "rb", closefd=False)  # noqa: SIM115 (open to the end)
        line_by_line = number == FIRST_FREE - 1 or os.isatty(number)
        stream = io.TextIOWrapper(buffer, old.encoding, old.errors, line_buffering=line_by_line)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def end(code: int) -> None:
    """Wait, do, flush and say what Python does at its end, but take nothing apart.

    To free what was loaded copies all the memory that is shared with the process that loaded it.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:
            stream.flush()
    os._exit(code & 0xFF)


if __name__ == "__main__":
    load()
    sys.argv = ["deployer", *serve(socket.socket(fileno=int(sys.argv[1])))]
    try:
        runpy.run_module("deployer", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if isinstance(ended.code, int):
            with suppress(OSError):  # nobody reads: what Python makes of that is its own affair
                end(ended.code)
        raise
