"""What a cache gives to the wrong request: read from both configurations, for no first question shows it."""

from __future__ import annotations

import pytest

from deployer.comparison.asked import AnswerClass
from deployer.comparison.reading.predictions import predictions

from .configured import SHOP, at, foresight, page

ZONE = "proxy_cache_path /c keys_zone=z:1m; fastcgi_cache_path /f keys_zone=f:1m;"
SITE = ZONE + " %s server { listen 80; server_name shop.example.com; location /find { %s } }"
APP, CACHED = "proxy_pass http://10.0.0.1;", "proxy_pass http://10.0.0.1; proxy_cache z;"
KEY = CACHED + " proxy_cache_key %s;"
COOKIES = CACHED + " proxy_ignore_headers Set-Cookie;"
PHP = "fastcgi_pass 10.0.0.1:9; fastcgi_param QUERY_STRING $args; fastcgi_cache f; fastcgi_cache_key %s;"


def found(live: str, candidate: str, kind: str = "text/html", before: str = "") -> list[str]:
    both = foresight(SITE % (before, live), SITE % (before, candidate))
    question = at("/find?deployer=probe")
    both.before = {question: page(kind=kind)}
    return [reason for _, reason in predictions(both, [question]) if "cache" in reason or "kept" in reason]


@pytest.mark.parametrize(
    ("live", "candidate"),
    [
        (CACHED, KEY % "$scheme$host$uri"),
        (APP, KEY % "$host$uri"),
        (CACHED, "set $k $host$uri; " + KEY % "$k"),
        (PHP % "$host$request_uri", PHP % "$scheme$host$fastcgi_script_name"),
    ],
)
def test_pages_under_one_key(live: str, candidate: str) -> None:
    assert "page 2" in found(live, candidate)[0]


@pytest.mark.parametrize(
    ("live", "candidate", "kind"),
    [
        (CACHED, KEY % "$host$request_uri", "text/html"),
        (CACHED, KEY % "$host$uri$is_args$args", "text/html"),
        (CACHED, KEY % "$host$uri$arg_page", "text/html"),
        (CACHED, KEY % "$host$uri$something", "text/html"),
        (KEY % "$uri", KEY % "$host$uri", "text/html"),  # as before
        (CACHED, KEY % "$host$uri", "text/css"),  # ?v=7 is for browsers
        (CACHED, "proxy_pass http://10.0.0.1$uri; proxy_cache z; proxy_cache_key $uri;", "text/html"),
        (APP, CACHED, "text/html"),
        (CACHED, "proxy_pass http://10.0.0.1; proxy_cache off; proxy_cache_key $uri;", "text/html"),
    ],
)
def test_keys_that_tell_them_apart_or_need_not(live: str, candidate: str, kind: str) -> None:
    assert not [reason for reason in found(live, candidate, kind) if "page 2" in reason]


@pytest.mark.parametrize(
    ("live", "candidate", "bad"),
    [
        (APP, COOKIES, True),
        (CACHED, COOKIES, True),
        (CACHED, COOKIES + " proxy_cache_key $host$request_uri;", True),
        (COOKIES, COOKIES + " proxy_cache_valid 5m;", False),  # as before
        (CACHED, COOKIES + " proxy_hide_header Set-Cookie;", False),
        (CACHED, COOKIES + " proxy_cache_key $request_uri$cookie_session;", False),
        (CACHED, COOKIES + " proxy_no_cache $skip;", False),
        (CACHED, CACHED + " proxy_ignore_headers Cache-Control Expires;", False),
    ],
)
def test_what_one_user_is_answered_is_kept_for_all(live: str, candidate: str, bad: bool) -> None:
    assert bool([reason for reason in found(live, candidate) if "all the others" in reason]) is bad


@pytest.mark.parametrize(
    ("live", "candidate", "said"),
    [
        (CACHED, CACHED + " proxy_cache_convert_head off;", "no $request_method in the key"),
        (CACHED, CACHED + " proxy_cache_methods GET HEAD POST;", "what POST was"),
        (CACHED + " proxy_cache_convert_head off;", CACHED + " proxy_cache_convert_head off;", None),
        (CACHED, CACHED + " proxy_cache_convert_head on;", None),
        (CACHED, KEY % "$request_method$host$request_uri" + " proxy_cache_convert_head off;", None),
        (CACHED, KEY % "$host$request_uri$request_body" + " proxy_cache_methods POST;", None),
        (APP, APP + " proxy_cache_convert_head off;", None),
    ],
)
def test_what_one_method_was_answered_is_not_for_another(live: str, candidate: str, said: str | None) -> None:
    reasons = [x for x in found(live, candidate) if "$request_method" in x]
    assert (not reasons) if said is None else (reasons and said in reasons[0])


@pytest.mark.parametrize(
    ("before", "now", "kept"),
    [
        (page(cache_control="no-cache"), page(), True),
        (page(cache_control="private, no-store"), page(etag="x"), True),
        (page(cache_control="no-cache"), page(cache_control="max-age=60"), False),  # somebody says so
        (page(cache_control="no-cache"), page(expires="-1"), False),
        (page(cache_control="max-age=3600"), page(), False),
        (page(), page(), False),
    ],
)
@pytest.mark.parametrize("passed", [True, False])
def test_pages_that_browsers_ask_for_again(
    before: AnswerClass, now: AnswerClass, *, kept: bool, passed: bool
) -> None:
    site = "server { listen 80; server_name shop.example.com; root /srv; %s }"
    text = site % ("location / { proxy_pass http://10.0.0.1; }" if passed else "")
    insight = foresight(text, text)
    insight.before, insight.after = {SHOP: before}, {SHOP: now}
    said = [reason for _, reason in predictions(insight, [SHOP]) if "browsers may keep" in reason]
    assert bool(said) is (kept and not passed)
