"""What has taken the place of an application, as nobody means it."""

from __future__ import annotations

import pytest

from deployer.comparison.asked import AnswerClass
from deployer.comparison.reading.predictions import predictions

from .configured import at, foresight, page

GROUPS = "upstream a { server 10.0.0.1; } upstream b { server 10.0.0.2; server 10.0.0.3; } "
LOGIN = page("who are you", status=401)


def foreseen(live: str, candidate: str, path: str, old: AnswerClass = LOGIN, new: AnswerClass = LOGIN) -> str:
    """What is predicted of a path; both are what stands in the shop's server."""
    server = "%s server { listen 80; server_name shop.example.com; root /srv; %s }"
    one, two = (text if "server_name" in text else server % (GROUPS, text) for text in (live, candidate))
    question, insight = at(path), foresight(one, two)
    insight.before, insight.after = {question: old}, {question: new}
    return " ".join(reason for _, reason in predictions(insight, [question]))


@pytest.mark.parametrize(
    ("now", "lost"),
    [
        ("", True),
        ("auth_basic x;", True),
        ("proxy_read_timeout 9s;", True),
        ("proxy_pass http://b;", False),
        ("try_files $uri =404;", False),
        ("alias /srv/r/;", False),
        ("return 302 /;", False),
        ("if ($arg_x) { proxy_pass http://a; }", False),
    ],
)
def test_a_location_that_hands_nothing_on_any_more(now: str, *, lost: bool) -> None:
    found = foreseen("location /r/ { proxy_pass http://a; }", f"location /r/ {{ {now} }}", "/r/x")
    assert ("hands nothing on any more: proxy_pass is gone" in found) is lost, found


@pytest.mark.parametrize(
    ("around", "lost"),
    [("", True), ("root /srv;", False), ("return 404;", False), ("location / { return 404; }", False)],
)
def test_a_location_that_is_gone_and_nothing_is_there(around: str, *, lost: bool) -> None:
    rooted = "server { listen 80; server_name shop.example.com; %s }"
    live = rooted % "location / { deny 10.9.9.9; proxy_pass http://10.0.0.1; } location /a { return 200 a; }"
    found = foreseen(live, rooted % f"location /a {{ return 200 a; }} {around}", "/x")
    assert ("nothing answers there any more: proxy_pass is gone" in found) is lost, found


@pytest.mark.parametrize(
    ("now", "lost"),
    [
        ("location = /r/ { proxy_pass http://a; }", True),
        ("location = /r/ { return 200 x; }", True),
        ("location = /r/ { return 200 x; } location /r/ { proxy_pass http://a; }", False),
        ("location = /r/ { return 200 x; } location / { proxy_pass http://a; }", False),
        ("location ^~ /r/ { proxy_pass http://a; }", False),
    ],
)
def test_a_location_that_takes_its_own_path_only(now: str, *, lost: bool) -> None:
    found = foreseen("location /r/ { proxy_pass http://a; }", now, "/r/x")
    assert ("location = /r/ takes that path alone" in found) is lost, found


@pytest.mark.parametrize(
    ("path", "now", "lost"),
    [
        ("/login", "return 200 pong;", True),
        ("/health", "return 200 up;", False),
        ("/login", "return 204;", False),
        ("/login", "return 302 /in;", False),
        (
            "/login",
            "return 200 pong; proxy_pass http://a;",
            False,
        ),  # what stands beside a return has its rule
    ],
)
def test_a_text_for_everybody_where_an_application_answered(path: str, now: str, *, lost: bool) -> None:
    live = f"location = {path} {{ proxy_pass http://a; }}"
    found = foreseen(live, f"location = {path} {{ {now} }}", path, page("a form"), page("pong"))
    assert ("no application is asked any more" in found) is lost, found


@pytest.mark.parametrize(
    ("kind", "live", "now", "lost"),
    [
        ("", "rewrite ^/f/(.*)$ /p/$1 permanent;", "return 200 pong;", True),
        ("", "try_files $uri =404;", "return 200 pong;", False),  # a page was, and a page is
        ("=", "try_files $uri =404;", "return 200 pong;", False),
        ("", "return 200 ping;", "return 200 pong;", False),
        ("", "try_files $uri =404;", "return 301 /;", False),
    ],
)
def test_one_text_for_all_that_is_below(kind: str, live: str, now: str, *, lost: bool) -> None:
    one, two = (f"location {kind} /f/ {{ {text} }}" for text in (live, now))
    found = foreseen(one, two, "/f/", page("files"), page("pong"))
    assert ("answers all that is below it with one text" in found) is lost, found


ROOTED = "server { listen 80; server_name shop.example.com; %s location / { %s } }"


@pytest.mark.parametrize(
    ("live", "now", "lost"),
    [
        (("root /srv;", "try_files $uri =404;"), ("", "try_files $uri =404;"), True),
        (("root /srv;", ""), ("", ""), True),
        (("root /srv;", ""), ("", "root /srv/www;"), False),
        (("root /srv;", ""), ("", "return 404;"), False),
        (("root /srv;", ""), ("", "proxy_pass http://10.0.0.1;"), False),
        (("", ""), ("", ""), False),
    ],
)
def test_a_root_that_is_gone(live: tuple[str, str], now: tuple[str, str], *, lost: bool) -> None:
    found = foreseen(ROOTED % live, ROOTED % now, "/")
    assert ("the root that held there is gone" in found) is lost, found


def test_a_new_name_says_for_itself_what_it_answers() -> None:
    inside = "root /srv; location / { rewrite ^/(.*)$ /p/$1; proxy_pass http://10.0.0.1; }"
    rest = f"server {{ listen 80 default_server; {inside} }} "
    new = "server { listen 80; server_name shop.example.com; location / { return 200 new; } }"
    assert foreseen(f"{rest}# server_name\n", rest + new, "/x", page("old"), page("new")) == ""


CROSSED = "server { listen 80; server_name shop.example.com; location / { proxy_pass http://a; } }"


@pytest.mark.parametrize(
    ("old", "new", "servers", "lost"),
    [
        (LOGIN, LOGIN, "server 10.0.0.2; server 10.0.0.3;", True),
        (page("a"), page("b"), "server 10.0.0.2; server 10.0.0.3;", True),
        (page(""), page(""), "server 10.0.0.2; server 10.0.0.3;", True),  # another page each time
        (page("a"), page("a"), "server 10.0.0.2; server 10.0.0.3;", False),
        (LOGIN, LOGIN, "server 10.0.0.4;", False),  # it moved
        (LOGIN, LOGIN, "server 10.0.0.1; server 10.0.0.2; server 10.0.0.3;", False),
        (LOGIN, LOGIN, "server 10.0.0.2;", False),
    ],
)
def test_an_upstream_that_asks_the_servers_of_another(
    old: AnswerClass, new: AnswerClass, servers: str, *, lost: bool
) -> None:
    now = GROUPS.replace("server 10.0.0.1;", servers, 1)
    found = foreseen(GROUPS + CROSSED, now + CROSSED, "/x", old, new)
    assert ("upstream a asks the servers of b" in found) is lost, found


def test_one_that_a_variable_names_and_one_that_takes_over() -> None:
    swapped = GROUPS.replace("server 10.0.0.1;", "server 10.0.0.2; server 10.0.0.3;", 1)
    table = "map $arg_t $to { default a; } " + CROSSED.replace("http://a", "http://$to")
    assert "upstream a asks the servers of b" in foreseen(GROUPS + table, swapped + table, "/")
    alone = "upstream a { server 10.0.0.2; server 10.0.0.3; } "
    assert not foreseen(GROUPS + CROSSED, alone + CROSSED, "/x"), "b is no more: a has taken over"


def test_another_upstream_that_is_named_is_meant() -> None:
    found = foreseen("location / { proxy_pass http://a; }", "location / { proxy_pass http://b; }", "/x")
    assert found == ""


@pytest.mark.parametrize(
    ("now", "lost"),
    [("proxy_pass http://a;", True), ("internal; proxy_pass http://a;", True), ("root /srv/new;", False)],
)
def test_the_page_for_errors_is_not_asked_of_what_fails(now: str, *, lost: bool) -> None:
    server = "error_page 502 504 /sorry; location = /sorry { %s } location / { proxy_pass http://a; }"
    found = foreseen(server % "internal;", server % now, "/sorry", page(status=404), page(status=404))
    assert ("the page for 502, 504 is asked of the application" in found) is lost, found
