"""What stands behind: upstream servers, paths and headers they are sent, patience and buffers."""

# ruff: noqa: E501, ISC004 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Bad, swap, users
from tests.benchmarks.catch_rate.users import SHOP, SOCKET

_SHOP, _UPSTREAMS = "sites-available/shop", "conf.d/upstreams.conf"
_TWO = "    server 127.0.0.1:9001;\n    server 127.0.0.1:9002;"
_ROOT = "    location / {\n        proxy_pass http://storefront;\n    }"
_API = "        proxy_pass http://orders/v1/;"
_HEADERS = "snippets/proxy-headers.conf"

UPSTREAMS = [
    Bad(
        "upstream-all-down",
        "upstream",
        "Both servers are marked down for a maintenance that is over.",
        {_UPSTREAMS: swap((_TWO, "    server 127.0.0.1:9001 down;\n    server 127.0.0.1:9002 down;"))},
        users("shop: home", "shop: login"),
    ),
    Bad(
        "upstream-port-of-staging",
        "upstream",
        "The ports are those of the staging machine.",
        {_UPSTREAMS: swap((_TWO, "    server 127.0.0.1:9101;\n    server 127.0.0.1:9102;"))},
        users("shop: home", "shop: login"),
    ),
    Bad(
        "upstream-one-service-moved",
        "upstream",
        "The orders service is said to have moved, and has not yet.",
        {_UPSTREAMS: swap(("orders.internal:9100", "orders.internal:9200"))},
        users("shop: orders", "shop: one order"),
    ),
    Bad(
        "upstream-https-to-plain",
        "upstream",
        "Everything is to be encrypted; the application does not speak TLS.",
        {_SHOP: swap((_ROOT, _ROOT.replace("http://", "https://")))},
        users("shop: home", "shop: arguments"),
    ),
    Bad(
        "upstream-socket-renamed",
        "upstream",
        "The socket's new directory exists on the developers' machines only.",
        {_UPSTREAMS: swap(("unix:/run/orchard/reports.sock", "unix:/run/reports/reports.sock"))},
        users("intranet: reports"),
    ),
    Bad(
        "upstream-half-dead-no-retry",
        "upstream",
        "One of two new servers does not run, and retries have just been switched off as a cause of double orders.",
        {
            _UPSTREAMS: swap(("127.0.0.1:9002", "127.0.0.1:9003 max_fails=0")),
            _SHOP: swap(
                (_ROOT, _ROOT.replace("storefront;", "storefront;\n        proxy_next_upstream off;"))
            ),
        },
        (Ask("shop: home, six times", f"{SHOP}/", body="storefront", times=6),),
    ),
    Bad(
        "upstream-no-port",
        "upstream",
        "The port is left out where the default is another one.",
        {_UPSTREAMS: swap((_TWO, "    server 127.0.0.1:9001;\n    server 127.0.0.1;"))},
        (Ask("shop: a page", f"{SHOP}/page", body="storefront path=/page ", times=6),),
    ),
    Bad(
        "upstream-wrong-service",
        "upstream",
        "Copied from the block above: the catalogue is asked of the orders service.",
        {
            _SHOP: swap(
                (
                    "proxy_cache_valid 200 5s;\n        proxy_pass http://storefront;",
                    "proxy_cache_valid 200 5s;\n        proxy_pass http://orders;",
                )
            )
        },
        users("shop: catalogue"),
    ),
    Bad(
        "variable-without-resolver",
        "variable upstream",
        "A variable is to make nginx look names up again; there is no resolver to ask.",
        {
            _SHOP: swap(
                (_API, "        set $orders orders.internal:9100;\n        proxy_pass http://$orders;")
            )
        },
        users("shop: orders"),
    ),
    Bad(
        "variable-dead-resolver",
        "variable upstream",
        "With a resolver that does not answer.",
        {
            _SHOP: swap(
                (
                    _API,
                    "        resolver 127.0.0.1:5300 valid=10s;\n        resolver_timeout 2s;\n"
                    "        set $orders orders.internal:9100;\n        rewrite ^/api/(.*)$ /v1/$1 break;\n"
                    "        proxy_pass http://$orders;",
                )
            )
        },
        users("shop: orders"),
    ),
    Bad(
        "variable-empty-by-map",
        "variable upstream",
        "The backend comes from a map that knows the name with 'www.' only and has no default.",
        {
            "conf.d/backends.conf": "map $host $backend {\n    www.shop.orchard.example storefront;\n}\n",
            _SHOP: swap((_ROOT, _ROOT.replace("http://storefront", "http://$backend"))),
        },
        users("shop: home", "shop: arguments"),
    ),
    Bad(
        "variable-eats-the-path",
        "variable upstream",
        "A variable with a path in proxy_pass: every page becomes the first one.",
        {_SHOP: swap((_API, "        set $service orders;\n        proxy_pass http://$service/v1/;"))},
        users("shop: orders", "shop: one order"),
    ),
]

PATHS = [
    Bad(
        "path-slash-strips-prefix",
        "path to the upstream",
        "A slash is added at the end, for tidiness, where there was none.",
        {
            _SHOP: swap(
                (
                    "proxy_cache_valid 200 5s;\n        proxy_pass http://storefront;",
                    "proxy_cache_valid 200 5s;\n        proxy_pass http://storefront/;",
                )
            )
        },
        users("shop: catalogue", "shop: another page of it"),
    ),
    Bad(
        "path-version-lost",
        "path to the upstream",
        "The service is addressed without the version it lives under.",
        {_SHOP: swap((_API, "        proxy_pass http://orders;"))},
        users("shop: orders", "shop: one order"),
    ),
    Bad(
        "path-slash-forgotten",
        "path to the upstream",
        "/v1 instead of /v1/ joins what should stay apart.",
        {_SHOP: swap((_API, "        proxy_pass http://orders/v1;"))},
        users("shop: orders"),
    ),
    Bad(
        "path-doubled",
        "path to the upstream",
        "The prefix is said both by the location and by the upstream's address.",
        {_SHOP: swap((_API, "        proxy_pass http://orders/v1/api/v1/;"))},
        (Ask("shop: orders by path", f"{SHOP}/api/orders", body='"path": "/v1/orders"'),),
    ),
    Bad(
        "path-rewritten-away",
        "path to the upstream",
        "A rewrite with 'break' takes off more than the prefix.",
        {
            _SHOP: swap(
                (_API, "        rewrite ^/api/[a-z]+/?(.*)$ /v1/$1 break;\n        proxy_pass http://orders;")
            )
        },
        users("shop: orders", "shop: one order"),
    ),
    Bad(
        "path-arguments-lost",
        "path to the upstream",
        "A rewrite that ends in a question mark drops what people searched for.",
        {
            _SHOP: swap(
                (
                    _ROOT,
                    "    location / {\n        rewrite ^/(.*)$ /$1? break;\n        proxy_pass http://storefront;\n    }",
                )
            )
        },
        users("shop: arguments"),
    ),
]

HEADERS = [
    Bad(
        "headers-inner-drops-outer",
        "request headers",
        "One header more for one location: the location now sends that one and no other.",
        {
            _SHOP: swap(
                (_ROOT, _ROOT.replace("storefront;", "storefront;\n        proxy_set_header X-Region eu;"))
            )
        },
        users("shop: home", "shop: the app knows the client"),
    ),
    Bad(
        "headers-host-of-upstream",
        "request headers",
        "Host is set to what the upstream block is called.",
        {_HEADERS: swap(("Host              $host;", "Host              $proxy_host;"))},
        users("shop: home", "shop: login"),
    ),
    Bad(
        "headers-proto-lost",
        "request headers",
        "X-Forwarded-Proto looks unused; the application redirects to https for ever.",
        {_HEADERS: swap(("proxy_set_header X-Forwarded-Proto $scheme;\n", ""))},
        users("shop: home", "shop: account"),
    ),
    Bad(
        "headers-proto-fixed",
        "request headers",
        "Copied from a machine behind a balancer that had written 'http'.",
        {_HEADERS: swap(("X-Forwarded-Proto $scheme;", "X-Forwarded-Proto http;"))},
        users("shop: home", "shop: account"),
    ),
    Bad(
        "headers-websocket-lost",
        "request headers",
        "/live is made to include the same headers as all the others: without Upgrade.",
        {
            _SHOP: swap(
                (
                    "        proxy_set_header Host              $host;\n"
                    "        proxy_set_header X-Forwarded-Proto $scheme;\n"
                    "        proxy_set_header Upgrade           $http_upgrade;\n"
                    "        proxy_set_header Connection        $connection_upgrade;\n",
                    "        include snippets/proxy-headers.conf;\n",
                ),
                ("        proxy_http_version 1.1;\n", ""),
            )
        },
        (Ask("shop: websocket", f"{SHOP}/live", 101, send=SOCKET),),
    ),
    Bad(
        "headers-client-hidden",
        "request headers",
        "X-Real-IP goes: for the application everybody is the same nobody.",
        {_HEADERS: swap(("proxy_set_header X-Real-IP         $remote_addr;\n", ""))},
        users("shop: the app knows the client"),
    ),
]

PATIENCE = [
    Bad(
        "buffer-too-small",
        "buffers and timeouts",
        "The large buffers of the account pages look like an oversight.",
        {_SHOP: swap(("        proxy_buffer_size 16k;\n        proxy_buffers     8 16k;\n", ""))},
        users("shop: account"),
    ),
    Bad(
        "buffer-tiny-everywhere",
        "buffers and timeouts",
        "Memory is to be saved, for all sites at once.",
        {
            "conf.d/tuning.conf": "proxy_buffer_size 1k;\nproxy_buffers 8 1k;\nproxy_busy_buffers_size 2k;\n",
            _SHOP: swap(("        proxy_buffer_size 16k;\n        proxy_buffers     8 16k;\n", "")),
        },
        users("shop: account"),
    ),
    Bad(
        "read-timeout-short",
        "buffers and timeouts",
        "Nothing should take longer than a second; a year of orders does.",
        {_SHOP: swap(("proxy_read_timeout 120s;", "proxy_read_timeout 1s;"))},
        users("shop: slow export"),
    ),
    Bad(
        "read-timeout-in-milliseconds",
        "buffers and timeouts",
        "The number is meant in seconds and read as milliseconds.",
        {_SHOP: swap(("proxy_read_timeout 120s;", "proxy_read_timeout 120ms;"))},
        users("shop: slow export"),
    ),
    Bad(
        "url-buffer-small",
        "buffers and timeouts",
        "The header buffers are shrunk against an attack; long searches are refused with them.",
        {
            "conf.d/tuning.conf": "client_header_buffer_size 256;\nlarge_client_header_buffers 2 512;\n",
        },
        (Ask("shop: a long search", f"{SHOP}/find?q={'plum+' * 160}", body="storefront"),),
    ),
]

CASES = [*UPSTREAMS, *PATHS, *HEADERS, *PATIENCE]
