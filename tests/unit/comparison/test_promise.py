"""What live has to answer once it is the candidate, and when it is worse than promised."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.asking.answers import Dialect
from deployer.comparison.promise import (
    ROW,
    Doubt,
    Expected,
    State,
    broken_by,
    excused,
    places,
    promise,
)
from tests.unit.comparison.configured import SHOP, at, foresight, moved, page

PLAIN = {SHOP.place: Dialect(tls=False, proxy=False)}
REFUSED = AnswerClass("the connection was refused")
LATE = AnswerClass("no answer in time", lost=True)
CUT = AnswerClass("the SSH connection is lost", broken=True)
APP = frozenset({"127.0.0.1:9000"})
SITE = "server { listen 80; server_name shop.example.com; %s }"
PASSED = SITE % "location / { proxy_pass http://127.0.0.1:9000; }"


def bad(status: int = 502) -> AnswerClass:
    return page("sorry", status=status)


@pytest.mark.parametrize(
    ("promised", "before", "now", "said"),
    [
        (page(), page(), bad(), "200 in its rehearsal, 502 now"),
        (page(), page(), REFUSED, "200 in its rehearsal, the connection was refused now"),
        (page(), page(), page("another page"), None),
        (page(), page(), page("", status=200), "an empty page now"),
        (moved("/a"), page(), moved("/b"), None),
        (page(status=404), page(), page(status=404), None),  # it was meant, or accepted
        (page(status=404), page(), bad(), "404 in its rehearsal, 502 now"),
        (page(), bad(), bad(), None),  # the old one had it no better
        (page(), bad(500), REFUSED, None),
        (page(), LATE, bad(504), None),
        (page(), page(status=404), page(status=404), None),
        (page(), page(status=404), bad(), "200 in its rehearsal, 502 now"),  # of a new site
        (page(), REFUSED, bad(), "200 in its rehearsal, 502 now"),  # a port that nobody had
        (page(x_frame_options="DENY"), page(x_frame_options="DENY"), page(), "X-Frame-Options is lost"),
        (page(x_frame_options="DENY"), page(), page(), None),
        (page(x_served_by="a"), page(x_served_by="a"), page(), None),
        (page(status=403), page(status=403), page(), None),  # a file that only the rehearsal could not read
    ],
)
def test_worse_than_promised_and_than_before(
    promised: AnswerClass, before: AnswerClass, now: AnswerClass, said: str | None
) -> None:
    found = broken_by(Expected(SHOP, promised, before), now)
    assert found is None if said is None else said in (found or "")


@pytest.mark.parametrize(
    "same",
    [
        page(cache_control="max-age=315360000"),
        page(content_type="text/html; charset=koi8-r"),
        page(set_cookie="basket=1; Path=/elsewhere/; Domain=example.com; Secure"),
        page(content_security_policy="default-src 'none'"),
        moved("/a"),
    ],
)
def test_the_answer_that_was_promised_is_as_promised_whatever_is_kept_of_it(same: AnswerClass) -> None:
    kept = promise(({SHOP: same}, {SHOP: same}), foresight(PASSED, PASSED), PLAIN, {})
    (expected,) = kept.expected
    assert broken_by(expected, same) is None


def test_what_was_not_rehearsed_is_measured_by_what_was_live() -> None:
    live = SITE % "location / { return 200 a; }"
    candidate = (
        SITE % "location / { proxy_pass http://127.0.0.1:8085; }"
        + " server { listen 127.0.0.1:8085; location = / { return 200 a; } }"
    )
    inner = Question("127.0.0.1", 8085, "")
    answers = {SHOP: page(), at("/a"): page(), inner: REFUSED}
    rehearsed = {SHOP: bad(), at("/a"): CUT, inner: page()}
    dialects = {**PLAIN, inner.place: Dialect(tls=False, proxy=False)}
    insight = foresight(live, candidate)
    insight.after = rehearsed
    kept = {e.question: e for e in promise((answers, rehearsed), insight, dialects, {}).expected}
    assert [kept[SHOP].rehearsed, kept[at("/a")].rehearsed, kept[inner].rehearsed] == [False, False, True]
    assert broken_by(kept[SHOP], bad()) == "200 before (no rehearsal reaches it), 502 now"
    assert not kept[SHOP].shared


def test_what_says_nothing_is_not_asked_again() -> None:
    stream, elsewhere = Question("127.0.0.1", 80, "", ""), Question("127.0.0.1", 81, "")
    before = {SHOP: CUT, at("/ill"): bad(), at("/meant"): page(), stream: page(), elsewhere: page()}
    after = {SHOP: page(), at("/ill"): bad(), at("/meant"): page(), stream: page(), elsewhere: page()}
    before[at("/x")] = after[at("/x")] = page(set_cookie="id=secret; Path=/; Secure", etag="1")
    insight = foresight(PASSED, PASSED)
    limits = {at("/x"): (("zone", 0.5, 1),)}
    kept = promise(
        (before, after), insight, PLAIN, limits, lambda q: "so be it" if q.path == "/meant" else None
    )
    (one,) = kept.expected
    assert (one.question, one.zones, one.behind, one.shared) == (at("/x"), limits[at("/x")], APP, True)
    assert one.reference.page is not None
    assert one.reference.page.headers == (("set-cookie", "id=; Secure"),)


@pytest.mark.parametrize(
    ("good", "now", "over"),
    [
        ("x", State.OPEN, State.UNPROVED),
        ("xx", State.OPEN, State.WORSE),
        ("xoo", State.OPEN, State.UNSTEADY),
        ("xooo", State.GOOD, State.GOOD),
        ("xoxoxoxox", State.OPEN, State.UNSTEADY),
        ("x" * ROW, State.WORSE, State.WORSE),
        ("o" + "x" * ROW, State.WORSE, State.WORSE),
        ("", State.OPEN, State.UNPROVED),
    ],
)
def test_one_bad_answer_is_none_and_many_in_a_row_are_no_chance(good: str, now: State, over: State) -> None:
    doubt = Doubt(Expected(SHOP, page(), page()))
    for each in good:
        doubt.hears(page() if each == "o" else bad())
        doubt.hears(CUT)  # says nothing
    assert (doubt.state(3), doubt.state(3, over=True)) == (now, over)


def doubted(path: str, good: str, status: int = 502, behind: frozenset[str] = APP) -> Doubt:
    found = Doubt(Expected(at(path), page(), page(), behind=behind, shared=True))
    for each in good:
        found.hears(page() if each == "o" else bad(status))
    return found


def test_an_upstream_that_answers_others_now_well_now_not_is_to_blame() -> None:
    worse, flaps, good = doubted("/a", "x" * ROW), doubted("/b", "xoox"), doubted("/c", "ooo")
    assert excused(worse, [worse, flaps, good]) == "its upstream 127.0.0.1:9000 answers now well, now not"
    assert excused(worse, [worse, good]) is None
    assert excused(worse, [doubted("/b", "xoox", behind=frozenset({"127.0.0.1:9001"}))]) is None
    assert excused(doubted("/a", "x" * ROW, 403), [flaps]) is None


@pytest.mark.parametrize(("status", "says"), [(404, True), (429, True), (403, False), (500, False)])
def test_what_is_gone_meanwhile_and_who_is_asked_too_often(status: int, says: bool) -> None:
    worse = doubted("/a", "x" * ROW, status)
    assert ("says so" in (excused(worse, []) or "")) is says
    assert excused(Doubt(replace(worse.expected, shared=False), worse.good, worse.answer), []) is None


def test_only_a_gateways_answer_may_be_a_dead_upstreams() -> None:
    def asked(doubt: Doubt) -> tuple[tuple[str, int], ...]:
        return places(doubt.expected, doubt.answer)

    assert asked(doubted("/a", "x")) == (("127.0.0.1", 9000),)
    assert asked(doubted("/a", "x", behind=frozenset({"[::1]:80", "app.internal:81"}))) == (
        ("::1", 80),
        ("app.internal", 81),
    )
    assert asked(doubted("/a", "x", 500)) == ()
    assert asked(doubted("/a", "x", behind=APP | {"unix:/run/app"})) == ()
    assert places(Expected(SHOP, page(), page(), behind=APP), bad()) == ()
