"""What is derived from two configurations, and in which order."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.comparison.asked import Question
from deployer.comparison.routes import STRANGER, Origin, Questions, covers, derive, route_text
from deployer.comparison.seen import seen_by

from .configured import SHOP, sites

LIVE = """
upstream app { server 127.0.0.1:9000; }
map $uri $new { /moved /there; ~^/old/ /new; default ""; }
server { listen 80 default_server; server_name _; return 444; }
server { listen 80; listen 443 ssl; server_name shop.example.com www.shop.example.com *.tenant.example.com;
  location / { proxy_pass http://app; }
  location = /exact { return 200; }
  location /api/ { proxy_pass http://app; }
  location ~ \\.php$ { return 404; }
  location @named { return 200; }
  location /inner/ { internal; }
  rewrite ^/legacy/(.*)$ /api/$1;
  if ($request_uri ~ ^/promo) { return 302 /; }
}
"""


def asked(live: str, candidate: str | None = None, **options: object) -> Questions:
    return derive(sites(live), sites(live if candidate is None else candidate), **options)  # type: ignore[arg-type]


def paths(found: Questions, name: str = "shop.example.com", port: int = 80) -> set[str]:
    return {r.question.path for r in found.routes if r.question.name == name and r.question.port == port}


def test_what_a_configuration_can_be_asked() -> None:
    found = asked(LIVE)
    assert paths(found) >= {
        *("/", "/exact", "/api/", "/api/deployer-probe?deployer=probe", "/probe.php", "/api/probe.php"),
        *("/legacy/", "/promo", "/moved", "/old/", "/.git/HEAD", "/deployer-probe?deployer=probe"),
    }
    assert not {p for p in paths(found) if "named" in p or p in ("/inner/", "/inner/deployer-probe")}
    assert paths(found, "www.shop.example.com") == {"/"}
    assert paths(found, "deployer-probe.tenant.example.com") == {"/"}
    assert paths(found, "") >= {"/"}
    assert paths(found, STRANGER) == {"/"}
    dialects = {r.question.port: r.dialect for r in found.routes}
    assert dialects == {80: (False, False), 443: (True, False)}


def test_both_sides_are_asked_what_either_knows() -> None:
    new = LIVE + "server { listen 81; server_name new.example.com; location /only/here { return 200; } }"
    forth, back = asked(LIVE, new), asked(new, LIVE)
    assert {r.question for r in forth.routes} == {r.question for r in back.routes}
    assert "/only/here" in paths(forth, "new.example.com", 81)


def test_an_address_that_one_of_them_names_is_asked_for_every_name_of_the_port() -> None:
    special = LIVE + "server { listen 10.0.0.5:80; server_name special.example.com; }"
    found = {r.question for r in asked(LIVE, special).routes}
    assert Question("10.0.0.5", 80, "shop.example.com") in found
    loopback = LIVE + "server { listen 127.0.0.1:80; server_name special.example.com; }"
    found = {r.question for r in asked(LIVE, loopback).routes}
    assert Question("127.0.0.2", 80, "shop.example.com") in found


def test_the_cap_leaves_the_names_and_what_changes() -> None:
    many = "".join(
        f"server {{ listen 80; server_name s{n}.example.com; location /{n}/ {{ return 200; }} }}"
        for n in range(60)
    )
    changed = many.replace("server_name s41.example.com;", "server_name s41.example.com; gzip on;")
    found = asked(many, changed, cap=80)
    assert len(found.routes) == 80
    assert {f"s{n}.example.com" for n in range(60)} <= {r.question.name for r in found.routes}
    assert "/41/" in paths(found, "s41.example.com")
    assert found.note is not None
    assert "80 of" in found.note
    assert asked(many, changed, cap=80) == found
    assert len(asked(many, changed, cap=5).routes) == 5


def test_what_has_side_effects_is_not_asked() -> None:
    text = "server { server_name a.example; location /logout { } location /cron/ { } location /x/ { } }"
    assert paths(asked(text, exclude=("/cron/*",)), "a.example") & {"/logout", "/cron/", "/x/"} == {"/x/"}
    assert paths(asked(text, exclude=("a.example",)), "a.example") == set()


def test_names_without_an_example_are_told() -> None:
    found = asked("server { listen 80; server_name ~^(unclosed; }")
    assert found.note == "no example could be made for ~^(unclosed"


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("shop.example.com", "/any", True),
        ("shop.example.com/", "/", True),
        ("shop.example.com/", "/any", False),
        ("shop.example.com/old/*", "/old/a/b", True),
        ("shop.example.com/old*", "/older", True),
        ("*.example.com/old", "/old", True),
        ("/old", "/old", True),
        ("/ol?", "/old", True),
        ("/old", "/old?deployer=probe", True),
        ("blog.example.com/*", "/old", False),
        ("_/*", "/old", False),
        ("shop.example.com:80/*", "/old", True),
        ("shop.example.com:81/*", "/old", False),
        ("SHOP.example.com/*", "/old", True),
        ("shop.example.com/[old]", "/old", False),
    ],
)
def test_patterns(pattern: str, path: str, fits: bool) -> None:
    assert covers(pattern, Question("127.0.0.1", 80, "shop.example.com", path)) is fits


def test_how_a_route_is_written() -> None:
    assert route_text(SHOP) == "shop.example.com/"
    assert route_text(Question("127.0.0.1", 8080, "", "/x?y")) == "_:8080/x"
    assert covers(route_text(SHOP), SHOP)


def test_a_path_without_a_name_is_that_of_who_has_a_place_for_it() -> None:
    plain = "server { listen 80; server_name %s.example; %s }"
    others = "".join(
        plain % (name, "return 301 /;" if name == "a" else "location / { }") for name in "abcdef"
    )
    live = sites(f"access_log /l; {others}" + plain % ("press", "location /press/ { }"))
    found = seen_by([("/l", "", "/press/kit"), ("/l", "", "/x")], live, 4)
    assert found == (
        ("press.example", "/press/kit"),
        ("b.example", "/x"),
        ("b.example", "/press/kit"),
        ("c.example", "/x"),
        ("c.example", "/press/kit"),
        ("d.example", "/x"),
        ("d.example", "/press/kit"),
        ("e.example", "/x"),
    )
    assert seen_by([("/l", "x.example", f"/{n}") for n in range(9)], live, 4) == tuple(
        ("x.example", f"/{n}") for n in range(4)
    )
    assert "a.example" not in {name for name, _ in seen_by([("/l", "", "/x")], live, 10)}


def test_paths_of_a_log_belong_to_the_servers_that_write_it() -> None:
    live = sites(
        "access_log /var/log/all.log; server { listen 80; server_name a.example; access_log /var/log/a.log; }"
        "server { listen 80; server_name b.example; } server { listen 80; server_name c.example; }"
    )
    told = [
        ("/var/log/a.log", "", "/only-a"),
        ("/var/log/all.log", "", "/shared"),
        ("/var/log/all.log", "c.example", "/named"),
        ("/var/log/none.log", "", "/nobody"),
        ("/var/log/a.log", "", "no path"),
    ]
    assert seen_by(told, live, 10) == (
        ("a.example", "/only-a"),
        ("b.example", "/shared"),
        ("c.example", "/named"),
        ("c.example", "/shared"),
    )
    found = derive(live, live, seen=seen_by(told, live, 10))
    assert {r.question.path for r in found.routes if r.origin is Origin.SEEN} == {
        "/only-a",
        "/shared",
        "/named",
    }


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["/", "= /a", "/b/", "~ ^/c\\d", "^~ /d", "~* \\.e$"]), max_size=6, unique=True),
    st.integers(1, 40),
)
def test_any_mix_of_locations_is_asked_within_the_cap(locations: list[str], cap: int) -> None:
    inside = " ".join(f"location {x} {{ }}" for x in locations)
    text = f"server {{ listen 80; server_name x.example; {inside} }}"
    found = asked(text, cap=cap)
    assert len(found.routes) <= cap
    assert len({r.question for r in found.routes}) == len(found.routes)
    assert all(r.question.path.startswith("/") for r in found.routes)
    assert len(found.routes) + found.left_out == len(asked(text, cap=1000).routes)
    everything = {r.question for r in (*found.routes, *found.read)}
    assert everything == {r.question for r in asked(text, cap=1000).routes}, "the rest is read for"
