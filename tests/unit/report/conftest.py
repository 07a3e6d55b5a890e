"""The update of 12 June, as the engine would journal it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deployer.model import (
    DeploymentRecord,
    Event,
    HostOutcome,
    HostResult,
    Outcome,
    Result,
    State,
    WaveResult,
)

ID = "20240612-141500-x7f3"
NOON = 1718201700.0  # 2024-06-12 14:15:00 UTC
NEW = "4f4f4f4f4f4f-0123456789ab"
OLD = "baseline-ba9876543210"
FLEET = ("web1", "web2", "web3", "web4", "web5")


def _record(**changes: Any) -> DeploymentRecord:
    given: dict[str, Any] = {
        "id": ID,
        "kind": "deploy",
        "inventory": "prod",
        "playbook": "nginx",
        "revision": "main",
        "commit": "4f" * 20,
        "subject": "Maintenance page for the shop",
        "started": NOON,
        "who": "ann@ops1",
    }
    return DeploymentRecord(**{**given, **changes})


@pytest.fixture
def record() -> Callable[..., DeploymentRecord]:
    return _record


@pytest.fixture
def outage_result() -> Result:
    why = "check shop: http://127.0.0.1/ answered 503, expected 200"
    hosts = {"web1": HostResult(HostOutcome.ROLLED_BACK, NEW, OLD, why, 4.2)}
    hosts |= {name: HostResult(HostOutcome.UNTOUCHED, NEW, OLD, None, 0.9) for name in FLEET[1:]}
    waves = (WaveResult(("web1",), "failed", 3.0),)
    return Result(ID, Outcome.ROLLED_BACK, 4, "main", f"web1: {why}", hosts, waves, 6.1)


@pytest.fixture
def outage() -> list[Event]:
    events: list[Event] = []

    def say(at: float, host: str | None, step: str, state: State, **detail: Any) -> None:
        events.append(Event(ID, host, step, state, NOON + at, detail))

    actions = {name: {"action": "change", "from": OLD, "to": NEW} for name in FLEET}
    say(0.1, None, "deployment", State.STARTED, kind="deploy", inventory="prod", revision="main")
    say(0.5, None, "plan", State.SUCCEEDED, hosts=actions, waves=[["web1"], ["web2"], list(FLEET[2:])])
    say(0.7, None, "precheck", State.SUCCEEDED)
    say(0.7, None, "decision", State.STARTED, decision="begin", wave=0, scope=list(FLEET))
    for state in (State.STARTED, State.SUCCEEDED):
        for host in FLEET:
            say(0.8, host, "begin", state)
    say(0.9, None, "decision", State.STARTED, decision="prepare", wave=0, scope=list(FLEET))
    for number, host in enumerate(FLEET):
        say(0.9, host, "prepare", State.STARTED)
        if number:
            before = FLEET[number - 1]
            say(1.0 + number / 10, before, "prepare", State.SUCCEEDED, seconds=0.1 + number / 10, release=NEW)
    say(1.8, "web5", "prepare", State.SUCCEEDED, seconds=0.8, release=NEW)
    say(1.9, None, "decision", State.STARTED, decision="wave", wave=1, scope=["web1"])
    say(1.9, "web1", "activate", State.STARTED)
    say(2.2, "web1", "activate", State.SUCCEEDED, seconds=0.3, release=NEW, memory=NEW)
    say(2.2, "web1", "verify", State.STARTED)
    said = ["attempt 3 of 3", "http://127.0.0.1/ answered 503 Service Temporarily Unavailable"]
    error = "check shop: http://127.0.0.1/ answered 503, expected 200"
    say(4.9, "web1", "verify", State.FAILED, error=error, details=said, seconds=2.7)
    say(4.9, None, "decision", State.STARTED, decision="unwind", wave=0, scope=["web1"])
    say(4.9, "web1", "activate", State.UNDO_STARTED, undo="restore")
    say(5.4, "web1", "activate", State.UNDO_SUCCEEDED, undo="restore", seconds=0.5, release=OLD)
    for state in (State.UNDO_STARTED, State.UNDO_SUCCEEDED):
        for host in FLEET:
            say(6.0, host, "begin", state, undo="release")
    say(6.1, None, "deployment", State.FAILED, outcome="rolled_back", reason=f"web1: {error}")
    return events


@pytest.fixture
def ended(record: Callable[..., DeploymentRecord], outage_result: Result) -> DeploymentRecord:
    result = outage_result
    return record(
        finished=NOON + 6.1, outcome=result.outcome, exit_code=4, reason=result.reason, result=result
    )
