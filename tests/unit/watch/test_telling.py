"""People hear of a trouble once, whoever has it, again when it spreads, and of its end once."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from deployer.config.notify import Level
from deployer.notify.notices import Notice
from deployer.notify.outcomes import Command
from deployer.watch.changes import Standing
from deployer.watch.findings import Kind
from deployer.watch.look import Look
from deployer.watch.now import HostNow, Now
from deployer.watch.telling import Crier

LOOK = Look("web", 1.0, 0.1)


class Scene:
    """A fleet whose conditions a test sets, and what is told of it."""

    def __init__(self, hosts: int = 3, *, begun: bool = True) -> None:
        self.told: list[Notice] = []
        self._names = [f"web{n + 1}" for n in range(hosts)]
        self.is_now()
        self.crier = Crier(Command("watch", "lab", "ann@ops1"), lambda: self.now, self.told.append)
        self.crier.gap_s = 0.0
        if begun:
            self.crier.cry()  # whatever an earlier watch told is over

    def is_now(self, fleet: Mapping[Kind, Standing] | None = None, **hosts: Mapping[Kind, Standing]) -> None:
        found = {name: HostNow(look=LOOK, conditions=hosts.get(name, {})) for name in self._names}
        self.now = Now("lab", found, fleet or {}, 30.0, 1.0)

    def hears(
        self, fleet: Mapping[Kind, Standing] | None = None, **hosts: Mapping[Kind, Standing]
    ) -> list[Notice]:
        """What is told when that stands."""
        self.is_now(fleet, **hosts)
        self.told.clear()
        self.crier.cry()
        return list(self.told)


def stands(kind: Kind, subject: str = "x", *, loud: bool = True) -> dict[Kind, Standing]:
    return {kind: Standing(f"{kind.value} {subject}", subject, loud, 1.0)}


def test_one_message_for_all_hosts_one_when_it_spreads_and_one_at_the_end() -> None:
    scene = Scene()
    drift = stands(Kind.DRIFT)
    (first,) = scene.hears(web1=drift, web2=drift)
    assert (first.title, first.level, first.topic) == ("drift on web1, web2", Level.WARNING, "watch drift")
    assert "web1: drift x" in first.happened
    assert scene.hears(web1=drift, web2=drift) == []
    (wider,) = scene.hears(web1=drift, web2=drift, web3=drift)
    assert wider.fingerprint != first.fingerprint
    assert scene.hears(web3=drift) == []
    (end,) = scene.hears()
    assert (end.level, end.ends) == (None, ("watch drift",))
    assert scene.hears() == []


def test_other_files_are_another_problem_and_restarted_watches_mean_the_same() -> None:
    scene = Scene()
    (one,) = scene.hears(web1=stands(Kind.DRIFT, "a.conf"))
    (two,) = scene.hears(web1=stands(Kind.DRIFT, "a.conf b.conf"))
    (again,) = Scene().hears(web1=stands(Kind.DRIFT, "a.conf b.conf"))
    assert one.fingerprint != two.fingerprint == again.fingerprint


def test_what_spreads_is_gathered() -> None:
    scene = Scene()
    scene.crier.gap_s = 3600.0
    assert len(scene.hears(web1=stands(Kind.DOWN))) == 1
    assert scene.hears(web1=stands(Kind.DOWN), web2=stands(Kind.DOWN)) == []
    scene.crier.gap_s = 0.0
    (later,) = scene.hears(web1=stands(Kind.DOWN), web2=stands(Kind.DOWN))
    assert later.title == "down on web1, web2"


@pytest.mark.parametrize(
    ("kind", "loud", "level"),
    [
        (Kind.DOWN, True, Level.CRITICAL),
        (Kind.CHECKS, True, Level.CRITICAL),
        (Kind.CERTIFICATE, False, Level.INFO),
        (Kind.UNREACHABLE, True, Level.WARNING),
    ],
)
def test_how_loud_it_is(kind: Kind, loud: bool, level: Level) -> None:
    (notice,) = Scene().hears(web1=stands(kind, loud=loud))
    assert notice.level is level


def test_a_trouble_of_the_fleet_has_no_host() -> None:
    (notice,) = Scene().hears(fleet=stands(Kind.SPLIT))
    assert (notice.title, dict(notice.hosts)) == ("the fleet is split", {})
    (end,) = [each for each in Scene(begun=False).hears() if "watch split" in each.ends]
    assert end.happened == ""  # no host had it


def test_whoever_hears_of_a_schedule_hears_where_to_look() -> None:
    (notice,) = Scene().hears(fleet=stands(Kind.SCHEDULE))
    assert notice.title == "the unattended deployment is not as it should be"
    assert notice.commands == ("deployer schedule lab --list",)
    assert "look why, on the machine that is named" in notice.now


def test_when_all_were_looked_at_what_an_earlier_watch_told_is_over_and_not_before() -> None:
    scene = Scene(begun=False)
    scene.now = Now("lab", {"web1": HostNow()}, {}, 30.0, 1.0)
    scene.crier.cry()
    assert scene.told == []
    scene.hears()
    assert {one.ends for one in scene.told} == {(f"watch {kind.value}",) for kind in Kind}
