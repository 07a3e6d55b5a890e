"""The guard, on hosts in a box: what is not confirmed in time goes back, and nothing else does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.host.box import SHELLS, Box, boxed, until

every_shell = pytest.mark.parametrize(
    "box",
    [pytest.param(shell, id=" ".join(shell)) for shell in SHELLS],
    indirect=True,
)
pytestmark = pytest.mark.slow  # deadlines are waited for
LONG_S = 60.0


@pytest.fixture
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Box]:
    yield from boxed(tmp_path, getattr(request, "param", ("sh",)))


def two(box: Box) -> tuple[str, str]:
    """A baseline whose page says one, and a staged release whose page says two."""
    base = box.adopted()
    return base, box.staged(base, "two")


def guard_of(box: Box) -> str:
    return box.observe().one("guard")


def last_heard_long_ago(box: Box) -> None:
    path = box.instance / "heard"
    _, rest = path.read_text().split(" ", 1)
    path.write_text(f"-9999 {rest}")
    path.write_text(f"0 {rest}")


@every_shell
def test_what_nobody_confirms_goes_back_by_itself(box: Box) -> None:
    base, release = two(box)
    began = time.monotonic()
    box.activated(release, base, 1.0)
    assert (box.page, guard_of(box)) == ("two", "armed")
    until(lambda: box.page == "one", "back")
    assert 1.0 <= time.monotonic() - began < 4.0
    until(lambda: not box.guardians, "its process is gone")
    seen = box.observe()
    assert (seen.one("guard"), seen.one("guard_how"), seen.one("live")) == ("fired", "guard", base)
    assert (seen.one("guard_deployment"), seen.one("guard_release")) == ("d1", release)
    assert any(f"d1 guard {release} reverted to {base}" in line for line in box.log())
    for verbs in (["confirm"], ["renew"], ["promote"], ["activate"], ["arm", "activate"]):
        told = box.refused(74, *verbs, release=release, from_=base, within="9000")
        assert told.one("reverted_to") == base
    assert box.page == "one"
    box.ok("restore", "release", release=base)
    assert guard_of(box) == ""


@every_shell
def test_confirm_ends_it_at_once(box: Box) -> None:
    base, release = two(box)
    box.activated(release, base, 1.0)
    (pid,) = box.guardians
    box.ok("confirm", release=release)
    until(lambda: pid not in box.guardians, "its process is gone")
    assert guard_of(box) == ""
    box.ok("confirm", "promote", "release", release=release)  # the answer was lost: said again
    time.sleep(1.2)  # past the deadline: that nothing happens cannot be waited for
    assert box.page == "two"


@every_shell
def test_nothing_is_activated_without_a_guard(box: Box) -> None:
    base, release = two(box)
    box.refused(67, "activate", release=release, from_=base)
    other = box.staged(base, "three")
    box.ok("arm", release=other, from_=base, within="60000")
    box.refused(67, "activate", release=release, from_=base)
    assert box.page == "one"
    box.activated(release, base, LONG_S)
    box.refused(75, "arm", "activate", release=other, from_=release, within="60000")
    assert box.page == "two"
    assert box.ok("restore", release=base).code == 0
    assert (guard_of(box), box.guardians) == ("", [])


def test_an_armed_release_is_not_promoted(box: Box) -> None:
    base, release = two(box)
    box.activated(release, base, LONG_S)
    box.refused(67, "promote", release=release)
    box.ok("confirm", "promote", release=release)


@every_shell
def test_arming_twice_is_arming_once(box: Box) -> None:
    base, release = two(box)
    box.activated(release, base, LONG_S)
    before = (box.guardians, (box.instance / "guard").read_text().split("\n")[1:])
    assert box.activated(release, base, LONG_S).one("changed") in ("no", "yes")
    assert (box.guardians, (box.instance / "guard").read_text().split("\n")[1:]) == before
    assert len(box.guardians) == 1


@every_shell
def test_a_renewal_moves_the_deadline_and_starts_nothing(box: Box) -> None:
    base, release = two(box)
    began = time.monotonic()
    box.activated(release, base, 1.0)
    carriers = box.guardians
    for _ in range(4):
        time.sleep(0.4)
        assert box.ok("renew", within="1000").one("guard") == "armed"
    assert time.monotonic() - began > 1.5
    assert (box.page, box.guardians) == ("two", carriers)
    took = until(lambda: box.page == "one", "back")
    assert 0.5 < took < 3.0


def test_a_slow_activation_does_not_use_up_the_time_to_confirm_it(box: Box) -> None:
    base, release = two(box)
    box.program("loader", "sleep 1.2")
    box.activated(release, base, 1.5)
    assert box.observe().one("guard") == "armed"
    time.sleep(0.8)  # past the deadline that it was armed with
    assert box.page == "two"
    until(lambda: box.page == "one", "back")


def test_a_renewal_without_a_guard_says_so(box: Box) -> None:
    two(box)
    assert box.ok("renew", within="1000").one("guard") == "none"


@pytest.mark.parametrize("days", [-1, 1])
def test_a_clock_that_jumps_neither_fires_nor_delays_it(box: Box, days: int) -> None:
    base, release = two(box)
    began = time.monotonic()
    box.activated(release, base, 1.5)
    box.replace("date", f'exec $REAL -d "{days} day $($REAL -u +%FT%T.%NZ)" "$@"')
    seen = box.observe()
    assert abs(float(seen.one("clock")) - time.time() - days * 86400) < 100
    assert (seen.one("guard"), box.page) == ("armed", "two")
    box.ok("renew", within="1500")
    until(lambda: box.page == "one", "back")
    assert 1.5 <= time.monotonic() - began < 4.0


@every_shell
def test_killed_with_all_that_carried_it_the_next_contact_takes_it_back(box: Box) -> None:
    base, release = two(box)
    box.activated(release, base, 0.5)
    box.run("kill", "-KILL", *map(str, box.guardians))
    until(lambda: guard_of(box) == "expired", "expired")
    seen = box.observe()
    assert (seen.one("guard_carried"), seen.one("live"), box.page) == ("no", release, "two")
    box.refused(74, "confirm", release=release)
    assert box.page == "one"
    assert box.observe().one("guard_how") == "contact"


def test_a_renewal_brings_back_what_carried_it(box: Box) -> None:
    base, release = two(box)
    box.activated(release, base, LONG_S)
    box.run("kill", "-KILL", *map(str, box.guardians))
    until(lambda: not box.guardians, "killed")
    box.ok("renew", within="500")
    until(lambda: box.page == "one", "back")


@every_shell
def test_after_a_reboot_without_systemd_the_next_contact_takes_it_back(box: Box) -> None:
    base, release = two(box)
    box.activated(release, base, LONG_S)
    box.reboot()
    seen = box.observe()
    assert (seen.one("guard"), seen.one("guard_carried"), box.page) == ("expired", "no", "two")
    last_heard_long_ago(box)
    box.begin("d2")
    assert box.page == "one"
    assert box.observe().one("live") == base


@every_shell
def test_at_boot_it_goes_back_on_disk_before_anything_is_loaded(box: Box) -> None:
    base, release = two(box)
    box.program("loader", f"echo >>{box.directory}/loads")
    box.activated(release, base, LONG_S)
    loads = (box.directory / "loads").read_text()
    box.reboot()
    box.program("validator", "exit 1")  # no name resolves yet
    boot = f"{' '.join(box.shell)} /var/lib/deployer/agent.sh boot <{box_path(box)}/guard"
    assert box.run("sh", "-c", boot).returncode == 0
    assert (box.page, (box.directory / "loads").read_text()) == ("one", loads)
    seen = box.observe()
    assert (seen.one("guard"), seen.one("guard_how"), seen.one("live")) == ("fired", "boot", base)
    box.refused(74, "confirm", release=release)


@every_shell
def test_a_guard_that_was_cut_off_while_it_was_written_fails_no_boot(box: Box) -> None:
    base, release = two(box)
    box.activated(release, base, LONG_S)
    guard = box.instance / "guard"
    whole = guard.read_bytes()
    box.reboot()
    boot = ["sh", "-c", f"{' '.join(box.shell)} /var/lib/deployer/agent.sh boot <{box_path(box)}/guard"]
    for cut in {0, 1, *range(7, len(whole) - 1, 41), len(whole) - 2, len(whole) - 1}:
        guard.write_bytes(whole[:cut])
        ran = box.run(*boot)
        assert (ran.returncode, box.page) == (0, "two"), (cut, ran)
        assert b"nothing is taken back" in ran.stdout, cut
    guard.write_bytes(whole)
    assert (box.run(*boot).returncode, box.page) == (0, "one")


def test_a_start_of_nginx_without_a_boot_takes_nothing_back(box: Box) -> None:
    base, release = two(box)
    box.activated(release, base, LONG_S)
    boot = ["sh", "-c", f"sh /var/lib/deployer/agent.sh boot <{box_path(box)}/guard"]
    assert box.run(*boot).returncode == 0
    assert (box.page, guard_of(box), len(box.guardians)) == ("two", "armed", 1)
    box.run("kill", "-KILL", *map(str, box.guardians))
    until(lambda: not box.guardians, "killed")
    assert box.run(*boot).returncode == 0
    assert len(box.guardians) == 1


def test_what_cannot_be_taken_back_at_boot_is_tried_again_after(box: Box) -> None:
    base, release = two(box)
    box.activated(release, base, LONG_S)
    box.reboot()
    box.replace("sleep", "exec $REAL 0.2")
    page = box.directory / "lib/deployer/site/releases" / base / "page"
    page.write_text("somebody wrote here\n")
    assert box.run("sh", "-c", f"sh /var/lib/deployer/agent.sh boot <{box_path(box)}/guard").returncode == 0
    until(lambda: box.observe().one("guard_stuck") != "", "stuck")
    assert (box.page, guard_of(box)) == ("two", "expired")
    page.write_text("one\n")
    until(lambda: box.page == "one", "back")


@every_shell
def test_what_does_not_validate_is_tried_again_and_said_to_be_stuck(box: Box) -> None:
    base, release = two(box)
    box.replace("sleep", 'case $1 in 10) set -- 0.2 ;; esac; exec $REAL "$@"')
    box.activated(release, base, 1.0)
    box.program("validator", "echo 'no such name'; exit 1")
    until(lambda: "refuses" in box.observe().one("guard_stuck"), "stuck")
    tries = sum("refused 65" in line for line in box.log())
    until(lambda: sum("refused 65" in line for line in box.log()) > tries + 1, "tried again")
    assert (box.page, guard_of(box)) == ("two", "expired")
    box.program("validator", "exit 0")
    until(lambda: guard_of(box) == "fired", "back")
    assert (box.page, box.observe().one("guard_stuck")) == ("one", "")


@every_shell
def test_an_owner_with_an_armed_guard_has_not_lost_the_host(box: Box) -> None:
    base, release = two(box)
    box.activated(release, base, LONG_S)
    last_heard_long_ago(box)
    told = box.refused(75, "begin", deployment="d2")
    assert "guard" in told.one("error")
    box.begin("d2", preempt="yes")
    assert guard_of(box) == "armed"
    box.deployment, before, box.epoch = "d1", box.epoch, box.epoch - 1
    box.refused(76, "renew", within="1000")
    box.refused(76, "confirm", release=release)
    box.deployment, box.epoch = "d2", before
    box.ok("restore", "release", release=base)
    assert (box.page, guard_of(box), box.guardians) == ("one", "", [])


@every_shell
def test_a_recovery_fences_the_controller_of_the_same_deployment(box: Box) -> None:
    base, release = two(box)
    box.activated(release, base, LONG_S)
    slept = box.epoch
    box.begin("d1")
    assert box.epoch == slept  # said again because an answer was lost
    box.begin("d1", preempt="yes")
    assert (box.epoch, guard_of(box)) == (slept + 1, "armed")
    recovery, box.epoch = box.epoch, slept
    box.refused(76, "confirm", release=release)
    box.epoch = recovery
    box.ok("confirm", release=release)
    assert guard_of(box) == ""


@every_shell
def test_a_recovery_still_hears_that_the_guard_has_fired(box: Box) -> None:
    base, release = two(box)
    box.activated(release, base, 1.0)
    until(lambda: guard_of(box) == "fired", "fired")
    box.begin("d1", preempt="yes")
    assert guard_of(box) == "fired"
    assert box.ok("restore", "release", release=base).one("changed") in ("no", "")
    assert guard_of(box) == ""


def test_ownership_that_is_given_up_leaves_the_guard(box: Box) -> None:
    base, release = two(box)
    box.activated(release, base, 1.0)
    box.ok("release")
    box.refused(75, "begin", deployment="d2")
    until(lambda: box.page == "one", "back")
    box.begin("d2")


def test_it_is_nobodys_child_and_holds_nothing_open(box: Box) -> None:
    base, release = two(box)
    box.activated(release, base, LONG_S)
    (pid,) = box.guardians
    fields = box.run("cat", f"/proc/{pid}/stat").stdout.decode().rsplit(") ", 1)[1].split()
    ppid, group, session, tty = map(int, fields[1:5])
    assert (ppid in (0, 1), group, session, tty) == (True, pid, pid, 0)
    held = box.run("sh", "-c", f"readlink /proc/{pid}/fd/*").stdout.decode().split()
    assert {path for path in held if not path.endswith("agent.sh")} == {"/dev/null"}
    box.run("kill", "-HUP", str(pid))
    box.run("kill", "-INT", str(pid))
    assert box.guardians == [pid]


def test_confirm_and_guard_exclude_each_other(box: Box) -> None:
    """Confirmed at about the deadline: what is answered is so, and stays so."""
    base, release = two(box)
    ends = set()
    for turn in range(8):
        box.activated(release, base, 0.3)
        time.sleep(0.22 + turn / 66)
        code = box.call("confirm", release=release)[0].code
        page = box.page
        ends.add((code, page))
        until(lambda: not box.guardians, "its process is gone")
        assert box.page == page
        box.ok("restore", release=base)
    assert ends <= {(0, "two"), (74, "one")}


def box_path(box: Box) -> str:
    """The instance's directory, as the box names it."""
    return f"/var/lib/deployer/instance/{box.instance.name}"
