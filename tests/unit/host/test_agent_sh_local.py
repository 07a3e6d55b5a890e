"""What agent.sh does without a lab: it reads headers, refuses nonsense, hashes trees as the model does."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployer.globs import matches, to_ere
from deployer.host import program
from deployer.host.reply import Answer, parse
from deployer.model import Entry, Kind, Manifest
from tests.agent_text import agent

SH = Path(program.__file__).with_name("sh")
SHELLS = (("dash",), ("busybox", "ash"), ("bash",))

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the agent refuses to work for anybody but root")


def run(*verbs: str, stdin: bytes, shell: tuple[str, ...] = ("sh",)) -> tuple[Answer, int]:
    done = subprocess.run(
        [*shell, *agent(*verbs)],
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )
    answer = parse(done.stdout)
    assert answer, (done.stdout, done.stderr)
    assert not done.stderr
    return answer, done.returncode


def header(target: Path, **more: str) -> bytes:
    values = {"target": str(target), "state": str(target.parent / "state"), "argv": "true"} | more
    return (
        "".join(f"{key}={value}\n" for key, value in values.items()).encode("utf-8", "surrogateescape")
        + b"\n"
    )


@pytest.mark.slow
def test_shellcheck_is_content() -> None:
    done = subprocess.run(["shellcheck", "-"], input=program.source(), capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode()


@pytest.mark.parametrize("variable", ["inside", "keeping"])
@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_the_program_inside_the_namespaces_parses(
    shell: tuple[str, ...], variable: str, tmp_path: Path
) -> None:
    text = program.source().decode()
    for call in ('\nmain "$@"\n', '\ngo_on "$@"\n'):
        assert text.count(call) == 1
        text = text.replace(call, "\n")
    agent = tmp_path / "agent.sh"
    agent.write_text(f'{text}printf %s "${variable}"\n')
    inside = tmp_path / "inside.sh"
    shown = subprocess.run([*shell, str(agent)], capture_output=True, text=True, check=True).stdout
    assert "mount" in shown
    inside.write_text("#!/bin/sh\n" + shown)
    subprocess.run([*shell, "-n", str(inside)], check=True)
    excluded = "SC2015,SC2086"  # words are split on purpose
    done = subprocess.run(
        ["shellcheck", "-e", excluded, str(inside)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("verb", ["observe", "adopt"])
@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_text_that_was_cut_off_does_nothing(shell: tuple[str, ...], verb: str) -> None:
    """Not before all that its verb may want was read. (Whatever is installed or sent is whole: by a hash.)"""
    text = program.source().decode()
    first = text.index('\nmain "$@"\n') / len(text)
    shares = (0.5, 0.9, 0.999) if verb == "adopt" else (0.3, 0.5, first)
    for share in shares:
        cut = text[: int(len(text) * share)]
        done = subprocess.run([*shell, *agent(verb, text=cut)], capture_output=True, check=False)
        assert done.stdout == b""


def test_what_is_read_first_names_nothing_that_stands_further_down() -> None:
    texts = [
        "".join((SH / f"{part}.sh").read_text() for part in parts)
        for parts in (program.FIRST, program.FURTHER)
    ]
    first, further = (re.sub(r"(?m)^\s*#.*$", "", text) for text in texts)
    begun_by_a_verb_there = {"do_adopt", "copy_tree", "end_rehearsal"}
    names = set(re.findall(r"(?m)^(\w+)\(\) \{", further)) - begun_by_a_verb_there
    assert len(names) > 50
    assert {name for name in names if re.search(rf"\b{name}\b", first)} == set()
    may_wait = re.findall(r"case \$verb in\n\s+(install[^)]*)\)", first)[0].split(" | ")
    assert {f"do_{verb}" for verb in may_wait} <= set(re.findall(r"(?m)^(do_\w+)\(\) \{", first))


@needs_root
@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize(
    "stdin",
    [
        b"",
        b"target=/etc/nginx\n",
        b"target=/etc/nginx\nstate\n\n",
        b"target=/e\x01tc\n\n",
        b"target=/etc\tnginx\n\n",
        b"state=/var/lib/x\nargv=true\n\n",
        b"target=/etc/nginx\nstate=/var/lib/x\n\n",
        b"target=/etc/../nginx\nstate=/var/lib/x\nargv=true\n\n",
        b"target=/etc/nginx/\nstate=/var/lib/x\nargv=true\n\n",
        b"target=etc\nstate=/var/lib/x\nargv=true\n\n",
        b"target=/etc/$(id)\nstate=/var/lib/x\nargv=true\n\n",
        b"target=/etc/a b\nstate=/var/lib/x\nargv=true\n\n",
        b"target=/\nstate=/var/lib/x\nargv=true\n\n",
        b"target=/etc/nginx\nstate=/etc/nginx/x\nargv=true\n\n",
        b"target=/etc/nginx\nstate=/etc\nargv=true\n\n",
        b"target=/etc/nginx\nstate=/var/lib/x\nargv=true\nrelease=../../x\n\n",
        b"target=/etc/nginx\nstate=/var/lib/x\nargv=true\nrelease=a-b\n\n",
        b"target=/etc/nginx\nstate=/var/lib/x\nargv=true\ndeployment=A;B\n\n",
        b"target=/etc/nginx\nstate=/var/lib/x\nargv=true\nepoch=1x\n\n",
        b"target=/etc/nginx\nstate=/var/lib/x\nargv=true\npreserve=(\n\n",
        b"x=" + b"y" * 70_000 + b"\n\n",
        b"x=y\n" * 5_000 + b"\n",
    ],
)
def test_a_bad_header_is_refused_in_a_sentence(shell: tuple[str, ...], stdin: bytes) -> None:
    answer, status = run("observe", stdin=stdin, shell=shell)
    assert status in {64, 67}
    assert answer.complete
    assert len(answer.verbs[-1].all("error")) == 1


@needs_root
@pytest.mark.parametrize("verb", ["", "nonsense", "observe;id", "-x", "main", "do_observe"])
def test_there_are_no_other_verbs(verb: str, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    _, status = run(verb, stdin=header(tmp_path / "t"))
    assert status == 64


@needs_root
def test_only_root_may(tmp_path: Path) -> None:
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", "sh", *agent("observe")],
        input=header(tmp_path),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 77
    assert b"error=The agent must run as root" in done.stdout


@needs_root
@pytest.mark.parametrize("verb", ["stage", "activate", "promote", "prune", "unadopt", "adopt"])
def test_nothing_changes_without_ownership(verb: str, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    zeros = "0" * 64
    more = {"deployment": "d1", "epoch": "1", "release": "a-" + zeros[:12], "base": "b-" + zeros[:12]}
    more |= {"from": more["base"], "tree_hash": zeros, "keep": "1", "reload": "true"}
    _, status = run(verb, stdin=header(tmp_path / "t", **more))
    assert status == 76
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t"]


NAME = st.text(
    st.characters(blacklist_characters="/\0\x01", blacklist_categories=["Cs"]), min_size=1, max_size=12
).filter(lambda name: name not in {".", ".."} and len(name.encode()) < 200)


@needs_root
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.lists(NAME, min_size=1, max_size=3).map(tuple),
        st.one_of(
            st.tuples(st.just(Kind.FILE), st.binary(max_size=20)),
            st.tuples(st.just(Kind.EXEC), st.binary(max_size=20)),
            st.tuples(st.just(Kind.LINK), NAME),
        ),
        max_size=8,
    ),
    st.sampled_from(SHELLS),
    st.sampled_from([(), ("*",), ("**/a*",), ("a/**", "[!a]*")]),
)
def test_manifests_are_those_of_the_model(
    tmp_path: Path,
    tree: dict[tuple[str, ...], tuple[Kind, bytes | str]],
    shell: tuple[str, ...],
    globs: tuple[str, ...],
) -> None:
    root = Path(subprocess.check_output(["mktemp", "-d", "-p", str(tmp_path)], text=True).strip()) / "t"
    root.mkdir()
    entries = []
    for parts, (kind, data) in tree.items():
        path = root.joinpath(*parts)
        if any(
            root.joinpath(*parts[:n]).is_symlink() or root.joinpath(*parts[:n]).is_file()
            for n in range(1, len(parts))
        ):
            continue
        if path.is_dir():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        name = "/".join(parts)
        if isinstance(data, str):
            path.symlink_to(data)
            entry = Entry(name, kind, data)
        else:
            path.write_bytes(data)
            path.chmod(0o755 if kind is Kind.EXEC else 0o644)
            entry = Entry(name, kind, hashlib.sha256(data).hexdigest())
        if not matches(name, globs):
            entries.append(entry)
    more = {"preserve": to_ere(globs, prefix="./")} if globs else {}
    answer, status = run("manifest", stdin=header(root, **more), shell=shell)
    assert status == 0
    blob = answer.verbs[-1].blob
    assert blob == Manifest.of(entries).encode()
