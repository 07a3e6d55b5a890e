"""The catalogue of changes is true: a sample of it on a real nginx, without the deployer."""

from __future__ import annotations

import os
import random

import pytest

from tests.benchmarks.catch_rate.bases import BASES
from tests.benchmarks.catch_rate.case import Bad, Base, Case, swap
from tests.benchmarks.catch_rate.mutation import HARMLESS, NOT_LOADED, REFUSED, harms
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


SITE = "sites-available/shop"
SLIPS = {
    REFUSED: swap(("client_max_body_size 2m;", "client_max_body_siez 2m;")),
    HARMLESS: swap(("client_max_body_size 2m;", "client_max_body_size 3m;")),
    "shop: home": swap(("location / {\n        proxy_pass http://storefront;", "location / {")),
    NOT_LOADED: swap(("$binary_remote_addr zone=api", "$remote_addr zone=api")),
}


@pytest.mark.lab
def test_slips_are_told_apart_by_what_they_do() -> None:
    need_root()
    base = BASES["orchard"]
    limits = "conf.d/limits.conf"
    cases = [
        Bad(expected, "", "", {limits if "zone" in str(edit) else SITE: edit})
        for expected, edit in SLIPS.items()
    ]
    for expected, found in harms(base, cases, hosts=1).items():
        assert expected == found or expected in found, (expected, found)
