"""Changes that have to go through: the same in another shape."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.case import Copy, Good, swap

_MAPS = "conf.d/00-maps.conf"
_UP = "conf.d/05-upstreams.conf"
_API = "conf.d/20-api.conf"
_CONSOLE = "conf.d/30-console.conf"
_TENANTS = "conf.d/40-tenants.conf"
_FILES = "conf.d/60-files.conf"
_PARTNERS = "conf.d/70-partners.conf"
_MAIN = "nginx.conf"

_HEALTH = (
    '    location = /healthz {\n        default_type text/plain;\n        return 200 "ok\\n";\n    }\n\n'
)
_INTERNAL = "    location /internal/ {\n        return 404;\n    }\n"
_AUTHED = (
    "        auth_request     /_auth;\n        auth_request_set $auth_user $upstream_http_x_user;\n",
    "        include include/proxy.inc;\n        proxy_set_header X-User $auth_user;\n",
)

REFACTORED = [
    Good(
        "renamed-pool",
        "refactoring",
        "A pool is called by what it is.",
        {
            _UP: swap(
                (
                    "upstream api_v1 {\n    zone   api_v1 64k;",
                    "upstream api_stable {\n    zone   api_stable 64k;",
                )
            ),
            _MAPS: swap(
                (
                    "    default     api_v1;\n    ~^v1:       api_v1;",
                    "    default     api_stable;\n    ~^v1:       api_stable;",
                )
            ),
            _API: swap(("proxy_pass http://api_v1;", "proxy_pass http://api_stable;")),
            _PARTNERS: swap(("proxy_pass http://api_v1;", "proxy_pass http://api_stable;")),
        },
    ),
    Good(
        "renamed-file",
        "refactoring",
        "Numbers of files are put in order.",
        {"conf.d/50-www.conf": None, "conf.d/15-www.conf": Copy("conf.d/50-www.conf")},
    ),
    Good(
        "renamed-log-format",
        "refactoring",
        "The log has a field more, and a name with a number.",
        {
            _MAIN: swap(
                ("log_format edge escape=json", "log_format edge_v2 escape=json"),
                ('"client":"$remote_addr",', '"client":"$remote_addr","tls":"$ssl_protocol",'),
                ("access.log edge if", "access.log edge_v2 if"),
            )
        },
    ),
    Good(
        "split-maps",
        "refactoring",
        "The tenants' tables move beside the tenants.",
        {
            _MAPS: swap(
                (
                    "map $tenant $tenant_pool {\n    default     tenants_shared;\n    include     maps/tenant-pools.map;\n}\n\nmap $tenant $tenant_closed {\n    default     0;\n    include     maps/tenants-closed.map;\n}\n",
                    "# see 39-tenant-maps.conf\n",
                )
            ),
            "conf.d/39-tenant-maps.conf": "map $tenant $tenant_pool {\n    default     tenants_shared;\n    include     maps/tenant-pools.map;\n}\n\nmap $tenant $tenant_closed {\n    default     0;\n    include     maps/tenants-closed.map;\n}\n",
        },
    ),
    Good(
        "split-upstreams",
        "refactoring",
        "A directory of pools, one file each, as far as it is done.",
        {
            _MAIN: swap(
                ("    include conf.d/*.conf;", "    include pools/*.conf;\n    include conf.d/*.conf;")
            ),
            "pools/push.conf": "upstream push {\n    ip_hash;\n    server 127.0.0.1:7500;\n}\n",
            _UP: swap(("upstream push {\n    ip_hash;\n    server 127.0.0.1:7500;\n}\n\n", "")),
        },
    ),
    Good(
        "include-for-the-known",
        "refactoring",
        "What three places say in the same words becomes an include.",
        {
            "include/known.inc": "auth_request     /_auth;\nauth_request_set $auth_user $upstream_http_x_user;\ninclude include/proxy.inc;\nproxy_set_header X-User $auth_user;\n",
            _API: swap(
                (
                    "    location ~ ^/v[12]/manifests/ {\n" + _AUTHED[0] + _AUTHED[1],
                    "    location ~ ^/v[12]/manifests/ {\n        include include/known.inc;\n",
                ),
                (
                    "    location /billing/ {\n" + _AUTHED[0] + _AUTHED[1],
                    "    location /billing/ {\n        include include/known.inc;\n",
                ),
            ),
            _FILES: swap(
                (
                    "    location /download/ {\n" + _AUTHED[0] + _AUTHED[1],
                    "    location /download/ {\n        include include/known.inc;\n",
                )
            ),
        },
    ),
    Good(
        "include-absolute",
        "refactoring",
        "Paths are written in full.",
        {
            _MAIN: swap(
                ("    include      mime.types;", "    include      /etc/nginx/mime.types;"),
                ("    include conf.d/*.conf;", "    include /etc/nginx/conf.d/*.conf;"),
            )
        },
    ),
    Good(
        "map-for-if",
        "refactoring",
        "Which method is a question of a browser's is said by a map.",
        {
            _MAPS: swap(
                (
                    "# --- Tenants:",
                    "map $request_method $asks_first {\n    default  0;\n    OPTIONS  1;\n}\n\n# --- Tenants:",
                )
            ),
            _API: swap(("if ($request_method = OPTIONS) {", "if ($asks_first) {")),
        },
    ),
    Good(
        "reordered-places",
        "refactoring",
        "Exact places come last; their order does not matter.",
        {_API: swap((_HEALTH, ""), (_INTERNAL, _INTERNAL + "\n" + _HEALTH.rstrip("\n") + "\n"))},
    ),
    Good(
        "reordered-pattern-rows",
        "refactoring",
        "Rows of a map that exclude each other change places.",
        {
            _MAPS: swap(
                (
                    "    ~^v1:       api_v1;\n    ~^v2:       $v2_pool;\n    ~^:/v2/     $v2_pool;",
                    "    ~^:/v2/     $v2_pool;\n    ~^v2:       $v2_pool;\n    ~^v1:       api_v1;",
                )
            )
        },
    ),
    Good(
        "billing-has-a-pool",
        "moved upstream",
        "Billing stays where it is now, so it gets a pool and is not looked up.",
        {
            _UP: swap(
                (
                    "upstream bff {",
                    "upstream billing {\n    server 127.0.0.1:7900;\n    keepalive 4;\n}\n\nupstream bff {",
                )
            ),
            _API: swap(
                ("    # Billing moves between machines; its name is looked up.\n", ""),
                (
                    "        set $billing billing.service.quay;\n        proxy_pass http://$billing:7900;",
                    "        proxy_pass http://billing;",
                ),
            ),
        },
    ),
    Good(
        "tenant-name-pattern-plainer",
        "refactoring",
        "The pattern of a tenant's name is made plainer.",
        {_TENANTS: swap(("(?<tenant>[a-z0-9][a-z0-9-]{1,40})", "(?<tenant>[a-z0-9-]+)"))},
    ),
    Good(
        "auth-remembered-headers",
        "refactoring",
        "The checker is told the method as well.",
        {
            "include/auth.inc": swap(
                (
                    "    proxy_set_header X-Original-Host $host;",
                    "    proxy_set_header X-Original-Host $host;\n    proxy_set_header X-Original-Method $request_method;",
                )
            )
        },
    ),
    Good(
        "assets-by-alias",
        "moved assets",
        "The assets have a root of their own, under another name.",
        {
            _CONSOLE: swap(
                (
                    "        expires     1y;",
                    "        alias       /srv/www/console/assets/;\n        expires     1y;",
                ),
                ("        try_files   $uri =404;\n", ""),
            )
        },
    ),
]

CASES = REFACTORED
