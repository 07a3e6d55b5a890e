"""What is asked where nobody wrote a check, and what counts as worse."""

from __future__ import annotations

import pytest

from deployer.comparison.compare import AnswerClass, Question, compare, concrete, survey

HOME = Question("127.0.0.1", 80, "")
SHOP = Question("127.0.0.1", 80, "shop.example.com")
BLOG = Question("127.0.0.1", 80, "blog.example.com")


def status(code: int, location: str | None = None) -> AnswerClass:
    return AnswerClass(str(code), code, location)


CLOSED = AnswerClass("the connection was refused")
BROKEN = AnswerClass("the SSH connection is lost", broken=True)


def tls(verified: bool, names: tuple[str, ...] = ("shop.example.com",)) -> AnswerClass:
    why = None if verified else "certificate has expired"
    return AnswerClass("200", 200, None, names, verified, why)


def test_one_question_per_name_and_port_and_one_for_strangers() -> None:
    found = survey(
        ["0.0.0.0:80", "[::]:80", "10.0.0.1:443", "unix:/run/x.sock"], ["shop.example.com", "_", ""]
    )
    assert found.questions == (
        HOME,
        Question("::1", 80, ""),
        Question("10.0.0.1", 443, ""),
        SHOP,
        Question("10.0.0.1", 443, "shop.example.com"),
    )
    assert found.note is None


def test_only_ipv6_is_asked_for_everything() -> None:
    assert survey([":::8080"], ["a.example"]).questions == (
        Question("::1", 8080, ""),
        Question("::1", 8080, "a.example"),
    )


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("shop.example.com", ("shop.example.com",)),
        ("*.example.com", ("deployer-probe.example.com",)),
        (".example.com", ("example.com", "deployer-probe.example.com")),
        ("www.example.*", ("www.example.test",)),
        ("_", ()),
        ("", ()),
        ("~^www\\d+\\.example\\.com$", ()),
        ("a b", ()),
        ("x\r\ny", ()),
        ("under_score.example", ("under_score.example",)),
        ("x" * 64 + ".example", ()),
        ("a..b", ()),
    ],
)
def test_names(name: str, names: tuple[str, ...]) -> None:
    assert concrete(name) == names


def test_too_many_questions_are_sampled_evenly_and_said_so() -> None:
    names = [f"site{i:03}.example" for i in range(500)]
    found = survey(["0.0.0.0:80", "0.0.0.0:443"], names, limit=50)
    assert len(found.questions) == 50
    assert found.left_out == 1002 - 50
    assert found.note == "only 50 of 1002 questions are asked, evenly chosen"
    asked = sorted({q.name for q in found.questions if q.name})
    assert asked[0] < "site010"
    assert asked[-1] > "site480"
    assert survey(["0.0.0.0:80"], names, limit=1).questions == (HOME,)


def test_what_is_not_asked_is_said() -> None:
    assert survey(["0.0.0.0:80"], ["~^a", "~^a", "b"]).note == "not asked for: ~^a"


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        (status(200), status(200), "same"),
        (status(200), status(503), "worse"),
        (status(200), status(404), "worse"),
        (status(301), status(403), "worse"),
        (status(200), CLOSED, "worse"),
        (status(404), status(500), "worse"),
        (status(403), CLOSED, "worse"),
        (status(502), CLOSED, "changed"),
        (status(502), BROKEN, "same"),
        (status(502), status(504), "changed"),
        (status(503), status(200), "changed"),
        (status(503), status(404), "changed"),
        (status(200), status(301, "https://x/"), "changed"),
        (status(301, "https://x/"), status(301, "https://y/"), "changed"),
        (CLOSED, CLOSED, "same"),
        (CLOSED, status(503), "same"),
        (BROKEN, CLOSED, "same"),
        (status(200), BROKEN, "unproved"),
        (status(200), None, "unproved"),
        (tls(True), tls(False), "worse"),
        (tls(False), tls(False), "same"),
        (tls(False), tls(True), "same"),
        (tls(False), AnswerClass("the TLS handshake failed"), "worse"),
        (tls(True), tls(True, ("*.example.com",)), "changed"),
    ],
)
def test_judging(old: AnswerClass, new: AnswerClass | None, verdict: str) -> None:
    found = compare({SHOP: old}, {SHOP: new} if new else {})
    lists = {"worse": found.worse, "changed": found.changed, "unproved": found.unproved}
    assert {name for name, value in lists.items() if value} == ({verdict} - {"same"})
    assert found.healthy is (verdict in ("same", "changed"))


def test_sentences() -> None:
    found = compare({SHOP: status(200), HOME: tls(True)}, {SHOP: status(503), HOME: tls(False)})
    assert [str(d) for d in found.worse] == [
        "shop.example.com at 127.0.0.1:80: 200 before, 503 now",
        "127.0.0.1:80: good before; now certificate has expired",
    ]


BEFORE = {HOME: status(404), SHOP: status(200), BLOG: status(200)}


def test_a_name_that_was_taken_out_is_changed() -> None:
    after = {HOME: status(404), SHOP: status(200), BLOG: status(404)}
    assert compare(BEFORE, after).worse
    found = compare(BEFORE, after, names=["shop.example.com"])
    assert found.healthy
    assert "no such name any more" in str(found.changed[0])


def test_what_closed_under_a_bad_default_server_was_not_taken_out() -> None:
    before = BEFORE | {HOME: status(503)}
    after = {HOME: CLOSED, SHOP: status(200), BLOG: CLOSED}
    assert not compare(before, after, names=["shop.example.com"]).healthy
    refused = AnswerClass("the connection was closed without an answer")
    before, after = BEFORE | {HOME: refused}, {HOME: refused, SHOP: status(200), BLOG: refused}
    assert compare(before, after, names=["shop.example.com"]).healthy


@pytest.mark.parametrize(
    ("after", "names"),
    [
        # not what the default server says
        ({HOME: status(404), SHOP: status(200), BLOG: status(500)}, ["shop.example.com"]),
        # the default server is worse than it was
        ({HOME: status(503), SHOP: status(200), BLOG: status(503)}, ["shop.example.com"]),
        # still there by its name
        ({HOME: status(404), SHOP: status(200), BLOG: status(404)}, [".example.com", "blog.example.com"]),
        # every site is gone: an include that matches nothing
        ({HOME: status(404), SHOP: status(404), BLOG: status(404)}, []),
    ],
)
def test_but_not_when_more_is_wrong(after: dict[Question, AnswerClass], names: list[str]) -> None:
    assert not compare(BEFORE, after, names=names).healthy
