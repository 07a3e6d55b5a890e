from __future__ import annotations

import time
from pathlib import Path

import pytest

from deployer.model import Kind
from deployer.source.changes import log_between, text_diff
from deployer.source.git import Mirror
from tests.unit.source.conftest import Repo


def test_a_unified_diff() -> None:
    assert text_diff("conf.d/a", b"1\n2\n3\n", b"1\n2b\n3\n") == [
        "--- a/conf.d/a",
        "+++ b/conf.d/a",
        "@@ -1,3 +1,3 @@",
        " 1",
        "-2",
        "+2b",
        " 3",
    ]


def test_added_removed_emptied_and_the_same() -> None:
    assert text_diff("a", None, b"x\n") == ["--- /dev/null", "+++ b/a", "@@ -0,0 +1 @@", "+x"]
    assert text_diff("a", b"x\n", None) == ["--- a/a", "+++ /dev/null", "@@ -1 +0,0 @@", "-x"]
    assert text_diff("a", None, b"") == ["--- /dev/null", "+++ b/a"]
    assert text_diff("a", b"x", b"x") == []
    assert text_diff("a", None, None) == []


def test_a_changed_kind_is_shown() -> None:
    bits = (Kind.FILE, Kind.EXEC)
    assert text_diff("a", b"x\n", b"x\n", kinds=bits) == ["    a: file becomes exec"]
    assert "link becomes file" in text_diff("a", b"/target", b"x\n", kinds=(Kind.LINK, Kind.FILE))
    assert text_diff("a", b"x", b"x", kinds=(Kind.FILE, Kind.FILE)) == []


def test_a_newline_at_the_end_is_a_difference() -> None:
    assert text_diff("a", b"x", b"x\n")[-2:] == ["-x \\ no newline at end of file", "+x"]


def test_nothing_in_a_diff_moves_the_cursor() -> None:
    lines = text_diff("a\x1b[2J\nb", b"\x1b]0;title\x07\r\n\xff\n", "ü\u202e\t\x9b1m\n".encode())
    joined = "".join(lines)
    assert all(char.isprintable() or char == "\t" for char in joined), lines
    assert "\\x1b" in joined
    assert "\\xff" in joined
    assert "ü" in joined


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("ssl/site.pem", None, b"-----BEGIN RSA PRIVATE KEY-----\nQUJD\n"),
        ("ssl/site.pem", b"-----BEGIN PRIVATE KEY-----\nQUJD\n", b"gone"),
        ("ssl/site.pem", b"x\n  -----BEGIN ENCRYPTED PRIVATE KEY-----\nQUJD\n", None),
        ("ssl/site.key", b"QUJD", b"QUJE"),
        ("ssl/site.key", b"QUJD\x00", None),
        ("htpasswd", b"", b"QUJD"),
        ("conf.d/.htpasswd", None, b"QUJD"),
        ("shop.htpasswd", None, b"QUJD"),
    ],
)
def test_keys_and_passwords_are_hidden(path: str, old: bytes | None, new: bytes | None) -> None:
    lines = text_diff(path, old, new)
    assert "content hidden" in lines[2]
    assert len(lines) == 3
    assert "QUJ" not in "".join(lines)


def test_binary_and_huge_files_are_summarised() -> None:
    assert text_diff("a", b"\x00\x01", None)[2] == "(binary file, 2 B → absent)"
    assert text_diff("a", b"x\n" * 1_000_000, b"y")[2] == "(too large to show, 2.0 MB → 1 B)"


def test_the_worst_diff_that_is_shown_is_quick() -> None:
    old = b"".join(b"    %d;\n" % (n % 7) for n in range(4_000))
    new = b"".join(b"    %d;\n" % (n % 5) for n in range(4_000))
    begun = time.monotonic()
    text_diff("a", old, new)
    assert time.monotonic() - begun < 5


def test_the_commits_between(repo: Repo, mirror: Mirror) -> None:
    first = repo.commit({"etc/a": "1"}, "one")
    second = repo.commit({"etc/a": "2"}, "two: \x1b ü")
    third = repo.commit({"README": "2"}, "three")
    mirror.resolve("main")
    forward = log_between(mirror, first[:12], third)
    assert forward is not None
    assert [commit.subject for commit in forward.gained] == ["three", "two: \x1b ü"]
    assert (forward.lost, forward.more) == ((), False)
    back = log_between(mirror, third, first, limit=1)
    assert back is not None
    assert ([commit.sha for commit in back.lost], back.gained, back.more) == ([third], (), True)
    below = log_between(mirror, first, third, path="./etc/")
    assert below is not None
    assert [commit.sha for commit in below.gained] == [second]
    same = log_between(mirror, first, first)
    assert same is not None
    assert same.gained == same.lost == ()


def test_commits_that_git_does_not_know(repo: Repo, mirror: Mirror, cache: Path) -> None:
    assert log_between(mirror, "a" * 12, "b" * 12) is None
    sha = repo.commit({"a": "1"})
    mirror.resolve("main")
    for other in ("baseline", "drift", "0" * 12, "", "--all", "main"):
        assert log_between(mirror, other, sha) is None
