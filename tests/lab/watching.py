"""A watch that runs beside a test: what it says, what it exposes, how it ends."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from tests.lab.story import Story, wait_for

SAMPLE = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$", re.MULTILINE)


class Watching:
    """A running ``deployer watch``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def said(self, *words: str) -> list[str]:
        """Lines that hold all of these."""
        return [line for line in self.lines if all(word in line for word in words)]

    def until(self, *words: str, within_s: float = 40.0) -> str:
        """Wait for a line that holds all of these."""
        wait_for(lambda: bool(self.said(*words)), f"it never said {words}: {self.lines}", within_s)
        return self.said(*words)[-1]

    @cached_property
    def port(self) -> int:
        """Where its metrics are."""
        return int(self.until("metrics on port").rpartition(" ")[2])

    def metrics(self) -> dict[tuple[str, str], float]:
        """Value by name and labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=20) as answer:
            text = answer.read().decode()
        return {(m["name"], m["labels"] or ""): float(m["value"]) for m in SAMPLE.finditer(text)}

    def value(self, name: str, *labels: str) -> float | None:
        """The one metric of that name that has these labels (``host="web1"``)."""
        found = [v for (n, have), v in self.metrics().items() if n == name and all(w in have for w in labels)]
        assert len(found) <= 1, (name, labels, found)
        return found[0] if found else None

    def holds(self, host: str, condition: str) -> bool:
        """Whether a condition holds of a host."""
        return bool(self.value("deployer_host_condition", f'host="{host}"', f'condition="{condition}"'))

    def until_all_up(self, count: int = 3) -> None:
        """Wait until every host has answered, by its metrics."""

        def up() -> bool:
            return sum(v for (n, _), v in self.metrics().items() if n == "deployer_host_up") == count

        wait_for(up, f"not all answer: {self.lines}")

    def looks(self, host: str) -> float:
        """When it was looked at last."""
        return self.value("deployer_host_look_timestamp_seconds", f'host="{host}"') or 0.0

    def until_looked(self, *hosts: str) -> None:
        """Wait until each was looked at by a look that began after this was called: the second to end."""
        seen = {host: {self.looks(host)} for host in hosts}

        def looked() -> bool:
            for host, times in seen.items():
                times.add(self.looks(host))
            return all(len(times) > 2 for times in seen.values())

        wait_for(looked, f"{hosts} are not looked at: {seen}")

    def until_all_well(self) -> None:
        """Wait until no condition holds any more; then forget what was said."""

        def standing() -> list[tuple[str, str]]:
            wrong = {"deployer_host_up": 0.0, "deployer_host_condition": 1.0, "deployer_fleet_condition": 1.0}
            return [key for key, v in self.metrics().items() if wrong.get(key[0]) == v]

        wait_for(lambda: not standing(), f"something still stands: {standing()}")
        self.lines.clear()

    def reread(self) -> None:
        """Have it read its files again."""
        self.process.send_signal(signal.SIGHUP)

    def stop(self, number: int = signal.SIGTERM, *, within_s: float = 5.0) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(within_s)


class ServiceManager:
    """Hears what a service says to who started it."""

    def __init__(self, path: Path) -> None:
        self.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "900000"}
        self._said: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            self._said.append(self._socket.recv(4096).decode())

    def heard(self, what: str) -> None:
        """Wait for it, and forget what came before."""
        wait_for(lambda: any(what in each for each in self._said), f"{what}: {self._said[-20:]}")
        del self._said[: 1 + next(n for n, each in enumerate(self._said) if what in each)]


@contextmanager
def watching(story: Story, *options: str, interval: str = "500ms", **env: str) -> Iterator[Watching]:
    """Watch the lab, with metrics on a port that is free."""
    argv = ("watch", "lab", "--interval", interval, "--listen", "127.0.0.1:0", *options)
    process = story.start(*argv, **env)
    made = Watching(process)
    try:
        yield made
    finally:
        process.kill()
        process.wait(10)
    assert not made.said("Traceback"), made.lines
    assert not made.said("a bug in deployer"), made.lines
