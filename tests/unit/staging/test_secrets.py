"""What stays in production."""

from __future__ import annotations

import pytest

from deployer.staging import secrets

from .sites import sites

CONFIG = """
    ssl_session_ticket_key tickets/current; proxy_ssl_trusted_certificate /etc/ssl/certs/ca.crt;
    server {
        listen 443 ssl; server_name shop.example.com .shop.example.net ~^x "";
        ssl_certificate ssl/shop; ssl_certificate_key /etc/keys/shop;
        ssl_certificate ssl/shop.ec; ssl_certificate_key /etc/keys/shop.ec;
        ssl_dhparam /etc/ssl/dhparam.pem; ssl_password_file phrases;
        location / { auth_basic on; auth_basic_user_file users; }
        location /open { auth_basic off; }
    }
    server { listen 443 ssl; server_name a.example.com b.example.com;
        ssl_certificate /certs/$ssl_server_name.crt; ssl_certificate_key /certs/$ssl_server_name.key; }
    server { listen 443 ssl; server_name c.example.com;
        ssl_certificate data:$cert; ssl_certificate_key data:$key; }
"""


def test_keys_are_known_by_the_directives_that_use_them() -> None:
    found = sites(CONFIG)
    assert found.config is not None
    kept = secrets.of(found.config, found.servers)
    pairs = {(pair.certificate, pair.key): pair.names for pair in kept.pairs}
    names = ("shop.example.com", "shop.example.net")
    assert pairs["/etc/nginx/ssl/shop", "/etc/keys/shop"] == names
    assert pairs["/etc/nginx/ssl/shop.ec", "/etc/keys/shop.ec"] == names
    assert pairs["/certs/a.example.com.crt", "/certs/a.example.com.key"] == ("a.example.com",)
    assert not [path for path in kept.paths if "data:" in path or "$" in path]
    assert kept.passwords == {"/etc/nginx/users"}
    assert kept.tickets == {"/etc/nginx/tickets/current"}
    assert kept.phrases == {"/etc/nginx/phrases"}
    assert kept.trusted == {"/etc/ssl/certs/ca.crt"}
    assert secrets.public_files(found.config) == {"/etc/ssl/dhparam.pem"}


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        ("/etc/nginx/ssl/shop.key", True),
        ("/etc/nginx/ssl/privkey1.txt", True),
        ("/etc/nginx/.htpasswd", True),
        ("/etc/nginx/private/anything", True),
        ("/etc/nginx/shop.PEM", True),
        ("/etc/nginx/conf.d/keys.conf", False),
        ("/etc/nginx/sites-enabled/shop.example.com", False),
        ("/etc/nginx/mime.types", False),
    ],
)
def test_names_of_files_that_are_not_looked_at(path: str, secret: bool) -> None:
    assert secrets.looks_secret(path) is secret


def test_a_key_is_known_by_its_content() -> None:
    assert secrets.holds_key(b"x\n-----BEGIN RSA PRIVATE KEY-----\n")
    assert not secrets.holds_key(b"-----BEGIN CERTIFICATE-----\n")
