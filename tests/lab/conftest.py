"""The fixture of the acceptance tests, and the order of their files."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployer.lab import sample
from deployer.lab.fleet import Lab
from deployer.lab.host import LabHost
from deployer.lab.state import unmount
from tests.lab.story import Story

WITHIN_S = 30.0
LONG = (
    "story_guard",
    "story_store",
    "drill",
    "story_recover",
    "story_rollback",
    "story_quarantine",
    "watch",
    "story_budget",
    "agent_faults",
    "story_good",
    "story_emergency",
    "story_answers",
    "story_two_controllers",
    "fault_sample",
    "story_staging",
    "docs_run",
    "story_edits",
    "schedule_systemd",
    "story_two_playbooks",
    "watch_prometheus",
    "story_gates",
    "story_explain",
    "story_lint",
    "catch_rate",
)
"""Files that take long, or long for how few tests they have: a worker would come to them last, alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first, then those of many tests. A file stays together."""
    if any(item.path.parent != Path(__file__).parent for item in items):
        return  # another room's as well: whoever asks for both has an order in mind
    count = Counter(item.path for item in items)
    first = {f"test_{name}": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: (first.get(item.path.stem, len(LONG)), -count[item.path], item.path))


@pytest.fixture
def story(lab: Lab, tmp_path: Path, request: pytest.FixtureRequest) -> Story:
    """The shared lab made anew, and a project and homes of the test's own.

    Marked ``deployed`` it begins where shop 1 was deployed; else the hosts have never heard of the program.
    """
    if request.node.get_closest_marker("deployed") is None:
        return anew(lab, tmp_path)
    beginning: Beginning = request.getfixturevalue("beginning")
    return beginning.again(tmp_path)


def anew(lab: Lab, directory: Path) -> Story:
    """Make the lab anew for a story, which may be that of several tests."""
    _on_each(lab, LabHost.reset)
    _first_commit(lab)
    return Story(lab, directory)


@pytest.fixture(scope="session")
def beginning(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Beginning:
    """The first deployment, made once."""
    return Beginning(lab, tmp_path_factory.mktemp("beginning"), Story.deploy)


class Beginning:
    """What several stories begin with, on hosts made anew; and a copy of everything that it left.

    Most begin with a first deployment, which none of these is about: it takes longer than what they do then.
    """

    def __init__(self, lab: Lab, directory: Path, make: Callable[[Story], object]) -> None:
        self._lab, self._directory = lab, directory
        make(anew(lab, directory / "story"))
        for host in lab.hosts:
            host.kill()
            _copy(host.disk / "upper", directory / host.name)

    def again(self, directory: Path) -> Story:
        """The lab as it was then, rebooted; the homes with their journal are the story's own."""
        _on_each(self._lab, self._restore)
        _first_commit(self._lab)
        story = Story(self._lab, directory)
        _copy(self._directory / "story", directory)
        return story

    def _restore(self, host: LabHost) -> None:
        host.kill()
        host.mend()
        unmount(host.disk, time.monotonic() + WITHIN_S)
        host.make_disk()
        subprocess.run(["rm", "-r", host.disk / "upper"], check=True)
        _copy(self._directory / host.name, host.disk / "upper")
        host.start()


def _on_each(lab: Lab, what: Callable[[LabHost], None]) -> None:
    with ThreadPoolExecutor(max_workers=3) as pool:
        list(pool.map(what, lab.hosts))


def _copy(source: Path, target: Path) -> None:
    """All that is in a directory, with owners, times and attributes, those of overlayfs too."""
    subprocess.run(["cp", "-a", "-T", source, target], check=True, timeout=WITHIN_S)


def _first_commit(lab: Lab) -> None:
    first = sample.git(lab.repo, "rev-list", "--max-parents=0", "main")
    sample.git(lab.repo, "checkout", "--quiet", "--force", "-B", "main", first)
    sample.git(lab.repo, "clean", "--quiet", "-d", "--force")
