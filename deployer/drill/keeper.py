"""The keeper of a drill: a process that counts what users meet, and lets happen what happens by itself.

``python -m deployer.drill.keeper DIRECTORY``. It belongs to no terminal, so nobody's Ctrl-C ends it. It ends
with SIGTERM, when the drill's directory is gone, and in any case after :data:`LIMIT_S`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from deployer.drill.model import Later
from deployer.drill.record import CHANGING, Entry, Users
from deployer.drill.scenarios import scenario
from deployer.drill.scene import Scene
from deployer.lab.load import Load, LoadReport

LIMIT_S = 3 * 3600.0
RATE = 60.0  #: requests per second, all hosts together
EVERY_S = 0.5


class Keeper:
    """What it has to look after."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._record = scene, scene.record
        self._scenario = scenario(scene.known.scenario)
        self._look: subprocess.Popen[bytes] | None = None
        self._looked_at = 0.0  #: the end of the last command that was looked at
        self._later_done = self._scenario.later is None

    def run(self) -> None:
        """Until it is over. A stream of requests that breaks off is begun anew, and the gap noted."""
        until = time.monotonic() + LIMIT_S
        addresses = [host.address for host in self._scene.lab.hosts]
        lost: float | None = None
        try:
            while time.monotonic() < until:
                try:
                    with Load(addresses, rate=RATE, expect=self._scenario.page) as load:
                        if lost is not None:
                            self._record.add("unwatched", seconds=time.time() - lost)
                        self._keep(load, until)
                    return
                except (RuntimeError, BrokenPipeError):
                    lost = lost or time.time()
        finally:
            self._end_look()

    def _keep(self, load: Load, until: float) -> None:
        while time.monotonic() < until and self._scene.directory.is_dir():
            self._record.add_users(users_of(load.phase()))
            self._watch(self._record.entries())
            time.sleep(EVERY_S)  # the length of a sample: nothing is waited for

    def _watch(self, entries: list[Entry]) -> None:
        commands = [e for e in entries if e.what == "command" and e.detail["verb"] in CHANGING]
        if self._look is not None and self._look.poll() is not None:
            self._look = None
        if self._look is None and any(command.at > self._looked_at for command in commands):
            self._looked_at = max(command.at for command in commands)
            argv = self._scene.program("drill", "check", "--dir", str(self._scene.lab.directory))
            self._look = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # so that it can be ended with what it started
            )
        if not self._later_done and (later := self._scenario.later) and due(later, entries, time.time()):
            self._later_done = True
            later.act(Scene.load(self._scene.lab.directory))
            self._record.add("later")

    def _end_look(self) -> None:
        if self._look is not None and self._look.poll() is None:
            os.killpg(self._look.pid, signal.SIGKILL)
            self._look.wait()


def due(later: Later, entries: list[Entry], now: float) -> bool:
    """Whether it is time for what happens by itself."""
    broken = next((entry.at for entry in entries if entry.what == "broken"), None)
    if broken is None:
        return False
    said = [e.at for e in entries if e.what == "command" and e.detail["verb"] == later.verb and e.at > broken]
    return now > broken + later.latest_s or any(now > at + later.after_s for at in said)


def users_of(report: LoadReport) -> Users:
    """A load's report, second by second."""
    seconds = Counter(int(failure.at) for failure in report.failures)
    return Users(
        report.began, report.ended, report.total, report.failed, dict(seconds),
        report.first_failure, report.last_failure, report.slowest_ms,
    )  # fmt: skip


def main() -> None:
    """Keep the drill of the directory that was given."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Keeper(Scene.load(Path(sys.argv[1]))).run()


if __name__ == "__main__":
    main()
