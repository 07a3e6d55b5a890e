"""Changes that have to go through: what is set otherwise on purpose."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Good, swap
from tests.benchmarks.catch_rate.quay.users import ADA, API, CONSOLE, SAFE, TOM, WWW

_MAPS = "conf.d/00-maps.conf"
_UP = "conf.d/05-upstreams.conf"
_API = "conf.d/20-api.conf"
_CONSOLE = "conf.d/30-console.conf"
_TENANTS = "conf.d/40-tenants.conf"
_FILES = "conf.d/60-files.conf"
_MAIN = "nginx.conf"


SET = [
    Good(
        "set-new-certificate",
        "TLS",
        "The certificate is renewed.",
        {"include/tls-star.inc": swap(("star.crt", "star-2027.crt"), ("star.key", "star-2027.key"))},
    ),
    Good(
        "set-stricter-tls",
        "TLS",
        "The old ciphers go; TLS 1.2 with good ones stays.",
        {
            _MAIN: swap(
                (
                    "    ssl_prefer_server_ciphers off;",
                    "    ssl_ciphers               ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305;\n    ssl_ecdh_curve            X25519:prime256v1;\n    ssl_prefer_server_ciphers off;",
                )
            )
        },
        (Ask("api: an older client", f"{API}/healthz", body="ok", old_tls=True),),
    ),
    Good(
        "set-sessions-shorter",
        "TLS",
        "Sessions are kept for an hour, in a larger place.",
        {_MAIN: swap(("ssl_session_timeout       4h;", "ssl_session_timeout       1h;"))},
    ),
    Good(
        "set-header-more",
        "new header",
        "One header more for all.",
        {
            "include/headers.inc": swap(
                (
                    "add_header X-Request-Id",
                    'add_header Permissions-Policy         "camera=(), geolocation=()" always;\nadd_header X-Request-Id',
                )
            )
        },
        (
            Ask("www: policy", f"{WWW}/", headers={**SAFE, "Permissions-Policy": "camera"}),
            Ask(
                "console: policy of assets",
                f"{CONSOLE}/assets/app-41c7.css",
                headers={"Permissions-Policy": "camera"},
            ),
        ),
    ),
    Good(
        "set-content-policy",
        "new header",
        "The console says where its scripts come from.",
        {
            _CONSOLE: swap(
                (
                    '        add_header Cache-Control "no-cache" always;',
                    "        add_header Cache-Control \"no-cache\" always;\n        add_header Content-Security-Policy \"default-src 'self'; connect-src 'self' https://api.quay.example\" always;",
                )
            )
        },
        (Ask("console: content policy", f"{CONSOLE}/", headers={"Content-Security-Policy": "connect-src"}),),
    ),
    Good(
        "set-referrer-stricter",
        "new header",
        "The referrer stays in the house.",
        {"include/headers.inc": swap(("strict-origin-when-cross-origin", "same-origin"))},
    ),
    Good(
        "set-rates-longer",
        "cache",
        "Rates hold for longer, and one asks for all.",
        {
            _API: swap(
                (
                    "proxy_cache_valid     200 2s;",
                    "proxy_cache_valid     200 30s;\n        proxy_cache_lock      on;\n        proxy_cache_background_update on;",
                )
            )
        },
    ),
    Good(
        "set-assets-shorter",
        "cache",
        "Style sheets of the site are kept for a day.",
        {"conf.d/50-www.conf": swap(("        expires 7d;", "        expires 1d;"))},
    ),
    Good(
        "set-uploads-larger",
        "limits",
        "Larger documents.",
        {
            _FILES: swap(("client_max_body_size    12m;", "client_max_body_size    40m;")),
            _TENANTS: swap(("client_max_body_size 5m;", "client_max_body_size 20m;")),
        },
        (
            Ask(
                "files: a larger one",
                "https://files.quay.example/upload",
                body='"took": "14000000"',
                send=TOM,
                upload=14_000_000,
            ),
        ),
    ),
    Good(
        "set-rates-raised",
        "limits",
        "Twice as much for everybody.",
        {_MAIN: swap(("rate=200r/s", "rate=400r/s")), _API: swap(("burst=400 nodelay", "burst=800 nodelay"))},
    ),
    Good(
        "set-rates-lowered",
        "limits",
        "Somewhat less for everybody, still far above what they need.",
        {_MAIN: swap(("rate=200r/s", "rate=120r/s"))},
    ),
    Good(
        "set-times-longer",
        "times",
        "Slow days: more patience with manifests, and with clients.",
        {
            _API: swap(("proxy_read_timeout 120s;", "proxy_read_timeout 5m;")),
            _MAIN: swap(("keepalive_timeout 30s;", "keepalive_timeout 75s;")),
        },
    ),
    Good(
        "set-push-by-hash",
        "balancing",
        "The same place for a client, by a better hash.",
        {_UP: swap(("    ip_hash;\n", "    hash $remote_addr consistent;\n"))},
    ),
    Good(
        "set-fails-otherwise",
        "balancing",
        "A server is out after two failures, for ten seconds.",
        {
            _UP: swap(
                ("127.0.0.1:7101 max_fails=3 fail_timeout=5s", "127.0.0.1:7101 max_fails=2 fail_timeout=10s"),
                ("127.0.0.1:7102 max_fails=3 fail_timeout=5s", "127.0.0.1:7102 max_fails=2 fail_timeout=10s"),
            )
        },
    ),
    Good(
        "set-names-kept-longer",
        "times",
        "What is looked up is kept for half a minute.",
        {_MAIN: swap(("valid=5s", "valid=30s"))},
    ),
    Good(
        "set-error-text",
        "error answers",
        "The answer to a lack of a token says where to read more.",
        {
            "include/errors.inc": swap(
                (
                    '\'{"error":"unauthorized","id"',
                    '\'{"error":"unauthorized","see":"https://docs.quay.example/tokens","id"',
                )
            )
        },
        (Ask("api: told where to read", f"{API}/v1/shipments", 401, body="docs.quay.example/tokens"),),
    ),
    Good(
        "set-gzip-harder",
        "times",
        "Pack better, and one type more.",
        {
            _MAIN: swap(
                ("    gzip_min_length 512;", "    gzip_comp_level 6;\n    gzip_min_length 512;"),
                ("image/svg+xml;", "image/svg+xml application/geo+json;"),
            )
        },
    ),
    Good(
        "set-console-settings",
        "content",
        "The console learns of a second address.",
        {
            _CONSOLE: swap(
                ('"push":"wss://console', '"docs":"https://docs.quay.example","push":"wss://console')
            )
        },
        (Ask("console: new setting", f"{CONSOLE}/config.json", body='"docs":'),),
    ),
    Good(
        "set-preflight-longer",
        "other origins",
        "Browsers may remember for a day, and send one header more.",
        {
            _API: swap(
                ("Access-Control-Max-Age       600", "Access-Control-Max-Age       86400"),
                (
                    '"Authorization, Content-Type, X-Api-Version"',
                    '"Authorization, Content-Type, X-Api-Version, X-Canary"',
                ),
            )
        },
        (
            Ask(
                "api: may send the canary",
                f"{API}/v1/x",
                204,
                method="OPTIONS",
                send={"Origin": CONSOLE},
                headers={"Access-Control-Allow-Headers": "X-Canary"},
            ),
        ),
    ),
    Good(
        "set-log-buffered",
        "logs",
        "The log is written in larger pieces, and the errors' at a lower level.",
        {
            _MAIN: swap(
                ("edge if=$loggable;", "edge buffer=16k flush=2s if=$loggable;"),
                ("error.log warn;", "error.log error;"),
            )
        },
    ),
    Good(
        "set-api-named-twice",
        "new name",
        "The API has a second name for machines in the house.",
        {
            _API: swap(
                ("server_name api.quay.example;", "server_name api.quay.example api-in.quay.example;")
            ),
            "include/proxy.inc": swap(("Host              $host;", "Host              $quay_host;")),
            _MAPS: swap(
                (
                    "# --- Who is asking.",
                    "map $host $quay_host {\n    default               $host;\n    api-in.quay.example   api.quay.example;\n}\n\n# --- Who is asking.",
                )
            ),
        },
        (
            Ask(
                "api: by its second name", "https://api-in.quay.example/v1/shipments", body="api-v1", send=ADA
            ),
        ),
    ),
]

CASES = SET
