"""Data in a ``return`` whose addresses became empty."""

from __future__ import annotations

import pytest

from deployer.comparison.reading.predictions import predictions

from .configured import at, foresight

DATA = '{"api":"https://api.example.com","push":{"at":["wss://x"]},"notice":"closed on Friday","n":1}'


def said(now: str, was: str = DATA) -> str:
    shop = (
        "server {{ listen 80; server_name shop.example.com; location = /c.json {{ return 200 '{}\\n'; }} }}"
    )
    insight = foresight(shop.format(was), shop.format(now))
    return "; ".join(reason for _, reason in predictions(insight, [at("/c.json")]))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (
            DATA.replace("https://api.example.com", ""),
            "api is empty in its data, https://api.example.com before",
        ),
        (DATA.replace('"wss://x"', "null"), "push.at[0] is empty in its data"),
        (DATA.replace('"api":', '"api"'), "its data cannot be read any more"),
        (DATA, ""),
        (DATA.replace("closed on Friday", ""), ""),
        (DATA.replace("api.example.com", "api2.example.com"), ""),
        (DATA.replace('"api":"https://api.example.com",', ""), ""),  # taken out
    ],
)
def test_an_address_that_is_empty_now(now: str, expected: str) -> None:
    assert expected in said(now)
    assert bool(said(now)) is bool(expected)


def test_words_are_no_data() -> None:
    assert said("", "ok") == ""
    assert said("fine", "ok") == ""
