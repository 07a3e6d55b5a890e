"""New locations within closed ones, and address lists that close more than was meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.comparison.reading.predictions import predictions

from .configured import at, foresight, page

SITE = "server { listen 80; server_name shop.example.com; location / { proxy_pass http://10.0.0.1; } %s }"
ADMIN = "location /admin/ { allow 10.20.0.0/16; deny all; proxy_pass http://10.0.0.1; } "
STAFF = "location /staff/ { auth_basic staff; auth_basic_user_file users; root /srv; } "
ASKED = "location / { auth_request /may; proxy_pass http://10.0.0.1; } "
REPORT = "location = /admin/report { proxy_pass http://10.0.0.1; proxy_read_timeout 300s; }"


@pytest.mark.parametrize(
    ("closed", "more", "path", "climbed"),
    [
        (ADMIN, REPORT, "/admin/report", True),
        (ADMIN, REPORT.replace("= ", "^~ "), "/admin/report", True),
        (STAFF, "location /staff/lists/ { root /srv; autoindex off; }", "/staff/lists/", True),
        (ADMIN, REPORT.replace("{", "{ allow all;"), "/admin/report", False),
        (ADMIN, REPORT.replace("{", "{ satisfy any;"), "/admin/report", False),
        (ADMIN, REPORT.replace("10.0.0.1", "10.0.0.9"), "/admin/report", False),  # somebody else's
        (ADMIN, "location = /admin/ping { return 200 pong; }", "/admin/ping", False),
        (ADMIN.replace("/admin/ ", "/ "), REPORT.replace("= /admin", "/hook"), "/hook/report", False),
        (ADMIN.replace("/admin/ ", "/ "), REPORT.replace("= ", ""), "/admin/report", True),
        (ASKED, REPORT.replace("= ", ""), "/admin/report", True),
        (ASKED, REPORT.replace("{", "{ auth_request off;"), "/admin/report", False),
        (ASKED.replace("10.0.0.1", "$pool"), REPORT.replace("= ", ""), "/admin/report", True),
    ],
)
def test_a_part_of_what_is_closed_opens_only_on_purpose(
    closed: str, more: str, path: str, *, climbed: bool
) -> None:
    live = SITE.replace("location / { proxy_pass http://10.0.0.1; }", "") if "location / " in closed else SITE
    insight = foresight(live % closed, live % (closed + more))
    assert (insight.opened(at(path)) is None) is climbed
    told = [reason for _, reason in predictions(insight, [at(path)]) if "open to the public" in reason]
    assert bool(told) is climbed


@pytest.mark.parametrize(
    ("live", "candidate", "wide"),
    [
        ("", "deny 198.0.0.0/8;", True),
        ("deny 203.0.113.0/24;", "deny 203.0.113.0/24; deny 64.0.0.0/3;", True),
        ("", "deny 2a00::/12;", True),
        ("", "deny 203.0.113.0/24; deny 17.58.0.0/16; deny 2a00:1450::/32;", False),
        ("", "deny 10.0.0.0/8; deny 240.0.0.0/4; deny 127.0.0.0/8; deny fc00::/7;", False),
        ("deny 198.0.0.0/8;", "deny 198.0.0.0/8; deny 203.0.113.7;", False),
        ("", "allow 10.0.0.0/8; deny all;", False),  # that is told in other words
        ("", "deny unix:;", False),
    ],
)
def test_no_one_network_is_as_wide_as_that(live: str, candidate: str, *, wide: bool) -> None:
    insight = foresight(live + SITE % "", candidate + SITE % "")
    found = [reason for _, reason in predictions(insight, [at("/")]) if "addresses at once" in reason]
    assert bool(found) is wide


def test_a_new_site_may_shut_out_whom_it_likes() -> None:
    new = SITE.replace("shop.example.com", "new.example.com") % "deny 198.0.0.0/8;"
    insight = foresight(SITE % "", SITE % "" + new)
    asked = replace(at("/"), name="new.example.com")
    insight.before, insight.after = {asked: page(status=404)}, {asked: page()}
    assert not list(predictions(insight, [asked]))


STORE = "location /store/ { %s alias /srv/store/; } "


@pytest.mark.parametrize(
    ("live", "candidate", "open_now"),
    [
        (STORE % "internal;", STORE % "", True),
        (STORE % "internal;", STORE % "internal;", False),
        (STORE % "internal;", STORE % "allow 10.0.0.0/8; deny all;", False),
        (STORE % "internal;", "", False),
        (STORE % "", STORE % "", False),
        ("location = /50x.html { internal; root /srv; }", "location = /50x.html { root /srv; }", False),
        ("location /x/ { internal; return 204; }", "location /x/ { return 204; }", False),
    ],
)
def test_what_only_nginx_asked_for_stays_its_own(live: str, candidate: str, *, open_now: bool) -> None:
    insight = foresight(SITE % live, SITE % candidate)
    asked = [at("/store/"), at("/50x.html"), at("/x/")]
    found = [reason for _, reason in predictions(insight, asked) if "no longer internal" in reason]
    assert bool(found) is open_now


LINE = (
    "server { listen 8443 proxy_protocol; server_name shop.example.com; real_ip_header %s;"
    " %s location / { proxy_pass http://10.0.0.1; } }"
)
LIST = "allow 203.0.113.0/24; deny all;"


@pytest.mark.parametrize(
    ("live", "candidate", "told"),
    [
        (LINE % ("proxy_protocol", LIST), LINE % ("X-Forwarded-For", LIST), True),
        (LINE % ("proxy_protocol", LIST), (LINE % ("x", LIST)).replace("real_ip_header x;", ""), True),
        (LINE % ("proxy_protocol", LIST), LINE % ("proxy_protocol", LIST), False),
        (LINE % ("X-Forwarded-For", LIST), LINE % ("X-Real-IP", LIST), False),
        (LINE % ("proxy_protocol", ""), LINE % ("X-Forwarded-For", ""), False),
        (
            LINE % ("proxy_protocol", LIST),
            (LINE % ("X-Forwarded-For", LIST)).replace(" proxy_protocol;", ";", 1),
            False,  # there is no balancer with PROXY lines any more
        ),
    ],
)
def test_an_address_list_goes_on_to_meet_clients(live: str, candidate: str, *, told: bool) -> None:
    asked = replace(at("/"), port=8443)
    found = [r for _, r in predictions(foresight(live, candidate), [asked]) if "meet the balancer" in r]
    assert bool(found) is told


DEFAULTS = "server { listen 80 default_server; server_name _; %s } " + SITE % ""
MADE_IT = (SITE % "").replace("listen 80;", "listen 80 default_server;")


@pytest.mark.parametrize(
    ("live", "candidate", "told"),
    [
        (DEFAULTS % "return 444;", SITE % "", True),
        (DEFAULTS % "ssl_reject_handshake on;", SITE % "", True),
        (DEFAULTS % "return 404;", SITE % "", True),
        (DEFAULTS % "root /srv;", SITE % "", False),  # which is seen by asking
        (DEFAULTS % "return 444;", MADE_IT, False),
        (DEFAULTS % "return 444;", (DEFAULTS % "return 444;").replace(" default_server", ""), False),
        (DEFAULTS % "return 444;", (SITE % "").replace("listen 80;", "listen 81;"), False),
    ],
)
def test_strangers_meet_no_site_by_chance(live: str, candidate: str, *, told: bool) -> None:
    found = [r for _, r in predictions(foresight(live, candidate), []) if "which were refused" in r]
    assert bool(found) is told
