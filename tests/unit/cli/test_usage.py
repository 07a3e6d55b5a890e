"""Wrong use ends with 2 and a sentence; every error has its exit code; nobody has to read the output."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from deployer import errors
from deployer.cli import main
from deployer.errors import DeployerError, Fate
from tests.unit.cli.conftest import PROGRAM, Call, Ran
from tests.unit.project import Project


def sentence(ran: Ran, code: int = 2) -> str:
    """The one thing that was said; nothing on stdout, no traceback."""
    assert ran.code == code, ran
    assert ran.out == "", ran
    assert "Traceback" not in ran.err
    lines = [line for line in ran.err.splitlines() if line and not line.startswith(("Usage:", "Try "))]
    assert len(lines) == 1, ran.err
    return lines[0]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["bogus"], "bogus"),
        (["plan"], "INVENTORY"),
        (["plan", "lab", "extra"], "extra"),
        (["plan", "lab", "--bogus"], "--bogus"),
        (["plan", "lab", "--rev"], "--rev"),
        (["plan", "nowhere"], "nowhere"),
        (["plan", "lab", "--playbook", "nothing"], "nothing"),
        (["plan", "lab", "--limit", "db9"], "db9"),
        (["plan", "lab", "--ssh-config", "no-such-file"], "no-such-file"),
        (["plan", "lab", "--limit", ""], "--limit"),
        (["plan", "lab", "--rev", ""], "--rev is empty"),
        (["deploy", "lab", "--yes", "--rev", " "], "--rev is empty"),
        (["rollback", "lab", "--yes", "--to", ""], "--to is empty"),
        (["deploy", "lab", "--yes", "--accept-change", "/x", "--reason", " "], "--reason is empty"),
        (["plan", "lab", "--project", "no-such-directory"], "lab"),
        (["history", "--number", "0"], "--number"),
        (["history", "--number", "many"], "--number"),
        (["history", "--state", "state.db"], "--state"),
        (["show", "last", "--format", "pdf"], "pdf"),
        (["show", "nobody"], "nobody"),
        (["deploy", "lab", "--yes", "--lock-wait", "soon"], "--lock-wait"),
        (["unlock", "nowhere"], "nowhere"),
        (["schema", "nothing"], "nothing"),
        (["lab", "up", "--init", "sysv"], "sysv"),
        (["lab", "bogus"], "bogus"),
    ],
    ids=" ".join,
)
def test_wrong_use_is_a_sentence(project: Project, call: Call, argv: list[str], words: str) -> None:
    assert words in sentence(call(*argv))


def test_nothing_typed_shows_the_help(call: Call) -> None:
    ran = call()
    assert ran.code == 2
    assert "rollback" in ran.out + ran.err


@pytest.mark.parametrize("command", ["deploy", "rollback"])
def test_without_a_terminal_yes_is_needed(project: Project, call: Call, command: str) -> None:
    assert "--yes" in sentence(call(command, "lab"))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("playbooks/nginx.yml", "source:\n  repo: x\nrollout:\n  wave: [1]\n", "nginx.yml:4"),
        ("playbooks/nginx.yml", "source: [\n", "nginx.yml:"),
        ("playbooks/nginx.yml", "source:\n  repo: x\nalerts: []\n", "alerts"),
        ("inventories/lab.yml", "web:\n  hosts:\n    web1: {}\n  wars: {}\n", "lab.yml:4"),
        ("inventories/lab.yml", "", "lab.yml"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(
    project: Project, call: Call, name: str, text: str, words: str
) -> None:
    project.write(name, text)
    assert words in sentence(call("plan", "lab"))


def test_a_file_of_the_project_is_looked_for_there(
    project: Project, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.playbook("nginx", checks=[{"name": "shop", "url": "https://127.0.0.1/", "ca": "ca.pem"}])
    monkeypatch.chdir("/")
    assert f"{project.path}/ca.pem" in sentence(call("plan", "lab", "--project", str(project.path)))


def test_of_two_playbooks_one_has_to_be_named(project: Project, call: Call) -> None:
    project.playbook("other")
    said = sentence(call("plan", "lab"))
    for word in ("nginx", "other", "--playbook"):
        assert word in said


@pytest.mark.parametrize("command", [["plan"], ["deploy", "--yes"], ["status"], ["adopt"]])
def test_who_asked_for_json_gets_a_document_also_then(
    project: Project, call: Call, command: list[str]
) -> None:
    ran = call(command[0], "nowhere", *command[1:], "--json")
    assert ran.code == 2
    document = json.loads(ran.out)
    assert document["exit_code"] == 2
    assert "nowhere" in document["reason"]
    assert "nowhere" in ran.err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["bogus", "--json"], "bogus"),
        (["--json"], "--json"),
        (["plan", "--json"], "INVENTORY"),
        (["deploy", "lab", "--bogus", "--json"], "--bogus"),
        (["rollback", "--json", "lab", "--to"], "--to"),
        (["adopt", "lab", "more", "--json"], "more"),
        (["status", "lab", "--json", "--limit"], "--limit"),
        (["history", "--number", "many", "--json"], "--number"),
        (["show", "--json"], "ID"),
        (["lab", "status", "--json"], "--json"),
    ],
    ids=" ".join,
)
def test_wrong_use_has_its_json_document_too(call: Call, argv: list[str], words: str) -> None:
    ran = call(*argv)
    document = json.loads(ran.out)
    assert (ran.code, document["exit_code"], document["outcome"]) == (2, 2, "refused")
    assert set(document) == {"id", "outcome", "exit_code", "revision", "reason", "hosts", "waves", "seconds"}
    assert words in document["reason"]
    assert words in ran.err


def test_json_that_was_not_asked_for_does_not_come(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("plan", "lab", "--", "more", "--json").out == ""
    monkeypatch.setenv("DEPLOYER_JSON", "yes")
    assert call("lab", "status", "--bogus").out == ""
    assert "INVENTORY" in json.loads(call("plan").out)["reason"]
    monkeypatch.setenv("DEPLOYER_JSON", "0")
    assert call("plan").out == ""


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DEPLOYER_LIMIT", "db9"),
        ("DEPLOYER_PLAYBOOK", "nothing"),
        ("DEPLOYER_SSH_CONFIG", "no-such-file"),
        ("DEPLOYER_PROJECT", "no-such-directory"),
        ("DEPLOYER_STATE", "mysql"),
    ],
)
def test_a_variable_works_like_its_option(
    project: Project, call: Call, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, f"{value}://x" if variable == "DEPLOYER_STATE" else value)
    assert value in sentence(call("adopt", "lab"))


def test_switches_have_variables_that_work(
    project: Project, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOYER_JSON", "1")
    assert json.loads(call("history").out) == {"deployments": []}
    monkeypatch.setenv("DEPLOYER_YES", "1")
    monkeypatch.setenv("DEPLOYER_REV", "no-such-branch")
    document = json.loads(call("deploy", "lab", "--ssh-config", "ssh_config").out)
    assert "no-such-branch" in document["reason"]


def test_hosts_that_do_not_answer_are_a_refusal_in_a_plan(project: Project, call: Call) -> None:
    ran = call("plan", "lab", "--ssh-config", "ssh_config", "--json")
    document = json.loads(ran.out)
    assert ran.code == document["exit_code"] == 3
    assert {h["action"] for h in document["hosts"].values()} == {"unreachable"}


def test_status_of_hosts_that_do_not_answer(project: Project, call: Call) -> None:
    ran = call("status", "lab", "--ssh-config", "ssh_config")
    assert ran.code == 6
    assert "2 of 2 hosts need attention." in ran.out


# --- init, history


def test_init_writes_what_the_other_commands_read_and_never_overwrites(
    tmp_path: Path, call: Call, home: Path
) -> None:
    ran = call("init", str(tmp_path / "new"))
    assert ran.code == 0
    wrote = [Path(line.removeprefix("wrote ")) for line in ran.out.splitlines()]
    assert [path.is_file() for path in wrote] == [True, True]
    assert "nobody" in sentence(
        call("plan", "production", "--project", str(tmp_path / "new"), "--limit", "nobody")
    )
    before = [path.read_bytes() for path in wrote]
    wrote[1].write_text("mine")
    assert "exists already" in sentence(call("init", str(tmp_path / "new")))
    assert [wrote[0].read_bytes(), wrote[1].read_text()] == [before[0], "mine"]


def test_an_empty_journal(call: Call, home: Path) -> None:
    ran = call("history")
    assert (ran.code, ran.out) == (0, "The journal has no deployment yet.\n")
    assert json.loads(call("history", "--json").out) == {"deployments": []}
    assert "empty" in sentence(call("show", "last"))
    assert list(home.iterdir()) == [], "asking leaves nothing behind"


# --- the one map from error to exit code

HOST = "web1"
RAISED: list[tuple[DeployerError, int]] = [
    (DeployerError("x"), 1),
    (errors.UsageError("x"), 2),
    (errors.ConfigError("x", file="a.yml", line=3), 2),
    (errors.UnknownRevision("x"), 2),
    (errors.Refused("x"), 3),
    (errors.StoreUnusable("x"), 2),
    (errors.SourceUnavailable("x"), 3),
    (errors.StoreUnavailable("x"), 3),
    (errors.LeaseHeld("x"), 3),
    (errors.HostError("x", host=HOST), 3),
    (errors.TransportError("x", fate=Fate.UNKNOWN, host=HOST), 3),
    (errors.Unreachable("x", host=HOST), 3),
    (errors.HostKeyError("x", host=HOST), 3),
    (errors.Stopped("x", host=HOST), 130),
    (errors.AgentError("x", host=HOST), 3),
    (errors.Busy("x", host=HOST), 3),
    (errors.Fenced("x", host=HOST), 3),
    (errors.Reverted("x", host=HOST), 3),
    (errors.ConfigRefused("x", host=HOST), 3),
    (errors.AnswersWorse("x", host=HOST), 3),
    (errors.Drifted("x", host=HOST), 3),
    (errors.NotProved("x", host=HOST), 3),
    (errors.Reverted("x", host=HOST), 3),
    (errors.RolledBack("x"), 4),
    (errors.OperatorNeeded("x"), 5),
    (errors.Unhealthy("x"), 6),
    (errors.Interrupted("x"), 130),
]


def raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the program has one command, which raises."""
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def fails() -> None:
        raise error

    monkeypatch.setattr(main, "program", lambda _only: app)


@pytest.mark.parametrize(("error", "code"), RAISED, ids=lambda value: type(value).__name__)
def test_every_error_has_its_exit_code(
    call: Call, monkeypatch: pytest.MonkeyPatch, error: DeployerError, code: int
) -> None:
    raising(error, monkeypatch)
    ran = call()
    page = f"Help: {error.runbook}\n" if error.runbook else ""
    assert (ran.code, ran.out, ran.err) == (code, "", f"deployer: {error}\n{page}")


def test_no_error_was_forgotten() -> None:
    def below(kind: type[Any]) -> set[type[Any]]:
        return {kind}.union(*map(below, kind.__subclasses__()))

    own = {kind for kind in below(DeployerError) if kind.__module__ == errors.__name__}
    assert own == {type(error) for error, _ in RAISED}


def test_a_bug_is_said_to_be_one(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(ZeroDivisionError("division by zero"), monkeypatch)
    ran = call()
    assert ran.code == 1
    assert "Traceback" in ran.err
    assert ran.err.splitlines()[-1].startswith("deployer: a bug in deployer (ZeroDivisionError)")


def test_an_interrupt_is_130(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(KeyboardInterrupt(), monkeypatch)
    ran = call()
    assert ran.code == 130
    assert "Traceback" not in ran.err


# --- nobody reads


def unread(*argv: str, stream: str) -> Ran:
    """Run it while nobody reads stdout (or stderr): the pipe's other end is closed before it begins."""
    read, write = os.pipe()
    os.close(read)
    others: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: write}
    try:
        done = subprocess.run(
            [*PROGRAM, *argv], **others, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
        )
    finally:
        os.close(write)
    return Ran(done.returncode, done.stdout or "", done.stderr or "")


@pytest.mark.slow
def test_the_exit_code_stays_true_when_nobody_reads(project: Project) -> None:
    ssh = ("--ssh-config", "ssh_config")
    for stream in ("stdout", "stderr"):
        for argv, code in (
            (("history",), 0),
            (("history", "--json"), 0),
            (("init", f"new-{stream}"), 0),
            (("plan", "nowhere", "--json"), 2),
            (("schema", "playbook"), 0),
            (("plan", "lab", *ssh), 3),
            (("status", "lab", *ssh), 6),
            (("deploy", "lab", "--yes", *ssh), 3),
            (("show", "nobody"), 2),
        ):
            ran = unread(*argv, stream=stream)
            assert ran.code == code, (argv, stream, ran)
            assert "Traceback" not in ran.err
            assert "BrokenPipe" not in ran.err


@pytest.mark.parametrize(
    "argv",
    [["--help"], ["lab", "--help"], ["deploy", "-h"], ["lab", "up", "-h"], ["--show-completion", "bash"]],
)
def test_help_into_a_closed_pipe_is_quiet(argv: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    ran = unread(*argv, stream="stdout")
    assert (ran.code, ran.err) == (0, "")
