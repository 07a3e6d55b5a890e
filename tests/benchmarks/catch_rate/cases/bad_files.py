"""Files and addresses: try_files and roots, redirects, which location wins, scripts."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Bad, swap, users
from tests.benchmarks.catch_rate.users import SHOP

_SHOP, _WWW, _WIKI = "sites-available/shop", "sites-available/www", "sites-available/wiki"
_TRY = "    location / {\n        try_files $uri $uri/ =404;\n    }\n\n    location ~*"
_ROOT = "    location / {\n        proxy_pass http://storefront;\n    }"
_TO_TLS = "        return 301 https://$host$request_uri;"
_WWW_PLAIN = "    location / {\n        return 301 https://www.orchard.example$request_uri;\n    }"
_FRUIT = "rewrite ^/fruit/(.*)$ /products/$1 permanent;"

FILES = [
    Bad(
        "files-unknown-fallback",
        "files",
        "The fallback is called by a name that no location has.",
        {_WWW: swap((_TRY, _TRY.replace("=404", "@pages")))},
        users("www: no such page"),
    ),
    Bad(
        "files-no-directories",
        "files",
        "$uri/ looks like a repetition of $uri.",
        {_WWW: swap((_TRY, _TRY.replace("$uri $uri/ =404", "$uri =404")))},
        users("www: home", "www: a directory"),
    ),
    Bad(
        "files-root-typo",
        "files",
        "One letter in the path of the whole site.",
        {_WWW: swap(("root  /var/www/orchard;", "root  /var/www/orchards;"))},
        users("www: home", "www: a page", "www: style sheet"),
    ),
    Bad(
        "files-root-is-a-release",
        "files",
        "The site is to be served from a release directory that its own deployment has not made yet.",
        {_WWW: swap(("root  /var/www/orchard;", "root  /var/www/orchard/current/public;"))},
        users("www: home", "www: style sheet"),
    ),
    Bad(
        "files-alias-slash-lost",
        "files",
        "Without the last slash the alias and the rest of the path grow together.",
        {_SHOP: swap(("alias /var/www/shop/static/;", "alias /var/www/shop/static;"))},
        users("shop: script"),
    ),
    Bad(
        "files-root-for-alias",
        "files",
        "root instead of alias: the location's own name is looked for below it.",
        {_WWW: swap(("        alias /srv/press/;", "        root /srv/press;"))},
        users("www: press kit"),
    ),
    Bad(
        "files-index-lost",
        "files",
        "The index is renamed for a site that still has the old one.",
        {_WWW: swap(("index index.html;", "index home.html;"))},
        users("www: home", "www: a directory"),
    ),
    Bad(
        "files-before-the-app",
        "files",
        "try_files beside proxy_pass, without a word about what to do when there is no file.",
        {
            _SHOP: swap(
                (
                    _ROOT,
                    "    location / {\n        try_files $uri $uri/index.html =404;\n        proxy_pass http://storefront;\n    }",
                )
            )
        },
        users("shop: home", "shop: arguments"),
    ),
    Bad(
        "files-unless-there-is-one",
        "files",
        "Requests that are no file get 404, on a site whose pages are no files.",
        {
            _SHOP: swap(
                (
                    "    client_max_body_size 2m;",
                    "    client_max_body_size 2m;\n    if (!-f $request_filename) {\n        return 404;\n    }",
                )
            )
        },
        users("shop: home", "shop: orders"),
    ),
    Bad(
        "files-unreadable-user",
        "files",
        "The workers run as a user who may read none of the passwords.",
        {"nginx.conf": swap(("user www-data;", "user nobody nogroup;"))},
        users("intranet: with a password"),
    ),
    Bad(
        "files-links-refused",
        "files",
        "Symbolic links are switched off on a host whose document root is one.",
        {
            _WWW: swap(
                ("    index index.html;\n", "    index index.html;\n    disable_symlinks on;\n"),
                ("root  /var/www/orchard;", "root  /var/www/current;"),
            )
        },
        users("www: home", "www: a page"),
    ),
]

REDIRECTS = [
    Bad(
        "redirect-to-itself",
        "redirect",
        "The redirect to TLS is copied into the TLS half.",
        {_SHOP: swap((_ROOT, "    location / {\n        return 301 https://$host$request_uri;\n    }"))},
        users("shop: home", "shop: arguments"),
    ),
    Bad(
        "redirect-behind-a-balancer",
        "redirect",
        "The scheme is asked of a header that no balancer sets here.",
        {
            _WWW: swap(
                (
                    "    error_page 404 /404.html;\n",
                    "    error_page 404 /404.html;\n    if ($http_x_forwarded_proto != https) {\n        return 301 https://$host$request_uri;\n    }\n",
                )
            )
        },
        users("www: home", "www: prices"),
    ),
    Bad(
        "redirect-group-lost",
        "redirect",
        "The parentheses go, $1 stays: every old address leads to one page.",
        {_WWW: swap((_FRUIT, "rewrite ^/fruit/.*$ /products/$1 permanent;"))},
        users("www: old address of a page"),
    ),
    Bad(
        "redirect-path-lost",
        "redirect",
        "Without $request_uri everybody lands on the front page.",
        {_WWW: swap((_WWW_PLAIN, _WWW_PLAIN.replace("$request_uri", "/")))},
        users("www: plain to TLS", "www: short and plain"),
    ),
    Bad(
        "redirect-arguments-lost",
        "redirect",
        "$uri instead of $request_uri drops what was asked.",
        {_SHOP: swap((_TO_TLS, "        return 301 https://$host$uri;"))},
        users("shop: plain to TLS"),
    ),
    Bad(
        "redirect-wrong-variable",
        "redirect",
        "$server_name is the first of the names, and that is the short one.",
        {
            _WWW: swap(
                (
                    _WWW_PLAIN,
                    _WWW_PLAIN.replace("www.orchard.example$request_uri", "$server_name$request_uri/"),
                )
            )
        },
        users("www: plain to TLS"),
    ),
    Bad(
        "redirect-host-typo",
        "redirect",
        "The target's name is nobody's.",
        {
            _WWW: swap(
                ("return 302 https://shop.orchard.example/;", "return 302 https://shop.orchard.exmaple/;")
            )
        },
        users("www: to the shop"),
    ),
    Bad(
        "redirect-slash-lost",
        "redirect",
        "Name and path grow together: www.orchard.exampleprices.",
        {"conf.d/maps.conf": swap(("    /prices.asp   /prices;", "    /prices.asp   prices;"))},
        users("old: a page that moved"),
    ),
    Bad(
        "redirect-back-to-plain",
        "redirect",
        "The TLS half sends people back to plain, which sends them to TLS.",
        {
            _WWW: swap(
                (
                    "    server_name orchard.example;\n\n    ssl_certificate     /etc/ssl/orchard/www.crt;\n    ssl_certificate_key /etc/ssl/orchard/www.key;\n\n    return 301 https://www.orchard.example$request_uri;",
                    "    server_name orchard.example;\n\n    ssl_certificate     /etc/ssl/orchard/www.crt;\n    ssl_certificate_key /etc/ssl/orchard/www.key;\n\n    return 301 http://orchard.example$request_uri;",
                )
            )
        },
        users("www: short name"),
    ),
    Bad(
        "rewrite-in-a-circle",
        "redirect",
        "A rewrite that matches its own result.",
        {_WWW: swap((_TRY, _TRY.replace("try_files", "rewrite ^/(.*)$ /en/$1 last;\n        try_files")))},
        users("www: home", "www: a page"),
    ),
    Bad(
        "redirect-keeps-the-old-prefix",
        "redirect",
        "return does not take the location's prefix off, as the author believed.",
        {_WWW: swap((_FRUIT, "return 301 /products$request_uri;"))},
        users("www: old address of a page"),
    ),
    Bad(
        "redirect-port-shown",
        "redirect",
        "Directories redirect to a host name that only nginx knows.",
        {
            _WWW: swap(
                ("    index index.html;\n", "    index index.html;\n    server_name_in_redirect on;\n"),
                ("    server_name www.orchard.example;", "    server_name web.internal www.orchard.example;"),
            )
        },
        users("www: a directory without its slash"),
    ),
]

LOCATIONS = [
    Bad(
        "location-regex-steals-static",
        "location",
        "A regular expression for scripts wins over the prefix that has the files.",
        {
            _SHOP: swap(
                (
                    "    location /static/ {",
                    "    location ~ \\.(js|css)$ {\n        root /var/www/assets;\n    }\n\n    location /static/ {",
                )
            )
        },
        users("shop: script"),
    ),
    Bad(
        "location-regex-steals-api",
        "location",
        "'~ /orders' for the new order page is found in /api/orders as well.",
        {
            _SHOP: swap(
                (
                    "    location = /login {",
                    "    location ~ /orders {\n        proxy_pass http://storefront;\n    }\n\n    location = /login {",
                )
            )
        },
        users("shop: orders", "shop: one order"),
    ),
    Bad(
        "location-exact-for-prefix",
        "location",
        "An equals sign too many: only the directory itself is found.",
        {_SHOP: swap(("    location /api/ {", "    location = /api/ {"))},
        users("shop: orders", "shop: one order"),
    ),
    Bad(
        "location-root-exact",
        "location",
        "The front page is served, and nothing else.",
        {_SHOP: swap(("    location / {\n        proxy_pass", "    location = / {\n        proxy_pass"))},
        users("shop: arguments", "shop: the app knows the client"),
    ),
    Bad(
        "location-removed",
        "location",
        "A location that looks unused: the partners who use it are not asked.",
        {
            _SHOP: swap(
                (
                    "    location /api/ {\n        limit_req zone=api burst=100 nodelay;\n        proxy_pass http://orders/v1/;\n    }\n",
                    "",
                )
            )
        },
        users("shop: orders", "shop: one order"),
    ),
    Bad(
        "location-case",
        "location",
        "Capital letters in a prefix: nobody types them.",
        {_WWW: swap(("    location /press/ {", "    location /Press/ {"))},
        users("www: press kit"),
    ),
    Bad(
        "location-too-greedy",
        "location",
        "Without a slash the prefix also takes what only begins alike.",
        {
            _SHOP: swap(
                (
                    "    location = /login {",
                    "    location /l {\n        return 410;\n    }\n\n    location = /login {",
                )
            )
        },
        (Ask("shop: lemons", f"{SHOP}/lemons", body="storefront path=/lemons "),),
    ),
]

SCRIPTS = [
    Bad(
        "script-name-lost",
        "scripts",
        "The parameter that names the script is believed to be in fastcgi_params: pages are empty, with 200.",
        {_WIKI: swap(("        fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;\n", ""))},
        users("wiki: home", "wiki: a page"),
    ),
    Bad(
        "script-root-elsewhere",
        "scripts",
        "The script is looked for below the document root of another machine.",
        {_WIKI: swap(("SCRIPT_FILENAME $document_root$fastcgi", "SCRIPT_FILENAME /usr/share/wiki$fastcgi"))},
        users("wiki: home", "wiki: a page"),
    ),
    Bad(
        "script-socket-of-another-version",
        "scripts",
        "The socket carries the version of the next release in its name.",
        {_WIKI: swap(("unix:/run/orchard/php.sock", "unix:/run/orchard/php8.4.sock"))},
        users("wiki: home", "wiki: the script itself"),
    ),
    Bad(
        "script-arguments-lost",
        "scripts",
        "?$args goes, and with it what people asked the wiki for.",
        {_WIKI: swap(("/index.php?$args;", "/index.php;"))},
        users("wiki: a page"),
    ),
    Bad(
        "script-includes-after",
        "scripts",
        "The include of the parameters is lost: the wiki learns nothing about the request.",
        {_WIKI: swap(("        include fastcgi_params;\n", ""))},
        users("wiki: a page"),
    ),
    Bad(
        "script-front-controller-lost",
        "scripts",
        "Addresses that are no files get 404: all pages of the wiki but one.",
        {_WIKI: swap(("try_files $uri $uri/ /index.php?$args;", "try_files $uri $uri/ =404;"))},
        users("wiki: a page"),
    ),
]

CASES = [*FILES, *REDIRECTS, *LOCATIONS, *SCRIPTS]
