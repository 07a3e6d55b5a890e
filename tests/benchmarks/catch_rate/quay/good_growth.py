"""Changes that have to go through: what is new."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Good, swap
from tests.benchmarks.catch_rate.quay.users import (
    ADA,
    API,
    CONSOLE,
    PARTNERS,
    SAFE,
    SOCKET,
    WWW,
    service,
    users,
)

_MAPS = "conf.d/00-maps.conf"
_UP = "conf.d/05-upstreams.conf"
_EDGE = "conf.d/10-edge.conf"
_API = "conf.d/20-api.conf"
_CONSOLE = "conf.d/30-console.conf"
_PARTNERS = "conf.d/70-partners.conf"

_BEFORE_V0 = "    location /v0/ {"
_LISTEN = "    listen 443 ssl http2;\n    listen [::]:443 ssl http2;\n"
_LAST_POOL = "upstream reports {"

TENANTS = [
    Good(
        "tenant-own-pool",
        "new tenant",
        "A customer grows, and gets a pool of their own.",
        {
            _UP: swap(
                (
                    _LAST_POOL,
                    "upstream tenants_skagerrak {\n    server 127.0.0.1:7701 max_conns=200;\n}\n\n"
                    + _LAST_POOL,
                )
            ),
            "maps/tenant-pools.map": swap(
                (
                    "baltic        tenants_north;",
                    "baltic        tenants_north;\nskagerrak     tenants_skagerrak;",
                )
            ),
        },
        (Ask("tenant: skagerrak", "https://skagerrak.app.quay.example/", body="tenants-north"),),
    ),
    Good(
        "tenant-other-pool",
        "moved upstream",
        "A customer moves from one pool to another.",
        {"maps/tenant-pools.map": swap(("baltic        tenants_north;", "baltic        tenants_northsea;"))},
        (Ask("tenant: baltic", "https://baltic.app.quay.example/", body="tenants-northsea"),),
    ),
    Good(
        "tenant-closed-on-purpose",
        "closed on purpose",
        "A customer has left.",
        {
            "maps/tenants-closed.map": swap(
                ("gone-shipping    1;", "gone-shipping    1;\nlost-at-sea      1;")
            )
        },
        (
            Ask(
                "tenant: lost at sea", "https://lost-at-sea.app.quay.example/x", 302, location=f"{WWW}/closed"
            ),
        ),
    ),
    Good(
        "tenant-own-domain",
        "new site",
        "A customer's front under a name of their own, with their certificate.",
        {
            "conf.d/41-northsea.conf": "server {\n    listen 80;\n    listen [::]:80;\n    server_name track.northsea.example;\n    return 308 https://$host$request_uri;\n}\n\nserver {\n"
            + _LISTEN
            + "    server_name track.northsea.example;\n    ssl_certificate     /etc/ssl/quay/northsea.crt;\n    ssl_certificate_key /etc/ssl/quay/northsea.key;\n"
            "    include include/headers.inc;\n\n    location / {\n        proxy_http_version 1.1;\n        proxy_set_header Host       northsea.app.quay.example;\n        proxy_set_header X-Tenant   northsea;\n"
            '        proxy_set_header X-Real-IP  $remote_addr;\n        proxy_set_header Connection "";\n        proxy_pass http://tenants_northsea;\n    }\n}\n'
        },
        (
            Ask(
                "track.northsea: home",
                "https://track.northsea.example/",
                body="tenants-northsea",
                headers=SAFE,
            ),
            Ask(
                "track.northsea: plain",
                "http://track.northsea.example/a",
                308,
                location="https://track.northsea.example/a$",
            ),
        ),
    ),
]

VERSIONS = [
    Good(
        "version-3",
        "new version",
        "A third version begins in the pool of the next release.",
        {_MAPS: swap(("    ~^:/v2/     $v2_pool;", "    ~^:/v2/     $v2_pool;\n    ~^:/v3/     api_next;"))},
        (Ask("api: v3", f"{API}/v3/ports", body=service("api-next", "/v3/ports"), send=ADA),),
    ),
    Good(
        "version-header-long-form",
        "new version",
        "The header may be written in full as well.",
        {_MAPS: swap(('    "~^2\\."    v2;', '    "~^2\\."    v2;\n    v1         v1;\n    v2         v2;'))},
        (
            Ask(
                "api: v2 by long header",
                f"{API}/shipments",
                body='"api-(v2|next)"',
                send={**ADA, "X-Api-Version": "v2"},
            ),
        ),
    ),
    Good(
        "version-2-second-server",
        "moved upstream",
        "Version 2 gets a second server.",
        {
            _UP: swap(
                (
                    "    server 127.0.0.1:7201;\n    keepalive",
                    "    server 127.0.0.1:7201;\n    server 127.0.0.1:7202;\n    keepalive",
                )
            )
        },
    ),
    Good(
        "version-2-moved",
        "moved upstream",
        "Version 2 moves to another port.",
        {
            _UP: swap(
                ("    server 127.0.0.1:7201;\n    keepalive", "    server 127.0.0.1:7202;\n    keepalive")
            )
        },
    ),
    Good(
        "canary-half",
        "canary",
        "Half of the clients get the next release.",
        {_MAPS: swap(("    10%  api_next;", "    50%  api_next;"))},
    ),
    Good(
        "canary-ended",
        "canary",
        "The share ends; who wants the next release still gets it.",
        {_MAPS: swap(("    10%  api_next;\n    *    api_v2;", "    *    api_v2;"))},
    ),
]

PLACES = [
    Good(
        "place-search",
        "new location",
        "Search gets a stricter limit of its own.",
        {
            "nginx.conf": swap(
                (
                    "    limit_conn_zone",
                    "    limit_req_zone  $limit_key          zone=search:1m     rate=20r/s;\n    limit_conn_zone",
                )
            ),
            _API: swap(
                (
                    _BEFORE_V0,
                    "    location = /v1/search {\n        auth_request     /_auth;\n        auth_request_set $auth_user $upstream_http_x_user;\n        limit_req        zone=search burst=40 nodelay;\n"
                    "        include include/cors.inc;\n        include include/proxy.inc;\n        proxy_set_header X-User $auth_user;\n        proxy_pass http://api_v1;\n    }\n\n"
                    + _BEFORE_V0,
                )
            ),
        },
        (Ask("api: search", f"{API}/v1/search?q=box", body='"user": "ada"', send=ADA),),
    ),
    Good(
        "place-ports-kept",
        "new location",
        "The list of ports is public, and kept like the rates.",
        {
            _API: swap(
                (
                    _BEFORE_V0,
                    "    location = /ports.json {\n        include include/cors.inc;\n        include include/proxy.inc;\n        rewrite ^ /v1/public/ports break;\n        proxy_cache       rates;\n"
                    "        proxy_cache_key   $uri$is_args$args;\n        proxy_cache_valid 200 1m;\n        proxy_pass http://api_v1;\n    }\n\n"
                    + _BEFORE_V0,
                )
            )
        },
        (Ask("api: ports", f"{API}/ports.json", body=service("api-v1", "/v1/public/ports")),),
    ),
    Good(
        "place-push-for-machines",
        "new location",
        "Websockets for machines, who show a token.",
        {
            _API: swap(
                (
                    _BEFORE_V0,
                    "    location = /v2/stream {\n        auth_request /_auth;\n        include include/proxy.inc;\n        proxy_set_header Upgrade    $http_upgrade;\n        proxy_set_header Connection $connection_upgrade;\n"
                    "        proxy_read_timeout 1h;\n        proxy_pass http://push;\n    }\n\n" + _BEFORE_V0,
                )
            )
        },
        (
            Ask("api: stream", f"{API}/v2/stream", 101, send={**ADA, **SOCKET}),
            Ask("api: stream without a token", f"{API}/v2/stream", 401),
        ),
    ),
    Good(
        "place-robots",
        "new location",
        "Search engines stay out of the console.",
        {
            _CONSOLE: swap(
                (
                    "    location = /config.json {",
                    '    location = /robots.txt {\n        default_type text/plain;\n        return 200 "User-agent: *\\nDisallow: /\\n";\n    }\n\n    location = /config.json {',
                )
            )
        },
        (Ask("console: robots", f"{CONSOLE}/robots.txt", body="Disallow: /"),),
    ),
    Good(
        "place-version-of-the-edge",
        "new location",
        "Which release of the edge is it?",
        {
            _EDGE: swap(
                (
                    "    location = /status {",
                    '    location = /version {\n        default_type text/plain;\n        return 200 "edge 2024.11\\n";\n    }\n\n    location = /status {',
                )
            )
        },
        (Ask("edge: version", "http://edge.internal:8090/version", body="2024.11"),),
    ),
    Good(
        "place-moved-page",
        "new redirect",
        "A page more that moved.",
        {
            "maps/moved.map": swap(
                (
                    "/about-us.html         /company;",
                    "/about-us.html         /company;\n/team.html             /company;",
                )
            )
        },
        (Ask("www: team", f"{WWW}/team.html", 301, location=f"(?:{WWW})?/company$"),),
    ),
    Good(
        "place-docs",
        "new site",
        "The documentation gets a site.",
        {
            "conf.d/55-docs.conf": "server {\n"
            + _LISTEN
            + "    server_name docs.quay.example;\n    include include/tls-star.inc;\n    include include/headers.inc;\n    root /srv/www/site;\n\n"
            "    location = / {\n        return 302 /plans/;\n    }\n}\n"
        },
        (
            Ask("docs: home", "https://docs.quay.example/", 302, location="https://docs.quay.example/plans/"),
            Ask("docs: plain", "http://docs.quay.example/", 308),
        ),
    ),
    Good(
        "place-preview",
        "new site",
        "A slot for each pull request, inside the house.",
        {
            "conf.d/90-preview.conf": "map $slot $slot_pool {\n    default api_next;\n}\n\nserver {\n    listen 8088;\n    server_name ~^(?<slot>pr-\\d+)\\.preview\\.internal$;\n\n    location / {\n        include include/proxy.inc;\n"
            "        proxy_set_header Host api.quay.example;\n        proxy_pass http://$slot_pool;\n    }\n}\n"
        },
        (Ask("preview: 17", "http://pr-17.preview.internal:8088/v2/x", body="api-next"),),
    ),
]

PEOPLE = [
    Good(
        "people-new-origin",
        "other origins",
        "Another customer's tool runs in browsers.",
        {
            _MAPS: swap(
                (
                    "    https://tools.northsea.example               $http_origin;",
                    "    https://tools.northsea.example               $http_origin;\n    https://board.baltic.example                 $http_origin;",
                )
            )
        },
        (
            Ask(
                "api: baltic's browser",
                f"{API}/v1/shipments",
                send={**ADA, "Origin": "https://board.baltic.example"},
                headers={"Access-Control-Allow-Origin": "^https://board.baltic.example$"},
            ),
        ),
    ),
    Good(
        "people-new-partner",
        "access",
        "A partner more.",
        {_PARTNERS: swap(("    allow 192.0.2.7;", "    allow 192.0.2.7;\n    allow 198.51.100.64/26;"))},
        (
            Ask(
                "partners: the new one",
                f"{PARTNERS}/v1/shipments",
                body='"client": "198.51.100.70"',
                proxied_for="198.51.100.70",
            ),
        ),
    ),
    Good(
        "people-partner-left",
        "access",
        "A partner has left.",
        {_PARTNERS: swap(("    allow 192.0.2.7;\n", ""))},
        (
            Ask("partners: the one who left", f"{PARTNERS}/v1/shipments", 403, proxied_for="192.0.2.7"),
            *users("partners: theirs"),
        ),
    ),
    Good(
        "people-oldest-version-ended",
        "removed on purpose",
        "Nobody asks for the oldest version any more; it is not named now.",
        {
            _API: swap(
                (
                    '        default_type application/json;\n        return 410 \'{"error":"gone","see":"https://docs.quay.example/"}\\n\';',
                    "        return 404;",
                )
            )
        },
        ends=("api: the oldest version",),
        accept=("api.quay.example/v0/*",),
    ),
]

CASES = [*TENANTS, *VERSIONS, *PLACES, *PEOPLE]
