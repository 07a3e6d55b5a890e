"""What the proxy keeps from the application, or from users, and did not before."""

from __future__ import annotations

import pytest

from deployer.comparison.reading.predictions import predictions

from .configured import SHOP, at, foresight, page

SERVER = "server { listen 80; server_name shop.example.com; location / { proxy_pass http://10.0.0.1; %s } }"


def foretold(live: str, candidate: str, cookie: str = "") -> list[str]:
    insight = foresight(SERVER % live, SERVER % candidate)
    question = at("/account/", SHOP)
    insight.before = {question: page(set_cookie=cookie) if cookie else page()}
    return [reason for _, reason in predictions(insight, [question])]


@pytest.mark.parametrize("part", ["body", "headers"])
def test_a_request_reaches_the_application_whole(part: str) -> None:
    off = f"proxy_pass_request_{part} off;"
    assert foretold("", off) == [
        f"the application no longer gets the {part} of requests (proxy_pass_request_{part} off)"
    ]
    assert foretold(off, off) == foretold(off, "") == foretold("", f"internal; {off}") == []


def test_cookies_reach_the_user() -> None:
    hidden = "proxy_hide_header Set-Cookie;"
    assert "do not come through" in foretold("", hidden, "a=1")[0]
    assert foretold("", hidden) == [], "nothing is known of cookies there"
    assert foretold(hidden, hidden, "a=1") == []
    assert foretold("", f"{hidden} proxy_cache zone;", "a=1") == []
