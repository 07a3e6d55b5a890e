"""A check in a playbook: what it is recognised by, and where its files are."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from deployer.config.playbook import (
    Check,
    Expect,
    From,
    load_playbook,
)
from deployer.config.terms import LocalFile, Statuses

from .conftest import Write

LEAST = "source: {repo: /srv/nginx.git}\n"


def check(**changes: Any) -> Check:
    return dataclasses.replace(Check(name="shop", url="http://127.0.0.1/"), **changes)


def test_a_digest_never_changes_by_itself() -> None:
    # Hosts remember it: another value here means that every check of every user counts as new.
    assert check().digest == "77cd07b7aea4dfb7"


def test_a_digest_is_the_meaning() -> None:
    same = check(name="renamed", headers={}, expect=Expect(within_s=2.0000001))
    assert same.digest == check().digest
    others = [
        check(url="http://127.0.0.1/x"),
        check(from_=From.CONTROLLER),
        check(command=("true",)),
        check(headers={"Host": "a"}),
        check(headers={"Host": "b"}),
        check(expect=Expect(status=Statuses(((200, 200),)))),
        check(expect=Expect(body="x")),
        check(expect=Expect(headers={"Host": "a"})),
        check(expect=Expect(within_s=3.0)),
        check(verify=False),
        check(ca=LocalFile("a")),
        check(server_name="a"),
    ]
    digests = {c.digest for c in (check(), *others)}
    assert len(digests) == len(others) + 1
    assert all(len(d) == 16 for d in digests)
    assert check(headers={"HOST": "a"}).digest == check(headers={"Host": "a"}).digest


def test_a_path_on_the_controller_is_meant_from_the_project(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = ", ".join(f"{{name: {ca}, url: 'https://x/', ca: {ca}}}" for ca in ("tls/ca.pem", "/ca", "~/ca"))
    path = write("playbooks/p.yml", LEAST + f"checks: [{checks}]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ops")
    for project in (tmp_path, Path(), None):
        found = [check.ca and str(check.ca.path) for check in load_playbook(path, project).checks]
        assert found == [f"{tmp_path}/tls/ca.pem", "/ca", "/home/ops/ca"]
    digests = [[c.digest for c in load_playbook(path, p).checks] for p in (tmp_path, Path("/srv/project"))]
    assert digests[0] == digests[1], "the same question, asked from two checkouts"
