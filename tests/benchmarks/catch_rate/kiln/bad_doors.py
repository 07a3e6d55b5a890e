"""Who gets in, and by which name: passwords and addresses, certificates, servers, redirects, maps of people."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Bad, Copy, swap
from tests.benchmarks.catch_rate.kiln.users import SHOP, STUDIO, users

_MAIN, _MAPS, _DOORS, _SHOP = (
    "nginx.conf",
    "conf.d/00-maps.conf",
    "conf.d/10-doors.conf",
    "conf.d/20-shop.conf",
)
_API, _STUDIO, _POTTERS = "conf.d/30-api.conf", "conf.d/50-studio.conf", "conf.d/60-potters.conf"
_TLS, _OFFICE = "snippets/tls.conf", "snippets/office.conf"
_SERVER = "server {\n    listen 443 ssl http2;\n    listen [::]:443 ssl http2;\n"

ACCESS = [
    Bad(
        "access-sorted",
        "access",
        "Sorted by the alphabet, with the strict line on top: nobody comes from the office any more.",
        {_OFFICE: "deny  all;\nallow 198.51.100.7;\nallow 203.0.113.0/24;\n"},
        users("studio: from the office", "shop: back office from the office"),
    ),
    Bad(
        "access-both",
        "access",
        "'any' goes: from elsewhere the password is not enough, in the office the address is not.",
        {_STUDIO: swap(("    satisfy any;\n", ""))},
        users("studio: from the office", "studio: with a password"),
    ),
    Bad(
        "access-old-office",
        "access",
        "The old office's network is taken out, and it was the new one.",
        {_OFFICE: swap(("allow 203.0.113.0/24;\n", ""))},
        users("studio: from the office"),
    ),
    Bad(
        "access-manual-for-phones",
        "access",
        "The manual is to open on the phones in the workshop; for a test its door is taken off.",
        {
            _STUDIO: swap(
                (
                    "        alias /srv/studio-manual/;",
                    "        allow all;\n        alias /srv/studio-manual/;",
                )
            )
        },
        users("studio: manual from outside"),
    ),
    Bad(
        "access-passwords-moved",
        "access",
        "The file of passwords gets the studio's name; the shop's back office still looks for the old one.",
        {
            "htpasswd/staff": None,
            "htpasswd/studio": Copy("htpasswd/staff"),
            _STUDIO: swap(("/etc/nginx/htpasswd/staff", "/etc/nginx/htpasswd/studio")),
        },
        users("shop: back office with a password"),
    ),
    Bad(
        "access-passwords-by-hand",
        "access",
        "A new list, written by hand as one would read it.",
        {"htpasswd/staff": "mira:terracotta\n"},
        users("studio: with a password", "shop: back office with a password"),
    ),
    Bad(
        "access-hooks-turned",
        "access",
        "The methods that are limited and those that are free change places.",
        {_API: swap(("        limit_except POST {", "        limit_except GET {"))},
        users("api: a payment announced", "api: hooks are not read"),
    ),
    Bad(
        "access-status-for-all",
        "access",
        "The monitoring moves, nobody knows where to; until then the numbers are open.",
        {_DOORS: swap(("        allow 192.0.2.50;\n        deny  all;\n", ""))},
        users("status: not for the world"),
    ),
]

ADDRESSES = [
    Bad(
        "address-everybody-is-trusted",
        "whose address",
        "The balancers' addresses change, so all are trusted: whoever says to be in the office is.",
        {_MAIN: swap(("    set_real_ip_from  198.18.0.0/15;", "    set_real_ip_from  0.0.0.0/0;"))},
        users("studio: who says to be the office"),
    ),
    Bad(
        "address-header-of-another-balancer",
        "whose address",
        "The handbook of another balancer; ours never sends that header.",
        {_MAIN: swap(("real_ip_header    X-Forwarded-For;", "real_ip_header    X-Real-IP;"))},
        users("shop: the client is known", "studio: from the office"),
    ),
    Bad(
        "address-not-recursive",
        "whose address",
        "A line that made no difference in a test; with two balancers in a row the inner one is the client.",
        {_MAIN: swap(("    real_ip_recursive on;\n", ""))},
        (
            Ask(
                "studio: from the office by two balancers",
                f"{STUDIO}/plans",
                body="studio path=/plans",
                send={"X-Forwarded-For": "203.0.113.9, 198.18.7.7"},
            ),
        ),
    ),
    Bad(
        "address-of-the-region",
        "whose address",
        "The region is to go by an address that cannot be forged; that is the balancer's.",
        {_MAPS: swap(("geo $region {", "geo $realip_remote_addr $region {"))},
        users("shop: from Switzerland"),
    ),
    Bad(
        "address-region-joined",
        "whose address",
        "'The first row holds the second': but it says something else of it.",
        {_MAPS: swap(("    192.0.2.128/25 ch;\n", ""))},
        users("shop: from Switzerland"),
    ),
]

LANGUAGES = [
    Bad(
        "language-not-asked",
        "languages and fronts",
        "A default that is a variable looks wrong, and becomes English.",
        {_MAPS: swap(("    default $lang_asked;", "    default en;"))},
        users("shop: in German", "shop: terms in German"),
    ),
    Bad(
        "language-anywhere",
        "languages and fronts",
        "The sign for the beginning is dropped in one row; whoever has German as the second language gets it first.",
        {_MAPS: swap(("    ~*^de   de;", "    ~*de    de;"))},
        (
            Ask(
                "shop: French, then German",
                f"{SHOP}/",
                body="lang=fr ",
                send={"Accept-Language": "fr-CH,fr;q=0.9,de;q=0.5"},
            ),
        ),
    ),
    Bad(
        "language-front-by-its-name",
        "languages and fronts",
        "The dollar is lost: the shop is told to show a front that is called drawn.",
        {_MAPS: swap(("    default $drawn;", "    default drawn;"))},
        (Ask("shop: one of two fronts", f"{SHOP}/", body="front=(?:wheel|slab) "),),
    ),
]

TLS = [
    Bad(
        "tls-snippet-for-the-potters",
        "certificates",
        "Two lines become the shared include; potters' names are not in that certificate.",
        {
            _POTTERS: swap(
                (
                    "    ssl_certificate     /etc/ssl/kiln/potters.crt;\n    ssl_certificate_key /etc/ssl/kiln/potters.key;\n",
                    "    include snippets/tls.conf;\n",
                )
            )
        },
        users("potters: Anna", "potters: rules"),
    ),
    Bad(
        "tls-star-only",
        "certificates",
        "A wildcard for all of them: for all but the name without anything before it.",
        {_TLS: swap(("kiln.crt", "star.crt"), ("kiln.key", "star.key"))},
        users("shop: home"),
    ),
    Bad(
        "tls-of-2021",
        "certificates",
        "Restored from a backup, together with what else was there.",
        {_TLS: swap(("kiln.crt", "kiln-2021.crt"), ("kiln.key", "kiln-2021.key"))},
        users("shop: home", "api: a thing"),
    ),
    Bad(
        "tls-made-by-oneself",
        "certificates",
        "The certificate of the test machine, signed by itself.",
        {_TLS: swap(("kiln.crt", "snakeoil.crt"), ("kiln.key", "snakeoil.key"))},
        users("shop: home", "studio: ping"),
    ),
    Bad(
        "tls-chain-forgotten",
        "certificates",
        "The file that came first in the mail, without those between.",
        {_TLS: swap(("kiln.crt", "kiln-only.crt"))},
        users("shop: home", "api: a thing"),
    ),
    Bad(
        "tls-newest-only",
        "protocols",
        "An A+ in the test; the tills know nothing newer than 1.2.",
        {_MAIN: swap(("TLSv1.2 TLSv1.3;", "TLSv1.3;"))},
        users("api: an older till"),
    ),
    Bad(
        "tls-other-keys",
        "protocols",
        "Fewer ciphers, from a list for keys of the other kind: with TLS 1.2 there is none that fits.",
        {
            _MAIN: swap(
                (
                    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384;",
                    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384;",
                )
            )
        },
        users("api: an older till"),
    ),
]

NAMES = [
    Bad(
        "names-star-takes-the-potters",
        "server names",
        "Names with a slip are sent home by a wildcard; it comes before any pattern, and takes the potters.",
        {
            "conf.d/90-slips.conf": _SERVER
            + "    server_name *.kiln.example;\n    include snippets/tls.conf;\n    return 302 https://kiln.example/;\n}\n"
        },
        users("potters: Anna", "potters: rules"),
    ),
    Bad(
        "names-backup-beside",
        "server names",
        "A copy of before the change, left where every file is read - and read first.",
        {
            "conf.d/20-shop-2023.conf": _SERVER
            + "    server_name kiln.example;\n    include snippets/tls.conf;\n    root /srv/kiln/old;\n\n    location / {\n        try_files $uri /index.html =404;\n    }\n}\n"
        },
        users("shop: home", "shop: a page"),
    ),
    Bad(
        "names-api-twice",
        "server names",
        "The documentation's server is made from the API's, with its name still in it.",
        {
            "conf.d/25-docs.conf": _SERVER
            + "    server_name docs.kiln.example api.kiln.example;\n    include snippets/tls.conf;\n    include snippets/headers.conf;\n    return 302 https://kiln.example/guide/;\n}\n"
        },
        users("api: a thing", "api: stock"),
    ),
    Bad(
        "names-pattern-of-potters",
        "server names",
        "Names of two letters are none, says the new pattern. Bo is.",
        {
            _POTTERS: swap(
                (
                    "server_name ~^(?<potter>[a-z][a-z0-9-]*)\\.potters\\.kiln\\.example$;",
                    'server_name "~^(?<potter>[a-z][a-z0-9-]{2,})\\.potters\\.kiln\\.example$";',
                )
            )
        },
        users("potters: rules"),
    ),
    Bad(
        "names-no-ipv6",
        "server names",
        "A line is lost in a merge.",
        {_SHOP: swap(("    listen [::]:443 ssl http2;\n", ""))},
        users("shop: over IPv6"),
    ),
    Bad(
        "names-strangers-welcome",
        "server names",
        "The server that does nothing goes; whoever has the address and any name is sent to TLS.",
        {
            _DOORS: swap(
                (
                    'server {\n    listen 80 default_server;\n    listen [::]:80 default_server;\n    server_name "";\n    return 444;\n}\n\n',
                    "",
                )
            )
        },
        users("strangers: plain"),
    ),
    Bad(
        "names-status-on-another-port",
        "server names",
        "8099 is taken on the new machine, so the watch is to ask elsewhere. It does not know yet.",
        {_DOORS: swap(("    listen 8099;", "    listen 8098;"))},
        users("status: alive"),
    ),
]

REDIRECTS = [
    Bad(
        "redirect-to-a-dot",
        "redirects",
        "$host 'is user input'; the server's own name begins with a dot.",
        {
            _DOORS: swap(
                ("return 301 https://$host$request_uri;", "return 301 https://$server_name$request_uri;")
            )
        },
        users("shop: plain", "potters: plain"),
    ),
    Bad(
        "redirect-apex-forgotten",
        "redirects",
        "The dot becomes a star; that is no longer the short name.",
        {_DOORS: swap(("server_name .kiln.example;", "server_name *.kiln.example;"))},
        users("shop: plain", "shop: certificate renewal"),
    ),
    Bad(
        "redirect-without-arguments",
        "redirects",
        "$uri is shorter; searches arrive without their words.",
        {_DOORS: swap(("return 301 https://$host$request_uri;", "return 301 https://$host$uri;"))},
        users("shop: plain"),
    ),
    Bad(
        "redirect-www-to-itself",
        "redirects",
        "A name written out becomes a variable, as in the server above.",
        {
            _DOORS: swap(
                ("return 301 https://kiln.example$request_uri;", "return 301 https://$host$request_uri;")
            )
        },
        users("shop: www"),
    ),
    Bad(
        "redirect-before-the-probe",
        "redirects",
        "The redirect leaves its location; above the locations it holds for the renewal, too.",
        {
            _DOORS: swap(
                (
                    "    location / {\n        return 301 https://$host$request_uri;\n    }\n",
                    "    return 301 https://$host$request_uri;\n",
                )
            )
        },
        users("shop: certificate renewal"),
    ),
]

CASES = [*ACCESS, *ADDRESSES, *LANGUAGES, *TLS, *NAMES, *REDIRECTS]
