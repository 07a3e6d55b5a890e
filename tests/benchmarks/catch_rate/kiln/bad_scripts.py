"""The shop's scripts and which location takes a request: try_files, FastCGI, patterns, rewrites of old addresses."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Bad, swap
from tests.benchmarks.catch_rate.kiln.users import API, SHOP, users

_SHOP, _API, _MEDIA = "conf.d/20-shop.conf", "conf.d/30-api.conf", "conf.d/40-media.conf"
_CLASSIC, _MAPS = "conf.d/70-classic.conf", "conf.d/00-maps.conf"
_PHP, _HIDDEN = "snippets/php.conf", "snippets/hidden.conf"
_TRY = "        try_files $uri $uri/ /index.php?$query_string;\n    }\n\n    location ~ "
_INDEX = "    index index.php index.html;\n"
_ADMIN = "\n        location ~ \\.php$ {\n            include snippets/php.conf;\n        }\n"
_THUMBS = (
    "    # Before the pictures: the first pattern that fits wins.\n"
    "    location ~ ^/thumbs/(?<width>\\d+)/(?<picture>[\\w/.-]+)$ {\n"
    "        include snippets/headers.conf;\n"
    "        add_header X-Cache $upstream_cache_status always;\n"
    "        proxy_cache          thumbs;\n"
    "        proxy_cache_key      $uri;\n"
    "        proxy_cache_valid    200 1d;\n"
    "        proxy_ignore_headers Set-Cookie Cache-Control Expires;\n"
    "        proxy_hide_header    Set-Cookie;\n"
    "        proxy_pass http://thumbs/resize?w=$width&file=$picture;\n"
    "    }\n"
    "\n"
)
_OWN = (
    "fastcgi_param QUERY_STRING   $query_string;\nfastcgi_param REQUEST_METHOD $request_method;\n"
    "fastcgi_param CONTENT_TYPE   $content_type;\nfastcgi_param CONTENT_LENGTH $content_length;\n"
    "fastcgi_param REQUEST_URI    $request_uri;\nfastcgi_param REMOTE_ADDR    $remote_addr;\n"
    "fastcgi_param REMOTE_USER    $remote_user;\nfastcgi_param HTTP_HOST      $host;\n"
)
_LIVE = "    location = /live {"

SCRIPTS = [
    Bad(
        "scripts-arguments-lost",
        "front controller",
        "The fallback is shortened; the script finds pages by their path, and no arguments.",
        {_SHOP: swap((_TRY, _TRY.replace("?$query_string", "")))},
        users("shop: a search"),
    ),
    Bad(
        "scripts-path-as-argument",
        "front controller",
        "As the handbook of another shop system has it: the path becomes an argument before the others.",
        {_SHOP: swap((_TRY, _TRY.replace("?$query_string", "?q=$uri&$args")))},
        users("shop: a search", "shop: a page"),
    ),
    Bad(
        "scripts-index-of-pages-only",
        "front controller",
        "Addresses 'go through the front controller anyway', so its name leaves the index; the home is a directory.",
        {_SHOP: swap((_INDEX, "    index index.html;\n"))},
        users("shop: home"),
    ),
    Bad(
        "scripts-root-in-one-location",
        "front controller",
        "The root moves to where the files are served; the location of the scripts does not know it.",
        {
            _SHOP: swap(
                ("    root  /srv/kiln/public;\n", ""),
                (_TRY, "        root /srv/kiln/public;\n" + _TRY),
            )
        },
        users("shop: home", "shop: a page"),
    ),
    Bad(
        "scripts-condition-for-everything",
        "front controller",
        "The rewrite from the shop's forum, put in front of all: what is no file is a page, the configurator too.",
        {
            _SHOP: swap(
                (
                    "    location / {\n",
                    "    if (!-e $request_filename) {\n        rewrite ^ /index.php last;\n    }\n\n    location / {\n",
                )
            )
        },
        users("shop: configurator", "shop: configurator begins"),
    ),
    Bad(
        "scripts-if-beside-try-files",
        "front controller",
        "A header for whoever has chosen a front, in an if: there, try_files does not exist.",
        {
            _SHOP: swap(
                (
                    _TRY,
                    "        if ($cookie_front) {\n            add_header X-Front $cookie_front;\n        }\n"
                    + _TRY,
                )
            )
        },
        (
            Ask(
                "shop: a page, front kept",
                f"{SHOP}/glazes/5",
                body="path=/glazes/5 ",
                send={"Cookie": "front=slab"},
            ),
        ),
    ),
    Bad(
        "php-path-info-forgotten",
        "FastCGI",
        "The detour by a variable goes; try_files has emptied what it kept.",
        {
            _PHP: swap(
                ("# try_files forgets it.\nset $path_info $fastcgi_path_info;\n\n", ""),
                ("PATH_INFO       $path_info;", "PATH_INFO       $fastcgi_path_info;"),
            )
        },
        users("shop: an entry by path"),
    ),
    Bad(
        "php-pattern-of-everybody",
        "FastCGI",
        "The pattern is made the usual one; addresses with something after the script's name are no scripts any more.",
        {_SHOP: swap(("    location ~ \\.php(?:/|$) {", "    location ~ \\.php$ {"))},
        users("shop: an entry by path"),
    ),
    Bad(
        "php-own-parameters",
        "FastCGI",
        "A short list of parameters in place of the include, for speed. The shop wants to hear of TLS.",
        {
            _PHP: swap(
                (
                    "include fastcgi_params;\n",
                    _OWN,
                )
            )
        },
        users("shop: home", "shop: a page"),
    ),
    Bad(
        "php-parameters-above",
        "FastCGI",
        "Three parameters move to the server's level; a location with parameters of its own does not look there.",
        {
            _SHOP: swap(
                (
                    "        fastcgi_param LANG   $lang;\n        fastcgi_param REGION $region;\n        fastcgi_param FRONT  $front;\n",
                    "",
                ),
                (
                    _INDEX,
                    _INDEX
                    + "    fastcgi_param LANG   $lang;\n    fastcgi_param REGION $region;\n    fastcgi_param FRONT  $front;\n",
                ),
            )
        },
        users("shop: in German", "shop: from Switzerland"),
    ),
    Bad(
        "php-no-script-name",
        "FastCGI",
        "'fastcgi_params has them all', and a line that Debian's file lacks is deleted.",
        {_PHP: swap(("fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;\n", ""))},
        users("shop: home", "classic: a thread"),
    ),
    Bad(
        "php-small-buffers",
        "FastCGI",
        "Buffers go back to what nginx has by itself; the basket's cookie is larger.",
        {_PHP: swap(("fastcgi_buffer_size 16k;\nfastcgi_buffers     8 16k;\n", ""))},
        users("shop: basket"),
    ),
    Bad(
        "php-one-second",
        "FastCGI",
        "Nothing of ours takes longer than that, says the chart of means.",
        {_SHOP: swap(("fastcgi_read_timeout 20s;", "fastcgi_read_timeout 1s;"))},
        users("shop: a page that is slow"),
    ),
    Bad(
        "php-socket-of-the-next-release",
        "FastCGI",
        "The socket of the version that is installed tomorrow.",
        {"conf.d/05-upstreams.conf": swap(("unix:/run/kiln/php.sock", "unix:/run/php/php8.4-fpm.sock"))},
        users("shop: home", "classic: a thread"),
    ),
]

LOCATIONS = [
    Bad(
        "which-assets-everywhere",
        "which location",
        "A pattern for all static files of the shop: it takes the configurator's as well, which are not ours.",
        {
            _SHOP: swap(
                (
                    "    location = /login {",
                    "    location ~* \\.(?:css|js|png|woff2)$ {\n        include snippets/headers.conf;\n        expires $ttl;\n    }\n\n    location = /login {",
                )
            )
        },
        (Ask("shop: configurator's script", f"{SHOP}/configurator/wheel.js", body="configurator /wheel.js"),),
    ),
    Bad(
        "which-pattern-before-prefix",
        "which location",
        "Texts and tables get a pattern of their own on the media host; the downloads lie under another root.",
        {
            _MEDIA: swap(
                (
                    "    location /fonts/ {",
                    "    location ~* \\.(?:txt|csv)$ {\n        include snippets/headers.conf;\n        expires 1h;\n    }\n\n    location /fonts/ {",
                )
            )
        },
        users("media: chart"),
    ),
    Bad(
        "which-thumbs-sorted-down",
        "which location",
        "Locations are sorted: plain prefixes, then patterns from the short to the long. Thumbnails end in .jpg too.",
        {_MEDIA: swap((_THUMBS, ""), ("    location /fonts/ {", _THUMBS + "    location /fonts/ {"))},
        users("media: a thumbnail"),
    ),
    Bad(
        "which-live-with-a-slash",
        "which location",
        "Prefixes end in slashes here, says the review; the address of the websocket does not.",
        {_API: swap((_LIVE, "    location /live/ {"))},
        users("api: websocket"),
    ),
    Bad(
        "which-hooks-closed-pattern",
        "which location",
        "A stricter pattern for the hooks wants a slash at the end; they fall to the API, which takes them and does nothing.",
        {_API: swap(("    location /hooks/ {", "    location ~ ^/hooks/[a-z]+/$ {"))},
        users("api: a payment announced"),
    ),
    Bad(
        "which-hidden-list",
        "which location",
        "The pattern for hidden files becomes a list of those that came to mind.",
        {_HIDDEN: swap(("location ~ /\\.(?!well-known/) {", "location ~ /\\.(?:git|svn|ht) {"))},
        users("shop: hidden files"),
    ),
    Bad(
        "which-admin-source",
        "which location",
        "The inner location 'is the same as the one below'; with ^~ nobody looks there, and the source is sent.",
        {_SHOP: swap((_ADMIN, ""))},
        users("shop: back office with a password"),
    ),
    Bad(
        "which-admin-without-a-door",
        "which location",
        "Inner location and ^~ go together: the scripts are run, by the location that asks nobody for a password.",
        {_SHOP: swap((_ADMIN, ""), ("    location ^~ /admin/ {", "    location /admin/ {"))},
        users("shop: back office script from outside"),
    ),
    Bad(
        "which-uploads-sent-as-text",
        "which location",
        "'Nothing is run there because of ^~', so the inner location goes; what was sent in is handed out.",
        {_SHOP: swap(("\n        location ~ \\.php {\n            deny all;\n        }\n", ""))},
        users("shop: an upload is not run"),
    ),
    Bad(
        "which-read-only",
        "which location",
        "The rule of the static sites against odd methods, pasted into the shop.",
        {
            _SHOP: swap(
                (
                    "    # Addresses that are still",
                    "    if ($request_method !~ ^(?:GET|HEAD)$) {\n        return 405;\n    }\n\n    # Addresses that are still",
                )
            )
        },
        users("shop: a message sent", "shop: login"),
    ),
    Bad(
        "which-robots-by-name",
        "which location",
        "Robots are sent away by words in their name. Partners' tills are written in one of these languages.",
        {
            _API: swap(
                (
                    "    error_page 429 @slower;",
                    '    if ($http_user_agent ~* "bot|spider|curl|java|python") {\n        return 444;\n    }\n\n    error_page 429 @slower;',
                )
            )
        },
        (
            Ask(
                "api: a partner's till",
                f"{API}/v1/pots",
                body="/v1/pots",
                send={"User-Agent": "Till/3 (Java 17)"},
            ),
        ),
    ),
]

OLD = [
    Bad(
        "old-recipe-shown",
        "old addresses",
        "All rewrites are made permanent, for the search engines: people see the inner address.",
        {_SHOP: swap(("page=recipe&name=$1 last;", "page=recipe&name=$1 permanent;"))},
        users("shop: an old recipe"),
    ),
    Bad(
        "old-arguments-tail",
        "old addresses",
        "The question mark at the end is taken for a slip; it held back the arguments of the old address.",
        {_CLASSIC: swap(("/glazes/$arg_id? permanent;", "/glazes/$arg_id permanent;"))},
        users("classic: a glaze"),
    ),
    Bad(
        "old-threads-in-one-rule",
        "old addresses",
        "A tolerant rule comes first, and makes every page of a thread the first one.",
        {
            _CLASSIC: swap(
                (
                    "    rewrite ^/forum/thread-(\\d+)-(\\d+)\\.html$",
                    "    rewrite ^/forum/thread-(\\d+).*\\.html$ /forum.php?t=$1&p=1 last;\n    rewrite ^/forum/thread-(\\d+)-(\\d+)\\.html$",
                )
            )
        },
        users("classic: its second page"),
    ),
    Bad(
        "old-news-to-and-fro",
        "old addresses",
        "The archive is to be called news; the way back is still in the file.",
        {
            _CLASSIC: swap(
                (
                    "    location / {\n",
                    "    rewrite ^/archive/?$ /news/ redirect;\n\n    location / {\n",
                )
            )
        },
        users("classic: archive"),
    ),
    Bad(
        "old-map-with-arguments",
        "old addresses",
        "The map asks for the whole request now; addresses from a newsletter have something behind them.",
        {_MAPS: swap(("map $uri $moved {", "map $request_uri $moved {"))},
        (
            Ask(
                "shop: moved, by newsletter",
                f"{SHOP}/clay.htm?from=mail",
                301,
                location=f"(?:{SHOP})?/glazes/clay",
            ),
        ),
    ),
    Bad(
        "old-map-loose-pattern",
        "old addresses",
        "One row for all the old pages on clay, without an end or a beginning: the new page is one of them.",
        {
            "maps/moved.map": swap(
                ("/clay.htm                /glazes/clay;", "~/clay                   /glazes/clay;")
            )
        },
        (Ask("shop: on clay", f"{SHOP}/glazes/clay", body="path=/glazes/clay "),),
    ),
    Bad(
        "old-sentinel-that-is-true",
        "old addresses",
        "'Say it in words' - and a word is true: every potter has moved.",
        {
            _MAPS: swap(
                (
                    'map $potter $potter_moved {\n    default "";',
                    "map $potter $potter_moved {\n    default none;",
                )
            )
        },
        users("potters: Anna", "potters: rules"),
    ),
]

CASES = [*SCRIPTS, *LOCATIONS, *OLD]
