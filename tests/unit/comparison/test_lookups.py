"""Rows of tables that stand there and are not found any more."""

from __future__ import annotations

import pytest

from deployer.comparison.asked import Question
from deployer.comparison.asker import Asker
from deployer.comparison.reading.lookups import for_all_alike, forgotten, unfound
from deployer.comparison.routes import derive

from .configured import foresight, page, sites

VERSIONS = """
map $http_x_version $asked { default ""; 1 v1; 2 v2; }
map "$asked:$uri" $pool { default one; ~^v1: one; ~^v2: two; ~^:/v2/ two; }
server { listen 80; server_name api.example.com;
  location / { auth_request /check; proxy_pass http://$pool; } }
"""
TENANTS = """
map $tenant $pool { default shared; northsea large; }
map $tenant $closed { default 0; include closed.map; gone 1; }
server { listen 80; server_name ~^(?<tenant>[a-z]+)\\.example\\.com$;
  if ($closed) { return 302 /closed; } location / { proxy_pass http://$pool; } }
"""


def said_of(live: str, old: str, new: str) -> str:
    assert old in live
    candidate = live.replace(old, new, 1)
    questions = [r.question for r in derive(sites(live), sites(candidate)).routes]
    return "; ".join(f"{q}: {reason}" for q, reason in unfound(foresight(live, candidate), questions))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("~^:/v2/ two;", "/v2/ two;", "the row /v2/ of $pool is never found: $asked:$uri cannot be that"),
        ("~^v1: one;", "~^(v1)?: one;", "the row ~^:/v2/ of $pool is found no more: ~^(v1)?: comes before"),
        ('"$asked:$uri"', '"$asked$uri"', "of $pool is found no more: $asked$uri is looked up now"),
        (
            "$http_x_version",
            "$http_xversion",
            "looked up by $http_xversion now: whoever says $http_x_version",
        ),
        ("$http_x_version", "$cookie_version", "whoever says $http_x_version finds no row any more"),
    ],
)
def test_what_a_login_hides_is_read(old: str, new: str, expected: str) -> None:
    assert expected in said_of(VERSIONS, old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("~^:/v2/ two;", ""),  # taken out
        ("~^:/v2/ two;", "~^:/v[23]/ two;"),  # widened
        ("~^:/v2/ two;", "~^:/v2/new one; ~^:/v2/ two;"),  # an exception before it
        ("~^:/v2/ two;", "~^:/v2/ three;"),
        ("~^v2: two;", "~^v2: two; ~^v3: two;"),
        ("default one;", "default two;"),
        # The old one is looked at as well.
        (
            "map $http_x_version $asked {",
            "map $http_x_version $old { 1 1; } map $http_version $said { default $old; } map $said $asked {",
        ),
        (
            'map $http_x_version $asked { default "";',
            'map $http_x_version $old { default ""; 2 v2; } map $http_version $asked { default $old;',
        ),
        ("map $http_x_version $asked {", "map $http_x_forwarded_version $asked {"),
    ],
)
def test_what_is_written_anew_is_meant(old: str, new: str) -> None:
    assert said_of(VERSIONS, old, new) == ""


def test_another_text_is_looked_up_and_the_rows_stay() -> None:
    found = said_of(TENANTS, "map $tenant $pool", "map $host $pool")
    assert "northsea is not found in $pool any more: $host is looked up now" in found
    right = "map $host $pool { default shared; northsea.example.com large; }"
    assert said_of(TENANTS, "map $tenant $pool { default shared; northsea large; }", right) == ""


def test_a_table_that_lost_its_rows_with_its_include() -> None:
    # An include of nothing stays as it is written; a test of "if" never holds once the last row is gone.
    assert "$closed is always 0" in said_of(TENANTS, "include closed.map; gone 1;", "")
    assert said_of(TENANTS, "gone 1;", "") == "", "the table is empty and still read"


MOVED = """
map $uri $moved { default ""; /prices.asp /prices; /contact.asp /contact; ~^/x /y; }
server { listen 80; server_name old.example.com; if ($moved) { return 301 $moved; } }
"""


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (
            "/prices.asp /contact; /contact.asp /prices;",
            "/prices.asp and /contact.asp of $moved have exchanged",
        ),
        ("/prices.asp /contact; /contact.asp /contact;", ""),
        ("/contact.asp /contact; /prices.asp /prices;", ""),
        ("/prices.asp /new; /contact.asp /prices;", ""),
    ],
)
def test_two_rows_that_lead_where_the_other_led(new: str, said: str) -> None:
    found = said_of(MOVED, "/prices.asp /prices; /contact.asp /contact;", new)
    assert said in found if said else not found, found


ONES = VERSIONS.replace("auth_request /check; ", "")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("2 v2;", "6 v2;", "$asked has no row any more that tester is found by"),
        ("2 v2;", "", "$asked has no row any more that tester is found by"),
        ("2 v2;", "2 v1;", ""),
        ("1 v1;", "", ""),  # nobody that the playbook names says so
    ],
)
def test_whom_the_playbook_lets_ask_is_found(old: str, new: str, said: str) -> None:
    tester = Asker("tester", (("X-Version", "2"),))
    question = Question("127.0.0.1", 80, "api.example.com", "/", asker=tester)
    found = forgotten(foresight(ONES, ONES.replace(old, new, 1)), [question])
    assert "; ".join(reason for _, reason in found) == said


def test_a_table_that_nobody_uses_says_nothing() -> None:
    unused = VERSIONS.replace("http://$pool", "http://one")
    assert said_of(unused, "~^v1: one;", "~^(v1)?: one;") == ""


SITES = (
    "server { listen 80; server_name ~^(?<who>[a-z]+)\\.example\\.com$; root /srv%s; location /a/ { %s } }"
)


@pytest.mark.parametrize(
    ("now", "inside", "new", "said"),
    [
        ("", "", "all have", True),
        ("/$who/public", "", "all have", False),  # still out of its own
        ("", "", "mine", False),
        ("", "proxy_pass http://10.0.0.1;", "all have", False),  # an application says it
    ],
)
def test_what_is_out_of_ones_own_directory(now: str, inside: str, new: str, *, said: bool) -> None:
    mine = Question("127.0.0.1", 80, "north.example.com", "/a/style.css")
    insight = foresight(SITES % ("/$who", inside), SITES % (now, inside))
    insight.before, insight.after = {mine: page("mine")}, {mine: page(new)}
    sides = [insight.standing(s, mine) for s in (insight.live, insight.candidate)]
    assert sides[0] is not None
    assert sides[1] is not None
    found = for_all_alike(insight, mine, sides[0], sides[1])
    assert ("root has no $who any more" in str(found)) is said


LOGO = """
server { listen 80; server_name ~^(?<tenant>[a-z]+)\\.example\\.com$;
  location = /logo.svg { root /srv; try_files /$tenant/logo.svg /logo.svg =404; } }
"""


@pytest.mark.parametrize(
    ("new", "got", "said"),
    [
        (LOGO.replace("/$tenant/logo", "/$host/logo"), "ours", True),
        (LOGO.replace("/$tenant/logo", "/$host/logo"), "theirs, new", False),
        (LOGO.replace("root /srv", "root /srv/new"), "ours", False),  # still looked for by name
    ],
)
def test_what_is_ones_own_becomes_what_all_have(new: str, got: str, said: bool) -> None:
    mine, other = (Question("127.0.0.1", 80, f"{n}.example.com", "/logo.svg") for n in ("north", "probe"))
    insight = foresight(LOGO, new)
    insight.before = {mine: page("theirs"), other: page("ours")}
    insight.after = {mine: page(got), other: page("ours")}
    sides = [insight.standing(s, mine) for s in (insight.live, insight.candidate)]
    assert sides[0] is not None
    assert sides[1] is not None
    assert (for_all_alike(insight, mine, sides[0], sides[1]) is not None) is said
