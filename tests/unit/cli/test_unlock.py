"""Somebody else is at work: who, where, since when, and what to do about it."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deployer.cli import setup
from deployer.cli.common import Common
from deployer.journal import Store
from deployer.journal.lease import Held, Lease, Owner, look
from deployer.journal.process import this_process
from deployer.leasing import lease_name
from tests.unit.cli.conftest import PROGRAM, Call, Ran
from tests.unit.project import Project

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


def test_nobodys_lease(project: Project, call: Call) -> None:
    assert call("unlock", "lab", *SSH) == Ran(0, "lab: nobody holds its lease\n", "")
    document = json.loads(call("unlock", "lab", "--json", *SSH).out)
    nothing = {"held": False, "released": False, "owner": None, "exit_code": 0, "reason": None}
    assert document == {"inventory": "lab", **nothing}


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
    take(ANN)
    ran = call("unlock", "lab", "--yes", *SSH)
    assert (ran.code, ran.out) == (0, "released: the next deploy of lab need not wait\n")
    assert says_whose(ran.err)
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
        assert owner["alive"] is None
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
