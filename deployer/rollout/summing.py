"""How the waves went, and why a host said no, for the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from deployer.errors import AgentError, AnswersWorse, Busy
from deployer.model import WaveResult
from deployer.rollout.saga import Step

if TYPE_CHECKING:
    from deployer.errors import HostError
    from deployer.model import Result
    from deployer.rollout.engine import Run
    from deployer.rollout.waves import Fleet


def wave_results(fleet: Fleet, run: Run | None, now: float) -> tuple[WaveResult, ...]:
    """One line per planned wave.

    :param now: on ``time.monotonic()``: when the last phase ended.
    """
    return tuple(_wave(fleet, run, number, now) for number in range(1, len(fleet.waves) + 1))


def _wave(fleet: Fleet, run: Run | None, number: int, now: float) -> WaveResult:
    hosts = fleet.waves[number - 1]
    logs = [fleet.members[name].log for name in hosts]
    phases = run.phases if run is not None else []
    ends = [*(began for _, began in phases[1:]), now]
    seconds = sum(
        end - began for (phase, began), end in zip(phases, ends, strict=False) if phase.wave == number
    )
    if not any(log.changed for log in logs):
        return WaveResult(hosts, "not started", 0.0)
    passed = any(log.done(Step.CONFIRM) for log in logs) and not any(log.stuck for log in logs)
    failed = any(log.failed in (Step.ACTIVATE, Step.VERIFY, Step.CONFIRM) for log in logs)
    return WaveResult(hosts, "passed" if passed and not failed else "failed", round(seconds, 3))


def environment(result: Result, run: Run, acquitted: Callable[[str], bool]) -> Result:
    """The result, with the hosts that are back, proved, and not as healthy there as before.

    :param acquitted: whether a host's failure was the environment's and not the release's.
    """
    ill = {name: told(error) for name, error in run.undo_failures.items() if getattr(error, "back", None)}
    reason = result.reason
    if (name := next(filter(acquitted, ill), None)) is not None:
        first = told(run.first_failures[name])
        reason = (
            f"{name}: it was the environment, not the release, for the old one is back and as ill: {first}"
        )
    return replace(result, ill=ill, reason=reason)


def told(error: HostError) -> str:
    """What a host said, with the line of nginx, or of the validator, that decided."""
    silent = isinstance(error, Busy | AnswersWorse)  # a table is no line that decided
    details = error.details if isinstance(error, AgentError) and not silent else ()
    line = next((d for d in details if "[emerg]" in d), details[0] if details else "")
    said = line.rpartition("[emerg] ")[2].partition(": ")[2]
    return f"{error} {line}" if line and not (said and said in str(error)) else str(error)
