"""What holds at the end of any deployment, whatever fails and whenever it is cut off."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.errors import Fenced, Unreachable
from deployer.model import Amount, Event, HostOutcome, Outcome
from deployer.rollout.saga import STEPS, HostLog, Step
from deployer.rollout.waves import Cause, Policy, Scope
from tests.unit.rollout.driven import Driven, Key, Memory, drive, fleet, lost, refused, unproved

ERRORS: Mapping[str, Callable[[str], Exception]] = {
    "refused": refused,
    "unproved": unproved,
    "lost": lost,
    "unreachable": lambda host: Unreachable("no route", host=host),
    "fenced": lambda host: Fenced("newer owner", host=host),
    "bug": lambda _host: RuntimeError("bug"),
}
WHATS = (*(step.value for step in STEPS), "restore", "release")


@st.composite
def failures(draw: st.DrawFn, names: list[str]) -> dict[Key, Exception]:
    keys = st.tuples(st.sampled_from(names), st.sampled_from(WHATS))
    chosen = draw(st.dictionaries(keys, st.sampled_from(sorted(ERRORS)), max_size=4))
    return {key: ERRORS[kind](key[0]) for key, kind in chosen.items()}


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_invariants_hold_whatever_fails(data: st.DataObject) -> None:
    policy = Policy(
        waves=tuple(Amount(n) for n in data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))),
        max_failures=Amount(data.draw(st.integers(0, 3))),
        on_failure=data.draw(st.sampled_from(list(Scope))),
    )
    start = fleet(data.draw(st.integers(1, 5)), policy, prepare_only=data.draw(st.booleans()))
    fails = data.draw(failures(list(start.members)))
    cut = data.draw(st.one_of(st.none(), st.integers(1, 40)))
    losing = data.draw(st.booleans())
    stop, counter = threading.Event(), itertools.count(1)

    def count(_event: Event) -> bool:
        reached = cut is not None and next(counter) >= cut
        if reached and not losing:
            stop.set()
        return reached and losing

    memory = Memory(fails, loses=count)
    done = drive(memory, start, stop=stop, parallel=data.draw(st.integers(1, 4)))
    check(memory, done)


def check(memory: Memory, done: Driven) -> None:
    """What must be true at the end of any deployment."""
    for name, member in done.end.members.items():
        log = member.log
        proved = log.done(Step.ACTIVATE) and log.done(Step.VERIFY)
        left_to_the_new_owner = member.cause is Cause.FENCED
        assert not log.changed or log.restored or log.stuck or proved or left_to_the_new_owner, name
        if done.run.recorder.lost is None:
            assert HostLog.of(memory.of(name)) == log, "the journal tells another story"
        else:
            HostLog.of(memory.of(name))  # what is there can be read
    activated = set(memory.did("activate"))
    assert {n for n, m in done.end.members.items() if m.log.changed} >= activated
    prepared_first = [
        s for kind, _, s, _ in memory.story if kind == "effect" and s in ("prepare", "activate")
    ]
    assert prepared_first == sorted(prepared_first, key=["prepare", "activate"].index)
    outcomes = Counter(done.outcomes())
    match done.outcome:
        case Outcome.DEPLOYED:
            assert set(outcomes) == {HostOutcome.DEPLOYED.value}
        case Outcome.REFUSED | Outcome.UNCHANGED:
            assert not activated
        case Outcome.ROLLED_BACK:
            assert activated == set(memory.did("restore"))
    ours = [m.log for m in done.end.members.values() if m.cause is not Cause.FENCED]
    assert (done.outcome is Outcome.STUCK) == any(log.stuck for log in ours)
    times = Counter((host, what) for kind, host, what, _ in memory.story if kind == "effect")
    assert set(times.values()) <= {1}, "an effect was had twice"
