"""New locations within closed ones, and address lists that close more than was meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.comparison.reading.predictions import predictions

from .configured import at, foresight, page

SITE = "server { listen 80; server_name shop.example.com; location / { proxy_pass http://10.0.0.1; } %s }"
ADMIN = "location /admin/ { allow 10.20.0.0/16; deny all; proxy_pass http://10.0.0.1; } "
STAFF = "location /staff/ { auth_basic staff; auth_basic_user_file users; root /srv; } "
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
        (ADMIN.replace("/admin/ ", "/ "), REPORT.replace("= ", ""), "/admin/report", False),
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
