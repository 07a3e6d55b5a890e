"""Who may read an answer by script, and what a browser is told that asks first."""

from __future__ import annotations

import pytest

from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.judge import worse
from deployer.comparison.origins import STRANGER, preflight, refused_first, unread
from deployer.comparison.reading.predictions import predictions
from deployer.comparison.routes import derive

from .configured import foresight, page, sites

API = """
map $http_origin $allowed { default ""; "~^https://([a-z]+\\.)?example\\.com$" $http_origin; }
server { listen 80; server_name www.example.com; root /srv; }
server { listen 80; server_name api.example.com; error_page 418 = @first;
  location / { if ($request_method = OPTIONS) { return 418; }
    auth_request /check; add_header Access-Control-Allow-Origin $allowed always; proxy_pass http://10.0.0.1; }
  location @first { add_header Access-Control-Allow-Methods "GET, PUT" always;
    add_header Access-Control-Allow-Origin $allowed always; return 204; }
  location = /check { internal; proxy_pass http://10.0.0.2; } }
"""
FRIEND = "https://www.example.com"
ALLOW = "Access_Control_Allow_Origin".lower()
TRUST = "Access_Control_Allow_Credentials".lower()


def by(who: str) -> Question:
    return Question("127.0.0.1", 80, "api.example.com", "/", (("Origin", who),))


def answer(allowed: str | None = None, *, trusted: bool = True, status: int = 401) -> AnswerClass:
    headers = {ALLOW: allowed} if allowed else {}
    return page("no", status=status, **headers, **({TRUST: "true"} if trusted else {}))


def test_a_site_of_ones_own_and_one_that_is_nobodys_ask_where_it_is_decided() -> None:
    routes = derive(sites(API), sites(API)).routes
    asked = [(r.question.name, v) for r in routes for n, v in r.question.said if n == "Origin"]
    assert set(asked) == {("api.example.com", who) for who in (FRIEND, STRANGER, "https://api.example.com")}
    plain = "server { listen 80; server_name www.example.com; add_header Access-Control-Allow-Origin *; }"
    assert not [r for r in derive(sites(plain), sites(plain)).routes if "Origin" in dict(r.question.said)]


@pytest.mark.parametrize(
    ("who", "old", "new", "said"),
    [
        (STRANGER, answer(), answer(STRANGER), "scripts of any site may read it"),
        (STRANGER, answer(), answer(STRANGER, trusted=False), None),
        (STRANGER, answer(), answer("*", trusted=False), None),
        (STRANGER, answer(STRANGER), answer(), None),  # closed
        (FRIEND, answer(FRIEND), answer(), "may not read it any more (no Access-Control-Allow-Origin)"),
        (FRIEND, answer(FRIEND), answer("https://example.com"), "may not read it any more"),
        (FRIEND, answer(FRIEND), answer("*"), "browsers take no * together with credentials"),
        (FRIEND, answer(FRIEND), answer("*", trusted=False), None),
        (FRIEND, answer(FRIEND), answer(FRIEND), None),
        (FRIEND, answer(FRIEND), answer(FRIEND, trusted=False), "may ask as nobody who is logged in"),
        (FRIEND, answer(FRIEND, trusted=False), answer(FRIEND), None),
        ("https://partner.test", answer("https://partner.test"), answer(), None),  # a partner that left
    ],
)
def test_what_is_said_to_a_site(who: str, old: AnswerClass, new: AnswerClass, said: str | None) -> None:
    insight = foresight(API, API, {})
    for reason in (unread(by(who), old, new), worse(by(who), old, new, insight)):
        assert said in reason if said and reason else reason is None is said
    if said:
        assert insight.meant(by(who), new) is None


def test_a_place_that_is_added_may_be_for_programs_alone() -> None:
    login = "auth_request /check; proxy_pass http://10.0.0.1; }"
    beside = API.replace("location @first", f"location = /machines {{ {login} location @first", 1)
    instead = API.replace("location = /check", f"location ~ ^/v1/ {{ {login} location = /check", 1)
    live = API.replace("location = /check", f"location ~ ^/v1/slow/ {{ {login} location = /check", 1)
    for old, new, worse_off in ((API, beside, False), (live, instead, True)):
        routes = derive(sites(old), sites(new)).routes
        plain = [r.question for r in routes if not r.question.said]
        found = [reason for _, reason in predictions(foresight(old, new), plain)]
        assert any("OPTIONS" in reason for reason in found) is worse_off
        asked = {r.question.path for r in routes if "Origin" in dict(r.question.said)}
        assert "/machines" not in asked


def test_what_is_answered_to_options_is_read() -> None:
    here = sites(API)
    found = preflight(here, here.servers[1], "/orders")
    assert found is not None
    assert found.allows == {"access-control-allow-methods", "access-control-allow-origin"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("return 418;", "return 204;", "is answered without Access-Control-Allow-Methods"),
        ("if ($request_method = OPTIONS) { return 418; }", "", "OPTIONS is asked for a login"),
        ('add_header Access-Control-Allow-Methods "GET, PUT" always;', "", "without Access-Control-Allow-M"),
        ('"GET, PUT"', '"GET, PUT, DELETE"', None),
        ("return 204; }", "return 200; }", None),
        ("return 204; }", "}", "OPTIONS is answered 405"),
        ("return 204; }", "proxy_pass http://10.0.0.1; }", None),
        # the application answers, and may know how
        ("if ($request_method = OPTIONS) { return 418; }\n    auth_request /check;", "", None),
    ],
)
def test_a_browser_that_asks_first(old: str, new: str, said: str | None) -> None:
    assert old in API
    live, candidate = sites(API), sites(API.replace(old, new, 1))
    reason = refused_first((live, live.servers[1]), (candidate, candidate.servers[1]), "/orders")
    assert said in reason if said and reason else reason is None is said
