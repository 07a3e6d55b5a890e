"""Limits: how large, how long, how often."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Bad, swap
from tests.benchmarks.catch_rate.kiln.users import LONG, SHOP, users

_MAIN, _PROXY = "nginx.conf", "snippets/proxy.conf"
_SHOP, _API, _STUDIO = "conf.d/20-shop.conf", "conf.d/30-api.conf", "conf.d/50-studio.conf"

SIZES = [
    Bad(
        "size-shop-as-all",
        "sizes",
        "A limit of the shop's own is 'not needed any more'. The general one is smaller.",
        {_SHOP: swap(("    client_max_body_size 2m;\n", ""))},
        users("shop: a message sent"),
    ),
    Bad(
        "size-in-another-location",
        "sizes",
        "The limit moves to the location that has the rest, and the upload has one of its own.",
        {
            _STUDIO: swap(
                ("        client_max_body_size 8m;\n", ""),
                ("    location / {\n", "    location / {\n        client_max_body_size 8m;\n"),
            )
        },
        users("studio: a file sent"),
    ),
    Bad(
        "size-without-a-unit",
        "sizes",
        "The k falls victim to search and replace.",
        {_API: swap(("client_max_body_size 256k;", "client_max_body_size 256;"))},
        users("api: a payment announced"),
    ),
    Bad(
        "size-no-limit-for-hooks",
        "sizes",
        "A sender's large message was refused once; from now on everything is taken.",
        {_API: swap(("client_max_body_size 256k;", "client_max_body_size 0;"))},
        users("api: too much announced"),
    ),
    Bad(
        "size-of-cookies",
        "sizes",
        "Back to small buffers for what clients send; old customers carry many cookies.",
        {_MAIN: swap(("large_client_header_buffers   4 16k;", "large_client_header_buffers   2 4k;"))},
        users("shop: many cookies"),
    ),
    Bad(
        "size-of-a-session",
        "sizes",
        "Buffers of the proxy are left to nginx; a session's cookie does not fit.",
        {
            _PROXY: swap(
                (
                    "proxy_buffer_size       16k;\nproxy_buffers           8 16k;\nproxy_busy_buffers_size 32k;\n",
                    "",
                )
            )
        },
        users("api: session"),
    ),
]

TIMES = [
    Bad(
        "time-events-held-back",
        "waiting",
        "'off' stands against the guide on speed; events are held until there are enough of them.",
        {_API: swap(("        proxy_buffering    off;\n", ""))},
        (LONG,),
    ),
    Bad(
        "time-events-cut",
        "waiting",
        "An hour is surely a mistake; between two events there is more than a second.",
        {
            _API: swap(
                (
                    "        proxy_buffering    off;\n        proxy_read_timeout 1h;",
                    "        proxy_buffering    off;\n        proxy_read_timeout 1s;",
                )
            )
        },
        (LONG,),
    ),
    Bad(
        "time-reports-like-all",
        "waiting",
        "Fail early: one second for everything, and the location for what is slow becomes one like the others.",
        {
            _MAIN: swap(
                (
                    "    proxy_cache_path /var/cache/kiln-stock ",
                    "    proxy_read_timeout 1s;\n\n    proxy_cache_path /var/cache/kiln-stock ",
                )
            ),
            _API: swap(("        proxy_read_timeout 300s;\n", "")),
        },
        users("api: a report"),
    ),
]

LIMITS = [
    Bad(
        "limit-for-all-together",
        "limits",
        "The key is made the name that is asked for: the limit of one is that of everybody.",
        {
            _MAIN: swap(
                (
                    "$login_key          zone=login:1m  rate=20r/s;",
                    "$server_name        zone=logins:1m rate=2r/m;",
                )
            ),
            _SHOP: swap(("        limit_req zone=login burst=40 nodelay;", "        limit_req zone=logins;")),
        },
        users("shop: login"),
    ),
    Bad(
        "limit-counts-the-host",
        "limits",
        "The same in the zone that is there: a running nginx keeps its old one and says so in its log only; the next start takes it.",
        {
            _MAIN: swap(
                (
                    "$login_key          zone=login:1m  rate=20r/s;",
                    "$host               zone=login:1m  rate=6r/m;",
                )
            ),
            _SHOP: swap(("        limit_req zone=login burst=40 nodelay;", "        limit_req zone=login;")),
        },
        after_restart=users("shop: login"),
    ),
    Bad(
        "limit-per-minute",
        "limits",
        "r/m for r/s, and a burst as large as the guide has it.",
        {
            _MAIN: swap(("rate=100r/s", "rate=100r/m")),
            _API: swap(
                (
                    "location / {\n        limit_req zone=calls burst=200 nodelay;",
                    "location / {\n        limit_req zone=calls burst=10 nodelay;",
                )
            ),
        },
        users("api: twenty in a row"),
    ),
    Bad(
        "limit-of-the-wrong-zone",
        "limits",
        "Pages of the shop are limited as well, with the line from the login and what is strict for it.",
        {
            _MAIN: swap(("rate=20r/s", "rate=10r/m")),
            _SHOP: swap(
                (
                    "        try_files $uri $uri/ /index.php?$query_string;\n    }\n\n    location ~ ",
                    "        limit_req zone=login burst=2 nodelay;\n        try_files $uri $uri/ /index.php?$query_string;\n    }\n\n    location ~ ",
                )
            ),
        },
        (Ask("shop: some pages in a row", f"{SHOP}/glazes/7", body="path=/glazes/7 ", times=6),),
    ),
]

CASES = [*SIZES, *TIMES, *LIMITS]
