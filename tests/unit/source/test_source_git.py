"""Finding revisions: what is fetched, what is not, and what is said when there is none."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from deployer.errors import SourceUnavailable, UnknownRevision, UsageError
from deployer.source.git import Mirror
from tests.unit.source.conftest import Repo


def test_branch_tag_commit_id_and_expression(repo: Repo, mirror: Mirror) -> None:
    first, second = repo.commit({"f": "1"}, "one"), repo.commit({"f": "2"}, "two")
    repo.git("tag", "-a", "v1", first, "-m", "annotated")
    repo.git("branch", "ops/next", first)
    for ref, sha in {
        "main": second,
        "main~1": first,
        "main^": first,
        "v1": first,
        "ops/next": first,
        "refs/heads/main": second,
        "HEAD": second,
        "HEAD~1": first,
        "@": second,
        first: first,
        second[:8]: second,
        f"{second}~1": first,
    }.items():
        assert mirror.resolve(ref).sha == sha, ref
    commit = mirror.resolve("main")
    assert (commit.author, commit.subject, commit.tree) == (
        "Ops",
        "two",
        repo.git("rev-parse", "main^{tree}"),
    )


def test_a_bare_repository_file_urls_and_odd_paths(repo: Repo, cache: Path, tmp_path: Path) -> None:
    sha = repo.commit({"f": "1"})
    bare = tmp_path / "odd 'name\" ü.git"
    repo.git("clone", "--quiet", "--bare", ".", str(bare))
    assert Mirror(str(bare), cache).resolve("main").sha == sha
    assert Mirror(f"file://{repo.path}", cache).resolve("main").sha == sha


def test_a_branch_moves_also_by_force_and_away(repo: Repo, mirror: Mirror) -> None:
    old = repo.commit({"f": "1"})
    assert mirror.resolve("main").sha == old
    repo.git("commit", "--quiet", "--amend", "-m", "other")
    repo.git("branch", "a")
    assert mirror.resolve("main").sha == repo.git("rev-parse", "main") != old
    assert mirror.resolve("a")
    repo.git("branch", "-D", "a")
    repo.git("branch", "a/b")  # where a file stood there is a directory now
    assert mirror.resolve("a/b")
    with pytest.raises(UnknownRevision):
        mirror.resolve("a")


def test_a_moved_tag_is_followed(repo: Repo, mirror: Mirror) -> None:
    repo.commit({"f": "1"})
    repo.git("tag", "live")
    mirror.resolve("live")
    second = repo.commit({"f": "2"})
    repo.git("tag", "--force", "live")
    assert mirror.resolve("live").sha == second


def test_no_network_for_a_commit_that_is_here(repo: Repo, mirror: Mirror) -> None:
    first, second = repo.commit({"f": "1"}), repo.commit({"f": "2"})
    mirror.resolve("main")
    shutil.rmtree(repo.path)
    assert mirror.resolve(second).sha == second
    assert mirror.resolve(second[:7]).sha == second
    assert mirror.resolve(f"{second}~1").sha == first
    assert mirror.resolve("main", fetch=False).sha == second
    with pytest.raises(SourceUnavailable):
        mirror.resolve("main")  # a branch may have moved: an old answer would be a guess
    with pytest.raises(SourceUnavailable):
        mirror.resolve(second, fetch=True)
    with pytest.raises(UnknownRevision):
        mirror.resolve("deadbeef", fetch=False)


def test_a_branch_that_looks_like_a_commit_id_is_a_branch(repo: Repo, mirror: Mirror) -> None:
    repo.commit({"f": "1"})
    repo.git("branch", "deadbeef")
    mirror.resolve("deadbeef")
    second = repo.commit({"f": "2"})
    repo.git("branch", "--force", "deadbeef")
    assert mirror.resolve("deadbeef").sha == second


def test_a_branch_that_abbreviates_a_commit_is_still_that_branch(repo: Repo, mirror: Mirror) -> None:
    first = repo.commit({"f": "1"})
    second = repo.commit({"f": "2"})
    repo.git("branch", first[:8], second)
    assert mirror.resolve(first[:8]).sha == second


def test_a_commit_on_no_branch_and_a_pull_request_are_fetched_by_name(repo: Repo, mirror: Mirror) -> None:
    repo.commit({"f": "1"})
    lost = repo.commit({"f": "2"})
    repo.git("reset", "--quiet", "--hard", "HEAD~1")
    repo.git("config", "uploadpack.allowAnySHA1InWant", "true")
    assert mirror.resolve(lost).sha == lost
    repo.git("update-ref", "refs/pull/7/head", lost)
    assert mirror.resolve("refs/pull/7/head").sha == lost


def test_a_shallow_clone_will_do(repo: Repo, cache: Path, tmp_path: Path) -> None:
    repo.commit({"f": "1"})
    sha = repo.commit({"f": "2"})
    repo.git("clone", "--quiet", "--depth=1", f"file://{repo.path}", str(tmp_path / "shallow"))
    mirror = Mirror(str(tmp_path / "shallow"), cache)
    assert mirror.resolve("main").sha == sha
    with pytest.raises(UnknownRevision, match="does not go that far"):
        mirror.resolve("main~1")


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("mian", "did you mean main?"),
        ("origin/main", "did you mean main?"),
        ("Main", "did you mean main?"),
        ("fix-503", "did you mean ops/fix-503?"),
        ("nothing-like-it", "check the spelling"),
        ("main~40", "does not go that far"),
        ("0" * 40, "no branch, tag or commit"),
    ],
)
def test_an_unknown_revision_is_named_with_near_misses(
    repo: Repo, mirror: Mirror, ref: str, said: str
) -> None:
    repo.commit({"f": "1"})
    repo.git("branch", "ops/fix-503")
    with pytest.raises(UnknownRevision) as unknown:
        mirror.resolve(ref)
    assert said in str(unknown.value)
    assert str(repo.path) in str(unknown.value)


def test_a_name_of_a_branch_and_a_tag_is_not_guessed(repo: Repo, mirror: Mirror) -> None:
    first = repo.commit({"f": "1"})
    repo.git("tag", "v1")
    second = repo.commit({"f": "2"})
    repo.git("branch", "v1")
    with pytest.raises(UsageError, match="both a branch and a tag"):
        mirror.resolve("v1")
    assert mirror.resolve("refs/tags/v1").sha == first
    assert mirror.resolve("refs/heads/v1").sha == second


def test_a_tag_of_a_file_is_no_commit(repo: Repo, mirror: Mirror) -> None:
    repo.commit({"f": "1"})
    repo.git("tag", "blob", repo.git("rev-parse", "HEAD:f"))
    with pytest.raises(UnknownRevision):
        mirror.resolve("blob")


def test_no_repository_and_an_empty_one(repo: Repo, mirror: Mirror, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownRevision, match="no branch and no tag"):
        mirror.resolve("main")
    with pytest.raises(SourceUnavailable, match=r"check source\.repo"):
        Mirror(str(tmp_path / "nowhere"), cache).resolve("main")


def test_options_never_reach_git(repo: Repo, mirror: Mirror, tmp_path: Path) -> None:
    repo.commit({"f": "1"})
    with pytest.raises(UsageError):
        mirror.resolve(f"--upload-pack=touch {tmp_path}/ran")
    assert not (tmp_path / "ran").exists()


def test_the_cache_is_ours_alone(repo: Repo, mirror: Mirror, cache: Path) -> None:
    repo.commit({"f": "1"})
    mirror.resolve("main")
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")
def test_a_cache_of_another_user_is_not_trusted(repo: Repo, mirror: Mirror, cache: Path) -> None:
    repo.commit({"f": "1"})
    cache.mkdir()
    os.chown(cache, 65534, 65534)
    with pytest.raises(UsageError, match="belongs to another user"):
        mirror.resolve("main")


def test_an_author_in_latin_1(repo: Repo, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "i18n.logOutputEncoding")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "latin1")
    repo.commit({"f": "1"}, "Größe")
    assert mirror.resolve("main").subject == "Größe"


def test_a_cache_that_cannot_be_written(repo: Repo, tmp_path: Path) -> None:
    repo.commit({"f": "1"})
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceUnavailable, match="XDG_CACHE_HOME"):
        Mirror(str(repo.path), tmp_path / "file" / "cache").resolve("main")


def test_variables_of_a_surrounding_git_hook_do_not_lead_elsewhere(
    repo: Repo, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = repo.commit({"f": "1"})
    elsewhere = Repo(tmp_path / "elsewhere")
    monkeypatch.setenv("GIT_DIR", str(elsewhere.path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(elsewhere.path))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(elsewhere.path / ".git/objects"))
    monkeypatch.setenv("GIT_QUARANTINE_PATH", str(elsewhere.path))
    monkeypatch.setenv("GIT_NAMESPACE", "x")
    assert mirror.resolve("main").sha == sha


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")
def test_another_users_repository_is_explained(repo: Repo, mirror: Mirror) -> None:
    repo.commit({"f": "1"})
    subprocess.run(["chown", "-R", "65534", str(repo.path)], check=True)
    with pytest.raises(SourceUnavailable, match=r"safe\.directory"):
        mirror.resolve("main")
