"""Names and paths that only tables tell apart are asked for by name."""

from __future__ import annotations

import pytest

from deployer.comparison.asked import Question
from deployer.comparison.asking.follow import led_others
from deployer.comparison.naming import MOST_NAMES
from deployer.comparison.routes import QUERY, derive

from .configured import moved, sites

SERVER = """
server { listen 80; server_name "~^(?<tenant>[a-z][a-z0-9-]+)\\.app\\.example\\.com$";
  if ($closed) { return 302 /closed; }
  location / { proxy_pass http://$pool; }
  location = /logo.svg { root /srv; try_files /$tenant/logo.svg =404; }
  location = /health { return 200; } }
"""
POOLS = "map $tenant $pool { default shared; northsea large; ~^fjord- north; }"
CLOSED = "map $tenant $closed { default 0; gone 1; }"
BASE = f"{POOLS} {CLOSED} {SERVER}"


def asked(live: str, candidate: str | None = None) -> set[str]:
    routes = derive(sites(live), sites(candidate or live)).routes
    return {r.question.name + r.question.path for r in routes if not r.question.said}


@pytest.mark.parametrize("tenant", ["northsea", "fjord-1", "gone"])
def test_a_row_of_a_table_is_asked_for_as_the_name_that_finds_it(tenant: str) -> None:
    found = asked(BASE)
    assert f"{tenant}.app.example.com/" in found
    assert f"{tenant}.app.example.com/logo.svg" in found, "what is another thing for each of them"
    assert f"{tenant}.app.example.com/health" not in found


def test_the_rows_of_either_side_are_asked_for() -> None:
    assert "gone.app.example.com/" in asked(BASE, BASE.replace("gone 1;", ""))
    assert "baltic.app.example.com/" in asked(BASE, BASE.replace("gone 1;", "gone 1; baltic 1;"))
    by_host = BASE.replace("map $tenant $pool", "map $host $pool")
    assert "northsea.app.example.com/" in asked(BASE, by_host)


def test_a_row_that_no_name_can_be_is_left_out_and_many_are_too_many() -> None:
    odd = BASE.replace("northsea large;", "9north large; 'a b' large;")
    assert not {n for n in asked(odd) if n.startswith(("9north", "a b"))}
    many = BASE.replace("gone 1;", " ".join(f"t{n} 1;" for n in range(50)))
    assert len({n for n in asked(many) if n.endswith(".app.example.com/")}) == MOST_NAMES + 1
    changed = many.replace("t40 1;", "t40 0;")
    assert "t40.app.example.com/" in asked(many, changed), "what changes comes first"


MOVED = """
map $uri $moved { default ""; /prices.html /plans/; /old.php https://docs.example.com/; }
server { listen 80; server_name www.example.com; root /srv;
  if ($moved) { return 301 $moved; } }
server { listen 80; server_name other.example.com; root /srv; }
"""


def test_where_a_table_leads_is_asked_for_and_its_rows_with_arguments() -> None:
    found = asked(MOVED)
    assert {f"www.example.com{p}" for p in ("/plans/", "/prices.html", f"/prices.html{QUERY}")} <= found
    assert "other.example.com/plans/" not in found
    assert f"other.example.com/prices.html{QUERY}" not in found


def test_one_more_name_is_led_where_others_of_the_same_kind_are_led() -> None:
    closed, mine = (Question("127.0.0.1", 80, f"{n}.app.example.com") for n in ("gone", "mine"))
    other = Question("127.0.0.1", 80, "shop.example.com")
    before = {closed: moved("https://www.example.com/closed?tenant=gone")}
    to = moved("https://www.example.com/closed?tenant=mine")
    assert led_others(mine, to, before)
    assert not led_others(mine, moved("https://www.example.com/shut"), before)
    assert not led_others(other, to, before), "another kind of name"
    assert not led_others(mine, to, {mine: before[closed]}), "only itself"
