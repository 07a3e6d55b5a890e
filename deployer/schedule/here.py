"""What a schedule needs to know of this machine: its zone, its name, and what its systemd says."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.errors import UsageError
from deployer.model.scheduled import Scheduled
from deployer.schedule.calendar import parse, zone_of

if TYPE_CHECKING:
    from deployer.schedule.calendar import Calendar

LOCALTIME = Path("/etc/localtime")
ANSWER_S = 30.0  #: how long systemd's programs are waited for


def read(expression: str) -> Calendar:
    """A calendar expression, by our own reading.

    :raises UsageError: a sentence that says what is wrong with it.
    """
    try:
        return parse(expression)
    except ValueError as error:
        raise UsageError(f"--on-calendar: {error}") from None


def understood(expression: str) -> Calendar:
    """As :func:`read`, and by systemd's reading as well, where it is installed.

    :raises UsageError: a sentence that says what is wrong with it.
    """
    found = read(expression)
    if shutil.which("systemd-analyze"):
        done = asked("systemd-analyze", "calendar", "--", found.text)
        if done.returncode:
            why = " ".join((done.stderr or done.stdout).split())
            raise UsageError(f"--on-calendar: systemd does not take {expression!r}: {why}")
    return found


def scheduled(lease: str, part: str, inventory: str, project: str, calendar: str | None) -> Scheduled:
    """An unattended deployment that this machine begins to know now."""
    return Scheduled(
        lease, part, inventory, project, calendar, local_zone(), socket.gethostname(), time.time()
    )


def local_zone() -> str:
    """IANA name of this machine's zone; UTC where it has none."""
    name = os.environ.get("TZ", "").removeprefix(":")
    if not name:
        try:
            _, found, name = str(LOCALTIME.readlink()).partition("zoneinfo/")
        except OSError:
            found = ""
        if not found:
            return "UTC"
    try:
        zone_of(name)
    except ValueError:
        return "UTC"
    return name


def zone_here() -> tzinfo:
    """The zone of :func:`local_zone`."""
    try:
        return zone_of(local_zone())
    except ValueError:
        return UTC


def asked(*argv: str) -> subprocess.CompletedProcess[str]:
    """What one of systemd's programs says.

    :raises UsageError: when it does not answer.
    """
    try:
        return subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ANSWER_S,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"{' '.join(argv[:2])} does not answer: {error}") from error
