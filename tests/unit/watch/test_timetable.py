"""Who is looked at when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.watch.timetable import BACK_OFF_MOST_S, Timetable


def table(*names: str, interval_s: float = 30.0) -> Timetable:
    made = Timetable(interval_s)
    made.set_hosts(names, 0.0)
    return made


def test_the_first_looks_are_spread_and_come_soon() -> None:
    made = table(*(f"web{n}" for n in range(10)))
    assert made.take(0.0) == ["web0"]
    assert made.next_at == pytest.approx(0.3)
    assert len(made.take(3.0)) == 9


def test_who_is_being_looked_at_is_not_due() -> None:
    made = table("web1")
    assert made.take(0.0) == ["web1"]
    assert made.take(1000.0) == []
    made.looked("web1", answered=True, began=0.0, now=5.0)
    assert made.next_at == 30.0


def test_a_look_that_takes_longer_than_the_interval_owes_no_burst() -> None:
    made = table("web1")
    made.take(0.0)
    made.looked("web1", answered=True, began=0.0, now=100.0)
    assert made.next_at == 100.0


def test_who_does_not_answer_is_tried_later_and_later_and_at_once_again_when_back() -> None:
    made, now, pauses = table("web1"), 0.0, []
    for _ in range(6):
        made.take(now)
        made.looked("web1", answered=False, began=now, now=now)
        assert made.next_at is not None
        pauses.append(made.next_at - now)
        now = made.next_at
    assert pauses == [30.0, 60.0, 120.0, 120.0, 120.0, 120.0]
    made.take(now)
    made.looked("web1", answered=True, began=now, now=now)
    assert made.next_at == now + 30.0


def test_a_long_interval_is_not_shortened_by_failure() -> None:
    made = table("web1", interval_s=600.0)
    made.take(0.0)
    made.looked("web1", answered=False, began=0.0, now=1.0)
    assert made.next_at == 600.0
    assert BACK_OFF_MOST_S < 600.0


def test_hosts_come_and_go() -> None:
    made = table("web1", "web2")
    made.take(10.0)
    made.set_hosts(["web2", "web3"], 10.0)
    assert made.take(10.0) == ["web3"]
    made.looked("web1", answered=True, began=10.0, now=11.0)  # it was on its way when it left
    made.looked("web2", answered=True, began=10.0, now=11.0)
    assert made.take(1000.0) == ["web2"]
    made.set_hosts([], 1000.0)
    assert (made.take(9999.0), made.next_at) == ([], None)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 500)), min_size=1, max_size=60))
def test_nobody_is_lost_or_looked_at_twice_at_once(history: list[tuple[bool, float]]) -> None:
    names = ["a", "b", "c"]
    made, now, out = table(*names), 0.0, set[str]()
    for answered, pause in history:
        now += pause
        due = made.take(now)
        assert not set(due) & out
        out |= set(due)
        for name in sorted(out)[:2]:
            made.looked(name, answered=answered, began=now, now=now)
            out.discard(name)
    for name in out:
        made.looked(name, answered=True, began=now, now=now)
    assert sorted(made.take(now + BACK_OFF_MOST_S + 31)) == names
