"""The catalogue: changes of the base, bad and good."""

from __future__ import annotations

from tests.benchmarks.catch_rate.case import Bad, Good
from tests.benchmarks.catch_rate.cases import (
    bad_access,
    bad_content,
    bad_files,
    bad_names,
    bad_silent,
    bad_upstreams,
    good_changes,
    good_sites,
    later_bad,
    later_good,
    unseen2_bad,
    unseen2_good,
    unseen3_bad,
    unseen3_bad_paths,
    unseen3_good,
    unseen_bad,
    unseen_good,
)

BAD: tuple[Bad, ...] = (
    *bad_names.CASES,
    *bad_upstreams.CASES,
    *bad_access.CASES,
    *bad_files.CASES,
    *bad_content.CASES,
    *bad_silent.CASES,
    *later_bad.CASES,
    *unseen_bad.CASES,
    *unseen2_bad.CASES,
    *unseen3_bad.CASES,
    *unseen3_bad_paths.CASES,
)
GOOD: tuple[Good, ...] = (
    *good_sites.CASES,
    *good_changes.CASES,
    *later_good.CASES,
    *unseen_good.CASES,
    *unseen2_good.CASES,
    *unseen3_good.CASES,
)
