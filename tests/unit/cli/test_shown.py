"""What is shown, word for word: events as lines, the table of a status."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from typing import Any

import pytest

from deployer.cli.lines import Lines, line_of
from deployer.cli.signals import Signals
from deployer.cli.tables import releases_table, status_table
from deployer.errors import Unreachable
from deployer.model import Event, Guard, GuardState, State
from deployer.status import FleetStatus, judge
from deployer.watch.look import Health
from tests.unit.seen import fresh, good, seen

BASE = "baseline-000000000000"
OLD, NEW = "aaaaaaaaaaaa-111111111111", "bbbbbbbbbbbb-222222222222"
BAD = {"error": "nginx refuses it", "seconds": 0.2}


def event(host: str | None, step: str, state: State, **detail: Any) -> Event:
    return Event("d1", host, step, state, 0.0, detail)


def decision(name: str, wave: int = 0, *hosts: str) -> Event:
    return event(None, "decision", State.STARTED, decision=name, wave=wave, scope=hosts)


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (decision("begin", 0, "web1"), "taking the hosts"),
        (decision("prepare", 0, "web1"), "preparing all hosts; nothing changes yet"),
        (decision("wave", 2, "web2", "web3"), "wave 2: web2, web3"),
        (decision("confirm", 2, "web2"), "wave 2 is good: confirming"),
        (decision("promote", 0, "web1"), "all waves are good: promoting"),
        (decision("unwind", 0, "web1", "web2"), "TAKING BACK: web1, web2"),
        (decision("release", 0, "web1"), "giving the hosts up"),
        (decision("something new"), None),
        (event(None, "deployment", State.STARTED, kind="deploy"), None),
        (event(None, "plan", State.SUCCEEDED), None),
        (event(None, "precheck", State.SUCCEEDED), None),
        (
            event(None, "precheck", State.FAILED, hosts=["web1"], error="shop: 503"),
            "precheck: web1: shop: 503",
        ),
        (event("web1", "prepare", State.STARTED), None),
        (event("web1", "prepare", State.SUCCEEDED, seconds=1.26), "web1: prepared (1.3 s)"),
        (event("web1", "activate", State.SUCCEEDED), "web1: activated, new workers proved"),
        (event("web1", "verify", State.SUCCEEDED, seconds=0), "web1: healthy (0.0 s)"),
        (event("web1", "promote", State.SUCCEEDED), "web1: promoted"),
        (event("web1", "begin", State.SUCCEEDED), None),
        (event("web1", "confirm", State.SUCCEEDED), None),
        (event("web1", "begin", State.UNDO_SUCCEEDED), None),
        (event("web1", "activate", State.UNDO_STARTED), None),
        (event("web1", "activate", State.UNDO_SUCCEEDED), "web1: back on its release, proved"),
        (event("web1", "activate", State.FAILED, **BAD), "web1: activate failed: nginx refuses it"),
        (
            event("web1", "activate", State.UNDO_FAILED, **BAD),
            "web1: could not be taken back: nginx refuses it",
        ),
        (
            event("web1", "prepare", State.FAILED, error="no", details=["[emerg] one", "two"]),
            "web1: prepare failed: no\n             [emerg] one\n             two",
        ),
    ],
)
def test_an_event_is_a_line_or_none(told: Event, line: str | None) -> None:
    assert line_of(told) == line


def test_verbose_leaves_nothing_out_that_ended() -> None:
    assert line_of(event("web1", "begin", State.SUCCEEDED), verbose=True) == "web1: taken"
    assert line_of(event("web1", "begin", State.UNDO_SUCCEEDED), verbose=True) == "web1: given up"


def test_a_long_complaint_is_cut() -> None:
    line = line_of(
        event("web1", "prepare", State.FAILED, error="no", details=[f"line {n}" for n in range(99)])
    )
    assert len(str(line).splitlines()) == 21


def heard(capsys: pytest.CaptureFixture[str], *events: Event, quiet: bool = False) -> list[str]:
    """What is written for these events, without the time of day."""
    lines = Lines(Signals(), quiet=quiet)
    for each in events:
        lines.hears(each)
    written = capsys.readouterr()
    assert written.out == ""
    return [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in written.err.splitlines()]


def failed(host: str, error: str = "no", step: str = "prepare") -> Event:
    return event(host, step, State.FAILED, error=error, details=["[emerg] why"])


def test_hosts_that_fail_alike_are_told_once_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    story = [failed("web1"), failed("web2"), failed("web3", "other"), failed("web4", step="activate")]
    assert heard(capsys, *story, failed("web3")) == [
        "web1: prepare failed: no",
        "             [emerg] why",
        "web2: prepare failed as on web1",
        "web3: prepare failed: other",
        "             [emerg] why",
        "web4: activate failed: no",
        "             [emerg] why",
        "web3: prepare failed as on web1",
    ]


def test_hosts_that_cannot_be_taken_back_are_told_as_that(capsys: pytest.CaptureFixture[str]) -> None:
    """The host failed to switch and could not be taken back for the same reason: two different things."""
    story = [
        event("web1", "activate", State.FAILED, error="no route"),
        event("web1", "activate", State.UNDO_FAILED, error="no route"),
        event("web2", "activate", State.UNDO_FAILED, error="no route"),
    ]
    assert heard(capsys, *story) == [
        "web1: activate failed: no route",
        "web1: could not be taken back: no route",
        "web2: could not be taken back, as web1",
    ]


def test_quiet_keeps_failures_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    story = [decision("prepare"), event("web1", "prepare", State.SUCCEEDED), failed("web2")]
    assert heard(capsys, *story, quiet=True) == ["web2: prepare failed: no", "             [emerg] why"]
    Lines(Signals(), quiet=True).warns("a certificate ends soon")
    assert capsys.readouterr().err.endswith(" warning: a certificate ends soon\n")


def test_the_first_event_of_a_host_makes_signals_unwind() -> None:
    signals = Signals()
    lines = Lines(signals, quiet=True)
    lines.hears(decision("begin"))
    assert not signals.working
    lines.hears(event("web1", "begin", State.STARTED))
    assert signals.working


def test_lines_of_many_threads_are_whole(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(Signals())
    hosts = [f"web{n}" for n in range(8)]

    def speak(host: str) -> None:
        for _ in range(50):
            lines.hears(event(host, "prepare", State.SUCCEEDED))

    threads = [threading.Thread(target=speak, args=(host,)) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    written = capsys.readouterr().err.splitlines()
    assert len(written) == 400
    assert {line[9:] for line in written} == {f"{host}: prepared" for host in hosts}


# --- status


def fleet(*hosts: Any) -> FleetStatus:
    found = {h.host: judge(h.host, h, None, Health(True)) for h in hosts}
    return FleetStatus("lab", found)


def test_a_table_of_a_fleet_that_is_well() -> None:
    assert status_table(fleet(seen("web1", live=NEW), seen("web10", live=NEW))).splitlines() == [
        "HOST   LIVE                       MEMORY    GOOD  GUARD  DRIFT  HEALTH",
        f"web1   {NEW}  the same  yes   none   none   ok",
        f"web10  {NEW}  the same  yes   none   none   ok",
        "All 2 hosts are as they should be.",
    ]


def test_hosts_that_fail_alike_are_one_line_however_often_they_were_asked() -> None:
    said = "shop: expected status 200, got 503 in {} ms from http://127.0.0.1/ ({} failed of {})"
    hosts = {
        f"web{n}": replace(
            fleet(seen(f"web{n}", live=NEW)).hosts[f"web{n}"], troubles=(said.format(n, 39 + n, 39 + n),)
        )
        for n in (1, 2)
    }
    assert f"! web1, web2: {said.format(1, 40, 40)}" in status_table(FleetStatus("lab", hosts)).splitlines()


def test_a_table_of_trouble() -> None:
    ill = replace(fleet(seen("web5", live=NEW)).hosts["web5"], healthy=False, troubles=("shop: 503",))
    hosts = {
        **fleet(
            fresh("web1"),
            seen("web2", live=NEW, memory=OLD, drifted=True, facts={"drift": ("a.conf",)}),
            seen("web3", live=NEW, memory=None, running=False, good=good(BASE)),
        ).hosts,
        "web4": judge("web4", None, Unreachable("no route to host", host="web4"), None),
        "web5": ill,
    }
    assert status_table(FleetStatus("lab", hosts)).splitlines() == [
        "HOST  LIVE                       MEMORY                     GOOD  GUARD  DRIFT    HEALTH",
        "web1  not adopted                not proved                 no    none   none     ok",
        f"web2  {NEW}  {OLD}  yes   none   DRIFTED  ok",
        f"web3  {NEW}  not proved                 no    none   none     NGINX DOWN",
        "web4  ?                          ?                          ?     ?      ?        unreachable",
        f"web5  {NEW}  the same                   yes   none   none     FAILING",
        "! web2: edited since it was deployed: a.conf",
        f"! web2: {NEW} is on disk, but memory holds {OLD} (master and workers hold it open)",
        "! web3: nginx is not running",
        f"! web3: {NEW} was never promoted: a deployment ended early; deploy again, or roll back",
        "! web4: cannot be asked: no route to host",
        "! web5: shop: 503",
        "  web1: not adopted yet: 'deployer adopt' or the first 'deployer deploy' does it",
        "4 of 5 hosts need attention.",
        "Help: docs/runbooks/site-down.md",
    ]


def test_what_holds_for_many_hosts_is_said_once() -> None:
    hosts = fleet(*(fresh(f"web{n}") for n in range(1, 6))).hosts
    lines = status_table(FleetStatus("lab", hosts)).splitlines()
    assert lines[6:-1] == [
        "  web1..web5: not adopted yet: 'deployer adopt' or the first 'deployer deploy' does it"
    ]


def test_hosts_that_fail_alike_are_told_of_once_whatever_time_they_took() -> None:
    ill = fleet(*(seen(f"web{n}", live=NEW) for n in range(1, 4))).hosts
    told = {
        n: replace(h, troubles=(f"shop: got 503 in {i} ms from x",)) for i, (n, h) in enumerate(ill.items())
    }
    assert (
        status_table(FleetStatus("lab", told)).splitlines()[4] == "! web1..web3: shop: got 503 in 0 ms from x"
    )


def test_one_host_needs_attention() -> None:
    lost = judge("web2", None, Unreachable("no route to host", host="web2"), None)
    lines = status_table(FleetStatus("lab", {**fleet(fresh("web1")).hosts, "web2": lost})).splitlines()
    assert "1 of 2 hosts needs attention." in lines


def test_a_table_of_guards() -> None:
    armed = Guard(GuardState.ARMED, "d9", NEW, OLD, left_s=93.0, carried=True)
    found = fleet(
        seen("web1", live=NEW, guard=armed),
        seen("web2", live=NEW, guard=replace(armed, state=GuardState.EXPIRED, left_s=0.0)),
        seen("web3", live=OLD, guard=replace(armed, state=GuardState.FIRED, time=0.0)),
    )
    lines = status_table(found).splitlines()
    assert ["armed, 93 s" in lines[1], "EXPIRED" in lines[2], "fired" in lines[3]] == [True] * 3
    assert f"  web1: {NEW} goes back to {OLD} by itself in 93 s, unless confirmed" in lines
    assert lines[-1] == "Help: docs/runbooks/guard-fired.md"


def test_the_releases_of_a_fleet() -> None:
    host = seen(
        "web1",
        live=NEW,
        good=good(BASE, NEW),
        releases=(BASE, OLD, NEW),
        last_target=NEW,
        last_from=OLD,
    )
    hosts = {
        **fleet(host, fresh("web2"), replace(host, host="web4")).hosts,
        "web3": judge("web3", None, Unreachable("no route to host", host="web3"), None),
    }
    assert releases_table(FleetStatus("lab", hosts)).splitlines() == [
        "web1, web4:",
        f"  {NEW}  good since 1970-01-01 00:00 UTC  live, in memory, last known good",
        f"  {OLD}  never good                       where a rollback leads",
        f"  {BASE}      good since 1970-01-01 00:00 UTC  baseline",
        "web2:",
        "  none: not adopted yet",
        "web3:",
        "  cannot be asked: no route to host",
    ]
