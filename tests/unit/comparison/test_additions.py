"""What is added to pages, and promised with them."""

from __future__ import annotations

import pytest

from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.reading.strayed import strayed
from deployer.comparison.routes import BELOW, derive

from .configured import SHOP, at, foresight, page

SITE = "server { listen 80; server_name shop.example.com; location / { proxy_pass http://10.0.0.1; %s } }"
OLD, NEW = page("/v1/", "application/json"), page("/api/", "application/json")
WORDS = "sub_filter /v1/ /api/; sub_filter_types %s;"


@pytest.mark.parametrize(
    ("live", "candidate", "old", "new", "bad"),
    [
        ("", WORDS % "*", OLD, NEW, True),
        ("", WORDS % "*", page("a", "image/png"), page("b", "image/png"), True),
        ("", WORDS % "*", OLD, OLD, False),
        ("", WORDS % "*", page("a"), page("b"), False),  # pages were meant
        ("", WORDS % "application/json", OLD, NEW, False),  # it says so
        (WORDS % "*", WORDS % "*", OLD, NEW, False),
        ("", "", OLD, NEW, False),
    ],
)
def test_words_are_replaced_in_pages_and_not_in_data(
    live: str, candidate: str, old: AnswerClass, new: AnswerClass, *, bad: bool
) -> None:
    said = strayed(foresight(SITE % live, SITE % candidate), SHOP, old, new)
    assert ("sub_filter_types *" in str(said)) is bad


@pytest.mark.parametrize(
    ("status", "more", "bad"),
    [(404, "", True), (200, "", False), (404, "location = /footer.html { internal; root /srv; }", False)],
)
def test_a_footer_has_to_be_there(status: int, more: str, *, bad: bool) -> None:
    with_footer = (SITE % "").replace("location", f"add_after_body /footer.html; {more} location", 1)
    insight = foresight(SITE % "", with_footer)
    assert at("/footer.html") in {r.question for r in derive(insight.live, insight.candidate).routes}
    insight.after = {at("/footer.html"): page(status=status)}
    said = strayed(insight, SHOP, page("a"), page("a, and what is added"))
    assert (said == "/footer.html is added to the page, and answers 404") is bad


FILES = """
server { listen 80; server_name shop.example.com; root /srv; %s location / { try_files $uri $uri/ %s; } }
"""
OWN = "error_page 404 /404.html;"
NOWHERE = at(f"/{BELOW}?deployer=probe")


@pytest.mark.parametrize(
    ("before", "after", "shown", "bad"),
    [
        ((OWN, "=404"), (OWN, "/index.html"), page("home"), True),
        ((OWN, "=404"), (OWN, "/app.html"), page("another"), False),
        ((OWN, "=404"), ("", "/index.html"), page("home"), False),  # an application of one page, cleanly
        (("", "=404"), ("", "/index.html"), page("home"), False),
        ((OWN, "/index.html"), (OWN, "/index.html"), page("home"), False),
    ],
)
def test_the_front_page_is_no_page_for_what_is_missing(
    before: tuple[str, str], after: tuple[str, str], shown: AnswerClass, *, bad: bool
) -> None:
    insight = foresight(FILES % before, FILES % after)
    insight.after = {SHOP: page("home"), NOWHERE: shown}
    said = strayed(insight, NOWHERE, page(status=404), shown)
    assert ("the front page now" in str(said)) is bad


ASSETS = "location /assets/ { expires 1y; try_files $uri %s; }"


@pytest.mark.parametrize(
    ("live", "candidate", "shown", "bad"),
    [
        (ASSETS % "=404", "", page("home"), True),
        (ASSETS % "=404", "", page("another"), False),
        (ASSETS % "=404", ASSETS.replace("assets", "app") % "=404", page("another"), False),
        (ASSETS % "/none.js", "", page("home"), False),
    ],
)
def test_a_place_for_scripts_that_is_gone_is_no_page(
    live: str, candidate: str, shown: AnswerClass, *, bad: bool
) -> None:
    script = at(f"/assets/{BELOW}?deployer=probe")
    insight = foresight(FILES % (live, "/index.html"), FILES % (candidate, "/index.html"))
    insight.after = {SHOP: page("home"), script: shown}
    said = strayed(insight, script, page(status=404), shown)
    assert ("location /assets/ is gone" in str(said)) is bad


@pytest.mark.parametrize(
    ("status", "shown", "bad"),
    [
        (404, page("nothing here"), True),
        (410, page("nothing here"), True),
        (404, page("something"), False),
        (404, page("home"), False),  # an application of one page
        (403, page("nothing here"), False),
        (404, page("nothing here", status=410), False),
    ],
)
def test_the_page_for_404_is_no_page(status: int, shown: AnswerClass, *, bad: bool) -> None:
    live = FILES % ("error_page 404 410 /oops.html;", "=404")
    insight = foresight(live, live)
    insight.after = {SHOP: page("home"), NOWHERE: shown}
    old = page("home" if shown == page("home") else "nothing here", status=status)
    said = strayed(insight, NOWHERE, old, shown)
    assert ("with the very same page: it is no page" in str(said)) is bad


@pytest.mark.parametrize(
    ("kept", "bad"),
    [
        ("max-age=31536000", True),
        ("public, immutable", True),
        ("max-age=600", False),  # soon asked again
        ("no-cache", False),
    ],
)
def test_no_page_is_kept_for_as_long_as_a_script(kept: str, *, bad: bool) -> None:
    script = at(f"/assets/{BELOW}?deployer=probe")
    live, candidate = (FILES % (ASSETS % tried, "/index.html") for tried in ("=404", "/index.html"))
    insight = foresight(live, candidate)
    shown = page("home", cache_control=kept)
    insight.after = {SHOP: page("home"), script: shown}
    said = strayed(insight, script, page(status=404), shown)
    assert (", kept as long" in str(said)) is bad


TLS = Question("127.0.0.1", 443, "example.com")
NAMES = "server { listen 443 ssl; server_name example.com; root /srv; } server { listen %s; server_name %s; }"
VOW = page(strict_transport_security="max-age=31536000; includeSubDomains")


@pytest.mark.parametrize(
    ("listen", "name", "new", "bad"),
    [
        ("80", "old.example.com", VOW, True),
        ("8080", "a.b.example.com", VOW, True),
        ("443 ssl", "old.example.com", VOW, False),
        ("80; listen 443 ssl", "old.example.com", VOW, False),
        ("127.0.0.1:8080", "status.example.com", VOW, False),
        ("80", "example.org", VOW, False),
        ("80", "example.com", VOW, False),
        ("80", "old.example.com", page(strict_transport_security="max-age=31536000"), False),
        ("80", "old.example.com", page(strict_transport_security="max-age=0; includeSubDomains"), False),
    ],
)
def test_tls_is_promised_for_names_that_have_it(
    listen: str, name: str, new: AnswerClass, *, bad: bool
) -> None:
    insight = foresight(NAMES % (listen, name), NAMES % (listen, name))
    assert (f"TLS of {name}" in str(strayed(insight, TLS, page(), new))) is bad
    assert strayed(insight, TLS, new, new) is None
    assert strayed(insight, Question("127.0.0.1", 80, "example.com"), page(), new) is None


@pytest.mark.parametrize(
    ("place", "bad"),
    [("/assets/", True), ("/shop/static/", True), ("~ \\.(js|css)$", True), ("/app/", False), ("/", False)],
)
def test_where_scripts_are_no_page_is_the_answer(place: str, *, bad: bool) -> None:
    text = "server { listen 80; server_name shop.example.com; root /srv; location %s { try_files $uri %s; } }"
    insight = foresight(text % (place, "=404"), text % (place, "/index.html"))
    path = {"~": "/probe.js", "/": "/"}.get(place.partition(" ")[0], place)
    script = at(f"{path}{BELOW if path.endswith('/') else ''}")
    insight.after = {SHOP: page("home"), script: page("home")}
    said = strayed(insight, script, page("none", status=404), page("home"))
    assert ("browsers take it for the script" in str(said)) is bad
