"""The program as it is called: in this process, or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployer.cli.main import run
from tests.unit.project import Project

PROGRAM = (sys.executable, "-m", "deployer")


@dataclass(frozen=True)
class Ran:
    """How a call ended."""

    code: int
    out: str
    err: str


Call = Callable[..., Ran]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of who runs the tests: no variables, no journal, no ssh configuration."""
    for name in [n for n in os.environ if n.startswith(("DEPLOYER_", "XDG_"))]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    return home


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project, which is the current directory."""
    made = Project(tmp_path / "project")
    monkeypatch.chdir(made.path)
    return made


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """``call("plan", "lab")`` in this process."""

    def call(*argv: str) -> Ran:
        capsys.readouterr()
        code = run(list(argv))
        return Ran(code, *capsys.readouterr())

    return call


@pytest.fixture
def spawn() -> Call:
    """``spawn("plan", "lab")`` in a process of its own."""

    def spawn(*argv: str) -> Ran:
        done = subprocess.run(
            [*PROGRAM, *argv],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return spawn


def within(limits: list[str], *argv: str, **env: str) -> Ran:
    """Run the program by a command that starts another with less (``prlimit``, ``setpriv``)."""
    done = subprocess.run(
        [*limits, *PROGRAM, *argv],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **env},
    )
    return Ran(done.returncode, done.stdout, done.stderr)
