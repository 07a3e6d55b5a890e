"""A second batch of good changes written by someone who looked at the base and not at the rules."""

# ruff: noqa: E501, ISC004 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Good, enabled, new_site, swap, users
from tests.benchmarks.catch_rate.users import SECURE, SHOP, WIKI, WWW

_SHOP, _WWW, _WIKI, _INTRANET = (
    "sites-available/shop",
    "sites-available/www",
    "sites-available/wiki",
    "sites-available/intranet",
)
_NGINX, _UPSTREAMS, _CACHE = "nginx.conf", "conf.d/upstreams.conf", "conf.d/cache.conf"
_TLS, _LIMITS = "conf.d/tls.conf", "conf.d/limits.conf"
_FILES = "    location / {\n        try_files $uri $uri/ =404;\n    }"
_CLOSED = "    if ($closed) {"

SITES = [
    Good(
        "wiki-from-plain-to-tls",
        "new site",
        "The wiki had no plain site; now it has one, which sends people on.",
        new_site(
            "wiki-plain",
            "server {\n    listen 80;\n    listen [::]:80;\n    server_name wiki.orchard.example;\n\n    include snippets/acme.conf;\n\n    location / {\n        return 301 https://wiki.orchard.example$request_uri;\n    }\n}\n",
        ),
        (Ask("wiki: plain to TLS", "http://wiki.orchard.example/a?b=c", 301, location=rf"{WIKI}/a\?b=c$"),),
    ),
    Good(
        "site-of-pictures",
        "new site",
        "Pictures get a name of their own, for any page to show.",
        new_site(
            "pictures",
            "server {\n    listen 80;\n    listen [::]:80;\n    server_name pictures.orchard.example;\n    root /var/www/orchard/assets;\n\n"
            "    add_header Access-Control-Allow-Origin *;\n    location / {\n        expires 30d;\n        try_files $uri =404;\n    }\n}\n",
        ),
        (
            Ask(
                "pictures: a file",
                "http://pictures.orchard.example/site.css",
                body="darkgreen",
                headers={"Access-Control-Allow-Origin": r"\*"},
            ),
        ),
    ),
    Good(
        "old-offer-gone",
        "new location",
        "An offer of last year, which search engines still know, is gone for good.",
        {_WWW: swap((_FILES, _FILES + "\n\n    location = /summer-offer {\n        return 410;\n    }"))},
        (Ask("www: the offer is gone", f"{WWW}/summer-offer", 410),),
    ),
    Good(
        "second-version-of-the-api",
        "new location",
        "The same service under the address that clients of next year will use.",
        {
            _SHOP: swap(
                (
                    "    location = /login {",
                    "    location /api/v2/ {\n        limit_req zone=api burst=100 nodelay;\n        proxy_pass http://orders/v1/;\n    }\n\n    location = /login {",
                )
            )
        },
        (Ask("shop: orders by the second version", f"{SHOP}/api/v2/orders", body='"path": "/v1/orders"'),),
    ),
    Good(
        "press-kit-moved",
        "ended on purpose",
        "The press kit moves to an agency's site.",
        {
            _WWW: swap(
                (
                    "        alias /srv/press/;",
                    "        return 301 https://press.example/orchard$request_uri;",
                )
            )
        },
        (Ask("www: press at the agency", f"{WWW}/press/kit.html", 301, location="https://press.example/"),),
        ends=("www: press kit",),
        accept=("www.orchard.example/press/*",),
    ),
    Good(
        "settings-of-the-wiki-closed",
        "ended on purpose",
        "What the wiki keeps its settings in is nobody's business.",
        {
            _WIKI: swap(
                (
                    "    location ~ \\.php$ {",
                    "    location ^~ /config/ {\n        deny all;\n    }\n\n    location ~ \\.php$ {",
                )
            )
        },
        (Ask("wiki: settings are closed", f"{WIKI}/config/site.ini", 403),),
        accept=("wiki.orchard.example/config/*",),
    ),
]

TUNING = [
    Good(
        "sockets-for-each-worker",
        "tuning",
        "Each worker has its own queue of connections.",
        {
            "sites-available/00-default": swap(
                (
                    "    listen 443 ssl http2 default_server;",
                    "    listen 443 ssl http2 default_server reuseport;",
                ),
                (
                    "    listen [::]:443 ssl http2 default_server;",
                    "    listen [::]:443 ssl http2 default_server reuseport;",
                ),
            )
        },
        users("www: home"),
    ),
    Good(
        "files-kept-open",
        "tuning",
        "Files are kept open and read by threads.",
        {
            _NGINX: swap(
                (
                    "    sendfile            on;",
                    "    sendfile            on;\n    sendfile_max_chunk  512k;\n    aio                 threads;\n"
                    "    open_file_cache     max=2000 inactive=30s;\n    open_file_cache_valid 30s;",
                )
            )
        },
        users("www: a page", "shop: script"),
    ),
    Good(
        "log-as-json",
        "tuning",
        "The log is for machines now, and written in pieces.",
        {
            _NGINX: swap(
                (
                    "    access_log /var/log/nginx/access.log;",
                    '    log_format json escape=json \'{"time":"$time_iso8601","host":"$host","uri":"$request_uri","status":$status,"took":$request_time}\';\n'
                    "    access_log /var/log/nginx/access.json json buffer=32k flush=5s;",
                )
            )
        },
        users("www: home"),
    ),
    Good(
        "cache-that-helps-out",
        "cache",
        "A larger cache, which answers for an application that fails and asks for the same page once.",
        {
            _CACHE: swap(("keys_zone=catalogue:2m max_size=50m", "keys_zone=catalogue:2m max_size=200m")),
            _SHOP: swap(
                (
                    "        proxy_cache_valid 200 5s;",
                    "        proxy_cache_valid 200 10s;\n        proxy_cache_lock  on;\n        proxy_cache_use_stale error timeout updating http_502 http_504;\n        proxy_cache_background_update on;",
                )
            ),
        },
        users("shop: catalogue"),
    ),
    Good(
        "scripts-kept-with-a-key",
        "cache",
        "The wiki's pages are kept for a second, each by its address.",
        {
            "conf.d/wiki-cache.conf": "fastcgi_cache_path /var/cache/nginx-wiki keys_zone=wiki:1m inactive=5m;\n",
            _WIKI: swap(
                (
                    "        include fastcgi_params;",
                    "        fastcgi_cache wiki;\n        fastcgi_cache_key $request_method$scheme$host$request_uri;\n        fastcgi_cache_valid 200 1s;\n        include fastcgi_params;",
                )
            ),
        },
        users("wiki: home", "wiki: a page"),
    ),
    Good(
        "exports-without-buffers",
        "tuning",
        "Exports come as they are made, and uploads go on as they come.",
        {
            _SHOP: swap(
                (
                    "        proxy_read_timeout 120s;",
                    "        proxy_read_timeout 300s;\n        proxy_buffering off;",
                ),
                (
                    "        client_max_body_size 20m;",
                    "        client_max_body_size 50m;\n        proxy_request_buffering off;",
                ),
            )
        },
        users("shop: slow export", "shop: a picture sent"),
    ),
    Good(
        "pool-that-workers-share",
        "upstream changed",
        "Workers share what they know of the servers, and take the less busy one of two.",
        {
            _UPSTREAMS: swap(
                (
                    "upstream storefront {\n",
                    "upstream storefront {\n    zone storefront 64k;\n    random two least_conn;\n",
                )
            )
        },
        users("shop: home"),
    ),
    Good(
        "limit-watched-first",
        "limits",
        "A stricter limit, for now only written to the log.",
        {
            _LIMITS: "limit_req_zone  $binary_remote_addr zone=login:1m rate=30r/s;\nlimit_req_zone  $binary_remote_addr zone=api:1m   rate=200r/s;\n"
            "limit_conn_zone $binary_remote_addr zone=downloads:1m;\nlimit_req_zone  $binary_remote_addr zone=strict:1m rate=1r/m;\n",
            _SHOP: swap(
                (
                    "    location = /login {\n        limit_req zone=login burst=60 nodelay;",
                    "    location = /login {\n        limit_req zone=strict;\n        limit_req_dry_run on;",
                )
            ),
        },
        users("shop: login"),
    ),
    Good(
        "one-network-shut-out",
        "limits",
        "A network that attacks is shut out.",
        {"conf.d/blocklist.conf": "# ticket 4711\ndeny 203.0.113.0/24;\n"},
        users("shop: home"),
    ),
]

ANSWERS = [
    Good(
        "redirects-without-a-host",
        "headers",
        "nginx's own redirects name the path alone, whatever stands before it.",
        {
            _NGINX: swap(
                ("    server_tokens       off;", "    server_tokens       off;\n    absolute_redirect   off;")
            )
        },
        (Ask("www: a directory by its path", f"{WWW}/products", 301, location="/products/$"),),
        ends=("www: a directory without its slash", "www: old address of a page"),
    ),
    Good(
        "own-page-for-refusals",
        "headers",
        "Who may not see something reads so on a page of ours.",
        {_WWW: swap(("    error_page 404 /404.html;", "    error_page 403 404 /404.html;"))},
        (Ask("www: refused by our page", f"{WWW}/.env", 403, body="There is no such page"),),
    ),
    Good(
        "headers-for-all-sites",
        "refactoring",
        "The headers that guard move to where they count for all sites.",
        {
            "conf.d/security.conf": "include /etc/nginx/snippets/security-headers.conf;\n",
            _WWW: swap(("    include snippets/security-headers.conf;\n\n", "")),
            _SHOP: swap(("    include snippets/security-headers.conf;\n", "")),
        },
        (Ask("wiki: guarded too", f"{WIKI}/", body="wiki page", headers=SECURE),),
    ),
    Good(
        "fonts-for-partners",
        "headers",
        "Fonts may be used by other sites, and keep the headers that guard.",
        {
            _WWW: swap(
                (
                    "    location = /prices {",
                    "    location ~* \\.(?:woff2?|ttf)$ {\n        include snippets/security-headers.conf;\n        add_header Access-Control-Allow-Origin *;\n        expires 1y;\n    }\n\n    location = /prices {",
                )
            )
        },
        users("www: style sheet's headers"),
    ),
    Good(
        "trial-told-to-the-app",
        "headers",
        "Half of the visitors try something new; the application is told who.",
        {
            "conf.d/trial.conf": 'split_clients "$remote_addr$http_user_agent" $trial {\n    50%  new;\n    *    old;\n}\n',
            "snippets/proxy-headers.conf": swap(
                (
                    "proxy_set_header X-Forwarded-Proto $scheme;",
                    "proxy_set_header X-Forwarded-Proto $scheme;\nproxy_set_header X-Trial           $trial;",
                )
            ),
        },
        users("shop: home"),
    ),
    Good(
        "smaller-pictures",
        "refactoring",
        "Browsers that know a smaller kind of picture get it, where there is one.",
        {
            "conf.d/pictures.conf": 'map $http_accept $smaller {\n    default       "";\n    "~image/webp" .webp;\n}\n',
            _WWW: swap(
                (
                    "    location = /prices {",
                    "    location ~* \\.(?:png|jpe?g)$ {\n        include snippets/security-headers.conf;\n        add_header Vary Accept;\n        try_files $uri$smaller $uri =404;\n    }\n\n    location = /prices {",
                )
            ),
        },
        users("www: home"),
    ),
]

ACCESS = [
    Good(
        "address-or-password",
        "access",
        "The monitoring comes from one address, without a password; everybody else needs one as before.",
        {
            _INTRANET: swap(
                (
                    "    auth_basic_user_file /etc/nginx/htpasswd/staff;\n",
                    "    auth_basic_user_file /etc/nginx/htpasswd/staff;\n    satisfy any;\n    allow 203.0.113.7;\n    deny  all;\n",
                )
            )
        },
        users("intranet: with a password", "intranet: without one"),
    ),
    Good(
        "switch-for-the-wiki",
        "new location",
        "The wiki can be closed by a file from now on.",
        {
            _WIKI: swap(
                (
                    "    index index.php;\n",
                    "    index index.php;\n\n    if (-f /var/www/maintenance/wiki-closed) {\n        return 503;\n    }\n",
                )
            )
        },
        users("wiki: home", "wiki: a page"),
    ),
    Good(
        "ciphers-for-both-kinds-of-keys",
        "TLS",
        "The list of ciphers that a well known guide has.",
        {
            _TLS: swap(
                (
                    "ssl_session_cache   shared:tls:2m;",
                    "ssl_session_cache   shared:tls:2m;\nssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;\nssl_stapling on;\nssl_stapling_verify on;",
                )
            )
        },
        (Ask("shop: by an older client", f"{SHOP}/", body="storefront", old_tls=True),),
    ),
    Good(
        "sessions-for-more-visitors",
        "TLS",
        "Room for more sessions, which are kept for longer.",
        {
            _TLS: swap(
                ("shared:tls:2m", "shared:tls:8m"), ("ssl_session_timeout 1h", "ssl_session_timeout 1d")
            ),
        },
        users("www: home"),
    ),
    Good(
        "names-of-sites-with-conf",
        "refactoring",
        "The old site is enabled under a name that says when.",
        {
            enabled("old"): None,
            **new_site(
                "old-since-2019",
                "# The site of before 2019; search engines still send people here.\nserver {\n    listen 80;\n    listen [::]:80;\n    server_name old.orchard.example;\n\n    location / {\n        return 301 https://www.orchard.example$moved;\n    }\n\n    include snippets/acme.conf;\n}\n",
            ),
            "sites-available/old": None,
        },
        (
            Ask(
                "old: certificate renewal",
                "http://old.orchard.example/.well-known/acme-challenge/probe",
                body="token",
            ),
        ),
        options=("--accept-deletions",),
    ),
]

CASES = [*SITES, *TUNING, *ANSWERS, *ACCESS]
