"""The staging tar: what is sent, what the host copies itself, in which order."""

from __future__ import annotations

import hashlib
import io
import random
import tarfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from deployer.errors import ConfigError
from deployer.host.payload import Payload, Payloads, build
from deployer.model import Entry, Kind, Manifest, Release

Tree = Mapping[str, bytes | str]  # bytes: a file (executable when it begins with #!), str: a link


def entry(path: str, content: bytes | str) -> Entry:
    if isinstance(content, str):
        return Entry(path, Kind.LINK, content)
    kind = Kind.EXEC if content.startswith(b"#!") else Kind.FILE
    return Entry(path, kind, hashlib.sha256(content).hexdigest())


def manifest(tree: Tree) -> Manifest:
    return Manifest.of(entry(p, c) for p, c in tree.items())


def release(tree: Tree) -> Release:
    blobs = {hashlib.sha256(c).hexdigest(): c for c in tree.values() if isinstance(c, bytes)}
    return Release("c" * 40, "s" * 40, manifest(tree), blobs.__getitem__)


def payload(base: Tree, target: Tree, *, modes: Mapping[str, str] | None = None) -> Payload:
    return build(manifest(base), release(target), modes=modes or {}, main="nginx.conf")


def members(made: Payload) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(made.tar), encoding="utf-8", errors="surrogateescape") as tar:
        return {m.name: m for m in tar}


def content(made: Payload, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(made.tar), encoding="utf-8", errors="surrogateescape") as tar:
        stream = tar.extractfile(name)
        assert stream
        return stream.read()


def listed(made: Payload, name: str) -> list[str]:
    return [p.decode("utf-8", "surrogateescape") for p in content(made, name).split(b"\0")[:-1]]


BASE: Tree = {
    "nginx.conf": b"main",
    "conf.d/a.conf": b"a",
    "conf.d/b.conf": b"b",
    "run": b"#!/bin/sh",
    "l": "a",
}


def test_nothing_changed_sends_the_lists_only() -> None:
    made = payload(BASE, BASE)
    assert list(members(made)) == ["manifest", "remove", "exec", "noexec"]
    assert content(made, "manifest") == manifest(BASE).encode()
    assert [content(made, name) for name in ("remove", "exec", "noexec")] == [b""] * 3


def test_the_order_is_the_protocols() -> None:
    made = payload(
        BASE, {**BASE, "z": b"z", "é": b"e", "B": b"B", "conf.d/a.conf": b"A"}, modes={"z": "0600 root"}
    )
    names = ["manifest", "remove", "exec", "noexec", "modes/0"]
    assert list(members(made)) == [*names, "new/B", "new/conf.d/a.conf", "new/z", "new/é"]


def test_changed_and_new_files_are_sent_and_removed_ones_listed() -> None:
    made = payload(
        BASE, {"nginx.conf": b"main", "conf.d/a.conf": b"A", "run": b"#!/bin/sh", "l": "a", "n": b"new"}
    )
    assert content(made, "new/conf.d/a.conf") == b"A"
    assert content(made, "new/n") == b"new"
    assert listed(made, "remove") == ["conf.d/b.conf"]


def test_a_moved_file_is_copied_by_the_host() -> None:
    made = payload(BASE, {**{p: c for p, c in BASE.items() if p != "conf.d/a.conf"}, "conf.d/c.conf": b"a"})
    member = members(made)["new/conf.d/c.conf"]
    assert (member.islnk(), member.linkname) == (True, "tree/conf.d/a.conf")
    assert listed(made, "remove") == ["conf.d/a.conf"]


def test_a_path_that_changes_itself_is_no_source_for_a_copy() -> None:
    made = payload(BASE, {**BASE, "conf.d/a.conf": b"b", "conf.d/b.conf": b"a"})
    assert not any(m.islnk() for m in members(made).values())


def test_the_main_file_is_no_source_for_a_copy() -> None:
    """Its copy on the host carries the identity line."""
    made = payload(BASE, {**BASE, "nginx.conf.bak": b"main"})
    assert content(made, "new/nginx.conf.bak") == b"main"
    free = build(manifest(BASE), release({**BASE, "nginx.conf.bak": b"main"}), modes={}, main=None)
    assert members(free)["new/nginx.conf.bak"].islnk()


def test_only_the_executable_bit_changes() -> None:
    target = Manifest.of(
        [
            *(e for e in manifest(BASE).entries if e.path not in {"run", "conf.d/a.conf"}),
            Entry("run", Kind.FILE, manifest(BASE).by_path["run"].content),
            Entry("conf.d/a.conf", Kind.EXEC, manifest(BASE).by_path["conf.d/a.conf"].content),
        ]
    )
    made = build(manifest(BASE), Release("c" * 40, "s", target, lambda _: b""), modes={}, main=None)
    assert listed(made, "exec") == ["conf.d/a.conf"]
    assert listed(made, "noexec") == ["run"]
    assert not any(name.startswith("new/") for name in members(made))


def test_a_new_executable_file_is_listed() -> None:
    assert listed(payload(BASE, {**BASE, "new": b"#!new"}), "exec") == ["new"]


@pytest.mark.parametrize(("before", "after"), [("x", b"file"), (b"file", "x"), ("x", "y")])
def test_links_are_replaced_and_never_written_through(before: bytes | str, after: bytes | str) -> None:
    made = payload({**BASE, "p": before}, {**BASE, "p": after})
    assert listed(made, "remove") == ["p"]
    assert "new/p" in members(made)
    if isinstance(after, str):
        assert (members(made)["new/p"].issym(), members(made)["new/p"].linkname) == (True, after)


def test_a_file_becomes_a_directory_and_back() -> None:
    there = payload({"a": b"1"}, {"a/b": b"2"})
    assert (listed(there, "remove"), "new/a/b" in members(there)) == (["a"], True)
    back = payload({"a/b": b"2"}, {"a": b"1"})
    assert (listed(back, "remove"), "new/a" in members(back)) == (["a/b"], True)


ODD = [
    "a b",
    "new\nline",
    "quo'te\"",
    "ümlaut",
    "\udcff\udcfe",
    "x" * 250,
    "d/" * 60 + "deep",
    "-rf",
    "*",
    "\\",
    "a//".rstrip("/"),
]


@pytest.mark.parametrize("name", ODD)
def test_any_name_survives(name: str) -> None:
    made = payload({"gone" + name: b"1"}, {name: b"content", "link" + name: name})
    assert content(made, f"new/{name}") == b"content"
    assert members(made)[f"new/link{name}"].linkname == name
    assert listed(made, "remove") == ["gone" + name]


def test_modes_are_expanded_and_the_last_match_wins() -> None:
    tree: Tree = {"ssl/a.key": b"a", "ssl/b.key": b"b", "ssl/c.pem": b"c", "ssl/l.key": "a.key"}
    made = payload({}, tree, modes={"ssl/*": "0644 root:root", "**/*.key": "0640 root:www-data"})
    assert made.modes == ("0 0640 root:www-data", "1 0644 root:root")
    assert listed(made, "modes/0") == ["ssl/a.key", "ssl/b.key"]
    assert listed(made, "modes/1") == ["ssl/c.pem"]


def test_the_commit_says_what_is_executable_not_the_mode() -> None:
    made = payload({}, {"a": b"#!x", "b": b"x"}, modes={"*": "0750 root"})
    assert made.modes == ("0 0750 root", "1 0640 root")
    assert payload({}, {"a": b"#!x"}, modes={"*": "0644 root"}).modes == ("0 0755 root",)


@pytest.mark.parametrize(
    "mode", ["", "0640", "root", "9999 root", "0640 root;id", "0640  root", "06400 root", "0640 a:b:c"]
)
def test_a_mode_that_is_none_is_an_error_with_its_key(mode: str) -> None:
    with pytest.raises(ConfigError, match=r"target\.modes\.\*"):
        payload({}, {"a": b""}, modes={"*": mode})


def test_the_same_input_gives_the_same_bytes() -> None:
    paths = [f"d{n % 7}/f{n}" for n in range(50)]
    tree = {p: p.encode() for p in paths}
    random.Random(1).shuffle(paths)  # noqa: S311 - repeatable, not secret
    assert payload(BASE, tree).tar == payload(BASE, {p: p.encode() for p in paths}).tar


def test_applied_in_the_protocols_order_it_makes_the_release(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A model of the host's side over random trees, byte for byte."""
    chance = random.Random(7)  # noqa: S311 - repeatable, not secret
    for _ in range(200):
        base, target = tree(chance), tree(chance)
        assert applied(base, payload(base, target)) == dict(target)


def tree(chance: random.Random) -> Tree:
    contents: list[bytes | str] = [b"1", b"2", b"3", b"#!4", "x", "y"]
    flat = {f"f{n}": chance.choice(contents) for n in range(6) if chance.random() < 0.7}
    for n in range(3):
        if chance.random() < 0.5:
            flat[f"d{n}"] = chance.choice(contents)
        else:
            flat |= {f"d{n}/g{m}": chance.choice(contents) for m in range(2)}
    return flat


def applied(base: Tree, made: Payload) -> dict[str, bytes | str]:
    out = dict(base)
    fresh: dict[str, bytes | str] = {}
    with tarfile.open(fileobj=io.BytesIO(made.tar)) as tar:
        for member in tar:
            name = member.name.removeprefix("new/")
            if name == member.name:
                continue
            if member.issym():
                fresh[name] = member.linkname
            elif member.islnk():
                fresh[name] = base[member.linkname.removeprefix("tree/")]
            else:
                stream = tar.extractfile(member)
                assert stream
                fresh[name] = stream.read()
    for path in listed(made, "remove"):
        del out[path]
    for path, value in fresh.items():
        assert not isinstance(out.get(path), str), "written through a link"
        out[path] = value
    return out


class TestPayloads:
    def test_hosts_with_the_same_base_share_the_bytes_and_one_builds_them(self) -> None:
        built = []

        def read(digest: str) -> bytes:
            built.append(digest)
            time.sleep(0.05)
            return b"new"

        target = Release("c" * 40, "s" * 40, manifest({"n": b"new"}), read)
        payloads, start = Payloads(), threading.Barrier(8)

        def get(_: int) -> Payload:
            start.wait(5)
            return payloads.get(manifest({}), target, modes={}, main=None)

        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(get, range(8)))
        assert len(built) == 1
        assert all(m is made[0] for m in made)

    def test_another_base_mode_or_main_is_another_payload(self) -> None:
        payloads, target = Payloads(), release(BASE)
        ways = [
            payloads.get(manifest({}), target, modes={}, main=None),
            payloads.get(manifest(BASE), target, modes={}, main=None),
            payloads.get(manifest({}), target, modes={"*": "0600 root"}, main=None),
            payloads.get(manifest({}), target, modes={}, main="nginx.conf"),
        ]
        assert len({id(w) for w in ways}) == 4

    def test_old_ones_are_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("deployer.host.payload.CACHED_BYTES", 50_000)
        payloads = Payloads()
        for n in range(10):
            payloads.get(manifest({}), release({"n": b"%d" % n * 10_000}), modes={}, main=None)
        assert 0 < len(payloads._slots) < 6


def test_5000_files_and_5_mib_take_a_moment() -> None:
    big = {f"d{n % 50}/f{n}": b"%d" % n for n in range(5000)} | {"big": bytes(5 << 20)}
    base, target = manifest({}), release(big)
    begun = time.process_time()
    made = build(base, target, modes={"d1/*": "0600 root"}, main=None)
    assert time.process_time() - begun < 5
    assert len(made.tar) < 5 * 2**20 + 5000 * 1200 + 2 * 2**20
