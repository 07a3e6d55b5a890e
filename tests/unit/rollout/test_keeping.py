"""What the journal keeps of a change is bounded and veiled; what is counted fits into one event."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from deployer.model import Changes
from deployer.rollout.diffs import Diff
from deployer.rollout.keeping import FILE_LINES, LINE_CHARS, MOST_LINES, changes_note
from deployer.rollout.measuring import FEWEST_SPANS, MOST_NUMBERS, width_of
from deployer.source.changes import Between
from deployer.source.git import Commit


def change(**files: tuple[str, ...]) -> Diff:
    return Diff(("web1", "web2"), Changes((), (), ()), MappingProxyType(files))


def test_nothing_is_kept_of_nothing() -> None:
    assert changes_note((), None) == {}


def test_a_small_change_is_kept_whole_and_veiled() -> None:
    commit = Commit("4f" * 20, "5e" * 20, "Ann", 0, "the token is hunter2")
    note = changes_note(
        [change(shop=("@@ -1 +1 @@", "+token hunter2;"))],
        Between((commit,), (), more=False),
        lambda text: text.replace("hunter2", "***"),
    )
    assert note == {
        "diffs": [
            {
                "hosts": ["web1", "web2"],
                "drift": False,
                "files": {"shop": ["@@ -1 +1 @@", "+token ***;"]},
                "cut": 0,
            }
        ],
        "brings": [{"commit": "4f" * 20, "author": "Ann", "subject": "the token is ***"}],
        "drops": [],
    }


def test_a_huge_change_is_cut_and_that_is_said() -> None:
    files = {f"file{number}": ("+" + "x" * 1000,) * 300 for number in range(10)}
    (kept,) = changes_note([change(**files)], None)["diffs"]
    assert list(kept["files"]) == list(files), "every file is at least named"
    assert sum(map(len, kept["files"].values())) == MOST_LINES
    assert len(kept["files"]["file0"]) == FILE_LINES
    assert kept["cut"] == 3000 - MOST_LINES
    assert all(len(line) <= LINE_CHARS + 2 for lines in kept["files"].values() for line in lines)


@pytest.mark.parametrize(
    ("hosts", "seconds", "width"), [(1, 40, 1), (1, 3600, 4), (100, 200, 1), (500, 40, 1), (500, 3600, 60)]
)
def test_counts_of_all_hosts_fit_into_one_event(hosts: int, seconds: float, width: int) -> None:
    assert width_of(hosts, seconds) == width
    assert hosts * seconds / width <= max(MOST_NUMBERS, hosts * FEWEST_SPANS)
