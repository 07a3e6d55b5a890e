"""Who was told of what: claimed by one, given back when it was not taken, forgotten when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployer.journal import Store, told
from deployer.journal.told import Claim, Key

KEY = Key("lab 0123", "deploy", "a" * 32)


def claim(store: Store, fingerprint: str, *, since: float = 1.0, covers: bool = False) -> Claim | None:
    def same(_about: Mapping[str, Any]) -> bool:
        return covers

    about = {"title": f"problem {fingerprint}"}
    return store.wait(store.call(lambda s: told.claim(s, KEY, fingerprint, about, since, same=same)))


def done(store: Store, claimed: Claim | None) -> None:
    assert claimed is not None
    store.wait(store.call(lambda s: told.done(s, KEY, claimed.token)))


def give_back(store: Store, claimed: Claim | None) -> None:
    assert claimed is not None
    store.wait(store.call(lambda s: told.give_back(s, KEY, claimed)))


def titles(store: Store) -> list[tuple[str, float]]:
    found = store.wait(store.call(lambda s: told.still_open(s, KEY.scope, KEY.recipient)))
    return [(str(problem.about["title"]), problem.since) for problem in found]


def test_one_tells_it_and_nobody_again(store: Store) -> None:
    first = claim(store, "1")
    assert claim(store, "1") is None  # somebody is at it
    assert titles(store) == []
    done(store, first)
    assert claim(store, "1") is None
    assert claim(store, "other", covers=True) is None
    assert titles(store) == [("problem 1", 1.0)]


def test_what_was_not_taken_may_be_claimed_again(store: Store) -> None:
    give_back(store, claim(store, "1"))
    assert claim(store, "1") is not None


def test_what_was_claimed_by_somebody_who_died_may_be_claimed_a_minute_later(store: Store) -> None:
    first = claim(store, "1")
    late = "UPDATE told SET claimed = claimed - :seconds"
    store.wait(store.call(lambda s: s.change(late, {"seconds": told.CLAIM_S})))
    second = claim(store, "1")
    assert second is not None
    done(store, first)  # too late: it is the other's
    assert titles(store) == []
    done(store, second)
    assert titles(store) == [("problem 1", 1.0)]


def test_another_problem_is_told_and_has_lasted_since_the_first(store: Store) -> None:
    done(store, claim(store, "1", since=1.0))
    give_back(store, claim(store, "2", since=2.0))
    assert titles(store) == [("problem 1", 1.0)]  # nobody took the second: the end of the first is still owed
    done(store, claim(store, "2", since=2.0))
    assert titles(store) == [("problem 2", 1.0)]


def test_the_end_is_told_by_one_and_owed_again_when_nobody_took_it(store: Store) -> None:
    done(store, claim(store, "1"))
    (problem,) = store.wait(store.call(lambda s: told.still_open(s, KEY.scope, KEY.recipient)))

    def forget() -> bool:
        return store.wait(store.call(lambda s: told.forget(s, KEY, problem.claim)))

    assert forget()
    assert not forget()
    store.wait(store.call(lambda s: told.remember(s, KEY, problem)))
    assert titles(store) == [("problem 1", 1.0)]
