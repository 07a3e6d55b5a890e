"""Changes that have to go through: the same in another shape."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from pathlib import Path

from tests.benchmarks.catch_rate.case import Copy, Good, swap
from tests.benchmarks.catch_rate.kiln.users import users

_MAIN, _MAPS, _UP, _DOORS = (
    "nginx.conf",
    "conf.d/00-maps.conf",
    "conf.d/05-upstreams.conf",
    "conf.d/10-doors.conf",
)
_SHOP, _API, _MEDIA = "conf.d/20-shop.conf", "conf.d/30-api.conf", "conf.d/40-media.conf"
_STUDIO, _POTTERS, _CLASSIC = "conf.d/50-studio.conf", "conf.d/60-potters.conf", "conf.d/70-classic.conf"


def _text(name: str) -> str:
    return (Path(__file__).parent / "nginx" / name).read_text()


_HOOKS = (
    _text(_API).partition("    # Payments are")[2].partition("    location @slower")[0].partition("\n")[2]
)
_REPORTS = "    location /reports/ {\n        include snippets/proxy.conf;\n        proxy_read_timeout 300s;\n        proxy_pass http://api;\n    }\n\n"
_GEO = _text(_MAPS).partition("# --- where somebody is\n\n")[2].partition("# --- limits")[0]
_ACME = "    include snippets/acme.conf;\n"
_KEPT = "        include snippets/headers.conf;\n        expires $ttl;\n"

NAMED = [
    Good(
        "named-snippet",
        "refactoring",
        "A snippet is called by what it does.",
        {
            "snippets/acme.conf": None,
            "snippets/renewal.conf": Copy("snippets/acme.conf"),
            _DOORS: swap((_ACME, "    include snippets/renewal.conf;\n")),
        },
    ),
    Good(
        "named-pool",
        "refactoring",
        "A pool is called by what it is.",
        {
            _UP: swap(("upstream events {", "upstream news {")),
            _API: swap(("proxy_pass http://events;", "proxy_pass http://news;")),
        },
    ),
    Good(
        "named-pool-by-variables",
        "refactoring",
        "So is the one whose address holds variables; both places are changed.",
        {
            _UP: swap(("upstream thumbs {", "upstream resizer {")),
            _MEDIA: swap(("http://thumbs/resize", "http://resizer/resize")),
        },
    ),
    Good(
        "named-file",
        "refactoring",
        "The old site's file gets a number further up.",
        {_CLASSIC: None, "conf.d/35-classic.conf": Copy(_CLASSIC)},
    ),
    Good(
        "named-capture",
        "refactoring",
        "Potters are makers from now on, in all three places.",
        {
            _POTTERS: _text(_POTTERS)
            .replace("(?<potter>", "(?<maker>")
            .replace("$potter_moved", "$maker_moved")
            .replace("$potter;", "$maker;"),
            _MAPS: swap(("map $potter $potter_moved {", "map $maker $maker_moved {")),
        },
    ),
    Good(
        "named-passwords",
        "refactoring",
        "The file of passwords moves, and everybody who reads it.",
        {
            "htpasswd/staff": None,
            "htpasswd/people": Copy("htpasswd/staff"),
            _SHOP: swap(("htpasswd/staff", "htpasswd/people")),
            _STUDIO: swap(("htpasswd/staff", "htpasswd/people")),
        },
    ),
]

MOVED = [
    Good(
        "moved-kept-files",
        "refactoring",
        "What four places say of files that are kept becomes a snippet.",
        {
            "snippets/kept.conf": "include snippets/headers.conf;\nexpires $ttl;\n",
            _SHOP: swap((_KEPT, "        include snippets/kept.conf;\n")),
            _POTTERS: swap((_KEPT, "        include snippets/kept.conf;\n")),
            _MEDIA: swap((_KEPT, "        include snippets/kept.conf;\n")),
        },
    ),
    Good(
        "moved-hooks",
        "refactoring",
        "The hooks have a file of their own.",
        {
            _API: swap((_HOOKS, "    include snippets/hooks.conf;\n\n")),
            "snippets/hooks.conf": _HOOKS,
        },
    ),
    Good(
        "moved-places",
        "refactoring",
        "Where somebody is has a file of its own.",
        {_MAPS: swap((_GEO, "# see 01-places.conf\n\n")), "conf.d/01-places.conf": _GEO},
    ),
    Good(
        "moved-renewal-inline",
        "refactoring",
        "A snippet with one user is written where it is used.",
        {
            "snippets/acme.conf": None,
            _DOORS: swap(
                (
                    _ACME,
                    "\n    location ^~ /.well-known/acme-challenge/ {\n        default_type text/plain;\n        root /srv/acme;\n    }\n",
                )
            ),
        },
    ),
    Good(
        "moved-locations",
        "refactoring",
        "Plain prefixes change places; the longest wins wherever it stands.",
        {_API: swap((_REPORTS, ""), ("    location @slower {", _REPORTS + "    location @slower {"))},
    ),
    Good(
        "moved-api-headers-above",
        "refactoring",
        "Includes become one at the server's level, where no location sets a header of its own to the API; the websocket keeps its include.",
        {
            _API: swap(
                (
                    "    error_page 429 @slower;",
                    "    include snippets/proxy.conf;\n\n    error_page 429 @slower;",
                ),
                (
                    "    location = /events {\n        include snippets/proxy.conf;\n",
                    "    location = /events {\n",
                ),
                (
                    "        }\n        include snippets/proxy.conf;\n        proxy_pass http://hooks;",
                    "        }\n        proxy_pass http://hooks;",
                ),
                (
                    "    location /reports/ {\n        include snippets/proxy.conf;\n",
                    "    location /reports/ {\n",
                ),
            )
        },
    ),
]

SAID = [
    Good(
        "said-with-tabs",
        "reformatted",
        "Tabs, in one file to begin with.",
        {_MEDIA: _text(_MEDIA).replace("    ", "\t")},
    ),
    Good(
        "said-on-fewer-lines",
        "reformatted",
        "Short blocks on one line, and no lines between.",
        {
            _DOORS: _text(_DOORS)
            .replace("{\n    listen", "{ listen")
            .replace("{\n        return 404;\n    }", "{ return 404; }")
            .replace("\n\n    ", "\n    ")
        },
    ),
    Good(
        "said-with-remarks",
        "reformatted",
        "What everybody asks is answered by remarks.",
        {
            _MAIN: swap(
                (
                    "    open_file_cache          max",
                    "    # How long files that are gone may still be sent: see open_file_cache_valid { 2s; }\n    open_file_cache          max",
                ),
                (
                    "    real_ip_recursive on;",
                    "    real_ip_recursive on;   # through both balancers; deny all; would be wrong here",
                ),
            )
        },
    ),
    Good(
        "said-in-full",
        "reformatted",
        "Includes with their whole path.",
        {
            name: _text(name).replace("include snippets/", "include /etc/nginx/snippets/")
            for name in (_SHOP, _STUDIO)
        },
    ),
    Good(
        "said-two-names",
        "refactoring",
        "The dot at the beginning is written as what it means.",
        {_DOORS: swap(("server_name .kiln.example;", "server_name kiln.example *.kiln.example;"))},
    ),
    Good(
        "said-as-location",
        "refactoring",
        "A rewrite becomes a location that returns.",
        {
            _SHOP: swap(
                ("    rewrite ^/shop/item-(\\d+)\\.html$  /glazes/$1 permanent;\n", ""),
                (
                    "    location = /login {",
                    "    location ~ ^/shop/item-(?<item>\\d+)\\.html$ {\n        return 301 /glazes/$item;\n    }\n\n    location = /login {",
                ),
            )
        },
    ),
    Good(
        "said-as-condition",
        "refactoring",
        "Methods are refused by an if that returns, which is one of the two things an if is good for.",
        {
            _API: swap(
                (
                    "        limit_except POST {\n            deny all;\n        }\n",
                    "        if ($request_method != POST) {\n            return 403;\n        }\n",
                )
            )
        },
    ),
    Good(
        "said-by-root",
        "moved files",
        "An alias that ends as the location does is a root.",
        {_MEDIA: swap(("        alias /srv/downloads/;\n", "        root /srv;\n"))},
    ),
    Good(
        "said-by-alias",
        "moved files",
        "A root for one location becomes an alias.",
        {_MEDIA: swap(("        root /mnt/photos;\n", "        alias /mnt/photos/raw/;\n"))},
    ),
    Good(
        "said-by-variable",
        "moved upstream",
        "The pool is named by a variable, without a path, so that the address stays as it was asked.",
        {
            _API: swap(
                (
                    "http_503;\n        proxy_pass http://api;",
                    "http_503;\n        set $pool api;\n        proxy_pass http://$pool;",
                )
            )
        },
    ),
    Good(
        "said-superfluous",
        "removed",
        "Who may ping is decided by 'return', before anybody is asked for a password.",
        {_STUDIO: swap(("        allow all;\n        auth_basic off;\n", ""))},
        users("studio: ping"),
    ),
    Good(
        "said-pattern-from-the-start",
        "refactoring",
        "Patterns of scripts and pictures are made stricter, and hold the same.",
        {
            _SHOP: swap(("    location ~ \\.php(?:/|$) {", "    location ~ ^/[^.]+\\.php(?:/|$) {")),
            _POTTERS: swap(("\\.(?:css|svg)$ {", "\\.(css|svg)$ {")),
        },
    ),
]

CASES = [*NAMED, *MOVED, *SAID]
