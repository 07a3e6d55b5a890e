"""``deployer drill`` where there is no drill, and no root."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deployer.drill import play
from deployer.drill.model import CAUSES
from deployer.drill.scenarios import SCENARIOS
from tests.unit.cli.conftest import Call


def test_what_can_be_played_and_named(call: Call) -> None:
    listed = call("drill", "list")
    assert (listed.code, len(listed.out.splitlines())) == (0, len(SCENARIOS))
    assert set(CAUSES) == {line.split()[0] for line in call("drill", "found").out.splitlines()}


@pytest.mark.parametrize("verb", ["check", "hint", "end", "shell", "found"])
def test_without_a_drill_the_way_to_one_is_told(call: Call, verb: str, tmp_path: Path) -> None:
    more = ["code"] if verb == "found" else []
    ran = call("drill", verb, *more, "--dir", str(tmp_path / "none"))
    assert ran.code == 2
    assert "deployer drill start june" in ran.err


def test_an_unknown_scenario_is_refused_before_anything_is_made(call: Call, tmp_path: Path) -> None:
    ran = call("drill", "start", "july", "--dir", str(tmp_path / "new"))
    assert ran.code == 2
    assert "drill list" in ran.err
    assert not (tmp_path / "new").exists()


def test_a_disk_without_room_is_named_before_anything_is_made(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play, "ROOM", 1 << 60)
    ran = call("drill", "start", "june", "--dir", str(tmp_path / "a/drill"))
    assert ran.code == 2
    assert re.search(rf"{tmp_path} has \d+\.\d MB left: make room", ran.err), ran
    assert not (tmp_path / "a").exists()
