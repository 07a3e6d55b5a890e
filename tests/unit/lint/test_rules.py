"""Every rule fires on its bad example and not on its good one; nginx accepts both where it is said to."""

from __future__ import annotations

import datetime
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from deployer.lint.findings import lint
from deployer.lint.rules import RULES, Rule
from deployer.lint.rules.base import Severity
from deployer.lint.rules.subject import Subject
from deployer.nginx.configuration import parse
from tests.unit.lint.certificates import pair

NOW = datetime.datetime.now(datetime.UTC)
ALL = pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))


@cache
def pems() -> dict[str, bytes]:
    """The certificates that examples name."""
    files = {}
    for name, days in (("shop", 90), ("expired", -1)):
        files[f"ssl/{name}.pem"], files[f"ssl/{name}.key"] = pair(
            "shop.example.com", ends=NOW + datetime.timedelta(days=days)
        )
    return files


def files_of(rule: Rule, text: str) -> dict[str, bytes]:
    return {**pems(), **rule.example(text)}


def subject_of(files: dict[str, bytes]) -> Subject:
    return Subject(parse(files), preserve=(), now=NOW)


@ALL
def test_the_bad_example_fires(rule: Rule) -> None:
    found = [f for f in lint(subject_of(files_of(rule, rule.bad))) if f.rule == rule.id]
    assert found
    assert max(f.severity.rank for f in found) == rule.severity.rank
    assert all(f.line > 0 for f in found)


@ALL
def test_the_good_example_does_not_nor_is_it_an_error(rule: Rule) -> None:
    found = lint(subject_of(files_of(rule, rule.good)))
    assert [f for f in found if f.rule == rule.id or f.severity is Severity.ERROR] == []


@ALL
def test_a_rule_is_told(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+|syntax", rule.id)
    assert rule.title[0].isupper() or rule.title.startswith(("nginx", "try_files", "ipv6only", "$"))
    assert not rule.title.endswith(".")
    assert rule.why.endswith((".", ")"))
    assert rule.check.__doc__


@pytest.mark.slow
@pytest.mark.parametrize("which", ["bad", "good"])
@ALL
def test_nginx_accepts_the_example(rule: Rule, which: str, tmp_path: Path) -> None:
    """That is the point of a rule: what ``nginx -t`` says no to needs none."""
    said = nginx_says(files_of(rule, getattr(rule, which)), tmp_path)
    if which == "bad" and rule.refused:
        assert said is not None
    else:
        assert said is None


def nginx_says(files: dict[str, bytes], directory: Path) -> str | None:
    """``None`` when nginx accepts the files; else its own words."""
    if shutil.which("nginx") is None or shutil.which("unshare") is None:
        pytest.skip("needs nginx and unshare")
    moved = b"/etc/nginx/", str(directory).encode() + b"/"
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            content.replace(*moved).replace(b"/var/cache/nginx", str(directory).encode() + b"/cache")
        )
    (directory / "logs").mkdir(exist_ok=True)
    (directory / "cache").mkdir(exist_ok=True)
    mounts = " ".join(
        f"mount -t tmpfs none {place};" for place in ("/run", "/var/log/nginx", "/var/lib/nginx")
    )
    inner = f"ip link set lo up; exec nginx -t -q -e stderr -p {directory} -c {directory}/nginx.conf"
    done = subprocess.run(
        ["unshare", "-nm" if os.geteuid() == 0 else "-rnm", "sh", "-c", f"{mounts} {inner}"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.stderr if done.returncode else None
