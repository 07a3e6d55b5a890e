"""Locations that are still written, and reached or not."""

from __future__ import annotations

import pytest

from deployer.comparison.reading.reached import passed_by, unreached
from deployer.comparison.routes import derive

from .configured import foresight, sites

SERVER = "server { listen 80; listen [::]:80; server_name shop.example.com; %s }"
FILES = "root /srv; location / { } location /press/ { alias /srv/kit/; } location ~ \\.css$ { expires 1h; }"
RENEWAL = (
    "location ^~ /.well-known/acme-challenge/ { root /srv/acme; } location / { return 301 https://$host; }"
)


def found(live: str, candidate: str) -> list[str]:
    sides = SERVER % live, SERVER % candidate
    questions = [r.question for r in derive(sites(sides[0]), sites(sides[1])).routes]
    return [reason for _, reason in unreached(foresight(*sides), questions)]


@pytest.mark.parametrize(
    ("live", "candidate", "said"),
    [
        (RENEWAL, "return 301 https://$host$request_uri;", None),
        (RENEWAL, f"return 301 https://$host$request_uri; {RENEWAL}", "the server's return answers first"),
        (
            FILES,
            FILES.replace("location / {", "location ^~ / {").replace("location /press", "location ^~ /press"),
            "css",
        ),
        (FILES, FILES.replace("location ~ \\.css$ { expires 1h; }", ""), None),
        (FILES, f"{FILES} location ^~ /static/ {{ alias /srv/static/; }}", None),
        (FILES, FILES + " location = /press/ { return 204; }", None),
        (f"return 204; {FILES}", f"return 204; {FILES} location = /x {{ }}", None),
        (FILES, f"rewrite ^ /index.css last; {FILES}", "rewrite ^ leads all of it on"),
        (FILES, f"rewrite ^/press/(.*)$ /$1 last; {FILES}", None),  # it says what it means
        (FILES, f"rewrite ^/press/ /kit permanent; {FILES}", None),
        (FILES, "error_page 404 /press/x; " + FILES.replace("expires 1h;", "return 404;"), None),
        (FILES, "error_page 404 /press/404.html; rewrite ^/press/ /x last;" + FILES, None),
        ("location / { } location @app { }", "location / { try_files $uri @app; } location @app { }", None),
    ],
)
def test_a_location_that_stays_and_is_not_reached(live: str, candidate: str, said: str | None) -> None:
    reasons = found(live, candidate)
    assert bool(reasons) is (said is not None)
    assert all("still there, and never reached" in reason for reason in reasons)
    assert said is None or any(said in reason for reason in reasons)


def test_both_address_families_are_asked_for_each_name_and_one_for_what_is_below() -> None:
    both = sites(SERVER % FILES)
    asked = [r.question for r in derive(both, both, seen=[("shop.example.com", "/kit.html")]).routes]
    six = {q.path for q in asked if ":" in q.address and q.name == "shop.example.com"}
    four = {q.path for q in asked if ":" not in q.address and q.name == "shop.example.com"}
    assert six == {"/"}
    assert four > {"/", "/press/", "/kit.html"}
    parted = sites(SERVER % FILES + "server { listen [::]:80; server_name six.example.com; location /a { } }")
    only = [r.question for r in derive(both, parted).routes if r.question.name == "six.example.com"]
    assert {q.path for q in only} > {"/", "/a"}


OFF = "merge_slashes off;"


@pytest.mark.parametrize(
    ("live", "candidate", "said"),
    [
        (FILES, f"{OFF} {FILES}", ["merge_slashes off: //press/ no longer finds location /press/"]),
        (f"{OFF} {FILES}", f"{OFF} {FILES} location /new/ {{ }}", []),
        ("root /srv; location / { }", f"{OFF} root /srv; location / {{ }}", []),
    ],
)
def test_two_slashes_are_one(live: str, candidate: str, said: list[str]) -> None:
    sides = SERVER % live, SERVER % candidate
    questions = [r.question for r in derive(sites(sides[0]), sites(sides[1])).routes]
    assert [reason for _, reason in passed_by(foresight(*sides), questions)] == said
