"""Trees of releases and directories: links followed, the main file found, fragments told from it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from deployer.lint.trees import configurations, of_directory, of_release
from deployer.model import Entry, Kind, Manifest, Release

MAIN = b"events {}\nhttp { include sites-enabled/*; }\n"


def release(files: dict[str, bytes], links: dict[str, str]) -> Release:
    contents = {hashlib.sha256(raw).hexdigest(): raw for raw in files.values()}
    entries = [Entry(n, Kind.FILE, hashlib.sha256(raw).hexdigest()) for n, raw in files.items()]
    entries += [Entry(name, Kind.LINK, target) for name, target in links.items()]
    return Release("0" * 40, "0" * 40, Manifest.of(entries), contents.__getitem__)


@pytest.mark.parametrize(
    ("links", "there", "unknown"),
    [
        ({"sites-enabled/a": "../sites-available/a"}, ["sites-enabled/a"], []),
        ({"sites-enabled/a": "/etc/nginx/sites-available/a"}, ["sites-enabled/a"], []),
        ({"sites-enabled": "sites-available"}, ["sites-enabled/a"], []),
        ({"x": "sites-available", "sites-enabled": "x"}, ["sites-enabled/a", "x/a"], []),
        ({"sites-enabled/a": "/opt/site"}, [], ["sites-enabled/a"]),
        ({"sites-enabled/a": "../gone"}, [], ["sites-enabled/a"]),
        ({"sites-enabled/a": "b", "sites-enabled/b": "a"}, [], ["sites-enabled/a", "sites-enabled/b"]),
        ({"sites-enabled/a": "../../../etc/passwd"}, [], ["sites-enabled/a"]),
    ],
)
def test_links(links: dict[str, str], there: list[str], unknown: list[str]) -> None:
    tree = of_release(release({"nginx.conf": MAIN, "sites-available/a": b"server {}"}, links))
    assert sorted(set(tree.files) - {"nginx.conf", "sites-available/a"}) == there
    assert sorted(tree.unknown) == unknown
    assert all(tree.files[name] == b"server {}" for name in there)
    assert {tree.real[name] for name in there} <= {"sites-available/a"}


def test_a_directory_is_read_as_a_release_is(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_bytes(MAIN)
    (tmp_path / "sites-available").mkdir()
    (tmp_path / "sites-available/a").write_bytes(b"server {}")
    (tmp_path / "sites-enabled").mkdir()
    (tmp_path / "sites-enabled/a").symlink_to("/etc/nginx/sites-available/a")
    (tmp_path / "x.conf.j2").write_text("{{ x }}")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/nginx.conf").write_bytes(b"server {}")
    tree = of_directory(tmp_path)
    assert sorted(tree.files) == ["nginx.conf", "sites-available/a", "sites-enabled/a"]
    assert tree.templates == ("x.conf.j2",)
    ((config, whole, below),) = configurations(tree)
    assert (whole, below) == (True, "")
    assert [d.name for d, _ in config.walk()] == ["events", "http", "include", "server"]


def of(files: dict[str, bytes]) -> list[tuple[str, bool]]:
    return [
        (part.below + part.config.main, part.whole) for part in configurations(of_release(release(files, {})))
    ]


def test_a_tree_without_a_main_file_is_made_of_fragments() -> None:
    files = {
        "README.md": b"server {\n",
        "app.js": b"server {\n",
        "site.conf": b"server { listen 80; }",
        "data": b"server {\0",
        "notes.conf": b"# server {\n",
        "sub/nginx.conf": b"events {}\nhttp { include /etc/nginx/inc/*.conf; }",
        "sub/inc/a.conf": b"server { listen 81; }",
        "example/nginx.conf": b"http { }",
    }
    assert of(files) == [("example/nginx.conf", False), ("sub/nginx.conf", True), ("site.conf", False)]
    (part,) = [p for p in configurations(of_release(release(files, {}))) if p.whole]
    assert len(part.config.find("server")) == 1


def test_a_main_file_that_is_only_a_site_is_a_fragment() -> None:
    assert of({"nginx.conf": b"server { listen 80; }"}) == [("nginx.conf", False)]


def test_files_are_read_when_they_are_asked_for() -> None:
    asked: list[str] = []

    def read(digest: str) -> bytes:
        asked.append(digest)
        return MAIN

    entries = [Entry("nginx.conf", Kind.FILE, "a"), Entry("huge.iso", Kind.FILE, "b")]
    configurations(of_release(Release("0" * 40, "0" * 40, Manifest.of(entries), read)))
    assert asked == ["a"]
