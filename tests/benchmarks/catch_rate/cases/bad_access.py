"""Doors that close and doors that open: maintenance, access rules, limits."""

# ruff: noqa: E501, ISC004 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Bad, swap, users
from tests.benchmarks.catch_rate.users import SHOP, WIKI, WWW

_SHOP, _WWW, _INTRANET = "sites-available/shop", "sites-available/www", "sites-available/intranet"
_MAPS, _LIMITS = "conf.d/maps.conf", "conf.d/limits.conf"
_CLOSED = "    if ($closed) {\n        return 503;\n    }\n"
_ROOT = "    location / {\n        proxy_pass http://storefront;\n    }"
_ADMIN = "        allow 10.20.0.0/16;\n        deny  all;\n        proxy_pass http://storefront;"
_WWW_ROOT = "    location / {\n        try_files $uri $uri/ =404;\n    }\n\n    location ~*"

MAINTENANCE = [
    Bad(
        "maintenance-left-over",
        "left-over maintenance",
        "The update of 12 June: the line that closed the shop during the update goes along with it.",
        {_SHOP: swap((_CLOSED, "    return 503;\n"))},
        users("shop: home", "shop: orders", "shop: login"),
    ),
    Bad(
        "maintenance-one-location",
        "left-over maintenance",
        "Only the orders were closed, for an hour, a week ago.",
        {_SHOP: swap(("        limit_req zone=api burst=100 nodelay;", "        return 503;"))},
        users("shop: orders"),
    ),
    Bad(
        "maintenance-map-default",
        "left-over maintenance",
        "The drill's switch is left on.",
        {_MAPS: swap(("    default 0;\n    closed  1;", "    default 1;\n    closed  1;"))},
        users("shop: home", "shop: orders"),
    ),
    Bad(
        "maintenance-flag-exists",
        "left-over maintenance",
        "The shop closes while a file is there; the file has been there for years.",
        {
            _SHOP: swap(
                (_CLOSED, "    if (-f /var/www/maintenance/index.html) {\n        return 503;\n    }\n")
            )
        },
        users("shop: home", "shop: account"),
    ),
    Bad(
        "maintenance-upside-down",
        "left-over maintenance",
        "Closed is open and open is closed.",
        {_SHOP: swap(("    if ($closed) {", "    if ($closed = 0) {"))},
        users("shop: home", "shop: orders"),
    ),
    Bad(
        "maintenance-staff-only",
        "left-over maintenance",
        "During the move only the office gets in; customers are no office.",
        {
            _MAPS: swap(
                ("    198.18.0.0/15  1;", "    198.18.0.0/15  0;"),
                ("    127.0.0.0/8    1;", "    127.0.0.0/8    0;"),
            ),
            _SHOP: swap((_CLOSED, "    if ($staff_network = 0) {\n        return 503;\n    }\n")),
        },
        users("shop: home", "shop: orders"),
    ),
    Bad(
        "maintenance-kindly-200",
        "left-over maintenance",
        "The closed page is answered with 200, so that no monitoring complains.",
        {
            _SHOP: swap(
                (
                    _ROOT,
                    "    location / {\n        root /var/www/maintenance;\n        try_files /index.html =503;\n    }",
                )
            )
        },
        users("shop: home", "shop: arguments"),
    ),
]

CLOSED = [
    Bad(
        "access-deny-left",
        "access closed",
        "A scraper is to be kept out, and so is everybody else.",
        {_WWW: swap((_WWW_ROOT, _WWW_ROOT.replace("try_files", "deny all;\n        try_files")))},
        users("www: home", "www: a page"),
    ),
    Bad(
        "access-order",
        "access closed",
        "Rules are read from the top: 'deny all' before 'allow'.",
        {
            _INTRANET: swap(
                (
                    "    auth_basic           ",
                    "    deny  all;\n    allow 127.0.0.0/8;\n    allow 198.18.0.0/15;\n    auth_basic           ",
                )
            )
        },
        users("intranet: with a password", "intranet: reports"),
    ),
    Bad(
        "access-network-typo",
        "access closed",
        "The staff's network with a digit too many.",
        {
            _INTRANET: swap(
                (
                    "    location /reports/ {\n",
                    "    location /reports/ {\n        allow 198.188.0.0/15;\n        deny all;\n",
                )
            )
        },
        users("intranet: reports"),
    ),
    Bad(
        "access-password-for-all",
        "access closed",
        "The password of the intranet is moved to where all sites have it.",
        {
            "conf.d/auth.conf": 'auth_basic "Orchard staff";\nauth_basic_user_file /etc/nginx/htpasswd/staff;\n',
        },
        users("www: home", "shop: home", "wiki: home"),
    ),
    Bad(
        "access-password-file-lost",
        "access closed",
        "The file of passwords is renamed; nginx looks for it only when somebody logs in.",
        {_INTRANET: swap(("htpasswd/staff;", "htpasswd/orchard-staff;"))},
        users("intranet: with a password", "intranet: reports"),
    ),
    Bad(
        "access-password-file-deleted",
        "access closed",
        "Secrets should not be in git, so the file goes, from the hosts too.",
        {"htpasswd/staff": None},
        users("intranet: with a password", "intranet: reports"),
    ),
    Bad(
        "access-internal",
        "access closed",
        "'internal' is taken for 'of our own network'.",
        {_INTRANET: swap(("    location /reports/ {\n", "    location /reports/ {\n        internal;\n"))},
        users("intranet: reports"),
    ),
    Bad(
        "access-get-only",
        "access closed",
        "Only harmless methods from now on; uploads were forgotten.",
        {
            _SHOP: swap(
                (
                    "        client_max_body_size 20m;\n",
                    "        client_max_body_size 20m;\n        limit_except GET { deny all; }\n",
                )
            )
        },
        users("shop: a picture sent"),
    ),
    Bad(
        "access-referers",
        "access closed",
        "Against hot-linking; whoever comes without a referer is refused as well.",
        {
            _SHOP: swap(
                (
                    "        alias /var/www/shop/static/;\n",
                    "        valid_referers server_names;\n        if ($invalid_referer) {\n            return 403;\n"
                    "        }\n        alias /var/www/shop/static/;\n",
                )
            )
        },
        users("shop: script"),
    ),
    Bad(
        "access-dotfiles-regex",
        "access closed",
        "The rule against hidden files loses its backslash: any character after a slash will do.",
        {_WWW: swap(("    location ~ /\\. {", "    location ~ /. {"))},
        users("www: a page", "www: a directory"),
    ),
]

OPENED = [
    Bad(
        "opened-password-off",
        "access opened",
        "The password is off for a test of the monitoring, for the whole site.",
        {_INTRANET: swap(('    auth_basic           "Orchard staff";', "    auth_basic           off;"))},
        users("intranet: without one", "intranet: reports without a password"),
    ),
    Bad(
        "opened-satisfy-any",
        "access opened",
        "Password or network, whichever: the network is everybody's.",
        {
            _INTRANET: swap(
                ("    auth_basic           ", "    satisfy any;\n    allow all;\n    auth_basic           ")
            )
        },
        users("intranet: without one", "intranet: reports without a password"),
    ),
    Bad(
        "opened-allow-without-deny",
        "access opened",
        "The line that denies the rest is cleaned away.",
        {_SHOP: swap(("        deny  all;\n", ""))},
        users("shop: back office stays closed"),
    ),
    Bad(
        "opened-return-before-deny",
        "access opened",
        "A return is answered before any access rule is looked at.",
        {
            _SHOP: swap(
                (
                    _ADMIN,
                    '        allow 10.20.0.0/16;\n        deny  all;\n        return 200 "users: all of them\\n";',
                )
            )
        },
        users("shop: back office stays closed"),
    ),
    Bad(
        "opened-regex-shadows",
        "access opened",
        "A regular expression location, made for reports, takes addresses of the closed back office as well.",
        {
            _SHOP: swap(
                (
                    "    location /admin/ {",
                    "    location ~ /users$ {\n        proxy_pass http://storefront;\n    }\n\n    location /admin/ {",
                )
            )
        },
        users("shop: back office stays closed"),
    ),
    Bad(
        "opened-alias-traversal",
        "access opened",
        "Without its slash the location lets people climb out of the directory.",
        {_SHOP: swap(("    location /static/ {", "    location /static {"))},
        (Ask("shop: nobody climbs out", f"{SHOP}/static../sorry.html", body="storefront"),),
    ),
    Bad(
        "opened-hidden-files",
        "access opened",
        "The rule about hidden files is dropped with the framework it came from.",
        {_WWW: swap(("    location ~ /\\. {\n        deny all;\n    }\n", ""))},
        users("www: hidden files stay hidden"),
    ),
    Bad(
        "opened-source-shown",
        "access opened",
        "The prefix is made to win over regular expressions: scripts are sent as text.",
        {"sites-available/wiki": swap(("    location / {", "    location ^~ / {"))},
        (
            Ask("wiki: the script itself", f"{WIKI}/index.php", body="wiki page", without=("<?php",)),
            Ask("wiki: home by the script", f"{WIKI}/index.php?x=1", body="wiki page"),
        ),
    ),
    Bad(
        "opened-root-too-high",
        "access opened",
        "One site's root becomes the directory of all sites.",
        {
            _WWW: swap(
                ("    root  /var/www/orchard;", "    root  /var/www;"),
                (
                    _WWW_ROOT,
                    _WWW_ROOT.replace(
                        "try_files $uri $uri/", "try_files /orchard$uri /orchard$uri/index.html $uri"
                    ),
                ),
            )
        },
        (Ask("www: the intranet is not here", f"{WWW}/intranet/index.html", 404),),
    ),
]

LIMITS = [
    Bad(
        "limit-rate-per-minute",
        "limits",
        "30r/s becomes 3r/m: the unit is read as 'per moment'.",
        {
            _LIMITS: swap(("zone=login:1m rate=30r/s;", "zone=login2:1m rate=3r/m;")),
            _SHOP: swap(("limit_req zone=login burst=60 nodelay;", "limit_req zone=login2;")),
        },
        users("shop: login, twice wrong, then right"),
    ),
    Bad(
        "limit-one-for-everybody",
        "limits",
        "A new zone counts by site instead of by client: all customers share ten requests a minute.",
        {
            "conf.d/limits-shop.conf": "limit_req_zone $server_name zone=shop:1m rate=10r/m;\n",
            _SHOP: swap(
                (
                    _ROOT,
                    _ROOT.replace("        proxy_pass", "        limit_req zone=shop;\n        proxy_pass"),
                )
            ),
        },
        (Ask("shop: four customers", f"{SHOP}/", body="storefront", times=4),),
    ),
    Bad(
        "limit-without-burst",
        "limits",
        "The burst goes; a page that loads five things at once loads one.",
        {
            _LIMITS: swap(("zone=api:1m   rate=200r/s;", "zone=orders:1m rate=2r/s;")),
            _SHOP: swap(("limit_req zone=api burst=100 nodelay;", "limit_req zone=orders;")),
        },
        users("shop: orders, five in a row"),
    ),
    Bad(
        "limit-for-the-whole-server",
        "limits",
        "The login's strict limit slips out of its location to the whole site.",
        {
            "conf.d/limits-strict.conf": "limit_req_zone $binary_remote_addr zone=strict:1m rate=20r/m;\n",
            _SHOP: swap(
                (
                    "    client_max_body_size 2m;",
                    "    client_max_body_size 2m;\n    limit_req zone=strict burst=1 nodelay;",
                )
            ),
        },
        (Ask("shop: five pages", f"{SHOP}/page", body="storefront", times=5),),
    ),
    Bad(
        "limit-upload-size",
        "limits",
        "One size for all locations, said where it is the smallest.",
        {_SHOP: swap(("        client_max_body_size 20m;\n", ""))},
        users("shop: a picture sent"),
    ),
    Bad(
        "limit-browsers-as-robots",
        "limits",
        "The pattern against robots is found in what many harmless clients call themselves.",
        {
            "conf.d/robots.conf": 'map $http_user_agent $robot {\n    default 0;\n    "~*(bot|crawl|spider|user|curl|-)" 1;\n'
            '    "" 1;\n}\n',
            _WWW: swap(
                (
                    "    error_page 404 /404.html;\n",
                    "    error_page 404 /404.html;\n    if ($robot) {\n        return 429;\n    }\n",
                )
            ),
        },
        users("www: home", "www: prices"),
    ),
]

CASES = [*MAINTENANCE, *CLOSED, *OPENED, *LIMITS]
