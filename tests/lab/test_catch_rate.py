"""The catalogue of changes is true: a sample of it on a real nginx, without the deployer."""

from __future__ import annotations

import os
import random

import pytest

from tests.benchmarks.catch_rate.bases import BASES
from tests.benchmarks.catch_rate.case import Base, Case
from tests.benchmarks.catch_rate.verify import verify
from tests.conftest import need_root

SEED = int(os.environ.get("DEPLOYER_SEED", "12061415"))
SAMPLE = (4, 2)  #: bad, good


@pytest.mark.lab
@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
def test_a_sample_of_the_catalogue_is_as_it_says(base: Base) -> None:
    need_root()
    chance = random.Random(SEED)  # noqa: S311 - no secret
    cases: list[Case] = [*chance.sample(base.bad, SAMPLE[0]), *chance.sample(base.good, SAMPLE[1])]
    assert verify(base, cases) == {}, f"DEPLOYER_SEED={SEED}"
