"""What script/lib.sh promises of a run: its status, time to clean up after a signal, nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from deployer.lab.proc import start_time

LIB = Path(__file__).resolve().parents[2] / "script/lib.sh"
RUN = f'. "{LIB}"; status=0; run_as_root "$@" || status=$?; nothing_left || status=99; exit "$status"'
WITHIN_S = 60.0
CLEANS_UP = """
trap 'echo cleaned; exit 7' INT
echo ready
for try in $(seq 300); do sleep 0.1; done
"""

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="would ask for a password"), pytest.mark.slow]


def start(*argv: str) -> subprocess.Popen[str]:
    """A script that runs ``argv`` as the project's scripts do, without a terminal."""
    # Whoever runs the tests may ignore a signal (nohup does), and a shell cannot trap what it was born to
    # ignore.
    return subprocess.Popen(
        ["env", "--default-signal=INT,TERM,HUP", "bash", "-c", RUN, "run", *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_the_exit_status_is_the_programs() -> None:
    run = start("sh", "-c", "exit 3")
    _, said = run.communicate(timeout=WITHIN_S)
    assert (run.returncode, said) == (3, "nothing left behind: no process, mount, namespace or link\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["to the script", "to its group"])
def test_a_signal_leaves_time_to_clean_up(number: signal.Signals, send: object) -> None:
    assert callable(send)
    # Not bash: it forgets a SIGINT that comes while its child ends of itself.
    run = start("dash", "-c", CLEANS_UP)
    assert run.stdout is not None
    assert run.stdout.readline() == "ready\n"
    send(run.pid, number)
    said, _ = run.communicate(timeout=WITHIN_S)
    assert (run.returncode, said) == (7, "cleaned\n")


def test_the_demo_says_how_it_is_used_before_it_makes_anything_ready() -> None:
    for words, code in ((["--help"], 0), (["--everything"], 2)):
        ran = subprocess.run(
            [LIB.with_name("demo"), *words], capture_output=True, text=True, timeout=WITHIN_S, check=False
        )
        assert (ran.returncode, ran.stdout, ran.stderr) == (code, "", "usage: script/demo [--all]\n")


def test_what_is_left_behind_is_named_and_ended() -> None:
    run = start("sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!")
    said, complaint = run.communicate(timeout=WITHIN_S)
    assert run.returncode == 99
    assert "sleep 60" in complaint
    deadline = time.monotonic() + WITHIN_S
    while start_time(int(said)) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
