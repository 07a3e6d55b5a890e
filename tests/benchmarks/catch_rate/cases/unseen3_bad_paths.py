"""The same batch: names, locations, upstreams, access and files."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Bad, swap, users
from tests.benchmarks.catch_rate.users import OLD, SHOP, WIKI, WWW

_SHOP, _WWW, _WIKI, _INTRANET = (
    "sites-available/shop",
    "sites-available/www",
    "sites-available/wiki",
    "sites-available/intranet",
)
_MAPS, _PROXY = "conf.d/maps.conf", "snippets/proxy-headers.conf"
_ROOT = "    location / {\n        proxy_pass http://storefront;\n    }"
_FILES = "    location / {\n        try_files $uri $uri/ =404;\n    }"
_PHP = "    location ~ \\.php$ {\n"
_CLOSED = "    if ($closed) {"
_DOCUMENT = "    root  /var/www/orchard;\n"
_API = "    location /api/ {\n        limit_req zone=api burst=100 nodelay;\n        proxy_pass http://orders/v1/;\n    }"
_ASKS_WHO = '    auth_basic           "Orchard staff";\n    auth_basic_user_file /etc/nginx/htpasswd/staff;\n'
_ADMIN = "        deny  all;\n        proxy_pass http://storefront;\n    }"
_SHORT = "    server_name orchard.example;\n\n    ssl_certificate     /etc/ssl/orchard/www.crt;\n    ssl_certificate_key /etc/ssl/orchard/www.key;\n\n    return 301 https://www.orchard.example$request_uri;\n}\n\nserver {\n    listen 443 ssl http2;\n    listen [::]:443 ssl http2;\n    server_name www.orchard.example;"

NAMES = [
    Bad(
        "short-name-answers-itself",
        "server name",
        "Two servers with the same lines become one; the redirect that one of them was there for is gone.",
        {_WWW: swap((_SHORT, "    server_name orchard.example www.orchard.example;"))},
        users("www: short name"),
    ),
    Bad(
        "host-must-be-the-first-name",
        "server name",
        "Against forged names, from a blog with one name to a site; the variable is the first of ours.",
        {
            _WWW: swap(
                (
                    "    server_name orchard.example www.orchard.example;\n",
                    "    server_name orchard.example www.orchard.example;\n\n    if ($host != $server_name) {\n        return 444;\n    }\n",
                )
            )
        },
        users("www: plain to TLS"),
    ),
    Bad(
        "disabled-by-an-underscore",
        "server name",
        "The shop of last year is put aside under a name with an underscore, which nginx reads, and reads first.",
        {
            "sites-enabled/_shop": "server {\n    listen 443 ssl http2;\n    listen [::]:443 ssl http2;\n    server_name shop.orchard.example;\n\n    ssl_certificate     /etc/ssl/orchard/shop.crt;\n    ssl_certificate_key /etc/ssl/orchard/shop.key;\n\n"
            "    include snippets/security-headers.conf;\n    include snippets/proxy-headers.conf;\n\n    location / {\n        proxy_pass http://storefront;\n    }\n}\n",
        },
        users("shop: orders", "shop: a picture sent", "shop: back office stays closed"),
    ),
]

ACCESS = [
    Bad(
        "realm-by-the-name-with-a-port",
        "access opened",
        "Which site asks for a password is looked up by the name asked for; here a port belongs to it.",
        {
            "conf.d/realms.conf": 'map $http_host $realm {\n    default                  off;\n    intranet.orchard.example "Orchard staff";\n}\n',
            _INTRANET: swap(
                ('    auth_basic           "Orchard staff";', "    auth_basic           $realm;")
            ),
        },
        users("intranet: without one", "intranet: reports without a password"),
    ),
    Bad(
        "nested-office-with-own-list",
        "access opened",
        "The branch may see the list of users as well; a list of its own replaces the one around it.",
        {
            _SHOP: swap(
                (
                    _ADMIN,
                    "        deny  all;\n        proxy_pass http://storefront;\n\n        location /admin/users {\n            allow 10.21.0.0/16;\n            proxy_pass http://storefront;\n        }\n    }",
                )
            )
        },
        users("shop: back office stays closed"),
    ),
    Bad(
        "password-for-pages-alone",
        "access opened",
        "The monitoring's page stands out of the password's way: it moves into the place where the pages are.",
        {
            _INTRANET: swap(
                (_ASKS_WHO + "\n", ""),
                (
                    _FILES,
                    _FILES.replace(
                        "        try_files",
                        _ASKS_WHO.replace("    auth", "        auth") + "        try_files",
                    ),
                ),
            )
        },
        users("intranet: reports without a password"),
    ),
    Bad(
        "browsers-nobody-listed",
        "access closed",
        "Browsers of before 2010 are sent away, and so is everything that is not in the list of newer ones.",
        {
            _SHOP: swap(
                (
                    _CLOSED,
                    "    modern_browser gecko  1.9;\n    modern_browser msie   9.0;\n    modern_browser opera  9.5;\n    modern_browser safari 4.0;\n\n    if ($ancient_browser) {\n        return 302 https://www.orchard.example/;\n    }\n\n"
                    + _CLOSED,
                )
            )
        },
        users("shop: home", "shop: orders"),
    ),
]

UPSTREAMS = [
    Bad(
        "nested-place-with-a-header",
        "headers to the upstream",
        "Offers tell the application that they are offers; in there it is told nothing else.",
        {
            _SHOP: swap(
                (
                    "        proxy_cache_valid 200 5s;\n        proxy_pass http://storefront;",
                    "        proxy_cache_valid 200 5s;\n        proxy_pass http://storefront;\n\n        location ~ ^/catalogue/offers/ {\n            proxy_set_header X-Offers yes;\n            proxy_pass http://storefront;\n        }",
                )
            )
        },
        (Ask("shop: offers", f"{SHOP}/catalogue/offers/june", body="storefront path=/catalogue/offers"),),
    ),
    Bad(
        "client-as-the-client-says",
        "headers to the upstream",
        "As it will be behind the balancer, which is not there yet: the client's address is what the request says.",
        {_PROXY: swap(("X-Real-IP         $remote_addr;", "X-Real-IP         $http_x_real_ip;"))},
        users("shop: the app knows the client"),
    ),
    Bad(
        "path-decoded-on-the-way",
        "path to the upstream",
        "An expression instead of the prefix, arguments and all; spaces in addresses are real spaces now.",
        {
            _SHOP: swap(
                (
                    _API,
                    "    location ~ ^/api/(.*)$ {\n        limit_req zone=api burst=100 nodelay;\n        proxy_pass http://orders/v1/$1$is_args$args;\n    }",
                )
            )
        },
        (Ask("shop: orders of somebody", f"{SHOP}/api/orders/by%20name", body="/v1/orders/by%20name"),),
    ),
    Bad(
        "socket-with-a-path",
        "path to the upstream",
        "The block goes, its socket is named where it is used, with the slash that a page on the net has.",
        {
            _INTRANET: swap(
                ("proxy_pass http://reports;", "proxy_pass http://unix:/run/orchard/reports.sock:/;")
            )
        },
        users("intranet: reports"),
    ),
    Bad(
        "orders-by-grpc-too-early",
        "upstream",
        "The orders service will speak gRPC after its next release; nginx does already.",
        {_SHOP: swap(("        proxy_pass http://orders/v1/;", "        grpc_pass grpc://orders;"))},
        users("shop: orders"),
    ),
    Bad(
        "memory-first",
        "upstream",
        "Pages are looked for in memory first, else the application is asked; nobody said what if there is no memory.",
        {
            _SHOP: swap(
                (
                    _ROOT,
                    "    location / {\n        set $memcached_key $uri;\n        memcached_pass 127.0.0.1:11211;\n        error_page 404 = @storefront;\n    }\n\n    location @storefront {\n        proxy_pass http://storefront;\n    }",
                )
            )
        },
        users("shop: home"),
    ),
    Bad(
        "shop-shown-inside-of-www",
        "upstream",
        "The shop is shown in place instead of by a redirect; nobody says which site is meant.",
        {_WWW: swap(("return 302 https://shop.orchard.example/;", "proxy_pass https://127.0.0.1/;"))},
        users("www: to the shop"),
    ),
    Bad(
        "account-by-the-common-place",
        "buffers and timeouts",
        "What several places do is said once, in a named one; the account's larger buffers stay behind.",
        {
            _SHOP: swap(
                (
                    "        proxy_buffers     8 16k;\n        proxy_pass http://storefront;\n    }",
                    "        proxy_buffers     8 16k;\n        try_files /nothing @storefront;\n    }\n\n    location @storefront {\n        proxy_pass http://storefront;\n    }",
                )
            )
        },
        users("shop: account"),
    ),
]

LOCATIONS = [
    Bad(
        "invoices-taken-for-pictures",
        "location",
        "Pictures and papers are files, to be kept for a month; invoices are made by the application.",
        {
            _SHOP: swap(
                (
                    _ROOT,
                    _ROOT
                    + "\n\n    location ~* \\.(?:png|jpe?g|gif|ico|pdf)$ {\n        expires 30d;\n        try_files $uri =404;\n    }",
                )
            )
        },
        (Ask("shop: an invoice", f"{SHOP}/invoices/2024-7.pdf", body="storefront path=/invoices/"),),
    ),
    Bad(
        "pages-with-a-dot-are-files",
        "location",
        "What has an ending is a file; some pages of the wiki are about versions.",
        {
            _WIKI: swap(
                (
                    "        fastcgi_pass unix:/run/orchard/php.sock;\n    }",
                    "        fastcgi_pass unix:/run/orchard/php.sock;\n    }\n\n    location ~ \\.[a-z0-9]+$ {\n        expires 1d;\n        try_files $uri =404;\n    }",
                )
            )
        },
        (Ask("wiki: a page about a version", f"{WIKI}/Apple-press-2.0", body="wiki page /Apple-press-2.0"),),
    ),
    Bad(
        "path-behind-the-script",
        "scripts",
        "Addresses with the script's name in them go to the script itself, where they are taken for a file's.",
        {
            _WIKI: swap(
                (_PHP, "    location ~ \\.php(/|$) {\n        fastcgi_split_path_info ^(.+\\.php)(/.*)$;\n")
            )
        },
        (Ask("wiki: an old link", f"{WIKI}/index.php/Pruning", body="wiki page /index.php/Pruning"),),
    ),
    Bad(
        "parameters-one-level-up",
        "scripts",
        "The list of parameters is for the whole site, so it is said there; one more below, and the list is lost.",
        {
            _WIKI: swap(
                ("        include fastcgi_params;\n", ""),
                ("    index index.php;\n", "    index index.php;\n    include fastcgi_params;\n"),
            )
        },
        users("wiki: home", "wiki: a page"),
    ),
    Bad(
        "directories-without-their-redirect",
        "files",
        "One look at the disk less: the start page is named; links in it are wrong where the slash is missing.",
        {_WWW: swap((_FILES, _FILES.replace("$uri/ ", "$uri/index.html ")))},
        users("www: a directory without its slash"),
    ),
    Bad(
        "error-page-without-its-slash",
        "error pages",
        "The page for errors as a file's name; nginx takes it for an address to send people to.",
        {_WWW: swap(("error_page 404 /404.html;", "error_page 404 404.html;"))},
        users("www: no such page"),
    ),
]

ADDRESSES = [
    Bad(
        "slash-for-what-has-no-dot",
        "redirect",
        "Search engines like one address for each page: with a slash, where there is no dot. Prices have neither.",
        {_WWW: swap((_DOCUMENT, _DOCUMENT + "    rewrite ^([^.]*[^/])$ $1/ permanent;\n"))},
        users("www: prices"),
    ),
    Bad(
        "readers-sent-to-their-language",
        "redirect",
        "Who reads German is sent to the German pages, which will be there next month.",
        {
            _WWW: swap(
                (
                    _FILES,
                    "    location = / {\n        if ($http_accept_language ~* ^de) {\n            return 302 /de/;\n        }\n        try_files /index.html =404;\n    }\n\n"
                    + _FILES,
                )
            )
        },
        (
            Ask(
                "www: home, for a German reader",
                f"{WWW}/",
                body="since 1911",
                send={"Accept-Language": "de-AT,de;q=0.9"},
            ),
        ),
    ),
    Bad(
        "campaign-marks-taken-off",
        "redirect",
        "Marks of campaigns are taken off the address, and with them what people searched for.",
        {
            _SHOP: swap(
                (
                    _CLOSED,
                    "    if ($arg_utm_source) {\n        rewrite ^ $uri? permanent;\n    }\n\n" + _CLOSED,
                )
            )
        },
        (
            Ask(
                "shop: a link of the newsletter",
                f"{SHOP}/find?q=plums&utm_source=letter",
                body=r"storefront path=/find\?q=plums",
            ),
        ),
    ),
    Bad(
        "moved-pages-with-arguments",
        "redirect",
        "The address as it was sent is looked up, which for pages with arguments is in no list.",
        {_MAPS: swap(("map $uri $moved {", "map $request_uri $moved {"))},
        (
            Ask(
                "old: a page that moved, with arguments",
                f"{OLD}/prices.asp?year=2018",
                301,
                location=f"{WWW}/prices$",
            ),
        ),
    ),
    Bad(
        "ping-says-nothing",
        "location",
        "What is answered comes from a template; the word is empty, and the monitoring looks for it.",
        {_INTRANET: swap(('return 200 "pong\\n";', 'return 200 "";'))},
        users("intranet: ping"),
    ),
]

CASES = [*NAMES, *ACCESS, *UPSTREAMS, *LOCATIONS, *ADDRESSES]
