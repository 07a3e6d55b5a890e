"""Changes that have to go through: upstream servers, certificates."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Good, new_site, swap, users
from tests.benchmarks.catch_rate.users import SHOP, WIKI

_SHOP, _INTRANET, _WIKI = (f"sites-available/{name}" for name in ("shop", "intranet", "wiki"))
_UPSTREAMS = "conf.d/upstreams.conf"
_TWO = "    server 127.0.0.1:9001;\n    server 127.0.0.1:9002;"
_ROOT = "    location / {\n        proxy_pass http://storefront;\n    }"


def keys(name: str) -> str:
    """The lines of a certificate that is there."""
    return (
        f"    ssl_certificate     /etc/ssl/orchard/{name}.crt;\n"
        f"    ssl_certificate_key /etc/ssl/orchard/{name}.key;\n"
    )


UPSTREAMS = [
    Good(
        "upstream-server-added",
        "upstream changed",
        "A third server, which is the second under another weight.",
        {
            _UPSTREAMS: swap(
                (
                    _TWO,
                    "    server 127.0.0.1:9001 weight=2;\n    server 127.0.0.1:9002;\n    server localhost:9002 backup;",
                )
            )
        },
    ),
    Good(
        "upstream-server-drained",
        "upstream changed",
        "One of two is taken out for an upgrade.",
        {_UPSTREAMS: swap(("    server 127.0.0.1:9002;", "    server 127.0.0.1:9002 down;"))},
    ),
    Good(
        "upstream-moved",
        "upstream changed",
        "The orders service by its address instead of its name.",
        {_UPSTREAMS: swap(("orders.internal:9100", "127.0.0.1:9100"))},
    ),
    Good(
        "upstream-renamed",
        "upstream changed",
        "The upstream block gets a better name, everywhere.",
        {
            _UPSTREAMS: swap(("upstream reports {", "upstream finance_reports {")),
            _INTRANET: swap(("proxy_pass http://reports;", "proxy_pass http://finance_reports;")),
        },
    ),
    Good(
        "upstream-in-place",
        "upstream changed",
        "The block goes, its only server is named where it is used.",
        {
            _UPSTREAMS: swap(("upstream reports {\n    server unix:/run/orchard/reports.sock;\n}\n", "")),
            _INTRANET: swap(
                ("proxy_pass http://reports;", "proxy_pass http://unix:/run/orchard/reports.sock:;")
            ),
        },
    ),
    Good(
        "upstream-balancing",
        "upstream changed",
        "By least connections, with more connections kept open.",
        {
            _UPSTREAMS: swap(
                ("    keepalive 8;", "    keepalive 32;\n    keepalive_timeout 30s;"),
                ("upstream storefront {\n", "upstream storefront {\n    least_conn;\n"),
            )
        },
    ),
    Good(
        "upstream-by-variable",
        "upstream changed",
        "A map chooses the upstream, and has a default.",
        {
            "conf.d/canary.conf": "map $cookie_beta $store {\n    default storefront;\n    yes     beta;\n}\n\n"
            "upstream beta {\n    server 127.0.0.1:9002;\n}\n",
            _SHOP: swap((_ROOT, _ROOT.replace("http://storefront", "http://$store"))),
        },
        (Ask("shop: beta", f"{SHOP}/", body="storefront", send={"Cookie": "beta=yes"}),),
    ),
]

CERTIFICATES = [
    Good(
        "tls-renewed",
        "TLS",
        "A new certificate under a new name, valid for longer.",
        {_SHOP: swap((keys("shop"), keys("shop-2026")))},
        users("shop: home"),
    ),
    Good(
        "tls-stronger",
        "TLS",
        "TLS 1.3 only, no tickets; whoever knows nothing newer than 1.2 is shut out, and that is meant.",
        {
            "conf.d/tls.conf": swap(
                (
                    "ssl_protocols       TLSv1.2 TLSv1.3;",
                    "ssl_protocols       TLSv1.3;\nssl_session_tickets off;",
                )
            )
        },
        accept=("*",),
    ),
    Good(
        "tls-added-to-a-plain-port",
        "TLS",
        "The wiki answers on port 80 too, with a redirect.",
        {
            _WIKI: swap(
                (
                    "    server_name wiki.orchard.example;",
                    "    server_name wiki.orchard.example;\n    add_header Strict-Transport-Security max-age=600;",
                )
            ),
            **new_site(
                "wiki-plain",
                "server {\n    listen 80;\n    listen [::]:80;\n    server_name wiki.orchard.example;\n    return 301 https://$host$request_uri;\n}\n",
            ),
        },
        (Ask("wiki: plain", "http://wiki.orchard.example/Pruning", 301, location=f"{WIKI}/Pruning$"),),
    ),
]

CASES = [*UPSTREAMS, *CERTIFICATES]
