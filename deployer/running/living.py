"""A controller that lives on this machine: which process it is, and how somebody it hinders gets on."""

from __future__ import annotations

from pathlib import PurePath
from shlex import join
from typing import TYPE_CHECKING

from deployer.report.words import clean
from deployer.source.url import mask

if TYPE_CHECKING:
    from deployer.journal.process import Process

MOST = 120  #: characters of a command line that a sentence holds


def which(process: Process | None) -> str:
    """``pid 4711: deployer deploy lab --yes``, without the passwords of URLs; the number alone elsewhere."""
    if process is None:
        return "pid ?"
    said = command(process)
    return f"pid {process.pid}: {said}" if said else f"pid {process.pid}"


def command(process: Process) -> str | None:
    """What was typed to start it; ``None``: that cannot be seen from here."""
    words = [mask(clean(word)) for word in process.argv]
    names = [PurePath(word).name for word in words]
    if "deployer" in names:  # also behind an interpreter, and behind its -m
        first = names.index("deployer")
        words = ["deployer", *words[first + 1 :]]
    said = join(words)
    return (said if len(said) <= MOST else f"{said[:MOST]}…") or None


def how_to_end(process: Process | None, inventory: str) -> str:
    """What somebody can do who finds it at work."""
    if process is None:
        stop = "stop it with Ctrl-C where it runs"
    elif process.suspended:
        stop = (
            f"it is suspended (Ctrl-Z): say 'fg' where it runs, or 'kill -CONT {process.pid}'; to stop it "
            f"also 'kill {process.pid}'"
        )
    else:
        stop = f"stop it with Ctrl-C where it runs, or 'kill {process.pid}'"
    return (
        f"let it end; or {stop}, and it takes back what it changed; "
        f"in an emergency 'deployer rollback {inventory}' takes its hosts over at once"
    )
