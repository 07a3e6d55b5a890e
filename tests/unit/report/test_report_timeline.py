"""The story of a deployment, read whole; and any journal reads without a stumble."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.model import DeploymentRecord, Event, HostOutcome, HostResult, Outcome, Result, State
from deployer.report.story import lines_of, moments
from deployer.report.timeline import Format, timeline

Make = Callable[..., DeploymentRecord]
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def ended(record: Make, outage_result: Result) -> DeploymentRecord:
    result = outage_result
    return record(
        finished=1718201706.1, outcome=result.outcome, exit_code=4, reason=result.reason, result=result
    )


@pytest.mark.parametrize("format", ["text", "markdown"])
def test_the_update_of_12_june(ended: DeploymentRecord, outage: list[Event], format: Format) -> None:  # noqa: A002
    golden = (GOLDEN / f"outage.{'txt' if format == 'text' else 'md'}").read_text()
    assert timeline(ended, outage, format=format) + "\n" == golden


def test_as_json_it_has_the_raw_events_too(ended: DeploymentRecord, outage: list[Event]) -> None:
    document = json.loads(timeline(ended, outage, format="json"))
    assert document["deployment"]["outcome"] == "rolled_back"
    assert document["result"]["hosts"]["web1"]["outcome"] == "rolled_back"
    assert len(document["events"]) == len(outage)
    (failed,) = [m for m in document["timeline"] if m["failed"] and m["hosts"]]
    assert failed["time"] == "2024-06-12T14:15:04.900Z"
    assert failed["details"] == ["http://127.0.0.1/ answered 503 Service Temporarily Unavailable"]


def test_a_lost_controller_is_seen(record: Make, outage: list[Event]) -> None:
    switching = next(n for n, e in enumerate(outage) if e.step == "activate")
    text = timeline(record(), outage[: switching + 1])
    assert text.startswith("Deployment 20240612-141500-x7f3: not finished")
    assert "web1 began to switch; nothing more is recorded of it" in text
    assert "The journal ends here: still running, or its controller was lost" in text
    assert "last heard of at 14:15:01 UTC" in text


def _event(host: str | None, step: str, state: State, at: float = 1718201700.0, **detail: Any) -> Event:
    return Event("d", host, step, state, at, detail)


def test_alike_failures_are_told_once_and_nginx_has_the_last_word(record: Make) -> None:
    details = ["some noise", "nginx: [emerg] unknown directive", "nginx: configuration test failed"]
    events = [
        _event(f"web{n}", "prepare", State.FAILED, error="nginx -t refuses it", details=details)
        for n in (1, 2, 3)
    ]
    events.append(_event("web4", "prepare", State.FAILED, error="no space left"))
    text = timeline(record(), events)
    assert text.count("could NOT prepare") == 2
    assert "web1..web3 could NOT prepare: nginx -t refuses it\n" in text
    assert "| nginx: [emerg] unknown directive\n" in text
    assert "web4 could NOT prepare: no space left" in text
    assert "What web1 said when it failed (prepare)\n  | some noise\n" in text


def test_of_a_table_of_answers_the_worst_is_shown_in_its_columns() -> None:
    table = ["route              live  candidate  verdict", "shop.example.com/  200   404        worse"]
    details = [*table, "shop_app:8081/     200   another    changed"]
    failed = _event("web1", "rehearse", State.FAILED, error="it answers worse", details=details)
    assert lines_of(failed) == tuple(details)
    (moment,) = moments([failed])
    assert moment.details == (table[1],)


def test_a_host_that_is_not_back_is_loud(record: Make) -> None:
    events = [_event("web1", "activate", State.UNDO_FAILED, undo="restore", error="nginx does not start")]
    assert "! web1 could NOT be rolled back: nginx does not start" in timeline(record(), events)


def test_a_host_that_fails_the_precheck_is_named(record: Make) -> None:
    events = [_event(None, "precheck", State.FAILED, hosts=["web2"], error="shop answered 503")]
    assert "What is live on web2 does not pass the checks: shop answered 503" in timeline(record(), events)


@pytest.mark.parametrize(
    ("kind", "outcome", "said"),
    [
        ("deploy", "deployed", "deployed, on new"),
        ("deploy", "rolled_back", "rolled back, on old"),
        ("deploy", "stuck", "stuck, not proved to be on new or old"),
        ("deploy", "unreachable", "unreachable"),
        ("rollback", "rolled_back", "rolled back, on new"),
    ],
)
def test_what_a_host_ended_on(record: Make, kind: str, outcome: str, said: str) -> None:
    host = HostResult(HostOutcome(outcome), "new", "old", None, 1.0)
    result = Result("d", Outcome.PARTIAL, 6, None, None, {"web1": host}, (), 1.0)
    text = timeline(record(kind=kind, finished=1718201701.0, outcome=Outcome.PARTIAL, result=result), [])
    assert text.endswith(f"Hosts at the end\n  web1  {said}")


def test_it_began_before_git_and_hosts_had_answered(ended: DeploymentRecord, outage: list[Event]) -> None:
    early = replace(ended, started=ended.started - 9)
    assert "  14:14:51 UTC    The deployment began" in timeline(early, outage)


def test_the_date_is_told_once_it_is_another_day(record: Make) -> None:
    text = timeline(record(), [_event("web1", "promote", State.SUCCEEDED, 1718238600.0, release="r")])
    assert "  13 June 2024, 00:30:00 UTC    web1 promoted as good: r" in text


def test_steps_of_other_versions_are_told_by_their_names(record: Make) -> None:
    events = [
        _event("web1", "arm", State.SUCCEEDED),
        _event("web1", "arm", State.UNDO_SUCCEEDED),
        _event(None, "gate", State.FAILED, reason="a freeze until Monday"),
        _event(None, "decision", State.STARTED, decision="wait"),
    ]
    text = timeline(record(), events)
    for line in (
        "web1 arm: done",
        "web1 arm: taken back",
        "gate: failed: a freeze until Monday",
        "Decided: wait",
    ):
        assert line in text


def test_a_terminal_obeys_nothing_that_a_host_said(record: Make) -> None:
    events = [_event("web1", "verify", State.FAILED, error="\x1b[2J\x07gone\nnext", details=["\x1b]0;x\x07"])]
    for format in ("text", "markdown"):  # noqa: A001
        text = timeline(record(subject="\x1b[31m"), events, format=format)
        assert "\x1b" not in text
        assert "\x07" not in text
        assert "gone next" in text


def test_markdown_is_not_written_by_a_host(record: Make) -> None:
    events = [_event("web1", "verify", State.FAILED, error="<b>*x*</b> | `y`", details=["a `tick`"])]
    text = timeline(record(), events, format="markdown")
    assert r"\<b\>\*x\*\</b\> \| \`y\`" in text
    assert "  - `` a `tick` ``" in text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [
        "error",
        "details",
        "seconds",
        "release",
        "undo",
        "hosts",
        "scope",
        "waves",
        "decision",
        "reason",
        "wave",
    ]
)
STEPS = st.sampled_from(
    ["begin", "prepare", "activate", "deployment", "plan", "precheck", "wave", "decision"]
)
EVENTS = st.builds(
    Event,
    deployment=st.just("d"),
    host=st.none() | st.text(max_size=6),
    step=STEPS | st.text(max_size=6),
    state=st.sampled_from(State),
    time=st.floats(),
    detail=st.dictionaries(KEYS, JSON, max_size=4),
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(EVENTS, max_size=12), st.sampled_from(["text", "markdown", "json"]), st.floats())
def test_any_journal_can_be_told(events: list[Event], format: Format, started: float) -> None:  # noqa: A002
    record = DeploymentRecord("d", "deploy", "prod", None, None, None, None, started, "ann@ops1")
    text = timeline(record, events, format=format)
    if format == "json":
        assert len(json.loads(text)["events"]) == len(events)
    else:
        assert all(c.isprintable() or c == "\n" for c in text)
