"""How a deployment ended is recorded before anything is asked that only informs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.lab.story import Story

pytestmark = pytest.mark.lab

PATCH = """
import os, sys
import deployer.rollout.measuring as measuring
def broken(*_given):
    if os.environ["MEASURING"] == "dies":
        os.kill(os.getpid(), 9)
    raise ZeroDivisionError("a bug of the measurement")
measuring.measured_at_the_end = broken
"""


def outcomes(story: Story) -> list[str]:
    """Of the history, newest first."""
    return [str(d["outcome"]) for d in story.run("history", "--json").document["deployments"]]


def test_a_measurement_that_fails_or_dies_loses_no_result(story: Story, tmp_path: Path) -> None:
    """It counts what users met of a deployment that was taken back, when the hosts are safe already."""
    (tmp_path / "patch").mkdir()
    (tmp_path / "patch/sitecustomize.py").write_text(PATCH)
    path = {"PYTHONPATH": f"{tmp_path}/patch:{os.environ.get('PYTHONPATH', '')}"}
    story.shop("out of order", 503)
    failed = story.deploy(expect=4, MEASURING="fails", **path)
    assert failed.outcome == "rolled_back"
    assert failed.ran.document["quarantined"]
    assert "what users met was not counted: a bug in deployer (ZeroDivisionError" in failed.ran.err
    assert f"show {failed.ran.document['id']} --measure lab" in failed.ran.err
    assert outcomes(story) == ["rolled_back"]

    story.shop("still out of order", 503)
    died = story.run("deploy", "lab", "--yes", MEASURING="dies", **path)
    assert died.code == -9, died
    assert outcomes(story) == ["rolled_back", "rolled_back"]
    assert story.run("recover", "lab", "--yes").code == 0
    assert len(story.run("quarantine", "list", "--json").document["quarantine"]) == 2
    story.assert_serving("shop 1")
