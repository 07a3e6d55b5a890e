"""From a commit to a release: every kind of path, the same hash everywhere, and what is refused."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployer.errors import DeployerError, Refused, UsageError
from deployer.model import Entry, Host, Kind, Manifest
from deployer.source import snapshot
from deployer.source.git import Mirror
from deployer.source.release import build_release
from deployer.source.tree import manifest_of_directory
from tests.unit.source.conftest import HOST, Repo, Source

# What docs/agent.md says under "Manifest", as a shell on a host may write it. It needs no Python.
MANIFEST_SH = r"""
cd "$1" && export LC_ALL=C && {
printf 'files\0'; find . -path ./.git -prune -o -type f -print0 | sort -z | xargs -0r sha256sum -z --
printf 'exec\0'; find . -path ./.git -prune -o -type f -perm -u+x -print0 | sort -z
printf 'links\0'; find . -path ./.git -prune -o -type l -printf '%p\0' | sort -z |
  while IFS= read -r -d '' path; do printf '%s//%s\0' "$path" "$(readlink -- "$path")"; done
} | sha256sum
"""

ODD: dict[str, str | bytes] = {
    "nginx.conf": "http {}\n",
    "conf.d/with space.conf": "a",
    "conf.d/'quote\"s'.conf": "b",
    "conf.d/new\nline": "c",
    "conf.d/back\\slash": "d",
    "conf.d/-dash": "e",
    "conf.d/ümläut.conf": "f",
    "conf.d/a.b": "g",
    "conf.d/a/b": "h",
    "Case": "1",
    "case": "2",
    "empty": "",
    "$(touch x)": "i",
    "big": b"\x00\xff" * 2_500_000,
}


def write_odd(repo: Repo) -> None:
    repo.write(dict(ODD))
    (repo.path / os.fsdecode(b"latin-\xe9.conf")).write_bytes(b"\xe9")
    (repo.path / "run.sh").write_text("#!/bin/sh\n")
    (repo.path / "run.sh").chmod(0o755)
    (repo.path / "relative").symlink_to("conf.d/a/b")
    (repo.path / "absolute").symlink_to("/usr/share/nginx/modules")
    (repo.path / "climbs").symlink_to("../../etc/passwd")
    (repo.path / "dangling").symlink_to("not there//twice")
    repo.commit()


def shell_hash(directory: Path, **environment: str) -> str:
    done = subprocess.run(
        ["bash", "-c", MANIFEST_SH, "sh", str(directory)],
        capture_output=True,
        check=True,
        env={**os.environ, **environment},
    )
    return done.stdout.split()[0].decode()


def test_odd_trees_hash_as_a_shell_on_a_host_hashes_them(source: Source, tmp_path: Path) -> None:
    write_odd(source.repo)
    release = source.release()
    assert release.manifest.hash == shell_hash(source.repo.path)
    assert release.manifest.hash == shell_hash(source.repo.path, LANG="de_DE.UTF-8", LC_COLLATE="en_US.UTF-8")
    assert release.manifest == manifest_of_directory(source.repo.path, [".git/**"])
    assert Manifest.decode(release.manifest.encode()) == release.manifest
    # Another clone, another name, other times, other group bits.
    other = tmp_path / "elsewhere"
    source.repo.git("clone", "--quiet", ".", str(other))
    subprocess.run(["chmod", "-R", "g+w,o-r", str(other)], check=True)
    assert shell_hash(other) == release.manifest.hash
    assert Source(source.repo, Mirror(str(other), tmp_path / "cache2")).release() == release


def test_kinds_and_contents(source: Source) -> None:
    write_odd(source.repo)
    release = source.release()
    entries = release.manifest.by_path
    assert entries["run.sh"].kind is Kind.EXEC
    assert entries["nginx.conf"].kind is Kind.FILE
    assert entries["climbs"] == Entry("climbs", Kind.LINK, "../../etc/passwd")
    assert entries["absolute"].content == "/usr/share/nginx/modules"
    assert entries["dangling"].content == "not there//twice"
    for name, content in ODD.items():
        raw = content.encode() if isinstance(content, str) else content
        assert release.read(entries[name].content) == raw, name
    assert release.read(entries[os.fsdecode(b"latin-\xe9.conf")].content) == b"\xe9"
    assert release.id == f"{release.commit[:12]}-{release.manifest.hash[:12]}"
    assert release.source_hash == source.repo.git("rev-parse", "main^{tree}")


def test_a_subdirectory(source: Source) -> None:
    source.repo.commit({"README": "x", "etc/nginx/nginx.conf": "1", "etc/nginx/a b/c": "2"})
    for path in ("etc/nginx", "./etc/nginx/", "etc//nginx"):
        release = source.release(path=path)
        assert list(release.manifest.by_path) == ["a b/c", "nginx.conf"]
        assert release.source_hash == source.repo.git("rev-parse", "main:etc/nginx")
    source.repo.commit({"README": "y"})
    again = source.release(path="etc/nginx")
    assert again.source_hash == release.source_hash
    assert again.manifest.hash == release.manifest.hash


def test_files_for_git_stay_out(source: Source) -> None:
    names = [
        ".gitignore",
        "a/.gitkeep",
        ".gitattributes",
        "a/nginx.conf",
        ".gitmodules",
        ".htpasswd",
        ".github/x",
    ]
    source.repo.commit(dict.fromkeys(names, "x"))
    assert list(source.release().manifest.by_path) == [".github/x", ".htpasswd", "a/nginx.conf"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nothing", "is not there"),
        ("nginx.conf", "is no directory"),
        ("link", "is no directory"),
        ("sub", "is a submodule"),
        ("nginx.conf/x", "is not there"),
        ("../x", "relative path"),
        ("/etc/nginx", "relative path"),
        (".git", "relative path"),
        ("*", "is not there"),
        (":(top)a", "is not there"),
        ("-x", "is not there"),
        ("kept", "no file"),
    ],
)
def test_a_path_that_is_no_directory_of_the_commit(source: Source, path: str, said: str) -> None:
    source.repo.write({"nginx.conf": "1", "a/b": "2", "kept/.gitkeep": ""})
    (source.repo.path / "link").symlink_to("a")
    source.repo.commit()
    source.repo.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    source.repo.git("commit", "--quiet", "-m", "submodule")
    with pytest.raises(UsageError) as refused:
        source.release(path=path)
    assert said in str(refused.value)
    assert path in str(refused.value)


def test_submodules_and_lfs_pointers_are_named(source: Source) -> None:
    source.repo.commit({"nginx.conf": "1", "other/x": "2"})
    source.repo.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},modules/geo ip")
    source.repo.git("commit", "--quiet", "-m", "submodule")
    with pytest.raises(Refused, match=r"'modules/geo ip' .* is a submodule"):
        source.release()
    assert source.release(path="other")
    source.repo.git("rm", "--quiet", "--cached", "modules/geo ip")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12345\n"
    source.repo.commit({"GeoIP.dat": pointer, "other/doc": f"see {pointer}"})
    with pytest.raises(Refused, match=r"'GeoIP\.dat' .* Git LFS pointer"):
        source.release()
    assert source.release(path="other")


def test_preserved_paths_must_not_be_in_the_repository(source: Source) -> None:
    source.repo.commit({"nginx.conf": "1", "modules-enabled/geo.conf": "2", "t.conf.j2": ""})
    with pytest.raises(
        UsageError, match=r"'modules-enabled/geo\.conf' is in the repository, yet target\.preserve"
    ):
        source.release(preserve=["modules-enabled/**"])
    with pytest.raises(UsageError, match=r"t\.conf\.j2"):  # the name it gets is what counts
        source.release(preserve=["t.conf"], render=["**/*.j2"])
    assert source.release(preserve=["t.conf"])


def test_trees_that_git_itself_would_not_make(source: Source) -> None:
    blob = source.repo.git("hash-object", "-w", "--stdin", stdin=b"x")
    for name in ("..", ".git", "."):
        raw = b"100644 " + name.encode() + b"\0" + bytes.fromhex(blob)
        tree = source.repo.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=raw)
        commit = source.repo.git("commit-tree", tree, "-m", "bad")
        source.repo.git("update-ref", "refs/heads/main", commit)
        with pytest.raises(DeployerError):
            source.release()


def test_hosts_share_one_release_when_nothing_is_rendered(source: Source) -> None:
    source.repo.commit({"nginx.conf": "1", "a.j2": "{{ kept as it is }}"})
    releases = source.releases(*(Host(f"web{n}", "x") for n in range(3)))
    assert len({id(release) for release in releases.values()}) == 1
    assert list(releases["web0"].manifest.by_path) == ["a.j2", "nginx.conf"]
    commit = source.mirror.resolve("main")
    assert build_release(source.mirror, commit, host=HOST) == releases["web0"]


def test_contents_beyond_memory_are_read_from_git_by_many_threads(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "MEMORY_BYTES", 20_000)
    files: dict[str, str | bytes] = {f"f{n}": os.urandom(3_000 + n) for n in range(60)}
    source.repo.commit(files)
    release = source.release()
    entries = [entry for entry in release.manifest.entries for _ in range(3)]
    with ThreadPoolExecutor(8) as pool:
        contents = list(pool.map(lambda entry: release.read(entry.content), entries))
    for entry, content in zip(entries, contents, strict=True):
        assert content == files[entry.path]
        assert hashlib.sha256(content).hexdigest() == entry.content


def test_a_mirror_that_vanishes_while_contents_are_read_is_said(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "MEMORY_BYTES", 0)
    source.repo.commit({"f": "1"})
    release = source.release()
    shutil.rmtree(source.mirror.directory)
    with pytest.raises(Refused):
        release.read(release.manifest.entries[0].content)


def test_limits_are_sentences(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    source.repo.commit({"a": "1", "b": "22"})
    monkeypatch.setattr(snapshot, "MAX_FILE_BYTES", 1)
    with pytest.raises(Refused, match=r"^'b' in commit"):
        source.release()
    monkeypatch.setattr(snapshot, "MAX_FILES", 1)
    with pytest.raises(Refused, match="more than 1 files"):
        source.release()
