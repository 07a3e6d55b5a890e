"""A few cells of the fault matrix, others every time; all of them: ``python -m tests.faults.matrix``."""

from __future__ import annotations

import os
import random
from contextlib import ExitStack
from pathlib import Path

import pytest

from deployer.lab.fleet import Init
from deployer.rollout.saga import STEPS
from tests.conftest import need_root
from tests.faults.matrix import every_cell, make_ground, run_cell, words
from tests.faults.strikes import Fault

pytestmark = [pytest.mark.lab, pytest.mark.slow]

LONG = {Fault.CUT}  # until a silent connection is given up: more than a minute


@pytest.mark.parametrize(
    ("kind", "count"), [("light", 1), pytest.param("systemd", 1, marks=pytest.mark.systemd)]
)
def test_a_sample_of_the_fault_matrix(kind: Init, count: int, tmp_path: Path) -> None:
    need_root()
    seed = os.environ.get("DEPLOYER_SWEEP_SEED") or str(random.randrange(10**6))  # noqa: S311 - no secret
    print(f"DEPLOYER_SWEEP_SEED={seed}")
    keys = [key for key in every_cell([kind]) if key.fault not in LONG]
    dice = random.Random(seed)  # noqa: S311
    with ExitStack() as stack:
        ground = make_ground(stack, kind, tmp_path / "ground")
        for key in dice.sample(keys, count):
            entry = run_cell(ground, key, seed)
            print(f"{key.step} × {key.fault}: {words(entry)}")
            assert not entry.problem, f"{key.step} × {key.fault}, seed {seed}: {entry.problem}"


def test_every_row_of_the_table_has_its_cells() -> None:
    cells = every_cell()
    assert len(cells) == len(set(cells)) == 2 * len(STEPS) * len(Fault)
    assert {key.step for key in cells} == set(STEPS)
