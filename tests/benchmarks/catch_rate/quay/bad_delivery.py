"""What arrives: the single-page app and its assets, headers, browsers of other origins, error pages."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.case import Bad, swap
from tests.benchmarks.catch_rate.quay.users import users

_MAPS = "conf.d/00-maps.conf"
_API = "conf.d/20-api.conf"
_CONSOLE = "conf.d/30-console.conf"
_FILES = "conf.d/60-files.conf"

_ASSETS = "    location /assets/ {\n        include include/headers.inc;\n"

APP = [
    Bad(
        "app-try-files-of-the-handbook",
        "single-page app",
        "try_files is made the usual one; addresses of the app are no files.",
        {_CONSOLE: swap(("try_files $uri /index.html;", "try_files $uri $uri/ =404;"))},
        users("console: a page of the app"),
    ),
    Bad(
        "app-for-missing-scripts",
        "single-page app",
        "Assets fall back to the app too: browsers get a page where a script was, and keep it for a year.",
        {_CONSOLE: swap(("        try_files   $uri =404;", "        try_files   $uri /index.html;"))},
        users("console: a script of yesterday"),
    ),
    Bad(
        "app-index-kept",
        "single-page app",
        "The block for one file looks superfluous; without it browsers keep the old app.",
        {
            _CONSOLE: swap(
                (
                    '    location = /index.html {\n        include include/headers.inc;\n        add_header Cache-Control "no-cache" always;\n    }\n\n',
                    "",
                )
            )
        },
        users("console: home"),
    ),
    Bad(
        "app-root-of-the-new-pipeline",
        "single-page app",
        "The link that the new pipeline makes is not there before its first run.",
        {_CONSOLE: swap(("    root /srv/www/console;", "    root /srv/www/console/current;"))},
        users("console: home", "console: script"),
    ),
    Bad(
        "app-always-maintained",
        "single-page app",
        "The flag is renamed to what is the page's name.",
        {_CONSOLE: swap(("if (-f /srv/www/maintenance.on)", "if (-f /srv/www/maintenance.html)"))},
        users("console: home"),
    ),
    Bad(
        "app-types-replaced",
        "single-page app",
        "A type for the new module, from a post: it replaces all the others.",
        {
            _CONSOLE: swap(
                (
                    "    root /srv/www/console;",
                    "    root /srv/www/console;\n\n    types {\n        application/wasm wasm;\n    }",
                )
            )
        },
        users("console: script", "console: a page of the app"),
    ),
    Bad(
        "app-settings-empty",
        "single-page app",
        "The settings come from a template now, whose variable was not set there.",
        {_CONSOLE: swap(('"api":"https://api.quay.example"', '"api":""'))},
        users("console: settings"),
    ),
    Bad(
        "app-packed-scripts",
        "single-page app",
        "A line nobody knows goes; scripts travel unpacked.",
        {_CONSOLE: swap(("        gzip_static on;\n", ""))},
        users("console: script, packed"),
    ),
    Bad(
        "app-assets-alias",
        "single-page app",
        "alias for root, with the directory's name not thought of.",
        {_CONSOLE: swap((_ASSETS, _ASSETS + "        alias /srv/www/console/;\n"))},
        users("console: script"),
    ),
]

HEADERS = [
    Bad(
        "headers-one-more",
        "headers",
        "One header more at a place that had none of its own: those of the level above are gone there.",
        {
            "conf.d/50-www.conf": swap(
                (
                    "        try_files $uri $uri.html $uri/ =404;",
                    "        add_header X-Frame-Options DENY always;\n        try_files $uri $uri.html $uri/ =404;",
                )
            )
        },
        users("www: home"),
    ),
    Bad(
        "headers-of-assets",
        "headers",
        "The include 'stands above already'.",
        {_CONSOLE: swap((_ASSETS, "    location /assets/ {\n"))},
        users("console: script"),
    ),
    Bad(
        "headers-in-cors",
        "headers",
        "An include in an include is against the new house rules.",
        {"include/cors.inc": swap(("include include/headers.inc;\n", ""))},
        users("api: v1"),
    ),
]

CORS = [
    Bad(
        "cors-everybody",
        "other origins",
        "To help a customer's tool quickly: whoever asks is told that they may.",
        {
            _MAPS: swap(
                (
                    '    default                                      "";',
                    "    default                                      $http_origin;",
                )
            )
        },
        users("api: a strange site's browser"),
    ),
    Bad(
        "cors-star",
        "other origins",
        "The star from the first answer found: browsers do not take it with credentials.",
        {
            "include/cors.inc": swap(
                (
                    "Access-Control-Allow-Origin      $cors_origin always;",
                    'Access-Control-Allow-Origin      "*" always;',
                )
            )
        },
        users("api: a browser's answer"),
    ),
    Bad(
        "cors-plain-origin",
        "other origins",
        "An s is lost.",
        {_MAPS: swap(('"~^https://([a-z0-9-]+', '"~^http://([a-z0-9-]+'))},
        users("api: a browser's answer", "api: a browser asks first"),
    ),
    Bad(
        "cors-preflight-shortened",
        "other origins",
        "Why two places: 204 at once. What is allowed is not said any more.",
        {_API: swap(("            return 418;", "            return 204;"))},
        users("api: a browser asks first"),
    ),
    Bad(
        "cors-preflight-needs-a-token",
        "other origins",
        "The jump by an odd status goes; browsers ask first without a token.",
        {_API: swap(("        if ($request_method = OPTIONS) {\n            return 418;\n        }\n", ""))},
        users("api: a browser asks first"),
    ),
    Bad(
        "cors-slow-paths-widened",
        "other origins",
        "The long time for manifests is to hold for both versions as a whole, which loses what the general place does.",
        {_API: swap(("location ~ ^/v[12]/manifests/ {", "location ~ ^/v[12]/ {"))},
        users("api: a browser's answer", "api: a browser asks first"),
    ),
]

ERRORS = [
    Bad(
        "errors-all-forbidden",
        "error answers",
        "Two lines are made one; clients log in anew upon 401, and give up upon 403.",
        {
            "include/errors.inc": swap(
                (
                    "error_page 401 = @unauthorized;\nerror_page 403 = @forbidden;",
                    "error_page 401 403 = @forbidden;",
                )
            )
        },
        users("api: without a token"),
    ),
    Bad(
        "errors-said-with-200",
        "error answers",
        "Named places for errors become one page with a status of its own: 200.",
        {"include/errors.inc": swap(("    return 401 '{", "    return 200 '{"))},
        users("api: without a token"),
    ),
    Bad(
        "errors-include-lost",
        "error answers",
        "A merge loses a line: machines get a page for people.",
        {_FILES: swap(("    include include/errors.inc;\n", ""))},
        users("files: without a token"),
    ),
    Bad(
        "errors-nothing-is-missing",
        "error answers",
        "A report complained of pages with 404; from now on nothing is missing.",
        {"conf.d/50-www.conf": swap(("    error_page 404 /404.html;", "    error_page 404 =200 /404.html;"))},
        users("www: no such page"),
    ),
    Bad(
        "errors-oldest-version",
        "error answers",
        "The oldest version's place goes; who still asks for it is told to log in.",
        {
            _API: swap(
                (
                    '    location /v0/ {\n        default_type application/json;\n        return 410 \'{"error":"gone","see":"https://docs.quay.example/"}\\n\';\n    }\n\n',
                    "",
                )
            )
        },
        users("api: the oldest version"),
    ),
]

CASES = [*APP, *HEADERS, *CORS, *ERRORS]
