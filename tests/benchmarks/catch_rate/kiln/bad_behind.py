"""What is behind and how it is met: pools, what is passed on, what is rewritten, what is kept."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Bad, swap
from tests.benchmarks.catch_rate.kiln.users import API, users

_MAPS, _UP = "conf.d/00-maps.conf", "conf.d/05-upstreams.conf"
_SHOP, _API, _MEDIA, _STUDIO = (
    "conf.d/20-shop.conf",
    "conf.d/30-api.conf",
    "conf.d/40-media.conf",
    "conf.d/50-studio.conf",
)
_PROXY = "snippets/proxy.conf"
_EVERY = "        proxy_next_upstream error timeout http_503;\n        proxy_pass http://api;"

POOLS = [
    Bad(
        "pool-renamed-half",
        "pools",
        "The pool gets a better name; the address that names it has variables, so nginx only looks when somebody asks.",
        {_UP: swap(("upstream thumbs {", "upstream resizer {"))},
        users("media: a thumbnail"),
    ),
    Bad(
        "pool-copied",
        "pools",
        "Copied from the block above, with its port.",
        {_UP: swap(("    server 127.0.0.1:8640;", "    server 127.0.0.1:8630;"))},
        users("studio: with a password"),
    ),
    Bad(
        "pool-asked-once",
        "pools",
        "'Never ask twice' is good for payments, says a post; it is set for all, and one process is still warming up.",
        {_API: swap(("proxy_next_upstream error timeout http_503;", "proxy_next_upstream off;"))},
        users("api: quotes"),
    ),
    Bad(
        "pool-by-variable",
        "pools",
        "The pool is to be switched by a variable, and with a variable the whole address has to be said: this one has no arguments.",
        {
            _API: swap(
                (
                    _EVERY,
                    _EVERY.replace(
                        "proxy_pass http://api;", "set $pool api;\n        proxy_pass http://$pool$uri;"
                    ),
                )
            )
        },
        users("api: a thing"),
    ),
    Bad(
        "pool-by-name",
        "pools",
        "The hooks go by a name from now on; nobody tells nginx whom to ask for names.",
        {
            _API: swap(
                (
                    "        proxy_pass http://hooks;",
                    "        set $hooks hooks.kiln.internal;\n        proxy_pass http://$hooks:8650;",
                )
            )
        },
        users("api: a payment announced"),
    ),
    Bad(
        "pool-port-of-the-test",
        "pools",
        "The port of the machine on the desk.",
        {_UP: swap(("    server 127.0.0.1:8650;", "    server 127.0.0.1:3000;"))},
        users("api: a payment announced"),
    ),
    Bad(
        "pool-vault-renamed",
        "pools",
        "Inner places get another prefix; the studio goes on naming the old one.",
        {_STUDIO: swap(("    location /_vault/ {", "    location /-/vault/ {"))},
        users("studio: a design"),
    ),
]

PASSED = [
    Bad(
        "passed-from-above",
        "passed on",
        "Five includes become one at the server's level; the websocket sets two headers and so loses all the others.",
        {
            _API: swap(
                (
                    "    error_page 429 @slower;",
                    "    include snippets/proxy.conf;\n\n    error_page 429 @slower;",
                ),
                (
                    "    location = /live {\n        include snippets/proxy.conf;\n",
                    "    location = /live {\n",
                ),
            )
        },
        users("api: websocket"),
    ),
    Bad(
        "passed-name-of-the-pool",
        "passed on",
        "$proxy_host 'is what we connect to'; the API is asked for a name that is not its own.",
        {_PROXY: swap(("Host              $host;", "Host              $proxy_host;"))},
        users("api: a thing", "api: stock"),
    ),
    Bad(
        "passed-scheme-of-the-balancer",
        "passed on",
        "Behind a balancer one takes over what it says; ours says nothing of the scheme, and the API sends people in circles.",
        {_PROXY: swap(("X-Forwarded-Proto $scheme;", "X-Forwarded-Proto $http_x_forwarded_proto;"))},
        users("api: a thing", "api: stock"),
    ),
    Bad(
        "passed-address-of-the-balancer",
        "passed on",
        "'The real address', by the name of the variable. It is that of the balancer.",
        {_PROXY: swap(("X-Real-IP         $remote_addr;", "X-Real-IP         $realip_remote_addr;"))},
        users("api: knows the client"),
    ),
    Bad(
        "passed-upgrade-fixed",
        "passed on",
        "The snippet sets Connection already, so the second line goes; an empty value opens no websocket.",
        {_API: swap(("        proxy_set_header Connection $socket_connection;\n", ""))},
        users("api: websocket"),
    ),
    Bad(
        "passed-who-it-is",
        "passed on",
        "The studio is to see the password check's own header; whoever reads the name elsewhere is nobody now.",
        {
            _STUDIO: swap(
                (
                    "        proxy_set_header X-Remote-User $remote_user;\n        proxy_redirect",
                    "        proxy_set_header X-User $remote_user;\n        proxy_redirect",
                )
            )
        },
        users("studio: with a password"),
    ),
]

REWRITTEN = [
    Bad(
        "rewritten-packed",
        "rewritten answers",
        "An empty header is surely a mistake; what comes packed is not rewritten.",
        {_SHOP: swap(('        proxy_set_header Accept-Encoding "";\n', ""))},
        users("shop: configurator"),
    ),
    Bad(
        "rewritten-once",
        "rewritten answers",
        "Once is what nginx does by itself, so the line goes; the second link leads into the house.",
        {_SHOP: swap(("        sub_filter_once off;\n", ""))},
        users("shop: configurator"),
    ),
    Bad(
        "rewritten-two-slashes",
        "rewritten answers",
        "The location loses its slash, so that the short address works; the configurator is asked for //step.",
        {_SHOP: swap(("    location /configurator/ {", "    location /configurator {"))},
        users("shop: configurator"),
    ),
    Bad(
        "rewritten-prefix-passed",
        "rewritten answers",
        "A slash at the end of proxy_pass, taken for decoration.",
        {_SHOP: swap(("proxy_pass http://configurator/;", "proxy_pass http://configurator;"))},
        users("shop: configurator", "shop: configurator begins"),
    ),
    Bad(
        "rewritten-redirects-plain",
        "rewritten answers",
        "'nginx does that by itself': only for addresses that look like the pool's.",
        {_STUDIO: swap(("        proxy_redirect http://$host/ https://$host/;\n", ""))},
        users("studio: today's plan"),
    ),
    Bad(
        "rewritten-cookie-of-all",
        "rewritten answers",
        "Written the wrong way round: no cookie has that path, and it is valid for the whole shop.",
        {_SHOP: swap(("proxy_cookie_path / /configurator/;", "proxy_cookie_path /configurator/ /;"))},
        users("shop: configurator"),
    ),
    Bad(
        "rewritten-flags-of-another",
        "rewritten answers",
        "The cookie is to be called sid soon; the one that is there travels without its flags.",
        {_API: swap(("proxy_cookie_flags session secure", "proxy_cookie_flags sid secure"))},
        users("api: session"),
    ),
]

KEPT = [
    Bad(
        "kept-for-everybody",
        "caches",
        "Two directives with the same value, so one goes: what Anna was told is kept for all.",
        {_API: swap(("        proxy_no_cache         $personal;\n", ""))},
        users("api: stock for Anna", "api: stock"),
    ),
    Bad(
        "kept-by-another-cookie",
        "caches",
        "The cookie of next month's release; those of today have no session for the cache.",
        {_MAPS: swap(("map $cookie_session $has_session", "map $cookie_kiln_session $has_session"))},
        users("api: stock for Anna", "api: stock"),
    ),
    Bad(
        "kept-by-path",
        "caches",
        "Trackers' arguments spoil the cache, so the key is the path; sizes are arguments, too.",
        {
            _API: swap(
                ("proxy_cache_key        $scheme$host$request_uri;", "proxy_cache_key        $host$uri;")
            )
        },
        users("api: stock", "api: stock of a size"),
    ),
    Bad(
        "kept-in-one-size",
        "caches",
        "The key is the picture; the first size asked for is everybody's.",
        {_MEDIA: swap(("proxy_cache_key      $uri;", "proxy_cache_key      $picture;"))},
        users("media: a thumbnail", "media: another size"),
    ),
    Bad(
        "kept-with-its-cookie",
        "caches",
        "The resizer's cookie is to be ignored, and one line says so; another one kept it from people.",
        {_MEDIA: swap(("        proxy_hide_header    Set-Cookie;\n", ""))},
        users("media: a thumbnail"),
    ),
    Bad(
        "kept-all-of-the-api",
        "caches",
        "It did so much for the stock that all of the API is cached, for a few seconds only.",
        {_API: swap((_EVERY, "        proxy_cache stock;\n        proxy_cache_valid 200 10s;\n" + _EVERY))},
        (
            *users("api: knows the client"),
            Ask(
                "api: knows another", f"{API}/v1/me", body="192.0.2.9", send={"X-Forwarded-For": "192.0.2.9"}
            ),
        ),
    ),
]

CASES = [*POOLS, *PASSED, *REWRITTEN, *KEPT]
