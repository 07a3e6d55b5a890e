"""What a fleet is made of."""

from __future__ import annotations

from typing import Any

from deployer.config.staging import Staging
from deployer.model import Entry, Host, Kind
from deployer.staging import secrets
from deployer.staging.design import ONE_USER, design, image
from deployer.staging.exporting import Export
from deployer.staging.pages import STAND_IN

from .sites import said, sites

CONFIG = """
    client_body_temp_path /var/spool/shop/body;
    access_log /var/log/shop/access.log;
    upstream app { server app.internal:8080; server web2:8080; server 10.0.0.9:80; server 127.0.0.1:9000; }
    server {
        listen 80; listen 203.0.113.7:80; listen [2001:db8::7]:80;
        listen 127.0.0.1:81; listen www.example.com:82;
        server_name shop.example.com; root /srv/shop; proxy_bind 203.0.113.8;
        location / { proxy_pass http://app; }
        location /static/ { index home.html; auth_basic_user_file users; }
        location /img/ { alias /srv/pictures/; }
        location /gone { return 200; }
    }
"""


def export(name: str = "web1", config: str = CONFIG, **more: Any) -> Export:
    found = sites(config, main="user shop; error_log /var/log/shop/error.log;")
    assert found.config is not None
    entries = (
        Entry("nginx.conf", Kind.FILE, ""),
        Entry("hook.sh", Kind.EXEC, ""),
        Entry("on/site", Kind.LINK, "/etc/nginx/site"),
    )
    contents = {
        "/etc/nginx/nginx.conf": b"#",
        "/etc/nginx/hook.sh": b"#!",
        "/opt/x.conf": b"",
        "/proc/1/x": b"",
    }
    kept = secrets.of(found.config, found.servers)
    return Export(Host(name, name), "/etc/nginx", entries, contents, found, kept, **more)


def test_a_host_has_what_its_nginx_asks_for() -> None:
    asked = [
        said("shop.example.com", "/static/", 200),
        said("shop.example.com", "/static/a/b.css", 200, b"a{}"),
        said("shop.example.com", "/img/", 403),
        said("shop.example.com", "/img/../../etc/x", 200),
        said("shop.example.com", "/gone", 200),
        said("shop.example.com", "/", 200),
    ]
    found = image(export(recorded=tuple(asked)))
    assert found.files == {
        "/etc/nginx/nginx.conf": b"#",
        "/etc/nginx/hook.sh": b"#!",
        "/opt/x.conf": b"",
        "/etc/nginx/users": ONE_USER,
        "/srv/shop/static/home.html": STAND_IN,
        "/srv/shop/static/a/b.css": b"a{}",
    }
    assert found.executable == {"/etc/nginx/hook.sh"}
    assert found.links == {"/etc/nginx/on/site": "/etc/nginx/site"}
    assert set(found.addresses) == {"203.0.113.7", "2001:db8::7", "203.0.113.8"}
    assert found.names == ("www.example.com",)
    assert found.users == ("shop",)
    assert {"/var/spool/shop", "/var/log/shop", "/srv/shop", "/srv/pictures"} <= set(found.directories)


def test_stand_ins_stand_where_their_servers_are() -> None:
    rules = Staging(upstreams={"app.internal": "10.9.0.5:80", "10.0.0.9:80": 503, "new.internal:9200": 200})
    found = design([export("web1"), export("web2")], rules)
    stubs = {stub.server.host: stub for stub in found.stubs}
    assert stubs.keys() == {"app.internal", "10.0.0.9", "127.0.0.1", "new.internal"}  # web2 is there itself
    assert stubs["127.0.0.1"].hosts == ("web1", "web2")
    assert (stubs["10.0.0.9"].address, stubs["10.0.0.9"].status) == ("10.0.0.9", 503)
    assert (stubs["app.internal"].address, stubs["app.internal"].to) == (
        found.names["app.internal"],
        "10.9.0.5:80",
    )
    assert found.names.keys() == {"app.internal", "new.internal"}
    assert len(set(found.names.values())) == 2
