"""A third batch of bad changes, blind to the rules: what is said around an answer, methods, bodies, TLS."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Bad, swap, users
from tests.benchmarks.catch_rate.users import SECURE, SHOP, WWW

_SHOP, _WWW, _WIKI = "sites-available/shop", "sites-available/www", "sites-available/wiki"
_DEFAULT, _TLS, _MAPS = "sites-available/00-default", "conf.d/tls.conf", "conf.d/maps.conf"
_PROXY, _SECURITY = "snippets/proxy-headers.conf", "snippets/security-headers.conf"
_ROOT = "    location / {\n        proxy_pass http://storefront;\n    }"
_FILES = "    location / {\n        try_files $uri $uri/ =404;\n    }"
_STYLES = "    location ~* \\.(?:css|js|svg)$ {\n        expires 30d;\n    }\n\n"
_CLOSED = "    if ($closed) {"
_DOCUMENT = "    root  /var/www/orchard;\n"
_API = "        limit_req zone=api burst=100 nodelay;\n"
_CATALOGUE = "        proxy_cache_valid 200 5s;\n"
_FRAME = 'add_header X-Frame-Options           "DENY"             always;'
_HSTS = 'add_header Strict-Transport-Security "max-age=31536000" always;'
_FALLBACK_KEY = "    ssl_certificate_key /etc/ssl/orchard/fallback.key;\n"
_OLD_CLIENT = Ask("shop: orders, by an older client", f"{SHOP}/api/orders", body="orders", old_tls=True)

HEADERS = [
    Bad(
        "compression-announced-by-hand",
        "answer headers",
        "Style sheets are to be compressed, so it is said that they are.",
        {
            _SECURITY: swap(
                (_FRAME, _FRAME + "\nadd_header Content-Encoding          gzip               always;")
            )
        },
        (
            Ask(
                "www: a style sheet to be read", f"{WWW}/assets/site.css", body="darkgreen", without=("gzip",)
            ),
        ),
    ),
    Bad(
        "type-said-by-hand",
        "answer headers",
        "Letters came out wrong on one page; every answer says now that it is a page, style sheets too.",
        {
            _SECURITY: swap(
                (_FRAME, _FRAME + '\nadd_header Content-Type              "text/html; charset=utf-8" always;')
            )
        },
        users("www: style sheet"),
    ),
    Bad(
        "frames-allowed-from-a-partner",
        "answer headers",
        "A partner may show our pages in a frame; no browser of today knows the word, so anybody may.",
        {_SECURITY: swap(('"DENY"             always', '"ALLOW-FROM https://partner.example" always'))},
        (Ask("www: home, in no frame", f"{WWW}/", headers={"X-Frame-Options": "^(DENY|SAMEORIGIN)$"}),),
    ),
    Bad(
        "every-origin-a-friend",
        "answer headers",
        "The partner's page may ask with the customer's cookies, and so may any page in the world.",
        {
            _SHOP: swap(
                (
                    _CLOSED,
                    '    add_header Access-Control-Allow-Origin      $http_origin always;\n    add_header Access-Control-Allow-Credentials "true"       always;\n\n'
                    + _CLOSED,
                )
            ),
        },
        (
            Ask(
                "shop: account, asked by a stranger's page",
                f"{SHOP}/account/",
                send={"Origin": "https://stranger.example"},
                without=("stranger.example",),
            ),
        ),
    ),
    Bad(
        "age-left-empty-by-a-template",
        "answer headers",
        "The promise of TLS comes from a template now; the number is empty on these hosts.",
        {_SECURITY: swap((_HSTS, 'add_header Strict-Transport-Security "max-age=" always;'))},
        (Ask("www: a promise of TLS", f"{WWW}/", headers={"Strict-Transport-Security": r"max-age=\d"}),),
    ),
    Bad(
        "promise-by-name",
        "answer headers",
        "The promise of TLS is looked up by the name of the site; the shop is not in the list.",
        {
            "conf.d/promise.conf": 'map $host $promise {\n    orchard.example      "max-age=31536000";\n    www.orchard.example  "max-age=31536000";\n    wiki.orchard.example "max-age=31536000";\n}\n',
            _SECURITY: swap((_HSTS, "add_header Strict-Transport-Security $promise always;")),
        },
        users("shop: home"),
    ),
    Bad(
        "header-inside-a-condition",
        "answer headers",
        "Pages of known customers are called private, inside of a condition, where no other header is left.",
        {
            _SHOP: swap(
                (
                    _ROOT,
                    "    location / {\n        if ($http_cookie) {\n            add_header Cache-Control private;\n        }\n        proxy_pass http://storefront;\n    }",
                )
            )
        },
        (Ask("shop: home of a known customer", f"{SHOP}/", headers=SECURE, send={"Cookie": "basket=7"}),),
    ),
    Bad(
        "expires-by-the-wrong-type",
        "answer headers",
        "How long files are kept is looked up by their type; the variable is that of what is sent to us.",
        {
            "conf.d/kept.conf": "map $content_type $kept {\n    default                off;\n    text/css               30d;\n    application/javascript 30d;\n}\n",
            _WWW: swap((_STYLES, ""), (_DOCUMENT, _DOCUMENT + "    expires $kept;\n")),
        },
        users("www: style sheet's headers"),
    ),
    Bad(
        "nothing-to-compare-with",
        "answer headers",
        "After an update browsers had old style sheets; from now on they fetch each file again each time.",
        {_WWW: swap((_DOCUMENT, _DOCUMENT + "    etag off;\n    if_modified_since off;\n"))},
        (Ask("www: a style sheet to be kept", f"{WWW}/assets/site.css", headers={"ETag": "."}),),
    ),
]

COOKIES = [
    Bad(
        "cookie-attributes-by-its-path",
        "cookies",
        "A trick of before there was a directive for it: attributes are written where the path begins.",
        {
            _SHOP: swap(
                (
                    "        proxy_buffer_size 16k;",
                    '        proxy_cookie_path / "/; Secure; HttpOnly; SameSite=Lax";\n        proxy_buffer_size 16k;',
                )
            )
        },
        (
            Ask(
                "shop: the basket's cookie",
                f"{SHOP}/account/",
                headers={"Set-Cookie": r"Path=/account/(;|$)"},
            ),
        ),
    ),
    Bad(
        "visitors-counted-by-cookie",
        "cookies",
        "Visitors are to be counted in the log; each of them gets a cookie for ten years, asked or not.",
        {
            _WWW: swap(
                (
                    _DOCUMENT,
                    _DOCUMENT + "    userid         on;\n    userid_name    uid;\n    userid_expires max;\n",
                )
            )
        },
        (Ask("www: home, without a cookie", f"{WWW}/", body="since 1911", without=("uid=",)),),
    ),
    Bad(
        "headers-not-sent-on",
        "headers to the upstream",
        "Less for the application to read, says a page on speed; it reads no cookie any more.",
        {_SHOP: swap((_CLOSED, "    proxy_pass_request_headers off;\n\n" + _CLOSED))},
        (
            Ask(
                "shop: a customer who is known",
                f"{SHOP}/",
                body="customer=basket=7",
                send={"Cookie": "basket=7"},
            ),
        ),
    ),
]

CACHE = [
    Bad(
        "head-kept-for-get",
        "cache",
        "The application counts who only looks, so HEAD goes on as HEAD; its empty answer is kept for all.",
        {_SHOP: swap((_CATALOGUE, _CATALOGUE + "        proxy_cache_convert_head off;\n"))},
        (
            Ask("shop: is there a page of quinces", f"{SHOP}/catalogue/quinces", method="HEAD"),
            Ask("shop: the page of quinces", f"{SHOP}/catalogue/quinces", body="storefront path=/catalogue/"),
        ),
    ),
    Bad(
        "kept-under-the-scripts-name",
        "cache",
        "The wiki's pages are kept by their address, which at that point is the script's for all of them.",
        {
            "conf.d/wiki-cache.conf": "fastcgi_cache_path /var/cache/nginx-wiki keys_zone=wiki:1m inactive=5m;\n",
            _WIKI: swap(
                (
                    "        include fastcgi_params;",
                    '        fastcgi_cache wiki;\n        fastcgi_cache_key "$scheme$request_method$host$uri";\n        fastcgi_cache_valid 200 1m;\n        include fastcgi_params;',
                )
            ),
        },
        users("wiki: home", "wiki: a page"),
    ),
]

METHODS = [
    Bad(
        "verbs-of-an-api",
        "methods",
        "Hardening: what is not GET or POST is refused; partners cancel orders with DELETE.",
        {_SHOP: swap((_API, _API + "        limit_except GET POST {\n            deny all;\n        }\n"))},
        (Ask("shop: an order cancelled", f"{SHOP}/api/orders/7", body="/v1/orders/7", method="DELETE"),),
    ),
    Bad(
        "link-checkers-refused",
        "methods",
        "Nobody sends anything to this site, so GET is all it needs; monitoring and search engines ask with HEAD.",
        {
            _WWW: swap(
                (_DOCUMENT, "    if ($request_method != GET) {\n        return 405;\n    }\n\n" + _DOCUMENT)
            )
        },
        (Ask("www: is the page there", f"{WWW}/contact.html", method="HEAD"),),
    ),
    Bad(
        "written-by-anybody",
        "methods",
        "The agency puts its press kit there itself; nothing says that others may not.",
        {
            _WWW: swap(
                (
                    "        alias /srv/press/;",
                    "        alias /srv/press/;\n        dav_methods PUT DELETE MKCOL COPY MOVE;\n        create_full_put_path on;",
                )
            )
        },
        (Ask("www: nobody writes there", f"{WWW}/press/inbox.txt", 405, method="PUT"),),
    ),
    Bad(
        "address-of-uploads-moved",
        "methods",
        "Uploads have a better address; the redirect for those with the old one makes a GET of what they send.",
        {
            _SHOP: swap(
                (
                    "        client_max_body_size 20m;\n        proxy_pass http://storefront;\n    }",
                    "        rewrite ^/upload/(.*)$ /pictures/$1 permanent;\n    }\n\n    location /pictures/ {\n        client_max_body_size 20m;\n        proxy_pass http://storefront;\n    }",
                )
            )
        },
        users("shop: a picture sent"),
    ),
    Bad(
        "upload-rewritten-out-of-its-limit",
        "body sizes",
        "The application calls uploads by another path; rewritten, they are under the limit of the whole shop.",
        {
            _SHOP: swap(
                (
                    "        client_max_body_size 20m;\n",
                    "        client_max_body_size 20m;\n        rewrite ^/upload/(.*)$ /incoming/$1 last;\n",
                )
            )
        },
        users("shop: a picture sent"),
    ),
    Bad(
        "only-json-for-the-api",
        "methods",
        "The API takes JSON and nothing else; who only asks says nothing about what he does not send.",
        {
            _SHOP: swap(
                (
                    _API,
                    _API
                    + "        if ($content_type !~ ^application/json) {\n            return 415;\n        }\n",
                )
            )
        },
        users("shop: orders", "shop: one order"),
    ),
    Bad(
        "key-left-empty-by-a-template",
        "access closed",
        "Partners have a key that a template fills in; on these hosts it is empty, so that who has one is refused.",
        {
            _SHOP: swap(
                (_API, _API + '        if ($http_x_api_key != "") {\n            return 401;\n        }\n')
            )
        },
        (
            Ask(
                "shop: orders, by a partner with a key",
                f"{SHOP}/api/orders",
                body="orders",
                send={"X-Api-Key": "plum-and-pear"},
            ),
        ),
    ),
]

TLS = [
    Bad(
        "cipher-suite-for-small-devices",
        "TLS",
        "A suite that small devices like, copied from their manual; no browser has it.",
        {
            _TLS: swap(
                (
                    "ssl_session_timeout 1h;",
                    "ssl_session_timeout 1h;\nssl_conf_command    Ciphersuites TLS_AES_128_CCM_8_SHA256;",
                )
            )
        },
        users("shop: home", "www: home"),
    ),
    Bad(
        "default-server-decides-the-protocol",
        "TLS",
        "Only whoever asks for no name of ours needs the newest protocol; it is decided there for all names.",
        {_DEFAULT: swap((_FALLBACK_KEY, _FALLBACK_KEY + "    ssl_protocols       TLSv1.3;\n"))},
        (_OLD_CLIENT,),
    ),
    Bad(
        "older-protocol-told-to-update",
        "TLS",
        "Who comes by TLS 1.2 is told to update; the partner's machines do not read what they are told.",
        {
            _SHOP: swap(
                (_CLOSED, "    if ($ssl_protocol != TLSv1.3) {\n        return 426;\n    }\n\n" + _CLOSED)
            )
        },
        (_OLD_CLIENT,),
    ),
    Bad(
        "only-http2-from-now-on",
        "TLS",
        "All browsers know HTTP/2, says the plan; programs and robots do not.",
        {_WWW: swap((_DOCUMENT, '    if ($http2 = "") {\n        return 426;\n    }\n\n' + _DOCUMENT))},
        users("www: home", "www: prices"),
    ),
    Bad(
        "certificate-for-all-in-one-place",
        "TLS",
        "Certificates are to be named once for all sites; the wiki's lines go first, its name is not in it.",
        {
            _TLS: swap(
                (
                    "ssl_session_timeout 1h;",
                    "ssl_session_timeout 1h;\nssl_certificate     /etc/ssl/orchard/www.crt;\nssl_certificate_key /etc/ssl/orchard/www.key;",
                )
            ),
            _WIKI: swap(
                (
                    "    ssl_certificate     /etc/ssl/orchard/wiki.crt;\n    ssl_certificate_key /etc/ssl/orchard/wiki.key;\n\n",
                    "",
                )
            ),
        },
        users("wiki: home"),
    ),
]

CASES = [*HEADERS, *COOKIES, *CACHE, *METHODS, *TLS]
