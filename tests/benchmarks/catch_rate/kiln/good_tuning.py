"""Changes that have to go through: times, sizes, caches, pools, logs."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Good, swap
from tests.benchmarks.catch_rate.kiln.users import API, MEDIA, OFFICE, SAFE, SHOP, SIGNED, STUDIO

_MAIN, _MAPS, _UP = "nginx.conf", "conf.d/00-maps.conf", "conf.d/05-upstreams.conf"
_SHOP, _API, _MEDIA = "conf.d/20-shop.conf", "conf.d/30-api.conf", "conf.d/40-media.conf"
_STUDIO, _PROXY, _PHP = "conf.d/50-studio.conf", "snippets/proxy.conf", "snippets/php.conf"

TUNED = [
    Good(
        "tuned-times",
        "tuning",
        "Reports and firing plans may take longer; connecting may not.",
        {
            _API: swap(("proxy_read_timeout 300s;", "proxy_read_timeout 600s;")),
            _SHOP: swap(("fastcgi_read_timeout 20s;", "fastcgi_read_timeout 60s;")),
            _PROXY: swap(("proxy_connect_timeout   2s;", "proxy_connect_timeout   1s;")),
        },
    ),
    Good(
        "tuned-buffers",
        "tuning",
        "More room for headers and pages.",
        {
            _PROXY: swap(
                ("proxy_buffer_size       16k;", "proxy_buffer_size       32k;"),
                ("proxy_buffers           8 16k;", "proxy_buffers           16 32k;"),
                ("proxy_busy_buffers_size 32k;", "proxy_busy_buffers_size 64k;"),
            ),
            _PHP: swap(("fastcgi_buffers     8 16k;", "fastcgi_buffers     32 16k;")),
        },
    ),
    Good(
        "tuned-sizes",
        "tuning",
        "Pictures of broken pots are large.",
        {_SHOP: swap(("client_max_body_size 2m;", "client_max_body_size 20m;"))},
        (
            Ask(
                "shop: a large picture sent",
                f"{SHOP}/contact",
                body="content_length=6000000",
                upload=6_000_000,
            ),
        ),
    ),
    Good(
        "tuned-hooks",
        "tuning",
        "The bank announces more at once.",
        {_API: swap(("client_max_body_size 256k;", "client_max_body_size 512k;"))},
        (
            Ask(
                "api: more announced",
                f"{API}/hooks/payments",
                body='"took": "300000"',
                upload=300_000,
                send=SIGNED,
            ),
        ),
        ends=("api: too much announced",),
    ),
    Good(
        "tuned-cache",
        "tuning",
        "The stock is kept a little longer, and renewed while it is still served.",
        {
            _API: swap(
                (
                    "        proxy_cache_valid      200 3s;\n",
                    "        proxy_cache_valid      200 10s;\n        proxy_cache_valid      404 1s;\n        proxy_cache_background_update on;\n",
                )
            )
        },
    ),
    Good(
        "tuned-cache-room",
        "tuning",
        "More room on the disk for thumbnails, and for longer.",
        {
            _MAIN: swap(("max_size=200m inactive=7d", "max_size=2g   inactive=30d")),
            _MEDIA: swap(
                (
                    "        proxy_cache_valid    200 1d;\n",
                    "        proxy_cache_valid    200 7d;\n        proxy_cache_lock     on;\n        proxy_cache_use_stale error timeout updating;\n",
                )
            ),
        },
    ),
    Good(
        "tuned-packing",
        "tuning",
        "Packed harder, and two more types.",
        {
            _MAIN: swap(
                ("gzip_comp_level 5;", "gzip_comp_level 6;"),
                (
                    "application/json image/svg+xml;",
                    "application/json application/manifest+json text/calendar image/svg+xml;",
                ),
            )
        },
    ),
    Good(
        "tuned-files",
        "tuning",
        "More open files, and more connections.",
        {
            _MAIN: swap(
                ("max=2000 inactive=30s;", "max=10000 inactive=60s;"),
                ("    worker_connections 2048;", "    worker_connections 4096;"),
                ("pid /run/nginx.pid;", "pid /run/nginx.pid;\nworker_rlimit_nofile 16384;"),
                ("keepalive_timeout             65s;", "keepalive_timeout             30s;"),
            )
        },
    ),
    Good(
        "tuned-pool",
        "moved upstream",
        "The spare process works with the others, more connections are kept.",
        {
            _UP: swap(
                (
                    "    server 127.0.0.1:8619 backup;\n    keepalive 16;",
                    "    server 127.0.0.1:8619;\n    keepalive 32;\n    keepalive_timeout 30s;",
                ),
            )
        },
    ),
    Good(
        "tuned-pool-smaller",
        "moved upstream",
        "One process is enough in summer; the one that is slow to warm up goes.",
        {_UP: swap(("    server 127.0.0.1:8611 weight=2 max_fails=2 fail_timeout=5s;\n", ""))},
    ),
    Good(
        "tuned-log",
        "tuning",
        "The API logs to a file of its own, with the time that the pool took.",
        {
            _MAIN: swap(
                (
                    "    access_log /var/log/nginx/access.log kiln;",
                    "    log_format api '$remote_addr \"$request\" $status $request_time $upstream_response_time';\n    access_log /var/log/nginx/access.log kiln;",
                )
            ),
            _API: swap(
                (
                    "    error_page 429 @slower;",
                    "    access_log /var/log/nginx/api.log api;\n\n    error_page 429 @slower;",
                )
            ),
        },
    ),
    Good(
        "tuned-login",
        "limits",
        "A little less patience with those who guess.",
        {_SHOP: swap(("zone=login burst=40 nodelay;", "zone=login burst=25 nodelay;"))},
    ),
    Good(
        "tuned-share",
        "tuning",
        "The new front is shown to one in five.",
        {_MAPS: swap(("    50%  wheel;", "    20%  wheel;"))},
        (Ask("shop: one of two fronts", f"{SHOP}/", body="front=(?:wheel|slab) "),),
    ),
    Good(
        "tuned-fonts",
        "tuning",
        "A year is enough for fonts, a day is better than nothing for films.",
        {
            _MAPS: swap(("    ~font/       max;", "    ~font/       1y;")),
            _MEDIA: swap(
                ("        limit_conn per_ip 20;\n", "        limit_conn per_ip 20;\n        expires 1d;\n")
            ),
        },
        (
            Ask(
                "media: a film for a day",
                f"{MEDIA}/video/throwing.mp4",
                headers={**SAFE, "Cache-Control": "max-age=86400"},
            ),
        ),
    ),
    Good(
        "tuned-banner",
        "changed on purpose",
        "A line on the sale in the pages of the configurator.",
        {
            _SHOP: swap(
                (
                    "        sub_filter 'http://conf",
                    "        sub_filter '<p>configurator' '<p>Sale until Sunday!</p><p>configurator';\n        sub_filter 'http://conf",
                )
            )
        },
        (Ask("shop: sale", f"{SHOP}/configurator/step/1", body="Sale until Sunday"),),
    ),
    Good(
        "tuned-type",
        "types",
        "A type more, beside those that are there.",
        {
            _MAIN: swap(
                (
                    "        text/calendar             ics;",
                    "        text/calendar             ics;\n        image/x-adobe-dng         dng;",
                )
            )
        },
        (
            Ask(
                "media: a raw photo's type",
                f"{MEDIA}/raw/kiln-7.dng",
                headers={"Content-Type": "image/x-adobe-dng"},
            ),
        ),
    ),
    Good(
        "tuned-upload-pieces",
        "tuning",
        "Larger files for the studio, taken as they come.",
        {
            _STUDIO: swap(
                (
                    "        client_max_body_size 8m;",
                    "        client_max_body_size 64m;\n        client_body_buffer_size 128k;",
                )
            )
        },
        (
            Ask(
                "studio: a larger file",
                f"{STUDIO}/upload",
                body="took=9000000",
                upload=9_000_000,
                send=OFFICE,
            ),
        ),
    ),
]

CASES = TUNED
