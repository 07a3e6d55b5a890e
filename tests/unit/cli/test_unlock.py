"""Somebody else is at work: who, where, since when, and what to do about it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from deployer.cli import setup
from deployer.cli.common import Common
from deployer.journal import Store
from deployer.journal.lease import Held, Lease, Owner, look
from deployer.journal.process import Process, _born, this_process
from deployer.model import DeploymentRecord, Event, State
from deployer.running.leasing import lease_name
from tests.unit.cli.conftest import PROGRAM, Call, Ran
from tests.unit.project import Project

pytestmark = pytest.mark.slow

SSH = ("--ssh-config", "ssh_config")
ANN = Owner("20240612-141500-aaaa", "deploy", who="ann@ops1", host="ops1")
Take = Callable[[Owner], Lease]


def name_in(project: Project, **given: object) -> str:
    context = setup.load("lab", Common(project=project.path, **given))  # type: ignore[arg-type]
    return lease_name(context)


@pytest.fixture
def take(project: Project) -> Iterator[Take]:
    """Takes the lease of the project's inventory for somebody."""
    with Store.open() as store:

        def take(owner: Owner) -> Lease:
            lease = Lease(store, name_in(project), owner, lambda _now: None)
            assert lease.answer(lease.ask()).granted
            return lease

        yield take


def now_of(project: Project) -> Held | None:
    with Store.open() as store:
        return store.call(lambda session: look(session, name_in(project))).result(20)


def says_whose(text: str) -> bool:
    told = (
        r"ann@ops1 \(deploy 20240612-141500-aaaa, pid \d+ on ops1, since \d{4}-\d\d-\d\d \d\d:\d\d UTC, heard"
    )
    return re.search(told, text) is not None


# --- a deploy


@pytest.mark.parametrize("command", [("deploy", "--yes"), ("adopt",)], ids=lambda words: words[0])
def test_somebody_at_work_is_named_and_nothing_is_done(
    project: Project, call: Call, take: Take, command: tuple[str, ...]
) -> None:
    take(ANN)
    ran = call(command[0], "lab", *command[1:], *SSH)
    assert ran.code == 3
    said, page = ran.err.splitlines()[-2:]
    assert page == "Help: docs/runbook.md#the-lock-is-stuck"
    assert says_whose(said), said
    assert "--lock-wait 10m" in said
    assert "deployer unlock lab" in said
    assert json.loads(call("history", "--json").out) == {"deployments": []}
    held = now_of(project)
    assert held is not None
    assert held.owner == ANN


def test_the_same_as_a_document(project: Project, call: Call, take: Take) -> None:
    take(ANN)
    document = json.loads(call("deploy", "lab", "--yes", "--json", *SSH).out)
    assert (document["outcome"], document["exit_code"]) == ("refused", 3)
    assert says_whose(document["reason"])


def test_waiting_says_for_whom_and_ends_in_time(project: Project, call: Call, take: Take) -> None:
    take(ANN)
    ran = call("deploy", "lab", "--yes", "--lock-wait", "0.5s", *SSH)
    assert ran.code == 3
    waiting, *_, refused, _ = ran.err.splitlines()
    assert "waiting up to 0.5 s for ann@ops1" in waiting
    assert "still taken after 0.5 s by ann@ops1" in refused


def test_waiting_ends_when_it_is_free(project: Project, take: Take) -> None:
    lease = take(ANN)
    argv = [*PROGRAM, "deploy", "lab", "--yes", "--lock-wait", "2m", *SSH]
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stderr
    assert "waiting up to 2 min 0 s for ann@ops1" in process.stderr.readline()
    lease.release()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, (out, err)  # the project's hosts answer to nobody
    assert "refused the connection" in out
    assert now_of(project) is None, "and it gives back what it took"


def test_a_wait_can_be_interrupted(project: Project, take: Take) -> None:
    take(ANN)
    argv = [*PROGRAM, "deploy", "lab", "--yes", "--lock-wait", "10m", *SSH]
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stderr
    assert "waiting up to 10 min 0 s for ann@ops1" in process.stderr.readline()
    process.terminate()
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (130, "deployer: SIGTERM: ended before anything was changed\n")


def test_a_dead_owner_is_replaced_and_named(project: Project, call: Call, take: Take) -> None:
    take(replace(ANN, process=replace(this_process(), born=1)))
    ran = call("deploy", "lab", "--yes", *SSH)
    assert "took the lease over from ann@ops1" in ran.err
    assert "whose process is gone" in ran.err
    assert now_of(project) is None


def test_a_rollback_asks_nobody(project: Project, call: Call, take: Take) -> None:
    take(ANN)
    ran = call("rollback", "lab", "--yes", *SSH)
    assert ran.code == 5, "hosts that do not answer, and nothing else"
    assert "ann@ops1" not in ran.err


# --- whose lease it is


def test_the_same_project_elsewhere_is_the_same_lease(project: Project, tmp_path: Path) -> None:
    first = name_in(project)
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", project.path, copy], check=True)
    assert lease_name(setup.load("lab", Common(project=copy))) == first
    for other in ({"repo": "https://git.example.com/x.git"}, {"repo": str(project.repo), "path": "web"}):
        project.playbook("nginx", source=other)
        assert name_in(project) != first
    project.playbook("nginx", source={"repo": "https://ann:t0ken@git.example.com/x.git"})
    ann = name_in(project)
    project.playbook("nginx", source={"repo": "https://bob:0ther@git.example.com/x.git"})
    assert name_in(project) == ann, "who fetches does not matter"
    assert ann.startswith("lab ")


# --- unlock


def at_work(project: Project, process: Process) -> None:
    """A deployment of the project's inventory that this process began and has not ended."""
    began = time.time()
    with Store.open() as store:
        store.start(
            DeploymentRecord(ANN.deployment, "deploy", "lab", "nginx", None, None, None, began, "ann@ops1")
        )
        first = {"process": asdict(process), "lease": name_in(project)}
        store.append(Event(ANN.deployment, None, "deployment", State.STARTED, began, first))


def other(*argv: str) -> tuple[subprocess.Popen[bytes], Process]:
    """Another process of this machine; it ends with its standard input."""
    child = subprocess.Popen(["/bin/sh", "-c", "cat; :", *argv], stdin=subprocess.PIPE)
    return child, replace(this_process(), pid=child.pid, born=_born(child.pid))


def test_a_process_that_lives_is_named_with_what_ends_it(project: Project, call: Call, take: Take) -> None:
    child, process = other("deployer", "deploy", "lab", "--state", "postgresql://ann:s3cret@db/x")
    with child:
        take(replace(ANN, process=process))
        ran = call("unlock", "lab", "--yes", *SSH)
        named = f"(pid {child.pid}: deployer deploy lab --state 'postgresql://***@db/x')"
        assert f"That process lives {named}" in ran.err
        assert f"'kill {child.pid}', and it takes back what it changed" in ran.err
        assert "in an emergency 'deployer rollback lab' takes its hosts over at once" in ran.err
        said = (
            f"released: but pid {child.pid} goes on, and a deploy from this machine refuses while it does\n"
        )
        assert ran.out == said


def test_unlocked_already_and_still_at_work(project: Project, call: Call) -> None:
    """Somebody has unlocked, and wonders why that does not help."""
    child, process = other("deployer", "deploy", "lab")
    with child:
        at_work(project, process)
        ran = call("unlock", "lab", *SSH)
        assert ran.code == 0
        assert "lab: nobody holds its lease; but deployment 20240612-141500-aaaa of ann@ops1" in ran.out
        assert f"is still at work (pid {child.pid}: deployer deploy lab): let it end; or stop" in ran.out
        assert f"(pid {child.pid}: " in json.loads(call("unlock", "lab", "--json", *SSH).out)["at_work"]
    assert call("unlock", "lab", *SSH).out == "lab: nobody holds its lease\n"


def test_a_suspended_one_is_said_to_be_suspended(project: Project, call: Call, take: Take) -> None:
    child, process = other()
    with child:
        take(replace(ANN, process=process))
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        try:
            said = call("unlock", "lab", *SSH).err
        finally:
            child.send_signal(signal.SIGCONT)
        assert f"it is suspended (Ctrl-Z): say 'fg' where it runs, or 'kill -CONT {child.pid}'" in said


def test_nobodys_lease(project: Project, call: Call) -> None:
    assert call("unlock", "lab", *SSH) == Ran(0, "lab: nobody holds its lease\n", "")
    document = json.loads(call("unlock", "lab", "--json", *SSH).out)
    nothing = {"held": False, "released": False, "owner": None, "at_work": None, "exit_code": 0}
    assert document == {"inventory": "lab", **nothing, "reason": None}


def test_without_a_terminal_it_shows_whose_and_wants_a_yes(project: Project, call: Call, take: Take) -> None:
    take(ANN)
    ran = call("unlock", "lab", *SSH)
    assert (ran.code, ran.out) == (2, "")
    assert says_whose(ran.err)
    assert "That process lives" in ran.err
    assert ran.err.splitlines()[-1] == (
        "deployer: unlock asks before it releases, and there is no terminal: say --yes"
    )
    assert now_of(project) is not None


def test_released_with_a_word_about_the_hosts(project: Project, call: Call, take: Take) -> None:
    take(replace(ANN, process=replace(this_process(), machine="another")))
    ran = call("unlock", "lab", "--yes", *SSH)
    assert (ran.code, ran.out) == (0, "released: the next deploy of lab need not wait\n")
    assert says_whose(ran.err)
    assert "can only be seen on ops1" in ran.err
    assert "silent for 10 minutes" in ran.err
    assert now_of(project) is None


def test_as_a_document(project: Project, call: Call, take: Take) -> None:
    take(replace(ANN, process=replace(this_process(), machine="another")))
    for argv, code in ((("unlock", "lab"), 2), (("unlock", "lab", "--yes"), 0)):
        ran = call(*argv, "--json", *SSH)
        document = json.loads(ran.out)
        assert (ran.code, document["exit_code"]) == (code, code)
        assert (document["held"], document["released"]) == (code == 2, code == 0)
        owner = document["owner"]
        assert owner["who"] == "ann@ops1"
        assert owner["pid"] == os.getpid()
        assert (owner["alive"], owner["command"]) == (None, None)
        assert owner["deployment"] == "20240612-141500-aaaa"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", owner["since"])
        assert owner["lapsed"] is False


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 3), ("", 3)])
def test_at_a_terminal_it_asks(project: Project, take: Take, answer: str, code: int) -> None:
    take(ANN)
    master, slave = pty.openpty()
    os.write(master, f"{answer}\n".encode())
    process = subprocess.Popen(
        [*PROGRAM, "unlock", "lab", *SSH], stdin=slave, stderr=slave, stdout=subprocess.PIPE, text=True
    )
    os.close(slave)
    out, _ = process.communicate(timeout=30)
    said = os.read(master, 65_536).decode()
    os.close(master)
    assert process.returncode == code, said
    assert "Release the lease of lab? [y/N]" in said
    assert ("released" in out) is (code == 0)
    assert (now_of(project) is None) is (code == 0)
