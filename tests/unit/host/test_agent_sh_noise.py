"""Noise into every verb, and every verb twice, in each shell: an answer in words, and nothing moves."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.host import program
from deployer.host.reply import parse
from tests.agent_text import agent
from tests.lab.agent_sh import packed_release, release_of
from tests.unit.host.box import SHELLS, STATE, Box, boxed
from tests.unit.names import new_seed

CODES = {0, *range(64, 70), 70, 74, 75, 76, 77}  # docs/agent.md
TIMES = 4
KEYS = (
    "target", "state", "argv", "reload", "preserve", "deployment", "epoch", "controller", "release", "from",
    "leaves", "tree_hash", "base", "commit", "source_hash", "mode", "check", "hold", "keep", "lines",
    "hash", "sha256", "preempt", "limit", "within", "clock_offset", "quarantine", "verbs", "token", "payload",
)  # fmt: skip

every_shell = pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
pytestmark = pytest.mark.slow  # hundreds of programs for each verb


@pytest.fixture
def box(shell: tuple[str, ...], tmp_path: Path) -> Iterator[Box]:
    yield from boxed(tmp_path, shell)


def verbs() -> list[str]:
    """As the agent itself knows them, so that a new one is tried too."""
    found = re.search(r"^ +install\) ;;\n +([a-z |]+)\)$", program.source().decode(), re.MULTILINE)
    assert found
    return ["install", *found[1].split(" | ")]


def noise(dice: random.Random, box: Box, kind: int) -> bytes:
    """Bytes; lines of bytes; a header with noise in one value; one with noise behind it."""
    blob = dice.randbytes(dice.choice((1, 40, 3_000)))
    line = blob.replace(b"\n", b"").replace(b"\0", b"")
    if kind == 0:
        return blob
    if kind == 1:
        return (
            b"".join(dice.choice(KEYS).encode() + b"=" + line[:90] + b"\n" for _ in range(9)) + b"\n" + blob
        )
    whole = {"target": str(box.target), "state": STATE, "argv": "true", "reload": "true", "payload": "40"}
    spoilt = {**whole, dice.choice(KEYS): line.decode("utf-8", "surrogateescape")} if kind == 2 else whole
    text = "".join(f"{key}={value}\n" for key, value in spoilt.items())
    return text.encode("utf-8", "surrogateescape") + b"\n" + blob


@every_shell
def test_noise_is_answered_in_words_and_moves_nothing(box: Box, shell: tuple[str, ...]) -> None:
    base = box.adopted()
    before = facts(box)
    dice = random.Random(new_seed())  # noqa: S311 - no secret
    for verb in (*verbs(), "serve", "carry", "", "nonsense"):
        for kind in range(TIMES):
            sent = noise(dice, box, kind)
            argv = (*shell, *agent(verb))
            done = box.run(*argv, stdin=sent)
            assert done.returncode in CODES, (verb, sent, done)
            # A shell may name a NUL that it left out.
            assert not done.stderr or b"\0" in sent, (verb, sent, done)
            answer = parse(done.stdout)
            if verb not in ("serve", "carry"):
                assert answer, (verb, sent, done)
                assert answer.complete, (verb, sent, done)
                assert answer.verbs[-1].code == 0 or len(answer.verbs[-1].all("error")) == 1
    assert facts(box) == before
    assert (box.page, box.observe().one("live"), box.guardians) == ("one", base, [])


def facts(box: Box) -> list[tuple[str, int]]:
    """Every file of the store and the target, but for what says when somebody was here."""
    tops = (box.directory / "lib/deployer", box.directory / "etc")
    found = [path for top in tops for path in top.rglob("*") if path.name not in ("log", "heard", "lock")]
    return sorted((str(path), path.lstat().st_size if path.is_file() else 0) for path in found)


@every_shell
def test_every_verb_twice_is_once(box: Box) -> None:
    box.install()
    box.install()
    box.begin()
    epoch = box.epoch
    box.begin()
    assert box.epoch == epoch
    base = box.ok("adopt").one("baseline")
    assert box.ok("adopt").one("baseline") == base
    release = release_of(box.manifest(base), {"page": b"two\n"}, "2")
    header, tar = packed_release(box.manifest(base), base, release)
    assert [box.ok("stage", payload=tar, **header).one("changed") for _ in "12"] == ["yes", "no"]
    own = {"release": release.id, "from_": base, "within": "60000"}
    for verb in ("validate", "arm", "activate", "renew", "confirm", "promote", "restore"):
        if verb == "restore":
            own["release"] = base
        for _ in range(2):
            box.ok(verb, **own)
        assert box.page == ("one" if verb in ("validate", "arm", "restore") else "two"), verb
    for verb, more in (
        ("demote", {"release": release.id}),
        ("pardon", {"release": release.id}),
        ("prune", {"keep": "1"}),
        ("guard", {}),
        ("boot", {}),
    ):
        for _ in range(2):
            box.ok(verb, **more)
    box.run("sh", "-c", f"echo three >{box.target}/page")
    drift = box.ok("freeze").one("frozen")
    assert box.ok("freeze").one("frozen") == drift
    for verb in ("manifest", "fetch", "log", "observe"):
        assert [box.ok(verb, own=False).code for _ in "12"] == [0, 0]
    for _ in range(2):
        box.ok("unadopt")
    for _ in range(2):
        box.ok("release")
    assert box.page == "three"
