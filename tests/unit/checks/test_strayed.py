"""Answers that lead users astray though their status is as good as before."""

from __future__ import annotations

import pytest

from deployer.checks.asked import AnswerClass, Question
from deployer.checks.strayed import strayed

from .configured import SHOP, at, foresight, moved, page

LIVE = """
server { listen 80; server_name shop.example.com www.shop.example.com; location / { proxy_pass http://a; } }
server { listen 443 ssl; server_name shop.example.com *.wild.example; location / { proxy_pass http://a; } }
"""
HOME = "https://shop.example.com/"


def verdict(
    old: AnswerClass, new: AnswerClass, question: Question = SHOP, candidate: str = LIVE
) -> str | None:
    return strayed(foresight(LIVE, candidate), question, old, new)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (moved(HOME), moved("https://shop.exmaple.com/"), "but shop.example.com"),
        (page(), moved("https://shop.exmaple.com/"), "but shop.example.com"),
        (page(status=404), moved("https://shop.exampel.com/"), "but shop.example.com"),
        (moved(HOME), moved("https://shop.example.com.invalid/"), "leads nobody anywhere"),
        (page(), moved("http://localhost:8080/"), "leads nobody anywhere"),
        (moved(HOME), moved("https:///x"), "leads nobody anywhere"),
        (moved("/x"), moved("https://elsewhere.org/"), "neither configuration has elsewhere.org"),
        (moved(HOME), moved("https://shop.example.comx/"), "neither configuration has"),
    ],
)
def test_a_redirect_to_nobody_is_worse(old: AnswerClass, new: AnswerClass, said: str) -> None:
    assert said in str(verdict(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (page(), moved("https://elsewhere.org/")),  # moved to somebody else's
        (moved("https://one.org/"), moved("https://two.org/")),
        (moved(HOME), moved("https://new.example.com/")),  # another of the owner's
        (moved(HOME), moved("https://b.wild.example/")),
        (moved(HOME), moved("/other")),
        (page(), moved("https://example.co/")),  # another country's
        (moved("http://localhost/"), moved("http://127.0.0.1/")),
    ],
)
def test_a_redirect_to_somebody_is_not(old: AnswerClass, new: AnswerClass) -> None:
    question = Question("127.0.0.1", 80, "localhost") if "localhost" in str(old.location) else SHOP
    assert verdict(old, new, question) is None


def test_where_live_sends_users_already_is_somewhere() -> None:
    insight = foresight(LIVE, LIVE)
    insight.before = {at("/pay"): moved("https://pay.elsewhere.org/")}
    assert strayed(insight, SHOP, moved(HOME), moved("https://pay.elsewhere.org/x")) is None


TLS = Question("127.0.0.1", 443, "shop.example.com")


@pytest.mark.parametrize("old", [page(), moved(HOME), moved("/x"), moved("https://www.shop.example.com/")])
def test_from_tls_back_to_plain_is_worse(old: AnswerClass) -> None:
    plain = moved("http://shop.example.com/")
    assert "back to plain" in str(verdict(old, plain, TLS))
    assert verdict(old, plain, SHOP) is None  # it was plain all the time
    assert verdict(old, moved("http://elsewhere.org/"), TLS) != str(verdict(old, plain, TLS))
    assert verdict(plain, moved("http://shop.example.com/x"), TLS) is None
    assert verdict(old, moved("/y"), TLS) is None
