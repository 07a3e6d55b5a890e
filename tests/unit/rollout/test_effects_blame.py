"""What a host that goes back is told to remember, and what comes of it when the old release is asked too."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from deployer.config.rehearse import BY_DEFAULT
from deployer.errors import HostError, NotProved, Stopped
from deployer.host.reply import Switched
from deployer.model import Ownership
from deployer.model.barriers import Quarantined
from deployer.rollout.blame import ANSWERS, Blame, Unwell
from deployer.rollout.effects import DeployEffects, HostRun
from deployer.rollout.guards import Deadlines
from deployer.rollout.plan import Action, HostPlan, Permissions
from deployer.rollout.rehearsing import Rehearsals
from deployer.rollout.saga import Step
from deployer.rollout.survey import Contact
from tests.unit.seen import OTHER_COMMIT, release, tree

NEW = release(tree(nginx_conf="new"))
SAME = release(tree(nginx_conf="new"), OTHER_COMMIT)
OLD = "aaaaaaaaaaaa-111111111111"


@dataclass
class Host:
    """Agent, connection and physician of a host in one.

    :ivar told: what it was told to remember, with each way back.
    """

    after_error: HostError | None = None
    before_error: HostError | None = None
    told: list[Quarantined | None] = field(default_factory=list)

    @property
    def agent(self) -> Host:
        return self

    @property
    def warnings(self) -> list[str]:
        return []

    def restore(
        self, _own: Ownership, source: str, *, quarantine: Quarantined | None, **_more: Any
    ) -> Switched:
        self.told.append(quarantine)
        return Switched(source, "proved", 0.1)

    def after(self) -> None:
        if self.after_error:
            raise self.after_error

    def as_before(self) -> None:
        if self.before_error:
            raise self.before_error


def effects_of(blame: Blame, **hosts: Host) -> DeployEffects:
    runs = {}
    for name, host in hosts.items():
        contact = Contact(
            cast("Any", type("Named", (), {"name": name})()), cast("Any", host), cast("Any", host)
        )
        plan = HostPlan(name, Action.CHANGE, source=OLD, target=NEW.id)
        run = HostRun(contact, plan, SAME if name == "web2" else NEW, NEW.manifest, cast("Any", host))
        run.own = Ownership("d1", 4, "me@here")
        runs[name] = run
    own, rehearsals = ("d1", "me@here"), Rehearsals(BY_DEFAULT)
    return DeployEffects(runs, own, Permissions(), Deadlines(60), blame, rehearsals=rehearsals)


def unwell(*failing: str) -> Unwell:
    return Unwell("not healthy", host="web1", failing=failing)


@pytest.mark.parametrize(
    ("failed", "then", "guilty", "acquitted"),
    [
        (unwell("c1"), None, True, False),
        (unwell(ANSWERS), None, True, False),
        (NotProved("not in memory", host="web1", code=68), None, True, False),
        (unwell("c1"), unwell("c1"), False, True),
        (unwell("c1", "c2"), unwell("c1"), True, False),
        (NotProved("not in memory", host="web1", code=68), unwell("c1"), True, False),
        # The old release could not be asked: nobody knows, and nobody is told otherwise.
        (unwell("c1"), Unwell("a probe broke", host="web1"), False, False),
        (unwell("c1"), HostError("gone", host="web1"), False, False),
    ],
)
def test_the_verdict_after_the_way_back(
    failed: HostError, then: HostError | None, guilty: bool, acquitted: bool
) -> None:
    blame, host, other = Blame("d1"), Host(failed, then), Host()
    effects = effects_of(blame, web1=host, web2=other)
    with pytest.raises(type(failed)):
        effects.do("web1", Step.VERIFY)
    if then is None:
        effects.undo("web1", Step.ACTIVATE)
    else:
        with pytest.raises(type(then)) as ill:
            effects.undo("web1", Step.ACTIVATE)
        assert bool(getattr(ill.value, "back", None)) is isinstance(then, Unwell), "it serves its old release"
    effects.undo("web2", Step.ACTIVATE)
    assert [entry.release for entry in host.told if entry] == [NEW.id]
    assert [entry.release for entry in other.told if entry] == [NEW.id]  # the same tree of another commit
    assert bool(blame.guilty) is guilty
    assert blame.environment("web1", NEW.id) is acquitted
    assert not blame.environment("web2", NEW.id), "nothing failed there"
    assert blame.acquitted == ({NEW.id: ("web1", "web2")} if acquitted else {})


@pytest.mark.parametrize(
    "failed", [unwell(), Stopped("by a signal", host="web1"), HostError("?", host="web1")]
)
def test_what_says_nothing_of_the_release_is_not_remembered(failed: HostError) -> None:
    blame, host = Blame("d1"), Host(failed)
    effects = effects_of(blame, web1=host)
    with pytest.raises(HostError):
        effects.do("web1", Step.VERIFY)
    effects.undo("web1", Step.ACTIVATE)
    assert host.told == [None]
    assert blame.guilty == ()
