"""A word to the service manager (sd_notify(3)): ready, alive, reloading, and how things stand."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress

PATIENCE_S = 0.5


class Manager:
    """Whoever started us, if it wants to know. Its address leaves the environment: no child speaks for us."""

    def __init__(self) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        usec, pid = os.environ.pop("WATCHDOG_USEC", ""), os.environ.pop("WATCHDOG_PID", "")
        ours = usec.isdecimal() and pid in ("", str(os.getpid()))
        self.watchdog_s = int(usec) / 1e6 if ours else None  #: silence for so long, and it ends us
        self._status = ""

    def ready(self) -> None:
        """The work has begun, or goes on after a reload."""
        self._say("READY=1")

    def reloading(self) -> None:
        """Files are being read again."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """It is over."""
        self._say("STOPPING=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        if self.watchdog_s is not None:
            self._say("WATCHDOG=1")

    def status(self, text: str) -> None:
        """How things stand, in one line; the same line is sent once."""
        if text != self._status and self._say(f"STATUS={text}"):
            self._status = text

    def _say(self, what: str) -> bool:
        """Whether it was said: a manager that does not listen holds nobody up."""
        if self._address[:1] not in ("/", "@"):
            return True
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
            to.settimeout(PATIENCE_S)
            to.sendto(what.encode(), address)
            return True
        return False
