"""The engine when it is interrupted, loses its journal, or meets a bug: what was changed is taken back."""

from __future__ import annotations

import errno
import threading

import pytest

from deployer.model import Event, Outcome, State
from deployer.rollout.saga import STEPS, Step
from deployer.rollout.waves import Policy, Scope
from deployer.shortage import lack
from tests.unit.rollout.driven import AT_ONCE, CANARY, Key, Memory, drive, fleet, unproved

# --- interrupts

CHANGING = ("activate", "verify", "confirm")


@pytest.mark.parametrize("scope", list(Scope), ids=str)
@pytest.mark.parametrize("step", [s.value for s in STEPS if s is not Step.PROMOTE])
def test_an_interrupt_in_any_phase_takes_everything_back(step: str, scope: Scope) -> None:
    stop = threading.Event()

    def interrupt(host: str, what: str) -> None:
        if (host, what) == ("web3", step):
            stop.set()

    memory = Memory(before=interrupt)
    done = drive(memory, fleet(4, Policy(CANARY.waves, on_failure=scope)), stop=stop)
    assert done.outcome is Outcome.INTERRUPTED
    assert sorted(memory.did("restore")) == sorted(memory.did("activate"))
    assert bool(memory.did("activate")) == (step in CHANGING)
    assert memory.did("promote") == []
    assert all(m.log.states[Step.BEGIN] is State.UNDO_SUCCEEDED for m in done.end.members.values())


def test_an_interrupt_while_promoting_comes_too_late() -> None:
    stop = threading.Event()

    def interrupt(_host: str, what: str) -> None:
        if what == "promote":
            stop.set()

    done = drive(Memory(before=interrupt), fleet(4), stop=stop, parallel=1)
    assert done.outcome is Outcome.DEPLOYED
    assert set(done.outcomes()) == {"deployed"}


def test_an_interrupt_before_anything_does_nothing() -> None:
    stop = threading.Event()
    stop.set()
    memory = Memory()
    done = drive(memory, fleet(3), stop=stop)
    assert done.outcome is Outcome.INTERRUPTED
    assert memory.story == []


# --- the controller's own troubles


@pytest.mark.parametrize("scope", list(Scope), ids=str)
@pytest.mark.parametrize("state", [State.STARTED, State.SUCCEEDED])
@pytest.mark.parametrize("step", [s.value for s in STEPS if s is not Step.PROMOTE])
def test_a_journal_that_is_lost_ends_it_and_everybody_is_taken_back(
    step: str, state: State, scope: Scope
) -> None:
    memory = Memory(loses=lambda e: (e.host, e.step, e.state) == ("web3", step, state))
    done = drive(memory, fleet(4, Policy(CANARY.waves, on_failure=scope)))
    assert done.run.recorder.lost is not None
    assert done.outcome is Outcome.INTERRUPTED
    assert sorted(memory.did("restore")) >= sorted(memory.did("activate"))
    assert memory.did("promote") == []
    if state is State.STARTED:
        assert "web3" not in memory.did(step), "done though it could not be journalled"


def test_after_the_journal_is_lost_nothing_goes_forward() -> None:
    lost_at: list[int] = []
    memory = Memory(loses=lambda e: (e.host, e.step, e.state) == ("web1", "verify", State.SUCCEEDED))

    def listen(_event: Event) -> None:
        if memory._gone and not lost_at:
            lost_at.append(len(memory.story))

    drive(memory, fleet(3), listener=listen)
    later = [step for kind, _, step, _ in memory.story[lost_at[0] :] if kind == "effect"]
    assert set(later) == {"restore", "release"}


def test_a_bug_in_an_effect_is_kept_and_the_others_are_taken_back() -> None:
    bug = ZeroDivisionError("bug")
    memory = Memory({("web3", "verify"): bug})
    done = drive(memory, fleet(4))
    assert done.run.bugs == [bug]
    assert done.outcome is Outcome.ROLLED_BACK
    assert sorted(memory.did("restore")) == sorted(memory.did("activate"))
    assert "ZeroDivisionError" in str(done.run.first_failures["web3"])


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("can't start new thread"), OSError(errno.EMFILE, "")], ids=repr
)
def test_what_this_machine_lacks_is_no_bug_and_everybody_is_taken_back(error: Exception) -> None:
    memory = Memory({("web2", "verify"): error})
    done = drive(memory, fleet(3, AT_ONCE))
    assert (done.outcome, done.run.bugs) == (Outcome.ROLLED_BACK, [])
    assert str(done.run.first_failures["web2"]) == lack(error)


def test_a_bug_on_the_way_back_is_stuck_and_holds_up_nobody() -> None:
    fails: dict[Key, Exception] = {("web3", "verify"): unproved("web3"), ("web3", "restore"): KeyError("x")}
    memory = Memory(fails)
    done = drive(memory, fleet(4))
    assert done.outcome is Outcome.STUCK
    assert [type(b) for b in done.run.bugs] == [KeyError]
    assert done.outcomes().count("rolled_back") == 3


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(5, "Input/output error")])
def test_a_terminal_that_is_gone_does_not_stop_it(error: OSError) -> None:
    def gone(_event: Event) -> None:
        raise error

    memory = Memory()
    done = drive(memory, fleet(3), listener=gone)
    assert done.outcome is Outcome.DEPLOYED
    assert done.run.bugs == []


def test_a_bug_in_who_listens_is_kept_and_does_not_stop_it() -> None:
    def broken(_event: Event) -> None:
        raise KeyError("x")

    done = drive(Memory(), fleet(3), listener=broken)
    assert done.outcome is Outcome.DEPLOYED
    assert [type(b) for b in done.run.bugs] == [KeyError]


def test_a_bug_in_the_journal_counts_as_its_loss() -> None:
    def broken(event: Event) -> bool:
        if event.step == "verify":
            raise KeyError("x")
        return False

    memory = Memory(loses=broken)
    done = drive(memory, fleet(3))
    assert done.outcome is Outcome.INTERRUPTED
    assert sorted(memory.did("restore")) == sorted(memory.did("activate")) == ["web1"]
    assert {type(b) for b in done.run.bugs} == {KeyError}
