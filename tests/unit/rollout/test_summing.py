"""How the waves went, from the logs and the times of the phases."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from deployer.errors import AnswersWorse, ConfigRefused
from deployer.model import Amount, State
from deployer.rollout.engine import Recorder, Run
from deployer.rollout.saga import STEPS, HostLog, Step
from deployer.rollout.summing import told, wave_results
from deployer.rollout.waves import Fleet, Member, Phase, Policy, orders, split

POLICY = Policy(waves=(Amount(1), Amount(100, percent=True)))
NAMES = ("web1", "web2", "web3")


def through(last: Step, ending: State = State.SUCCEEDED, *, undone: State | None = None) -> HostLog:
    log = HostLog()
    for step in STEPS[: STEPS.index(last) + 1]:
        log = log.after(step, State.STARTED).after(step, ending if step is last else State.SUCCEEDED)
    if undone is not None:
        log = log.after(Step.ACTIVATE, State.UNDO_STARTED).after(Step.ACTIVATE, undone)
    return log


def fleet(*logs: HostLog) -> Fleet:
    members = {name: Member(log) for name, log in zip(NAMES, logs, strict=True)}
    return Fleet(split([(name, ()) for name in NAMES], POLICY), members, POLICY)


class Nobody:
    """Neither hosts nor a journal."""

    def append(self, event: Any) -> None: ...
    def do(self, host: str, step: Step) -> dict[str, Any]:
        raise AssertionError((host, step))

    undo = do


def run(*phases: tuple[str, int, float]) -> Run:
    nobody = Nobody()
    made = Run(nobody, Recorder("d1", nobody), orders, threading.Event())
    made.phases = [(Phase(name, (), wave), began) for name, wave, began in phases]
    return made


PREPARED = through(Step.PREPARE)
PROMOTED = through(Step.PROMOTE)


def test_two_waves_that_passed_and_how_long_they_took() -> None:
    story = run(
        ("prepare", 0, 0.0),
        ("wave", 1, 10.0),
        ("confirm", 1, 12.0),
        ("wave", 2, 12.5),
        ("confirm", 2, 20.0),
        ("promote", 0, 21.0),
    )
    first, second = wave_results(fleet(PROMOTED, PROMOTED, PROMOTED), story, 30.0)
    assert (first.hosts, first.decision, first.seconds) == (("web1",), "passed", 2.5)
    assert (second.hosts, second.decision, second.seconds) == (("web2", "web3"), "passed", 8.5)


def test_a_failed_canary_ends_with_the_unwinding_and_the_next_wave_never_began() -> None:
    failed = through(Step.VERIFY, State.FAILED, undone=State.UNDO_SUCCEEDED)
    story = run(("prepare", 0, 0.0), ("wave", 1, 10.0), ("unwind", 0, 14.0), ("release", 0, 15.0))
    first, second = wave_results(fleet(failed, PREPARED, PREPARED), story, 16.0)
    assert (first.decision, first.seconds) == ("failed", 4.0)
    assert (second.decision, second.seconds) == ("not started", 0.0)


def test_the_last_phase_ends_now() -> None:
    active = through(Step.ACTIVATE, State.FAILED)
    assert wave_results(fleet(active, PREPARED, PREPARED), run(("wave", 1, 10.0)), 13.25)[0].seconds == 3.25


@pytest.mark.parametrize(
    ("log", "decision"),
    [
        (through(Step.ACTIVATE, State.FAILED), "failed"),
        (through(Step.VERIFY, State.FAILED), "failed"),
        (through(Step.CONFIRM, State.FAILED), "failed"),
        (through(Step.VERIFY), "failed"),
        (through(Step.CONFIRM), "passed"),
        (through(Step.PROMOTE, State.FAILED), "passed"),
        (through(Step.CONFIRM, undone=State.UNDO_SUCCEEDED), "passed"),
        (through(Step.CONFIRM, undone=State.UNDO_FAILED), "failed"),
        (through(Step.PREPARE, State.FAILED), "not started"),
        (HostLog(), "not started"),
    ],
    ids=[
        "not activated",
        "not healthy",
        "not confirmed",
        "never decided",
        "confirmed",
        "the promotion was not heard",
        "passed, then taken back for another wave",
        "could not be taken back",
        "refused",
        "nothing",
    ],
)
def test_how_a_wave_of_one_was_decided(log: HostLog, decision: str) -> None:
    assert wave_results(fleet(log, PREPARED, PREPARED), run(), 1.0)[0].decision == decision


def test_one_host_that_failed_fails_its_wave() -> None:
    ends = fleet(PROMOTED, PROMOTED, through(Step.VERIFY, State.FAILED, undone=State.UNDO_SUCCEEDED))
    assert [w.decision for w in wave_results(ends, run(), 1.0)] == ["passed", "failed"]


def test_a_deployment_that_was_refused_has_waves_that_never_began() -> None:
    waves = wave_results(fleet(HostLog(), HostLog(), HostLog()), None, 1.0)
    assert [(w.hosts, w.decision, w.seconds) for w in waves] == [
        (("web1",), "not started", 0.0),
        (("web2", "web3"), "not started", 0.0),
    ]


def test_the_line_that_decided_is_told_once() -> None:
    line = '2026/11/22 21:30:15 [emerg] 9#9: limit_req "shop" uses the "$uri" key'
    bare = ConfigRefused("nginx refuses it.", host="web1", code=65, details=(line,))
    assert told(bare) == f"nginx refuses it. {line}"
    named = 'The rehearsal refuses it (limit_req "shop" uses the "$uri" key).'
    assert told(ConfigRefused(named, host="web1", code=65, details=(line,))) == named


def test_what_answers_worse_is_one_sentence_without_its_table() -> None:
    shown = ("route  live  candidate  verdict", "a/  200  404  worse")
    error = AnswersWorse("the candidate answers worse", host="web1", code=65, details=shown)
    assert told(error) == str(error)
    assert error.net == "comparison"
