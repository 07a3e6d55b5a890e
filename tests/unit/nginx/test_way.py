"""Where a request ends, as the text says it: what a real nginx does not show in a header."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from deployer.nginx.configuration import parse
from deployer.nginx.sites import read
from deployer.nginx.tree import Directive
from deployer.nginx.way import Way, follow

PHP = "location ~ \\.php$ { fastcgi_pass unix:/php; }"
SCRIPTS = f"index index.php; location / {{ try_files $uri $uri/ /index.php?$args; }} {PHP}"


def way(server: str, path: str, has: Sequence[str] | None = None, **says: str) -> Way:
    config = parse({"nginx.conf": f"events {{ }} http {{ server {{ {server} }} }}".encode()})
    assert not config.problems

    def there(_: Sequence[Directive], name: str) -> bool | None:
        return None if has is None else name in has

    return follow(config, read(config).servers[0], path, says, there)


@pytest.mark.parametrize(
    ("server", "path", "pattern", "ends"),
    [
        ("rewrite ^/(.*)$ /index.php?title=$1 last;" + SCRIPTS, "/logo.txt", "\\.php$", "/index.php"),
        ("rewrite ^/old/(.*)$ /new/$1; location /new/ { }", "/old/x", "/new/", "/new/x"),
        ("location / { rewrite ^/a/(.*)$ /b/$1 last; } location /b/ { }", "/a/%20x?q", "/b/", "/b/ x"),
        ("location /a { rewrite ^ /b/ break; } location /b/ { }", "/a", "/a", "/a"),
        ("location /a { error_page 418 = @app; return 418; } location @app { }", "/a", "app", "/a"),
        ("location / { error_page 404 /e; return 404; } location = /e { }", "/a", "/e", "/e"),
        ("if ($arg_x = 1) { rewrite ^ /b; } location /b { } location / { }", "/?x=1", "/b", "/b"),
        ("if ($arg_x = 1) { rewrite ^ /b; } location /b { } location / { }", "/?x=2", "/", "/"),
    ],
)  # fmt: skip
def test_it_is_led_on(server: str, path: str, pattern: str, ends: str) -> None:
    found = way(server, path)
    assert found.location is not None
    assert (found.location.pattern, found.path, found.sure) == (pattern, ends, True)


def test_what_the_server_says_comes_before_any_location() -> None:
    moved = way("rewrite ^/a /b permanent; location /a { }", "/a")
    assert (moved.location, moved.answer and moved.answer.name) == (None, "rewrite")
    after = "rewrite ^/a /b last; return 403; location /b { }"
    assert way(after, "/a").location is not None
    assert way(after, "/c").status == 403


def test_what_is_not_known_is_not_guessed() -> None:
    unless = "if (!-e $request_filename) { rewrite ^ /index.php last; }" + SCRIPTS
    found = way(unless, "/x")
    assert (found.location and found.location.pattern, found.sure) == ("/", False)
    unsaid = way("if ($http_x_forwarded_proto = http) { return 301 https://$host; } location / { }", "/")
    assert (unsaid.answer, unsaid.sure) == (None, False)
    said = way("if ($http_x_a = 1) { return 404; }", "/", http_x_a="1")
    assert (said.status, said.sure) == (404, True)


def test_who_may_answer_besides_is_told() -> None:
    found = way(SCRIPTS, "/page")
    assert [x.pattern for x in found.others if x is not None] == ["\\.php$"]
    assert way(SCRIPTS, "/page", has=("/page",)).others == ()
    gone = way(SCRIPTS, "/page", has=())
    assert gone.location is not None
    assert gone.location.pattern == "\\.php$"


def test_a_circle_is_an_error() -> None:
    assert way("location / { rewrite ^/(.*)$ /en/$1 last; }", "/a").status == 500
