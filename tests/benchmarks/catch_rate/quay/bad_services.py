"""What is behind: pools, the checker of tokens, names that are looked up, what is passed on, what is kept."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.case import Bad, swap
from tests.benchmarks.catch_rate.quay.users import users

_UP = "conf.d/05-upstreams.conf"
_API = "conf.d/20-api.conf"
_CONSOLE = "conf.d/30-console.conf"
_FILES = "conf.d/60-files.conf"
_MAIN = "nginx.conf"
_PROXY, _AUTH = "include/proxy.inc", "include/auth.inc"

_OPEN = "    location / {\n        if ($request_method = OPTIONS) {"
_FIRST = "        auth_request     /_auth;\n        auth_request_set $auth_user $upstream_http_x_user;\n        limit_req "

POOLS = [
    Bad(
        "pool-port-turned",
        "pools",
        "Two digits change places.",
        {_UP: swap(("127.0.0.1:7701", "127.0.0.1:7710"))},
        users("tenant: in the north"),
    ),
    Bad(
        "pool-drained",
        "pools",
        "Drained for a night's work, and committed with it.",
        {
            _UP: swap(
                (
                    "    server 127.0.0.1:7201;\n    keepalive",
                    "    server 127.0.0.1:7201 down;\n    keepalive",
                )
            )
        },
        users("api: no canary by cookie"),
    ),
    Bad(
        "pool-crossed-tenants",
        "pools",
        "A conflict is solved by hand; two pools have each other's servers. Both answer.",
        {
            _UP: swap(
                ("127.0.0.1:7700", "127.0.0.1:7702"),
                (
                    "upstream tenants_northsea {\n    server 127.0.0.1:7702;",
                    "upstream tenants_northsea {\n    server 127.0.0.1:7700;",
                ),
            )
        },
        users("tenant: small one", "tenant: large one"),
    ),
    Bad(
        "pool-of-the-other-version",
        "pools",
        "The block is copied from version 1 for its settings, servers and all.",
        {
            _UP: swap(
                (
                    "    server 127.0.0.1:7201;\n    keepalive 16;",
                    "    server 127.0.0.1:7101;\n    server 127.0.0.1:7102;\n    keepalive 16;",
                )
            )
        },
        users("api: no canary by cookie"),
    ),
    Bad(
        "pool-socket-moved",
        "pools",
        "The reports' socket moves with a package update that is not out yet.",
        {_UP: swap(("unix:/run/quay/reports.sock", "unix:/run/quay-reports/reports.sock"))},
        users("api: reports"),
    ),
    Bad(
        "pool-http-for-uwsgi",
        "pools",
        "All are proxied alike now; this one speaks uwsgi.",
        {
            _API: swap(
                (
                    "        include      uwsgi_params;\n        uwsgi_param  HTTP_X_USER $auth_user;\n        uwsgi_pass   reports;",
                    "        include include/proxy.inc;\n        proxy_set_header X-User $auth_user;\n        proxy_pass http://reports;",
                )
            )
        },
        users("api: reports"),
    ),
]

AUTH = [
    Bad(
        "auth-off-for-a-test",
        "authentication",
        "Switched off to try the new client, left off.",
        {_API: swap((_FIRST, _FIRST.replace("/_auth;", "off;")))},
        users("api: without a token"),
    ),
    Bad(
        "auth-user-not-kept",
        "authentication",
        "A line that 'only sets a variable' goes; the API no longer knows who asks.",
        {_API: swap((_FIRST, "        auth_request     /_auth;\n        limit_req "))},
        users("api: v1 knows who asks"),
    ),
    Bad(
        "auth-body-limit",
        "authentication",
        "'0' looks like an oversight; the check of a large upload is too large now.",
        {_AUTH: swap(("    client_max_body_size    0;\n", ""))},
        users("files: sent"),
    ),
    Bad(
        "auth-content-length",
        "authentication",
        "The check is told of a body that never comes.",
        {_AUTH: swap(('    proxy_set_header Content-Length  "";\n', ""))},
        users("api: a shipment sent"),
    ),
    Bad(
        "auth-path-lost",
        "authentication",
        "The address of the checker is made like all the others, without a path.",
        {_AUTH: swap(("http://auth/check", "http://auth"))},
        users("api: v1", "files: fetched"),
    ),
    Bad(
        "auth-original-uri",
        "authentication",
        "$uri 'is cleaner'; in the subrequest it is that of the subrequest, and nobody is kept out of the back office.",
        {_AUTH: swap(("X-Original-URI  $request_uri;", "X-Original-URI  $uri;"))},
        users("api: back office not for him"),
    ),
    Bad(
        "auth-admin-shortcut",
        "authentication",
        "A location of its own for the back office, to log it apart; auth_request is not inherited from a sibling.",
        {
            _API: swap(
                (
                    _OPEN,
                    "    location /v1/admin/ {\n        access_log /var/log/nginx/admin.log edge;\n        include include/proxy.inc;\n        proxy_pass http://api_v1;\n    }\n\n"
                    + _OPEN,
                )
            )
        },
        users("api: back office not for him"),
    ),
    Bad(
        "auth-reports-parameter",
        "authentication",
        "uwsgi_params 'has all there is', so the odd line beside it goes.",
        {_API: swap(("        uwsgi_param  HTTP_X_USER $auth_user;\n", ""))},
        users("api: reports"),
    ),
]

LOOKED_UP = [
    Bad(
        "resolver-lost",
        "names looked up",
        "The resolver's lines go with the firm's old DNS; one service is still looked up.",
        {
            _MAIN: swap(
                ("    resolver         127.0.0.1:5300 valid=5s ipv6=off;\n    resolver_timeout 2s;\n\n", "")
            )
        },
        users("api: billing"),
    ),
    Bad(
        "resolver-docker",
        "names looked up",
        "Copied from a post on containers.",
        {_MAIN: swap(("127.0.0.1:5300 valid", "127.0.0.11 valid"))},
        users("api: billing"),
    ),
    Bad(
        "resolver-name-changed",
        "names looked up",
        "The zone is to be called svc soon.",
        {_API: swap(("billing.service.quay;", "billing.svc.quay;"))},
        users("api: billing"),
    ),
    Bad(
        "resolver-with-a-slash",
        "names looked up",
        "A slash at the end, as elsewhere: with a variable it is the whole address.",
        {_API: swap(("http://$billing:7900;", "http://$billing:7900/;"))},
        users("api: billing"),
    ),
]

PASSED_ON = [
    Bad(
        "passed-host-of-the-pool",
        "passed on",
        "The pool's name is to be seen in the services' logs.",
        {_PROXY: swap(("Host              $host;", "Host              $proxy_host;"))},
        users("api: v1", "tenant: small one"),
    ),
    Bad(
        "passed-request-id",
        "passed on",
        "Tracing is to come from the services themselves; the API is not ready for it.",
        {_PROXY: swap(("proxy_set_header X-Request-Id      $request_id;\n", ""))},
        users("api: v1"),
    ),
    Bad(
        "passed-over-one-header",
        "passed on",
        "One header more, in the place where none was: those of the include above it are for another level.",
        {
            _API: swap(
                (
                    "    location /public/ {\n        include include/cors.inc;\n        include include/proxy.inc;\n",
                    "    location /public/ {\n        include include/cors.inc;\n        proxy_http_version 1.1;\n        proxy_set_header X-Channel public;\n",
                )
            )
        },
        users("api: rates"),
    ),
    Bad(
        "passed-upgrade-lost",
        "passed on",
        "A header that 'proxy.inc has anyway' goes; it has another one.",
        {_CONSOLE: swap(("        proxy_set_header Upgrade    $http_upgrade;\n", ""))},
        users("console: news"),
    ),
    Bad(
        "passed-connection-map",
        "passed on",
        "The map is written anew from memory.",
        {
            "conf.d/00-maps.conf": swap(
                ("    default upgrade;\n    ''      '';", "    default close;\n    upgrade '';")
            )
        },
        users("console: news"),
    ),
    Bad(
        "passed-inner-redirect",
        "passed on",
        "proxy_redirect off, as in every example.",
        {
            _CONSOLE: swap(
                (
                    "proxy_redirect    http://bff.internal/ https://console.quay.example/bff/;",
                    "proxy_redirect    off;",
                )
            )
        },
        users("console: leaving"),
    ),
    Bad(
        "passed-prefix-kept",
        "passed on",
        "The slash after the pool's name is taken for a slip.",
        {_CONSOLE: swap(("proxy_pass http://bff/;", "proxy_pass http://bff;"))},
        users("console: its backend"),
    ),
    Bad(
        "passed-cookie-everywhere",
        "passed on",
        "The cookie's path is 'the backend's business'; the session goes to all of the console again.",
        {_CONSOLE: swap(('        proxy_cookie_path / "/bff/; Secure; HttpOnly";\n', ""))},
        users("console: its backend"),
    ),
    Bad(
        "passed-unit",
        "passed on",
        "All times are written with their unit now.",
        {_API: swap(("proxy_read_timeout 120s;", "proxy_read_timeout 120ms;"))},
        users("api: a manifest, slowly"),
    ),
    Bad(
        "passed-last-for-break",
        "passed on",
        "'last' is what the others have; the rewritten address meets the door of those who need a token.",
        {_API: swap((r"/v1/public/$1 break;", r"/v1/public/$1 last;"))},
        users("api: rates"),
    ),
]

KEPT = [
    Bad(
        "kept-without-arguments",
        "cache and limits",
        "The key is made the path: whoever asks first decides for all routes.",
        {_API: swap(("proxy_cache_key       $request_uri;", "proxy_cache_key       $host$uri;"))},
        users("api: rates", "api: rates by route"),
    ),
    Bad(
        "kept-limit-without-burst",
        "cache and limits",
        "The limits are those of the contract now, and the burst was not in it.",
        {
            _MAIN: swap(("zone=per_key:2m    rate=200r/s;", "zone=per_key:2m    rate=10r/s;")),
            _API: swap(("zone=per_key burst=400 nodelay;", "zone=per_key;")),
        },
        users("api: twenty in a row"),
    ),
    Bad(
        "kept-login-per-minute",
        "cache and limits",
        "Against guessing: so many a minute, and no more burst; whoever mistypes twice is out.",
        {
            _MAIN: swap(("rate=30r/s", "rate=30r/m")),
            _API: swap(("zone=login burst=60 nodelay;", "zone=login;")),
        },
        users("api: login"),
    ),
    Bad(
        "kept-answers-of-others",
        "cache and limits",
        "The cache did so well for the rates that the whole API gets it; the key knows nothing of who asks.",
        {
            _API: swap(
                (
                    "        proxy_set_header X-User $auth_user;\n        proxy_pass http://$api_pool;\n    }\n\n    location @preflight",
                    "        proxy_set_header X-User $auth_user;\n        proxy_cache rates;\n        proxy_cache_key $uri;\n        proxy_cache_valid 200 2s;\n        proxy_pass http://$api_pool;\n    }\n\n    location @preflight",
                )
            )
        },
        (*users("api: v1", "api: v1 knows who asks"),),
    ),
]

FILES = [
    Bad(
        "files-limit-lost",
        "files",
        "The limit is 'in the main file'. That one is smaller.",
        {_FILES: swap(("        client_max_body_size    12m;\n", ""))},
        users("files: sent"),
    ),
    Bad(
        "files-alias-slash",
        "files",
        "A slash too many, as it seemed.",
        {_FILES: swap(("alias /srv/store/;", "alias /srv/store;"))},
        users("files: fetched"),
    ),
    Bad(
        "files-internal-lost",
        "files",
        "Made reachable to look at a file by hand.",
        {_FILES: swap(("        internal;\n", ""))},
        users("files: not past the service"),
    ),
    Bad(
        "files-header-ignored",
        "files",
        "From a list of things that harden a proxy: headers of the backend that steer nginx are ignored.",
        {
            _PROXY: swap(
                (
                    "proxy_http_version 1.1;",
                    "proxy_http_version 1.1;\nproxy_ignore_headers X-Accel-Redirect X-Accel-Expires;",
                )
            )
        },
        users("files: fetched"),
    ),
    Bad(
        "files-limit-in-the-wrong-unit",
        "files",
        "Megabytes become the number of them.",
        {"conf.d/40-tenants.conf": swap(("client_max_body_size 5m;", "client_max_body_size 5;"))},
        users("tenant: documents sent"),
    ),
]

CASES = [*POOLS, *AUTH, *LOOKED_UP, *PASSED_ON, *KEPT, *FILES]
