"""What a configuration tests of a request is asked with something that passes the test."""

from __future__ import annotations

import pytest

from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.compare import Difference
from deployer.comparison.conditions import BROWSERS, CRAWLER, MOST, MOST_SAME, apart, carried, excuse
from deployer.comparison.routes import covers, derive

from .configured import SHOP, moved, page, sites

PHONE, DESKTOP = BROWSERS[:2]
UA = "User-Agent"


def shop(inside: str = "", *, http: str = "") -> str:
    return (
        f"{http} server {{ listen 80; server_name shop.example.com; {inside}"
        " location / { proxy_pass http://127.0.0.1:9000; } location /api/ { return 200; } }"
    )


def said(candidate: str, live: str = shop(), **options: object) -> list[Question]:
    """The questions that say more, in their order."""
    routes = derive(sites(live), sites(candidate), **options).routes  # type: ignore[arg-type]
    return [r.question for r in routes if r.question.said]


def values(candidate: str, live: str = shop()) -> list[tuple[str, str]]:
    return [pair for question in said(candidate, live) for pair in question.said]


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("$http_user_agent ~* (iphone|android)", [(UA, PHONE)]),
        ("$http_user_agent ~* Android", [(UA, BROWSERS[2])]),
        ("$http_user_agent ~* (bot|crawler|spider)", [(UA, CRAWLER)]),
        ("$http_user_agent ~* (bot|chrome)", [(UA, DESKTOP), (UA, CRAWLER)]),
        ("$http_user_agent ~* (semrush|ahrefs)", [(UA, "semrush")]),
        ('$http_user_agent = ""', [(UA, "")]),
        ("$http_user_agent !~* iphone", [(UA, DESKTOP), (UA, CRAWLER)]),
        ("$http_accept_language ~ ^de", [("Accept-Language", "de-DE,de;q=0.9,en;q=0.8")]),
        ("$http_accept_language ~* ^ja", [("Accept-Language", "ja")]),
        ("$cookie_consent", [("Cookie", "consent=1")]),
        ("$cookie_beta = yes", [("Cookie", "beta=yes")]),
        ("$http_cookie ~* wordpress_logged_in", [("Cookie", "wordpress_logged_in=1")]),
        ("$arg_lang = fr", [("", "lang=fr")]),
        ('$args ~* "(%20|union|select)"', [("", "q=two%20words")]),
        ("$args ~ ^p=[0-9]+$", [("", "p=00000")]),
        ("$http_x_api_version = 2", [("X-Api-Version", "2")]),
        # what every question passes already
        ('$cookie_consent = ""', []),
        ('$cookie_lang != "de"', []),
        # never said: secrets, what frames a request, what may do something
        ('$http_authorization = "Basic x"', []),
        ("$http_x_api_key = abc", []),
        ("$cookie_session_token = abc", []),
        ("$http_host = other.example.com", []),
        ("$http_upgrade = websocket", []),
        ("$http_x_http_method_override = DELETE", []),
        ("$arg_action = delete", []),
        ("$args ~ do=delete", []),
        ('$args ~ "\\.\\./etc"', []),
        ("$request_method = POST", []),
        ("$remote_addr = 10.0.0.1", []),
    ],
)
def test_a_test_is_passed(test: str, expected: list[tuple[str, str]]) -> None:
    found = said(shop(f"if ({test}) {{ return 403; }}"))
    assert [pair for q in found for pair in q.said] == expected
    assert all(q.path.partition("?")[0] == "/" and q.name == SHOP.name for q in found)


@pytest.mark.parametrize(
    ("http", "inside", "expected"),
    [
        (
            "map $http_accept_language $lang { default en; ~*^fr fr; ~*^en en; }",
            "root /srv/$lang;",
            [("Accept-Language", "fr-FR,fr;q=0.9,en;q=0.8")],
        ),
        (
            'map "$http_x_canary:$cookie_canary" $to { default a; ~always b; no:no c; ~^beta:$ d; }',
            "root /srv/$to;",
            [("X-Canary", "always"), ("Cookie", "canary=always"), ("X-Canary", "beta")],
        ),
        # what the scheme is to a row is not known
        ('map "$scheme:$cookie_a" $to { default a; ~b b; }', "root /srv/$to;", []),
        ("map $cookie_a $to { default a; b b; }", "if ($to = b) { return 302 /b; }", [("Cookie", "a=b")]),
        ("map $arg_v $to { default ''; 1 /one; }", "if ($to) { return 301 $to; }", [("", "v=1")]),
        (
            "map $http_user_agent $bot { default 0; ~*ahrefs 1; } map $bot $code { default ''; 1 444; }",
            "if ($code) { return 444; }",
            [(UA, "ahrefs")],
        ),
        ("", "set $ua $http_user_agent; if ($ua ~ iPhone) { return 302 /m/; }", [(UA, PHONE)]),
        # into a log, a key or a header: nobody is answered otherwise
        ("map $http_user_agent $b { default 0; ~*bot 1; }", "access_log /l if=$b;", []),
        ("map $http_upgrade $c { default upgrade; '' close; }", "proxy_set_header Connection $c;", []),
    ],
)  # fmt: skip
def test_maps_and_what_is_set(http: str, inside: str, expected: list[tuple[str, str]]) -> None:
    assert values(shop(inside, http=http)) == expected


def test_the_changed_before_the_same_and_few_of_all() -> None:
    def many(prefix: str, count: int) -> str:
        return " ".join(f"if ($arg_{prefix}{n} = 1) {{ return 403; }}" for n in range(count))

    live, candidate = shop(many("old", 40)), shop(many("old", 40) + many("new", 9))
    found = values(candidate, live)
    assert [v for _, v in found[:9]] == [f"new{n}=1" for n in range(9)]
    assert len(found) == 9 + MOST_SAME
    assert values(live, live) == values(live, live)[:MOST_SAME]
    assert len(values(shop(many("new", 99)))) == MOST
    assert len(said(shop(many("new", 99)), cap=20)) == 5
    drill = shop("if ($http_x_drill = 1) { return 503; }")
    assert (values(drill), values(drill, drill)) == ([("X-Drill", "1")], [])
    # what is gone in the candidate, and what leads elsewhere
    assert len(values(shop(), shop(many("old", 2)))) == 2


def test_what_hangs_on_it_makes_it_new() -> None:
    def marked(target: str) -> str:
        extra = " ".join(f"if ($arg_x{n} = 1) {{ return 403; }}" for n in range(20))
        mark = "set $m 0; if ($http_user_agent ~ iPhone) { set $m 1; }"
        return shop(f"{extra} {mark} if ($m = 1) {{ return 302 {target}; }}")

    assert values(marked("/b"), marked("/a"))[0] == (UA, PHONE)


def test_where_it_is_asked() -> None:
    inside = "if ($http_user_agent ~ iPhone) { return 302 /m/; }"
    live = shop("location /shop/ { proxy_pass http://127.0.0.1:9000; }")
    seen = [("shop.example.com", "/news"), ("shop.example.com", "/shop/1"), ("shop.example.com", "/more")]
    whole = said(shop(inside), live, seen=seen)
    assert [q.path for q in whole] == ["/", "/news"]
    one = said(shop(f"location /shop/ {{ {inside} proxy_pass http://127.0.0.1:9000; }}"), live, seen=seen)
    assert [q.path for q in one] == ["/shop/", "/shop/1"]
    assert said(shop(inside), live, seen=seen, exclude=["/", "/news", "/more", "/shop/*"]) == [
        q
        for q in said(shop(inside), live, seen=seen, exclude=["/", "/news", "/more", "/shop/*"])
        if q.path == "/api/"
    ]
    tls = "server { listen 80; listen 443 ssl; server_name a.example; %s return 200; }"
    assert [q.port for q in said(tls % inside, tls % "")] == [443]


def test_patterns_mean_the_route_and_people_see_what_was_said() -> None:
    phone = Question("127.0.0.1", 80, "shop.example.com", "/", ((UA, PHONE),))
    assert covers("shop.example.com/", phone)
    assert str(phone) == "shop.example.com (User-Agent: …iPhone…) at 127.0.0.1:80"
    empty = Question("127.0.0.1", 80, "shop.example.com", "/a", ((UA, ""),))
    assert empty.told == " (User-Agent: none)"
    french = Question("127.0.0.1", 80, "shop.example.com", "/a?lang=fr", (("", "lang=fr"),))
    assert str(french) == "shop.example.com/a?lang=fr at 127.0.0.1:80"
    assert (french.headers, dict(phone.headers)) == ({}, {UA: PHONE})
    assert sorted([phone, SHOP, french]) == [SHOP, phone, french]


CLOSED = AnswerClass("the connection was closed without an answer", lost=True)


@pytest.mark.parametrize(
    ("header", "new", "meant"),
    [
        ((UA, "semrush"), page(status=403), True),
        ((UA, CRAWLER), page(status=403), True),
        ((UA, ""), page(status=403), True),
        ((UA, "semrush"), CLOSED, False),  # nothing says 444
        ((UA, PHONE), page(status=403), False),
        (("Accept-Language", "de-DE,de;q=0.9,en;q=0.8"), page(status=403), False),
        (("", "q=two%20words"), page(status=403), False),
        (("Cookie", "banned=1"), page(status=403), True),
        (("Cookie", "beta=1"), page(status=502), False),
        (("Cookie", "beta=1"), page(status=404), False),
        ((UA, CRAWLER), page(status=502), False),
        ((UA, CRAWLER), page("for crawlers", "text/plain"), True),
        (("Cookie", "beta=1"), page("beta", "application/octet-stream"), False),
        ((UA, "semrush"), moved("http:///"), False),
    ],
)
def test_who_may_be_refused(header: tuple[str, str], new: AnswerClass, meant: bool) -> None:
    server = sites(shop("if ($cookie_x) { return 403; }")).servers[0]
    question = Question("127.0.0.1", 80, "shop.example.com", "/", (header,))
    assert (excuse(question, new, server, made_up=False) is not None) is meant


def test_what_nobody_says_may_be_found_nowhere() -> None:
    server = sites(shop()).servers[0]
    question = Question("127.0.0.1", 80, "shop.example.com", "/?p=00000", (("", "p=00000"),))
    assert excuse(question, page(status=404), server, made_up=True)
    assert not excuse(question, page(status=404), server, made_up=False)
    assert excuse(SHOP, page(status=404), server, made_up=True) is None


def test_what_differs_for_everybody_is_told_once() -> None:
    phone, bot = (Question("127.0.0.1", 80, SHOP.name, "/", ((UA, x),)) for x in (PHONE, CRAWLER))
    every = [Difference(q, "x", page(), page("new")) for q in (SHOP, phone)]
    own = Difference(bot, "x", page(), page(status=403))
    assert apart([*every, own], [*every, own]) == (every[0], own)


def test_what_a_browser_says_again_where_it_is_led() -> None:
    extra = ((UA, PHONE), ("X-Forwarded-Proto", "http"), ("Referer", "https://a/"), ("", "a=b"))
    assert carried(Question("127.0.0.1", 80, "", "/", extra)) == ((UA, PHONE),)
