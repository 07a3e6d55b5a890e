"""Where the journal is, as it is typed: what is refused, and what is kept to ourselves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployer.journal import Store
from tests.unit.cli.conftest import PROGRAM, Call
from tests.unit.project import Project

SSH = ("--ssh-config", "ssh_config")


@pytest.mark.parametrize(
    "command",
    [("history",), ("show", "last"), ("unlock", "lab", *SSH), ("deploy", "lab", "--yes", *SSH)],
    ids=lambda words: words[0],
)
def test_a_journal_of_a_newer_program_is_wrong_use(
    project: Project, call: Call, command: tuple[str, ...]
) -> None:
    with Store.open() as store:
        later = "INSERT INTO schema_version VALUES (99, 'later', 0)"
        store.call(lambda session: session.change(later)).result(10)
    ran = call(*command)
    assert ran.code == 2, ran
    assert ran.out == ""
    assert "upgrade this deployer" in ran.err.splitlines()[-1]


def test_a_rollback_minds_no_newer_program(project: Project, call: Call) -> None:
    with Store.open() as store:
        later = "INSERT INTO schema_version VALUES (99, 'later', 0)"
        store.call(lambda session: session.change(later)).result(10)
    ran = call("rollback", "lab", "--yes", *SSH)
    assert ran.code == 5, "for the hosts that do not answer"
    assert "goes on all the same" in ran.err
    assert "upgrade this deployer" in ran.err


@pytest.mark.slow
def test_a_password_that_was_typed_is_warned_of(project: Project) -> None:
    url = "postgresql://ann:wr0ng@127.0.0.1:1/journal"
    argv = [*PROGRAM, "unlock", "lab", *SSH]
    for typed in (True, False):
        env = dict(os.environ) if typed else {**os.environ, "DEPLOYER_STATE": url}
        ran = subprocess.run(
            [*argv, "--state", url] if typed else argv,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        assert ran.returncode == 3
        assert ("whoever may list processes" in ran.stderr) is typed
        assert "wr0ng" not in ran.stderr + ran.stdout


def test_programs_that_it_starts_are_not_told_the_password(project: Project, tmp_path: Path) -> None:
    """A dynamic inventory, which is a program like git and ssh, sees its own environment."""
    seen = tmp_path / "seen"
    program = (
        f"#!{sys.executable}\nimport json, os\n"
        f"open({str(seen)!r}, 'w').write(str(dict(os.environ)))\n"
        "print(json.dumps({'web': {'hosts': ['web1']}}))\n"
    )
    project.write("inventories/lab.yml", program).chmod(0o755)
    env = {**os.environ, "DEPLOYER_STATE": "postgresql://ann:wr0ng@127.0.0.1:1/journal"}
    subprocess.run([*PROGRAM, "unlock", "lab", *SSH], env=env, capture_output=True, check=False, timeout=60)
    assert "HOME" in seen.read_text()
    assert "wr0ng" not in seen.read_text()
