"""The table of deployments, and the words everything else is made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deployer.model import DeploymentRecord, Result
from deployer.report.history import history_json, history_table
from deployer.report.words import clean, clock, duration, iso, names

Make = Callable[..., DeploymentRecord]


def test_a_table_newest_first(record: Make, outage_result: Result) -> None:
    result = outage_result
    records = [
        record(id="20240612-142000-k3p9", kind="rollback", revision=None, commit=None, started=1718202000.0),
        record(finished=1718201706.1, outcome=result.outcome, exit_code=4, result=result),
    ]
    golden = Path(__file__).parent / "golden" / "history.txt"
    assert history_table(records) + "\n" == golden.read_text()
    first, second = history_json(records)
    assert (first["outcome"], first["finished"]) == (None, None)
    assert (second["started"], second["seconds"], second["hosts"]) == ("2024-06-12T14:15:00.000Z", 6.1, 5)


def test_no_deployment_yet() -> None:
    assert history_table([]) == "The journal has no deployment yet."


@pytest.mark.parametrize(
    ("hosts", "text"),
    [
        ([], "no host"),
        (["web2", "web1"], "web1, web2"),
        (["web10", "web8", "web9", "db"], "db, web8..web10"),
        (["web01.a", "web02.a", "web03.a", "web03.b"], "web01.a..web03.a, web03.b"),
        (["web9", "web010"], "web9, web010"),
        ([f"a{n}" for n in range(0, 30, 2)], "a0, a2, a4, a6, a8, a10, a12, 8 more"),
        (["²", "a\n"], "a, ²"),
    ],
)  # fmt: skip
def test_names_are_folded(hosts: list[str], text: str) -> None:
    assert names(hosts) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (125, "2 min 5 s"),
        (5400, "1 h 30 min"),
        (-1, "0.0 s"),
        (float("nan"), "unknown time"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_times_no_calendar_has() -> None:
    for seconds in (float("nan"), float("inf"), 1e300):
        assert clock(seconds) == "unknown time"
        assert iso(seconds) is None


def test_clean_keeps_letters_and_disarms_the_rest() -> None:
    assert clean("ü \x1b[0m\u202e\tx\ny") == "ü \\x1b[0m\\u202e x y"
