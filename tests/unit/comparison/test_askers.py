"""As whom is asked: who is sent where, within the cap, and what of it is shown."""

from __future__ import annotations

from dataclasses import replace

from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.asker import MASK, Asker
from deployer.comparison.askers import followed, may_say, questions, remarks
from deployer.comparison.compare import Difference
from deployer.comparison.conditions import apart
from deployer.comparison.inquiry import Scope

from .configured import sites

SECRET = "open-sesame-1234"  # noqa: S105
REFUSED = "401 at each of their 1 routes that are closed to others"
ONE = Asker(
    "customer", (("Authorization", f"Bearer {SECRET}"), ("Cookie", "a=1")), ("api.example.com/*",), (SECRET,)
)
TWO = Asker("v2", (("X-Api-Version", "2"),), ("api.example.com/v2/*",))
API = """
map $http_x_api_version $pool { default one; 2 two; }
server { listen 80; server_name api.example.com; return 301 https://$host$request_uri; }
server { listen 443 ssl; server_name api.example.com; location / { proxy_pass http://$pool; }
  location /v2/ { return 200; } }
server { listen 80 default_server; server_name www.example.com; location /a { return 200; } }
"""
ROOT = Question("127.0.0.1", 443, "api.example.com")


def asked(*askers: Asker, cap: int = 400) -> list[Question]:
    known = sites(API)
    routes = questions(known, sites(API.replace("two;", "three;")), Scope(askers=askers, cap=cap)).routes
    return [route.question for route in routes]


def test_each_is_asked_where_they_may_be_and_anybody_as_before() -> None:
    found = asked(ONE, TWO)
    own = [q for q in found if q.asker == ONE]
    assert [q for q in found if not q.asker] == asked()
    assert {q.name for q in own} == {"api.example.com"}
    assert {q.port for q in own} == {443}, "whoever has a password gives it over TLS where there is TLS"
    assert {q.path.partition("?")[0] for q in found if q.asker == TWO} == {"/v2/", "/v2/deployer-probe"}
    assert "/.env" not in {q.path for q in own}


def test_what_a_configuration_tests_is_said_by_somebody_too() -> None:
    versions = [q for q in asked(ONE, TWO) if q.said]
    assert {q.asker.name for q in versions} == {"", "customer"}, "a version of one's own stays one's own"
    question = next(q for q in versions if q.asker)
    assert dict(question.headers)["Authorization"] == f"Bearer {SECRET}"
    assert "X-Api-Version" in question.headers


def test_within_the_cap_in_turns() -> None:
    other = replace(ONE, name="other")
    found = asked(ONE, other, cap=12)
    assert len(found) == 12
    counts = [sum(q.asker == who for q in found) for who in (ONE, other)]
    assert counts[0] == counts[1] == 2


def test_strangers_are_told_nothing() -> None:
    everywhere = Asker("x", only=("*", "/*"))
    assert may_say(everywhere, ROOT)
    assert not may_say(everywhere, replace(ROOT, name=""))
    assert not may_say(replace(everywhere, only=("_/*",)), replace(ROOT, name="deployer-probe.invalid"))
    assert may_say(replace(everywhere, only=("_/*",)), replace(ROOT, name=""))


def test_a_redirect_is_followed_as_far_as_it_may_be_said() -> None:
    question = replace(ROOT, asker=ONE)
    there = followed(question, replace(ROOT, path="/there"))
    assert there is not None
    assert there.asker == ONE
    assert followed(question, replace(ROOT, name="www.example.com")) is None
    assert followed(ROOT, replace(ROOT, name="www.example.com")) is not None


def test_nothing_that_is_shown_has_what_is_said() -> None:
    question = replace(ROOT, path="/orders", asker=ONE)
    assert str(question) == "api.example.com/orders as customer at 127.0.0.1:443"
    assert SECRET not in repr(question) + repr(ONE) + repr(Scope(askers=(ONE,)))
    assert ONE.masked(f"https://x/?t={SECRET}") == f"https://x/?t={MASK}"
    pair = replace(ONE, secrets=("session=abc/def+0123456789",))
    assert "abc" not in pair.masked("/login?s=abc%2Fdef%2B0123456789 and abc/def+0123456789")


def test_cookies_are_sent_together() -> None:
    question = replace(ROOT, said=(("Cookie", "b=2"), ("X-Canary", "always")), asker=ONE)
    assert question.headers == {
        "Authorization": f"Bearer {SECRET}",
        "Cookie": "a=1; b=2",
        "X-Canary": "always",
    }


def test_what_fails_anybody_alike_is_told_once() -> None:
    good, bad, closed = AnswerClass("200", 200), AnswerClass("502", 502), AnswerClass("401", 401)

    def told(question: Question, old: AnswerClass, new: AnswerClass) -> Difference:
        return Difference(question, "worse", old, new)

    anybody, customer = told(ROOT, good, bad), told(replace(ROOT, asker=ONE), good, bad)
    version = told(replace(ROOT, asker=ONE, said=(("X-Api-Version", "2"),)), good, bad)
    assert apart([anybody, customer, version], [anybody, customer, version]) == (anybody,)
    assert apart([customer, version], [customer, version]) == (customer,)
    kept_out = told(ROOT, closed, bad)
    assert apart([kept_out, customer], [kept_out, customer]) == (kept_out, customer)


def test_credentials_that_are_not_accepted_are_told() -> None:
    good, closed = AnswerClass("200", 200), AnswerClass("401", 401)
    own, other = replace(ROOT, asker=ONE), replace(ROOT, path="/public")
    known = {ROOT: closed, own: closed, other: good, replace(other, asker=ONE): good}
    assert remarks((ONE,), known) == [
        f"the credentials of customer are not accepted by live: {REFUSED}",
    ]
    assert remarks((ONE,), {**known, own: good}) == []
    assert remarks((TWO,), known) == ["nothing was asked as v2: no route that is known matches its only"]
