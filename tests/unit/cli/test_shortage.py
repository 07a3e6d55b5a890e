"""A machine that gives too little: one sentence, the right exit code, and nothing begun."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Call, within
from tests.unit.project import Project

COMMANDS = (("status", "lab"), ("deploy", "lab", "--yes"))
EMERGENCIES = (("rollback", "lab", "--yes"), ("recover", "lab", "--yes"))


@pytest.mark.slow
@pytest.mark.parametrize("argv", COMMANDS, ids=lambda argv: argv[0])
@pytest.mark.parametrize(
    ("limits", "named"),
    [
        (["prlimit", "--nofile=12:12"], "have 12 files open at once (ulimit -n), and 2 hosts need"),
        (["prlimit", f"--as={120 << 20}"], "have 120 MB of memory (ulimit -v), and 2 hosts need"),
        (["prlimit", f"--data={120 << 20}"], "have 120 MB of memory (ulimit -d), and 2 hosts need"),
    ],
    ids=["files", "addresses", "data"],
)
def test_a_limit_is_named_before_anything_is_begun(
    project: Project, limits: list[str], named: str, argv: tuple[str, ...]
) -> None:
    ran = within(limits, *argv)
    first, *more = ran.err.splitlines()
    assert (ran.code, ran.out, more) == (3, "", ["Help: docs/runbooks/refused.md"]), ran
    assert named in first
    assert first.endswith("nothing was begun")
    assert "no deployment yet" in within([], "history").out


@pytest.mark.slow
@pytest.mark.parametrize("argv", EMERGENCIES, ids=lambda argv: argv[0])
@pytest.mark.parametrize(
    ("limits", "named"),
    [
        (["prlimit", "--nofile=12:12"], "have 12 files open at once (ulimit -n), and 2 hosts need 26"),
        (["prlimit", f"--as={320 << 20}"], "have 320 MB of memory (ulimit -v), and 2 hosts need"),
    ],
    ids=["files", "addresses"],
)
def test_the_way_back_makes_do(
    project: Project, limits: list[str], named: str, argv: tuple[str, ...]
) -> None:
    ran = within(limits, *argv)
    assert ran.err.count("it goes on all the same") == 1, ran
    assert named in ran.err.splitlines()[0]
    assert "refused the connection" in ran.out + ran.err, "the hosts were asked"
    assert ran.code == 5, ran


@pytest.mark.parametrize("argv", EMERGENCIES, ids=lambda argv: argv[0])
def test_what_makes_it_impossible_is_refused(project: Project, argv: tuple[str, ...]) -> None:
    ran = within(["prlimit", f"--as={120 << 20}"], *argv)
    assert (ran.code, ran.out) == (3, ""), ran
    assert "not even one can be reached so: raise that limit; nothing was begun" in ran.err


def test_as_many_files_as_there_may_be_are_asked_for(project: Project) -> None:
    """Few at first is how a login begins; how many there may be is the other limit."""
    ran = within(["prlimit", "--nofile=12:256"], "status", "lab")
    assert "refused the connection" in ran.out + ran.err
    assert ran.code == 6


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes a user who has nothing running")
def test_no_more_threads(project: Project) -> None:
    us = ["setpriv", "--reuid=54322", "--regid=54322", "--clear-groups"]
    if within(us, "--help").code:
        pytest.skip(f"{sys.executable} is nobody else's to run")
    for parent in (project.path, *project.path.parents):
        if parent == Path("/tmp"):
            break
        parent.chmod(parent.stat().st_mode | 0o055)
    ran = within([*us, "prlimit", "--nproc=3:3"], "deploy", "lab", "--yes", "--json")
    assert ran.code == 3, ran
    assert '"outcome": "refused"' in ran.out
    assert "may start 2 threads (ulimit -u, or pids.max of its control group)" in ran.err
    assert "Traceback" not in ran.err


def test_an_inventory_whose_name_is_no_text(project: Project, call: Call) -> None:
    name = os.fsdecode(b"gr\xf6sse")
    (project.path / f"inventories/{name}.yml").write_bytes(
        (project.path / "inventories/lab.yml").read_bytes()
    )
    ran = call("status", name, "--ssh-config", "ssh_config")
    assert (ran.code, "Traceback" in ran.err) == (6, False), ran
    assert "refused the connection" in ran.out + ran.err
