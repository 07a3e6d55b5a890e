"""The fixture of the acceptance tests, and the order of their files."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployer.lab import sample
from deployer.lab.fleet import Lab
from tests.lab.story import Story

LONG = (
    "story_store",
    "story_guard",
    "drill",
    "story_quarantine",
    "story_recover",
    "story_rollback",
    "watch",
    "story_budget",
    "story_answers",
    "story_two_controllers",
    "fault_sample",
    "story_staging",
    "docs_run",
)
"""Files of a minute and more: one that came last would be waited for by workers with nothing to do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first, then those of many tests. A file stays together."""
    if any(item.path.parent != Path(__file__).parent for item in items):
        return  # another room's as well: whoever asks for both has an order in mind
    count = Counter(item.path for item in items)
    first = {f"test_{name}": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: (first.get(item.path.stem, len(LONG)), -count[item.path], item.path))


@pytest.fixture
def story(lab: Lab, tmp_path: Path) -> Story:
    """The shared lab made anew, and a project and homes of the test's own."""
    return anew(lab, tmp_path)


def anew(lab: Lab, directory: Path) -> Story:
    """Make the lab anew for a story, which may be that of several tests."""
    with ThreadPoolExecutor(max_workers=3) as pool:
        list(pool.map(lambda host: host.reset(), lab.hosts))
    first = sample.git(lab.repo, "rev-list", "--max-parents=0", "main")
    sample.git(lab.repo, "checkout", "--quiet", "--force", "-B", "main", first)
    sample.git(lab.repo, "clean", "--quiet", "-d", "--force")
    return Story(lab, directory)
