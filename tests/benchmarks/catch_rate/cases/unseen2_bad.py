"""A second batch of bad changes written by someone who looked at the base and not at the rules."""

# ruff: noqa: E501, ISC004 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Bad, swap, users
from tests.benchmarks.catch_rate.users import SECURE, SHOP, WIKI, WWW

_SHOP, _WWW, _WIKI, _INTRANET = (
    "sites-available/shop",
    "sites-available/www",
    "sites-available/wiki",
    "sites-available/intranet",
)
_NGINX, _UPSTREAMS = "nginx.conf", "conf.d/upstreams.conf"
_PROXY, _SECURITY = "snippets/proxy-headers.conf", "snippets/security-headers.conf"
_ROOT = "    location / {\n        proxy_pass http://storefront;\n    }"
_FILES = "    location / {\n        try_files $uri $uri/ =404;\n    }"
_PHP = "    location ~ \\.php$ {\n"
_SCRIPTS = "    location / {\n        try_files $uri $uri/ /index.php?$args;\n    }"
_SHORT = "    return 301 https://www.orchard.example$request_uri;\n}\n\nserver {\n    listen 443 ssl http2;\n    listen [::]:443 ssl http2;\n    server_name www"
_CLOSED = "    if ($closed) {"
_DOCUMENT = "    root  /var/www/orchard;\n"
_FRAME = 'add_header X-Frame-Options           "DENY"             always;'
_BASKET = {"Cookie": "basket=7"}

ACCESS = [
    Bad(
        "exact-place-in-the-back-office",
        "access opened",
        "One page of the back office is slow and gets a place of its own, outside of the fence.",
        {
            _SHOP: swap(
                (
                    "    location /admin/ {",
                    "    location = /admin/users {\n        proxy_read_timeout 300s;\n        proxy_pass http://storefront;\n    }\n\n    location /admin/ {",
                )
            )
        },
        users("shop: back office stays closed"),
    ),
    Bad(
        "everybody-passes-the-question",
        "access opened",
        "The password gives way to a question; the answer, until there is a service for it, is yes.",
        {
            _INTRANET: swap(
                (
                    '    auth_basic           "Orchard staff";\n    auth_basic_user_file /etc/nginx/htpasswd/staff;\n',
                    "    auth_request /may-i;\n\n    location = /may-i {\n        internal;\n        return 204;\n    }\n",
                )
            )
        },
        users("intranet: without one", "intranet: reports without a password"),
    ),
    Bad(
        "login-page-for-the-password",
        "access closed",
        "Who has no password is sent to a page to log in; no browser asks for one any more.",
        {
            _INTRANET: swap(
                (
                    "    auth_basic_user_file /etc/nginx/htpasswd/staff;\n",
                    "    auth_basic_user_file /etc/nginx/htpasswd/staff;\n    error_page 401 http://intranet.orchard.example:8080/login.html;\n",
                )
            )
        },
        users("intranet: without one"),
    ),
    Bad(
        "list-of-files-for-all",
        "access opened",
        "Lists were wanted for the press kit; they are switched on for the whole site.",
        {_WWW: swap((_DOCUMENT, _DOCUMENT + "    autoindex on;\n"))},
        (Ask("www: no list of files", f"{WWW}/assets/", 403),),
    ),
    Bad(
        "some-hidden-files",
        "access opened",
        "The rule about hidden files names those that somebody thought of.",
        {_WWW: swap(("    location ~ /\\. {", "    location ~ /\\.(?:git|svn|ht) {"))},
        users("www: hidden files stay hidden"),
    ),
    Bad(
        "log-among-the-pages",
        "access opened",
        "The site's log is written where the site is.",
        {_WWW: swap((_DOCUMENT, _DOCUMENT + "    access_log /var/www/orchard/access.log;\n"))},
        (Ask("www: the log is no page", f"{WWW}/access.log", 404),),
    ),
    Bad(
        "fetched-for-everybody",
        "access opened",
        "Pictures of partners are fetched through the site, and so is whatever this host can reach.",
        {
            _WWW: swap(
                (
                    _FILES,
                    _FILES
                    + "\n\n    location ~ ^/fetch/(?<where>[^/]+)/(?<what>.*)$ {\n        proxy_pass http://$where/$what;\n    }",
                )
            )
        },
        (Ask("www: what is inside stays inside", f"{WWW}/fetch/127.0.0.1:9113/metrics", 404),),
    ),
    Bad(
        "status-for-all-the-world",
        "access opened",
        "The monitoring moves to the other side of the firewall; its page is now everybody's.",
        {_WWW: swap((_FILES, _FILES + "\n\n    location = /nginx_status {\n        stub_status;\n    }"))},
        (Ask("www: no status of nginx", f"{WWW}/nginx_status", 404),),
    ),
    Bad(
        "block-list-too-wide",
        "access closed",
        "A network that attacks is shut out; one number is missing, and with it a whole eighth of a continent.",
        {"conf.d/blocklist.conf": "# ticket 4711\ndeny 203.0.113.0/24;\ndeny 198.0.0.0/8;\n"},
        users("shop: home", "www: home"),
    ),
    Bad(
        "methods-shut-out",
        "limits",
        "Only readers where nobody writes, says the audit; this is where pictures are sent to.",
        {
            _SHOP: swap(
                (
                    "        client_max_body_size 20m;",
                    "        client_max_body_size 20m;\n        limit_except GET HEAD {\n            deny all;\n        }",
                )
            )
        },
        users("shop: a picture sent"),
    ),
    Bad(
        "signed-links-nobody-signs",
        "access closed",
        "Exports are to be had by signed links only; the application does not sign any yet.",
        {
            _SHOP: swap(
                (
                    "        proxy_read_timeout 120s;",
                    '        secure_link     $arg_md5,$arg_expires;\n        secure_link_md5 "$secure_link_expires$uri plums";\n'
                    '        if ($secure_link = "") {\n            return 403;\n        }\n        proxy_read_timeout 120s;',
                )
            )
        },
        users("shop: slow export"),
    ),
]

FILES = [
    Bad(
        "exact-place-with-a-root",
        "files",
        "The press kit gets its own place, with root where alias was.",
        {
            _WWW: swap(
                (
                    "    location /press/ {",
                    "    location = /press/kit.html {\n        root /srv/press;\n    }\n\n    location /press/ {",
                )
            )
        },
        users("www: press kit"),
    ),
    Bad(
        "uploads-where-nobody-may-go",
        "files",
        "More room for uploads on the way, in a directory which only root may enter.",
        {
            _SHOP: swap(
                (
                    "    client_max_body_size 2m;",
                    "    client_max_body_size 2m;\n    client_body_temp_path /root/uploads;",
                )
            )
        },
        users("shop: a picture sent"),
    ),
    Bad(
        "front-page-for-what-is-not-there",
        "files",
        "As for an application of one page: everything that is not there is the front page, and found.",
        {_WWW: swap((_FILES, _FILES.replace("=404", "/index.html")))},
        users("www: no such page"),
    ),
    Bad(
        "footer-that-is-not-there",
        "files",
        "A footer is added to every page; what is added is the page that says that there is none.",
        {_WWW: swap((_DOCUMENT, _DOCUMENT + "    add_after_body /footer.html;\n"))},
        (Ask("www: home and nothing else", f"{WWW}/", body="since 1911", without=("no such page",)),),
    ),
    Bad(
        "condition-beside-the-files",
        "scripts",
        "A header for those who edit: inside of the condition there are no fallbacks.",
        {
            _WIKI: swap(
                (
                    _SCRIPTS,
                    _SCRIPTS.replace(
                        "        try_files",
                        '        if ($arg_action = "edit") {\n            add_header Cache-Control no-store;\n        }\n        try_files',
                    ),
                )
            )
        },
        users("wiki: a page"),
    ),
    Bad(
        "dot-that-is-any-letter",
        "scripts",
        "The backslash goes in a tidy-up: pages whose names end in php are scripts now.",
        {_WIKI: swap((_PHP, "    location ~ .php$ {\n"))},
        (Ask("wiki: a page about php", f"{WIKI}/Learn-php", body="wiki page /Learn-php"),),
    ),
    Bad(
        "scripts-kept-without-a-key",
        "cache",
        "The wiki's pages are kept for a minute; without a key they are all the same page.",
        {
            "conf.d/wiki-cache.conf": "fastcgi_cache_path /var/cache/nginx-wiki keys_zone=wiki:1m inactive=5m;\n",
            _WIKI: swap(
                (
                    "        include fastcgi_params;",
                    "        fastcgi_cache wiki;\n        fastcgi_cache_valid 200 1m;\n        include fastcgi_params;",
                )
            ),
        },
        users("wiki: home", "wiki: a page"),
    ),
    Bad(
        "ranges-switched-off",
        "files",
        "Against an attack of ten years ago: no parts of files, so that nobody resumes a download.",
        {_NGINX: swap(("    gzip       on;", "    max_ranges 0;\n    gzip       on;"))},
        (Ask("www: a part of the press kit", f"{WWW}/press/kit.html", 206, send={"Range": "bytes=0-3"}),),
    ),
]

UPSTREAMS = [
    Bad(
        "links-replaced-in-data",
        "path to the upstream",
        "Links in pages are to show the new address; what the service says of itself is replaced as well.",
        {
            _SHOP: swap(
                (
                    _CLOSED,
                    "    sub_filter       '/v1/' '/api/';\n    sub_filter_once  off;\n    sub_filter_types *;\n\n"
                    + _CLOSED,
                )
            )
        },
        users("shop: orders"),
    ),
    Bad(
        "host-with-its-port",
        "headers to the upstream",
        "A page on the net says that the port belongs to the host; the application knows no such host.",
        {_PROXY: swap(("Host              $host;", "Host              $host:$server_port;"))},
        users("shop: home"),
    ),
    Bad(
        "cookies-taken-from-the-app",
        "headers to the upstream",
        "For the catalogue's cache, cookies are not sent on; it stands in the file that all places include.",
        {
            _PROXY: swap(
                (
                    "proxy_set_header X-Forwarded-Proto $scheme;",
                    'proxy_set_header X-Forwarded-Proto $scheme;\nproxy_set_header Cookie            "";',
                )
            )
        },
        (Ask("shop: a customer who is known", f"{SHOP}/", body="customer=basket=7", send=_BASKET),),
    ),
    Bad(
        "tenth-to-another-service",
        "upstream",
        "Every tenth request is for the new storefront; the name is one of another service.",
        {
            "conf.d/split.conf": "split_clients $request_id $pool {\n    10%  reports;\n    *    storefront;\n}\n",
            _SHOP: swap((_ROOT, _ROOT.replace("http://storefront", "http://$pool"))),
        },
        (Ask("shop: home, many times", f"{SHOP}/", body="storefront", times=80),),
    ),
    Bad(
        "third-server-is-another-service",
        "upstream",
        "A third server for the storefront; on that port the orders listen.",
        {
            _UPSTREAMS: swap(
                ("    server 127.0.0.1:9002;", "    server 127.0.0.1:9002;\n    server 127.0.0.1:9100;")
            )
        },
        (Ask("shop: home, ten times", f"{SHOP}/", body="storefront", times=10),),
    ),
    Bad(
        "known-customers-to-a-new-pool",
        "upstream",
        "Customers with a basket try the new storefront first; nothing listens there.",
        {
            "conf.d/pool.conf": "upstream storefront_new {\n    server 127.0.0.1:9011;\n}\n\nmap $cookie_basket $pool {\n    default storefront;\n    ~.      storefront_new;\n}\n",
            _SHOP: swap((_ROOT, _ROOT.replace("http://storefront", "http://$pool"))),
        },
        (Ask("shop: a customer who is known", f"{SHOP}/", body="storefront", send=_BASKET),),
    ),
    Bad(
        "cookies-larger-than-the-buffers",
        "buffers and timeouts",
        "Header buffers as a guide for hardening has them; whoever has seen the account pages has a larger cookie.",
        {_NGINX: swap(("    gzip       on;", "    large_client_header_buffers 4 4k;\n    gzip       on;"))},
        (
            Ask(
                "shop: a customer with an account",
                f"{SHOP}/",
                body="storefront",
                send={"Cookie": f"basket={'x' * 6000}"},
            ),
        ),
    ),
    Bad(
        "pages-of-accounts-called-public",
        "cache",
        "Anybody between may keep the pages for a day, the account pages too.",
        {_SHOP: swap((_CLOSED, '    add_header Cache-Control "public, max-age=86400";\n\n' + _CLOSED))},
        (
            Ask(
                "shop: account's pages are private",
                f"{SHOP}/account/",
                body="storefront",
                without=("public, max-age",),
            ),
        ),
    ),
    Bad(
        "answers-kept-with-their-errors",
        "cache",
        "Everything is kept for ten minutes, what was not there yet too, and under the service's path alone.",
        {
            _SHOP: swap(
                (
                    "        proxy_pass http://orders/v1/;",
                    "        proxy_cache       catalogue;\n        proxy_cache_key   $proxy_host$uri;\n        proxy_cache_valid any 10m;\n        proxy_pass http://orders/v1/;",
                )
            )
        },
        (
            Ask("shop: order 7, in full", f"{SHOP}/api/orders/7?full=1", body=r"full=1"),
            Ask("shop: order 7, in short", f"{SHOP}/api/orders/7?full=0", body=r"full=0"),
        ),
    ),
]

TLS = [
    Bad(
        "newest-protocol-only",
        "TLS",
        "TLS 1.3 and nothing else gives the better mark; the partner's machines speak 1.2.",
        {"conf.d/tls.conf": swap(("TLSv1.2 TLSv1.3", "TLSv1.3"))},
        (Ask("shop: orders, by an older client", f"{SHOP}/api/orders", body="orders", old_tls=True),),
    ),
    Bad(
        "ciphers-for-another-kind-of-key",
        "TLS",
        "A list of ciphers from a page on the net, all for RSA keys; ours are not.",
        {
            "conf.d/tls.conf": swap(
                (
                    "ssl_session_timeout 1h;",
                    "ssl_session_timeout 1h;\nssl_ciphers ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305;",
                )
            )
        },
        (Ask("shop: orders, by an older client", f"{SHOP}/api/orders", body="orders", old_tls=True),),
    ),
    Bad(
        "certificate-by-the-name",
        "TLS",
        "One line for all sites: the certificate is found by its name. The files have other names.",
        {
            _WIKI: swap(
                ("/etc/ssl/orchard/wiki.crt", "/etc/ssl/orchard/$ssl_server_name.crt"),
                ("/etc/ssl/orchard/wiki.key", "/etc/ssl/orchard/$ssl_server_name.key"),
            )
        },
        users("wiki: home"),
    ),
]

ANSWERS = [
    Bad(
        "promise-for-names-without-tls",
        "answer headers",
        "The promise of TLS is made for all names under ours; two of them have none.",
        {
            _SECURITY: swap(
                ('"max-age=31536000" always', '"max-age=31536000; includeSubDomains; preload" always')
            ),
            # At first sight the short name, which alone has others below it, did not make the promise.
            _WWW: swap((_SHORT, "    include snippets/security-headers.conf;\n\n" + _SHORT)),
        },
        (
            Ask(
                "www: short name, for itself",
                "https://orchard.example/",
                301,
                without=("includeSubDomains",),
            ),
        ),
    ),
    Bad(
        "pages-offered-for-download",
        "answer headers",
        "The press kit is to be saved; the line stands one block too high.",
        {
            _SECURITY: swap(
                (_FRAME, _FRAME + '\nadd_header Content-Disposition       "attachment"       always;')
            )
        },
        (Ask("www: a page to be read", f"{WWW}/contact.html", body="Contact us", without=("attachment",)),),
    ),
    Bad(
        "hidden-from-search-engines",
        "answer headers",
        "A line of the staging site comes along: no search engine is to know the shop.",
        {
            _SECURITY: swap(
                (_FRAME, _FRAME + '\nadd_header X-Robots-Tag              "noindex, nofollow" always;')
            )
        },
        (Ask("www: home, to be found", f"{WWW}/", body="since 1911", without=("noindex",)),),
    ),
    Bad(
        "logged-out-by-every-page",
        "answer headers",
        "What belongs to logging out stands where it is sent with every page.",
        {
            _SECURITY: swap(
                (_FRAME, _FRAME + "\nadd_header Clear-Site-Data           '\"cookies\"'      always;")
            )
        },
        (Ask("www: home, and nothing forgotten", f"{WWW}/", body="since 1911", without=("cookies",)),),
    ),
    Bad(
        "headers-for-good-answers-only",
        "answer headers",
        "A word that seems to do nothing is taken out; pages of errors lose what guards them.",
        {
            _SECURITY: 'add_header Strict-Transport-Security "max-age=31536000";\nadd_header X-Content-Type-Options    "nosniff";\nadd_header X-Frame-Options           "DENY";\n'
        },
        (Ask("www: no such page, guarded", f"{WWW}/nothing-here.html", 404, headers=SECURE),),
    ),
]

ADDRESSES = [
    Bad(
        "double-slashes-told-apart",
        "location",
        "Two slashes are one no more, for the sake of one partner; links of the newsletter have two.",
        {_NGINX: swap(("    gzip       on;", "    merge_slashes off;\n    gzip       on;"))},
        (Ask("www: a link of the newsletter", f"{WWW}//prices", body="Prices"),),
    ),
    Bad(
        "short-link-that-others-begin-with",
        "redirect",
        "A short address for the journal; the login begins with the same letters.",
        {_SHOP: swap((_CLOSED, "    rewrite ^/log /journal/ redirect;\n\n" + _CLOSED))},
        users("shop: login"),
    ),
    Bad(
        "each-name-to-the-other",
        "redirect",
        "The short name is to be the real one; the other redirect is still there.",
        {
            _WWW: swap(
                (
                    _DOCUMENT,
                    "    if ($host = www.orchard.example) {\n        return 301 https://orchard.example$request_uri;\n    }\n\n"
                    + _DOCUMENT,
                )
            )
        },
        users("www: home", "www: prices"),
    ),
    Bad(
        "scheme-forgotten",
        "redirect",
        "The target of a redirect without its scheme is a path of our own.",
        {_WWW: swap(("return 302 https://shop.orchard.example/;", "return 302 shop.orchard.example/;"))},
        users("www: to the shop"),
    ),
]

CASES = [*ACCESS, *FILES, *UPSTREAMS, *TLS, *ANSWERS, *ADDRESSES]
