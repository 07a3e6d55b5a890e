"""A drill as trainer and trainee play it: won by the answer, by nothing else, and gone at its end.

Every scenario: ``python -m tests.drills``.
"""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployer.lab.fleet import Lab, labs
from deployer.lab.proc import all_pids
from tests.conftest import need_root
from tests.lab.story import PROGRAM, wait_for

pytestmark = pytest.mark.lab

WITHIN_S = 120.0


@dataclass
class Ground:
    """Where a drill of this test is."""

    directory: Path

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "PYTHONPATH")}
        homes = {"HOME": str(self.directory.parent), "XDG_STATE_HOME": str(self.directory.parent / "state")}
        return {**kept, **homes, "LANG": "C.UTF-8", "TERM": "dumb", "DEPLOYER_DRILL_DIR": str(self.directory)}

    def run(self, *argv: str, inside: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command as the trainer says it; ``inside``: as the trainee does, in a shell of their own."""
        said = (
            [*PROGRAM, *argv] if inside is None else ["sh", "-c", f". {self.directory}/drill/shell; {inside}"]
        )
        done = subprocess.run(
            said, env=self.environment(), capture_output=True, text=True, stdin=subprocess.DEVNULL,
            timeout=WITHIN_S, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def judged(self, *argv: str) -> dict[str, Any]:
        """The document of a command with ``--json``."""
        done = self.run(*argv, "--json")
        document: dict[str, Any] = json.loads(done.stdout)
        assert document["exit_code"] == done.returncode, done
        return document

    def left(self) -> list[str]:
        """What there still is of it: the directory, its lab, processes of it."""
        found = [str(path) for path in (self.directory,) if path.exists()]
        found += [lab.name for lab in labs() if lab.directory == self.directory]
        for pid in all_pids():
            with suppress(OSError):
                told = Path(f"/proc/{pid}/cmdline").read_bytes()
                if str(self.directory).encode() in told + Path(f"/proc/{pid}/environ").read_bytes():
                    found.append(told.replace(b"\0", b" ").decode())
        return found


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """A place for one drill; what a failed test leaves there is taken down."""
    need_root()
    made = Ground(tmp_path / "drill")
    yield made
    if made.left():
        made.run("drill", "end")
        with suppress(Exception):
            Lab.load(made.directory).down()


def test_the_night_of_12_june_is_won_by_its_model_answer(ground: Ground) -> None:
    judged = ground.judged("drill", "start", "june", "--auto")
    assert judged["won"], judged
    assert 0 < judged["cause_s"] < judged["recovered_s"] < judged["story_cause_s"]
    assert judged["users"]["failed"] > 60, "nobody noticed that the shop was gone"
    assert judged["points_for"]["cause"] > 30
    assert ground.left() == []


def test_a_trainee_goes_astray_and_comes_back(ground: Ground) -> None:
    with Terminal(ground, "drill", "start", "left-behind") as terminal:
        terminal.until("drill left-behind #")
        terminal.type("sh -c 'echo be\"\"gun; exec sleep 600'")
        terminal.until("begun")  # what was typed is echoed with quotes: this was said by the job itself
        terminal.write(b"\x03")  # Ctrl-C is for what runs in the shell
        terminal.until("drill left-behind #")
        again = ground.run("drill", "start", "june")
        assert (again.returncode, "runs in" in again.stderr) == (2, True), again

        nothing = ground.run("drill", "check")
        assert nothing.returncode == 6, nothing
        assert "web3 serves" in nothing.stdout
        assert "users did not get 'shop 3'" in nothing.stdout
        assert "-5 points" in ground.run("drill", "hint").stdout
        assert ground.run("drill", "found", "database").returncode == 6

        terminal.type("deployer rollback lab --yes; echo ended with $?.")
        terminal.until("ended with 0.")
        wrong = ground.judged("drill", "check")
        assert (wrong["exit_code"], wrong["won"]) == (6, False)

        back = ground.run(inside="deployer deploy lab --yes --break-glass 'the sale was good'")
        assert back.returncode == 0, back
        assert ground.run("drill", "found", "host-left-behind").returncode == 0
        checked = ground.run("drill", "check")
        assert checked.returncode == 0, checked
        assert "REPAIRED" in checked.stdout
        terminal.type("exit")
        terminal.until("The drill goes on")
    ended = ground.judged("drill", "end")
    assert ended["won"]
    assert (ended["hints"], ended["wrong_causes"], ended["points"]) == (1, 1, 90)
    assert 0 < ended["first_look_s"] < ended["recovered_s"]
    assert ground.left() == []


def test_a_drill_that_is_interrupted_while_it_is_set_up_leaves_nothing(ground: Ground) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "drill", "start", "stuck-lock"], env=ground.environment(), start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        wait_for((ground.directory / "drill/scene.json").exists, "the ground is not laid", WITHIN_S)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=WITHIN_S)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, "Traceback" in said) == (130, False), said
    assert ground.left() == []


class Terminal:
    """The program on a terminal."""

    def __init__(self, ground: Ground, *argv: str) -> None:
        self._ours, theirs = pty.openpty()
        self._got = ""
        self._process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *PROGRAM, *argv],
            stdin=theirs, stdout=theirs, stderr=theirs, env=ground.environment(),
        )  # fmt: skip
        os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._ours)  # whoever still sits there is hung up on
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=20)
        self._process.kill()
        self._process.wait()

    def write(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._ours, keys)

    def type(self, line: str) -> None:
        """Type a line."""
        self.write(f"{line}\n".encode())

    def until(self, what: str) -> None:
        """Read until this stands there; what was read before it is gone."""
        deadline = time.monotonic() + WITHIN_S
        while what not in self._got:
            assert time.monotonic() < deadline, self._got
            ready, _, _ = select.select([self._ours], [], [], 1)
            if ready:
                try:
                    self._got += os.read(self._ours, 65536).decode(errors="replace")
                except OSError:
                    raise AssertionError(f"it ended before {what!r}:\n{self._got}") from None
        self._got = self._got.partition(what)[2]
