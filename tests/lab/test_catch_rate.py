"""The catalogue of changes is true: a sample of it on a real nginx, without the deployer."""

from __future__ import annotations

import os
import random

import pytest

from tests.benchmarks.catch_rate.case import Case
from tests.benchmarks.catch_rate.cases import BAD, GOOD
from tests.benchmarks.catch_rate.verify import verify
from tests.conftest import need_root

SEED = int(os.environ.get("DEPLOYER_SEED", "12061415"))
SAMPLE = (8, 4)  #: bad, good


@pytest.mark.lab
def test_a_sample_of_the_catalogue_is_as_it_says() -> None:
    need_root()
    chance = random.Random(SEED)  # noqa: S311 - no secret
    cases: list[Case] = [*chance.sample(BAD, SAMPLE[0]), *chance.sample(GOOD, SAMPLE[1])]
    assert verify(cases) == {}, f"DEPLOYER_SEED={SEED}"
