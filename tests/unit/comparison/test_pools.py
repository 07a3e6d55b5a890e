"""Servers that are new behind a place: whether somebody listens is tried where no answer shows it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from deployer.comparison.asked import Question
from deployer.comparison.asking.backends import Reach, nobody_there
from deployer.comparison.reading.pools import Backend, Exchange, exchanges

from . import twins
from .configured import SHOP, at, foresight

HERE, GONE = "127.0.0.1:9001", "127.0.0.1:9009"
SITE = """
upstream office { server %(group)s; }
map $cookie_canary $pool { default one; canary %(row)s; }
map $http_x_old $one { default 127.0.0.1:9003; }
server { listen 80; server_name shop.example.com;
  location / { return 200 "page\\n"; }
  location /intranet/ { auth_basic x; auth_basic_user_file /dev/null; proxy_pass http://%(place)s; }
  location /office/ { auth_basic x; auth_basic_user_file /dev/null; proxy_pass http://office; }
  location /canary/ { auth_basic x; auth_basic_user_file /dev/null; proxy_pass http://$pool; }
}
"""
APP = Backend("127.0.0.1", 9001)
SAME = {"group": HERE, "row": HERE, "place": HERE}


def site(**changed: str) -> str:
    return SITE % (SAME | changed)


def places(live: str, candidate: str) -> dict[str, set[str]]:
    questions = [SHOP, at("/intranet/", SHOP), at("/office/", SHOP)]
    found = exchanges(foresight(live, candidate), questions)
    return {one.place: {str(backend) for backend in one.new} for one in found}


@pytest.mark.parametrize(
    ("changed", "place", "servers"),
    [
        ({"place": GONE}, "location /intranet/", {GONE}),
        ({"place": "app.internal/path/"}, "location /intranet/", {"app.internal:80"}),
        ({"place": "[::1]:81"}, "location /intranet/", {"[::1]:81"}),
        ({"place": "office"}, None, set()),  # who is asked already
        ({"group": GONE}, "upstream office", {GONE}),
        ({"group": f"{HERE}; server {GONE} backup"}, "upstream office", {HERE, GONE}),
        ({"group": f"{HERE} weight=2"}, None, set()),
        ({"row": GONE}, "the row canary of $pool", {GONE}),
        ({"place": "unix:/run/a.sock:/path"}, "location /intranet/", {"unix:/run/a.sock"}),
        ({"group": f"{HERE}; server unix:/run/a.sock"}, "upstream office", {HERE, "unix:/run/a.sock"}),
        # nothing is known of who is asked
        ({"place": "$http_x_to"}, None, set()),
        ({"place": "unix:/run/$http_x_to.sock"}, None, set()),
    ],
)
def test_what_is_handed_on_to_others(changed: dict[str, str], place: str | None, servers: set[str]) -> None:
    assert places(site(), site(**changed)) == ({place: servers} if place else {})


def test_a_location_that_is_new_and_a_group_that_nobody_asks_are_left() -> None:
    candidate = site().replace(
        "location / {", f"location /new/ {{ proxy_pass http://{GONE}; }} location / {{"
    )
    assert not places(site(), candidate)
    unused = "location /office/ { auth_basic x; auth_basic_user_file /dev/null; proxy_pass http://office; }"
    assert not places(site().replace(unused, ""), site(group=GONE).replace(unused, ""))


@pytest.mark.parametrize(
    "listener",
    ["server { listen 9009; return 200; }", "server { listen 127.0.0.1:9009; return 200; }"],
)
def test_what_nginx_itself_will_listen_on_is_not_looked_for(listener: str) -> None:
    assert not places(site(), site(place=GONE) + listener)
    assert places(site() + listener, site(place=GONE) + listener), "live listens there"


def test_a_place_is_told_with_a_question_of_its_own() -> None:
    questions = [SHOP, at("/intranet/", SHOP)]
    (found,) = exchanges(foresight(site(), site(place=GONE)), questions)
    assert found.question == at("/intranet/", SHOP), "so that --accept-change can name it"


@pytest.mark.skipif(not twins.POSSIBLE, reason="needs root, nginx and network namespaces")
@pytest.mark.parametrize(
    ("live", "changed", "said"),
    [
        ({}, {"place": GONE}, f"location /intranet/ hands requests on to {GONE} now, where nobody listens"),
        ({}, {"group": GONE}, f"upstream office hands requests on to {GONE} now"),
        ({}, {"row": GONE}, f"the row canary of $pool hands requests on to {GONE} now"),
        ({}, {"place": "127.0.0.1:9002"}, ""),
        ({}, {"group": f"{GONE}; server 127.0.0.1:9002"}, ""),
        # it was no better before
        ({"place": "127.0.0.1:9008"}, {"place": GONE}, ""),
    ],
)
def test_behind_a_password_servers_that_are_not_there_are_seen(
    tmp_path: Path, live: dict[str, str], changed: dict[str, str], said: str
) -> None:
    found = twins.inquire(tmp_path, site(**live), site(**changed))
    reasons = [d.reason for d in found.comparison.worse]
    assert [said in reason for reason in reasons] == ([True] if said else []), reasons


@pytest.mark.skipif(not twins.POSSIBLE, reason="needs root, nginx and network namespaces")
def test_what_starts_in_these_moments_is_there(tmp_path: Path) -> None:
    """A service that is restarted while it is tried."""
    with twins.twins(tmp_path, site(), site()) as (one, _):
        tries: list[tuple[str, int]] = []
        tunnel = one.tunnel

        def late(address: str, port: int, *, timeout_s: float) -> object:
            tries.append((address, port))
            if len(tries) == 1:
                raise ConnectionRefusedError
            return tunnel(address, port, timeout_s=timeout_s)

        one.tunnel = late  # type: ignore[method-assign,assignment]
        asked = Exchange(SHOP, "upstream a", frozenset({Backend("127.0.0.1", 9002)}), frozenset({APP}))
        assert nobody_there([asked], Reach(one, lambda _: {}, time.monotonic() + 10), threading.Event()) == []
        assert tries == [("127.0.0.1", 9001)] * 2


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({"/run/old": "socket", "/run/new": "nothing"}, True),
        ({"/run/old": "socket", "/run/new": "file"}, True),
        ({"/run/old": "socket", "/run/new": "socket"}, False),
        ({"/run/old": "nothing", "/run/new": "nothing"}, False),  # it was no better before
        ({"/run/old": "socket"}, False),  # the agent was not told
        ({}, False),
    ],
)
def test_a_socket_that_is_not_there(there: dict[str, str], *, said: bool) -> None:
    reach = Reach(object(), lambda paths: {p: there[p] for p in paths if p in there}, time.monotonic() + 5)  # type: ignore[arg-type]
    asked = Exchange(SHOP, "x", frozenset({Backend("/run/old", 0)}), frozenset({Backend("/run/new", 0)}))
    found = [reason for _, reason in nobody_there([asked], reach, threading.Event())]
    assert found == (["x hands requests on to unix:/run/new now, where nobody listens"] if said else [])


def test_stopped_it_says_nothing() -> None:
    stop = threading.Event()
    stop.set()
    asked = Exchange(Question("127.0.0.1", 80, ""), "x", frozenset({APP}), frozenset({APP}))
    assert nobody_there([asked], Reach(object(), dict, 0.0), stop) == []  # type: ignore[arg-type]
