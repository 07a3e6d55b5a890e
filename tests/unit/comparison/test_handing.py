"""Requests that are handed on as nobody means it, though every answer is as before."""

from __future__ import annotations

import pytest

from deployer.comparison.asked import AnswerClass
from deployer.comparison.judge import worse
from deployer.comparison.reading.predictions import predictions

from .configured import SHOP, at, foresight, page

REAL = "proxy_set_header Host $host; proxy_set_header X-Real-IP %s;"
OFFERS = "location /c/ { proxy_pass http://10.0.0.1; %s }"
SOCKET = "location /r/ { auth_basic x; proxy_pass %s; } location /p { return 200 pong; }"


def server(inside: str, more: str = "upstream r { server unix:/run/r.sock; }") -> str:
    return f"{more} server {{ listen 80; server_name shop.example.com; {inside} }}"


def foreseen(live: str, candidate: str, path: str = "/", answer: AnswerClass | None = None) -> str:
    question = at(path, SHOP)
    insight = foresight(server(live), server(candidate))
    insight.before = {question: answer or page()}
    return " ".join(reason for _, reason in predictions(insight, [question]))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("$remote_addr", "$http_x_real_ip", "X-Real-IP what the client says itself"),
        ("$remote_addr", "$server_addr", "$server_addr as X-Real-IP, whoever asks"),
        ("$remote_addr", "192.0.2.1", "192.0.2.1 as X-Real-IP"),
        ("$remote_addr", "$http_cf_connecting_ip", ""),  # a balancer in front says so
        ("$remote_addr", "$proxy_protocol_addr", ""),
        ("$http_x_real_ip", "$http_x_real_ip", ""),
        ("$http_x_real_ip", "$remote_addr", ""),
    ],
)
def test_who_asks_is_told_by_nginx_and_not_by_the_client(old: str, new: str, said: str) -> None:
    passed = "location / { proxy_pass http://10.0.0.1; }"
    found = foreseen(REAL % old + passed, REAL % new + passed)
    assert said in found if said else not found, found


@pytest.mark.parametrize(
    ("inside", "lost"),
    [
        ("location ~ ^/c/o/ { proxy_set_header X-O 1; proxy_pass http://10.0.0.1; }", True),
        (
            "location ~ o { proxy_set_header Host $host; proxy_pass http://10.0.0.1; }",
            False,
        ),
        ("location ~ ^/c/o/ { proxy_pass http://10.0.0.1; }", False),
        ("location ~ ^/c/o/ { proxy_set_header X-O 1; proxy_pass http://10.0.0.9; }", False),
    ],
)
def test_one_header_of_an_inner_location_hides_all_the_others(inside: str, *, lost: bool) -> None:
    told = REAL % "$remote_addr"
    found = foreseen(told + OFFERS % "", told + OFFERS % inside, "/c/o/x")
    assert ("which Host was asked for" in found) is lost, found


@pytest.mark.parametrize(
    ("target", "lost"),
    [
        ("http://unix:/run/r.sock:/", True),
        ("http://r/", True),
        ("http://unix:/run/r.sock", False),
        ("http://unix:/run/r.sock:", False),
        ("http://unix:/run/r.sock:/r/", False),
    ],
)
def test_a_path_that_is_lost_behind_a_password(target: str, *, lost: bool) -> None:
    found = foreseen(SOCKET % "http://r", SOCKET % target, "/r/x", page(status=401))
    assert ("the upstream is asked for /x" in found) is lost, found


@pytest.mark.parametrize(("text", "lost"), [('""', True), ("", True), ("ping", False)])
def test_a_text_that_is_empty_now(text: str, *, lost: bool) -> None:
    changed = (SOCKET % "http://r").replace("return 200 pong", f"return 200 {text}")
    found = foreseen(SOCKET % "http://r", changed, "/p")
    assert ("an empty answer now" in found) is lost, found


@pytest.mark.parametrize(
    ("says", "meant"),
    [
        ("allow 10.1.0.0/16;", False),
        ("allow 10.1.0.0/16; deny all;", True),
        ("allow all;", True),
        ("", False),
    ],
)
def test_a_list_that_keeps_nobody_out_opens_what_was_closed(says: str, *, meant: bool) -> None:
    live = "location /a/ { allow 10.0.0.0/16; deny all; proxy_pass http://10.0.0.1; %s }"
    inner = f"location /a/u {{ {says} proxy_pass http://10.0.0.1; }}"
    insight = foresight(server(live % ""), server(live % inner))
    reason = worse(at("/a/u"), page(status=403), page(), insight)
    # With a list and "deny all" it is another 403 for the host itself: that it is open now is no slip then.
    assert (reason is None) is (meant and "deny" not in says), reason


KNOWN = (
    "auth_request /check; auth_request_set $who $upstream_http_x_user; "
    "location = /check { internal; client_max_body_size %s; proxy_pass http://10.0.0.8; } "
    "location / { proxy_set_header Host $host; %s proxy_pass http://10.0.0.1; }"
)
SAYS = "proxy_set_header X-User $who;"


@pytest.mark.parametrize(
    ("new", "lost"),
    [
        (KNOWN % (0, ""), True),
        (KNOWN % (0, "proxy_set_header X-User '';"), False),  # nobody may say it
        (KNOWN % (0, "proxy_set_header X-User $remote_user;"), False),
        (KNOWN.replace("auth_request /check;", "", 1) % (0, ""), False),  # no login any more, told as that
        ((KNOWN % (0, "")).replace("10.0.0.1", "10.0.0.2"), False),
    ],
)
def test_whom_a_login_found_out_nobody_else_may_say(new: str, *, lost: bool) -> None:
    found = foreseen(KNOWN % (0, SAYS), new)
    assert ("no longer tells the application X-User ($who): whoever asks may say it" in found) is lost, found


@pytest.mark.parametrize(
    ("says", "status", "lost"),
    [
        ("error_page 401 403 = @no;", 403, True),
        ("error_page 401 403 = @no;", 404, False),  # told as what it is
        ("deny all;", 403, False),  # closed on purpose
        ("auth_request off;", 403, False),
    ],
)
def test_whoever_has_not_logged_in_is_asked_to(says: str, status: int, *, lost: bool) -> None:
    question, live = at("/", SHOP), KNOWN % (0, SAYS)
    insight = foresight(
        server(live), server(f"{live} {says}".replace("auth_request /check;", "", "off" in says))
    )
    insight.before, insight.after = {question: page(status=401)}, {question: page(status=status)}
    found = " ".join(reason for _, reason in predictions(insight, [question]))
    assert ("turned away, and not asked to" in found) is lost, found


@pytest.mark.parametrize(
    ("now", "lost"),
    [
        ("proxy_pass_request_body off;", True),
        ('proxy_pass_request_body off; proxy_set_header Content-Legnth "";', True),
        ('proxy_pass_request_body off; proxy_set_header Content-Length "0";', False),
        ("", False),
    ],
)
def test_a_login_does_not_wait_for_what_is_not_sent(now: str, *, lost: bool) -> None:
    asked = KNOWN.replace("internal;", "internal; %s") % ("%s", 0, SAYS)
    live = asked % 'proxy_pass_request_body off; proxy_set_header Content-Length "";'
    found = foreseen(live, asked % now)
    assert ("/check, which is asked first, waits for a body that is not sent" in found) is lost, found


@pytest.mark.parametrize(("size", "lost"), [("8", True), ("1k", True), ("0", False), ("100m", False)])
def test_what_is_asked_first_takes_the_size_of_the_body(size: str, *, lost: bool) -> None:
    found = foreseen(KNOWN % ("100m", SAYS), KNOWN % (size, SAYS))
    assert ("in /check, which is asked first: client_max_body_size is" in found) is lost, found
    assert ("(500)" in found) is lost


LOGIN = "location = /check { proxy_pass http://10.0.0.2; } location /b/ { %s proxy_pass http://10.0.0.1; }"
SETS = "auth_request_set $user $upstream_http_x_user;"


@pytest.mark.parametrize(
    ("kept", "now", "more", "lost"),
    [
        (f"{SETS} proxy_set_header X-U $user;", "proxy_set_header X-U $user;", "", True),
        ("set $user a; proxy_set_header X-U $user;", "proxy_set_header X-U $user;", "", True),
        ("set $user a; proxy_set_header X-U $who;", "proxy_set_header X-U $who;", "", True),  # by a table
        ("set $user a; add_header X-U $user;", "add_header X-U $user;", "", True),
        ("if ($args) { set $user a; } add_header X-U $user;", "add_header X-U $user;", "", True),
        # it was empty before, it is used no more, or another place sets it
        ("proxy_set_header X-U $user;", "proxy_set_header X-U $user; gzip on;", "", False),
        (f"{SETS} proxy_set_header X-U $user;", "proxy_set_header X-V 1;", "", False),
        (f"{SETS} add_header X-V $args;", "proxy_set_header X-U $user;", "", False),
        (f"{SETS} proxy_set_header X-U $user;", "proxy_set_header X-U $user;", "set $user b;", False),
        (f"{SETS} proxy_set_header X-U $user;", "proxy_set_header X-U $user;", SETS, False),
    ],
)
def test_a_variable_that_nothing_fills_any_more(kept: str, now: str, more: str, *, lost: bool) -> None:
    table = "map $user $who { default $user; }"
    other = "location /o { set $user c; return 200 $user; }"  # or nginx would refuse the candidate
    live, candidate = (
        f"{m} auth_request /check; {LOGIN % one} {other}" for one, m in ((kept, ""), (now, more))
    )
    question = at("/b/", SHOP)
    insight = foresight(server(live, table), server(candidate, table))
    insight.before = {question: page()}
    found = " ".join(reason for _, reason in predictions(insight, [question]))
    assert ("$user is empty here: nothing sets it any more" in found) is lost, found
