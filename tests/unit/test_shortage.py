"""What is the machine's fault and what is ours; and work that is done without any thread to spare."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest

from deployer.crew import Crew
from deployer.errors import HostError
from deployer.shortage import lack, only_bugs


def of_system(number: int, filename: str | None = None) -> OSError:
    return OSError(number, "as the system says it", *([filename] if filename else []))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "no more memory"),
        (of_system(errno.ENOMEM), "no more memory"),
        (ImportError("_rust.abi3.so: failed to map segment from shared object"), "no more memory"),
        (RuntimeError("can't start new thread"), "no more threads"),
        (of_system(errno.EMFILE, "/usr/lib/x.py"), "no more files (ulimit -n is"),
        (of_system(errno.ENFILE), "fs.file-max"),
        (of_system(errno.ENOSPC, "/var/x"), "there is no space left at '/var/x'"),
        (of_system(errno.EROFS, "/var/x"), "nothing can be written at '/var/x'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_machine_lacked(error: Exception, words: str) -> None:
    assert words in str(lack(error))
    outer = HostError("it failed", host="web1")
    outer.__cause__ = error
    assert words in str(lack(outer)), "also when somebody made another error of it"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("generator raised StopIteration"),
        ModuleNotFoundError("No module named 'x'"),
        of_system(errno.ENOENT, "/x"),
        BlockingIOError(errno.EAGAIN, "a socket that does not wait"),
        KeyError("x"),
    ],
    ids=repr,
)
def test_what_is_a_bug(error: Exception) -> None:
    assert lack(error) is None
    told: list[str] = []
    assert only_bugs([MemoryError(), error, MemoryError()], told.append) == [error]
    assert len(told) == 1, "and the rest is said once"


def test_no_more_processes() -> None:
    said = alone(
        "import os, resource, subprocess\n"
        "from deployer.shortage import lack\n"
        "if os.geteuid() == 0: os.setgid(54323), os.setuid(54323)\n"
        "resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))\n"
        "try:\n"
        "    subprocess.run(['true'])\n"
        "except OSError as error:\n"
        "    print(lack(error))\n"
    )
    assert said.startswith("no more processes may be started here (ulimit -u")


STARVED = """
import resource, sys, threading
from deployer.crew import Crew
def starve():
    # A stack finds no room any more; what is small still does.
    pages = int(open('/proc/self/statm').read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (4 << 20),) * 2)
    try:
        threading.Thread(target=int).start()
    except RuntimeError:
        return
    sys.exit('a thread could be started')
"""


def test_where_no_thread_can_be_had_whoever_asks_does_it() -> None:
    said = alone(
        STARVED + "starve()\n"
        "with Crew(4) as crew:\n"
        "    futures = [crew.submit(pow, 2, n) for n in range(5)]\n"
        "    print(*[f.result(10) for f in futures], *crew.map(abs, [-1, -2]))\n"
        "    print(type(crew.submit(int, 'x').exception(10)).__name__)\n"
    )
    assert said.split() == ["1", "2", "4", "8", "16", "1", "2", "ValueError"]


def test_the_threads_that_are_there_go_on() -> None:
    said = alone(
        STARVED + "gate, begun, done = threading.Event(), threading.Event(), []\n"
        "def work(n):\n"
        "    begun.set(); gate.wait(20); done.append(n); return threading.current_thread().name\n"
        "with Crew(4, thread_name_prefix='t') as crew:\n"
        "    first = crew.submit(work, 0)\n"
        "    begun.wait(20); starve()\n"
        "    more = [crew.submit(work, n) for n in range(1, 4)]\n"
        "    print(any(f.done() for f in more))\n"
        "    gate.set()\n"
        "    print(*{f.result(20) for f in (first, *more)}, *done)\n"
    )
    assert said.split() == ["False", "t_0", "0", "1", "2", "3"], "each once, by the one thread there is"


def test_after_its_end_a_crew_takes_nothing() -> None:
    with Crew(1) as crew:
        assert crew.submit(int, "1").result(10) == 1
    with pytest.raises(RuntimeError, match="after shutdown"):
        crew.submit(int, "1")


def alone(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done
    return done.stdout
