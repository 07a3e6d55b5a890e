"""What a host remembers as bad: told with the way back, kept by its hash, forgotten on demand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.host.reply import VerbAnswer
from deployer.model.barriers import Quarantined
from tests.unit.host.box import SHELLS, Box, boxed

BAD = "aaaaaaaaaaaa-0123456789ab"
SAME_TREE, OTHER = "bbbbbbbbbbbb-0123456789ab", "aaaaaaaaaaaa-ffffffffffff"


@pytest.fixture(
    params=[
        pytest.param(shell, id=" ".join(shell), marks=[pytest.mark.slow] if n else [])
        for n, shell in enumerate(SHELLS)
    ]
)
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Box]:
    yield from boxed(tmp_path, request.param)


def line(release: str, deployment: str = "d7", why: str = "web1: 503 $(id) `id` * \\ %s '\"") -> str:
    return Quarantined(release, deployment, 1_790_000_000.0, why).line


def kept(answer: VerbAnswer) -> list[Quarantined | None]:
    return [Quarantined.of_line(text) for text in answer.all("quarantine")]


def test_it_is_remembered_with_the_way_back_and_forgotten_on_demand(box: Box) -> None:
    base = box.adopted()
    bad = box.staged(base, "two")
    box.activated(bad, base, 60)
    assert kept(box.observe()) == []
    box.ok("restore", "release", release=base, quarantine=line(bad))
    seen = box.observe()
    assert (box.page, seen.one("owner"), seen.all("problem")) == ("one", "", ())
    assert seen.all("quarantine") == (line(bad),)
    file = next(box.directory.rglob("private/quarantine"))
    assert oct(file.stat().st_mode & 0o777) in ("0o600", "0o644")
    assert oct(file.parent.stat().st_mode & 0o777) == "0o700"

    # Already back, as after a lost answer or a guard: it is remembered all the same, and once.
    box.begin("d8")
    for _ in range(2):
        box.ok("restore", release=base, quarantine=line(OTHER))
    first, again = line(BAD), line(SAME_TREE, "d9", "another commit")
    box.ok("restore", release=base, quarantine=first)
    box.ok("restore", release=base, quarantine=again)
    assert box.observe().all("quarantine") == (again, line(OTHER), line(bad))

    for _ in range(2):
        box.ok("pardon", release=BAD)  # by its hash
    assert box.observe().all("quarantine") == (line(OTHER), line(bad))
    box.ok("pardon", "release", release=OTHER)
    assert [entry.release for entry in kept(box.observe()) if entry] == [bad]


def test_nobody_but_the_owner_forgets(box: Box) -> None:
    base = box.adopted()
    box.ok("restore", "release", release=base, quarantine=line(BAD))
    box.refused(76, "pardon", release=BAD)
    assert box.observe().all("quarantine") == (line(BAD),)
    box.begin("d8")
    box.refused(64, "pardon")


@pytest.mark.parametrize("wrong", ["nonsense", "x y z", "../../etc d 1 why", "-12 d 1"])
def test_a_line_that_is_none_changes_nothing(box: Box, wrong: str) -> None:
    base = box.adopted()
    box.refused(64, "restore", release=base, quarantine=wrong)
    assert box.observe().all("quarantine") == ()


def test_where_nothing_can_be_written_going_back_comes_first(box: Box) -> None:
    base = box.adopted()
    bad = box.staged(base, "two")
    box.activated(bad, base, 60)
    private = next(box.directory.rglob("private/baseline")).parent
    (private / "quarantine.new").mkdir()
    answer = box.ok("restore", release=base, quarantine=line(bad))
    assert box.page == "one"
    assert "could not be written down" in answer.one("problem")


def test_the_list_has_an_end(box: Box) -> None:
    base = box.adopted()
    private = next(box.directory.rglob("private/baseline")).parent
    many = [line(f"aaaaaaaaaaaa-{number:012x}") for number in range(700)]
    (private / "quarantine").write_text("".join(f"{text}\n" for text in many))
    box.ok("restore", release=base, quarantine=line(BAD))
    told = box.observe().all("quarantine")
    assert (told[0], told[1:]) == (line(BAD), tuple(many[:500]))
