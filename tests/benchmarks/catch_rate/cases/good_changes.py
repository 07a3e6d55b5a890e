"""Changes that have to go through: headers, limits, tuning, logs, and the same thing said another way."""

# ruff: noqa: E501, ISC004 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import BASE, Copy, Good, Link, enabled, swap, users
from tests.benchmarks.catch_rate.users import SECURE, STAFF, WWW

_SHOP, _WWW, _INTRANET = "sites-available/shop", "sites-available/www", "sites-available/intranet"
_SECURE, _LIMITS = "snippets/security-headers.conf", "conf.d/limits.conf"
_ROOT = "    location / {\n        proxy_pass http://storefront;\n    }"
_GZIP = "    gzip       on;\n    gzip_types text/css application/javascript application/json;\n"


def _text(name: str) -> str:
    return (BASE / "nginx" / name).read_text()


HEADERS = [
    Good(
        "header-added",
        "headers",
        "A header more for all sites that have the snippet.",
        {_SECURE: _text(_SECURE) + 'add_header Referrer-Policy "same-origin" always;\n'},
        (Ask("www: referrer policy", f"{WWW}/", headers={"Referrer-Policy": "same-origin", **SECURE}),),
    ),
    Good(
        "header-value-changed",
        "headers",
        "Two years instead of one.",
        {_SECURE: swap(("max-age=31536000", "max-age=63072000"))},
        (Ask("www: two years", f"{WWW}/", headers={"Strict-Transport-Security": "63072000"}),),
    ),
    Good(
        "header-in-a-location-rightly",
        "headers",
        "A header for the style sheets, with the others said again.",
        {
            _WWW: swap(
                (
                    "        expires 30d;",
                    '        expires 30d;\n        include snippets/security-headers.conf;\n        add_header Cache-Control "public";',
                )
            )
        },
        (
            Ask(
                "www: public", f"{WWW}/assets/site.css", headers={**SECURE, "Cache-Control": "public|max-age"}
            ),
        ),
    ),
    Good(
        "header-removed-on-purpose",
        "headers",
        "The wiki will be shown in a frame of the intranet: X-Frame-Options gives way to a policy.",
        {
            _SECURE: swap(
                (
                    'add_header X-Frame-Options           "DENY"             always;',
                    "add_header Content-Security-Policy \"frame-ancestors 'self'\" always;",
                )
            )
        },
        ends=("www: home", "shop: home", "shop: orders", "www: style sheet's headers"),
        accept=("*.orchard.example",),
    ),
    Good(
        "request-header-added",
        "headers",
        "One header more for the application, where all of them are.",
        {
            "snippets/proxy-headers.conf": _text("snippets/proxy-headers.conf")
            + "proxy_set_header X-Request-Id      $request_id;\n"
        },
    ),
    Good(
        "cookies-secured",
        "headers",
        "Cookies of the shop only over TLS.",
        {
            _SHOP: swap(
                (
                    _ROOT,
                    _ROOT.replace(
                        "storefront;", "storefront;\n        proxy_cookie_flags ~ secure samesite=lax;"
                    ),
                )
            )
        },
    ),
]

LIMITS = [
    Good(
        "limit-added",
        "limits",
        "A limit for searches that nobody reaches by hand.",
        {
            _LIMITS: _text(_LIMITS) + "limit_req_zone  $binary_remote_addr zone=find:1m  rate=50r/s;\n",
            _SHOP: swap(
                (
                    "    location = /login {",
                    "    location = /find {\n        limit_req zone=find burst=100 nodelay;\n        proxy_pass http://storefront;\n    }\n\n    location = /login {",
                )
            ),
        },
    ),
    Good(
        "limit-widened",
        "limits",
        "The rate of a zone may change at any time; what it counts by may not.",
        {_LIMITS: swap(("zone=login:1m rate=30r/s;", "zone=login:1m rate=60r/s;"))},
    ),
    Good(
        "limit-429",
        "limits",
        "Who is limited is told so with 429 instead of 503.",
        {_LIMITS: _text(_LIMITS) + "limit_req_status  429;\nlimit_conn_status 429;\n"},
    ),
    Good(
        "limit-downloads",
        "limits",
        "Twenty connections at a time for the press.",
        {
            _WWW: swap(
                (
                    "        alias /srv/press/;",
                    "        limit_conn downloads 20;\n        limit_rate 2m;\n        alias /srv/press/;",
                )
            )
        },
    ),
    Good(
        "upload-larger",
        "limits",
        "Pictures have grown.",
        {_SHOP: swap(("client_max_body_size 20m;", "client_max_body_size 64m;"))},
    ),
]

TUNING = [
    Good("workers", "tuning", "More workers and files.", {
        "nginx.conf": swap(
            ("worker_processes 2;", "worker_processes 3;\nworker_rlimit_nofile 4096;"),
            ("worker_connections 1024;", "worker_connections 2048;\n    multi_accept on;"),
        )
    }),
    Good("gzip-more", "tuning", "More kinds of files are compressed.", {
        "nginx.conf": swap(("application/json;", "application/json image/svg+xml;\n    gzip_vary on;\n    gzip_min_length 512;"))
    }),
    Good("keepalive", "tuning", "Connections are kept shorter.", {
        "nginx.conf": swap(("keepalive_timeout   65s;", "keepalive_timeout   20s;\n    keepalive_requests  500;"))
    }),
    Good("shutdown-bounded", "tuning", "Old workers get five minutes to end.", {
        "nginx.conf": swap(("pid /run/nginx.pid;", "pid /run/nginx.pid;\nworker_shutdown_timeout 5m;"))
    }),
    Good("log-format", "tuning", "The log gets the time that each request took.", {
        "nginx.conf": swap(
            (
                "    access_log /var/log/nginx/access.log;",
                "    log_format timed '$remote_addr - $remote_user [$time_local] \"$request\" $status '\n"
                "                     '$body_bytes_sent \"$http_referer\" \"$http_user_agent\" $request_time';\n"
                "    access_log /var/log/nginx/access.log timed;",
            )
        )
    }),
    Good("log-per-site", "tuning", "The shop gets a log of its own.", {
        _SHOP: swap(("    root /var/www/shop;\n", "    root /var/www/shop;\n    access_log /var/log/nginx/shop.log;\n    error_log /var/log/nginx/shop-error.log warn;\n"))
    }),
    Good("cache-longer", "tuning", "The catalogue is kept a minute, also while the storefront is away.", {
        _SHOP: swap(("proxy_cache_valid 200 5s;", "proxy_cache_valid 200 1m;\n        proxy_cache_use_stale error timeout updating;\n        proxy_cache_lock on;"))
    }),
    Good("cache-larger", "tuning", "The cache may grow.", {"conf.d/cache.conf": swap(("max_size=50m", "max_size=100m"))}),
    Good("cache-second", "tuning", "A second cache for the orders.", {
        "conf.d/cache.conf": _text("conf.d/cache.conf")
        + "proxy_cache_path /var/cache/nginx-orders levels=1:2 keys_zone=orders:1m max_size=10m;\n"
    }),
    Good("timeouts", "tuning", "Sane times for the storefront.", {
        _SHOP: swap((_ROOT, _ROOT.replace("storefront;", "storefront;\n        proxy_connect_timeout 3s;\n        proxy_read_timeout 30s;")))
    }),
    Good("error-page-added", "tuning", "A page for what is forbidden; the status stays.", {
        _WWW: swap(("error_page 404 /404.html;", "error_page 403 404 /404.html;"))
    }),
]  # fmt: skip

SAME = [
    Good(
        "comments-only",
        "refactoring",
        "Somebody explains what is there.",
        {
            _SHOP: "# The shop. Questions: web team.\n" + _text(_SHOP),
            "nginx.conf": _text("nginx.conf") + "\n# the end\n",
        },
    ),
    Good(
        "indented-with-tabs",
        "refactoring",
        "A formatter went over everything.",
        {name: _text(name).replace("    ", "\t") for name in (_SHOP, _WWW, _INTRANET, "nginx.conf")},
    ),
    Good(
        "snippet-renamed",
        "refactoring",
        "A snippet gets a better name, everywhere.",
        {
            _SECURE: None,
            "snippets/headers.conf": Copy(_SECURE),
            **{
                name: _text(name).replace("snippets/security-headers.conf", "snippets/headers.conf")
                for name in (_SHOP, _WWW)
            },
        },
        options=("--accept-deletions",),
    ),
    Good(
        "site-file-renamed",
        "refactoring",
        "The wiki's file is called by its whole name from now on.",
        {
            "sites-available/wiki": None,
            enabled("wiki"): None,
            "sites-available/wiki.orchard.example": Copy("sites-available/wiki"),
            enabled("wiki.orchard.example"): Link("/etc/nginx/sites-available/wiki.orchard.example"),
        },
        options=("--accept-deletions",),
    ),
    Good(
        "tls-lines-into-a-snippet",
        "refactoring",
        "What every TLS site says is said once.",
        {
            "snippets/tls-www.conf": "ssl_certificate     /etc/ssl/orchard/www.crt;\nssl_certificate_key /etc/ssl/orchard/www.key;\n",
            _WWW: _text(_WWW).replace(
                "    ssl_certificate     /etc/ssl/orchard/www.crt;\n    ssl_certificate_key /etc/ssl/orchard/www.key;\n",
                "    include snippets/tls-www.conf;\n",
            ),
        },
    ),
    Good(
        "maps-split",
        "refactoring",
        "One file for each map.",
        {
            "conf.d/maps.conf": _text("conf.d/maps.conf").split("# 1 closes")[0],
            "conf.d/closed.conf": "# 1 closes" + _text("conf.d/maps.conf").split("# 1 closes")[1],
        },
    ),
    Good(
        "sites-as-conf",
        "refactoring",
        "Sites are enabled as *.conf, and only those are read.",
        {
            "nginx.conf": swap(("sites-enabled/*;", "sites-enabled/*.conf;")),
            **{enabled(site): None for site in ("00-default", "intranet", "old", "shop", "wiki", "www")},
            **{
                enabled(f"{site}.conf"): Link(f"/etc/nginx/sites-available/{site}")
                for site in ("00-default", "intranet", "old", "shop", "wiki", "www")
            },
        },
        options=("--accept-deletions",),
    ),
    Good(
        "if-into-map",
        "refactoring",
        "The shop's switch says the same with another word.",
        {
            "conf.d/maps.conf": swap(
                ("$closed {\n    default 0;\n    closed  1;", "$closed {\n    default '';\n    closed  yes;")
            ),
        },
    ),
    Good(
        "regex-said-otherwise",
        "refactoring",
        "The rewrite of old addresses becomes a return with a named group.",
        {
            _WWW: swap(
                (
                    "    location /fruit/ {\n        rewrite ^/fruit/(.*)$ /products/$1 permanent;\n    }",
                    "    location ~ ^/fruit/(?<page>.*)$ {\n        return 301 https://www.orchard.example/products/$page$is_args$args;\n    }",
                )
            )
        },
        users("www: old address of a page"),
    ),
    Good(
        "blocks-reordered",
        "refactoring",
        "Prefix locations in another order, which means nothing.",
        {
            _SHOP: swap(
                (
                    "    location /static/ {\n        alias /var/www/shop/static/;\n        expires 7d;\n    }\n\n",
                    "",
                ),
                (
                    _ROOT,
                    "    location /static/ {\n        alias /var/www/shop/static/;\n        expires 7d;\n    }\n\n"
                    + _ROOT,
                ),
            )
        },
    ),
    Good(
        "gzip-moved",
        "refactoring",
        "Compression gets a file of its own.",
        {"nginx.conf": swap((_GZIP, "")), "conf.d/gzip.conf": _GZIP.replace("    ", "")},
    ),
    Good(
        "password-added",
        "refactoring",
        "A colleague more.",
        {"htpasswd/staff": _text("htpasswd/staff") + "picker:$apr1$orchard2$0000000000000000000000\n"},
        (
            Ask(
                "intranet: as before",
                "http://intranet.orchard.example:8080/",
                body="Orchard intranet",
                send=STAFF,
            ),
        ),
    ),
    Good(
        "www-root-by-another-way",
        "refactoring",
        "The document root by the link that the site's own deployments switch.",
        {_WWW: swap(("root  /var/www/orchard;", "root  /var/www/current;"))},
    ),
]

CASES = [*HEADERS, *LIMITS, *TUNING, *SAME]
