"""Files and what is said of them: roots, aliases, error pages, types, sets of characters, headers, links for a time."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Bad, swap
from tests.benchmarks.catch_rate.kiln.users import API, MEDIA, SAFE, users

_SHOP, _API, _MEDIA = "conf.d/20-shop.conf", "conf.d/30-api.conf", "conf.d/40-media.conf"
_STUDIO, _POTTERS, _CLASSIC = "conf.d/50-studio.conf", "conf.d/60-potters.conf", "conf.d/70-classic.conf"
_MAPS, _MAIN, _HEADERS, _ERRORS = (
    "conf.d/00-maps.conf",
    "nginx.conf",
    "snippets/headers.conf",
    "snippets/errors.conf",
)
_NOT_FOUND = "error_page 404             /oops/404.html;"

ROOTS = [
    Bad(
        "files-one-slash-for-two",
        "root and alias",
        "So that the address without its slash works too. Now something else may follow the name, two dots for one.",
        {_MEDIA: swap(("    location /downloads/ {", "    location /downloads {"))},
        (
            Ask(
                "media: not past the downloads",
                f"{MEDIA}/downloads../vault/design-12.txt",
                404,
                without=("design twelve",),
            ),
        ),
    ),
    Bad(
        "files-alias-without-slash",
        "root and alias",
        "Directories are written without a slash at the end, as in a shell.",
        {_MEDIA: swap(("alias /srv/downloads/;", "alias /srv/downloads;"))},
        users("media: price list", "media: chart"),
    ),
    Bad(
        "files-root-as-alias",
        "root and alias",
        "The directory that is meant, written out - with root the location's name comes after it once more.",
        {_MEDIA: swap(("root /mnt/photos;", "root /mnt/photos/raw;"))},
        users("media: a raw photo"),
    ),
    Bad(
        "files-alias-loses-a-part",
        "root and alias",
        "The alias of a pattern is made to look like the others: without the rest of the path.",
        {_CLASSIC: swap(("/public/$page;", "/public/;"))},
        users("classic: somebody's page"),
    ),
    Bad(
        "files-manual-by-root",
        "root and alias",
        "The manual gets a root, as all the rest; nobody looked at what the directory is called.",
        {_STUDIO: swap(("        alias /srv/studio-manual/;", "        root /srv/studio-manual;"))},
        users("studio: manual"),
    ),
    Bad(
        "files-nothing-shared",
        "try_files",
        "The usual ending; potters without pages of their own have none.",
        {
            _POTTERS: swap(
                (
                    "        try_files $uri $uri/ @shared;",
                    "        try_files $uri $uri/ =404;",
                )
            )
        },
        users("potters: rules"),
    ),
    Bad(
        "files-potter-in-the-path",
        "try_files",
        "A root without a variable, for the file cache; the name moves into try_files, and into half of them.",
        {
            _POTTERS: swap(
                ("    root  /srv/potters/$potter;", "    root  /srv/potters;"),
                (
                    "        try_files $uri $uri/ @shared;",
                    "        try_files /$potter$uri /$potter$uri/index.html @shared;",
                ),
            )
        },
        users("potters: Anna's style"),
    ),
    Bad(
        "files-terms-in-one-language",
        "try_files",
        "The order is turned: what exists always comes first.",
        {_SHOP: swap(("/terms/$lang.html /terms/en.html =404;", "/terms/en.html /terms/$lang.html =404;"))},
        users("shop: terms in German"),
    ),
    Bad(
        "files-archive-closed",
        "root and alias",
        "Listings of directories are a finding of the scanner's; this one is the page.",
        {_CLASSIC: swap(("        autoindex on;\n", "        autoindex off;\n"))},
        users("classic: archive"),
    ),
    Bad(
        "files-board-raw",
        "root and alias",
        "Server-side includes are 'of the nineties'. The board is as well.",
        {_STUDIO: swap(("        ssi on;\n", ""))},
        users("studio: board"),
    ),
]

ERRORS = [
    Bad(
        "errors-fine-again",
        "error pages",
        "An equals sign, as it is with @names: pages that are not there are answered with 200.",
        {_ERRORS: swap((_NOT_FOUND, "error_page 404 =           /oops/404.html;"))},
        users("potters: no such page", "classic: other scripts"),
    ),
    Bad(
        "errors-all-go-home",
        "error pages",
        "Whoever is lost goes to the home, with a redirect; links that are dead look alive.",
        {_ERRORS: swap((_NOT_FOUND, "error_page 404             https://kiln.example/;"))},
        users("potters: no such page", "classic: other scripts"),
    ),
    Bad(
        "errors-without-their-root",
        "error pages",
        "'Every server has a root'. None of them has these pages.",
        {_ERRORS: swap(("    root /srv/shared;\n", ""))},
        users("potters: no such page", "shop: configurator broken"),
    ),
    Bad(
        "errors-of-the-program",
        "error pages",
        "A line too many, it seems: users read what the configurator says of itself when it falls.",
        {_SHOP: swap(("        proxy_intercept_errors on;\n", ""))},
        users("shop: configurator broken"),
    ),
    Bad(
        "errors-for-people-everywhere",
        "error pages",
        "The same pages for all sites: programs that ask the API get a page for people.",
        {
            _API: swap(
                (
                    "    include snippets/headers.conf;\n\n    error_page 429",
                    "    include snippets/headers.conf;\n    include snippets/errors.conf;\n    proxy_intercept_errors on;\n\n    error_page 429",
                )
            )
        },
        users("api: no such thing"),
    ),
]

TYPES = [
    Bad(
        "types-one-for-all",
        "types and encodings",
        "A type for the films, where it is needed - the others are gone there.",
        {
            _MEDIA: swap(
                (
                    "    root /srv/media;\n",
                    "    root /srv/media;\n    types {\n        video/mp4 mp4;\n    }\n",
                )
            )
        },
        users("media: a picture", "media: price list"),
    ),
    Bad(
        "types-include-lost",
        "types and encodings",
        "Two places with types look like one too many.",
        {_MAIN: swap(("    include mime.types;\n", ""))},
        users("shop: style sheet", "media: a picture"),
    ),
    Bad(
        "types-all-utf-8",
        "types and encodings",
        "It is all UTF-8 these days. The texts of 2002 are not.",
        {_CLASSIC: swap(("        charset iso-8859-1;\n", "        charset utf-8;\n"))},
        users("classic: a text"),
    ),
    Bad(
        "types-no-pieces",
        "types and encodings",
        "Against an attack by ranges from long ago; players cannot jump in a film any more.",
        {
            _MEDIA: swap(
                ("        limit_conn per_ip 20;\n", "        limit_conn per_ip 20;\n        max_ranges 0;\n")
            )
        },
        users("media: a piece of a film"),
    ),
    Bad(
        "types-packed-from-a-quarter-megabyte",
        "types and encodings",
        "A unit too many; hardly anything is large enough to be packed.",
        {_MAIN: swap(("gzip_min_length 256;", "gzip_min_length 256k;"))},
        users("shop: style sheet, packed"),
    ),
    Bad(
        "types-list-rewritten",
        "types and encodings",
        "The list is written anew with what a checker of pages named; answers of the API are not among it.",
        {
            _MAIN: swap(
                (
                    "text/css text/plain application/javascript application/json image/svg+xml;",
                    "text/css text/javascript image/svg+xml;",
                )
            )
        },
        users("api: a long list, packed"),
    ),
]

HEADERS = [
    Bad(
        "headers-one-below",
        "headers of answers",
        "A header for frames in one location: it replaces those of the server.",
        {
            _SHOP: swap(
                (
                    "        try_files $uri $uri/ /index.php?$query_string;\n",
                    "        add_header X-Frame-Options SAMEORIGIN always;\n        try_files $uri $uri/ /index.php?$query_string;\n",
                )
            )
        },
        users("shop: the guide"),
    ),
    Bad(
        "headers-said-once",
        "headers of answers",
        "The include in the location repeats what the server includes, and goes.",
        {
            _POTTERS: swap(
                (
                    "(?:css|svg)$ {\n        include snippets/headers.conf;\n        expires $ttl;",
                    "(?:css|svg)$ {\n        add_header Access-Control-Allow-Origin https://kiln.example;\n        expires $ttl;",
                )
            )
        },
        users("potters: Anna's style"),
    ),
    Bad(
        "headers-policy-unquoted",
        "headers of answers",
        "Quotes in quotes are tidied; a policy that names a host called self.",
        {
            _HEADERS: swap(
                ("\"default-src 'self'; img-src 'self' https", '"default-src self; img-src self https')
            )
        },
        users("shop: home", "classic: home"),
    ),
    Bad(
        "headers-policy-forgets-the-host",
        "headers of answers",
        "For the move to another name browsers were to forget; the move is off, the zero stays.",
        {_HEADERS: swap(("max-age=31536000; includeSubDomains", "max-age=0"))},
        users("shop: home", "api: a thing"),
    ),
    Bad(
        "headers-origin-echoed",
        "headers of answers",
        "The map 'does not work' for a colleague's page on localhost, and is left out.",
        {
            _API: swap(
                (
                    "Access-Control-Allow-Origin $allowed_origin always;",
                    "Access-Control-Allow-Origin $http_origin always;",
                )
            )
        },
        users("api: stock for a strange site"),
    ),
    Bad(
        "headers-origin-pattern-open",
        "headers of answers",
        "One pattern for all of our names, without a beginning of the name: others end like ours.",
        {
            _MAPS: swap(
                (
                    '    "~^https://[a-z0-9-]+\\.potters\\.kiln\\.example$" $http_origin;',
                    '    "~^https://.*kiln\\.example$"                    $http_origin;',
                )
            )
        },
        (
            Ask(
                "api: stock for a name like ours",
                f"{API}/stock/bowls",
                send={"Origin": "https://brickkiln.example"},
                without=("brickkiln",),
            ),
        ),
    ),
    Bad(
        "headers-of-the-stock",
        "headers of answers",
        "A merge drops the include from the one location that has headers of its own.",
        {
            _API: swap(
                (
                    "        include snippets/headers.conf;\n        add_header Access-Control-Allow-Origin $allowed",
                    "        add_header Access-Control-Allow-Origin $allowed",
                )
            )
        },
        users("api: stock"),
    ),
    Bad(
        "headers-pictures-not-kept",
        "headers of answers",
        "The tilde of one row is lost: there is no type that is called image/ and nothing more.",
        {_MAPS: swap(("    ~image/      7d;", "    image/       7d;"))},
        users("media: a picture"),
    ),
]

LINKS = [
    Bad(
        "links-over-the-whole-address",
        "links and referers",
        "What is signed is to be 'the whole address'; that holds the signature itself.",
        {_MEDIA: swap(('"$secure_link_expires$uri clay"', '"$secure_link_expires$request_uri clay"'))},
        users("media: a course"),
    ),
    Bad(
        "links-forever",
        "links and referers",
        "The two ifs look alike, and one of them goes; a link that is too old is none of the other kind.",
        {_MEDIA: swap(('        if ($secure_link = "0") {\n            return 410;\n        }\n', ""))},
        users("media: a course too late"),
    ),
    Bad(
        "links-word-changed",
        "links and referers",
        "The word changes with the season; the shop that makes the links was not told.",
        {_MEDIA: swap((' clay"', ' clay-2025"'))},
        users("media: a course"),
    ),
    Bad(
        "links-pictures-in-letters",
        "links and referers",
        "'none' sounds like a hole in the wall; mail programs and address bars send nothing.",
        {_MEDIA: swap(("valid_referers none blocked server_names", "valid_referers server_names"))},
        (Ask("media: a picture in a letter", f"{MEDIA}/mug.jpg", body="picture of a mug", headers=SAFE),),
    ),
    Bad(
        "links-pictures-of-potters",
        "links and referers",
        "The list is made shorter: 'server_names covers our sites' - those of this very server.",
        {_MEDIA: swap(("server_names kiln.example *.kiln.example;", "server_names kiln.example;"))},
        users("media: a picture for a potter's page"),
    ),
]

CASES = [*ROOTS, *ERRORS, *TYPES, *HEADERS, *LINKS]
