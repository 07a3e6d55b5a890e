"""Changes that have to go through: sites, addresses, upstream servers, certificates."""

# ruff: noqa: E501, ISC004 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Good, enabled, new_site, swap, users
from tests.benchmarks.catch_rate.users import SECURE, SHOP, STAFF, WIKI, WWW

_SHOP, _WWW, _INTRANET, _WIKI = (f"sites-available/{name}" for name in ("shop", "www", "intranet", "wiki"))
_UPSTREAMS = "conf.d/upstreams.conf"
_TWO = "    server 127.0.0.1:9001;\n    server 127.0.0.1:9002;"
_ROOT = "    location / {\n        proxy_pass http://storefront;\n    }"
_BEFORE_PRESS = "    location /press/ {"
_LISTEN_TLS = "    listen 443 ssl http2;\n    listen [::]:443 ssl http2;\n"


def _keys(name: str) -> str:
    return (
        f"    ssl_certificate     /etc/ssl/orchard/{name}.crt;\n"
        f"    ssl_certificate_key /etc/ssl/orchard/{name}.key;\n"
    )


SITES = [
    Good(
        "new-plain-site",
        "new site",
        "A parking page for a name that was bought.",
        new_site(
            "cider",
            "server {\n    listen 80;\n    listen [::]:80;\n    server_name cider.example www.cider.example;\n"
            "    root /var/www/maintenance;\n}\n",
        ),
        (Ask("cider: home", "http://cider.example/", body="Back at noon"),),
    ),
    Good(
        "new-tls-site",
        "new site",
        "A site with TLS of its own, and the redirect to it.",
        new_site(
            "jobs",
            "server {\n    listen 80;\n    listen [::]:80;\n    server_name jobs.orchard.example;\n"
            "    return 301 https://jobs.orchard.example$request_uri;\n}\n\nserver {\n"
            + _LISTEN_TLS
            + "    server_name jobs.orchard.example;\n"
            + _keys("jobs")
            + "    include snippets/security-headers.conf;\n    root /var/www/maintenance;\n}\n",
        ),
        (
            Ask("jobs: home", "https://jobs.orchard.example/", body="Back at noon", headers=SECURE),
            Ask(
                "jobs: plain",
                "http://jobs.orchard.example/x",
                301,
                location="https://jobs.orchard.example/x$",
            ),
        ),
    ),
    Good(
        "new-proxied-site-on-new-port",
        "new site",
        "The reports get a port of their own for the finance department.",
        new_site(
            "finance",
            "server {\n    listen 8082;\n    server_name finance.orchard.example;\n    location / {\n"
            "        include snippets/proxy-headers.conf;\n        proxy_pass http://reports;\n    }\n}\n",
        ),
        (Ask("finance: home", "http://finance.orchard.example:8082/", body="reports path=/"),),
    ),
    Good(
        "new-wildcard-site",
        "new site",
        "Branches have a page each, found by name.",
        new_site(
            "branches",
            "server {\n    listen 80;\n    listen [::]:80;\n    server_name *.branches.example;\n"
            '    default_type text/plain;\n    return 200 "branch $host\\n";\n}\n',
        ),
        (Ask("branch: kent", "http://kent.branches.example/", body="branch kent"),),
    ),
    Good(
        "new-site-before-all-others",
        "new site",
        "A site whose file comes first in the alphabet, which must not make it the default.",
        new_site(
            "000-apples",
            "server {\n    listen 80;\n    listen [::]:80;\n    server_name apples.example;\n"
            '    default_type text/plain;\n    return 200 "apples\\n";\n}\n',
        ),
        (Ask("apples: home", "http://apples.example/", body="apples"),),
    ),
    Good(
        "new-site-closed-to-the-world",
        "new site",
        "A site that answers 403 to nearly everybody, as meant.",
        new_site(
            "vault",
            "server {\n    listen 80;\n    server_name vault.orchard.example;\n    allow 10.20.0.0/16;\n"
            "    deny all;\n    root /var/www/intranet;\n}\n",
        ),
        (Ask("vault: closed", "http://vault.orchard.example/", 403),),
    ),
    Good(
        "site-removed",
        "removed on purpose",
        "The site of before 2019 has had its time.",
        {
            enabled("old"): None,
            "sites-available/old": None,
            "conf.d/maps.conf": swap(
                (
                    "# Pages of the old site that have a place of their own on the new one.\nmap $uri $moved {\n"
                    "    default       /;\n    /catalog.asp  /products/;\n    /prices.asp   /prices;\n"
                    "    /contact.asp  /contact.html;\n}\n\n",
                    "",
                )
            ),
        },
        ends=("old: home", "old: a page that moved"),
        accept=("old.orchard.example",),
        options=("--accept-deletions",),
    ),
    Good(
        "site-name-added",
        "new name",
        "The shop gets a second name on port 80.",
        {
            _SHOP: swap(
                (
                    "    listen [::]:80;\n    server_name shop.orchard.example;",
                    "    listen [::]:80;\n    server_name shop.orchard.example fruit.example;",
                )
            )
        },
        (Ask("fruit.example", "http://fruit.example/x", 301, location="https://fruit.example/x$"),),
    ),
]

ADDRESSES = [
    Good(
        "new-redirect",
        "new redirect",
        "A short address for a poster.",
        {
            _WWW: swap(
                (
                    _BEFORE_PRESS,
                    "    location = /plums {\n        return 302 /products/plums.html;\n    }\n\n"
                    + _BEFORE_PRESS,
                )
            )
        },
        (Ask("www: poster", f"{WWW}/plums", 302, location=f"{WWW}/products/plums.html"),),
    ),
    Good(
        "new-location-static",
        "new location",
        "A directory more.",
        {
            _WWW: swap(
                (
                    _BEFORE_PRESS,
                    "    location /notice/ {\n        alias /var/www/maintenance/;\n    }\n\n"
                    + _BEFORE_PRESS,
                )
            )
        },
        (Ask("www: notice", f"{WWW}/notice/", body="Back at noon", headers=SECURE),),
    ),
    Good(
        "new-location-proxied",
        "new location",
        "The orders service gets a second version beside the first.",
        {
            _SHOP: swap(
                (
                    "    location = /login {",
                    "    location /api/v2/ {\n        limit_req zone=api burst=100 nodelay;\n        proxy_pass http://orders/v1/;\n    }\n\n    location = /login {",
                )
            )
        },
        (Ask("shop: orders, new version", f"{SHOP}/api/v2/orders", body='"path": "/v1/orders"'),),
    ),
    Good(
        "new-health-page",
        "new location",
        "An address for the balancer to ask.",
        {
            _SHOP: swap(
                (
                    "    location = /login {",
                    '    location = /healthz {\n        access_log off;\n        default_type text/plain;\n        return 200 "ok\\n";\n    }\n\n    location = /login {',
                )
            )
        },
        (Ask("shop: health", f"{SHOP}/healthz", body="ok"),),
    ),
    Good(
        "new-post-only-location",
        "new location",
        "An address that takes POST and refuses GET, as meant.",
        {
            _SHOP: swap(
                (
                    "    location = /login {",
                    "    location = /hooks/payment {\n        limit_except POST {\n            deny all;\n        }\n        proxy_pass http://storefront;\n    }\n\n    location = /login {",
                )
            )
        },
        (Ask("shop: payment", f"{SHOP}/hooks/payment", body="storefront", upload=20),),
    ),
    Good(
        "redirect-target-changed",
        "changed on purpose",
        "'Buy' leads to the catalogue from now on.",
        {
            _WWW: swap(
                (
                    "return 302 https://shop.orchard.example/;",
                    "return 302 https://shop.orchard.example/catalogue/plums;",
                )
            )
        },
        (Ask("www: to the catalogue", f"{WWW}/buy/", 302, location=f"{SHOP}/catalogue/plums$"),),
        ends=("www: to the shop",),
        accept=("www.orchard.example/buy/*",),
    ),
    Good(
        "route-removed",
        "removed on purpose",
        "The press kit is gone, and says so.",
        {_WWW: swap(("        alias /srv/press/;", "        return 410;"))},
        (Ask("www: press is gone", f"{WWW}/press/kit.html", 410),),
        ends=("www: press kit",),
        accept=("www.orchard.example/press/*",),
    ),
    Good(
        "shop-closed-on-purpose",
        "removed on purpose",
        "The shop is closed for the move of the database, announced weeks ago.",
        {
            _SHOP: swap(
                (
                    "    if ($closed) {\n        return 503;\n    }\n",
                    "    # deployer: ignore left-over-return the database moves, as announced\n    return 503;\n",
                )
            )
        },
        (Ask("shop: closed", f"{SHOP}/", 503),),
        ends=tuple(
            f"shop: {name}"
            for name in (
                "home",
                "arguments",
                "the app knows the client",
                "orders",
                "one order",
                "orders, five in a row",
                "login",
                "login, twice wrong, then right",
                "catalogue",
                "another page of it",
                "websocket",
                "account",
                "a picture sent",
                "slow export",
                "script",
                "back office stays closed",
                "the sorry page is no page",
            )
        ),
        accept=("shop.orchard.example",),
    ),
    Good(
        "plain-to-tls-everywhere",
        "changed on purpose",
        "The old site's redirects go through TLS first; it gets a certificate.",
        {
            "sites-available/old": "server {\n    listen 80;\n    listen [::]:80;\n    server_name old.orchard.example;\n\n"
            "    return 301 https://old.orchard.example$request_uri;\n}\n\nserver {\n"
            + _LISTEN_TLS
            + "    server_name old.orchard.example;\n"
            + _keys("old")
            + "    return 301 https://www.orchard.example$moved;\n}\n",
        },
        (
            Ask(
                "old: to TLS", "http://old.orchard.example/a", 301, location="https://old.orchard.example/a$"
            ),
            Ask("old: by TLS", "https://old.orchard.example/prices.asp", 301, location=f"{WWW}/prices$"),
        ),
        ends=("old: home", "old: a page that moved"),
        accept=("old.orchard.example",),
    ),
    Good(
        "port-moved-on-purpose",
        "changed on purpose",
        "The intranet's second entrance on 8443 by TLS; 8080 stays as it is.",
        {
            _INTRANET: swap(
                (
                    "    listen [::]:8080;\n",
                    "    listen [::]:8080;\n    listen 8443 ssl;\n" + _keys("intranet"),
                )
            )
        },
        (
            Ask(
                "intranet: by TLS",
                "https://intranet.orchard.example:8443/",
                body="Orchard intranet",
                send=STAFF,
            ),
        ),
    ),
]

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
        {_SHOP: swap((_keys("shop"), _keys("shop-2026")))},
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

CASES = [*SITES, *ADDRESSES, *UPSTREAMS, *CERTIFICATES]
