"""Guards are renewed in time, by a thread that nobody waits for."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest

from deployer.errors import Fate, HostError, TransportError
from deployer.rollout.guards import Deadlines, Renewals

WITHIN_S = 0.3


class Hosts:
    """Counts renewals; a host in ``hangs`` does not answer until it is let go."""

    def __init__(self, fails: dict[str, Exception] | None = None) -> None:
        self.asked: Counter[str] = Counter()
        self.told: list[tuple[str, str]] = []
        self.hangs: dict[str, threading.Event] = {}
        self.fails = fails or {}

    def renew(self, host: str) -> None:
        self.asked[host] += 1
        if host in self.hangs:
            self.hangs[host].wait(10)
        if host in self.fails:
            raise self.fails[host]

    def failed(self, host: str, error: HostError) -> None:
        self.told.append((host, str(error)))


def until(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_every_third_of_the_deadline_for_as_long_as_they_are_named() -> None:
    hosts = Hosts()
    began = time.monotonic()
    with Renewals(hosts.renew, WITHIN_S, hosts.failed) as renewals:
        renewals.keep(["web1", "web2"])
        until(lambda: hosts.asked["web1"] >= 3 and hosts.asked["web2"] >= 3)
        assert time.monotonic() - began >= WITHIN_S
        renewals.keep(["web2"])
        left = hosts.asked["web1"]
        seen = hosts.asked["web2"]
        until(lambda: hosts.asked["web2"] >= seen + 2)
        assert hosts.asked["web1"] <= left + 1  # one may have been on its way
        renewals.keep([])
    assert hosts.told == []


@pytest.mark.slow
def test_a_host_without_a_guard_is_heard_less_often() -> None:
    hosts = Hosts()
    with Renewals(hosts.renew, WITHIN_S, hosts.failed, heard_every_s=2 * WITHIN_S) as renewals:
        renewals.keep(["web1"], ["web2"])
        until(lambda: hosts.asked["web2"] >= 1)
        assert hosts.asked["web1"] >= 3
        renewals.keep(["web2"], ["web1"])  # its wave has come: its guard is renewed from now on
        seen = hosts.asked["web2"]
        until(lambda: hosts.asked["web2"] >= seen + 3)
    with Renewals(hosts.renew, WITHIN_S, hosts.failed, heard_every_s=60) as renewals:
        renewals.keep([], ["web3"])
        renewals.keep(["web3"])
        until(lambda: hosts.asked["web3"] >= 1)


def test_naming_them_again_and_again_delays_nothing() -> None:
    hosts = Hosts()
    with Renewals(hosts.renew, WITHIN_S, hosts.failed) as renewals:
        deadline = time.monotonic() + 2 * WITHIN_S
        while time.monotonic() < deadline:
            renewals.keep(["web1"])
            time.sleep(0.01)
    assert hosts.asked["web1"] >= 3


def test_a_host_that_hangs_holds_nobody_up() -> None:
    hosts = Hosts()
    hosts.hangs["web1"] = threading.Event()
    with Renewals(hosts.renew, WITHIN_S, hosts.failed) as renewals:
        renewals.keep(["web1", "web2"])
        until(lambda: hosts.asked["web2"] >= 4)
        assert hosts.asked["web1"] == 1
        began = time.monotonic()
    assert time.monotonic() - began < 1.0
    hosts.hangs["web1"].set()


@pytest.mark.parametrize(
    "error", [TransportError("gone", host="web1", fate=Fate.UNKNOWN), ZeroDivisionError("gone")]
)
def test_a_renewal_that_fails_is_told_and_tried_again(error: Exception) -> None:
    hosts = Hosts({"web1": error})
    with Renewals(hosts.renew, WITHIN_S, hosts.failed) as renewals:
        renewals.keep(["web1"])
        until(lambda: len(hosts.told) >= 2)
    assert hosts.told[0][0] == "web1"


def test_what_is_decided_meanwhile_is_no_news() -> None:
    hosts = Hosts({"web1": TransportError("gone", host="web1", fate=Fate.UNKNOWN)})
    hosts.hangs["web1"] = threading.Event()
    with Renewals(hosts.renew, WITHIN_S, hosts.failed) as renewals:
        renewals.keep(["web1"])
        until(lambda: hosts.asked["web1"] == 1)
        renewals.keep([])
        hosts.hangs["web1"].set()
        until(lambda: not renewals._busy)
    assert hosts.told == []


def test_a_deadline_is_that_of_the_last_renewal() -> None:
    deadlines = Deadlines(60.0)
    assert deadlines.left_s("web1") is None
    deadlines.armed("web1")
    assert 59 < (deadlines.left_s("web1") or 0) <= 60
    deadlines.disarmed("web1")
    assert deadlines.left_s("web1") is None
    past = Deadlines(-1.0)
    past.armed("web1")
    assert past.left_s("web1") == 0.0
