"""Where a request goes: maps, server names, tenants, rewrites."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Bad, swap
from tests.benchmarks.catch_rate.quay.users import WWW, users

_MAPS = "conf.d/00-maps.conf"
_TENANTS = "conf.d/40-tenants.conf"
_WWW = "conf.d/50-www.conf"


VERSIONS = [
    Bad(
        "version-tilde-lost",
        "version map",
        "The table is aligned anew, and one row loses the sign that made it a pattern.",
        {_MAPS: swap(("    ~^:/v2/     $v2_pool;", "    /v2/        $v2_pool;"))},
        users("api: v2 by path", "api: canary by header"),
    ),
    Bad(
        "version-greedy-first-row",
        "version map",
        "The header of version 1 becomes optional in the table, in the row that is tried first.",
        {_MAPS: swap(("    ~^v1:       api_v1;", "    ~^(v1)?:    api_v1;"))},
        users("api: v2 by path"),
    ),
    Bad(
        "version-source-tidied",
        "version map",
        "The colon between the two halves looks like a slip and goes; the rows that lean on it stay.",
        {_MAPS: swap(('map "$asked_version:$uri" $api_pool {', 'map "$asked_version$uri" $api_pool {'))},
        users("api: v2 by path", "api: v2 by header"),
    ),
    Bad(
        "version-default-empty",
        "version map",
        "The file comes out of a template now, and the default pool's variable was not set.",
        {_MAPS: swap(("    default     api_v1;\n    ~^v1:", '    default     "";\n    ~^v1:'))},
        users("api: v1", "api: no version at all"),
    ),
    Bad(
        "version-dollar-lost",
        "version map",
        "A pool is named where the variable that chooses it was meant.",
        {_MAPS: swap(("    ~^v2:       $v2_pool;", "    ~^v2:       v2_pool;"))},
        users("api: v2 by header"),
    ),
    Bad(
        "version-header-renamed",
        "version map",
        "The mobile team asks for another header's name; the clients of today are forgotten.",
        {_MAPS: swap(("map $http_x_api_version $asked_version", "map $http_accept_version $asked_version"))},
        users("api: v2 by header"),
    ),
]

CANARY = [
    Bad(
        "canary-everybody",
        "canary",
        "The share is to be raised to everybody 'for a minute'; those who said never are in it as well.",
        {
            _MAPS: swap(
                ("    ~never      api_v2;", "    ~never      api_next;"),
                ("    10%  api_next;\n", "    99%  api_next;\n"),
            )
        },
        users("api: no canary by cookie"),
    ),
    Bad(
        "canary-cookie-misspelt",
        "canary",
        "The dash of the cookie's new name cannot be written in a variable, so it is left out.",
        {
            _MAPS: swap(
                (
                    'map "$http_x_canary:$cookie_canary" $v2_pool',
                    'map "$http_xcanary:$cookie_quaycanary" $v2_pool',
                )
            )
        },
        users("api: canary by header", "api: no canary by cookie"),
    ),
    Bad(
        "canary-share-of-nothing",
        "canary",
        "The experiment is over; its pool is replaced by the word that the deployment tool uses for none.",
        {_MAPS: swap(("    10%  api_next;\n    *    api_v2;", "    *    none;"))},
        users("api: v2 by path"),
    ),
]

TENANTS = [
    Bad(
        "tenant-pool-hyphen",
        "tenants",
        "The pool is called as in the service registry, with a hyphen; here it has an underscore.",
        {
            "maps/tenant-pools.map": swap(
                ("northsea      tenants_northsea;", "northsea      tenants-northsea;")
            )
        },
        users("tenant: large one"),
    ),
    Bad(
        "tenant-map-by-host",
        "tenants",
        "The map is keyed by host from now on, as the other gateway's is; its table is not.",
        {_MAPS: swap(("map $tenant $tenant_pool {", "map $host $tenant_pool {"))},
        users("tenant: large one", "tenant: in the north"),
    ),
    Bad(
        "tenant-closed-table-lost",
        "tenants",
        "A merge keeps the wrong half: nobody is closed any more.",
        {_MAPS: swap(("    include     maps/tenants-closed.map;\n", ""))},
        users("tenant: closed"),
    ),
    Bad(
        "tenant-closed-upside-down",
        "tenants",
        "The table of the closed is to become one of the open; only the default has changed so far.",
        {
            _MAPS: swap(
                (
                    "map $tenant $tenant_closed {\n    default     0;",
                    "map $tenant $tenant_closed {\n    default     1;",
                )
            )
        },
        users("tenant: small one", "tenant: large one"),
    ),
    Bad(
        "tenant-name-too-short",
        "tenants",
        "A digit of the longest name's length is lost in a merge.",
        {_TENANTS: swap(("{1,40}", "{1,4}"))},
        users("tenant: small one", "tenant: large one"),
    ),
    Bad(
        "tenant-wildcard-wins",
        "tenants",
        "A page for those who misspell their firm's name; a wildcard is asked before any pattern.",
        {
            "conf.d/45-misspelt.conf": "server {\n    listen 443 ssl http2;\n    listen [::]:443 ssl http2;\n    server_name *.app.quay.example;\n"
            "    ssl_certificate     /etc/ssl/quay/star-app.crt;\n    ssl_certificate_key /etc/ssl/quay/star-app.key;\n"
            "    return 302 https://www.quay.example/which-firm;\n}\n"
        },
        users("tenant: small one", "tenant: large one"),
    ),
    Bad(
        "tenant-header-from-elsewhere",
        "tenants",
        "The header is to be the account's number one day; the variable for it is empty until then.",
        {
            _TENANTS: swap(
                ("proxy_set_header X-Tenant $tenant;", "proxy_set_header X-Tenant $http_x_account;")
            )
        },
        users("tenant: small one"),
    ),
    Bad(
        "tenant-logo-by-host",
        "tenants",
        "Logos are looked for under the full host, where there are none; everybody has ours.",
        {_TENANTS: swap(("try_files /$tenant/logo.svg", "try_files /$host/logo.svg"))},
        users("tenant: own logo"),
    ),
]

MOVED = [
    Bad(
        "moved-request-uri",
        "moved addresses",
        "$request_uri 'is the original'; links from newsletters have arguments, and are not found now.",
        {_MAPS: swap(("map $uri $moved_to {", "map $request_uri $moved_to {"))},
        (
            Ask(
                "www: moved, from a newsletter",
                f"{WWW}/pricing.html?utm_source=news",
                301,
                location=f"(?:{WWW})?/plans/",
            ),
        ),
    ),
    Bad(
        "moved-default-home",
        "moved addresses",
        "Whatever has no new address is to go to the front page - which has no new address.",
        {
            _MAPS: swap(
                ('map $uri $moved_to {\n    default     "";', "map $uri $moved_to {\n    default     /;")
            )
        },
        users("www: home", "www: a page"),
    ),
    Bad(
        "moved-own-tail",
        "moved addresses",
        "The new address matches the pattern for the old ones: round and round.",
        {
            _WWW: swap(
                (
                    r"rewrite ^/product/(.+)\.php$ /products/$1 permanent;",
                    "rewrite ^/products?/(.+?)(?:\\.php)?$ /products/$1 permanent;",
                )
            )
        },
        (Ask("www: a product", f"{WWW}/products/tracking", body="Tracking"),),
    ),
    Bad(
        "moved-table-emptied",
        "moved addresses",
        "The table is written by the content system now, whose export was empty that night.",
        {"maps/moved.map": "# written by the content system, do not edit\n"},
        users("www: moved", "www: old news"),
    ),
    Bad(
        "moved-pretty-addresses",
        "moved addresses",
        "No .html in addresses any more: the index is one, inside.",
        {
            _WWW: swap(
                (
                    "    location = /status {",
                    "    location ~ ^(/.*)\\.html$ {\n        return 301 $1;\n    }\n\n    location = /status {",
                )
            )
        },
        users("www: home", "www: a directory"),
    ),
    Bad(
        "moved-extension-forgotten",
        "moved addresses",
        "try_files is made the one of the handbook; pages are addressed without their extension here.",
        {_WWW: swap(("try_files $uri $uri.html $uri/ =404;", "try_files $uri $uri/ =404;"))},
        users("www: a page"),
    ),
]

CASES = [*VERSIONS, *CANARY, *TENANTS, *MOVED]
