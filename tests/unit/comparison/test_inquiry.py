"""Live and a candidate, both real and running, are asked the same: what breaks users is found, no more."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import cast

import pytest

from deployer.checks.reach import Transport
from deployer.comparison import inquiry
from deployer.comparison.inquiry import Inquirer, Inquiry, Scope
from tests.unit.servers import Authority

from .twins import ADDRESS, POSSIBLE, Twin, inquire, twins

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not POSSIBLE, reason="needs root, nginx and ip, for two network namespaces"),
]

LIVE = """
include /etc/nginx/mime.types; default_type application/octet-stream;
upstream app { server 127.0.0.1:9001; }
upstream any { server 127.0.0.1:9003; }
limit_req_zone $binary_remote_addr zone=each:1m rate=50r/s;
ssl_certificate WWW/shop.pem; ssl_certificate_key WWW/shop.pem; ssl_protocols TLSv1.2 TLSv1.3;
server { listen 80 default_server; listen 443 ssl default_server; server_name _; return 444; }
server { listen 80; server_name shop.example.com; return 301 https://$host$request_uri; }
server { listen 443 ssl; server_name shop.example.com;
  add_header Strict-Transport-Security "max-age=1000" always;
  location / { proxy_pass http://app; proxy_set_header Host $host; limit_req zone=each burst=50; }
  location /api/ { proxy_pass http://app; }
  location /any/ { proxy_pass http://any; }
  location /files/ { alias WWW/files/; }
  location /private/ { auth_basic x; auth_basic_user_file WWW/htpasswd; alias WWW/files/; }
  location /big { proxy_pass http://app; }
  location /now { proxy_pass http://app; }
}
server { listen 80; server_name files.example.com; root WWW/files; location / { try_files $uri $uri/ =404; } }
server { listen 80; server_name blog.example.com; location / { proxy_pass http://127.0.0.1:9002; } }
server { listen 80; server_name *.any.example.com ~^t(\\d)\\.example\\.org$;
  location / { proxy_pass http://any; } }
server { listen 81 proxy_protocol; server_name shop.example.com; location / { proxy_pass http://app; } }
"""
BAD: dict[str, tuple[str, str, str]] = {
    "a return that was left over": (
        "location / { proxy_pass http://app;",
        "location / { return 503;",
        "503 now",
    ),
    "a dead upstream": ("server 127.0.0.1:9003;", "server 127.0.0.1:9903;", "502 now"),
    "a prefix that is lost": (
        "/any/ { proxy_pass http://any;",
        "/any/ { proxy_pass http://any/;",
        "asked for /",
    ),
    "a typo in a name": ("server_name blog.", "server_name blgo.", "blog.example.com"),
    "another site's upstream": ("proxy_pass http://127.0.0.1:9002", "proxy_pass http://any", "the page of"),
    "a listener that is gone": (
        "listen 80; server_name blog",
        "listen 8080; server_name blog",
        "blog.example.com",
    ),
    "only loopback": ("listen 80", "listen 127.0.0.1:80", "refused"),
    "an address of its own": (
        "listen 80; server_name blog",
        f"listen {ADDRESS}:80; server_name blog",
        "blog",
    ),
    "a circle": (
        "return 301 https://$host$request_uri",
        "return 301 http://$host$request_uri",
        "in a circle",
    ),
    "a slip in a name": (
        "return 301 https://$host$request_uri",
        "return 301 https://shop.exmaple.com$request_uri",
        "nobody here has the name",
    ),
    "nothing behind the password": (
        "auth_basic x;",
        "internal; auth_basic x;",
        "behind the password is gone",
    ),
    "a lost path": ("return 301 https://$host$request_uri", "return 301 https://$host/", "without the path"),
    "a lost header": (
        "/api/ { proxy",
        "/api/ { add_header X-A b; proxy",
        "Strict-Transport-Security is lost",
    ),
    "a wrong certificate": ("WWW/shop.pem", "WWW/other.pem", "certificate is for other.example.com"),
    "no TLS": ("443 ssl", "443", "TLS handshake failed"),
    "only the newest TLS": ("TLSv1.2 TLSv1.3", "TLSv1.3", "TLS 1.2"),
    "a refusal of older TLS": (
        "  add_header Strict",
        "  if ($ssl_protocol != TLSv1.3) { return 426; } add_header Strict",
        "TLS 1.2",
    ),
    "no files": ("root WWW/files", "root /nowhere", "404 now"),
    "an open door": ("auth_basic x;", "auth_basic off;", "open"),
    "no passwords": ("WWW/htpasswd", "/nowhere", "whoever gives a password"),
    "a traversal": ("location /files/ {", "location /files {", "nobody should have"),
    "closed to the public": (
        "/api/ { proxy",
        "/api/ { allow 127.0.0.1; deny all; proxy",
        "closed to the public",
    ),
    "a limit that stops everybody": ("rate=50r/s", "rate=1r/m", "shop.example.com"),
    "small buffers": (
        "/big {",
        "/big { proxy_buffer_size 128; proxy_buffers 4 128; proxy_busy_buffers_size 128;",
        "502",
    ),
    "PROXY no more": (" proxy_protocol", "", "81"),
    "a name in a pattern": ("~^t(", "~^u(", "example.org"),
}
GOOD: dict[str, tuple[str, str]] = {
    "nothing": ("", ""),
    "a new site": (
        "server { listen 81",
        "server { listen 80; server_name n.a; location / { proxy_pass http://any; } } server { listen 81",
    ),
    "a site for few": (
        "server { listen 81",
        "server { listen 80; server_name n.a; allow 10.0.0.0/8; deny all; root WWW; } server { listen 81",
    ),
    "a redirect to somebody else's": (
        "location /api/ {",
        "location = /jobs { return 302 https://jobs.elsewhere.org/us; } location /api/ {",
    ),
    "a backup": ("server 127.0.0.1:9001;", "server 127.0.0.1:9001; server 127.0.0.1:9003 backup;"),
    "a redirect": ("location /api/ {", "location = /promo { return 302 /account; } location /api/ {"),
    "a header": ("add_header Strict", "add_header X-New 1; add_header Strict"),
    "a health page": ("org$;", "org$; location = /health { return 200 ok; }"),
    "hidden files closed": ("org$;", "org$; location ~ /\\\\. { deny all; }"),
    "files beside": ("org$;", "org$; location ~* \\\\.(css|js)$ { root WWW/files; }"),
    "an area with a password": (
        "org$;",
        "org$; location /admin/ { auth_basic x; auth_basic_user_file WWW/htpasswd; proxy_pass http://any; }",
    ),
    "a limit with a burst": ("rate=50r/s", "rate=10r/s"),
    "TLS added": ("listen 80; server_name blog", "listen 80; listen 443 ssl; server_name blog"),
    "IPv6 added": ("listen 80; server_name blog", "listen 80; listen [::]:80; server_name blog"),
    "strangers without a handshake": (
        "server_name _; return 444;",
        "server_name _; ssl_reject_handshake on; return 444;",
    ),
    "http2": ("443 ssl", "443 ssl http2"),
    "compressed": ("upstream app", "gzip on; gzip_types text/plain; upstream app"),
    "for nginx itself": (
        "server { listen 81",
        """server { listen 127.0.0.1:8099; return 200 x; }
        server { listen 80; server_name in.example; location / { proxy_pass http://127.0.0.1:8099; } }
        server { listen 81""",
    ),
    "challenges": (
        "blog.example.com;",
        "blog.example.com; location ^~ /.well-known/acme-challenge/ { root WWW; }",
    ),
}


@pytest.fixture(scope="module")
def www(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Path:
    """What the servers serve, with certificates that nobody here trusts."""
    top = tmp_path_factory.mktemp("www")
    (top / "files").mkdir()
    (top / "files/index.html").write_text("<title>files</title>")
    (top / "htpasswd").write_text("somebody:{PLAIN}secret\n")
    for name in ("shop", "other"):
        (top / f"{name}.pem").write_text(authority.issue(f"DNS:{name}.example.com").path.read_text())
    for path in (top, *top.rglob("*")):
        path.chmod(0o755)
    return top


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inquiry, "AGAIN_S", 0.05)


def asked(directory: Path, www: Path, old: str, new: str, scope: Scope | None = None) -> Inquiry:
    live = LIVE.replace("\\\\", "\\")
    assert old in live
    candidate = live.replace(old, new.replace("\\\\", "\\")) if old else live
    return inquire(directory, live.replace("WWW", str(www)), candidate.replace("WWW", str(www)), scope)


@pytest.mark.parametrize("name", BAD)
def test_what_breaks_users_is_worse(tmp_path: Path, www: Path, name: str) -> None:
    old, new, said = BAD[name]
    found = asked(tmp_path, www, old, new)
    assert found.comparison.worse, found
    assert said in " | ".join(map(str, found.comparison.worse))


def test_what_there_is_no_room_to_ask_is_read(tmp_path: Path, www: Path) -> None:
    old, new, said = BAD["closed to the public"]
    found = asked(tmp_path, www, old, new, Scope(cap=3))
    assert said in " | ".join(map(str, found.comparison.worse))


@pytest.mark.parametrize("name", GOOD)
def test_a_good_change_is_not(tmp_path: Path, www: Path, name: str) -> None:
    found = asked(tmp_path, www, *GOOD[name])
    assert not found.comparison.worse, list(map(str, found.comparison.worse))
    assert found.comparison.asked > 40
    assert not found.notes
    if name == "nothing":
        assert not found.comparison.changed, list(map(str, found.comparison.changed))


def test_what_was_said_to_be_meant_is_accepted(tmp_path: Path, www: Path) -> None:
    scope = Scope(accepted=(("blog.example.com", "closed for good"),))
    found = asked(tmp_path, www, "server_name blog.example.com;", "server_name blgo.example.com;", scope)
    assert not found.comparison.worse
    assert any(d.why == "accepted: closed for good" for d in found.comparison.changed)


def test_what_is_excluded_is_not_asked(tmp_path: Path, www: Path) -> None:
    found = asked(
        tmp_path,
        www,
        "location / { proxy_pass http://app;",
        "location / { return 503;",
        Scope(exclude=("shop.example.com", "_")),
    )
    assert not found.comparison.worse


def test_what_users_ask_for_is_asked(tmp_path: Path, www: Path) -> None:
    scope = Scope(seen=(("files.example.com", "/index.html"),))
    new = "location / { try_files $uri $uri/ =404; } location ~ html$ { root /nowhere; } "
    found = asked(tmp_path, www, "location / { try_files $uri $uri/ =404; }", new, scope)
    assert "/index.html" in {d.question.path for d in found.comparison.worse}


class Late:
    """The way to a nginx, over which each connection takes its time."""

    def __init__(self, twin: Twin, seconds: float) -> None:
        self._twin, self._seconds = twin, seconds

    def __getattr__(self, name: str) -> object:
        return getattr(self._twin, name)

    def tunnel(self, address: str, port: int, *, timeout_s: float) -> socket.socket:
        time.sleep(self._seconds)
        return self._twin.tunnel(address, port, timeout_s=timeout_s)


def test_what_there_was_no_time_to_ask_is_not_known_and_no_bug(tmp_path: Path, www: Path) -> None:
    text = LIVE.replace("\\\\", "\\").replace("WWW", str(www))
    for number in range(8):  # more ways to ask than are gone at once
        text += f"server {{ listen 443 ssl; server_name a{number}.example.com; return 200 a; }}"
    with twins(tmp_path, text, text) as (live, candidate):
        ways = (live, cast("Transport", Late(candidate, 1.5)))
        found = Inquirer((live.sites, candidate.sites), ways, Scope()).run(deadline_s=1.0)
    assert found.comparison.unproved
    assert any("could not be compared" in note for note in found.notes)
