"""Good changes written last, by someone who looked at the base and not at the rules."""

# ruff: noqa: E501, ISC004 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Good, swap, users
from tests.benchmarks.catch_rate.users import SECURE, SHOP, WWW

_SHOP, _WWW, _WIKI = "sites-available/shop", "sites-available/www", "sites-available/wiki"
_NGINX, _UPSTREAMS = "nginx.conf", "conf.d/upstreams.conf"
_ROOT = "    location / {\n        proxy_pass http://storefront;\n    }"
_FILES = "    location / {\n        try_files $uri $uri/ =404;\n    }"
_CLOSED = "    if ($closed) {"

CASES = [
    Good(
        "robots-file",
        "new location",
        "What robots may read, said by nginx itself.",
        {
            _WWW: swap(
                (
                    _FILES,
                    _FILES
                    + '\n\n    location = /robots.txt {\n        default_type text/plain;\n        return 200 "User-agent: *\\nDisallow: /buy/\\n";\n    }',
                )
            )
        },
        (Ask("www: robots", f"{WWW}/robots.txt", body="Disallow: /buy/", headers=SECURE),),
    ),
    Good(
        "scripts-nobody-has",
        "new location",
        "What attackers look for on every site is answered shortly.",
        {
            _WWW: swap(
                (
                    _FILES,
                    _FILES
                    + "\n\n    location ~ ^/(?:wp-login|xmlrpc)\\.php$ {\n        access_log off;\n        return 404;\n    }",
                )
            )
        },
        users("www: home"),
    ),
    Good(
        "injections-refused",
        "limits",
        "The crudest attempts at injected SQL are refused.",
        {
            _SHOP: swap(
                (
                    _CLOSED,
                    '    if ($args ~* "union[^a-z]+select") {\n        return 403;\n    }\n\n' + _CLOSED,
                )
            )
        },
        users("shop: arguments"),
    ),
    Good(
        "robots-that-copy",
        "limits",
        "Two robots that copy everything are sent away.",
        {
            _SHOP: swap(
                (
                    _CLOSED,
                    "    if ($http_user_agent ~* (semrush|ahrefs)) {\n        return 403;\n    }\n\n"
                    + _CLOSED,
                )
            )
        },
        users("shop: home"),
    ),
    Good(
        "address-from-our-balancer",
        "tuning",
        "The client's address comes from the balancer, and from nobody else.",
        {
            "conf.d/real.conf": "set_real_ip_from 10.20.0.0/24;\nreal_ip_header X-Forwarded-For;\nreal_ip_recursive on;\n"
        },
        users("shop: the app knows the client"),
    ),
    Good(
        "rate-for-downloads",
        "limits",
        "The press kit is big; nobody needs all of the line for it.",
        {
            _WWW: swap(
                (
                    "        alias /srv/press/;",
                    "        alias /srv/press/;\n        limit_rate_after 1m;\n        limit_rate 500k;",
                )
            )
        },
        users("www: press kit"),
    ),
    Good(
        "more-files-and-connections",
        "tuning",
        "Room for more visitors.",
        {
            _NGINX: swap(
                ("worker_processes 2;", "worker_processes 2;\nworker_rlimit_nofile 65535;"),
                ("worker_connections 1024;", "worker_connections 4096;\n    multi_accept on;"),
            )
        },
        users("www: home"),
    ),
    Good(
        "upstream-patience",
        "upstream changed",
        "A server that failed is left alone for a while; a third one stands by.",
        {
            _UPSTREAMS: swap(
                (
                    "    server 127.0.0.1:9002;",
                    "    server 127.0.0.1:9002 max_fails=3 fail_timeout=5s;\n    server 127.0.0.1:9003 backup;",
                )
            )
        },
        users("shop: home"),
    ),
    Good(
        "try-the-next-one",
        "tuning",
        "Another server is tried, twice and for three seconds at most.",
        {
            _SHOP: swap(
                (
                    _ROOT,
                    _ROOT.replace(
                        "        proxy_pass",
                        "        proxy_next_upstream error timeout http_502;\n        proxy_next_upstream_tries 2;\n        proxy_next_upstream_timeout 3s;\n        proxy_pass",
                    ),
                )
            )
        },
        users("shop: home"),
    ),
    Good(
        "account-asks-first",
        "new location",
        "The account pages ask the storefront whether they may be shown.",
        {
            _SHOP: swap(
                (
                    "    location /account/ {\n",
                    "    location = /may-i {\n        internal;\n        proxy_pass http://storefront;\n"
                    '        proxy_pass_request_body off;\n        proxy_set_header Content-Length "";\n'
                    "        proxy_set_header Host $host;\n        proxy_set_header X-Forwarded-Proto $scheme;\n    }\n\n"
                    "    location /account/ {\n        auth_request /may-i;\n",
                )
            )
        },
        users("shop: account"),
    ),
    Good(
        "policy-that-fits",
        "headers",
        "A content security policy that allows what the pages load, and one that only reports.",
        {
            "snippets/security-headers.conf": swap(
                (
                    'add_header X-Frame-Options           "DENY"             always;',
                    'add_header X-Frame-Options           "DENY"             always;\n'
                    "add_header Content-Security-Policy   \"default-src 'self'\" always;\n"
                    "add_header Content-Security-Policy-Report-Only \"default-src 'none'; report-uri /csp\" always;",
                )
            )
        },
        (Ask("www: home with a policy", f"{WWW}/", headers={"Content-Security-Policy": "self", **SECURE}),),
    ),
    Good(
        "charset-said",
        "headers",
        "Pages say that they are in UTF-8.",
        {
            _NGINX: swap(
                (
                    "    server_tokens       off;",
                    "    server_tokens       off;\n    charset             utf-8;",
                )
            )
        },
        (Ask("www: home in UTF-8", f"{WWW}/", headers={"Content-Type": "charset=utf-8"}),),
    ),
    Good(
        "pages-kept-for-an-hour",
        "headers",
        "Pages may be kept for an hour.",
        {_WWW: swap((_FILES, _FILES.replace("        try_files", "        expires 1h;\n        try_files")))},
        (Ask("www: a page for an hour", f"{WWW}/contact.html", headers={"Cache-Control": "max-age=3600"}),),
    ),
    Good(
        "packed-already",
        "tuning",
        "Files that lie there packed are sent so.",
        {_NGINX: swap(("    gzip       on;", "    gzip       on;\n    gzip_static on;\n    gzip_vary  on;"))},
        users("www: style sheet"),
    ),
    Good(
        "pages-in-two-languages",
        "refactoring",
        "Pages in the reader's language where there are any, else those that there are.",
        {
            "conf.d/languages.conf": "map $http_accept_language $language {\n    default en;\n    ~*^fr   fr;\n}\n",
            _WWW: swap((_FILES, _FILES.replace("$uri $uri/", "/$language$uri $uri $uri/"))),
        },
        users("www: home", "www: a page"),
    ),
    Good(
        "source-address-that-is-ours",
        "upstream changed",
        "Requests to the app come from a fixed address of this host.",
        {
            _SHOP: swap(
                (
                    _ROOT,
                    _ROOT.replace("        proxy_pass", "        proxy_bind 127.0.0.1;\n        proxy_pass"),
                )
            )
        },
        users("shop: home"),
    ),
    Good(
        "icons-not-logged",
        "tuning",
        "Nobody reads in the log who fetched the icon.",
        {
            _WWW: swap(
                (
                    _FILES,
                    _FILES
                    + "\n\n    location = /favicon.ico {\n        log_not_found off;\n        access_log    off;\n    }",
                )
            )
        },
        users("www: home"),
    ),
    Good(
        "status-on-another-address",
        "new site",
        "The monitoring asks on an address of its own.",
        {
            "conf.d/status.conf": "server {\n    listen 127.0.0.1:8099;\n    location = /healthy {\n        access_log off;\n        return 204;\n    }\n    location / {\n        return 404;\n    }\n}\n"
        },
        users("intranet: ping"),
    ),
    Good(
        "old-protocol-switched-off",
        "TLS",
        "HTTP/2 only where it is wanted, tickets off, the order of ciphers left to clients.",
        {
            "conf.d/tls.conf": swap(
                (
                    "ssl_session_timeout 1h;",
                    "ssl_session_timeout 1h;\nssl_session_tickets off;\nssl_prefer_server_ciphers off;",
                )
            )
        },
        users("www: home"),
    ),
    Good(
        "cookies-marked",
        "headers",
        "Cookies of the account pages are marked for this site and for TLS only.",
        {
            _SHOP: swap(
                (
                    "        proxy_buffer_size 16k;",
                    "        proxy_cookie_flags ~ secure httponly samesite=lax;\n        proxy_buffer_size 16k;",
                )
            )
        },
        (Ask("shop: account's cookie", f"{SHOP}/account/", headers={"Set-Cookie": "(?i)secure"}),),
    ),
]
