"""Pages whose status and body are as before, and of which a browser shows less."""

from __future__ import annotations

import pytest

from deployer.comparison.asked import AnswerClass, Page
from deployer.comparison.judge import changed, worse

from .configured import SHOP, at, foresight, page

PLAIN = "server { listen 80; server_name shop.example.com; location / { proxy_pass http://10.0.0.1; } }"
SESSION = "basket=7; Path=/account/"
STRICT = "default-src 'none'"


def verdict(old: AnswerClass, new: AnswerClass, path: str = "/account/") -> str | None:
    return worse(at(path), old, new, foresight(PLAIN, PLAIN))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (page(set_cookie=SESSION), page(set_cookie="basket=8; path=/konto/"), "is for /konto/ now"),
        (
            page(set_cookie="a=1"),
            page(set_cookie="a=1; Domain=admin.example.com"),
            "for admin.example.com now",
        ),
        (page(), page(cache_control="max-age=315360000"), "keep the page for 3650 days"),
        (page(cache_control="max-age=60"), page(cache_control="public, max-age=31536000"), "for 365 days"),
        (page(), page(content_security_policy=STRICT), "none of its styles"),
        (
            page(content_security_policy="default-src 'self'"),
            page(content_security_policy=f"{STRICT}; img-src"),
            "none of its styles",
        ),
        (page(), page(content_type="text/html; charset=utf-16"), "said to be utf-16 now"),
        (
            page(content_type='text/html; charset="UTF-8"'),
            page(content_type="text/html; charset=windows-1251"),
            "windows-1251 now",
        ),
    ],
)
def test_what_a_browser_misses(old: AnswerClass, new: AnswerClass, said: str) -> None:
    found = verdict(old, new)
    assert found is not None
    assert said in found
    assert verdict(new, new) is None
    assert worse(SHOP, old, new) is None, "nothing is known of what is meant"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (page(set_cookie=SESSION), page(set_cookie="basket=9; Path=/; Secure; HttpOnly")),
        (page(set_cookie="a=1"), page(set_cookie="a=1; Domain=.example.com")),
        (page(set_cookie=SESSION), page()),
        (page(), page(cache_control="max-age=3600")),
        (page(kind="image/png"), page(kind="image/png", cache_control="max-age=315360000, immutable")),
        (page(), page(cache_control="no-cache, max-age=31536000")),
        (page(), page(content_security_policy="default-src 'self'")),
        (page(), page(content_security_policy=f"{STRICT}; style-src 'self'")),
        (
            page(kind="application/json"),
            page(kind="application/json", content_security_policy=STRICT),
        ),
        (page(), page(content_type="text/html; charset=utf-8")),
        (page("old"), page("new", content_type="text/html; charset=iso-8859-1")),
        (page(content_type="text/html; charset=koi8-r"), page(content_type="text/html; charset=koi8-u")),
    ],
)
def test_what_a_browser_does_not_mind(old: AnswerClass, new: AnswerClass) -> None:
    assert verdict(old, new) is None


PUBLIC = "public, max-age=86400"


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        ("/", page(), page(x_robots_tag="noindex, nofollow"), "told to forget it"),
        ("/", page(), page(x_robots_tag="googlebot: none"), "told to forget it"),
        ("/a", page(), page(clear_site_data='"cookies"'), "makes browsers forget"),
        ("/a", page(), page(content_disposition="attachment; filename=a.html"), "save the page"),
        ("/a", page(set_cookie="a=1"), page(set_cookie="a=2", cache_control=PUBLIC), "sets a cookie"),
        ("/a", page(), page(set_cookie="a=2", cache_control="s-maxage=60"), "sets a cookie"),
    ],
)
def test_what_a_browser_is_told_of_a_page(path: str, old: AnswerClass, new: AnswerClass, said: str) -> None:
    assert said in str(verdict(old, new, path))
    assert verdict(new, new, path) is None


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("/account/", page(), page(x_robots_tag="noindex")),  # a part that nobody has to find
        ("/", page(), page(x_robots_tag="max-snippet:20")),
        ("/logout", page(), page(clear_site_data='"cookies"')),
        ("/a", page(kind="application/pdf"), page(kind="application/pdf", content_disposition="attachment")),
        ("/a", page(), page(content_disposition="inline")),
        ("/a", page(), page(cache_control=PUBLIC)),
        ("/a", page(set_cookie="a=1"), page(set_cookie="a=2", cache_control="private, max-age=60")),
    ],
)
def test_what_it_may_be_told(path: str, old: AnswerClass, new: AnswerClass) -> None:
    assert verdict(old, new, path) is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (page(kind="text/css"), page(kind="text/css", content_encoding="gzip"), "nobody can unpack them"),
        (
            page(x_frame_options="DENY"),
            page(x_frame_options="ALLOW-FROM https://a.example"),
            "no browser knows X-Frame-Options: ALLOW-FROM https://a.example",
        ),
        (
            page(set_cookie=SESSION),
            page(set_cookie="basket=7; Path=/; Secure; SameSite=Laxaccount/"),
            "the cookie basket says SameSite=Laxaccount/, which means nothing",
        ),
        (page(set_cookie=SESSION), page(set_cookie="basket=7; Path=/; Secureaccount/"), "secureaccount/"),
        (
            page(strict_transport_security="max-age=300"),
            page(strict_transport_security="max-age="),
            "taken back",
        ),
    ],
)
def test_words_that_browsers_do_not_take_for_what_was_meant(
    old: AnswerClass, new: AnswerClass, said: str
) -> None:
    found = verdict(old, new)
    assert found is not None
    assert said in found
    assert verdict(new, new) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (page("long"), page("packed", content_encoding="gzip")),
        (page(), page(content_encoding="identity")),
        (page(x_frame_options="DENY"), page(x_frame_options="SameOrigin")),
        (page(), page(x_frame_options="ALLOW-FROM https://a.example")),
        (
            page(x_frame_options="DENY"),
            page(
                x_frame_options="ALLOW-FROM https://a.example",
                content_security_policy="frame-ancestors https://a.example",
            ),
        ),
        (page(set_cookie=SESSION), page(set_cookie="basket=7; Path=/account/; Secure; SameSite=None")),
        (page(set_cookie="a=1; SameSite=x"), page(set_cookie="a=1; SameSite=y")),
        (page(), page(set_cookie="a=1; Path=/account/; SameSite=x")),
        (
            page(strict_transport_security="max-age=300"),
            page(strict_transport_security='Max-Age="0600"'),
        ),
    ],
)
def test_words_that_say_it_otherwise(old: AnswerClass, new: AnswerClass) -> None:
    assert verdict(old, new) is None


def test_two_types_are_none() -> None:
    def typed(*values: str) -> AnswerClass:
        headers = tuple(("content-type", value) for value in values)
        return AnswerClass("200", 200, page=Page("css", 3, "text/css", headers))

    one, two = typed("text/css"), typed("text/css", "text/html; charset=utf-8")
    assert verdict(one, two) == "two types at once: Content-Type is text/css and text/html"
    assert verdict(two, two) is None
    assert verdict(one, typed("text/css", "text/css; charset=utf-8")) is None


def test_a_cookie_that_is_new_is_told() -> None:
    old, new = page(set_cookie="a=1"), page(set_cookie="uid=7; Path=/")
    assert verdict(old, new) is None
    assert changed(old, new) == "it sets the cookie uid now"
    assert changed(new, new) is None


@pytest.mark.parametrize(
    ("header", "old", "new", "said"),
    [
        ("x-content-type-options", "nosniff", "osniff", "no browser knows X-Content-Type-Options: osniff"),
        ("x-content-type-options", "nosniff", "nosniff, nosniff", None),
        ("x-content-type-options", "non", "osniff", None),  # nor did live
        ("referrer-policy", "same-origin", "same-orgin", "no browser knows Referrer-Policy"),
        ("referrer-policy", "same-origin", "no-referrer, strict-origin", None),
        ("referrer-policy", "same-origin", "new-word, strict-origin", None),  # the last one they know counts
        ("cross-origin-opener-policy", "same-origin", "same-origin; report-to='x'", None),
        (
            "cross-origin-embedder-policy",
            "require-corp",
            "requirecorp",
            "no browser knows Cross-Origin-Embedder",
        ),
        (
            "content-security-policy",
            "frame-ancestors 'self'",
            "frame-ancestros 'self'",
            "is frame-ancestors meant",
        ),
        ("content-security-policy", "img-src *", "img-src *; brand-new-thing x", None),
        ("content-security-policy", "img-src 'self'", "img-src self", "self without its quotes"),
        ("content-security-policy", "img-src self", "img-src self *", None),
    ],
)
def test_words_of_headers_that_browsers_pass_over(header: str, old: str, new: str, said: str | None) -> None:
    one, two = (
        AnswerClass("200", 200, page=Page("page", 4, "text/html", ((header, value),))) for value in (old, new)
    )
    found = verdict(one, two)
    assert said in str(found) if said else found is None, found


@pytest.mark.parametrize(
    ("kind", "after", "said"),
    [
        ("video/mp4", {}, True),
        ("audio/mpeg", {"accept_ranges": "none"}, True),
        ("video/mp4", {"accept_ranges": "bytes"}, False),
        ("image/png", {}, False),  # nobody asks for a part of it
    ],
)
def test_films_are_asked_for_in_parts(kind: str, after: dict[str, str], *, said: bool) -> None:
    found = verdict(page("", kind, accept_ranges="bytes"), page("", kind, status=200, **after))
    assert ("players cannot jump" in str(found)) is said
    assert verdict(page(kind=kind), page(kind=kind)) is None
