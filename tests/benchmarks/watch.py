"""A watch of many hosts from one process: ``python -m tests.benchmarks.watch``, as root.

The lab has fewer hosts than the inventory has names: each name is a connection, a look and a set of series
of its own, as if it were a host of its own. All of the hosts' work is done on this machine, too, so how long
a look takes says more of them than of the watch; what it costs the watch is measured apart. With
``--recorded`` each host's agent does its work for the first look and says the same to all later ones (real
sshd, real answers, checks asked of nginx): then the machine is the watch's, as it is where hosts are machines
of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from deployer.lab import sample
from deployer.lab.fleet import Lab
from tests.benchmarks.contestants import REPO, environment

UP_S = 900.0  #: until every name was looked at once
EVERY_S = 1.0  #: from one question for the metrics to the next, until all are up
SCRAPE_S = 5.0  #: likewise from then on, while it is measured
TICKS = os.sysconf("SC_CLK_TCK")
AGENT = "/var/lib/deployer/agent.sh"
PARROT = f"""\
while :; do
  request= token=
  while IFS= read -r line || exit 0; do
    case $line in "") break ;; token=*) token=${{line#token=}} ;; esac
    request="$request$line
"
  done
  if [ ! -s /run/answer ]; then
    printf '%s\\n' "$request" | sh {AGENT}.real serve | sed '/^done=/d' >/run/answer.$$
    mv /run/answer.$$ /run/answer
  fi
  cat /run/answer
  printf 'done=%s\\n' "$token"
done
"""
_SAMPLE = re.compile(r"^(deployer_host_\w+)\{(.*)\} (\S+)$", re.MULTILINE)
_HOST = re.compile(r'host="([^"]*)"')


@dataclass
class Seen:
    """What the metrics said, question after question.

    :ivar looks: by host, when it was looked at.
    :ivar took: seconds of each look.
    :ivar scrapes: seconds of each answer.
    """

    looks: dict[str, list[float]] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)
    scrapes: list[float] = field(default_factory=list)
    series: int = 0
    size: int = 0
    down: int = 0

    def ask(self, port: int) -> None:
        """Ask once."""
        began = time.monotonic()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            text = answer.read().decode()
        self.scrapes.append(time.monotonic() - began)
        self.size, self.series, self.down = len(text), 0, 0
        found: dict[str, dict[str, float]] = {}
        for name, labels, value in _SAMPLE.findall(text):
            self.series += 1
            if (of := _HOST.search(labels)) is not None:
                found.setdefault(name, {})[of[1]] = float(value)
        self.down = sum(not up for up in found.get("deployer_host_up", {}).values())
        for host, at in found.get("deployer_host_look_timestamp_seconds", {}).items():
            known = self.looks.setdefault(host, [])
            if not known or known[-1] != at:
                known.append(at)
                self.took.append(found["deployer_host_look_duration_seconds"][host])

    @property
    def gaps(self) -> list[float]:
        """Seconds from one look at a host to its next one."""
        return [b - a for times in self.looks.values() for a, b in pairwise(times)]


class Watched:
    """The watch as a process of its own."""

    def __init__(self, lab: Lab, interval_s: float, files: int | None) -> None:
        argv = [sys.executable, "-m", "deployer", "watch", "many", "--interval", f"{interval_s:g}s"]
        argv += [
            "--listen",
            "127.0.0.1:0",
            "--project",
            str(lab.project),
            "--ssh-config",
            str(lab.ssh_config),
        ]
        argv += ["--state", f"sqlite:///{lab.directory}/state.db"]
        if files is not None:
            argv = ["prlimit", f"--nofile={files}:", *argv]
        homes = {f"XDG_{what}_HOME": f"{lab.directory}/{what.lower()}" for what in ("CACHE", "STATE")}
        self.process = subprocess.Popen(
            argv,
            env=environment(homes),
            cwd=REPO,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        self.lines: list[str] = []
        self.port = 0
        self._heard = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        if not self._heard.wait(60):
            raise RuntimeError(f"it does not begin: {self.lines}")

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())
            if found := re.search(r"metrics on port (\d+)", line):
                self.port = int(found[1])
                self._heard.set()

    @property
    def cpu_s(self) -> float:
        """Processor seconds so far, its children's not among them."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / TICKS

    def status(self, key: str) -> int:
        """A figure of ``/proc/PID/status``."""
        found = re.search(
            rf"^{key}:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text(), re.MULTILINE
        )
        return int(found[1]) if found else 0

    @property
    def files(self) -> int:
        """Open file descriptors."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def stop(self) -> tuple[int, float]:
        """Its exit code, and how long it took to end."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30), time.monotonic() - began


def machine_cpu_s() -> tuple[float, float]:
    """Busy and all processor seconds of the machine since it started."""
    words = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(words) - words[3] - words[4]) / TICKS, sum(words) / TICKS


def hosts_cpu_s(lab: Lab) -> float:
    """Processor seconds of all that runs on the hosts, and of what ran there and was waited for."""
    spaces = {Path(f"/proc/{host.pid}/ns/pid").readlink() for host in lab.hosts}
    spent = 0
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            if (entry / "ns/pid").readlink() in spaces:
                words = (entry / "stat").read_text().rpartition(")")[2].split()
                spent += sum(map(int, words[11:15]))
    return spent / TICKS


def prepare(lab: Lab, names: int, *, recorded: bool) -> None:
    """Deploy once, and write the inventory of so many names."""
    ssh = ["--project", str(lab.project), "--ssh-config", str(lab.ssh_config)]
    argv = [sys.executable, "-m", "deployer", "deploy", "lab", "--yes", "--quiet", *ssh]
    argv += ["--state", f"sqlite:///{lab.directory}/state.db"]
    homes = {f"XDG_{what}_HOME": f"{lab.directory}/{what.lower()}" for what in ("CACHE", "STATE")}
    subprocess.run(argv, env=environment(homes), cwd=REPO, check=True, timeout=1800)
    pairs = [(f"h{n:03}", lab.hosts[n % len(lab.hosts)].address) for n in range(names)]
    (lab.project / "inventories/many.yml").write_text(sample.inventory(pairs))
    for host in lab.hosts if recorded else ():
        host.run(["mv", AGENT, f"{AGENT}.real"])
        host.write(AGENT, PARROT)


def measure(
    lab: Lab, names: int, *, interval_s: float, rounds: int, files: int | None, gone: int
) -> dict[str, object]:
    """Watch by so many names, and count."""
    watched, seen = Watched(lab, interval_s, files), Seen()
    try:
        began = time.monotonic()
        while len(seen.looks) < names or seen.down:
            if time.monotonic() - began > UP_S:
                print(f"{seen.down} of {names} were never up", file=sys.stderr)
                break
            time.sleep(EVERY_S)
            seen.ask(watched.port)
        first_s, first_cpu_s = time.monotonic() - began, watched.cpu_s
        steady = Seen()
        at, cpu, (busy, all_) = time.monotonic(), watched.cpu_s, machine_cpu_s()
        worked = hosts_cpu_s(lab)
        while time.monotonic() - at < interval_s * rounds:
            time.sleep(SCRAPE_S)
            steady.ask(watched.port)
        seconds, spent = time.monotonic() - at, watched.cpu_s - cpu
        busy_now, all_now = machine_cpu_s()
        worked = hosts_cpu_s(lab) - worked
        found: dict[str, object] = {
            "names": names,
            "hosts": len(lab.hosts),
            "interval_s": interval_s,
            "load average": os.getloadavg()[0],
            "first round: seconds": first_s,
            "first round: processor seconds of the watch": first_cpu_s,
            "then: looks a second": len(steady.gaps) / seconds,
            "from a look to the next, median": statistics.median(steady.gaps),
            "from a look to the next, longest": max(steady.gaps),
            "a look, median": statistics.median(steady.took),
            "a look, longest": max(steady.took),
            "processor of the watch, share of a core (with a scrape every 5 s)": spent / seconds,
            "processor of a host for a look, milliseconds": 1e3 * worked / max(1, len(steady.gaps)),
            "processor of the machine, share of all cores": (busy_now - busy) / (all_now - all_),
            "memory of the watch, MB": watched.status("VmRSS") * 1024 / 1e6,
            "threads": watched.status("Threads"),
            "open files": watched.files,
            "series": steady.series,
            "metrics, kB": steady.size / 1e3,
            "metrics, seconds, median": statistics.median(steady.scrapes),
            "metrics, seconds, longest": max(steady.scrapes),
            "hosts down at the end": steady.down,
        }
        if gone:
            found |= _rack(lab, watched, names, gone, interval_s=interval_s)
        code, end_s = watched.stop()
        found |= {"SIGTERM to the end, seconds": end_s, "exit code": code, "lines": watched.lines[:20]}
        return found
    finally:
        if watched.process.poll() is None:
            watched.process.kill()
            watched.process.wait()


def _rack(lab: Lab, watched: Watched, names: int, gone: int, *, interval_s: float) -> dict[str, object]:
    """Cut some hosts off at the same moment."""
    for host in lab.hosts[:gone]:
        host.cut()
    began, seen = time.monotonic(), Seen()
    lost = {f"h{n:03}" for n in range(names) if n % len(lab.hosts) < gone}
    told_s: float | None = None
    while time.monotonic() - began < UP_S / 4 and (
        told_s is None or time.monotonic() - began < 3 * interval_s
    ):
        time.sleep(EVERY_S)
        seen.ask(watched.port)
        if told_s is None and seen.down >= len(lost):
            told_s = time.monotonic() - began
    others = {host: times for host, times in seen.looks.items() if host not in lost}
    gaps = [b - a for times in others.values() for a, b in pairwise(times)]
    return {
        "cut off: names": len(lost),
        "cut off: seconds until all are told": told_s,
        "cut off: from a look to the next of the others, longest": max(gaps),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description="Watch many hosts from one process.")
    parser.add_argument("--hosts", type=int, default=60, help="of the lab")
    parser.add_argument("--names", type=int, default=500, help="of the inventory, spread over those hosts")
    parser.add_argument("--interval", type=float, default=30.0, metavar="SECONDS")
    parser.add_argument("--rounds", type=int, default=4, help="intervals that are measured")
    parser.add_argument("--files", type=int, metavar="N", help="soft limit of open files it is started with")
    parser.add_argument("--cut", type=int, default=0, metavar="N", help="at the end cut so many hosts off")
    parser.add_argument("--recorded", action="store_true", help="hosts' agents repeat their first answer")
    options = parser.parse_args(argv)
    with (
        tempfile.TemporaryDirectory(prefix="watch-") as directory,
        Lab.up(Path(directory, "lab"), hosts=options.hosts) as lab,
    ):
        prepare(lab, options.names, recorded=options.recorded)
        found = measure(
            lab,
            options.names,
            interval_s=options.interval,
            rounds=options.rounds,
            files=options.files,
            gone=options.cut,
        )
    print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in found.items()}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
