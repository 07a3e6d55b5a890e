"""One way to run git: by argv, with a deadline, without hooks, filters, prompts or inherited state.

Only plumbing that reads objects and ``fetch`` are ever run; nothing is checked out, so no filter or attribute
of a repository can run a command.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from deployer.errors import SourceUnavailable
from deployer.source.url import TRANSPORTS, mask

if TYPE_CHECKING:
    from git.cmd import Git

LOCAL_TIMEOUT_S = 60.0
"""For a git process that only reads the disk."""

_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "gc.auto=0",  # asked for by ourselves, under the lock, in the foreground
    "gc.autoDetach=false",
    "maintenance.auto=false",
    "i18n.logOutputEncoding=UTF-8",
    "fetch.recurseSubmodules=false",
    "fetch.writeCommitGraph=false",
    "submodule.recurse=false",
    "protocol.ext.allow=never",
)
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS": "",
    "SSH_ASKPASS_REQUIRE": "never",
    "GIT_ALLOW_PROTOCOL": ":".join(TRANSPORTS),
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
}
# Set in hooks and in "git -c … alias": they would point git at another repository than ours.
_NOT_OURS = (
    *(
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    ),
    *(
        "GIT_COMMON_DIR",
        "GIT_NAMESPACE",
        "GIT_PREFIX",
        "GIT_QUARANTINE_PATH",
        "GIT_SHALLOW_FILE",
        "GIT_CONFIG",
    ),
    *("GIT_CONFIG_PARAMETERS", "GIT_GRAFT_FILE", "GIT_REPLACE_REF_BASE", "GIT_IMPLICIT_WORK_TREE"),
)


@dataclass(frozen=True, slots=True)
class Done:
    """How a git process ended. ``stderr`` has its credentials masked."""

    status: int
    stdout: bytes
    stderr: str


class Plumbing:
    """Runs git on one bare repository."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def run(
        self,
        *args: str,
        timeout_s: float,
        settings: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        hold: int | None = None,
        what: str = "",
    ) -> Done:
        """Run to the end; a non-zero status is an answer, not an error.

        :param hold: descriptor of a lock the process keeps. It then also ends by itself soon after
            ``timeout_s``, should this process be killed meanwhile.
        :param what: for the message, what is being done.
        :raises SourceUnavailable: when it takes longer than ``timeout_s`` seconds; its group is killed.
        """
        prefix = ("timeout", "--kill-after=2", f"{timeout_s + 2:.0f}") if hold is not None else ()
        process = self._start(
            (*prefix, *self._argv(args, settings)), environment or {}, hold=hold, stdin=False
        )
        try:
            stdout, stderr = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            end(process)
            raise SourceUnavailable(
                f"{what or f'git {args[0]}'} took longer than {timeout_s:g} s and was ended; try again"
            ) from None
        except BaseException:
            end(process)
            raise
        return Done(process.returncode, stdout, mask(stderr.decode("utf-8", "replace")))

    def start(self, *args: str) -> subprocess.Popen[bytes]:
        """Start a process that is spoken to by pipes; the caller must :func:`end` it."""
        return self._start(self._argv(args, ()), {}, hold=None, stdin=True)

    def _argv(self, args: Sequence[str], settings: Sequence[str]) -> tuple[str, ...]:
        foreign = [f"--unset={name}" for name in _NOT_OURS if name in os.environ]
        options = [word for setting in (*_SETTINGS, *settings) for word in ("-c", setting)]
        return (
            *(("env", *foreign) if foreign else ()),
            "git",
            f"--git-dir={self.directory}",
            *options,
            *args,
        )

    def _start(
        self, argv: Sequence[str], environment: Mapping[str, str], *, hold: int | None, stdin: bool
    ) -> subprocess.Popen[bytes]:
        # A session of its own: no terminal to prompt on, and one group to kill with all helpers.
        handle = _git(self.directory.parent).execute(
            argv,
            as_process=True,
            istream=cast("None", subprocess.PIPE if stdin else None),
            env={**_ENVIRONMENT, **environment},
            start_new_session=True,
            pass_fds=() if hold is None else (hold,),
        )
        process = cast("subprocess.Popen[bytes]", handle.proc)
        handle.proc = None  # GitPython would end it when the handle is collected; here the caller does
        return process


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with its whole group, and reap it."""
    if process.returncode is None:  # not reaped yet, so the number is still its own
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(OSError):  # what was still buffered for a dead reader
                stream.close()


def _git(directory: Path) -> Git:
    try:
        from git.cmd import Git
    except ImportError as error:  # GitPython looks for the program when it is imported
        raise SourceUnavailable(
            f"git cannot be used on this machine ({str(error).splitlines()[0]}); install the git package"
        ) from None
    return Git(directory)
