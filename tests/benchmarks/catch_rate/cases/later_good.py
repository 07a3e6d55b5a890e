"""Good changes that were written after the rules, and had not been seen by them."""

# ruff: noqa: E501, ISC004 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Good, swap, users
from tests.benchmarks.catch_rate.users import OLD, SECURE, SHOP, WWW

_SHOP, _WWW = "sites-available/shop", "sites-available/www"
_MAPS, _LIMITS, _NGINX = "conf.d/maps.conf", "conf.d/limits.conf", "nginx.conf"
_ROOT = "    location / {\n        proxy_pass http://storefront;\n    }"

CASES = [
    Good(
        "cors-for-a-partner",
        "headers",
        "The API is opened to the partner's pages; the headers that guard it are said again.",
        {
            _SHOP: swap(
                (
                    "        proxy_pass http://orders/v1/;",
                    "        include snippets/security-headers.conf;\n"
                    '        add_header Access-Control-Allow-Origin  "https://partner.example" always;\n'
                    '        add_header Access-Control-Allow-Methods "GET, POST, OPTIONS"      always;\n'
                    "        if ($request_method = OPTIONS) {\n            return 204;\n        }\n"
                    "        proxy_pass http://orders/v1/;",
                )
            )
        },
        (
            Ask(
                "shop: for the partner",
                f"{SHOP}/api/orders",
                headers={"Access-Control-Allow-Origin": "partner", **SECURE},
            ),
        ),
    ),
    Good(
        "split-between-two-pools",
        "upstream changed",
        "Every tenth address goes to a pool of its own.",
        {
            "conf.d/split.conf": "upstream canary {\n    server 127.0.0.1:9002;\n}\n\n"
            "split_clients $remote_addr$uri $pool {\n    10%  canary;\n    *    storefront;\n}\n",
            _SHOP: swap((_ROOT, _ROOT.replace("http://storefront", "http://$pool"))),
        },
        (Ask("shop: some page", f"{SHOP}/page/7?x=1", body=r"path=/page/7\?x=1 "),),
    ),
    Good(
        "robots-limited",
        "limits",
        "Robots that say who they are get one page a second; nobody else has a key.",
        {
            "conf.d/robots.conf": 'map $http_user_agent $robot {\n    default "";\n    ~*(bot|crawler|spider) $binary_remote_addr;\n}\n'
            "limit_req_zone $robot zone=robots:1m rate=1r/s;\n",
            _SHOP: swap(
                (_ROOT, _ROOT.replace("        proxy", "        limit_req zone=robots;\n        proxy"))
            ),
        },
        (Ask("shop: five pages", f"{SHOP}/find?q=1", body="storefront", times=5),),
    ),
    Good(
        "methods-nobody-uses",
        "limits",
        "What no browser and no program of ours sends is refused.",
        {
            _SHOP: swap(
                (
                    "    if ($closed) {",
                    "    if ($request_method !~ ^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$) {\n        return 405;\n    }\n\n    if ($closed) {",
                )
            )
        },
        users("shop: a picture sent"),
    ),
    Good(
        "cache-key-said",
        "tuning",
        "The cache's key is written out, by name and with the arguments.",
        {
            _SHOP: swap(
                (
                    "        proxy_cache_valid 200 5s;\n",
                    "        proxy_cache_valid 200 5s;\n        proxy_cache_key $host$uri$is_args$args;\n"
                    "        proxy_cache_lock on;\n        proxy_cache_use_stale updating error timeout;\n",
                )
            )
        },
        (Ask("shop: page two", f"{SHOP}/catalogue/pears?page=2", body=r"\?page=2 "),),
    ),
    Good(
        "hidden-files-but-well-known",
        "refactoring",
        "Hidden files stay closed, but for the folder that certificates need.",
        {_WWW: swap(("    location ~ /\\. {", "    location ~ /\\.(?!well-known/) {"))},
        users("www: hidden files stay hidden"),
    ),
    Good(
        "notice-in-the-pages",
        "changed on purpose",
        "A line about opening hours in every page, put there by nginx.",
        {
            _WWW: swap(
                (
                    "    location / {\n        try_files $uri $uri/ =404;",
                    "    location / {\n        sub_filter Orchard 'Open on Sunday! Orchard';\n        try_files $uri $uri/ =404;",
                )
            )
        },
        (Ask("www: the notice", f"{WWW}/", body="Open on Sunday!"),),
    ),
    Good(
        "map-entries-added",
        "new redirect",
        "Two more pages of the old site have a place on the new one.",
        {
            _MAPS: swap(
                (
                    "    /prices.asp   /prices;",
                    "    /prices.asp   /prices;\n    /jobs.asp     /contact.html;\n    ~^/fruit/     /products/;",
                )
            )
        },
        (Ask("old: jobs", f"{OLD}/jobs.asp", 301, location=f"{WWW}/contact.html$"),),
    ),
    Good(
        "pages-without-their-ending",
        "new location",
        "Addresses without .html work as well.",
        {
            _WWW: swap(
                (
                    "        try_files $uri $uri/ =404;\n    }\n\n    location ~*",
                    "        try_files $uri $uri/ $uri.html =404;\n    }\n\n    location ~*",
                )
            )
        },
        (Ask("www: contact", f"{WWW}/contact", body="Contact us"),),
    ),
    Good(
        "vary-and-levels",
        "tuning",
        "Compressed answers are told apart by caches on the way; more is compressed, harder.",
        {
            _NGINX: swap(
                (
                    "    gzip       on;\n",
                    "    gzip       on;\n    gzip_vary on;\n    gzip_comp_level 6;\n    gzip_min_length 256;\n",
                )
            )
        },
        users("www: style sheet"),
    ),
    Good(
        "sorry-by-a-named-place",
        "refactoring",
        "The page for a broken shop is served by a named location.",
        {
            _SHOP: swap(
                (
                    "    error_page 502 503 504 /sorry.html;\n    location = /sorry.html {\n        internal;\n    }",
                    "    error_page 502 503 504 @sorry;\n    location @sorry {\n        try_files /sorry.html =503;\n    }\n\n    location = /sorry.html {\n        internal;\n    }",
                ),
            )
        },
        users("shop: home", "shop: the sorry page is no page"),
    ),
    Good(
        "idle-connections-kept-longer",
        "upstream changed",
        "More idle connections to the storefront, and the next server after an error.",
        {
            "conf.d/upstreams.conf": swap(
                (
                    "    keepalive 8;",
                    "    keepalive 32;\n    keepalive_timeout 30s;\n    keepalive_requests 500;",
                )
            ),
            _SHOP: swap(
                (
                    _ROOT,
                    _ROOT.replace(
                        "        proxy",
                        "        proxy_next_upstream error timeout http_502;\n        proxy_next_upstream_tries 2;\n        proxy",
                    ),
                )
            ),
        },
        users("shop: home"),
    ),
]
