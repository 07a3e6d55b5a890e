"""What is called again, and what is not: every wait has an end."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

from deployer.errors import (
    AgentError,
    Busy,
    ConfigRefused,
    Fate,
    Fenced,
    HostError,
    HostKeyError,
    NotProved,
    TransportError,
    Unreachable,
)
from deployer.model import Ownership
from deployer.rollout import effects
from deployer.rollout.effects import DeployEffects, HostRun, persist, release
from deployer.rollout.guards import Deadlines
from deployer.rollout.saga import Step
from deployer.rollout.survey import Contact

OWN = Ownership("d1", 4, "me@here")


class Line:
    """A contact of which only the connection matters.

    :ivar reopened: how often a new connection was asked for.
    """

    def __init__(
        self,
        *,
        dead: bool = False,
        releases: list[Exception] | None = None,
        begins: Exception | None = None,
    ) -> None:
        self.agent = self
        self._begins = begins
        self.released: list[Ownership] = []
        self.reopened, self._dead = 0, dead
        self._releases = releases or []

    def reopen(self) -> None:
        self.reopened += 1
        if self._dead:
            raise Unreachable("still no route", host="web1")

    def release(self, own: Ownership) -> None:
        self.released.append(own)
        if self._releases:
            raise self._releases.pop(0)

    def ensure_installed(self) -> None:
        pass

    def begin(self, *_who: str) -> int:
        if self._begins:
            raise self._begins
        return 4

    @property
    def contact(self) -> Contact:
        return cast("Contact", self)


class Call:
    """Raises what it is given, one after the other, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self._errors, self.count = list(errors), 0

    def __call__(self) -> str:
        self.count += 1
        if self._errors:
            raise self._errors.pop(0)
        return "done"


class Always(Call):
    """Raises the same for ever."""

    def __call__(self) -> str:
        self.count += 1
        raise self._errors[0]


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ``from`` that does not validate is asked for again sooner than on a real host."""
    monkeypatch.setattr(effects, "BACK_EVERY_S", 0.05)


def lost(fate: Fate = Fate.UNKNOWN) -> TransportError:
    return TransportError("connection lost", host="web1", fate=fate)


def invalid() -> ConfigRefused:
    return ConfigRefused("host not found in upstream", host="web1", code=65)


def test_what_works_is_called_once() -> None:
    line, call = Line(), Call()
    assert persist(line.contact, call, for_s=5) == "done"
    assert (call.count, line.reopened) == (1, 0)


@pytest.mark.parametrize("fate", list(Fate), ids=str)
def test_a_lost_connection_is_opened_anew_whatever_became_of_the_call(fate: Fate) -> None:
    line, call = Line(), Call(lost(fate))
    assert persist(line.contact, call, for_s=5) == "done"
    assert (call.count, line.reopened) == (2, 1)


@pytest.mark.slow
def test_a_host_that_stays_away_is_given_up_in_time_with_the_last_word() -> None:
    line, call = Line(dead=True), Always(lost())
    began = time.monotonic()
    with pytest.raises(TransportError, match="still no route"):
        persist(line.contact, call, for_s=0.5)
    assert time.monotonic() - began < 5
    assert call.count == 1
    assert line.reopened >= 1


@pytest.mark.parametrize("back", [False, True], ids=["forward", "back"])
@pytest.mark.parametrize(
    "error",
    [
        HostKeyError("the host key has changed", host="web1"),
        Fenced("newer owner", host="web1", code=76),
        Busy("busy", host="web1", code=75),
        NotProved("not in memory", host="web1", code=68),
        HostError("no sudo", host="web1"),
        ZeroDivisionError("bug"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_an_answer_is_an_answer(error: Exception, back: bool) -> None:
    line, call = Line(), Always(error)
    with pytest.raises(type(error)):
        persist(line.contact, call, for_s=5, back=back)
    assert (call.count, line.reopened) == (1, 0)


def test_what_the_validator_refuses_is_tried_again_only_on_the_way_back() -> None:
    call = Call(invalid())
    with pytest.raises(ConfigRefused):
        persist(Line().contact, call, for_s=5)
    assert call.count == 1
    line, call = Line(), Call(invalid(), lost(), invalid())
    assert persist(line.contact, call, for_s=5, back=True) == "done"
    assert (call.count, line.reopened) == (4, 2)


def test_a_from_that_never_validates_is_given_up_in_time() -> None:
    call = Always(invalid())
    with pytest.raises(ConfigRefused):
        persist(Line().contact, call, for_s=0.3, back=True)
    assert 2 <= call.count <= 8


def test_giving_up_what_was_never_had_asks_nobody() -> None:
    assert release(Line(releases=[ZeroDivisionError()]).contact, None) == {}


def test_giving_up_what_a_newer_owner_has_is_no_failure() -> None:
    assert release(Line(releases=[Fenced("newer", host="web1")]).contact, OWN) == {"fenced": True}
    assert release(Line(releases=[lost()]).contact, OWN) == {}


def test_giving_up_says_when_it_failed() -> None:
    error: Any = HostError("read-only file system", host="web1")
    with pytest.raises(HostError):
        release(Line(releases=[error]).contact, OWN)


@pytest.mark.parametrize(
    ("error", "given_up"),
    [
        (lost(), [Ownership("d2", None, "me@here")]),
        (AgentError("made to fail", host="web1", code=70), [Ownership("d2", None, "me@here")]),
        (Busy("somebody else is at work", host="web1"), []),
    ],
)
def test_an_ownership_that_was_granted_unheard_is_given_up_too(
    error: HostError, given_up: list[Ownership], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effects, "FORWARD_S", 0.1)
    line = Line(begins=error)
    run = HostRun(line.contact, cast("Any", None), cast("Any", None), cast("Any", None), cast("Any", None))
    nothing = cast("Any", None)
    done = DeployEffects({"web1": run}, ("d2", "me@here"), nothing, Deadlines(1.0), rehearsals=nothing)
    with pytest.raises(type(error)):
        done.do("web1", Step.BEGIN)
    done.undo("web1", Step.BEGIN)
    assert line.released == given_up
