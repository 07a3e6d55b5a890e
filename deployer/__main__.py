"""The entry point: even an interrupt while the program is still being loaded ends without a traceback."""

from __future__ import annotations

import codecs
import gc
import io
import os
import sys
from collections.abc import Callable

LAST_STREAM = 2  #: stdin, stdout, stderr
_NO_MEMORY = "this machine gives it no memory (ulimit -v); raise that limit"
COLLECT_EVERY = 50_000
"""Objects between two collections: with Python's 700, loading the program takes a fifth longer."""


def main() -> None:
    """Load the program and run it; every way out is an exit code."""
    gc.set_threshold(COLLECT_EVERY)
    _have_streams()
    try:
        code = _loaded()()
    except KeyboardInterrupt:
        sys.stderr.write("deployer: interrupted before anything was changed\n")
        code = 130
    # At its end Python looks through everything that was loaded for cycles, several times: for nothing, in a
    # process that ends. What is closed, flushed or waited for at the end still is.
    gc.disable()
    gc.freeze()
    sys.exit(code)


def _loaded() -> Callable[[], int]:
    try:
        from deployer.cli.main import run
    except (MemoryError, OSError) as error:
        # Nothing is loaded for saying so: there may be no file and no memory for it.
        sys.stderr.write(f"deployer: it cannot be started on this machine: {error or _NO_MEMORY}\n")
        sys.exit(3)
    return run


def _have_streams() -> None:
    """Whoever closed one (``>&-``) gets none; but no file, such as the journal, may come by its number."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= LAST_STREAM:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 (a number, open to the end)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    # Of a terminal that is no UTF-8; in the form of JSON, for documents are written there, too.
    codecs.register_error("escaped", _escaped)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="escaped")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    pairs = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(
        f"\\u{high:02x}{low:02x}" for high, low in zip(pairs[::2], pairs[1::2], strict=True)
    ), error.end


if __name__ == "__main__":
    main()
