"""The lease: one has it, it lapses by the database's clock, and a dead owner's is taken over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from deployer.journal import Store
from deployer.journal.lease import Answer, Held, Lease, Owner, look, release, take
from deployer.journal.process import Process, this_process

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
NAME = "production 0123456789ab"
WITHIN_S = 20.0
SHORT_S = 0.5

# A program that takes the lease and says so, with a clock that is wrong by so many seconds.
CHILD = """
import sys, time
wrong, url, name, ttl, renew = float(sys.argv[1]), *sys.argv[2:4], *map(float, sys.argv[4:])
right = time.time
time.time = lambda: right() + wrong
from deployer.journal import Store
from deployer.journal.lease import Lease, Owner
store = Store.open(url)
lease = Lease(store, name, Owner("20240612-141500-kidd", "deploy"), lambda now: print("lost", flush=True),
              ttl_s=ttl, renew_s=renew)
print("ready", flush=True)
for line in sys.stdin:
    if line == "ask\\n":
        print(lease.answer(lease.ask()).granted, flush=True)
"""


class Child:
    """Another program that wants the lease."""

    def __init__(self, url: str, *, wrong_s: float = 0.0, ttl_s: float = 60.0, renew_s: float = 15.0) -> None:
        argv = [sys.executable, "-c", CHILD, str(wrong_s), url, NAME, str(ttl_s), str(renew_s)]
        pipe = subprocess.PIPE
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, env=env, text=True)
        assert self.read() == "ready"

    def ask(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("ask\n")
        self.process.stdin.flush()

    def read(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def takes(self) -> bool:
        self.ask()
        return self.read() == "True"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=WITHIN_S)


@pytest.fixture
def child(url: str) -> Iterator[Callable[..., Child]]:
    """Starts other programs, and ends them."""
    started: list[Child] = []

    def start(**how: float) -> Child:
        started.append(Child(url, **how))
        return started[-1]

    yield start
    for one in started:
        one.kill()


def owner(deployment: str = "20240612-141500-aaaa", **changes: object) -> Owner:
    return replace(Owner(deployment, "deploy"), **changes)  # type: ignore[arg-type]


def takes(store: Store, who: Owner, ttl_s: float = 60.0) -> Answer:
    return store.call(lambda session: take(session, NAME, who, ttl_s=ttl_s)).result(WITHIN_S)


def held(store: Store) -> Held | None:
    return store.call(lambda session: look(session, NAME)).result(WITHIN_S)


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


ELSEWHERE = replace(this_process(), machine="another boot pid:[1]")
GONE = replace(this_process(), born=1)  # the number is somebody else's by now


def test_one_has_it_until_it_is_given_back(store: Store) -> None:
    ann, bob = owner(who="ann@ops1"), owner("20240612-141501-bbbb", who="bob@ops2")
    assert held(store) is None
    assert takes(store, ann) == Answer(True, None)
    refused = takes(store, bob)
    assert not refused.granted
    found = refused.other
    assert found is not None
    assert found.owner == ann
    assert found.alive
    assert not found.lapsed
    assert found.since <= found.renewed <= found.seen < found.expires
    assert takes(store, ann) == Answer(True, None), "asked again because the answer was lost"
    assert not store.call(lambda session: release(session, NAME, bob.token)).result(WITHIN_S)
    assert store.call(lambda session: release(session, NAME, ann.token)).result(WITHIN_S)
    assert takes(store, bob) == Answer(True, None)


def test_another_inventory_is_another_lease(store: Store) -> None:
    assert takes(store, owner()).granted
    other = store.call(lambda session: take(session, "staging 0123456789ab", owner())).result(WITHIN_S)
    assert other.granted


@pytest.mark.parametrize(
    "process", [this_process(), ELSEWHERE], ids=["that lives here", "of another machine"]
)
def test_it_lapses_when_it_is_not_renewed(store: Store, process: Process) -> None:
    silent = owner(process=process)
    assert takes(store, silent, SHORT_S).granted
    assert not takes(store, owner()).granted
    wait_for(lambda: (held(store) or pytest.fail("gone")).lapsed)
    over = takes(store, owner())
    assert over.granted
    assert over.other is not None
    assert over.other.owner == silent
    assert over.other.silent_s >= SHORT_S


def test_a_process_that_is_gone_from_this_machine_holds_nothing(store: Store) -> None:
    assert takes(store, owner(process=GONE)).granted
    over = takes(store, owner())
    assert over.granted
    assert over.other is not None
    assert over.other.alive is False


def test_of_a_process_elsewhere_nobody_here_can_say(store: Store) -> None:
    for process in (ELSEWHERE, Process(this_process().pid, None, None)):
        assert process.alive is None
    assert takes(store, owner(process=ELSEWHERE)).granted
    assert not takes(store, owner()).granted


def test_a_dead_child_that_nobody_buried_is_dead() -> None:
    process = subprocess.Popen(["sleep", "60"])
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        told = replace(this_process(), pid=process.pid, born=int(fields[19]))
        assert told.alive is True
        process.kill()
        wait_for(lambda: told.alive is False)
    finally:
        process.kill()
        process.wait(WITHIN_S)
    assert told.alive is False


def test_a_holder_that_was_killed_is_replaced_at_once(store: Store, child: Callable[..., Child]) -> None:
    other = child()
    assert other.takes()
    assert not takes(store, owner()).granted
    other.kill()
    assert takes(store, owner()).granted


def test_of_programs_that_ask_at_once_exactly_one_has_it(store: Store, child: Callable[..., Child]) -> None:
    others = [child() for _ in range(3)]
    for round_ in range(30):
        together = threading.Barrier(len(others))

        def asks(other: Child, together: threading.Barrier = together) -> bool:
            together.wait(WITHIN_S)
            return other.takes()

        with ThreadPoolExecutor(len(others)) as pool:
            won = list(pool.map(asks, others))
        assert won.count(True) == 1, (round_, won)
        found = held(store)
        assert found is not None
        assert found.owner.process.pid == others[won.index(True)].process.pid
        token = found.owner.token
        assert store.call(lambda session, token=token: release(session, NAME, token)).result(WITHIN_S)  # type: ignore[misc]


@pytest.mark.parametrize("wrong_s", [-86_400.0, 86_400.0], ids=["a day behind", "a day ahead"])
def test_whose_clock_is_wrong_has_no_advantage(
    store: Store, child: Callable[..., Child], wrong_s: float
) -> None:
    other = child(wrong_s=wrong_s)
    assert takes(store, owner(process=ELSEWHERE), 2.0).granted
    assert not other.takes(), "a lease that is alive is not taken by who thinks that it is tomorrow"
    wait_for(lambda: (held(store) or pytest.fail("gone")).lapsed)
    assert other.takes(), "nor is one that has lapsed left alone by who thinks that it is yesterday"
    found = held(store)
    assert found is not None
    assert not found.lapsed
    assert abs(found.since - time.time()) < 60


def test_it_is_renewed_as_long_as_its_owner_lives(store: Store) -> None:
    lease = Lease(store, NAME, owner(process=ELSEWHERE), lambda _now: None, ttl_s=SHORT_S, renew_s=0.1)
    assert lease.answer(lease.ask()).granted
    since = (held(store) or pytest.fail("gone")).since

    def twice_its_time() -> bool:
        found = held(store)
        assert found is not None
        assert not found.lapsed
        assert not takes(store, owner()).granted
        return found.renewed > since + 2 * SHORT_S

    wait_for(twice_its_time)
    lease.release()
    assert takes(store, owner()).granted


@pytest.mark.parametrize("taken", [True, False], ids=["taken over", "released by somebody"])
def test_its_owner_is_told_when_it_is_lost(store: Store, taken: bool) -> None:
    told: list[Held | None] = []
    heard = threading.Event()

    def lost(now: Held | None) -> None:
        told.append(now)
        heard.set()

    lease = Lease(store, NAME, owner(), lost, renew_s=0.05)
    assert lease.answer(lease.ask()).granted
    bob = owner("20240612-141501-bbbb", who="bob@ops2")

    def unlocked() -> None:
        store.call(lambda session: release(session, NAME, lease.owner.token)).result(WITHIN_S)

    if taken:
        store.call(
            lambda session: (release(session, NAME, lease.owner.token), take(session, NAME, bob))
        ).result(WITHIN_S)
    else:
        unlocked()
    assert heard.wait(WITHIN_S)
    assert [now.owner if now else None for now in told] == [bob if taken else None]
    lease.release()
    found = held(store)
    assert (found is not None) is taken, "it gives nothing back that is not its own"


def test_who_slept_too_long_is_told_when_waking(store: Store, child: Callable[..., Child]) -> None:
    other = child(ttl_s=1.0, renew_s=0.2)
    assert other.takes()
    other.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: takes(store, owner()).granted)
    other.process.send_signal(signal.SIGCONT)
    assert other.read() == "lost"


def test_odd_names_are_kept_and_found(store: Store) -> None:
    lease = Lease(store, "pr\udcffd \0'\"%s :x", owner(who="caf\udce9@ops"), lambda _now: None)
    assert lease.answer(lease.ask()).granted
    found = store.call(lambda session: look(session, lease.name)).result(WITHIN_S)
    assert found is not None
    assert found.owner.who == "caf\\udce9@ops"
