"""A string for a regular expression: whatever is made, matches."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.nginx.paths import read_path
from deployer.nginx.samples import groups, matches, samples


@pytest.mark.parametrize(
    ("pattern", "first"),
    [
        (r"\.php$", "/probe.php"),
        (r"^/api/v(\d+)/", "/api/v0/"),
        (r"\.(?:css|js)$", "/probe.css"),
        (r"^/(?<user>[^/]+)/?$", "/probe"),
        (r"^/old/(.+)$", "/old/probe"),
        (r"^/foo(?=bar)bar", "/foobar"),
        (r"^/([a-z]{2})/", "/pr/"),
        (r"(a|b)\1", "/aa"),
        (r"(?i)\.JPG$", "/probe.JPG"),
        (r"^(?!/admin).*\.html$", "/probe.html"),
        (r"/[[:digit:]]{3}$", "/000"),
    ],
)
def test_a_path_that_a_location_takes(pattern: str, first: str) -> None:
    found = samples(pattern, begin="/")
    assert found
    assert all(text.startswith("/") for text in found)
    if not pattern.startswith("^/api"):
        assert found[0] == first


@pytest.mark.parametrize(
    ("pattern", "begin", "found"),
    [
        (r"/\.", "/", ("/.probe",)),
        (r"/\.", "/fruit/", ("/fruit/.probe",)),
        (r"/\.(git|svn)", "/fruit/", ("/fruit/.git",)),
        (r"\.$", "/", ("/probe.",)),
        (r"//", "/", ()),
    ],
)
def test_paths_are_such_as_somebody_asks_for(pattern: str, begin: str, found: tuple[str, ...]) -> None:
    assert samples(pattern, begin=begin, limit=1) == found


@pytest.mark.parametrize(
    ("asked", "read"),
    [
        ("/", "/"),
        ("/a//b/./c/../d?x=/../", "/a/b/d"),
        ("/a/..", "/"),
        ("/a/.", "/a/"),
        ("/a%20b/%2e%2e/c", "/c"),
        ("/img../files/", "/img../files/"),
    ],
)
def test_a_path_is_read_as_nginx_reads_it(asked: str, read: str) -> None:
    assert read_path(asked) == read


@pytest.mark.parametrize("pattern", ["(", "^~", "[z-a]", "a{99999999}", r"\x{zzzz}"])
def test_what_cannot_be_made_is_left_out(pattern: str) -> None:
    assert samples(pattern, begin="/") == ()


def test_names_for_a_server_that_is_found_by_an_expression() -> None:
    found = samples(r"^(?:www\.)?(?<shop>shop|store)\.example\.com$", ignore_case=True)
    assert found == ("shop.example.com", "www.store.example.com")
    assert groups(r"^/(?<a>\w+)/(\d+)", "/x/7") == {"1": "x", "2": "7", "a": "x"}
    assert groups(r"^/y", "/x") is None
    assert matches("(", "x") is None


@settings(max_examples=150, deadline=None)
@given(st.from_regex(r"[a-z/.^$()|?+*\[\]\\d-]{1,20}", fullmatch=True))
def test_what_is_made_always_matches(pattern: str) -> None:
    for text in samples(pattern, begin="/"):
        assert text.startswith("/")
        assert matches(pattern, text)
        assert re.search(r"[\r\n]", text) is None or "\\" in pattern
