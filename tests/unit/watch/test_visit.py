"""What a look at one host makes of its checks."""

from __future__ import annotations

import pytest

from deployer.checks.verdict import CheckReport, Finding, Record, Verdict
from deployer.watch.visit import CHECKS_S, hurried


@pytest.mark.parametrize(
    ("seconds", "cut", "again"),
    [
        (0.1, True, True),  # begun when the time of all was nearly over
        (CHECKS_S, True, False),  # it had the whole time, and no answer came
        (0.1, False, False),  # answered, and wrongly
    ],
)
def test_a_check_that_had_no_time_is_asked_again_before_anybody_is_told(
    seconds: float, cut: bool, again: bool
) -> None:
    failed = Verdict("shop", Finding.FAILED, "shop: no complete answer", seconds, cut=cut)
    well = Verdict("wiki", Finding.PASSED, "wiki: as expected", 0.1)
    records = (Record.of("shop", "1", [failed]), Record.of("wiki", "2", [well]))
    assert hurried(CheckReport(False, records, 1, CHECKS_S), CHECKS_S) is again
    assert not hurried(CheckReport(True, records[1:], 1, 0.1), CHECKS_S)
