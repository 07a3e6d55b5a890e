"""The table of what a comparison found: a row for each thing that differs, what users ask first."""

from __future__ import annotations

from deployer.comparison.asked import Question
from deployer.comparison.compare import Comparison, Difference
from deployer.rollout.shown import table


def gone(path: str, address: str = "127.0.0.1") -> Difference:
    """A route that is answered no more."""
    return Difference(Question(address, 80, "shop.example.com", path), "no answer")


def test_a_route_at_two_addresses_is_one_row() -> None:
    lines = table(Comparison(worse=(gone("/"), gone("/", "::1"))))
    assert [line.split()[0] for line in lines] == ["route", "shop.example.com/"]


def test_what_users_ask_comes_before_what_was_made_up() -> None:
    lines = table(Comparison(worse=(gone("/.env"), gone("/basket"))))
    assert [line.split()[0] for line in lines[1:]] == ["shop.example.com/basket", "shop.example.com/.env"]
