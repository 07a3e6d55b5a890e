"""What fails now and then is the candidate's doing only where live, asked the same, never failed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from deployer.comparison.asked import AnswerClass
from deployer.comparison.wavering import Rounds, Sameness, Verdict, Wavering, crowd, exercised

from .configured import SHOP, at, foresight, page

GOOD, BAD = page(), AnswerClass("502", 502)


def wavering(moments: Sequence[tuple[str, str]]) -> Wavering:
    """Each moment's answers of live and of the candidate: ``+`` good, ``-`` bad."""
    found = Wavering(SHOP, GOOD)
    for live, candidate in moments:
        found.hears(*([GOOD if x == "+" else BAD for x in side] for side in (live, candidate)))
    return found


@pytest.mark.parametrize(
    ("moments", "verdict"),
    [
        ([("+", "-"), ("+", "+")], Verdict.OPEN),
        ([("+++", "+-+")] * 8, Verdict.CANDIDATE),
        ([("+++", "---")] + [("+++", "+++")] * 30, Verdict.OPEN),  # one bad moment is one
        ([("+++", "+-+")] * 7 + [("++-", "+++")], Verdict.BOTH),
        ([("++-", "+-+")] * 8, Verdict.BOTH),
        ([("-", "-")] + [("+", "-")] * 10, Verdict.CANDIDATE),  # never well, where live mostly was
        ([("-", "-")] * 8 + [("+", "-")] * 4, Verdict.OPEN),
    ],
)
def test_whose_doing_it_is(moments: list[tuple[str, str]], verdict: Verdict) -> None:
    assert wavering(moments).verdict is verdict


def test_what_is_late_or_cut_off_is_told_and_proves_nothing() -> None:
    one = wavering([])
    for _ in range(20):
        one.hears([GOOD, GOOD], [GOOD, AnswerClass("no answer in time", lost=True)])
    assert one.verdict is Verdict.OPEN
    assert one.sums == ("200 in 40 of 40", "no answer in time in 20 of 40")


def test_it_is_told_with_its_counts() -> None:
    one = wavering([("++++++", "+-++++"), ("++++++", "++++-+")])
    assert one.reason == "answered 502 in 2 of 12, live in 0 of 12"
    assert one.sums == ("200 in 12 of 12", "502 in 2 of 12")
    assert (
        wavering([("+-", "-+")]).reason == "answered 502 in 1 of 2, live 502 in 1 of 2: so does what is live"
    )


def test_live_that_failed_beside_at_the_same_application_takes_the_blame_away() -> None:
    conf = "upstream app { server a:1; } server { listen 80; location / { %s proxy_pass http://app; } }"
    insight = foresight(conf % "", conf % "proxy_connect_timeout 5s;")
    rounds, other = Rounds(), at("/other")
    rounds.hear({SHOP: GOOD, other: BAD}, {SHOP: BAD, other: GOOD})
    rounds.hear({SHOP: GOOD}, {SHOP: GOOD})
    (one,) = rounds.wavering(insight, ())
    for _ in range(20):
        one.hears([GOOD], [BAD])
    assert one.verdict is Verdict.BOTH
    assert "another path of the same application" in one.reason


def test_what_is_worse_each_time_or_meant_is_not_wavering() -> None:
    conf = "server { listen 80; location / { proxy_pass http://a:1; } }"
    rounds = Rounds()
    for _ in range(3):
        rounds.hear({SHOP: GOOD}, {SHOP: AnswerClass("403", 403)})
    assert not rounds.wavering(foresight(conf, conf), ())


def test_what_was_late_once_is_a_busy_machines() -> None:
    conf = "server { listen 80; location / { proxy_pass http://a:1; } }"
    rounds, late = Rounds(), AnswerClass("no answer in time", lost=True)
    rounds.hear({SHOP: GOOD}, {SHOP: late})
    rounds.hear({SHOP: GOOD}, {SHOP: GOOD})
    assert not rounds.wavering(foresight(conf, conf), ())
    rounds.hear({SHOP: GOOD}, {SHOP: late})
    assert rounds.wavering(foresight(conf, conf), ())


def test_what_our_own_haste_met_is_judged_by_the_limit() -> None:
    conf = """limit_req_zone $binary_remote_addr zone=a:1m rate=1r/s;
    server { listen 80; limit_req zone=a; location / { proxy_pass http://a:1; } }"""
    rounds = Rounds()
    rounds.hear({SHOP: GOOD}, {SHOP: AnswerClass("503", 503)})
    rounds.hear({SHOP: GOOD}, {SHOP: GOOD})
    assert not rounds.wavering(foresight(conf, conf), ())


KEPT = "upstream app { server a:1; keepalive 8; } "
SERVER = (
    "server { listen 80; location / { %s proxy_pass http://app; } location /b { proxy_pass http://app; } }"
)


def test_what_changed_and_shares_connections_is_tried_first_and_many_at_once() -> None:
    live, candidate = (KEPT + SERVER % text for text in ("", "proxy_bind 192.0.2.1;"))
    insight = foresight(live, candidate)
    same = Sameness(insight.live, insight.candidate)
    assert exercised(insight, same, [at("/b"), SHOP]) == [SHOP, at("/b")]
    assert not same.holds(insight, SHOP)
    plain = foresight(live.replace("keepalive 8;", ""), candidate.replace("keepalive 8;", ""))
    assert not exercised(plain, Sameness(plain.live, plain.candidate), [at("/b"), SHOP])


def test_nothing_is_tried_where_nothing_changed_but_the_logs() -> None:
    insight = foresight(KEPT + SERVER % "", "error_log /x; " + KEPT + SERVER % "")
    same = Sameness(insight.live, insight.candidate)
    assert same.holds(insight, SHOP)
    assert not exercised(insight, same, [SHOP])


def test_many_at_once_are_not_asked_where_they_are_counted() -> None:
    zone = "limit_conn_zone $binary_remote_addr zone=a:1m; "
    limited = foresight(zone + KEPT + SERVER % "limit_conn a 4;", zone + KEPT + SERVER % "")
    assert crowd(limited, SHOP) == 0.0
    assert crowd(limited, at("/b")) is None
