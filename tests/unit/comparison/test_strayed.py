"""Answers that lead users astray though their status is as good as before."""

from __future__ import annotations

import pytest

from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.reading.strayed import strayed

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
        (page(), moved("http://backend:8080/"), "nobody knows backend"),
        (page(), moved("https://web.internal/"), "nobody knows web.internal"),
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
        (moved("http://wiki/"), moved("http://wiki2/")),
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


API = """
server { listen 80; server_name shop.example.com;
  location / { proxy_pass http://10.0.0.1; }
  location /a/ { proxy_pass http://10.0.0.2; }
}
"""
DEEP = at("/a/deployer-probe?deployer=probe")
DATA, PAGE = page("{}", "application/json"), page()


@pytest.mark.parametrize(
    "candidate",
    [
        API.replace("location /a/", "location = /a/"),
        API.replace("location /a/", "location /aa/"),
        API.replace("http://10.0.0.2", "http://10.0.0.1"),
        API.replace("proxy_pass http://10.0.0.2;", "root /srv;"),
    ],
)
def test_another_kind_of_page_from_somebody_else_is_worse(candidate: str) -> None:
    insight = foresight(API, candidate)
    assert "application/json before, text/html now: somebody else answers" in str(
        strayed(insight, DEEP, DATA, PAGE)
    )
    assert strayed(insight, DEEP, DATA, page("[]", "application/problem+json")) is None
    assert strayed(insight, DEEP, DATA, page("x", "")) is None


@pytest.mark.parametrize(
    "candidate",
    [
        API,
        API.replace("location /a/", "location ^~ /a/ { proxy_pass http://10.0.0.3; } location /b/"),
        API.replace("location /a/", "location /a/deployer-probe { root /srv; } location /a/"),
        API.replace("location /a/", "location = /a/deployer-probe { return 200 ok; } location /a/"),
    ],
)
def test_what_the_candidate_has_a_place_of_its_own_for_is_not(candidate: str) -> None:
    assert strayed(foresight(API, candidate), DEEP, DATA, PAGE) is None


OWN = "server { listen 80; server_name shop.example.com; root /srv; error_page 404 /404.html; }"
MISSING = page("nothing here", status=404)


@pytest.mark.parametrize(
    ("live", "error_page", "new", "bad"),
    [
        (OWN, "404 =200 /index.html", page(), True),
        (OWN, "404 =302 /", moved("/"), True),
        (OWN, "404 https://shop.example.com/", moved(HOME), True),
        (OWN, "500 404 https://$host/", moved(HOME), True),
        (OWN, "404 = @application", page(), False),  # the application says what it is
        (OWN, "404 /404.html", page(), False),  # try_files, then
        (OWN, "404 =404 /index.html", MISSING, False),
        (OWN.replace("error_page 404 /404.html;", ""), "404 =200 /index.html", page(), False),
    ],
)
def test_a_page_for_what_is_not_found_does_not_become_a_page(
    live: str, error_page: str, new: AnswerClass, *, bad: bool
) -> None:
    insight = foresight(live, OWN.replace("404 /404.html", error_page))
    said = strayed(insight, DEEP, MISSING, new)
    assert ("hides that a page is missing" in str(said)) is bad
    assert strayed(insight, at("/prices"), MISSING, new) is None


@pytest.mark.parametrize(
    ("old", "new", "path", "bad"),
    [
        ("/prices", "/", "/prices.asp", True),
        ("https://shop.example.com/prices", "https://shop.example.com/", "/prices.asp", True),
        ("/prices", "/costs", "/prices.asp", False),
        ("/", "/prices", "/prices.asp", False),
        ("/prices", "/", "/", False),
        ("/prices", "/?page=prices", "/prices.asp", False),
        ("/prices", "https://www.shop.example.com/", "/prices.asp", False),  # another site: see _nobody
    ],
)
def test_an_address_that_leads_to_the_front_page(old: str, new: str, path: str, bad: bool) -> None:
    moves = LIVE.replace("proxy_pass http://a", "return 301 $there")
    found = strayed(foresight(moves, moves), at(path), moved(old), moved(new))
    assert ("front page" in str(found)) is bad
    application = strayed(foresight(LIVE, LIVE), at(path), moved(old), moved(new))
    assert "front page" not in str(application), "it is its own matter"


WIKI = """server { listen 80; server_name shop.example.com; root /srv; index index.php; %s
  location / { try_files $uri $uri/ /index.php?$args; } location ~ \\.php$ { fastcgi_pass unix:/php; } }"""


def test_a_rewrite_of_the_server_that_takes_the_files_as_well() -> None:
    insight = foresight(WIKI % "", WIKI % "rewrite ^/(.*)$ /index.php?title=$1 last;")
    reason = strayed(insight, at("/logo.txt"), page("logo", "text/plain"), page("wiki", "text/html"))
    assert reason is not None
    assert "text/plain before, text/html now: somebody else answers" in reason
    assert strayed(insight, at("/page"), page("one"), page("two")) is None


ACME = "location ^~ /.well-known/acme-challenge/ { root /var/www/acme; } "
PLAIN = "server { listen 80; server_name %s; %s location / { return 301 https://$host$request_uri; } }"
CHALLENGE = at("/.well-known/acme-challenge/deployer-probe")


@pytest.mark.parametrize(
    ("other", "secure", "bad"),
    [
        (ACME, "location / { proxy_pass http://10.0.0.1; }", True),
        ("", "location / { proxy_pass http://10.0.0.1; }", False),  # nobody renews in that way any more
        (ACME, ACME, False),  # whoever follows finds the file
    ],
)
def test_certificates_are_renewed_for_every_site_or_for_none(other: str, secure: str, *, bad: bool) -> None:
    more = PLAIN % ("www.example.com", other)
    more += f"server {{ listen 443 ssl; server_name shop.example.com; {secure} }}"
    live, candidate = PLAIN % ("shop.example.com", ACME) + more, PLAIN % ("shop.example.com", "") + more
    sent = moved("https://shop.example.com/.well-known/acme-challenge/deployer-probe")
    said = strayed(foresight(live, candidate), CHALLENGE, page(status=404), sent)
    assert ("not renewed there any more, as they are for www.example.com" in str(said)) is bad


OWN_SITES = "".join(
    f"server {{ listen 443 ssl; server_name {name}; root /srv; }}"
    for name in ("shop.example.com", "www.shop.example.com", "wiki.example.com")
)
TO_OWN = "server { listen 80; server_name *.example.com; return 301 https://$host$request_uri; }" + OWN_SITES
TO_ONE = TO_OWN.replace("$host", "wiki.example.com")


@pytest.mark.parametrize(
    ("target", "there", "bad"),
    [
        ("https://wiki.example.com/", page(), True),
        ("https://wiki.example.com/", page(status=401), True),
        ("https://wiki.example.com/", moved("https://wiki.example.com/"), False),  # the site itself has moved
        ("https://wiki.example.com/", page(status=502), False),
        ("https://www.shop.example.com/", page(), False),
        ("https://shop.example.com/login", page(), False),
    ],
)
def test_names_with_a_site_of_their_own_are_not_gathered(
    target: str, there: AnswerClass, *, bad: bool
) -> None:
    insight = foresight(TO_OWN, TO_ONE)
    insight.after = {Question("127.0.0.1", 443, SHOP.name): there}
    said = strayed(insight, SHOP, moved("https://shop.example.com/"), moved(target))
    assert ("has a site of its own" in str(said)) is bad


def test_a_name_without_a_site_may_be_sent_to_one() -> None:
    insight = foresight(TO_OWN, TO_ONE)
    assert (
        strayed(insight, SHOP, moved("https://shop.example.com/"), moved("https://wiki.example.com/")) is None
    )


def test_a_wildcard_takes_names_with_sites_of_their_own() -> None:
    insight = foresight(TO_OWN, TO_ONE)
    insight.after = {Question("127.0.0.1", 443, SHOP.name): page()}
    made_up = Question("127.0.0.1", 80, "deployer-probe.example.com")
    was, now = moved("https://deployer-probe.example.com/"), moved("https://wiki.example.com/")
    assert "shop.example.com has a site of its own" in str(strayed(insight, made_up, was, now))
