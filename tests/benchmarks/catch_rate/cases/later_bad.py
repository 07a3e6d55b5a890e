"""Bad changes that were written after the rules, and had not been seen by them."""

# ruff: noqa: E501, ISC004 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Bad, swap, users
from tests.benchmarks.catch_rate.users import SHOP

_SHOP, _WWW, _WIKI = "sites-available/shop", "sites-available/www", "sites-available/wiki"
_MAPS, _UPSTREAMS = "conf.d/maps.conf", "conf.d/upstreams.conf"
_ROOT = "    location / {\n        proxy_pass http://storefront;\n    }"
_FRUIT = "    location /fruit/ {\n        rewrite ^/fruit/(.*)$ /products/$1 permanent;\n    }"

CASES = [
    Bad(
        "split-to-a-pool-that-is-not-there",
        "upstream",
        "Every tenth address is to go to a second pool, which nobody has defined.",
        {
            "conf.d/split.conf": "split_clients $remote_addr$uri $pool {\n    10%  canary;\n    *    storefront;\n}\n",
            _SHOP: swap((_ROOT, _ROOT.replace("http://storefront", "http://$pool"))),
        },
        tuple(Ask(f"shop: page {n}", f"{SHOP}/page/{n}", body="storefront") for n in range(60)),
    ),
    Bad(
        "cors-in-the-api-alone",
        "answer headers",
        "The API is opened to the partner's pages, and loses the headers that guard it.",
        {
            _SHOP: swap(
                (
                    "        proxy_pass http://orders/v1/;",
                    "        if ($request_method = OPTIONS) {\n            return 204;\n        }\n"
                    '        add_header Access-Control-Allow-Origin "https://partner.example";\n'
                    "        proxy_pass http://orders/v1/;",
                )
            )
        },
        users("shop: orders"),
    ),
    Bad(
        "rewrite-break-for-permanent",
        "redirect",
        "The old addresses are to be served in place; there is nothing of that name.",
        {_WWW: swap((_FRUIT, _FRUIT.replace("/products/$1 permanent", "/produce/$1 break")))},
        users("www: old address of a page"),
    ),
    Bad(
        "methods-that-forms-need",
        "limits",
        "Only GET and HEAD, says the checklist; the forms of the shop are sent with POST.",
        {
            _SHOP: swap(
                (
                    "    if ($closed) {",
                    "    if ($request_method !~ ^(GET|HEAD)$) {\n        return 405;\n    }\n\n    if ($closed) {",
                )
            )
        },
        users("shop: a picture sent"),
    ),
    Bad(
        "auth-request-to-a-closed-port",
        "access closed",
        "The account pages ask a service whether they may be shown; it is not there yet.",
        {
            _SHOP: swap(
                (
                    "    location /account/ {\n",
                    "    location = /may-i {\n        internal;\n        proxy_pass http://127.0.0.1:9555;\n"
                    "        proxy_pass_request_body off;\n    }\n\n    location /account/ {\n        auth_request /may-i;\n",
                )
            )
        },
        users("shop: account"),
    ),
    Bad(
        "upload-limit-without-its-unit",
        "limits",
        "20 megabytes become 40; the letter is lost.",
        {_SHOP: swap(("client_max_body_size 20m;", "client_max_body_size 40;"))},
        users("shop: a picture sent"),
    ),
    Bad(
        "map-entry-with-a-slash",
        "map",
        "Tidied up: every entry of the map ends in a slash now, which no old address does.",
        {_MAPS: swap(("    /prices.asp   /prices;", "    /prices.asp/  /prices;"))},
        users("old: a page that moved"),
    ),
    Bad(
        "alias-under-an-expression",
        "files",
        "An expression instead of the prefix, and an alias that needs the rest of the path.",
        {_SHOP: swap(("    location /static/ {", "    location ~ ^/static/ {"))},
        users("shop: script"),
    ),
    Bad(
        "agents-with-an-empty-choice",
        "access closed",
        "A list of robots ends in a bar, so that everybody is one.",
        {
            _SHOP: swap(
                (
                    "    if ($closed) {",
                    "    if ($http_user_agent ~* (semrush|ahrefs|)) {\n        return 403;\n    }\n\n    if ($closed) {",
                )
            )
        },
        users("shop: home", "shop: catalogue"),
    ),
    Bad(
        "script-before-the-file",
        "files",
        "The front controller is tried first, so no file is served by itself any more.",
        {_WIKI: swap(("try_files $uri $uri/ /index.php?$args;", "try_files /index.php?$args $uri =404;"))},
        users("wiki: a page"),
    ),
]
