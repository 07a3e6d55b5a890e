"""The servers behind nginx, and what they were seen to answer."""

from __future__ import annotations

from deployer.staging.behind import DNS, FASTCGI, HTTP, TCP, Behind, behind, rules, stand_in, unused

from .sites import said, sites

CONFIG = """
    resolver 10.0.0.2 127.0.0.53:5353 valid=10s;
    access_log syslog:server=logs.internal:1514,tag=x;
    upstream app { server app1.internal:8080; server app2.internal:8080 backup; keepalive 8; }
    upstream spare { server spare.internal; }
    server {
        listen 80; server_name shop.example.com;
        location / { proxy_pass http://app; }
        location /cut/ { proxy_pass https://api.internal/v1/; }
        location /self { proxy_pass http://127.0.0.1:8081; }
        location /near { proxy_pass http://127.0.0.1:9000; }
        location ~ [.]php$ { fastcgi_pass unix:/run/php.sock; }
        location /front { try_files $uri /index.php?$args; }
        location /set { set $to http://set.internal:81; proxy_pass $to; }
        location /any { proxy_pass http://$arg_to; }
        location /mem { memcached_pass [2001:db8::7]:11211; }
    }
    server { listen 127.0.0.1:8081; }
"""


def test_every_server_is_found_with_what_is_spoken_there() -> None:
    found, unknown = behind(sites(CONFIG))
    known = {(s.host, s.port): (s.protocol, s.tls) for s in found}
    assert known == {
        ("app1.internal", 8080): (HTTP, False),
        ("app2.internal", 8080): (HTTP, False),
        ("spare.internal", 80): (HTTP, False),
        ("api.internal", 443): (HTTP, True),
        ("127.0.0.1", 9000): (HTTP, False),
        ("/run/php.sock", 0): (FASTCGI, False),
        ("set.internal", 81): (HTTP, False),
        ("2001:db8::7", 11211): (TCP, False),
        ("10.0.0.2", 53): (DNS, False),
        ("127.0.0.53", 5353): (DNS, False),
        ("logs.internal", 1514): (TCP, False),
    }
    assert unknown == ("proxy_pass http://$arg_to",)


def test_where_a_server_is() -> None:
    name, near, far = Behind("a:80", "a.internal", 80), Behind("b", "::1", 80), Behind("c", "10.0.0.1", 80)
    socket = Behind("unix:/x", "/x", 0)
    assert [s.here for s in (name, near, far, socket)] == [False, True, False, True]
    assert [s.name for s in (name, near, far, socket)] == ["a.internal", None, None, None]
    assert [s.address for s in (name, near, far, socket)] == [None, "::1", "10.0.0.1", None]


def test_what_nginx_answered_is_what_the_server_behind_it_has_to_answer() -> None:
    name = "shop.example.com"
    recorded = [
        said(name, "/", 200),
        said(name, "/cart?deployer=probe", 301),
        said(name, "/cut/x", 404),
        said(name, "/index.php", 500),
        said(name, "/front", 403),
        said(name, "/self", 200),
    ]
    found = rules(sites(CONFIG), recorded)
    assert [(r.name, r.path, r.status) for r in found["app1.internal:8080"]] == [
        (name, "/", 200),
        (name, "/cart", 301),
    ]
    assert found["app2.internal:8080"] == found["app1.internal:8080"]
    assert [(r.path, r.status) for r in found["api.internal"]] == [("/v1/x", 404)]  # as it is asked there
    assert [(r.path, r.status) for r in found["unix:/run/php.sock"]] == [
        ("/index.php", 500),
        ("/index.php", 403),
    ]


def test_what_the_playbook_says() -> None:
    server = Behind("app.internal:8080", "app.internal", 8080)
    assert stand_in({"app.internal:8080": 503}, server) == 503
    assert stand_in({"app.internal": "10.0.0.1:80"}, server) == "10.0.0.1:80"
    assert stand_in({"app.internal:81": 503}, server) is None
    said_of = {"app.internal": 200, "new.internal:9200": 200}
    assert list(unused(said_of, [server])) == ["new.internal:9200"]
