"""A third batch of good changes, written with the base in view and blind to the rules."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Good, swap
from tests.benchmarks.catch_rate.users import OLD, SECURE, SHOP, WWW

_SHOP, _WWW, _WIKI, _INTRANET = (
    "sites-available/shop",
    "sites-available/www",
    "sites-available/wiki",
    "sites-available/intranet",
)
_NGINX, _UPSTREAMS, _MAPS = "nginx.conf", "conf.d/upstreams.conf", "conf.d/maps.conf"
_DEFAULT, _PROXY = "sites-available/00-default", "snippets/proxy-headers.conf"
_ROOT = "    location / {\n        proxy_pass http://storefront;\n    }"
_FILES = "    location / {\n        try_files $uri $uri/ =404;\n    }"
_STYLES = "    location ~* \\.(?:css|js|svg)$ {\n        expires 30d;\n    }\n\n"
_CLOSED = "    if ($closed) {"
_DOCUMENT = "    root  /var/www/orchard;\n"
_LIVE = "        proxy_http_version 1.1;\n        proxy_set_header Host              $host;\n        proxy_set_header X-Forwarded-Proto $scheme;\n        proxy_set_header Upgrade           $http_upgrade;\n        proxy_set_header Connection        $connection_upgrade;\n"
_ADMIN = "        deny  all;\n        proxy_pass http://storefront;\n    }"
_CATALOGUE = "        proxy_cache_valid 200 5s;\n"

REFUSED = [
    Good(
        "agents-without-a-name",
        "refused on purpose",
        "Programs that do not say who they are get nothing.",
        {
            _SHOP: swap(
                (_CLOSED, '    if ($http_user_agent = "") {\n        return 403;\n    }\n\n' + _CLOSED)
            )
        },
        (Ask("shop: nobody asks", f"{SHOP}/", 403, send={"User-Agent": ""}),),
    ),
    Good(
        "protocol-of-the-nineties",
        "refused on purpose",
        "HTTP/1.0 is spoken by attackers only.",
        {
            _WWW: swap(
                (
                    _DOCUMENT,
                    "    if ($server_protocol = HTTP/1.0) {\n        return 403;\n    }\n\n" + _DOCUMENT,
                )
            )
        },
    ),
    Good(
        "one-name-in-both-places",
        "refused on purpose",
        "The name in the handshake has to be the one in the request.",
        {
            _SHOP: swap(
                (_CLOSED, "    if ($ssl_server_name != $host) {\n        return 421;\n    }\n\n" + _CLOSED)
            )
        },
    ),
    Good(
        "nobody-but-our-own-name",
        "refused on purpose",
        "Another name in the request is answered with 421, a port with it too.",
        {
            _WIKI: swap(
                (
                    "    root  /srv/wiki;\n",
                    "    if ($http_host != wiki.orchard.example) {\n        return 421;\n    }\n\n    root  /srv/wiki;\n",
                )
            )
        },
    ),
    Good(
        "strangers-refused-in-the-handshake",
        "refused on purpose",
        "Who asks for no name of ours by TLS gets no certificate that is none.",
        {
            _DEFAULT: swap(
                (
                    "    ssl_certificate     /etc/ssl/orchard/fallback.crt;\n    ssl_certificate_key /etc/ssl/orchard/fallback.key;\n\n    return 404;",
                    "    ssl_reject_handshake on;",
                )
            )
        },
    ),
    Good(
        "hidden-files-not-even-there",
        "refused on purpose",
        "That there is a hidden file is nobody's business either: 404 instead of 403.",
        {_WWW: swap(("        deny all;", "        return 404;"))},
        (Ask("www: hidden files are not there", f"{WWW}/.env", 404),),
        ends=("www: hidden files stay hidden",),
    ),
    Good(
        "backups-of-editors",
        "refused on purpose",
        "What editors leave behind is not served, should it ever be there.",
        {
            _WWW: swap(
                (
                    "    location ~ /\\. {",
                    "    location ~* (?:~|\\.bak|\\.orig|\\.swp)$ {\n        deny all;\n    }\n\n    location ~ /\\. {",
                )
            )
        },
        (Ask("www: what an editor left", f"{WWW}/index.html~", 403),),
    ),
    Good(
        "files-not-shown-elsewhere",
        "refused on purpose",
        "Other sites do not show our files; who comes without a referer is welcome.",
        {
            _WWW: swap(
                (
                    "        expires 30d;",
                    "        valid_referers none blocked server_names *.orchard.example;\n        if ($invalid_referer) {\n            return 403;\n        }\n        expires 30d;",
                )
            )
        },
        (
            Ask(
                "www: a file in a stranger's page",
                f"{WWW}/assets/site.css",
                403,
                send={"Referer": "https://stranger.example/"},
            ),
        ),
    ),
    Good(
        "debugging-refused",
        "refused on purpose",
        "An argument of the developers that has no business here.",
        {_SHOP: swap((_CLOSED, "    if ($arg_debug) {\n        return 403;\n    }\n\n" + _CLOSED))},
        (Ask("shop: no debugging", f"{SHOP}/find?q=1&debug=1", 403),),
    ),
    Good(
        "nothing-but-reading",
        "refused on purpose",
        "A site of files: reading, and asking what may be done.",
        {
            _WWW: swap(
                (
                    _DOCUMENT,
                    "    if ($request_method !~ ^(?:GET|HEAD|OPTIONS)$) {\n        return 405;\n    }\n\n"
                    + _DOCUMENT,
                )
            )
        },
        (Ask("www: nothing is sent", f"{WWW}/", 405, upload=10),),
    ),
]

PROXIES = [
    Good(
        "upgrade-or-close",
        "refactoring",
        "The map as the manual has it.",
        {_MAPS: swap(("    ''      '';", "    ''      close;"))},
    ),
    Good(
        "websocket-lines-for-all",
        "refactoring",
        "Every place may be a websocket's; the one that was has no lines of its own any more.",
        {
            _PROXY: swap(
                (
                    'proxy_set_header Connection        "";',
                    "proxy_set_header Upgrade           $http_upgrade;\nproxy_set_header Connection        $connection_upgrade;",
                )
            ),
            _SHOP: swap((_LIVE, "")),
        },
    ),
    Good(
        "version-said-once",
        "refactoring",
        "The version of HTTP is said by the server already.",
        {_SHOP: swap(("        proxy_http_version 1.1;\n", ""))},
    ),
    Good(
        "prefix-by-rewrite",
        "refactoring",
        "The prefix is taken off by a rewrite, as in the other projects.",
        {
            _SHOP: swap(
                (
                    "        proxy_pass http://orders/v1/;",
                    "        rewrite ^/api/(.*)$ /v1/$1 break;\n        proxy_pass http://orders;",
                )
            )
        },
        (Ask("shop: orders of somebody", f"{SHOP}/api/orders/by%20name", body="/v1/orders/by%20name"),),
    ),
    Good(
        "slash-after-the-storefront",
        "refactoring",
        "A slash where the whole site is meant changes nothing.",
        {_SHOP: swap((_ROOT, _ROOT.replace("storefront;", "storefront/;")))},
    ),
    Good(
        "socket-said-in-place",
        "refactoring",
        "One socket needs no block.",
        {
            _INTRANET: swap(
                ("proxy_pass http://reports;", "proxy_pass http://unix:/run/orchard/reports.sock;")
            )
        },
    ),
    Good(
        "name-of-the-server-for-the-app",
        "refactoring",
        "The application is told the name that we know, whatever the client says.",
        {_PROXY: swap(("Host              $host;", "Host              $server_name;"))},
    ),
    Good(
        "office-with-a-slow-corner",
        "new location",
        "One part of the back office is slow; it stands inside of the fence.",
        {
            _SHOP: swap(
                (
                    _ADMIN,
                    "        deny  all;\n        proxy_pass http://storefront;\n\n        location /admin/statistics/ {\n            proxy_read_timeout 300s;\n            proxy_pass http://storefront;\n        }\n    }",
                )
            )
        },
        (Ask("shop: statistics stay closed", f"{SHOP}/admin/statistics/2024", 403),),
    ),
    Good(
        "orders-on-this-host",
        "upstream",
        "The orders service by the name that every host has for itself.",
        {_UPSTREAMS: swap(("server orders.internal:9100;", "server localhost:9100;"))},
    ),
    Good(
        "copies-for-the-trial",
        "upstream",
        "The second storefront gets a copy of each page that is asked for, to try it under load.",
        {
            _SHOP: swap(
                (
                    _ROOT,
                    '    location / {\n        mirror /copy;\n        mirror_request_body off;\n        proxy_pass http://storefront;\n    }\n\n    location = /copy {\n        internal;\n        proxy_pass_request_body off;\n        proxy_set_header Host              $host;\n        proxy_set_header X-Forwarded-Proto $scheme;\n        proxy_set_header Content-Length    "";\n        proxy_pass http://127.0.0.1:9002$request_uri;\n    }',
                )
            )
        },
    ),
    Good(
        "waiting-instead-of-refusing",
        "limits",
        "Who logs in too often waits a little.",
        {_SHOP: swap(("zone=login burst=60 nodelay;", "zone=login burst=60;"))},
    ),
    Good(
        "size-for-all-sites",
        "limits",
        "A size for those that say none.",
        {_NGINX: swap(("    gzip       on;", "    client_max_body_size 512k;\n\n    gzip       on;"))},
    ),
    Good(
        "head-asked-as-head",
        "cache",
        "HEAD goes on as HEAD, and is kept by itself.",
        {
            _SHOP: swap(
                (
                    _CATALOGUE,
                    _CATALOGUE
                    + "        proxy_cache_convert_head off;\n        proxy_cache_key $request_method$scheme$proxy_host$request_uri;\n",
                )
            )
        },
        (
            Ask("shop: is there a page of quinces", f"{SHOP}/catalogue/quinces", method="HEAD"),
            Ask("shop: the page of quinces", f"{SHOP}/catalogue/quinces", body="storefront path=/catalogue/"),
        ),
    ),
]

FILES = [
    Good(
        "type-added",
        "types",
        "A type that the distribution's list lacks.",
        {"conf.d/types.conf": "types {\n    application/vnd.orchard plum;\n}\n"},
    ),
    Good(
        "type-that-the-ending-says",
        "types",
        "The file's ending says what it is.",
        {_WWW: swap(("        default_type text/html;\n", ""))},
    ),
    Good(
        "press-under-its-root",
        "refactoring",
        "The directory has the name of the place: root does what alias did.",
        {_WWW: swap(("        alias /srv/press/;", "        root /srv;"))},
    ),
    Good(
        "press-looked-for",
        "refactoring",
        "What is not there is said plainly.",
        {
            _WWW: swap(
                ("        alias /srv/press/;", "        alias /srv/press/;\n        try_files $uri =404;")
            )
        },
    ),
    Good(
        "static-before-expressions",
        "refactoring",
        "No expression is looked at for the shop's files.",
        {_SHOP: swap(("    location /static/ {", "    location ^~ /static/ {"))},
    ),
    Good(
        "kept-by-type",
        "refactoring",
        "How long files are kept is looked up by their type.",
        {
            "conf.d/kept.conf": "map $sent_http_content_type $kept {\n    default                off;\n    text/css               30d;\n    application/javascript 30d;\n    image/svg+xml          30d;\n}\n",
            _WWW: swap((_STYLES, ""), (_DOCUMENT, _DOCUMENT + "    expires $kept;\n")),
        },
    ),
    Good(
        "question-mark-where-needed",
        "refactoring",
        "A question mark only where there is a question.",
        {_WIKI: swap(("/index.php?$args;", "/index.php$is_args$args;"))},
    ),
    Good(
        "paths-said-shortly",
        "refactoring",
        "Paths below the configuration's own directory are said from there.",
        {
            _NGINX: swap(
                ("    include /etc/nginx/conf.d/*.conf;", "    include conf.d/*.conf;"),
                ("    include /etc/nginx/sites-enabled/*;", "    include sites-enabled/*;"),
                ("    include       /etc/nginx/mime.types;", "    include       mime.types;"),
            ),
            _INTRANET: swap(("/etc/nginx/htpasswd/staff;", "htpasswd/staff;")),
        },
    ),
]

ADDRESSES = [
    Good(
        "names-in-capitals",
        "refactoring",
        "Names as marketing writes them; nginx does not mind.",
        {_WIKI: swap(("server_name wiki.orchard.example;", "server_name Wiki.Orchard.Example;"))},
    ),
    Good(
        "buy-by-rewrite",
        "refactoring",
        "The same redirect, said as the one above it is.",
        {
            _WWW: swap(
                (
                    "return 302 https://shop.orchard.example/;",
                    "rewrite ^ https://shop.orchard.example/ redirect;",
                )
            )
        },
    ),
    Good(
        "old-arguments-kept",
        "redirect",
        "Old addresses keep their arguments on the way.",
        {
            "sites-available/old": swap(
                ("https://www.orchard.example$moved;", "https://www.orchard.example$moved$is_args$args;")
            )
        },
        (
            Ask(
                "old: with arguments",
                f"{OLD}/prices.asp?year=2018",
                301,
                location=rf"{WWW}/prices\?year=2018$",
            ),
        ),
    ),
    Good(
        "origin-of-the-partner",
        "answer headers",
        "One partner's pages may ask, by name; the headers that guard stay.",
        {
            _MAPS: swap(
                (
                    "geo $staff_network {",
                    'map $http_origin $friend {\n    default                   "";\n    "https://partner.example" $http_origin;\n}\n\ngeo $staff_network {',
                )
            ),
            _SHOP: swap(
                (
                    _CLOSED,
                    "    add_header Access-Control-Allow-Origin $friend always;\n    add_header Vary Origin always;\n\n"
                    + _CLOSED,
                )
            ),
        },
        (
            Ask(
                "shop: orders, asked by the partner's page",
                f"{SHOP}/api/orders",
                headers={**SECURE, "Access-Control-Allow-Origin": "^https://partner.example$"},
                send={"Origin": "https://partner.example"},
            ),
            Ask(
                "shop: orders, asked by a stranger's page",
                f"{SHOP}/api/orders",
                send={"Origin": "https://stranger.example"},
                without=("stranger.example",),
            ),
        ),
    ),
    Good(
        "cookie-for-this-site",
        "cookies",
        "The basket is for pages of ours only.",
        {
            _SHOP: swap(
                (
                    "        proxy_buffer_size 16k;",
                    "        proxy_cookie_flags basket samesite=lax secure;\n        proxy_buffer_size 16k;",
                )
            )
        },
        (
            Ask(
                "shop: the basket's cookie",
                f"{SHOP}/account/",
                headers={"Set-Cookie": r"(?i)Path=/account/;.*SameSite=Lax"},
            ),
        ),
    ),
    Good(
        "no-connection-kept",
        "tuning",
        "Connections are not kept, while the balancer is looked into.",
        {_NGINX: swap(("keepalive_timeout   65s;", "keepalive_timeout   0;"))},
    ),
    Good(
        "status-by-a-socket",
        "new site",
        "The monitoring's agent reads from a socket.",
        {
            _INTRANET: swap(
                (
                    "    listen 127.0.0.1:8081;",
                    "    listen 127.0.0.1:8081;\n    listen unix:/run/nginx-status.sock;",
                )
            )
        },
    ),
]

CASES = [*REFUSED, *PROXIES, *FILES, *ADDRESSES]
