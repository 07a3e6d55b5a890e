"""Real git repositories, made with git itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from deployer.model import Host, Release
from deployer.source.git import Commit, Mirror
from deployer.source.release import build_releases


class Repo:
    """A working repository with short ways to write and commit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *args: str, stdin: bytes = b"") -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=Ops", "-c", "user.email=ops@example.com", *args],
            cwd=self.path,
            input=stdin,
            capture_output=True,
            check=True,
            timeout=60,
            env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"},
        )
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def write(self, files: dict[str, str | bytes]) -> None:
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: dict[str, str | bytes] | None = None, message: str = "change") -> str:
        self.write(files or {})
        self.git("add", "--all", "--force", ".")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")


class Source:
    """A repository with its mirror, and releases made from it."""

    def __init__(self, repo: Repo, mirror: Mirror) -> None:
        self.repo, self.mirror = repo, mirror

    def releases(self, *hosts: Host, ref: str = "main", **settings: object) -> dict[str, Release]:
        found: Commit = self.mirror.resolve(ref)
        return dict(build_releases(self.mirror, found, hosts=hosts or (HOST,), **settings))  # type: ignore[arg-type]

    def release(self, *, ref: str = "main", **settings: object) -> Release:
        return self.releases(HOST, ref=ref, **settings)[HOST.name]


HOST = Host("web1", "192.0.2.1", vars={"port": 8080})


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "repo")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def mirror(repo: Repo, cache: Path) -> Mirror:
    return Mirror(str(repo.path), cache, timeout_s=60)


@pytest.fixture
def source(repo: Repo, mirror: Mirror) -> Source:
    return Source(repo, mirror)
