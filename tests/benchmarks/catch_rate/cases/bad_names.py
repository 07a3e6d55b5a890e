"""Who answers: server names, default servers, sockets that listen, files that are included."""

# ruff: noqa: E501, ISC004 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.case import Bad, Link, enabled, swap, users

_SHOP, _WWW, _INTRANET = "sites-available/shop", "sites-available/www", "sites-available/intranet"
_SHOP_TLS = "    listen 443 ssl http2;\n    listen [::]:443 ssl http2;\n    server_name shop.orchard.example;"
_SHOP_PLAIN = "    listen 80;\n    listen [::]:80;\n    server_name shop.orchard.example;"
_WWW_TLS = "    server_name www.orchard.example;"
_BOTH_NAMES = "    server_name orchard.example www.orchard.example;"


NAMES = [
    Bad(
        "name-typo",
        "server name",
        "The site's name is touched while the certificate lines are moved, and two letters change places.",
        {_SHOP: swap((_SHOP_TLS, _SHOP_TLS.replace("orchard", "orchrad")))},
        users("shop: home", "shop: orders"),
    ),
    Bad(
        "name-comma",
        "server name",
        "A second name is added the way other programs separate names.",
        {_WWW: swap((_BOTH_NAMES, "    server_name orchard.example, www.orchard.example;"))},
        users("www: short and plain"),
    ),
    Bad(
        "name-scheme",
        "server name",
        "The address is copied from the browser into server_name.",
        {_WWW: swap((_WWW_TLS, "    server_name https://www.orchard.example;"))},
        users("www: home", "www: prices"),
    ),
    Bad(
        "name-port",
        "server name",
        "The name is written with the port that people use.",
        {
            _INTRANET: swap(
                ("server_name intranet.orchard.example;", "server_name intranet.orchard.example:8080;")
            ),
            "sites-available/new": "server { listen 8080 default_server; server_name parking; return 404; }\n",
            enabled("new"): Link("/etc/nginx/sites-available/new"),
        },
        users("intranet: with a password", "intranet: ping"),
    ),
    Bad(
        "name-typographic-quotes",
        "server name",
        "The line comes out of a wiki page that had made the quotes pretty.",
        {_WWW: swap((_WWW_TLS, "    server_name “www.orchard.example”;"))},
        users("www: home"),
    ),
    Bad(
        "name-taken-twice",
        "server name",
        "A landing page is copied from the shop's file and keeps its name; the first one read wins.",
        {
            "conf.d/campaign.conf": "server {\n    listen 443 ssl http2;\n    server_name shop.orchard.example;\n"
            "    ssl_certificate     /etc/ssl/orchard/shop.crt;\n"
            "    ssl_certificate_key /etc/ssl/orchard/shop.key;\n"
            "    root /var/www/maintenance;\n}\n",
        },
        users("shop: home", "shop: orders"),
    ),
    Bad(
        "name-www-lost",
        "server name",
        "The site is to be called by its short name, which is redirected to the long one, which is nobody's now.",
        {_WWW: swap((_WWW_TLS, "    server_name orchard.example;"))},
        users("www: home"),
    ),
    Bad(
        "name-plain-half-forgotten",
        "server name",
        "Only the TLS half of the site keeps the short name.",
        {_WWW: swap((_BOTH_NAMES, "    server_name www.orchard.example;"))},
        users("www: short and plain"),
    ),
    Bad(
        "name-underscore",
        "server name",
        "The Debian sample's name is pasted over the wiki's.",
        {"sites-available/wiki": swap(("server_name wiki.orchard.example;", "server_name _;"))},
        users("wiki: home"),
    ),
    Bad(
        "default-moved-to-redirect",
        "default server",
        "A redirect for the old names is made the default of port 80, so strangers land on the site.",
        {
            "sites-available/00-default": swap(
                ("listen 80 default_server;", "listen 80;"),
                ("listen [::]:80 default_server;", "listen [::]:80;"),
            ),
            "sites-available/old": swap(("    listen 80;", "    listen 80 default_server;")),
        },
        users("nobody's name"),
    ),
    Bad(
        "default-file-removed",
        "default server",
        "The file nobody needs is cleared away; now the first site answers every name there is.",
        {enabled("00-default"): None},
        users("nobody's name"),
    ),
]

LISTENING = [
    Bad(
        "listen-loopback",
        "listening",
        "Tried on a laptop, committed as tried.",
        {
            _INTRANET: swap(
                (
                    "    listen 8080;\n    listen [::]:8080;",
                    "    listen 127.0.0.1:8888;\n    listen [::1]:8888;",
                )
            )
        },
        users("intranet: with a password", "intranet: ping"),
    ),
    Bad(
        "listen-wrong-port",
        "listening",
        "A digit changes in both lines.",
        {
            _INTRANET: swap(
                ("    listen 8080;\n    listen [::]:8080;", "    listen 8088;\n    listen [::]:8088;")
            )
        },
        users("intranet: with a password", "intranet: ping"),
    ),
    Bad(
        "listen-lines-lost",
        "listening",
        "Both lines go while the block is rearranged; nginx takes port 80 for that.",
        {_INTRANET: swap(("    listen 8080;\n    listen [::]:8080;\n", ""))},
        users("intranet: with a password", "intranet: ping"),
    ),
    Bad(
        "listen-ipv6-only",
        "listening",
        "IPv6 comes in; somebody believes that one line serves both.",
        {_INTRANET: swap(("    listen 8080;\n    listen [::]:8080;", "    listen [::]:8080;"))},
        users("intranet: ping"),
    ),
    Bad(
        "listen-tls-elsewhere",
        "listening",
        "The shop's TLS is moved to the port the load balancer test used.",
        {_SHOP: swap((_SHOP_TLS, _SHOP_TLS.replace("443", "4443")))},
        users("shop: home", "shop: websocket"),
    ),
    Bad(
        "listen-proxy-protocol",
        "listening",
        "proxy_protocol is switched on before the balancer in front of it speaks it.",
        {_SHOP: swap((_SHOP_TLS, _SHOP_TLS.replace("443 ssl http2", "443 ssl http2 proxy_protocol")))},
        users("shop: home", "www: home", "wiki: home"),
    ),
    Bad(
        "listen-tls-on-plain",
        "listening",
        "'ssl' ends up on the port that redirects.",
        {
            _SHOP: swap(
                (
                    _SHOP_PLAIN,
                    "    listen 80 ssl;\n    listen [::]:80;\n    server_name shop.orchard.example;\n"
                    "    ssl_certificate     /etc/ssl/orchard/shop.crt;\n"
                    "    ssl_certificate_key /etc/ssl/orchard/shop.key;",
                )
            ),
            "sites-available/00-default": swap(
                (
                    "    listen 80 default_server;",
                    "    ssl_certificate     /etc/ssl/orchard/fallback.crt;\n"
                    "    ssl_certificate_key /etc/ssl/orchard/fallback.key;\n    listen 80 default_server;",
                )
            ),
        },
        users("shop: plain to TLS", "www: plain to TLS", "old: home"),
    ),
    Bad(
        "listen-plain-on-tls",
        "listening",
        "A new site takes port 443 of one address without TLS, and takes it from everybody there.",
        {
            _SHOP: swap((_SHOP_TLS, _SHOP_TLS.replace(" ssl http2", ""))),
            _WWW: swap(
                (
                    "    listen 443 ssl http2;\n    listen [::]:443 ssl http2;\n    server_name orchard.example;",
                    "    listen 443;\n    listen [::]:443;\n    server_name orchard.example;",
                ),
                (
                    "    listen 443 ssl http2;\n    listen [::]:443 ssl http2;\n" + _WWW_TLS,
                    "    listen 443;\n    listen [::]:443;\n" + _WWW_TLS,
                ),
            ),
            "sites-available/wiki": swap(
                (
                    "    listen 443 ssl http2;\n    listen [::]:443 ssl http2;",
                    "    listen 443;\n    listen [::]:443;",
                )
            ),
            "sites-available/00-default": swap(
                (
                    "    listen 443 ssl http2 default_server;\n    listen [::]:443 ssl http2 default_server;",
                    "    listen 443 default_server;\n    listen [::]:443 default_server;",
                )
            ),
        },
        users("shop: home", "www: home", "wiki: home"),
    ),
]

INCLUDES = [
    Bad(
        "include-glob-matches-nothing",
        "include",
        "Only *.conf is included from now on, as elsewhere; no site's file is called so.",
        {
            "nginx.conf": swap(
                ("include /etc/nginx/sites-enabled/*;", "include /etc/nginx/sites-enabled/*.conf;")
            )
        },
        users("www: home", "shop: home", "intranet: ping", "old: home"),
    ),
    Bad(
        "include-wrong-directory",
        "include",
        "The sites' directory is renamed in the main file but not on disk.",
        {"nginx.conf": swap(("sites-enabled/*;", "sites/*;"))},
        users("www: home", "shop: home"),
    ),
    Bad(
        "include-commented-out",
        "include",
        "Switched off to find another mistake, never switched on again.",
        {
            "nginx.conf": swap(
                ("    include /etc/nginx/sites-enabled/*;", "    # include /etc/nginx/sites-enabled/*;")
            )
        },
        users("www: home", "shop: home"),
    ),
    Bad(
        "include-link-not-committed",
        "include",
        "The link that enables the wiki gets lost in a merge.",
        {enabled("wiki"): None},
        users("wiki: home", "wiki: a page"),
    ),
    Bad(
        "include-site-emptied",
        "include",
        "A merge conflict is solved by taking neither side.",
        {"sites-available/old": "# old.orchard.example\n"},
        users("old: home", "old: a page that moved"),
    ),
    Bad(
        "include-headers-lost",
        "include",
        "The line that includes the security headers is taken for a duplicate.",
        {_SHOP: swap(("    include snippets/security-headers.conf;\n", ""))},
        users("shop: home"),
    ),
    Bad(
        "include-proxy-headers-lost",
        "include",
        "The proxy headers are to be said once for all sites, and the one place is forgotten.",
        {_SHOP: swap(("    include snippets/proxy-headers.conf;\n", ""))},
        users("shop: home", "shop: account"),
    ),
    Bad(
        "include-acme-lost",
        "include",
        "Without it, certificates quietly stop being renewed: the challenge is redirected to a site that lacks it.",
        {_SHOP: swap(("    include snippets/acme.conf;\n\n", ""))},
        users("shop: certificate renewal"),
    ),
    Bad(
        "include-snippet-glob",
        "include",
        "Snippets are included by a pattern, which is off by one letter and matches nothing.",
        {
            _WWW: swap(
                (
                    "    include snippets/security-headers.conf;",
                    "    include /etc/nginx/snippets/*-header.conf;",
                )
            )
        },
        users("www: home", "www: style sheet's headers"),
    ),
    Bad(
        "include-types-lost",
        "include",
        "mime.types goes with the comment above it; browsers download what they used to show.",
        {"nginx.conf": swap(("    include       /etc/nginx/mime.types;\n", ""))},
        users("www: style sheet", "shop: script"),
    ),
]

CASES = [*NAMES, *LISTENING, *INCLUDES]
