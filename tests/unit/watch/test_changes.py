"""One event for each change, none twice; what is not known stands as it stood."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deployer.watch.changes import Standing, Turn, changes
from deployer.watch.findings import Finding, Judgement, Kind

ALL = frozenset(Kind)


def step(
    before: dict[Kind, Standing], *found: Finding, asked: frozenset[Kind] = ALL, now: float = 10.0
) -> tuple[dict[Kind, Standing], list[tuple[Kind, Turn]]]:
    after, turned = changes(before, Judgement(found, asked), "web1", now=now)
    return after, [(c.kind, c.turn) for c in turned]


DOWN = Finding(Kind.DOWN, "nginx is not running")


def test_a_condition_begins_stays_and_ends() -> None:
    one, turned = step({}, DOWN, now=10)
    assert turned == [(Kind.DOWN, Turn.BEGINS)]
    two, turned = step(one, DOWN, now=20)
    assert turned == []
    assert two[Kind.DOWN].since == 10
    three, turned = step(two, now=30)
    assert (three, turned) == ({}, [(Kind.DOWN, Turn.ENDS)])


def test_seconds_that_run_are_no_news_and_other_files_are() -> None:
    one, _ = step({}, Finding(Kind.GUARD, "back in 90 s", "d9"))
    assert step(one, Finding(Kind.GUARD, "back in 60 s", "d9"))[1] == []
    one, _ = step({}, Finding(Kind.DRIFT, "a.conf", "a.conf"))
    two, turned = step(one, Finding(Kind.DRIFT, "a.conf, b.conf", "a.conf\nb.conf"))
    assert turned == [(Kind.DRIFT, Turn.CHANGES)]
    assert two[Kind.DRIFT].sentence == "a.conf, b.conf"


def test_what_gets_loud_is_told_again() -> None:
    one, _ = step({}, Finding(Kind.CERTIFICATE, "13 days", "x", loud=False))
    assert step(one, Finding(Kind.CERTIFICATE, "2 days", "x"))[1] == [(Kind.CERTIFICATE, Turn.CHANGES)]


def test_what_was_not_looked_for_neither_ends_nor_is_told_again() -> None:
    one, _ = step({}, DOWN)
    silent = Finding(Kind.UNREACHABLE, "cannot be asked")
    two, turned = step(one, silent, asked=frozenset({Kind.UNREACHABLE}))
    assert turned == [(Kind.UNREACHABLE, Turn.BEGINS)]
    assert set(two) == {Kind.DOWN, Kind.UNREACHABLE}
    three, turned = step(two, DOWN)
    assert turned == [(Kind.UNREACHABLE, Turn.ENDS)]
    assert three == one


def test_several_of_a_kind_are_one_event_in_any_order() -> None:
    a, b = Finding(Kind.CHECKS, "shop: 503", "shop api"), Finding(Kind.CHECKS, "api: late", "shop api")
    one, turned = step({}, a, b)
    assert turned == [(Kind.CHECKS, Turn.BEGINS)]
    assert one[Kind.CHECKS].sentence == "shop: 503; api: late"
    assert step(one, b, a)[1] == []


def test_an_event_is_told_with_its_host() -> None:
    _, (change,) = changes({}, Judgement((DOWN,), ALL), "web1", now=10.0)
    assert change.told == "web1: down: nginx is not running"
    standing = {Kind.NOT_LOADED: Standing("x", "", True, 5.0)}
    _, (change,) = changes(standing, Judgement((), ALL), None, now=65.0)
    assert change.told == "not loaded is over, after 1 min 0 s"


kinds = st.sampled_from(list(Kind))
looks = st.lists(st.tuples(st.frozensets(kinds), st.frozensets(kinds)), max_size=30)


@given(looks)
def test_events_always_tell_the_truth_of_what_stands(
    history: list[tuple[frozenset[Kind], frozenset[Kind]]],
) -> None:
    stands: dict[Kind, Standing] = {}
    told: set[Kind] = set()
    for now, (found, also_asked) in enumerate(history):
        judgement = Judgement(tuple(Finding(k, "x") for k in found), found | also_asked)
        stands, turned = changes(stands, judgement, "web1", now=float(now))
        for change in turned:
            assert (change.kind in told) is (change.turn is Turn.ENDS), "begins once, ends once"
            told ^= {change.kind}
        assert told == set(stands)
        assert found <= set(stands)
        assert not (also_asked - found) & set(stands)
