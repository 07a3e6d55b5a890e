"""Slips that no answer shows, or none that anybody asks for: a line that is gone, moved or turned round.

Each live configuration is changed in one place; what is said of it is looked for in what is foretold.
"""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

import pytest

from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.reading.predictions import predictions
from deployer.comparison.routes import derive

from .configured import SHOP, at, foresight, page, sites

SITE = """
geo $zone { default a; 192.0.2.0/24 b; }
map $http_accept_language $asked { default en; ~*^de de; ~*^fr fr; }
map $cookie_lang $chosen { default $asked; en en; }
map $cookie_lang $lang { default en; ~^de de; ~^fr fr; }
map $http_origin $trusted { default ""; https://shop.example.com $http_origin; "~^https://[a-z]+\\.pots\\.example\\.com$" $http_origin; }
upstream app { server 10.0.0.1; }
server {
  listen 80; server_name shop.example.com *.pots.example.com; root /srv/shop; set_real_ip_from 10.0.0.0/8; real_ip_header X-Forwarded-For; add_header X-Zone $zone$chosen;
  client_max_body_size 2m;
  add_header X-Frame-Options DENY;
  rewrite ^/thread-(\\d+)-(\\d+)\\.html$ /forum?t=$1&p=$2 last;
  location / { try_files $uri $uri/ @shared; }
  location @shared { root /srv/shared; try_files $uri =404; }
  location /terms { try_files /terms/$lang.html /terms/en.html =404; }
  location ~ \\.css$ { expires 1d; }
  location ~ ^/~(?<who>[a-z]+)/(?<page>.+)$ { alias /srv/homes/$who/$page; }
  location ~ \\.jpg$ { valid_referers none server_names other.example.com; if ($invalid_referer) { return 403; } }
  location ~ \\.php(/|$) {
    fastcgi_split_path_info ^(.+\\.php)(/.*)$; try_files $fastcgi_script_name =404; set $path_info $fastcgi_path_info;
    fastcgi_param PATH_INFO $path_info; fastcgi_param LANG $lang; fastcgi_buffer_size 16k; fastcgi_pass app;
  }
  location /wide/ { proxy_redirect http://wide.internal/ /wide/; proxy_pass http://app; }
  location /inner/ {
    proxy_set_header Accept-Encoding ""; proxy_set_header X-Real-IP $remote_addr;
    sub_filter http://inner.internal/ /inner/; sub_filter_once off; proxy_cookie_path / /inner/;
    proxy_cookie_flags session secure httponly; proxy_pass http://app/;
  }
  location /stock/ { add_header Access-Control-Allow-Origin $trusted; proxy_cache s; proxy_cache_bypass $cookie_session; proxy_no_cache $cookie_session; proxy_pass http://app; }
  location ~ ^/thumbs/(?<width>\\d+)/(?<picture>.+)$ { proxy_cache t; proxy_cache_key $uri; proxy_pass http://app/r?w=$width&f=$picture; }
  location /events { proxy_buffering off; proxy_read_timeout 1h; proxy_pass http://app; }
  location /hooks/ { limit_except POST { deny all; } proxy_pass http://app; }
  location /vault/ { internal; alias /srv/vault/; }
}
server { listen 80; server_name other.example.com; return 204; }
"""


def foretold(old: str, new: str, answers: dict[str, AnswerClass] | None = None) -> str:
    """What is said of the site with one piece of it changed."""
    assert SITE.count(old) == 1, SITE.count(old)
    candidate = SITE.replace(old, new)
    questions = [r.question for r in derive(sites(SITE), sites(candidate)).routes]
    insight = foresight(SITE, candidate)
    known = {at(path): answer for path, answer in (answers or {}).items()}
    insight.before = dict.fromkeys(questions, page()) | known
    return "; ".join(reason for _, reason in predictions(insight, [*questions, *known]))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("~^de de", "^de de", "the row ^de of $lang was an expression"),
        ("~^de de; ~^fr fr;", "de de; ~^fr fr;", ""),  # written anew
        ("[a-z]+\\.pots\\.example", ".*example", "takes deployer-probeother.example.com for"),
        ("[a-z]+\\.pots", "[a-z0-9]+\\.pots", ""),
        ("~*^de de", "~*de de", "whoever asks for fr before de gets de: the row ~*de of $asked"),
        ("~*^fr fr", "~*^(fr|be) fr", ""),
        ("default $asked", "default asked", "$chosen is the word asked now, what $asked holds before"),
        ("default $asked", "default de", ""),
        ("geo $zone", "geo $realip_remote_addr $zone", "$zone goes by the balancer's address now"),
        ("geo $zone", "geo $remote_addr $zone", ""),
        (
            "X-Forwarded-For",
            "X-Real-IP",
            "real_ip_header is X-Real-IP now, X-Forwarded-For of the same balancers",
        ),
        ("10.0.0.0/8; real_ip_header X-Forwarded-For", "10.1.0.0/16; real_ip_header CF-Connecting-IP", ""),
        ("limit_except POST", "limit_except GET", "only GET is let through to the application"),
        ("limit_except POST", "limit_except POST PUT", ""),
        ("client_max_body_size 2m;", "", "client_max_body_size is nginx's 1m now, 2m before"),
        ("client_max_body_size 2m;", "client_max_body_size 1m;", ""),  # said in so many words
        ("{ expires 1d; }", "{ add_header X-A b; expires 1d; }", "X-Frame-Options is lost: an add_header"),
        ("{ expires 1d; }", "{ add_header X-A b; add_header X-Frame-Options DENY; expires 1d; }", ""),
        (
            "rewrite ^/thread",
            "rewrite ^/thread-(\\d+).*\\.html$ /forum?t=$1 last; rewrite ^/thread",
            "is reached no more: ^/thread-(\\d+).*\\.html$ before it takes all that it took",
        ),
        ("rewrite ^/thread", "rewrite ^/thread-1-1\\.html$ /first last; rewrite ^/thread", ""),
        ("p=$2 last", "p=$2 permanent", "shows users the inner address /forum?t=$1&p=$2"),
        ("/forum?t=$1&p=$2 last", "/forum/$1 permanent", ""),
        (
            "proxy_redirect http://wide.internal/ /wide/;",
            "",
            "redirects to http://wide.internal/ reach users",
        ),
        ("proxy_redirect http://wide.internal/ /wide/;", "proxy_redirect off;", ""),
        ("/events {", "/events { proxy_cache s;", "elsewhere $cookie_session keeps it out of s, not here"),
        ("/events {", "/events { proxy_cache t;", ""),
        ("$uri/ @shared", "$uri/ =404", "nothing leads to @shared any more: what it has is answered 404"),
        (
            "/terms/$lang.html /terms/en.html",
            "/terms/en.html /terms/$lang.html",
            "/terms/$lang.html is never",
        ),
        ("/terms/$lang.html /terms/en.html", "/terms/$lang.html /terms/new.html", ""),
        ("/srv/homes/$who/$page", "/srv/homes/$who/", "alias has no $page any more"),
        ("/srv/homes/$who/$page", "/srv/people/$who/public/$page", ""),
        ("none server_names other.example.com;", "none server_names;", "pages of other.example.com may not"),
        ("none server_names other.example.com;", "none server_names *.example.com;", ""),
        ("set $path_info $fastcgi_path_info;", "", "$path_info is empty here"),
        ("PATH_INFO $path_info", "PATH_INFO $fastcgi_path_info", "the script is told an empty PATH_INFO"),
        ("\\.php(/|$) {", "\\.php$ {", "takes no path with something behind the script's name"),
        ("fastcgi_buffer_size 16k;", "", "fastcgi_buffer_size is nginx's own, 4k, 16k before"),
        ("fastcgi_buffer_size 16k;", "fastcgi_buffer_size 8k;", ""),
        ('proxy_set_header Accept-Encoding "";', "", "sub_filter finds nothing in what comes packed"),
        ("sub_filter_once off;", "", "replaces the first of each word only"),
        ("sub_filter_once off;", "sub_filter_last_modified on; sub_filter_once off;", ""),
        (
            "proxy_cookie_path / /inner/",
            "proxy_cookie_path /inner/ /",
            "proxy_cookie_path /inner/ /: what is",
        ),
        ("proxy_cookie_path / /inner/", "proxy_cookie_path / /in/", ""),
        ("flags session secure", "flags sid secure", "the cookie session is no longer secure and httponly"),
        ("flags session secure httponly", "flags ~ secure httponly", ""),
        ("X-Real-IP $remote_addr", "X-Real-IP $realip_remote_addr", "as X-Real-IP the balancer"),
        ("proxy_no_cache $cookie_session;", "", "proxy_no_cache is gone: what one user is answered"),
        ("proxy_cache_bypass $cookie_session;", "", ""),
        ("proxy_cache_key $uri", "proxy_cache_key $picture", "proxy_cache_key has no $width"),
        ("proxy_cache_key $uri", "proxy_cache_key $width$picture", ""),
        ("proxy_buffering off;", "", "proxy_buffering off is gone: events are held back"),
        ("location /inner/ {", "location /inner {", ""),  # only what is asked and answered otherwise counts
        (
            "location /wide/ { proxy_redirect http://wide.internal/ /wide/; proxy_pass http://app;",
            "location ~ ^/wide/(.*)$ { proxy_redirect http://wide.internal/ /wide/; proxy_pass http://app/$1$is_args$args;",
            "paths with a blank or %2F break: $1 is decoded",
        ),
        ("/wide/; proxy_pass http://app;", "/wide/; proxy_pass http://app$request_uri;", ""),
        (
            "location /wide/ { proxy_redirect http://wide.internal/ /wide/; proxy_pass http://app;",
            "location ~ ^/wide/(\\d+)$ { proxy_redirect http://wide.internal/ /wide/; proxy_pass http://app/wide/$1$is_args$args;",
            "",
        ),
        ("location /vault/", "location /cellar/", "location /vault/ is gone: applications name it"),
        ("root /srv/shop;", "root /srv/shop; error_page 404 /vault/404.html;", ""),
    ],
)
def test_a_slip_is_told_and_work_is_not(old: str, new: str, said: str) -> None:
    found = foretold(old, new)
    assert said in found if said else not found, found


def test_a_parameter_of_an_outer_block_is_not_told() -> None:
    found = foretold("fastcgi_param LANG $lang;", "")
    assert not found, "it is gone, and that may be meant"
    moved = SITE.replace("fastcgi_param LANG $lang;", "").replace(
        "client_max_body_size 2m;", "client_max_body_size 2m; fastcgi_param LANG $lang;"
    )
    insight = foresight(SITE, moved)
    question = Question("127.0.0.1", 80, "shop.example.com", "/index.php")
    said = [reason for _, reason in predictions(insight, [question])]
    assert said == ["the application is no longer told LANG: an inner fastcgi_param hides the outer"]


def test_events_are_known_by_their_type_too() -> None:
    live = SITE.replace("proxy_read_timeout 1h; ", "")
    candidate = live.replace("proxy_buffering off;", "")
    question = Question("127.0.0.1", 80, "shop.example.com", "/events")
    for kind, held in (("text/event-stream", True), ("text/html", False)):
        insight = foresight(live, candidate)
        insight.before = {question: page(kind=kind)}
        said = [reason for _, reason in predictions(insight, [question])]
        assert bool(said) is held, said


@pytest.mark.parametrize(
    ("kind", "pages", "told"),
    [
        ("application/json", "error_page 404 /oops.html;", True),
        ("text/html", "error_page 404 /oops.html;", False),
        ("application/json", "error_page 404 @data;", False),
        ("application/json", "error_page 502 /oops.html;", False),
    ],
)
def test_programs_get_no_pages_for_people(kind: str, pages: str, *, told: bool) -> None:
    live = "server { listen 80; server_name shop.example.com; location / { %s proxy_pass http://10.0.0.1; } }"
    insight = foresight(live % "", live % f"proxy_intercept_errors on; {pages}")
    insight.before = {SHOP: page(kind=kind)}
    said = [reason for _, reason in predictions(insight, [SHOP])]
    assert said == (
        ["programs get the page /oops.html for the application's own 4xx (proxy_intercept_errors)"]
        if told
        else []
    )


def test_arguments_that_were_held_back() -> None:
    live = "server { listen 80; server_name shop.example.com; rewrite ^/old$ /new?%s permanent; root /srv; }"
    for old, new, told in (("a=1?", "a=1", True), ("a=1", "a=1", False), ("a=1", "b=1", False)):
        insight = foresight(live % old, live % new)
        said = [reason for _, reason in predictions(insight, [SHOP])]
        assert [("hands the old arguments on" in one) for one in said] == ([True] if told else [])
