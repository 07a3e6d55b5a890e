"""A real nginx is held to what its rehearsal promised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.inquiry import Inquirer, Scope
from deployer.comparison.promise import Expected, Promise
from deployer.comparison.reality import Kept, Reality
from deployer.nginx.sites import Listen
from tests.unit.comparison.twins import POSSIBLE, Twin

pytestmark = [
    pytest.mark.skipif(not POSSIBLE, reason="needs root, nginx, ip, unshare and nsenter"),
    pytest.mark.slow,
]

SITE = """
limit_req_zone all zone=slow:1m rate=20r/s;
upstream app { server 127.0.0.1:9010; }
server { listen 80; server_name shop.example.com;
  location / { return 200 "shop\n"; }
  location /app/ { proxy_pass http://app; }
  location /other/ { proxy_pass http://app; }
  location /alone/ { proxy_pass http://127.0.0.1:9011; }
  location /slow/ { limit_req zone=slow; return 200 "slow\n"; }
}
"""
GOOD = "server { listen 127.0.0.1:9010; listen 127.0.0.1:9011; location / { return 200 good; } }"
FLAPS = """
upstream turns {
  server 127.0.0.1:9021 max_fails=0; server 127.0.0.1:9022 max_fails=0; server 127.0.0.1:9023 max_fails=0;
}
server { listen 127.0.0.1:9010; listen 127.0.0.1:9011;
  location / { proxy_next_upstream off; proxy_pass http://turns; } }
server { listen 127.0.0.1:9021; listen 127.0.0.1:9022; location / { return 200 good; } }
server { listen 127.0.0.1:9023; location / { return 502; } }
"""
ILL = "server { listen 127.0.0.1:9010; location / { return 500; } }"


Hold = Callable[..., Kept]


@pytest.fixture(scope="module")
def promised(tmp_path_factory: pytest.TempPathFactory) -> Promise:
    twin = Twin(tmp_path_factory.mktemp("rehearsed"), SITE, application=GOOD)
    try:
        twin.start()
        sites = twin.sites
        found = Inquirer((sites, sites), (twin, twin), Scope()).run()
    finally:
        twin.stop()
    assert found.comparison.healthy, found
    assert found.promise is not None
    return found.promise


@pytest.fixture
def held(tmp_path: Path, promised: Promise) -> Iterator[Hold]:
    started: list[Twin] = []

    def hold(application: str, promise: Promise = promised) -> Kept:
        twin = Twin(tmp_path / "live", SITE, application=application)
        started.append(twin)
        return Reality(promise, twin.start()).run()

    yield hold
    for twin in started:
        twin.stop()


def test_what_is_as_promised_is_asked_once_and_slowly_where_it_is_counted(held: Hold) -> None:
    kept = held(GOOD)
    assert (kept.worse, kept.unsteady, kept.unproved) == ((), (), ())
    assert (kept.left_out, kept.asked > 10) == (0, True)


@pytest.mark.slow
def test_what_is_worse_is_named_and_a_dead_upstream_of_both_is_not(held: Hold) -> None:
    kept = held(ILL)
    assert {d.question.path.partition("?")[0].split("/")[1] for d in kept.worse} == {"app", "other"}
    assert "shop.example.com/app/ at 127.0.0.1:80: 200 in its rehearsal, 500 now" in map(str, kept.worse)
    assert {d.question.path.split("/")[1] for d in kept.unsteady} == {"alone"}
    assert "127.0.0.1:9011 takes no connections" in str(kept.unsteady[0])
    assert kept.seconds < 20


@pytest.mark.slow
def test_an_upstream_that_flaps_is_told_and_blames_nobody(held: Hold) -> None:
    kept = held(FLAPS)
    assert kept.worse == ()
    assert kept.unsteady
    assert all(" times" in str(d) for d in kept.unsteady)  # those that came right as well
    assert len(kept.unsteady) >= kept.settled
    assert kept.seconds < 25


@pytest.mark.slow
def test_a_listener_of_stream_has_to_accept_connections_still(held: Hold) -> None:
    open_, closed = (Listen("127.0.0.1", port) for port in (9010, 9090))
    streams = {Question(*one.place, "", ""): one for one in (open_, closed)}
    answer = AnswerClass("open", 200)
    expected = tuple(Expected(question, answer, answer) for question in streams)
    kept = held(GOOD, Promise(expected, streams=streams))
    assert [d.question.port for d in kept.worse] == [9090]
    assert "open in its rehearsal" in str(kept.worse[0])
