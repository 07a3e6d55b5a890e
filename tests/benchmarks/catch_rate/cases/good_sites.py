"""Changes that have to go through: sites, addresses; and what else concerns whole servers."""

# ruff: noqa: E501, ISC004 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Good, enabled, new_site, swap
from tests.benchmarks.catch_rate.cases import good_servers
from tests.benchmarks.catch_rate.users import SECURE, SHOP, STAFF, WWW

_SHOP, _WWW, _INTRANET = (f"sites-available/{name}" for name in ("shop", "www", "intranet"))
_BEFORE_PRESS = "    location /press/ {"
_LISTEN_TLS = "    listen 443 ssl http2;\n    listen [::]:443 ssl http2;\n"

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
            + good_servers.keys("jobs")
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
            + good_servers.keys("old")
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
                    "    listen [::]:8080;\n    listen 8443 ssl;\n" + good_servers.keys("intranet"),
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

CASES = [*SITES, *ADDRESSES, *good_servers.CASES]
