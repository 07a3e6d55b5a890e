"""What this machine does not give: files, memory, threads, room. Told in one sentence, and mostly beforehand.

A limit of the shell (``ulimit``), of a service or of a control group is nobody's bug: whoever meets one is
told which, and what to do. What is needed at least is asked for first, so that it is not met half-way.
"""

from __future__ import annotations

import errno
import os
import resource
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from deployer.errors import Refused

FILES = 24  #: open at once, besides a connection for each host: the journal, git, standard streams, modules
THREADS = 8  #: besides one for each connection
MOST_TRIED = 128  #: threads that are started to see whether they can be
SPACE_MB = 1280
"""Of addresses. Far below it, libraries abort the process while they are loaded: nobody can catch that."""
SPACE_HOST_MB = 16
SPACE_HOSTS = 64

# For an emergency: below these nothing can be done at all.
FILES_LEAST = 8  #: with as many, one host at a time was taken back; besides one for each more
SPACE_LEAST_MB = 160  #: far below it, libraries abort while they are loaded
SPACE_EACH_MB = 16  #: the stacks of its two threads, and what they use
THREADS_EACH = 2  #: who works, and who listens to the connection
STACK = 1 << 20
_OF_MEMORY = ((resource.RLIMIT_AS, "v"), (resource.RLIMIT_DATA, "d"))
_ARENA_MAX = -8  #: ``M_ARENA_MAX`` of glibc

_NO_THREAD = "can't start new thread"
_NO_SEGMENT = ("failed to map segment", "cannot allocate memory", "cannot apply additional memory protection")
_NO_ROOM = {
    errno.ENOSPC: "there is no space left",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "nothing can be written",
}


@dataclass(frozen=True)
class Short:
    """What this machine gives too little of.

    :ivar told: which limit, as a part of a sentence, and what is needed.
    :ivar at_once: at so many hosts at a time the work can be done all the same; 0: it cannot.
    """

    told: str
    at_once: int


def have_means(hosts: int) -> None:
    """See to it that a command on so many hosts has what it needs of this machine.

    As many files as this user may have are asked for: some begin with few.

    :raises Refused: it cannot have it, naming the limit.
    """
    if short := next(_short(hosts), None):
        fewer = "" if hosts == 1 else ", or take fewer hosts at a time (--limit)"
        raise Refused(f"{short.told}: raise that limit{fewer}; nothing was begun")


def make_do(hosts: int, warn: Callable[[str], None]) -> int | None:
    """As :func:`have_means`, for an emergency: what is short is told in one line, and the work goes on.

    :returns: how many hosts may be worked on at a time; ``None``: as many as are wished.
    :raises Refused: not even one can be, naming the limit.
    """
    if any(resource.getrlimit(kind)[0] != resource.RLIM_INFINITY for kind, _ in _OF_MEMORY):
        _save_memory()
    found = tuple(_short(hosts))
    if not found:
        return None
    worst = min(found, key=lambda short: short.at_once)
    if worst.at_once < 1:
        raise Refused(f"{worst.told}; not even one can be reached so: raise that limit; nothing was begun")
    at_once = min(worst.at_once, hosts)
    pace = "one host" if at_once == 1 else f"{at_once} hosts"
    warn(f"{worst.told}: it goes on all the same, {pace} at a time")
    return at_once


def _short(hosts: int) -> Iterator[Short]:
    needed = FILES + hosts
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    if _below(soft, needed):
        given = f"may have {soft} files open at once (ulimit -n)"
        yield Short(_told(given, hosts, f"{needed}"), max(1, soft - FILES_LEAST))
    needed_mb = SPACE_MB + SPACE_HOST_MB * min(hosts, SPACE_HOSTS)
    for kind, flag in _OF_MEMORY:
        soft = resource.getrlimit(kind)[0]
        if _below(soft, needed_mb << 20):
            given = f"may have {soft >> 20} MB of memory (ulimit -{flag})"
            at_once = ((soft >> 20) - SPACE_LEAST_MB) // SPACE_EACH_MB + 1
            yield Short(_told(given, hosts, f"{needed_mb} MB"), max(0, at_once))
    threads = min(THREADS + hosts, MOST_TRIED)
    if (had := _started(threads)) < threads:
        given = f"may start {had} threads (ulimit -u, or pids.max of its control group)"
        yield Short(_told(given, hosts, f"{threads}"), had // THREADS_EACH)


def _save_memory() -> None:
    """Threads get small stacks and one heap: each having its own reserves 64 MB of addresses."""
    threading.stack_size(STACK)
    with suppress(ImportError, OSError, AttributeError):  # not with every C library
        from ctypes import CDLL

        CDLL(None).mallopt(_ARENA_MAX, 1)


def lack(error: BaseException) -> str | None:
    """What the machine lacked, as a part of a sentence, where that is why this was raised."""
    return next((told for each in _chain(error) if (told := _lack(each)) is not None), None)


def only_bugs(errors: Sequence[Exception], warn: Callable[[str], None]) -> list[Exception]:
    """Those among them that are bugs of ours; of the others a person is told.

    For what came up beside a result that stands: it is shown, and its exit code is that of the command.
    """
    told = [lack(error) for error in errors]
    for each in dict.fromkeys(filter(None, told)):
        warn(f"{each}; what that left undone shows in 'deployer status'")
    return [error for error, lacked in zip(errors, told, strict=True) if lacked is None]


def _lack(error: BaseException) -> str | None:
    if isinstance(error, RuntimeError) and _NO_THREAD in str(error):
        return "no more threads may be started here (ulimit -u, ulimit -v, or pids.max of the control group)"
    if _is_memory(error):
        return f"this machine gives this process no more memory{_limit(resource.RLIMIT_AS, 'v', 20, ' MB')}"
    return _lack_of_system(error) if isinstance(error, OSError) else None


def _lack_of_system(error: OSError) -> str | None:
    if error.errno == errno.EMFILE:
        return f"this process may open no more files{_limit(resource.RLIMIT_NOFILE, 'n', 0, '')}"
    if error.errno == errno.ENFILE:
        return "no more files can be opened on this machine (sysctl fs.file-max)"
    if error.errno == errno.EAGAIN and _was_forking(error):
        return "no more processes may be started here (ulimit -u, or pids.max of the control group)"
    said = _NO_ROOM.get(error.errno or 0)
    return f"{said}{_where(error)}" if said else None


def _was_forking(error: BaseException) -> bool:
    """A socket that does not wait says the same."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_filename.endswith("subprocess.py")


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, ImportError):
        return any(said in str(error).lower() for said in _NO_SEGMENT)
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)


def _where(error: OSError) -> str:
    if isinstance(error.filename, str | bytes):
        return f" at {os.fsdecode(error.filename)!r}"
    return " on a disk of this machine"


def _limit(kind: int, flag: str, shift: int, unit: str) -> str:
    soft = resource.getrlimit(kind)[0]
    return "" if soft == resource.RLIM_INFINITY else f" (ulimit -{flag} is {soft >> shift}{unit})"


def _told(given: str, hosts: int, needed: str) -> str:
    many = "one host needs" if hosts == 1 else f"{hosts} hosts need"
    return f"this process {given}, and {many} {needed}"


def _below(limit: int, needed: int) -> bool:
    return limit not in (resource.RLIM_INFINITY, -1) and limit < needed


def _started(wanted: int) -> int:
    """How many of so many threads can be had at once. All have ended when it returns.

    One that has not when the program ends is ended by force, and where threads are few that aborts it.
    """
    gate = threading.Event()
    threads: list[threading.Thread] = []
    try:
        for _ in range(wanted):
            thread = threading.Thread(target=gate.wait, daemon=True)
            thread.start()
            threads.append(thread)
    except RuntimeError:
        return len(threads)
    finally:
        gate.set()
        for thread in threads:
            thread.join()
    return wanted


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
