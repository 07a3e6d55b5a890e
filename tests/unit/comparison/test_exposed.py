"""What strangers may do, and what becomes of what users send: read, for no GET from the host shows it."""

from __future__ import annotations

import pytest

from deployer.comparison.reading.predictions import predictions

from .configured import at, foresight, moved, page

SERVER = "server { listen %s; server_name shop.example.com; root /srv; %s }"
FILES, APP = "location /drop/ { %s }", "location /drop/ { proxy_pass http://10.0.0.1; %s }"
WRITE = "dav_methods PUT DELETE;"
ANY = (
    "add_header Access-Control-Allow-Origin $http_origin always; "
    "add_header Access-Control-Allow-Credentials true always;"
)


def foretold(live: str, candidate: str, listen: str = "80") -> str:
    both = foresight(SERVER % (listen, live), SERVER % (listen, candidate))
    return " | ".join(reason for _, reason in predictions(both, [at("/drop/")]))


@pytest.mark.parametrize(
    ("candidate", "refused"),
    [
        (FILES % WRITE, True),
        (FILES % "dav_methods off;", False),
        (FILES % f"{WRITE} deny all;", False),
        (FILES % f"{WRITE} auth_basic staff;", False),
        (FILES % f"{WRITE} limit_except GET {{ deny all; }}", False),
        (FILES % f"{WRITE} limit_except GET PUT {{ deny all; }}", True),
        (FILES % f'{WRITE} if ($http_x_key != "plum") {{ return 403; }}', False),
        (f"ssl_verify_client on; {FILES % WRITE}", False),
    ],
)
def test_who_may_write(candidate: str, refused: bool) -> None:
    assert ("anybody may write there" in foretold(FILES % "", candidate)) is refused
    assert "write" not in foretold(candidate, candidate)


def test_on_loopback_only_the_host_writes() -> None:
    assert "write" not in foretold(FILES % "", FILES % WRITE, "127.0.0.1:80")


@pytest.mark.parametrize(
    ("candidate", "refused"),
    [
        (APP % ANY, True),
        (APP % ANY.replace("$http_origin", "$friend"), False),
        (APP % ANY.replace(" true", " false"), False),
        (APP % f"{ANY} allow 10.0.0.0/8; deny all;", False),
        (APP % f"if ($closed) {{ return 503; }} {ANY}", True),
        (APP % f"if ($http_origin !~ example) {{ return 403; }} {ANY}", False),
        (FILES % ANY, False),
    ],
)
def test_which_pages_may_ask(candidate: str, refused: bool) -> None:
    assert ("any page may ask" in foretold(APP % "", candidate)) is refused
    assert "any page" not in foretold(candidate, candidate)


@pytest.mark.parametrize(
    ("live", "status", "kept"),
    [
        ("client_max_body_size 20m;", 301, "308"),
        ("client_max_body_size 20m;", 302, "307"),
        ("client_max_body_size 0;", 301, "308"),
        ("client_max_body_size 20m;", 308, None),
        ("client_max_body_size 10k;", 301, None),
        ("", 301, None),
    ],
)
def test_a_redirect_loses_what_is_sent(live: str, status: int, kept: str | None) -> None:
    both = foresight(
        SERVER % ("80", APP % live), SERVER % ("80", f"location /drop/ {{ return {status} /new/; }}")
    )
    question = at("/drop/")
    both.before, both.after = {question: page()}, {question: moved("/new/", status)}
    found = " | ".join(reason for _, reason in predictions(both, [question]) if "by GET" in reason)
    assert (f"{kept} keeps it" in found) if kept else not found


@pytest.mark.parametrize(
    ("candidate", "refused"),
    [
        ("if ($request_method != GET) { return 405; }", True),
        ("if ($request_method !~ ^(GET|POST)$) { return 405; }", True),
        ("if ($request_method !~ ^(GET|HEAD|OPTIONS)$) { return 405; }", False),
        ("if ($request_method != POST) { return 405; }", False),  # GET is answered so as well
    ],
)
def test_head_is_answered_where_get_is(candidate: str, refused: bool) -> None:
    assert ("HEAD is refused" in foretold(FILES % "", f"{candidate} {FILES % ''}")) is refused
    assert "HEAD" not in foretold(f"{candidate} {FILES % ''}", f"{candidate} {FILES % ''}")
