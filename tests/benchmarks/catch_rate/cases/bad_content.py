"""What answers say and whom they are for: headers, TLS, caches, maps, error pages."""

# ruff: noqa: E501, ISC004 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Bad, swap, users
from tests.benchmarks.catch_rate.users import SHOP

_SHOP, _WWW, _WIKI = "sites-available/shop", "sites-available/www", "sites-available/wiki"
_MAPS, _TLS = "conf.d/maps.conf", "conf.d/tls.conf"
_SECURE = "snippets/security-headers.conf"
_ROOT = "    location / {\n        proxy_pass http://storefront;\n    }"
_CACHED = "        proxy_cache_valid 200 5s;\n"
_SHOP_KEYS = (
    "    ssl_certificate     /etc/ssl/orchard/shop.crt;\n    ssl_certificate_key /etc/ssl/orchard/shop.key;\n"
)

HEADERS = [
    Bad(
        "header-inner-drops-outer",
        "answer headers",
        "A header is added to the style sheets, which by that lose all the others.",
        {
            _WWW: swap(
                ("        expires 30d;", '        expires 30d;\n        add_header Cache-Control "public";')
            )
        },
        users("www: style sheet's headers"),
    ),
    Bad(
        "header-drops-for-the-app",
        "answer headers",
        "The same for the whole shop, with the name of the server that answered.",
        {
            _SHOP: swap(
                (
                    _ROOT,
                    _ROOT.replace("storefront;", "storefront;\n        add_header X-Served-By $hostname;"),
                )
            )
        },
        users("shop: home"),
    ),
    Bad(
        "header-hsts-off",
        "answer headers",
        "max-age=0 was for a test of the plain site.",
        {_SECURE: swap(('"max-age=31536000" always;\n', '"" always;\n'))},
        users("www: home", "shop: home"),
    ),
    Bad(
        "header-snippet-emptied",
        "answer headers",
        "The snippet moves to another repository, and leaves an empty file behind.",
        {_SECURE: "# see the security repository\n"},
        users("www: home", "shop: home", "shop: orders"),
    ),
    Bad(
        "header-types-replaced",
        "answer headers",
        "types {} with one line replaces the whole list instead of adding to it.",
        {_WWW: swap(("    index index.html;\n", "    index index.html;\n    types { font/woff2 woff2; }\n"))},
        users("www: style sheet"),
    ),
    Bad(
        "header-default-type",
        "answer headers",
        "The type of a page without a suffix gets lost: browsers offer it as a download.",
        {
            _WWW: swap(
                (
                    "        default_type text/html;\n        try_files /price-list.html",
                    "        types { }\n        try_files /price-list.html",
                )
            )
        },
        users("www: prices"),
    ),
]

TLS = [
    Bad(
        "tls-expired",
        "TLS",
        "The certificate's path is that of last year's.",
        {_SHOP: swap((_SHOP_KEYS, _SHOP_KEYS.replace("shop.", "shop-2023.")))},
        users("shop: home"),
    ),
    Bad(
        "tls-of-another-site",
        "TLS",
        "The lines come from the wiki's file.",
        {_SHOP: swap((_SHOP_KEYS, _SHOP_KEYS.replace("shop.", "wiki.")))},
        users("shop: home", "shop: orders"),
    ),
    Bad(
        "tls-self-made",
        "TLS",
        "The certificate is the one that the machine made for itself when it was installed.",
        {
            _WWW: swap(
                (
                    "    server_name www.orchard.example;\n\n    ssl_certificate     /etc/ssl/orchard/www.crt;\n    ssl_certificate_key /etc/ssl/orchard/www.key;",
                    "    server_name www.orchard.example;\n\n    ssl_certificate     /etc/ssl/orchard/own.crt;\n    ssl_certificate_key /etc/ssl/orchard/own.key;",
                )
            )
        },
        users("www: home"),
    ),
    Bad(
        "tls-chain-lost",
        "TLS",
        "cert.pem instead of fullchain.pem: the authority between is missing, and only some browsers know it.",
        {_SHOP: swap(("/etc/ssl/orchard/shop.crt", "/etc/ssl/orchard/shop-only.crt"))},
        users("shop: home"),
    ),
    Bad(
        "tls-short-name-not-in-it",
        "TLS",
        "A new certificate for the site, ordered for the long name only.",
        {
            _WWW: swap(
                (
                    "    server_name orchard.example;\n\n    ssl_certificate     /etc/ssl/orchard/www.crt;\n    ssl_certificate_key /etc/ssl/orchard/www.key;",
                    "    server_name orchard.example;\n\n    ssl_certificate     /etc/ssl/orchard/www-long.crt;\n    ssl_certificate_key /etc/ssl/orchard/www-long.key;",
                )
            )
        },
        users("www: short name"),
    ),
    Bad(
        "tls-clients-need-one",
        "TLS",
        "Certificates are asked of the partners, and of every customer.",
        {
            _SHOP: swap(
                (
                    _SHOP_KEYS,
                    _SHOP_KEYS
                    + "    ssl_client_certificate /etc/ssl/orchard/authority.crt;\n    ssl_verify_client on;\n",
                )
            )
        },
        users("shop: home", "shop: orders"),
    ),
    Bad(
        "tls-handshake-refused",
        "TLS",
        "Unknown names are to be refused in the handshake; the line lands in the wiki's block.",
        {_WIKI: swap(("    root  /srv/wiki;", "    ssl_reject_handshake on;\n    root  /srv/wiki;"))},
        users("wiki: home"),
    ),
    Bad(
        "tls-ciphers",
        "TLS",
        "A list of ciphers for keys that no certificate here has, and only the protocol that needs them.",
        {
            _TLS: swap(
                (
                    "ssl_protocols       TLSv1.2 TLSv1.3;",
                    "ssl_protocols       TLSv1.2;\nssl_ciphers         ECDHE-RSA-AES128-GCM-SHA256;",
                )
            )
        },
        users("shop: home", "www: home"),
    ),
    Bad(
        "tls-protocol-of-yesterday",
        "TLS",
        "For one old device; nobody else speaks that any more.",
        {_TLS: swap(("ssl_protocols       TLSv1.2 TLSv1.3;", "ssl_protocols       TLSv1;"))},
        users("shop: home", "www: home", "wiki: home"),
    ),
]

CACHES = [
    Bad(
        "cache-key-without-path",
        "cache",
        "The key leaves the path out: the first page asked for is everybody's page.",
        {_SHOP: swap((_CACHED, _CACHED + "        proxy_cache_key $scheme$host;\n"))},
        (
            Ask("shop: plums", f"{SHOP}/catalogue/plums", body="path=/catalogue/plums "),
            Ask("shop: pears", f"{SHOP}/catalogue/pears", body="path=/catalogue/pears "),
        ),
    ),
    Bad(
        "cache-key-without-arguments",
        "cache",
        "$uri as the key: page 2 is page 1.",
        {_SHOP: swap((_CACHED, _CACHED + "        proxy_cache_key $scheme$host$uri;\n"))},
        (
            Ask("shop: page one", f"{SHOP}/catalogue/figs?page=1", body="page=1 "),
            Ask("shop: page two", f"{SHOP}/catalogue/figs?page=2", body="page=2 "),
        ),
    ),
    Bad(
        "cache-of-personal-pages",
        "cache",
        "The account pages are cached, cookies and all: one customer sees another one's.",
        {
            _SHOP: swap(
                (
                    "        proxy_buffer_size 16k;\n",
                    "        proxy_cache catalogue;\n        proxy_cache_valid 200 1m;\n"
                    "        proxy_ignore_headers Set-Cookie;\n        proxy_buffer_size 16k;\n",
                )
            )
        },
        (
            Ask("shop: Ann's account", f"{SHOP}/account/ann", body="customer=ann", send={"Cookie": "ann"}),
            Ask("shop: Bob's account", f"{SHOP}/account/ann", body="customer=bob", send={"Cookie": "bob"}),
        ),
    ),
]

MAPS = [
    Bad(
        "map-default-lost",
        "map",
        "Without a default, old addresses that are not listed lead to nothing.",
        {_MAPS: swap(("    default       /;\n", "    default       .invalid/;\n"))},
        users("old: home"),
    ),
    Bad(
        "map-tilde-lost",
        "map",
        "The regular expressions lose their tilde and match nothing any more.",
        {_MAPS: swap(("    /prices.asp   /prices;", "    ^/prices\\.asp$  /prices;"))},
        users("old: a page that moved"),
    ),
    Bad(
        "map-other-variable",
        "map",
        "$request_uri has the arguments in it, $args nothing else.",
        {_MAPS: swap(("map $uri $moved {", "map $args $moved {"))},
        users("old: a page that moved"),
    ),
    Bad(
        "map-websocket-value",
        "map",
        "The map for websockets says 'close' in the wrong line.",
        {_MAPS: swap(("    default upgrade;", "    default close;"))},
        users("shop: websocket"),
    ),
]

ERRORS = [
    Bad(
        "errors-page-missing",
        "error pages",
        "The page for what is not found is itself not found.",
        {_WWW: swap(("error_page 404 /404.html;", "error_page 404 /errors/404.html;"))},
        users("www: no such page"),
    ),
    Bad(
        "errors-all-is-well",
        "error pages",
        "=200 makes every wrong address a page: search engines index nothing but it.",
        {_WWW: swap(("error_page 404 /404.html;", "error_page 404 =200 /index.html;"))},
        users("www: no such page"),
    ),
    Bad(
        "errors-to-the-front-page",
        "error pages",
        "Whatever is not found is redirected to the front page.",
        {_WWW: swap(("error_page 404 /404.html;", "error_page 404 https://www.orchard.example/;"))},
        users("www: no such page"),
    ),
    Bad(
        "errors-intercepted",
        "error pages",
        "Errors of the service are replaced by pages; its answers to programs are gone.",
        {
            _SHOP: swap(
                (
                    "    error_page 502 503 504 /sorry.html;",
                    "    error_page 404 426 502 503 504 =200 /sorry.html;\n    proxy_intercept_errors on;",
                )
            )
        },
        (Ask("shop: no websocket", f"{SHOP}/live", 426, body="this is a websocket"),),
    ),
    Bad(
        "errors-if-with-a-body",
        "error pages",
        "An 'if' around the proxy that ends in a return for everything but GET.",
        {
            _SHOP: swap(
                (
                    "    client_max_body_size 2m;",
                    "    client_max_body_size 2m;\n    if ($request_method !~ ^(GET|HEAD)$) {\n        return 405;\n    }",
                )
            )
        },
        users("shop: a picture sent"),
    ),
]

CASES = [*HEADERS, *TLS, *CACHES, *MAPS, *ERRORS]
