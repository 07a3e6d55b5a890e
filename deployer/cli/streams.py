"""stdout and stderr. Who reads them may go away (``| head``, a closed terminal): no host depends on that."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

import typer


@contextmanager
def out() -> Iterator[None]:
    """While something is written to stdout; when nobody reads it any more, the exit code still comes true."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _silence(sys.stdout)
    except OSError as error:
        err(f"deployer: what was to be shown could not be written: {error.strerror}\n")
        _silence(sys.stdout)


def tell(text: str) -> None:
    """Write a line, or several, to stdout, if somebody reads it."""
    with out():
        typer.echo(text)


def err(text: str) -> None:
    """Write to stderr, if somebody is there."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        _silence(sys.stderr)


def complain(sentence: str, page: str | None = None) -> None:
    """Say on stderr why a command ended, or where :func:`complain_to` has it said.

    :param page: of the documentation, that says what to do.
    """
    _complain(sentence, page)


def complain_to(where: Callable[[str, str | None], None] | None) -> None:
    """Have complaints said there instead of (``None``: again) as lines on stderr."""
    global _complain  # noqa: PLW0603 (one process, one stderr)
    _complain = where or _to_stderr


def _to_stderr(sentence: str, page: str | None) -> None:
    err(f"deployer: {sentence}\n")
    if page:
        err(f"Help: {page}\n")


_complain: Callable[[str, str | None], None] = _to_stderr


def _silence(stream: TextIO) -> None:
    # What is left in its buffer would fail once more when the interpreter ends, and change the exit code.
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
