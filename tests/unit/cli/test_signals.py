"""A signal may come at any moment, also in the middle of a line that is being said."""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import Any

import pytest

from deployer.cli.signals import Signals
from deployer.errors import Interrupted


class Interrupting(io.RawIOBase):
    """A stderr during whose first write somebody presses Ctrl-C."""

    def __init__(self) -> None:
        self.got = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        first, self.got = not self.got, self.got + bytes(data)
        if first:
            os.kill(os.getpid(), signal.SIGINT)
        return len(data)


def test_a_signal_in_the_middle_of_a_write(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    raw = Interrupting()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BufferedWriter(raw), line_buffering=True))
    with Signals() as signals:
        signals.working = True
        sys.stderr.write("web1: prepared\n")
        assert signals.stop.is_set()
    assert raw.got == b"web1: prepared\n"
    assert "SIGINT" in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_at_work_each_signal_asks_it_to_stop(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    with Signals() as signals:
        signals.working = True
        os.kill(os.getpid(), number)
        assert signals.stop.is_set()
    assert number.name in capfd.readouterr().err


def test_before_anything_is_touched_it_ends_the_command() -> None:
    hook = sys.unraisablehook
    with Signals(), pytest.raises(Interrupted, match="before anything was changed"):
        os.kill(os.getpid(), signal.SIGTERM)
    sys.unraisablehook = hook


def started_while_interrupted() -> None:
    """As Python's own Thread.start does: after any exception it cleans up what is cleaned up by then."""
    limbo: dict[str, str] = {}
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except Exception:
        del limbo["ask_0"]
        raise


def test_what_stumbles_over_it_is_no_bug() -> None:
    hook = sys.unraisablehook
    with pytest.raises(Interrupted, match="before anything was changed"), Signals():
        started_while_interrupted()
    sys.unraisablehook = hook


def test_another_error_is_that_error() -> None:
    with pytest.raises(KeyError), Signals():
        raise KeyError("a bug")
