"""What a host writes down: over what is there, a line more, or anew; whole after any cut."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.host.box import BASE, SHELLS, STATE, Box, boxed


@pytest.fixture(
    params=[
        pytest.param(shell, id=" ".join(shell), marks=[pytest.mark.slow] if n else [])
        for n, shell in enumerate(SHELLS)
    ]
)
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Box]:
    yield from boxed(tmp_path, request.param)


def written(box: Box, text: str, path: str) -> None:
    """Add text to a file, from within: what stands under an overlay must not change behind it."""
    done = box.run("sh", "-c", 'printf %s "$1" >>"$2"', "sh", text, path)
    assert done.returncode == 0, done.stderr


def live(box: Box, text: str, base: str, check: str) -> str:
    """Bring a release whose page says that, all the way: its id."""
    release = box.staged(base, text)
    box.activated(release, base, 60)
    box.ok("confirm", release=release)
    box.ok("promote", "release", release=release, check=check)
    return release


def test_who_owns_a_host_is_written_over_what_was_there(box: Box) -> None:
    box.install()
    box.begin("d1", controller="c" * 256)
    owner = box.instance / "owner"
    first = owner.stat()
    for number, controller in enumerate(("me@here", "c" * 256, "x"), start=2):
        box.ok("release")
        seen = box.observe()
        assert (seen.one("owner"), seen.one("epoch")) == ("", str(number - 1))
        box.begin(f"d{number}", controller=controller)
        seen = box.observe()
        assert (seen.one("owner"), seen.one("owner_controller")) == (f"d{number}", controller)
    last = owner.stat()
    assert last.st_ino == first.st_ino or first.st_size < 400  # the first one was made, not written over
    assert last.st_size == 400, "in one sector, ever of the same length"
    assert owner.read_bytes().startswith(b"4\nd4\nx\n")


def test_a_guard_without_an_end_counts_for_nothing(box: Box) -> None:
    base = box.adopted()
    release = box.staged(base, "two")
    for torn in ("", "due=1\nboot=x\ndeployment=d0\nrelease=aaaaaaaaaaaa-000000000000\n", "due=12"):
        written(box, torn, f"{BASE}/instance/{box.instance.name}/guard")
        assert box.observe().one("guard") == ""
        box.activated(release, base, 60)
        assert box.observe().one("guard_release") == release
        box.ok("confirm", release=release)
        assert not (box.instance / "guard").exists()
        box.ok("restore", release=base)


def test_a_line_of_the_good_ones_that_was_cut_off_is_not_read(box: Box) -> None:
    base = box.adopted()
    second = live(box, "two", base, "c1")
    written(box, "aaaaaaaaaaaa-0000", f"{STATE}/private/good")
    assert [line.split()[0] for line in box.observe().all("good")] == [base, second]
    box.begin("d2")
    third = live(box, "three", second, "c1")
    assert [line.split()[0] for line in box.observe().all("good")] == [base, second, third]


def test_who_goes_back_goes_back_to_its_checks(box: Box) -> None:
    base = box.adopted()
    releases, previous = [], base
    for number, check in enumerate(("c1", "c1", "c2"), start=1):
        box.begin(f"d{number}", preempt="yes")
        previous = live(box, f"page{number}", previous, check)
        releases.append(previous)
        assert box.observe().all("check") == (check,)
    box.begin("d9", preempt="yes")
    for release, check in zip(releases, ("c1", "c1", "c2"), strict=True):
        box.ok("restore", release=release)
        assert box.observe().all("check") == (check,), "those it was promoted with, not the last ones"
