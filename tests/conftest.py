"""Fixtures for all tests: a lab of real hosts, made once and handed out clean.

``lab``: three light hosts, shared by the session; put back what you change. ``hosts``: the same, made anew.
``host``: the first of them, made anew: a third of the work, for what needs no other and no repository.
``fresh_lab``: a factory for labs of your own. ``commit``: a helper that commits to a lab's sample repository.
``postgres``: a PostgreSQL server, shared by the session; ask it for a database of your own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from deployer.lab import sample
from deployer.lab.fleet import Init, Lab
from deployer.lab.host import LabHost
from tests.postgres import Server, server


class FreshLab(Protocol):
    def __call__(self, *, hosts: int = 1, init: Init = "light") -> Lab: ...


class Commit(Protocol):
    def __call__(self, lab: Lab, files: dict[str, str | None], message: str = ...) -> str: ...


def need_root() -> None:
    """Skip a test that needs a lab where there cannot be one. Everything else that is missing is an error."""
    if os.geteuid() != 0:
        pytest.skip("a lab makes namespaces and mounts: run the tests as root")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Three light hosts, shared by the whole session."""
    need_root()
    with Lab.up(tmp_path_factory.mktemp("lab"), hosts=3, name="shared") as made:
        yield made


@pytest.fixture
def host(lab: Lab) -> LabHost:
    """The first host of the shared lab, made anew; the others are as somebody left them."""
    lab.hosts[0].reset()
    return lab.hosts[0]


@pytest.fixture
def hosts(lab: Lab) -> list[LabHost]:
    """The shared lab's three hosts, each made anew, and its repository back at the first commit."""
    for host in lab.hosts:
        host.reset()
    first = sample.git(lab.repo, "rev-list", "--max-parents=0", "main")
    sample.git(lab.repo, "checkout", "--quiet", "--force", "-B", "main", first)
    sample.git(lab.repo, "clean", "--quiet", "-d", "--force")
    return list(lab.hosts)


@pytest.fixture
def fresh_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FreshLab]:
    """Makes labs that last as long as the test."""
    need_root()
    with ExitStack() as stack:

        def make(*, hosts: int = 1, init: Init = "light") -> Lab:
            directory: Path = tmp_path_factory.mktemp("fresh-lab")
            return stack.enter_context(Lab.up(directory, hosts=hosts, init=init))

        yield make


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server; stopped and started again by those who look at what happens then."""
    with server() as made:
        yield made


@pytest.fixture
def commit() -> Commit:
    """``commit(lab, {"conf.d/x.conf": "text", "gone.conf": None}, "why")`` commits to the repository."""
    return commit_files


def commit_files(lab: Lab, files: dict[str, str | None], message: str = "A change") -> str:
    """Write (or with ``None`` delete) files of the lab's sample repository and commit them on main."""
    for name, text in files.items():
        path = lab.repo / name
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return sample.commit(lab.repo, message)


__all__ = ["Commit", "FreshLab", "commit_files", "need_root"]
