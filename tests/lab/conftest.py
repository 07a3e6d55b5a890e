"""The fixture of the acceptance tests."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployer.lab import sample
from deployer.lab.fleet import Lab
from tests.lab.story import Story


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
