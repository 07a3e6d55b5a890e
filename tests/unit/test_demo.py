"""What the demo says of its users: how requests failed, and whether anybody had the time to ask."""

from __future__ import annotations

from deployer.lab.demo import Act, Scene, _broken
from deployer.lab.load import LoadReport

ACT = Act("a good update", None, ("deploy", "lab", "--yes"), (0,))


def scene(failed: int, code: int = 0, **by_status: int) -> Scene:
    """An act as it went."""
    users = LoadReport(0.0, 5.0, sum(by_status.values()), failed, by_status, None, None, (), 9.0, 1.0)
    return Scene(ACT, code, 4.0, users)


def test_a_promise_that_was_kept() -> None:
    assert _broken(scene(0, **{"200": 900})) is None


def test_it_is_said_how_requests_failed() -> None:
    said = _broken(scene(12, **{"200": 900, "503": 11, "reset": 1}))
    assert said == "a good update: 12 requests failed: 11 503, 1 reset"


def test_a_busy_machine_is_named_but_is_no_excuse() -> None:
    said = _broken(scene(80, **{"200": 900, "timeout": 80}))
    assert said is not None
    assert "80 requests failed: 80 timeout; load " in said


def test_another_exit_code_is_no_promise_kept() -> None:
    assert _broken(scene(0, 4, **{"200": 900})) == "a good update: exit code 4, not (0,)"
