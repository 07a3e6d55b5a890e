"""Looking back, as it is typed: filters, times, formats, and what is refused."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from deployer.journal import Store
from deployer.model import DeploymentRecord, Event, HostOutcome, HostResult, Outcome, Result, State
from tests.unit.cli.conftest import Call

ID = "20240612-141500-x7f3"


@pytest.fixture(autouse=True)
def journal(home: object) -> None:
    """One deployment that failed ten minutes ago; its subject wants to be markup."""
    began = time.time() - 600
    with Store.open() as store:
        store.start(
            DeploymentRecord(
                ID, "deploy", "prod", "nginx", "main", "4f" * 20, "<script>x</script>", began, "ann@ops1"
            )
        )
        for after, state in ((1, State.STARTED), (3, State.UNDO_SUCCEEDED)):
            store.append(Event(ID, "web1", "activate", state, began + after))
        hosts = {"web1": HostResult(HostOutcome.ROLLED_BACK, "r", "f", "shop answered 503", 1.0)}
        result = Result(ID, Outcome.ROLLED_BACK, 4, "main", "web1: shop answered 503", hosts, (), 4.0)
        store.finish(ID, result, finished=began + 4)


def document(call: Call, *argv: str) -> Any:
    ran = call(*argv)
    assert ran.code == 0, ran
    return json.loads(ran.out)


NONE_SO = "No deployment of this journal is so; all of them: deployer history\n"


def test_an_inventory_that_the_journal_does_not_know(call: Call) -> None:
    assert call("history", "nosuch").out == NONE_SO


def test_a_host_is_told_how_it_ended(call: Call) -> None:
    ran = call("history", "--host", "web*", "--outcome", "rolled-back", "--since", "1h ago")
    assert ran.code == 0
    assert ran.out.splitlines()[0].endswith("THERE")
    assert ran.out.splitlines()[1].endswith("web1: rolled back")
    assert call("history", "--until", "yesterday").out == NONE_SO


def test_around_a_time(call: Call) -> None:
    text = call("history", "--around", "5m ago").out
    assert text.startswith("In the 15 min before ")
    assert f"1. prod: deployment {ID} of main" in text
    assert "changed web1" in text
    assert "took that back" in text
    assert "NOTHING was changed" in call("history", "--around", "5m ago", "--minutes", "2").out
    assert (
        document(call, "history", "--around", "5m ago", "--json")["suspects"][0]["suspicion"] == "went_back"
    )
    assert document(call, "history", "staging", "--around", "5m ago", "--json")["changed"] is False


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--around", "noon"), "yesterday 14:15"),
        (("--since", "14:99"), "2024-06-12T14:15Z"),
        (("--around", "2999-01-01"), "is still to come"),
        (("--outcome", "odd"), "rolled_back, stuck"),
        (("--around", "5m ago", "--host", "web1"), "does not go with --host"),
        (("--minutes", "5"), "--minutes goes with --around TIME; 'history --since \"5m ago\"' lists"),
    ],
)
def test_wrong_use_is_told_what_is_right(call: Call, argv: tuple[str, ...], said: str) -> None:
    ran = call("history", *argv)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    early = call("history", *argv, "--json")
    assert early.code == 2
    assert said in json.loads(early.out)["reason"]


def test_the_variable_for_minutes_hinders_no_list(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOYER_MINUTES", "5")
    assert call("history").code == 0
    assert "In the 5 min before" in call("history", "--around", "1m ago").out


def test_every_format(call: Call) -> None:
    assert call("show", "last").out.startswith(f"Deployment {ID}: rolled back")
    assert "## Root cause and resolution" in call("show", ID, "--format", "markdown").out
    page = call("show", ID, "--format", "html").out
    assert page.startswith("<!DOCTYPE html>")
    assert "<script" not in page
    assert document(call, "show", ID, "--json")["explanation"]["cause"]["fault"] == "unknown"
    ran = call("show", ID, "--format", "pdf")
    assert ran.code == 2
    assert "text, markdown, html or json" in ran.err


def test_only_its_own_inventory_is_measured(call: Call, project: Any) -> None:
    ran = call("show", ID, "--measure", "lab", "--ssh-config", "ssh_config")
    assert ran.code == 2
    assert "was a deploy on prod, not on lab" in ran.err
