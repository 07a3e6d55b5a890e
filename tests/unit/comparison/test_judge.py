"""Two answers to one question: worse, another one, or the same."""

from __future__ import annotations

import pytest

from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.compare import compare
from deployer.comparison.judge import changed, worse
from deployer.comparison.routes import Origin

from .configured import SHOP, at, foresight, moved, page

PLAIN = "server { listen 80; server_name shop.example.com; location / { proxy_pass http://10.0.0.1; } }"
CLOSED = AnswerClass("the connection was refused")
DEEP = at("/a/deployer-probe?deployer=probe")


def verdict(
    old: AnswerClass, new: AnswerClass, question: Question = SHOP, candidate: str = PLAIN
) -> str | None:
    return worse(question, old, new, foresight(PLAIN, candidate))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (page(), page(status=404), "200 before, 404 now"),
        (page(), page(status=503), "200 before, 503 now"),
        (page(status=404), page(status=502), "404 before, 502 now"),
        (moved("/x"), page(status=404), "301 before, 404 now"),
        (page(), CLOSED, "200 before, the connection was refused now"),
        (page(status=403), page(), "the access is open"),
        (page(status=401), page(), "the access is open"),
        (page(status=401), page(status=404), "behind the password is gone"),
        (page(status=401), page(status=410), "behind the password is gone"),
        (page(status=401), page(status=502), "401 before, 502 now"),
        (page(), page("", kind="text/html"), "an empty page"),
        (page(), page("Index of /"), "a list of the directory"),
        (page(), page("Welcome to nginx"), "welcome page"),
        (page(), page(kind="application/octet-stream"), "browsers will not show it"),
        (page(), page(kind="text/plain"), "browsers will not show it"),
        (page("a{}", "text/css"), page("a{}", ""), "browsers will not show it"),
        (page(x_frame_options="DENY"), page(), "X-Frame-Options is lost"),
        (
            page(strict_transport_security="max-age=9"),
            page(strict_transport_security="max-age=0"),
            "taken back",
        ),
        (page(set_cookie="s=1; Secure; HttpOnly"), page(set_cookie="s=2; HttpOnly"), "no longer secure"),
        (page(), moved("https:///x"), "no address"),
        (moved("/x"), moved(""), "leads nowhere"),
        (moved("/x"), page(status=300), "300 now, which leads nowhere"),
        (page(), page(status=304), "leads nowhere"),
        (page(status=426), page(status=404), "websockets"),
        (page(status=426), page(status=400), "websockets"),
        (page(status=426), page(), "websockets"),
        (page(status=426), moved("/x/"), "websockets"),
        (page(status=405), page(status=404), "wants to be asked otherwise is not there"),
        (page(status=405), page("nginx's own", status=403), "wants to be asked otherwise is not there"),
        (page("{}", "application/json", status=403), page("nginx's own", status=404), "is not there"),
        (page(), moved("https://sh op/x"), "no address"),
    ],
)
def test_what_is_worse(old: AnswerClass, new: AnswerClass, said: str) -> None:
    assert said in str(verdict(old, new))
    assert verdict(old, old) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (page(status=503), page(status=500)),
        (page(status=500), page(status=404)),
        (page(status=404), page()),
        (page(status=404), page(status=403)),
        (page(status=401), page(status=403)),
        (page(status=403), page(status=404)),
        (page(), page("another page")),
        (page(), page("other", "text/plain")),
        (page(), page("", status=204)),
        (page(), moved("https://shop.example.com/")),
        (moved("/a"), moved("/b")),
        (page(x_frame_options="DENY"), page(content_security_policy="frame-ancestors 'none'")),
        (page(x_frame_options="DENY"), page(x_frame_options="SAMEORIGIN")),
        (page(server="nginx", x_powered_by="PHP"), page()),
        (page(set_cookie="s=1; Secure"), page(set_cookie="t=1")),
        (page(strict_transport_security="max-age=9"), page(strict_transport_security="max-age=99")),
    ],
)
def test_what_is_only_another_answer(old: AnswerClass, new: AnswerClass) -> None:
    assert verdict(old, new) is None


def test_a_page_for_errors_that_is_named_and_is_not_there() -> None:
    named = PLAIN.replace("location", "error_page 404 500 /errors/404.html; location")
    was, now = page("we are sorry", status=404), page("nginx's own", status=404)
    assert "nginx's own page" in str(verdict(was, now, candidate=named))
    assert verdict(was, was, candidate=named) is None
    assert verdict(now, now, candidate=named) is None, "it was not there before"
    assert verdict(was, now) is None, "it is named no more: nginx's own is meant"
    away = named.replace("/errors/404.html", "https://elsewhere.example/")
    assert verdict(was, now, candidate=away) is None
    left = foresight(named, PLAIN)
    assert "the site's own" in str(worse(SHOP, was, now, left)), "live names it, the candidate does not"
    gone = page("nginx's own", status=410)
    assert verdict(was, gone, candidate=named) is None, "another error has another page"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (page(status=426), page(status=101)),
        (page(status=405), page(status=400)),  # the application still says so
        (page("nginx's own", status=405), page("nginx's own", status=404)),
        (page(status=403), page("nginx's own", status=404)),  # a page for people, perhaps the site's own
        (page(status=404), page("nginx's own", status=404)),
    ],
)
def test_an_application_that_is_still_there(old: AnswerClass, new: AnswerClass) -> None:
    assert verdict(old, new) is None


def test_redirects_keep_what_was_asked_for() -> None:
    whole = moved("https://shop.example.com/a/deployer-probe?deployer=probe")
    assert "without the path" in str(verdict(whole, moved("https://shop.example.com/"), DEEP))
    assert "without the arguments" in str(
        verdict(whole, moved("https://shop.example.com/a/deployer-probe"), DEEP)
    )
    assert verdict(whole, moved("https://elsewhere.example/"), DEEP) is None
    assert verdict(moved("https://shop.example.com/"), moved("https://shop.example.com/new"), DEEP) is None
    assert verdict(whole, moved("https://shop.example.com/b/deployer-probe?deployer=probe"), DEEP) is None


def test_certificates_are_judged_whoever_signed_them() -> None:
    def tls(*, fits: bool = True, current: bool = True, verified: bool = False) -> AnswerClass:
        why = None if verified else "self-signed certificate"
        return AnswerClass("200", 200, None, ("x",), verified, why, fits=fits, current=current)

    assert verdict(tls(), tls()) is None
    assert "for x now" in str(verdict(tls(), tls(fits=False)))
    assert "not valid at this time" in str(verdict(tls(), tls(current=False)))
    assert "self-signed" in str(verdict(tls(verified=True), tls()))
    assert verdict(tls(fits=False, current=False), tls(fits=False, current=False)) is None


def test_without_the_configurations_only_what_nobody_means_is_worse() -> None:
    assert worse(SHOP, page(), page(status=500)) is not None
    assert worse(SHOP, page(status=403), page()) is None
    assert worse(SHOP, page(x_frame_options="DENY"), page()) is None
    assert worse(SHOP, page(), page("", "")) is None


def test_a_page_that_changes_by_itself_is_not_compared() -> None:
    unsteady = AnswerClass("200", 200, page=page("").page)
    assert changed(unsteady, page("x")) is None
    assert changed(page("a"), page("b")) == "another content: 1 bytes now, 1 before"
    assert "x-cache" in str(changed(page(x_cache="HIT"), page()))


def test_what_leaks_is_worse_and_what_everybody_gets_is_not() -> None:
    git = at("/.git/HEAD")
    seen = foresight(PLAIN, PLAIN, {git: Origin.SECRET})
    seen.after = {git: page("ref: main"), at("/deployer-probe?deployer=probe"): page(status=404)}
    assert "nobody should have" in str(worse(git, page(status=404), page("ref: main"), seen))
    seen.after = {git: page("app"), at("/deployer-probe?deployer=probe"): page("app")}
    assert worse(git, page(status=404), page("app"), seen) is None


def test_accepted_is_not_worse_and_says_why() -> None:
    found = compare({SHOP: page()}, {SHOP: page(status=404)}, accepted=lambda _: "accepted: closed")
    assert found.healthy
    assert str(found.changed[0]) == "shop.example.com at 127.0.0.1:80: 200 before, 404 now (accepted: closed)"
    assert not compare({SHOP: page()}, {SHOP: page(status=404)}, accepted=lambda _: None).healthy


def test_a_new_place_without_a_password_may_lack_a_file() -> None:
    free = PLAIN.replace("location /", "location /a/ { auth_basic off; root /srv; } location /", 1)
    assert verdict(page(status=401), page(status=404), DEEP, free) is None


def test_programs_go_on_to_get_data_when_they_are_refused() -> None:
    was, now = page("{}", "application/problem+json", status=401), page("nginx's own", status=401)
    assert "programs got application/problem+json" in str(verdict(was, now))
    assert verdict(page("sorry", status=401), now) is None
    assert verdict(was, page("[]", "application/json", status=401)) is None
    assert changed(was, page("sorry", status=401)) == "text/html now, application/problem+json before"
    assert changed(was, page("[]", "application/problem+json", status=401)) is None
