"""Bad changes written last, by someone who looked at the base and not at the rules."""

# ruff: noqa: E501, ISC004 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Bad, swap, users
from tests.benchmarks.catch_rate.users import SHOP, WWW

_SHOP, _WWW, _WIKI = "sites-available/shop", "sites-available/www", "sites-available/wiki"
_NGINX, _REAL = "nginx.conf", "conf.d/real.conf"
_ROOT = "    location / {\n        proxy_pass http://storefront;\n    }"
_FILES = "    location / {\n        try_files $uri $uri/ =404;\n    }"
_CLOSED = "    if ($closed) {"
_DOCUMENT = "    root  /var/www/orchard;\n"


def _in_shop_root(line: str) -> str:
    return _ROOT.replace("        proxy_pass", f"        {line}\n        proxy_pass")


CASES = [
    Bad(
        "rate-of-one-byte",
        "limits",
        "Downloads are to have a megabyte a second; the letter is lost, and everybody has a byte.",
        {_SHOP: swap((_ROOT, _in_shop_root("limit_rate 1;")))},
        users("shop: home"),
    ),
    Bad(
        "files-limit-of-a-test",
        "limits",
        "A limit on open files, left from a test of the alarms.",
        {_NGINX: swap(("worker_processes 2;", "worker_processes 2;\nworker_rlimit_nofile 20;"))},
        users("www: a page", "shop: home"),
    ),
    Bad(
        "connections-too-few",
        "limits",
        "Fewer connections, to save memory; the listening sockets take most of them.",
        {_NGINX: swap(("worker_connections 1024;", "worker_connections 9;"))},
        users("shop: home"),
    ),
    Bad(
        "source-address-of-another-host",
        "upstream",
        "Requests to the app come from a fixed address, which is another host's.",
        {_SHOP: swap((_ROOT, _in_shop_root("proxy_bind 10.77.0.12;")))},
        users("shop: home"),
    ),
    Bad(
        "listing-for-a-page",
        "files",
        "A start page under another name, and lists of files switched on: the list is what people see.",
        {
            _WWW: swap(
                (
                    _FILES,
                    _FILES
                    + "\n\n    location /products/ {\n        index start.html;\n        autoindex on;\n    }",
                )
            )
        },
        users("www: a directory"),
    ),
    Bad(
        "endings-for-everything",
        "files",
        "Pages without their ending; those with it, and all other files, are forgotten.",
        {_WWW: swap((_FILES, _FILES.replace("$uri $uri/", "$uri.html $uri/index.html")))},
        users("www: a page"),
    ),
    Bad(
        "slash-taken-and-given-back",
        "redirect",
        "Addresses without a slash at the end look better; nginx puts it back, and so on.",
        {_WWW: swap((_DOCUMENT, _DOCUMENT + "    rewrite ^/(.+)/$ /$1 permanent;\n"))},
        users("www: a directory"),
    ),
    Bad(
        "prefix-that-stops-expressions",
        "location",
        "^~ makes it faster, says a page on the net; no expression is looked at any more.",
        {_WWW: swap(("    location / {\n        try_files", "    location ^~ / {\n        try_files"))},
        users("www: style sheet's headers", "www: hidden files stay hidden"),
    ),
    Bad(
        "source-of-the-wiki",
        "access opened",
        "The same on the wiki, where it hands out the scripts themselves.",
        {_WIKI: swap(("    location / {\n        try_files", "    location ^~ / {\n        try_files"))},
        users("wiki: the script itself"),
    ),
    Bad(
        "forged-address",
        "access opened",
        "The client's address is taken from a header, which anybody may send.",
        {_REAL: "set_real_ip_from 0.0.0.0/0;\nreal_ip_header X-Forwarded-For;\n"},
        (
            Ask(
                "shop: back office, by lying",
                f"{SHOP}/admin/users",
                403,
                send={"X-Forwarded-For": "10.20.0.7"},
            ),
        ),
    ),
    Bad(
        "host-check-typo",
        "access closed",
        "Only our own name is answered; it is misspelt.",
        {
            _WIKI: swap(
                (
                    "    root  /srv/wiki;",
                    "    if ($host != wiki.orchrad.example) {\n        return 444;\n    }\n\n    root  /srv/wiki;",
                )
            )
        },
        users("wiki: home"),
    ),
    Bad(
        "copied-canonical-name",
        "redirect",
        "Copied from the other site: whoever is not at www is sent there.",
        {
            _SHOP: swap(
                (
                    _CLOSED,
                    "    if ($host != www.orchard.example) {\n"
                    "        return 301 https://www.orchard.example$request_uri;\n    }\n\n" + _CLOSED,
                )
            )
        },
        users("shop: home", "shop: orders"),
    ),
    Bad(
        "consent-page-that-is-not-there",
        "redirect",
        "Who has not agreed is asked to; the page with the question is not there yet.",
        {
            _WWW: swap(
                (
                    _DOCUMENT,
                    _DOCUMENT + '    if ($cookie_consent = "") {\n        return 302 /consent.html;\n    }\n',
                )
            )
        },
        users("www: home", "www: a page"),
    ),
    Bad(
        "phones-to-a-site-that-is-gone",
        "redirect",
        "Phones are sent to the site for phones, which has been gone for years.",
        {
            _WWW: swap(
                (
                    _DOCUMENT,
                    _DOCUMENT
                    + "    if ($http_user_agent ~* (iphone|android)) {\n"
                    + "        return 302 https://mobile.orchard.example$request_uri;\n    }\n",
                )
            )
        },
        (
            Ask(
                "www: home on a phone",
                f"{WWW}/",
                body="since 1911",
                send={"User-Agent": "Mozilla/5.0 (iPhone)"},
            ),
        ),
    ),
    Bad(
        "arguments-with-a-space-refused",
        "access closed",
        "Against injected SQL: no spaces in arguments. People search for two words.",
        {
            _SHOP: swap(
                (
                    _CLOSED,
                    '    if ($args ~* "(%20|union|select)") {\n        return 403;\n    }\n\n' + _CLOSED,
                )
            )
        },
        users("shop: arguments"),
    ),
    Bad(
        "split-without-the-rest",
        "upstream",
        "A tenth to one pool and forty percent to the other; nobody said where the rest goes.",
        {
            "conf.d/split.conf": "split_clients $remote_addr$uri $pool {\n    10%  orders;\n    40%  storefront;\n}\n",
            _SHOP: swap((_ROOT, _ROOT.replace("http://storefront", "http://$pool"))),
        },
        tuple(Ask(f"shop: page {n}", f"{SHOP}/page/{n}", body="storefront") for n in range(20)),
    ),
    Bad(
        "rewritten-with-the-files",
        "scripts",
        "Every address becomes an argument of the script, those of files too.",
        {
            _WIKI: swap(
                (
                    "    index index.php;",
                    "    index index.php;\n    rewrite ^/(.*)$ /index.php?title=$1 last;",
                )
            )
        },
        users("wiki: a file"),
    ),
    Bad(
        "script-sees-itself",
        "scripts",
        "The script is told its own address in place of the one that was asked for.",
        {
            _WIKI: swap(
                (
                    "        include fastcgi_params;",
                    "        include fastcgi_params;\n        fastcgi_param REQUEST_URI $uri;",
                )
            )
        },
        users("wiki: a page"),
    ),
    Bad(
        "cookies-hidden",
        "answer headers",
        "Less for the cache to stumble over: the app's cookies do not come through.",
        {
            _SHOP: swap(
                (
                    "        proxy_buffer_size 16k;",
                    "        proxy_hide_header Set-Cookie;\n        proxy_buffer_size 16k;",
                )
            )
        },
        (
            Ask(
                "shop: account's cookie",
                f"{SHOP}/account/",
                body="storefront",
                headers={"Set-Cookie": "basket="},
            ),
        ),
    ),
    Bad(
        "cookies-for-another-path",
        "answer headers",
        "The cookies' path is rewritten for an app that lived elsewhere.",
        {
            _SHOP: swap(
                (
                    "        proxy_buffer_size 16k;",
                    "        proxy_cookie_path /account/ /konto/;\n        proxy_buffer_size 16k;",
                )
            )
        },
        (Ask("shop: account's cookie", f"{SHOP}/account/", headers={"Set-Cookie": "Path=/account/"}),),
    ),
    Bad(
        "pages-kept-for-ten-years",
        "cache",
        "What was meant for pictures says of every page that it never changes.",
        {
            _WWW: swap(
                (_FILES, _FILES.replace("        try_files", "        expires max;\n        try_files"))
            )
        },
        (
            Ask(
                "www: a page that may change",
                f"{WWW}/contact.html",
                body="Contact us",
                without=("max-age=315360000",),
            ),
        ),
    ),
    Bad(
        "policy-that-allows-nothing",
        "answer headers",
        "A content security policy, copied from an API: no browser loads the style sheet any more.",
        {
            "snippets/security-headers.conf": swap(
                (
                    'add_header X-Frame-Options           "DENY"             always;',
                    'add_header X-Frame-Options           "DENY"             always;\n'
                    "add_header Content-Security-Policy   \"default-src 'none'\" always;",
                )
            )
        },
        (Ask("www: home with its style", f"{WWW}/", body="since 1911", without=("default-src 'none'",)),),
    ),
    Bad(
        "charset-of-yesterday",
        "answer headers",
        "All pages are said to be in the alphabet of an older machine; they are in UTF-8.",
        {_WWW: swap((_DOCUMENT, _DOCUMENT + "    charset utf-16;\n"))},
        (Ask("www: home, readable", f"{WWW}/", body="since 1911", without=("utf-16",)),),
    ),
    Bad(
        "uploads-without-their-body",
        "path to the upstream",
        "The body is not sent on, as the audit asked for another location.",
        {
            _SHOP: swap(
                (
                    "        client_max_body_size 20m;",
                    "        client_max_body_size 20m;\n        proxy_pass_request_body off;",
                )
            )
        },
        users("shop: a picture sent"),
    ),
    Bad(
        "secret-page-for-everybody",
        "access opened",
        "The network of the staff is written too wide.",
        {_SHOP: swap(("        allow 10.20.0.0/16;", "        allow 0.0.0.0/0;"))},
        users("shop: back office stays closed"),
    ),
    Bad(
        "certificates-renewal-redirected",
        "include",
        "A redirect for the whole server stands above the place where certificates are renewed.",
        {
            _SHOP: swap(
                (
                    "    include snippets/acme.conf;\n\n    location / {\n        return 301 https://$host$request_uri;\n    }",
                    "    include snippets/acme.conf;\n\n    return 301 https://$host$request_uri;",
                )
            )
        },
        users("shop: certificate renewal"),
    ),
]
