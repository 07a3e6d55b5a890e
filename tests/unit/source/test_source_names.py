"""Two hundred random names as a revision: looked up, or refused in a sentence; none is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.errors import UnknownRevision, UsageError
from deployer.source.git import Mirror
from tests.unit.names import TRAP, check_sentence, new_seed, odd_names
from tests.unit.source.conftest import Repo

LEGAL = (
    "$(touch${IFS}pwned)", "`touch${IFS}pwned`", "a;b", "a|b", "a&b", "a'b", 'a"b', "#a", "%s%n", "ünï",
    "a!b", "a{b", "-dash", "a=b", "null", "x" * 200,
)  # fmt: skip


def test_what_no_revision_can_be_called_is_refused(
    repo: Repo, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sha = repo.commit({"f": "1"})
    mirror.fetch()
    for name in odd_names(new_seed()):
        try:
            assert mirror.resolve(name, fetch=False).sha == sha, name
        except (UnknownRevision, UsageError) as error:
            check_sentence(error, name)
    for directory in (tmp_path, repo.path, mirror.directory):
        assert not (directory / TRAP).exists()


@pytest.mark.parametrize("name", LEGAL)
def test_what_git_allows_is_found_under_that_name(
    repo: Repo, mirror: Mirror, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    repo.commit({"f": "1"})
    sha = repo.commit({"f": "2"})
    repo.git("update-ref", f"refs/heads/{name}", sha)
    repo.git("reset", "--quiet", "--hard", "HEAD~1")
    try:
        found = mirror.resolve(name)
    except UsageError:  # it looks like an option, so it has to be said in full
        assert name.startswith("-")
        found = mirror.resolve(f"refs/heads/{name}")
    assert found.sha == sha
    assert not list(tmp_path.rglob(TRAP))
