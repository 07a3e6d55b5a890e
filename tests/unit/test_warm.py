"""A start that does not load the program anew cannot be told from one that does (tests/lab/warm.py)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.warm import USED, Warm, fits
from tests.postgres import silence

pytestmark = pytest.mark.slow

WITHIN_S = 120.0


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: os.environ.get(name, "") for name in ("PATH", "PYTHONPATH")}
    return {**kept, "LANG": "C.UTF-8", "HOME": str(home), **more}


def start(way: type[subprocess.Popen[str]], home: Path, *argv: str, **more: str) -> subprocess.Popen[str]:
    env = environment(home, **more)
    assert fits(env)
    return way(
        [sys.executable, "-m", "deployer", *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
        cwd=home,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    "argv",
    [["--help"], ["schema", "playbook"], ["plan", "nowhere", "--json"], ["bogus"], ["init", "new"]],
    ids=" ".join,
)
def test_it_says_and_does_the_same(argv: list[str], tmp_path: Path) -> None:
    came: list[tuple[object, ...]] = []
    for way in (subprocess.Popen[str], Warm):
        home = tmp_path / f"{len(came)}"
        home.mkdir()
        process = start(way, home, *argv)
        out, err = process.communicate(timeout=WITHIN_S)
        made = sorted(str(path.relative_to(home)) for path in home.rglob("*"))
        came.append((process.returncode, out, err, made))
    assert came[0] == came[1]


def test_it_is_a_process_of_its_own(tmp_path: Path) -> None:
    with silence() as port:
        state = f"postgresql://a@127.0.0.1:{port}/a"  # never answers
        process = start(Warm, tmp_path, "history", DEPLOYER_STATE=state)
        assert process.poll() is None
        assert process.pid not in (os.getpid(), os.getppid())
        assert os.getsid(process.pid) == process.pid
        assert Path(f"/proc/{process.pid}/cwd").resolve() == tmp_path
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05)
        process.kill()
        assert process.wait(WITHIN_S) == -signal.SIGKILL
        assert process.communicate() == ("", "")
        assert not Path(f"/proc/{process.pid}").exists()


def test_what_an_interpreter_looks_at_first_wants_a_start_from_nothing(tmp_path: Path) -> None:
    for name, value in (("PYTHONWARNINGS", "error"), ("LANG", "C"), ("LC_ALL", "C"), ("TZ", "Asia/Tokyo")):
        assert not fits(environment(tmp_path, **{name: value}))


def test_a_python_that_makes_processes_otherwise_starts_from_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = environment(tmp_path)
    assert fits(env)
    for name in USED:
        with monkeypatch.context() as other:
            other.delattr(subprocess.Popen, name)
            assert not fits(env), name

    def other_names(self: object, args: object, directory: str, environment: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(subprocess.Popen, "_execute_child", other_names)
    assert not fits(env)
