"""What no answer shows is named, and nothing else is."""

from __future__ import annotations

import pytest

from deployer.comparison.asked import AnswerClass
from deployer.comparison.reading.unshown import telling, unshown

from .configured import SHOP, at, foresight, moved, page

BASE = """
upstream storefront { server 10.0.0.1; }
upstream reports { server unix:/run/reports.sock; }
map $http_x_staff $staff { default 0; yes 1; }
server { listen 80; server_name shop.example.com;
  location / { proxy_pass http://storefront; }
  location /reports/ { auth_basic x; proxy_pass http://reports; }
  location /staff/ { if ($staff = 0) { return 404; } root /srv; }
}
server { listen 80; server_name blog.example.com; location / { root /srv/blog; } }
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("unix:/run/reports.sock", "unix:/run/other.sock", "unix:/run/other.sock"),
        (
            "auth_basic x;",
            "auth_basic x; proxy_read_timeout 1s;",
            "proxy_read_timeout 1s (in shop.example.com",
        ),
        ("auth_basic x;", "", "without auth_basic x (in shop.example.com location /reports/)"),
        ("yes 1", "yes 2", "yes 2, without yes 1 (in map $http_x_staff $staff)"),
        (
            "root /srv/blog;",
            "root /srv/blog; limit_except GET { deny all; }",
            "deny all (in blog.example.com",
        ),
        ("return 404;", "return 410;", "return 410"),
    ],
)
def test_what_is_changed_and_answered_as_before_is_named(old: str, new: str, said: str) -> None:
    changed = BASE.replace(old, new, 1)
    assert said in str(unshown(foresight(BASE, changed), []))
    assert said in str(unshown(foresight(BASE, changed), [at("/elsewhere")])), (
        "another place says nothing of it"
    )


@pytest.mark.parametrize(
    ("old", "new", "asked"),
    [
        ("unix:/run/reports.sock", "unix:/run/other.sock", "/reports/x"),
        ("auth_basic x;", "", "/reports/"),
        ("yes 1", "yes 2", "/staff/"),
        ("return 404;", "return 410;", "/staff/"),
        ("server_name shop.example.com;", "server_name shop.example.com; gzip on;", "/"),
        ("10.0.0.1", "10.0.0.2", "/"),
    ],
)
def test_what_an_answer_shows_is_not(old: str, new: str, asked: str) -> None:
    assert unshown(foresight(BASE, BASE.replace(old, new, 1)), [at(asked)]) is None


@pytest.mark.parametrize(
    "candidate",
    [
        BASE,
        BASE.replace("\n", "\n\n# a remark\n"),
        BASE.replace("root /srv;", "root /srv; access_log off;"),
        BASE.replace("listen 80;", "listen 80; listen 80;", 1).replace("listen 80; listen 80;", "listen 80;"),
    ],
)
def test_what_changes_nothing_for_anybody_is_not(candidate: str) -> None:
    assert unshown(foresight(BASE, candidate), []) is None


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (page(referrer_policy="no-referrer"), True),
        (page(strict_transport_security="max-age=1"), True),
        (page(status=204), True),
        (page(kind="text/plain"), True),
        (moved("/x"), True),
        (AnswerClass("the connection was refused"), True),
        (page("another page"), False),
        (page(), False),
    ],
)
def test_an_answer_says_something_when_it_differs_in_what_a_configuration_decides(
    new: AnswerClass, *, said: bool
) -> None:
    assert telling(page(), new) is said


def test_many_places_are_counted() -> None:
    servers = "".join(f"server {{ listen 80; server_name n{n}.example; root /a; }}" for n in range(9))
    said = str(unshown(foresight(servers, servers.replace("/a", "/b")), []))
    assert said.endswith("and 4 more places"), said
    assert unshown(foresight(servers, servers), [SHOP]) is None
