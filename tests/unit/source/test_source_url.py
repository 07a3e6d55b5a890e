from __future__ import annotations

from pathlib import Path

import pytest

from deployer.errors import UsageError
from deployer.source.url import check_ref, mask, parse_url


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("ssh://git@git.example.com/ops/nginx.git", "ssh://git@git.example.com/ops/nginx.git"),
        ("git@git.example.com:ops/nginx.git", "git@git.example.com:ops/nginx.git"),
        ("git@[2001:db8::1]:ops/nginx.git", "git@[2001:db8::1]:ops/nginx.git"),
        ("ssh://git@[2001:db8::1]:2222/ops.git", "ssh://git@[2001:db8::1]:2222/ops.git"),
        ("https://git.example.com/nginx.git", "https://git.example.com/nginx.git"),
        ("https://bob:pw@git.example.com/nginx.git", "https://git.example.com/nginx.git"),
        ("file:///srv/nginx.git", "file:///srv/nginx.git"),
        ("/srv/nginx.git", "/srv/nginx.git"),
        ("/srv/a:b/nginx.git", "/srv/a:b/nginx.git"),
    ],
)
def test_addresses_that_git_may_fetch_from(url: str, plain: str) -> None:
    assert parse_url(url).plain == plain


def test_a_relative_path_becomes_absolute() -> None:
    assert parse_url("./nginx").plain == str(Path.cwd() / "nginx")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "-oProxyCommand=id",
        "--upload-pack=touch /tmp/x",
        "ext::sh -c id",
        "ext::sh -c /tmp/x",
        "transport::address",
        "fd::17",
        "ftp://example.com/x",
        "ssh://-oProxyCommand=id/x",
        "ssh://-lroot@host/x",
        "ssh://git:secret@host/x",
        "-oProxyCommand=id:path",
        "git@-oProxyCommand=id:path",
        "host:-path",
        "https:///no-host",
        "https://bob:secret/x@host/y",
        "https://[::1/x",
        "/srv/a\nb",
    ],
)
def test_what_git_would_take_for_an_option_or_a_command_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_url(url)
    assert "secret" not in str(refused.value)


def test_credentials_are_taken_out_of_the_url_and_decoded() -> None:
    url = parse_url("https://bob:p%40ss%2Fword@git.example.com:8443/x.git")
    assert (url.username, url.password) == ("bob", "p@ss/word")
    assert url.plain == url.shown == "https://git.example.com:8443/x.git"
    assert "p@ss" not in repr(url)
    assert "p%40ss" not in repr(url)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "fatal: unable to access 'https://bob:pw@h/x/': no",
            "fatal: unable to access 'https://***@h/x/': no",
        ),
        ("https://ghp_token@h/x", "https://***@h/x"),
        ("https://bob:p@ss@h/x", "https://***@h/x"),
        ("https://bob:p/w@h/x", "https://***@h/x"),
        ("ssh://git@h/x", "ssh://git@h/x"),
        ("ssh://git:pw@h/x", "ssh://***@h/x"),
        ("https://h/x?private_token=abc y", "https://h/x?*** y"),
    ],
)
def test_mask(text: str, shown: str) -> None:
    assert mask(text) == shown


@pytest.mark.parametrize(
    "ref", ["main", "v1.2", "feature/x", "main~1", "v1^", "v1^{commit}", "a" * 40, "häuptling"]
)
def test_names_of_revisions(ref: str) -> None:
    check_ref(ref)


@pytest.mark.parametrize(
    "ref",
    ["", "--upload-pack=id", "-x", "a..b", "a b", "main:path", ":/text", "main@{1}", "a\nb", "a*", "x\x00"],
)
def test_what_is_no_revision(ref: str) -> None:
    with pytest.raises(UsageError):
        check_ref(ref)
