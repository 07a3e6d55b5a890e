"""Who is asked questions, and how what was not rehearsed is told."""

from __future__ import annotations

from deployer.config.rehearse import Answers
from deployer.rollout.rehearsing import asked, grouped

WAVES = (("web1",), ("web2", "db1"), ("web3", "db2", "cdn1"))
RENDERS = {"web1": "a", "web2": "a", "web3": "a", "db1": "b", "db2": "b", "cdn1": "c"}


def test_the_first_wave_and_one_of_each_that_renders_otherwise_are_asked() -> None:
    assert asked(Answers.FIRST_WAVE, WAVES, RENDERS) == {"web1", "db1", "cdn1"}


def test_a_whole_first_wave_is_asked_also_where_it_renders_alike() -> None:
    assert asked(Answers.FIRST_WAVE, (("web1", "web2"), ("web3",)), RENDERS) == {"web1", "web2"}


def test_all_or_none_can_be_asked() -> None:
    assert asked(Answers.ALL, WAVES, RENDERS) == set(RENDERS)
    assert asked(Answers.OFF, WAVES, RENDERS) == set()
    assert asked(Answers.FIRST_WAVE, (), {}) == set()


def test_what_many_hosts_say_is_told_once() -> None:
    notes = {f"web{n}": ("not rehearsed: it has no unshare",) for n in range(1, 8)} | {"db1": ("other",)}
    assert grouped(notes) == [
        "web1, web2, web3, web4, web5 and 2 more: not rehearsed: it has no unshare",
        "db1: other",
    ]
