"""How fast a route may be asked, by its own limits."""

from __future__ import annotations

import pytest

from deployer.comparison.asked import Question
from deployer.comparison.pace import (
    BURST,
    PER_SECOND,
    crowding,
    crowds,
    is_shared,
    limiters,
    schedule,
    spacing,
    tells_connections,
)

from .configured import sites

ZONES = """
limit_req_zone $binary_remote_addr zone=each:1m rate=10r/s;
limit_req_zone $server_name zone=all:1m rate=30r/m;
limit_conn_zone $binary_remote_addr zone=addr:1m;
server { listen 80; limit_req zone=each burst=4;
  location / { }
  location /all/ { limit_req zone=all; limit_conn addr 2; }
  location /dry/ { limit_req zone=all; limit_req_dry_run on; } }
"""


def test_the_limits_of_a_location() -> None:
    found = sites(ZONES)
    assert found.config is not None
    root, everybody, dry = (x.scope for x in found.servers[0].locations)
    (each,) = limiters(found.config, root)
    assert (each.zone, each.rate, each.burst, each.shared) == ("each", 10.0, 4, False)
    (shared,) = limiters(found.config, everybody)
    assert (shared.rate, shared.shared) == (0.5, True)
    assert limiters(found.config, dry) == ()
    assert [(c.most, c.shared) for c in crowds(found.config, everybody)] == [(2, False)]
    assert crowding(crowds(found.config, everybody), gentle=True) == (("addr (limit_conn)", 0.0, 1),)
    # Of what users share a tenth is taken from live; the rehearsed one has it for itself.
    assert spacing([shared], gentle=True) == (("all", 20.0, 1),)
    assert spacing([shared], gentle=False)[0][1] < 2.5
    assert spacing([each], gentle=True) == (("each", 1 / 9, 3),)


def test_keys_that_are_the_same_for_all() -> None:
    assert is_shared("$server_name")
    assert is_shared("constant")
    assert not is_shared("$binary_remote_addr$server_name")
    assert not is_shared("${http_x_api_key}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("log_format long '$connection $connection_requests $remote_port';", False),
        ("map $http_upgrade $connection_upgrade { default upgrade; '' close; }", False),
        ("server { location / { proxy_set_header Connection $http_connection; return 200; } }", False),
        ("split_clients $remote_port $luck { 50% a; * b; }", True),
        ("map $connection_requests $late { 0 1; default ''; }", True),
        ("server { if ($http_connection = close) { return 403; } }", True),
        ("server { location / { set $x ${connection_time}; return 200; } }", True),
    ],
)
def test_a_configuration_that_tells_connections_apart(text: str, *, told: bool) -> None:
    found = sites(text)
    assert found.config is not None
    assert tells_connections(found.config) is told


def test_nothing_is_hurried() -> None:
    questions = [Question("127.0.0.1", 80, f"s{n}") for n in range(100)]
    plan = schedule(questions, {}, within_s=60)
    assert [q for _, q in plan] == questions
    assert [at for at, _ in plan[: BURST + 1]] == [0.0] * (BURST + 1)
    assert plan[-1][0] == (99 - BURST) / PER_SECOND
    assert {at for at, _ in schedule(questions, {}, within_s=60, rate=None)} == {0.0}


def test_a_zone_is_waited_for_and_what_waits_too_long_is_left_out() -> None:
    questions = [Question("127.0.0.1", 80, f"s{n}") for n in range(20)]
    plan = schedule(questions, dict.fromkeys(questions, (("zone", 1.0, 2),)), within_s=15)
    times = [at for at, _ in plan]
    assert times[:4] == [0.0, 0.0, 1.0, 2.0]
    assert max(times) <= 20.0
    assert len(plan) < 20
    free = questions[:10]
    mixed = schedule(questions, dict.fromkeys(free, (("zone", 100.0, 1),)), within_s=60)
    assert {q for _, q in mixed} == {questions[0], *questions[10:]}
