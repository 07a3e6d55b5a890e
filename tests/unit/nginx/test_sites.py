"""Who answers, by the configuration alone: as nginx's documentation has it."""

from __future__ import annotations

import pytest

from deployer.nginx.access import Access, access
from deployer.nginx.sites import Listen, effective, written
from deployer.nginx.upstreams import lost_path, own_listener, passed
from tests.unit.comparison.configured import sites

NAMES = """
server { listen 80; server_name first.example.com; }
server { listen 80 default_server; server_name _; }
server { listen 80; server_name .dot.example.com; }
server { listen 80; server_name *.wild.example.com; }
server { listen 80; server_name www.example.*; }
server { listen 80; server_name ~^r(\\d+)\\.example\\.com$; }
server { listen 80; server_name r5.example.com; }
server { listen 10.0.0.5:80; server_name special.example.com; }
server { server_name bare.example.com; }
"""


@pytest.mark.parametrize(
    ("address", "name", "title"),
    [
        ("127.0.0.1", "first.example.com", "first.example.com"),
        ("127.0.0.1", "FIRST.example.com", "first.example.com"),
        ("127.0.0.1", "dot.example.com", ".dot.example.com"),
        ("127.0.0.1", "a.b.dot.example.com", ".dot.example.com"),
        ("127.0.0.1", "a.wild.example.com", "*.wild.example.com"),
        ("127.0.0.1", "wild.example.com", None),
        ("127.0.0.1", "www.example.org", "www.example.*"),
        ("127.0.0.1", "r7.example.com", "~^r(\\d+)\\.example\\.com$"),
        ("127.0.0.1", "r5.example.com", "r5.example.com"),
        ("127.0.0.1", "bare.example.com", "bare.example.com"),
        ("10.0.0.5", "special.example.com", "special.example.com"),
        ("10.0.0.5", "first.example.com", "special.example.com"),
        ("10.0.0.6", "first.example.com", "first.example.com"),
    ],
)
def test_which_server(address: str, name: str, title: str | None) -> None:
    choice = sites(NAMES).choose((address, 80), name)
    assert choice is not None
    assert (choice.server.title if title else choice.listed) == (title or False)


def test_nobody_listens_there() -> None:
    assert sites(NAMES).choose(("127.0.0.1", 81), "first.example.com") is None
    assert sites(NAMES).choose(("::1", 80), "first.example.com") is None


def test_two_with_one_name() -> None:
    twice = (
        "server { listen 80; server_name a.example; } server { listen 80; server_name b.example a.example; }"
    )
    choice = sites(twice).choose(("127.0.0.1", 80), "a.example")
    assert choice is not None
    assert [s.names for s in choice.ignored] == [("b.example", "a.example")]


@pytest.mark.parametrize(
    ("text", "listens"),
    [
        ("listen 8080;", [Listen("*", 8080)]),
        ("listen *:80 default;", [Listen("*", 80, default=True)]),
        ("listen [::]:443 ssl http2 ipv6only=off;", [Listen("::", 443, tls=True, both=True)]),
        ("listen [::1]:80;", [Listen("::1", 80)]),
        ("listen 10.0.0.5;", [Listen("10.0.0.5", 80)]),
        ("listen localhost:81 proxy_protocol;", [Listen("127.0.0.1", 81, proxy=True)]),
        ("listen 443; ssl on;", [Listen("*", 443, tls=True)]),
        ("listen 8000-8002;", [Listen("*", 8000), Listen("*", 8001), Listen("*", 8002)]),
        ("listen unix:/run/x.sock;", []),
        ("listen 443 quic;", []),
        ("listen name.example:80;", []),
        ("", [Listen("*", 80)]),
    ],
)
def test_what_a_listen_opens(text: str, listens: list[Listen]) -> None:
    (server,) = sites(f"server {{ {text} }}").servers
    assert list(server.listens) == listens


LOCATIONS = """server {
location / {} location = /exact {} location /api/ { location ~ \\.json$ {} location /api/in/ {} }
location ^~ /static/ {} location ~ \\.php$ {} location ~* \\.JPG$ {} location @named {}
location /api/long/ {} }"""


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("/", "/"),
        ("/exact", "/exact"),
        ("/exact/", "/"),
        ("/api/x", "/api/"),
        ("/api/x.json", "\\.json$"),
        ("/api/in/x", "/api/in/"),
        ("/api/long/x", "/api/long/"),
        ("/static/x.php", "/static/"),
        ("/x.php", "\\.php$"),
        ("/x.jpg", "\\.JPG$"),
    ],
)
def test_which_location(path: str, pattern: str) -> None:
    (server,) = sites(LOCATIONS).servers
    location = server.locate(path)
    assert location is not None
    assert location.pattern == pattern


def test_an_inner_directive_hides_all_outer_ones() -> None:
    (server,) = sites(
        "add_header A 1; server { add_header B 2; location / { } location /x { add_header C 3; } }"
    ).servers
    root, inner = server.locations
    assert [d.args[0] for d in effective(root.scope, "add_header")] == ["B"]
    assert [d.args[0] for d in effective(inner.scope, "add_header")] == ["C"]


def test_servers_that_say_the_same_are_known_to() -> None:
    one, two = sites("server { listen 80; }\n\nserver  {\n listen 80; # comment\n}").servers
    assert written(one.directive) == written(two.directive)


@pytest.mark.parametrize(
    ("location", "path", "uri"),
    [
        ("location / { proxy_pass http://app; }", "/api/x?q", "/api/x"),
        ("location /api/ { proxy_pass http://app/; }", "/api/x", "/x"),
        ("location /api/ { proxy_pass http://app/v1/; }", "/api/x", "/v1/x"),
        ("location /api { proxy_pass http://app/; }", "/api/x", "//x"),
        ("location /api/ { set $b app; proxy_pass http://$b/v1/; }", "/api/x", "/v1/"),
        ("location /api/ { proxy_pass http://app/$1; }", "/api/x", None),
        ("location /api/ { rewrite ^/api/(.*)$ /$1 break; proxy_pass http://app; }", "/api/x", "/x"),
        ("location ~ x { proxy_pass http://app; }", "/x", "/x"),
        ("location / { fastcgi_pass 127.0.0.1:9000; }", "/x.php", "/x.php"),
    ],
)
def test_what_reaches_the_upstream(location: str, path: str, uri: str | None) -> None:
    found = sites(f"upstream app {{ server 10.0.0.1; server 10.0.0.2 down; }} server {{ {location} }}")
    server = found.servers[0]
    there = passed(found, server.locate(path.partition("?")[0]), path)
    assert there is not None
    assert there.uri == uri
    if "app" in location:
        assert there.members == {"10.0.0.1"}


def test_a_path_that_is_lost_on_the_way() -> None:
    def become(target: str) -> str | None:
        live = sites("upstream app { server 10.0.0.1; } server { location /api/ { proxy_pass http://app; } }")
        new = sites(
            f"upstream app {{ server 10.0.0.1; }} server {{ location /api/ {{ proxy_pass {target}; }} }}"
        )
        old, now = (passed(s, s.servers[0].locate("/api/x"), "/api/x") for s in (live, new))
        assert old is not None
        assert now is not None
        return lost_path(old, now)

    assert become("http://app") is None
    assert become("http://app/") is not None
    assert become("http://app/api/api/") is not None
    assert become("http://app/v2/") is None
    assert become("http://other/") is None


def test_an_upstream_that_is_nginx_itself() -> None:
    found = sites("server { listen 8081; } server { listen 10.0.0.5:82; }")
    assert own_listener(found, frozenset({"127.0.0.1:8081"})) == ("127.0.0.1", 8081)
    assert own_listener(found, frozenset({"localhost:8081"})) == ("127.0.0.1", 8081)
    assert own_listener(found, frozenset({"10.0.0.5:82"})) == ("10.0.0.5", 82)
    assert own_listener(found, frozenset({"10.0.0.9:8081", "127.0.0.1:82", "app"})) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Access.OPEN),
        ("deny all;", Access.CLOSED),
        ("allow 10.0.0.0/8; allow 127.0.0.1; deny all;", Access.CLOSED),
        ("allow 10.0.0.0/8;", Access.OPEN),
        ("allow all; deny all;", Access.OPEN),
        ("allow 203.0.113.0/24; deny all;", Access.CLOSED),  # an office
        ("allow 2001:db8::/32; deny all;", Access.CLOSED),
        ("deny 24.0.0.0/8;", Access.OPEN),
        ("allow 0.0.0.0/0; deny all;", Access.OPEN),
        ("satisfy any; allow 203.0.113.0/24; deny all; auth_basic x;", Access.PASSWORD),
        ("satisfy any; allow all; auth_basic x;", Access.OPEN),
        ("satisfy any; auth_basic x;", Access.PASSWORD),
        ("deny 10.0.0.0/8;", Access.OPEN),
        ("auth_basic x;", Access.PASSWORD),
        ("auth_basic off;", Access.OPEN),
        ("satisfy any; deny all; auth_basic x;", Access.PASSWORD),
        ("deny all; return 200 open;", Access.OPEN),
        ("auth_request /check;", Access.PASSWORD),
    ],
)
def test_how_far_a_stranger_gets(text: str, expected: Access) -> None:
    (server,) = sites(f"server {{ location / {{ {text} }} }}").servers
    assert access(server.locations[0].scope) is expected
