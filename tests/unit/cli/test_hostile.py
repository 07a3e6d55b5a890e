"""Names and places that nobody meant: each ends in one sentence with the right code, never in a traceback."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.conftest import PROGRAM, Call, Ran, within
from tests.unit.project import Project

pytestmark = pytest.mark.slow

LONG = "x" * 5000
SSH = ("--ssh-config", "ssh_config")


def one_sentence(ran: Ran, code: int, words: str) -> None:
    assert ran.code == code, ran
    said = [line for line in ran.err.splitlines() if not line.startswith("Help: ")]
    assert said, ran
    assert said[-1].startswith("deployer: "), ran
    assert words in said[-1], ran
    assert "Traceback" not in ran.err
    assert len(said[-1]) < 400, "a name that long tells nobody anything"


@pytest.mark.parametrize(
    "argv",
    [
        ("plan", LONG),
        ("plan", "lab", "--playbook", LONG),
        ("plan", "lab", "--project", LONG),
        ("check", "--tree", LONG),
        ("plan", "lab", "--ssh-config", LONG),
    ],
    ids=lambda argv: argv[-2],
)
def test_a_name_that_no_file_can_have(project: Project, call: Call, argv: tuple[str, ...]) -> None:
    one_sentence(call(*argv), 2, "File name too long")


def test_a_journal_whose_name_no_file_can_have(call: Call) -> None:
    ran = call("history", "--state", f"sqlite:////{LONG}")
    assert (ran.code, ran.out) == (3, "")
    assert "cannot be read: File name too long" in ran.err
    assert "Traceback" not in ran.err


def test_a_directory_where_a_playbook_is_looked_for_is_none(project: Project, call: Call) -> None:
    (project.path / "playbooks/other.yml").mkdir()
    one_sentence(call("plan", "lab", "--playbook", "other"), 2, "there are: nginx")


@pytest.mark.parametrize("content", [None, b"\x00\xff\xfe"], ids=["empty", "binary"])
def test_a_tree_without_nginx_is_not_called_clean(call: Call, tmp_path: Path, content: bytes | None) -> None:
    """A wrong --tree in a CI job would be green for ever."""
    if content is not None:
        (tmp_path / "nginx.conf").write_bytes(content)
    one_sentence(call("check", "--tree", str(tmp_path)), 2, "nothing was looked at")


@pytest.mark.parametrize("name", ["x/../../y", "../x", "", "-x"])
def test_a_name_of_a_lab_is_no_path(call: Call, name: str) -> None:
    for command in ("up", "down", "status"):
        one_sentence(call("lab", command, "--name", name), 2, "letters, digits")


def test_an_export_goes_nowhere_is_said_before_anything_is_done(
    project: Project, call: Call, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    one_sentence(call("adopt", "lab", "--export", f"{tmp_path}/file", *SSH), 2, "Not a directory")
    assert "there is no deployment" in call("show", "last").err, "and nothing was begun"


# --- without the rights


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A directory that nobody may look into."""
    directory = tmp_path / "closed"
    directory.mkdir(mode=0)
    yield directory
    directory.chmod(0o700)


def without_rights(*argv: str, **env: str) -> Ran:
    """Run the program as a user whom modes hinder: root, too, without the capabilities to ignore them."""
    plain = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    return within(plain, *argv, **env)


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("plan", "CLOSED/lab.yml"), 2),
        (("plan", "lab", "--playbook", "CLOSED/nginx.yml"), 2),
        (("plan", "lab", "--ssh-config", "CLOSED/config"), 2),
        (("history", "--state", "sqlite:///CLOSED/state.db"), 3),
        (("adopt", "lab", "--export", "CLOSED/x"), 2),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else "",
)
def test_what_may_not_be_looked_at_is_named(
    project: Project, closed: Path, argv: tuple[str, ...], code: int
) -> None:
    ran = without_rights(*(word.replace("CLOSED", str(closed)) for word in argv))
    one_sentence(ran, code, "Permission denied")
    assert str(closed) in ran.err


def test_a_home_that_may_not_be_looked_at(project: Project, closed: Path) -> None:
    homes = {"HOME": str(closed), "XDG_STATE_HOME": "", "XDG_CACHE_HOME": ""}
    one_sentence(without_rights("deploy", "lab", "--yes", **homes), 3, "cannot use the git cache")
    assert without_rights("rollback", "lab", "--yes", **homes).code == 5, "it asks the hosts all the same"
    state = {"XDG_STATE_HOME": str(closed)}
    one_sentence(without_rights("staging", "status", **state), 2, "Permission denied")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody unknown")
def test_a_user_whom_the_machine_does_not_know(project: Project, tmp_path: Path) -> None:
    """As in many a container: a bare uid without a name or a home."""
    homeless = {k: v for k, v in os.environ.items() if k not in ("HOME", "USER", "LOGNAME")}
    homeless |= {"XDG_STATE_HOME": "", "XDG_CACHE_HOME": ""}

    def run(*argv: str) -> Ran:
        done = subprocess.run(
            ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", *PROGRAM, *argv],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
            env=homeless,
            cwd="/",
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    if run("--help").code:
        pytest.skip(f"{sys.executable} is nobody else's to run")
    assert run("history").out == "The journal has no deployment yet.\n"
    places = ("--project", str(project.path), "--ssh-config", str(project.path / "ssh_config"))
    for parent in (project.path, *project.path.parents):
        if parent == Path("/tmp"):
            break
        parent.chmod(parent.stat().st_mode | 0o055)
    ran = run("rollback", "lab", "--yes", *places)
    assert ran.code == 5, ran
    assert "refused the connection" in ran.err
    assert "this is not journalled" in ran.err


def test_bytes_that_are_no_text(project: Project, call: Call) -> None:
    """As a shell hands over what is no UTF-8."""
    one_sentence(call("show", "b\udcff"), 2, "there is no deployment 'b")
    one_sentence(call("plan", "b\udcff"), 2, "there is no inventory 'b")


# --- without streams


def shell(line: str) -> Ran:
    """Run a line of a shell in which ``deployer`` is the program."""
    program = shlex.join(PROGRAM)
    done = subprocess.run(
        ["sh", "-c", f'deployer() {{ {program} "$@"; }}; {line}'],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("deployer schema playbook >&-", 0, ""),
        ("deployer deploy lab --yes --ssh-config ssh_config <&- >&- 2>&-", 3, ""),
        ("deployer deploy lab --ssh-config ssh_config <&-", 2, "say --yes"),
        ("deployer history --json >/dev/full", 0, "could not be written: No space left on device"),
    ],
)
def test_the_exit_code_stays_true_without_streams(project: Project, line: str, code: int, said: str) -> None:
    ran = shell(line)
    assert ran.code == code, ran
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_a_terminal_that_is_no_utf8(project: Project) -> None:
    hosts = "web: {hosts: {kiosk€: {ansible_host: 127.0.0.1, ansible_port: 1}}}"
    project.write("inventories/books.yml", hosts)
    ran = shell("export PYTHONIOENCODING=latin-1; deployer status books --json --ssh-config ssh_config")
    assert ran.code == 6, ran
    assert ran.out.isascii()
    assert "kiosk€" in json.loads(ran.out)["hosts"]
