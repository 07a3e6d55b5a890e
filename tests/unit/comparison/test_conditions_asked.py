"""Two real nginx: what a candidate does to those only who say something of themselves is seen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deployer.comparison import inquiry
from deployer.comparison.inquiry import Inquirer, Inquiry, Scope
from deployer.rollout.shown import document, table

from .twins import POSSIBLE, Twin, twins

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not POSSIBLE, reason="needs root, nginx and ip, for two network namespaces"),
]

LIVE = """
server { listen 80; server_name %s.example.com; location / { proxy_pass http://127.0.0.1:9001; } }
"""
NAMES = ("phones", "crawlers", "browsers", "consent", "beta", "words", "circle", "mobile", "old")
INSIDE = {
    "phones": "if ($http_user_agent ~* (iphone|android)) { return 302 https://m.elsewhere.org$request_uri; }",
    "crawlers": 'if ($http_user_agent ~* (semrush|ahrefs)) { return 403; } if ($http_user_agent = "") { return 444; }',
    "browsers": "if ($http_user_agent ~* (bot|mozilla)) { return 403; }",
    "consent": "if ($cookie_consent) { return 302 /account; }",
    "beta": "if ($cookie_beta = 1) { return 502; }",
    "words": 'if ($args ~* "(%20|union|select)") { return 403; }',
    "circle": "if ($lang = fr) { return 302 /fr$request_uri; }",
    "mobile": "set $m 9001; if ($http_user_agent ~ iPhone) { set $m 9002; }",
    "old": "if ($arg_p ~ ^[0-9]+$) { return 301 /posts/$arg_p?; }",
}
LANGUAGES = "map $http_accept_language $lang { default en; ~*^fr fr; }"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Twin, Twin]]:
    """Live, and a candidate in which each site has a condition of its own."""
    live = LANGUAGES + "".join(LIVE % name for name in NAMES) + LIVE % "m"
    candidate = LANGUAGES + LIVE % "m"
    for name in NAMES:
        candidate += (LIVE % name).replace("location", f"{INSIDE[name]} location", 1)
    candidate = candidate.replace("m 9002; } location / { proxy_pass http://127.0.0.1:9001", "m 9002; } location / { proxy_pass http://127.0.0.1:$m")  # fmt: skip
    with twins(tmp_path_factory.mktemp("conditions"), live, candidate) as made:
        yield made


@pytest.fixture(scope="module")
def found(both: tuple[Twin, Twin]) -> Inquiry:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inquiry, "AGAIN_S", 0.05)
        accepted = (("beta.example.com/", "closed"),)
        return Inquirer((both[0].sites, both[1].sites), both, Scope(accepted=accepted)).run()


def test_x(found: Inquiry) -> None:
    for d in found.comparison.worse: print("WORSE", d)
    for d in found.comparison.changed: print("changed", d)
    print("\n".join(table(found.comparison, most=60)))
    print(document(found.comparison)["changed"][:2])
    assert 0
