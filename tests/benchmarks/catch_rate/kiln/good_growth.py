"""Changes that have to go through: what is new."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Good, swap
from tests.benchmarks.catch_rate.kiln.users import (
    API,
    CLASSIC,
    MEDIA,
    OFFICE,
    OUTSIDE,
    SAFE,
    SHOP,
    SIGNED,
    STATUS,
    STUDIO,
    users,
)

_MAIN, _MAPS, _DOORS = "nginx.conf", "conf.d/00-maps.conf", "conf.d/10-doors.conf"
_SHOP, _API, _MEDIA = "conf.d/20-shop.conf", "conf.d/30-api.conf", "conf.d/40-media.conf"
_STUDIO, _CLASSIC = "conf.d/50-studio.conf", "conf.d/70-classic.conf"
_LOGIN, _LIVE = "    location = /login {", "    location = /live {"
_LEARN = "https://learn.kiln.example"

SITES = [
    Good(
        "new-site-for-courses",
        "new site",
        "The guide gets a host of its own, with a certificate of its own.",
        {
            "conf.d/80-learn.conf": "server {\n    listen 443 ssl http2;\n    listen [::]:443 ssl http2;\n    server_name learn.kiln.example;\n\n"
            "    ssl_certificate     /etc/ssl/kiln/learn.crt;\n    ssl_certificate_key /etc/ssl/kiln/learn.key;\n"
            "    include snippets/headers.conf;\n    include snippets/errors.conf;\n\n"
            "    root  /srv/kiln/public/guide;\n    index index.html;\n\n    location / {\n        try_files $uri $uri/ =404;\n    }\n}\n"
        },
        (
            Ask("learn: home", f"{_LEARN}/", body="Guide to firing", headers=SAFE),
            Ask("learn: no such page", f"{_LEARN}/x", 404, body="not on the shelf"),
        ),
    ),
    Good(
        "new-site-proxied",
        "new site",
        "The configurator gets a host of its own besides its place in the shop.",
        {
            "conf.d/81-configurator.conf": "server {\n    listen 443 ssl http2;\n    listen [::]:443 ssl http2;\n    server_name learn.kiln.example;\n\n"
            "    ssl_certificate     /etc/ssl/kiln/learn.crt;\n    ssl_certificate_key /etc/ssl/kiln/learn.key;\n    include snippets/headers.conf;\n\n"
            "    location / {\n        include snippets/proxy.conf;\n        proxy_pass http://configurator;\n    }\n}\n"
        },
        (Ask("configurator: a step", f"{_LEARN}/step/1", body="configurator /step/1", headers=SAFE),),
    ),
    Good(
        "new-internal-port",
        "new site",
        "The watch gets a second port, for what is behind: the API without TLS, for this machine and ours.",
        {
            "conf.d/11-inner.conf": "server {\n    listen 8098;\n    server_name inner.kiln.internal;\n    access_log off;\n\n    allow 127.0.0.0/8;\n    allow 198.18.0.0/15;\n    deny  all;\n\n"
            "    location / {\n        proxy_set_header Host api.kiln.example;\n        proxy_set_header X-Forwarded-Proto https;\n        proxy_pass http://api;\n    }\n}\n"
        },
        (Ask("inner: a thing", "http://inner.kiln.internal:8098/v1/pots", body="/v1/pots"),),
    ),
]

ROWS = [
    Good(
        "rows-old-addresses",
        "new redirect",
        "Three more addresses of the printed catalogue.",
        {
            "maps/moved.map": swap(
                (
                    "/about/us.htm ",
                    '/bowls.htm               /glazes/bowls;\n/kilns.htm               /guide/;\n"~^/c/(?<number>\\d{3})$" /glazes/$number;\n/about/us.htm ',
                )
            )
        },
        (
            Ask("shop: bowls", f"{SHOP}/bowls.htm", 301, location=f"(?:{SHOP})?/glazes/bowls$"),
            Ask("shop: by number", f"{SHOP}/c/117", 301, location=f"(?:{SHOP})?/glazes/117$"),
        ),
    ),
    Good(
        "rows-potter-moved",
        "new redirect",
        "A potter has a site of her own now.",
        {
            "maps/potters-moved.map": swap(
                ("orla       orla", "cleo       cleo-pots.example;\norla       orla")
            )
        },
        (
            Ask(
                "potters: Cleo",
                "https://cleo.potters.kiln.example/",
                302,
                location="https://cleo-pots.example/$",
            ),
        ),
    ),
    Good(
        "rows-language",
        "new rows",
        "Italian is spoken, too.",
        {
            _MAPS: swap(
                ("    ~*^fr   fr;\n", "    ~*^fr   fr;\n    ~*^it   it;\n"),
                ("    fr      fr;\n", "    fr      fr;\n    it      it;\n"),
            )
        },
        (Ask("shop: in Italian", f"{SHOP}/", body="lang=it ", send={"Accept-Language": "it-CH"}),),
    ),
    Good(
        "rows-region",
        "new rows",
        "Prices for a region more.",
        {_MAPS: swap(("    192.0.2.128/25 ch;", "    192.0.2.128/25 ch;\n    192.0.2.64/26  no;"))},
        (Ask("shop: from Norway", f"{SHOP}/", body="region=no ", send={"X-Forwarded-For": "192.0.2.70"}),),
    ),
    Good(
        "rows-office",
        "new rows",
        "The second workshop belongs to the house.",
        {
            "snippets/office.conf": swap(
                (
                    "allow 198.51.100.7;",
                    "allow 198.51.100.7;\nallow 198.51.100.32/28;   # the second workshop",
                )
            ),
            _MAPS: swap(
                (
                    "    198.51.100.7    1;    # the",
                    "    198.51.100.32/28 1;   # the second workshop\n    198.51.100.7    1;    # the",
                )
            ),
        },
        (
            Ask(
                "studio: from the second workshop",
                f"{STUDIO}/plans",
                body="path=/plans",
                send={"X-Forwarded-For": "198.51.100.40"},
            ),
        ),
    ),
    Good(
        "rows-origin",
        "new rows",
        "Pages of the courses may ask for the stock.",
        {
            _MAPS: swap(
                (
                    "    https://kiln.example                           $http_origin;",
                    "    https://kiln.example                           $http_origin;\n    https://learn.kiln.example                     $http_origin;",
                )
            )
        },
        (
            Ask(
                "api: stock for the courses",
                f"{API}/stock/bowls",
                send={"Origin": _LEARN},
                headers={"Access-Control-Allow-Origin": f"^{_LEARN}$"},
            ),
        ),
    ),
    Good(
        "rows-person",
        "new rows",
        "Jo is new, and gets a password.",
        {"htpasswd/staff": swap(("mira:", "jo:$apr1$potclay2$ZChjhsucJ809/ZsJEiJS7/\nmira:"))},
        (
            Ask(
                "studio: Jo",
                f"{STUDIO}/plans",
                body="user=jo ",
                send={**OUTSIDE, "Authorization": "Basic am86YmlzcXVl"},
            ),
        ),
    ),
    Good(
        "rows-watch",
        "new rows",
        "A second machine watches.",
        {_DOORS: swap(("        allow 192.0.2.50;", "        allow 192.0.2.50;\n        allow 192.0.2.51;"))},
        (
            Ask(
                "status: for the second",
                f"{STATUS}/nginx",
                body="Active",
                send={"X-Forwarded-For": "192.0.2.51"},
            ),
        ),
    ),
]

PLACES = [
    Good(
        "place-alive",
        "new location",
        "The balancer asks the API whether it is alive, without its help.",
        {
            _API: swap(
                (
                    _LIVE,
                    '    location = /healthz {\n        access_log off;\n        default_type text/plain;\n        return 200 "ok\\n";\n    }\n\n'
                    + _LIVE,
                )
            )
        },
        (Ask("api: alive", f"{API}/healthz", body="ok", headers=SAFE),),
    ),
    Good(
        "place-for-robots",
        "new location",
        "What robots may read is said by nginx.",
        {
            _SHOP: swap(
                (
                    _LOGIN,
                    '    location = /robots.txt {\n        default_type text/plain;\n        return 200 "User-agent: *\\nDisallow: /admin/\\n";\n    }\n\n'
                    + _LOGIN,
                )
            )
        },
        (
            Ask(
                "shop: robots",
                f"{SHOP}/robots.txt",
                body="Disallow: /admin/",
                headers={"Content-Type": "text/plain"},
            ),
        ),
    ),
    Good(
        "place-security",
        "new location",
        "Whom to write to when something is found.",
        {
            _SHOP: swap(
                (
                    _LOGIN,
                    '    location = /.well-known/security.txt {\n        default_type text/plain;\n        return 200 "Contact: mailto:safe@kiln.example\\n";\n    }\n\n'
                    + _LOGIN,
                )
            )
        },
        (Ask("shop: security", f"{SHOP}/.well-known/security.txt", body="Contact:"),),
    ),
    Good(
        "place-larger-hook",
        "new location",
        "The forwarder announces more at once than the bank.",
        {
            _API: swap(
                (
                    "    location @slower {",
                    "    location = /hooks/freight {\n        client_max_body_size 2m;\n        limit_except POST {\n            deny all;\n        }\n        include snippets/proxy.conf;\n        proxy_pass http://hooks;\n    }\n\n    location @slower {",
                )
            )
        },
        (
            Ask(
                "api: freight announced",
                f"{API}/hooks/freight",
                body='"took": "900000"',
                upload=900_000,
                send=SIGNED,
            ),
        ),
    ),
    Good(
        "place-forum-people",
        "new redirect",
        "Addresses of the forum's members work again.",
        {
            _CLASSIC: swap(
                (
                    "    rewrite ^/cgi-bin/glaze",
                    "    rewrite ^/forum/member-(\\d+)\\.html$         /forum.php?member=$1 last;\n    rewrite ^/cgi-bin/glaze",
                )
            )
        },
        (Ask("classic: a member", f"{CLASSIC}/forum/member-5.html", body="forum member=5$"),),
    ),
    Good(
        "place-page-for-gone",
        "new location",
        "What is gone for good has a page, too.",
        {
            _CLASSIC: swap(
                ("    root  /srv/classic;\n", "    root  /srv/classic;\n    error_page 410 /oops/404.html;\n")
            )
        },
        (Ask("classic: the guestbook's page", f"{CLASSIC}/guestbook/", 410, body="not on the shelf"),),
    ),
    Good(
        "place-stock-for-the-office",
        "new location",
        "The office sees the stock as it is, past the cache.",
        {
            _API: swap(
                (
                    "    location /reports/ {",
                    "    location /live-stock/ {\n        include snippets/office.conf;\n        include snippets/proxy.conf;\n        proxy_pass http://api/stock/;\n    }\n\n    location /reports/ {",
                )
            )
        },
        (
            Ask("api: stock as it is", f"{API}/live-stock/bowls", body='"path": "/stock/bowls"', send=OFFICE),
            Ask("api: not for others", f"{API}/live-stock/bowls", 403, send=OUTSIDE),
        ),
    ),
    Good(
        "place-videos-small",
        "new location",
        "Small films have an address of their own, with as many connections for each.",
        {
            _MEDIA: swap(
                (
                    "    # Courses that are paid",
                    "    location /clips/ {\n        alias /srv/media/video/;\n        limit_conn per_ip 20;\n    }\n\n    # Courses that are paid",
                )
            )
        },
        (Ask("media: a clip", f"{MEDIA}/clips/throwing.mp4", body="throwing a bowl", headers=SAFE),),
    ),
    Good(
        "place-closable",
        "new location",
        "The shop can be closed by a file from now on; it is open.",
        {
            _SHOP: swap(
                (
                    "    # Addresses that are still",
                    "    if (-f /srv/kiln/closed) {\n        return 503;\n    }\n\n    # Addresses that are still",
                )
            )
        },
        users("shop: home", "shop: a message sent"),
    ),
    Good(
        "place-second-listener",
        "new location",
        "The watch may ask over IPv6.",
        {_DOORS: swap(("    listen 8099;", "    listen 8099;\n    listen [::]:8099;"))},
        (Ask("status: over IPv6", f"{STATUS}/healthz", body="fired", over_ipv6=True),),
    ),
    Good(
        "place-search-limited",
        "limits",
        "Searches are expensive: so many a second for each, and more than anybody types.",
        {
            _MAIN: swap(
                (
                    "    limit_conn_zone ",
                    "    limit_req_zone  $login_key          zone=search:1m rate=20r/s;\n    limit_conn_zone ",
                )
            ),
            _SHOP: swap(
                (
                    _LOGIN,
                    "    location = /search {\n        limit_req zone=search burst=40 nodelay;\n        try_files /search.html /index.php?$query_string;\n    }\n\n"
                    + _LOGIN,
                )
            ),
        },
        users("shop: a search"),
    ),
    Good(
        "place-robots-unwanted",
        "limits",
        "Two robots that copy everything are sent away, by their full names.",
        {
            _MAPS: swap(
                (
                    "# --- old addresses",
                    "map $http_user_agent $unwanted {\n    default 0;\n    ~*(?:clayscraper|potminer)/ 1;\n}\n\n# --- old addresses",
                )
            ),
            _SHOP: swap(
                (
                    "    # Addresses that are still",
                    "    if ($unwanted) {\n        return 403;\n    }\n\n    # Addresses that are still",
                )
            ),
        },
        (Ask("shop: a robot", f"{SHOP}/", 403, send={"User-Agent": "ClayScraper/2.0"}),),
    ),
]

CASES = [*SITES, *ROWS, *PLACES]
