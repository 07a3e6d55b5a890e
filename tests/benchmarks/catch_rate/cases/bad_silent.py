"""What nginx refuses to load without telling anybody: the old configuration goes on, until the next restart."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Bad, new_site, swap, users
from tests.benchmarks.catch_rate.users import INTRANET, WWW

_WWW, _LIMITS, _CACHE = "sites-available/www", "conf.d/limits.conf", "conf.d/cache.conf"
_WITH_IT = (
    "    location /press/ {",
    '    location = /now {\n        return 200 "it is loaded\\n";\n    }\n\n    location /press/ {',
)
_NOW = Ask("www: what came along", f"{WWW}/now", body="it is loaded")

CASES = [
    Bad(
        "silent-limit-key",
        "refused reload",
        "The login's limit is to count by site and client; a zone cannot change what it counts by.",
        {
            _LIMITS: swap(
                (
                    "limit_req_zone  $binary_remote_addr zone=login",
                    "limit_req_zone  $server_name$binary_remote_addr zone=login",
                )
            ),
            _WWW: swap(_WITH_IT),
        },
        never=(_NOW,),
    ),
    Bad(
        "silent-connection-limit-key",
        "refused reload",
        "The same with connections.",
        {
            _LIMITS: swap(("limit_conn_zone $binary_remote_addr", "limit_conn_zone $server_name")),
            _WWW: swap(_WITH_IT),
        },
        never=(_NOW,),
    ),
    Bad(
        "silent-cache-levels",
        "refused reload",
        "The cache's directories are laid out anew.",
        {_CACHE: swap(("levels=1:2", "levels=2:2")), _WWW: swap(_WITH_IT)},
        never=(_NOW,),
    ),
    Bad(
        "silent-cache-moved",
        "refused reload",
        "The cache moves to a larger disk and keeps its zone's name.",
        {
            _CACHE: swap(("proxy_cache_path /var/cache/nginx ", "proxy_cache_path /var/cache/nginx-large ")),
            _WWW: swap(_WITH_IT),
        },
        never=(_NOW,),
    ),
    Bad(
        "silent-port-taken",
        "refused reload",
        "The new site's port is the metrics exporter's. At the next restart nginx does not come up at all.",
        {
            **new_site(
                "numbers",
                'server { listen 9113; server_name numbers.orchard.example; return 200 "numbers\\n"; }\n',
            ),
            _WWW: swap(_WITH_IT),
        },
        never=(_NOW,),
        after_restart=users("www: home", "shop: home"),
    ),
    Bad(
        "silent-port-of-the-app",
        "refused reload",
        "A status page on the port that the second storefront has.",
        {
            **new_site(
                "status",
                'server { listen 127.0.0.1:9002; server_name status.orchard.example; return 200 "fine\\n"; }\n',
            ),
            _WWW: swap(_WITH_IT),
        },
        never=(_NOW,),
        after_restart=users("www: home", "shop: home"),
    ),
    Bad(
        "silent-wildcard-to-address",
        "refused reload",
        "The intranet is to listen on one address instead of all; the old socket is still there.",
        {
            "sites-available/intranet": swap(
                (
                    "    listen 8080;\n    listen [::]:8080;",
                    "    listen 127.0.0.1:8080;\n    listen 127.0.0.2:8080;",
                )
            ),
            _WWW: swap(_WITH_IT),
        },
        never=(_NOW,),
        after_restart=(Ask("intranet: from elsewhere", f"{INTRANET}/ping", body="pong"),),
    ),
    Bad(
        "silent-ipv6-both",
        "refused reload",
        "One line for both families, beside the line that has one of them.",
        {
            "sites-available/intranet": swap(
                (
                    "    listen [::]:8080;",
                    "    listen [::]:8080;\n    listen 8090;\n    listen [::]:8090 ipv6only=off;",
                )
            ),
            _WWW: swap(_WITH_IT),
        },
        never=(_NOW,),
    ),
]
