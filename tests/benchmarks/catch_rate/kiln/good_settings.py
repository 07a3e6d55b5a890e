"""Changes that have to go through: what is set otherwise, or ended, on purpose."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Good, swap
from tests.benchmarks.catch_rate.kiln.users import API, CLASSIC, MEDIA, SAFE, SHOP, SIGNED, STUDIO

_MAIN, _MAPS, _UP = "nginx.conf", "conf.d/00-maps.conf", "conf.d/05-upstreams.conf"
_SHOP, _API, _MEDIA = "conf.d/20-shop.conf", "conf.d/30-api.conf", "conf.d/40-media.conf"
_STUDIO, _CLASSIC = "conf.d/50-studio.conf", "conf.d/70-classic.conf"
_HEADERS, _PROXY, _PHP, _TLS = (f"snippets/{name}.conf" for name in ("headers", "proxy", "php", "tls"))

SECURITY = [
    Good(
        "set-certificate",
        "TLS",
        "The certificate is renewed, with a name more.",
        {_TLS: swap(("kiln.crt", "kiln-next.crt"), ("kiln.key", "kiln-next.key"))},
    ),
    Good(
        "set-certificate-of-the-shop",
        "TLS",
        "The shop has a certificate of its own; the others keep theirs.",
        {
            _SHOP: swap(
                (
                    "    include snippets/tls.conf;\n",
                    "    ssl_certificate     /etc/ssl/kiln/apex.crt;\n    ssl_certificate_key /etc/ssl/kiln/apex.key;\n",
                )
            )
        },
    ),
    Good(
        "set-ciphers",
        "TLS",
        "A cipher for phones comes, those for the other kind of key go; tickets are off.",
        {
            _MAIN: swap(
                (
                    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384;",
                    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384;\n    ssl_ecdh_curve            X25519:prime256v1:secp384r1;\n    ssl_session_tickets       off;",
                )
            )
        },
    ),
    Good(
        "set-header-more",
        "new header",
        "What browsers may use is said to all of them.",
        {
            _HEADERS: swap(
                (
                    "add_header Referrer-Policy",
                    'add_header Permissions-Policy        "geolocation=(), microphone=()" always;\nadd_header Referrer-Policy',
                )
            )
        },
        (
            Ask("shop: permissions", f"{SHOP}/", headers={**SAFE, "Permissions-Policy": "geolocation"}),
            Ask(
                "media: permissions",
                f"{MEDIA}/mug.jpg",
                headers={**SAFE, "Permissions-Policy": "geolocation"},
            ),
        ),
    ),
    Good(
        "set-policy-wider",
        "new header",
        "Films may be shown in pages, from the media host only.",
        {
            _HEADERS: swap(
                (
                    "img-src 'self' https://media.kiln.example\"",
                    "img-src 'self' https://media.kiln.example; media-src https://media.kiln.example\"",
                )
            )
        },
        (
            Ask(
                "shop: films",
                f"{SHOP}/",
                headers={**SAFE, "Content-Security-Policy": "media-src https://media"},
            ),
        ),
    ),
    Good(
        "set-plain-never-again",
        "new header",
        "Two years, as the list of the browsers wants it.",
        {
            _HEADERS: swap(
                ("max-age=31536000; includeSubDomains", "max-age=63072000; includeSubDomains; preload")
            )
        },
        (
            Ask(
                "api: two years", f"{API}/v1/pots", headers={"Strict-Transport-Security": "63072000.*preload"}
            ),
        ),
    ),
    Good(
        "set-cookie-flags",
        "new header",
        "The configurator's cookie stays on TLS, and in the shop.",
        {
            _SHOP: swap(
                (
                    "        proxy_cookie_path / /configurator/;\n",
                    "        proxy_cookie_path / /configurator/;\n        proxy_cookie_flags ~ secure httponly samesite=lax;\n",
                )
            )
        },
        (
            Ask(
                "shop: configurator's cookie",
                f"{SHOP}/configurator/",
                headers={"Set-Cookie": "(?i)path=/configurator/.*secure"},
            ),
        ),
    ),
    Good(
        "set-no-proxy-header",
        "FastCGI",
        "Scripts never see a header called Proxy.",
        {
            _PHP: swap(
                ("fastcgi_param PATH_INFO ", 'fastcgi_param HTTP_PROXY      "";\nfastcgi_param PATH_INFO ')
            )
        },
    ),
    Good(
        "set-balancer-ipv6",
        "TLS",
        "The balancers get addresses of the other kind.",
        {_MAIN: swap(("    real_ip_header ", "    set_real_ip_from  2001:db8:7::/48;\n    real_ip_header "))},
    ),
]

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
                send={"X-Forwarded-For": "203.0.113.9"},
            ),
        ),
    ),
]

ENDED = [
    Good(
        "ended-raw-photos",
        "closed on purpose",
        "The photographer's share is no longer shown.",
        {
            _MEDIA: swap(
                (
                    "    # The photographer's share is mounted elsewhere.\n    location /raw/ {\n        root /mnt/photos;\n    }\n",
                    "    location /raw/ {\n        return 404;\n    }\n",
                )
            )
        },
        ends=("media: a raw photo",),
        accept=("media.kiln.example/raw/*",),
    ),
    Good(
        "ended-forum",
        "closed on purpose",
        "The forum's archive is gone for good.",
        {
            _CLASSIC: swap(
                (
                    "    location = /forum.php {\n        include snippets/php.conf;\n    }\n",
                    "    location = /forum.php {\n        return 410;\n    }\n",
                )
            )
        },
        ends=("classic: a thread", "classic: its second page"),
        accept=("classic.kiln.example/forum*",),
    ),
    Good(
        "ended-temporary",
        "changed on purpose",
        "The news will not come back; their address is sent on for good.",
        {_CLASSIC: swap(("/archive/ redirect;", "/archive/ permanent;"))},
        (Ask("classic: news for good", f"{CLASSIC}/news/", 301, location=f"{CLASSIC}/archive/$"),),
        ends=("classic: news",),
        accept=("classic.kiln.example/news*",),
    ),
    Good(
        "ended-move-of-a-potter",
        "changed on purpose",
        "Orla is back; she has no pages yet but ours.",
        {"maps/potters-moved.map": swap(("orla       orla-ceramics.example;\n", ""))},
        (
            Ask(
                "potters: Orla",
                "https://orla.potters.kiln.example/house-rules.html",
                body="Rules of the house",
            ),
        ),
        ends=("potters: moved",),
        accept=("orla.potters.kiln.example/*",),
    ),
    Good(
        "ended-guessing-of-languages",
        "changed on purpose",
        "Terms are shown in the language of the law, with a way to the other one by cookie.",
        {
            _SHOP: swap(
                ("/terms/$lang.html /terms/en.html =404;", "/terms/$cookie_lang.html /terms/en.html =404;")
            )
        },
        (Ask("shop: terms, German chosen", f"{SHOP}/terms", body="Geschaefts", send={"Cookie": "lang=de"}),),
        ends=("shop: terms in German",),
        accept=("kiln.example/terms",),
    ),
]

CASES = [*SECURITY, *TUNED, *ENDED]
