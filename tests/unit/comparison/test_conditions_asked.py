"""Two real nginx: what a candidate does to those only who say something of themselves is seen."""

from __future__ import annotations

import pytest

from deployer.comparison import inquiry
from deployer.comparison.inquiry import Inquirer, Inquiry, Scope
from deployer.rollout.shown import document, table

from .twins import POSSIBLE, twins

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not POSSIBLE, reason="needs root, nginx and ip, for two network namespaces"),
]

SITE = "server { listen 80; server_name %s.example.com; %s location / { proxy_pass http://%s; } }\n"
APP, BLOG = "127.0.0.1:9001", "127.0.0.1:9002"
LANGUAGES = "map $http_accept_language $lang { default en; ~*^fr fr; }\n"
INSIDE = {
    "phones": "if ($http_user_agent ~* (iphone|android)) { return 302 https://m.elsewhere.org$request_uri; }",
    "crawlers": 'if ($http_user_agent ~* semrush) { return 403; } if ($http_user_agent = "") { return 444; }',
    "browsers": "if ($http_user_agent ~* (bot|mozilla)) { return 403; }",
    "beta": "if ($cookie_beta = 1) { return 502; }",
    "preview": "if ($cookie_preview) { return 500; }",
    "words": 'if ($args ~* "(%20|union|select)") { return 403; }',
    "circle": "if ($lang = fr) { return 302 /fr$request_uri; }",
    "mobile": f"set $to {APP}; if ($http_user_agent ~ iPhone) {{ set $to {BLOG}; }}",
    "posts": "if ($arg_p ~ ^[0-9]+$) { return 301 /posts/$arg_p?; }",
}
"""What each site of the candidate tests that live's does not."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Inquiry:
    """What came of asking both."""
    blog = SITE % ("m", "", BLOG)
    live = LANGUAGES + blog + "".join(SITE % (name, "", APP) for name in INSIDE)
    candidate = LANGUAGES + blog
    candidate += "".join(SITE % (n, x, "$to" if "$to" in x else APP) for n, x in INSIDE.items())
    scope = Scope(accepted=(("beta.example.com/", "the beta is over"),))
    with (
        pytest.MonkeyPatch.context() as patch,
        twins(tmp_path_factory.mktemp("conditions"), live, candidate) as (one, two),
    ):
        patch.setattr(inquiry, "AGAIN_S", 0.05)
        return Inquirer((one.sites, two.sites), (one, two), scope).run()


def test_what_ordinary_users_meet_is_worse(found: Inquiry) -> None:
    said = {str(d.question).partition(" at ")[0]: d.reason for d in found.comparison.worse}
    french = "(Accept-Language: fr-FR,fr;q=0.9,en;q=0.8)"
    assert set(said) == {
        "browsers.example.com (User-Agent: …iPhone…)",
        "preview.example.com (Cookie: preview=1)",
        "words.example.com/?q=two%20words",
        f"circle.example.com {french}",
    }
    assert "redirected more than 6 times" in said[f"circle.example.com {french}"]


def test_what_else_differs_is_shown_with_what_was_said(found: Inquiry) -> None:
    rows = {line[:47].partition("  ")[0]: line for line in table(found.comparison)}
    assert "302 → https://m.elsewhere.org/" in rows["phones.example.com/ (User-Agent: …iPhone…)"]
    assert "only such requests are refused" in rows["crawlers.example.com/ (User-Agent: semrush)"]
    assert "closed without an answer" in rows["crawlers.example.com/ (User-Agent: none)"]
    assert "only such requests" in rows["browsers.example.com/ (User-Agent: …Googlebot…)"]
    assert "accepted: the beta is over" in rows["beta.example.com/ (Cookie: beta=1)"]
    assert "another content" in rows["mobile.example.com/ (User-Agent: …iPhone…)"]
    assert "301 → " in rows["posts.example.com/?p=00000"]
    kept = {(row["route"], row.get("with")) for row in document(found.comparison)["changed"]}
    assert ("beta.example.com/", "Cookie: beta=1") in kept
    assert ("crawlers.example.com/", "User-Agent: semrush") in kept
    assert all(row["with"] for row in document(found.comparison)["worse"])
