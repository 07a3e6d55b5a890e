"""Changes that have to go through: what is set otherwise, or ended, on purpose."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Good, swap
from tests.benchmarks.catch_rate.kiln.users import API, CLASSIC, MEDIA, SAFE, SHOP

_MAIN, _MAPS, _UP = "nginx.conf", "conf.d/00-maps.conf", "conf.d/05-upstreams.conf"
_SHOP, _API, _MEDIA = "conf.d/20-shop.conf", "conf.d/30-api.conf", "conf.d/40-media.conf"
_STUDIO, _CLASSIC = "conf.d/50-studio.conf", "conf.d/70-classic.conf"
_HEADERS, _PROXY, _PHP, _TLS = (f"snippets/{name}.conf" for name in ("headers", "proxy", "php", "tls"))

SECURITY = [
    Good(
        "set-certificate",
        "TLS",
        "The certificate is renewed, with a name more.",
        {_TLS: swap(("kiln.crt", "kiln-next.crt"), ("kiln.key", "kiln-next.key"))},
    ),
    Good(
        "set-certificate-of-the-shop",
        "TLS",
        "The shop has a certificate of its own; the others keep theirs.",
        {
            _SHOP: swap(
                (
                    "    include snippets/tls.conf;\n",
                    "    ssl_certificate     /etc/ssl/kiln/apex.crt;\n    ssl_certificate_key /etc/ssl/kiln/apex.key;\n",
                )
            )
        },
    ),
    Good(
        "set-ciphers",
        "TLS",
        "A cipher for phones comes, those for the other kind of key go; tickets are off.",
        {
            _MAIN: swap(
                (
                    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384;",
                    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384;\n    ssl_ecdh_curve            X25519:prime256v1:secp384r1;\n    ssl_session_tickets       off;",
                )
            )
        },
    ),
    Good(
        "set-permissions",
        "new header",
        "What browsers may use is said to all of them.",
        {
            _HEADERS: swap(
                (
                    "add_header Referrer-Policy",
                    'add_header Permissions-Policy        "geolocation=(), microphone=()" always;\nadd_header Referrer-Policy',
                )
            )
        },
        (
            Ask("shop: permissions", f"{SHOP}/", headers={**SAFE, "Permissions-Policy": "geolocation"}),
            Ask(
                "media: permissions",
                f"{MEDIA}/mug.jpg",
                headers={**SAFE, "Permissions-Policy": "geolocation"},
            ),
        ),
    ),
    Good(
        "set-policy-wider",
        "new header",
        "Films may be shown in pages, from the media host only.",
        {
            _HEADERS: swap(
                (
                    "img-src 'self' https://media.kiln.example\"",
                    "img-src 'self' https://media.kiln.example; media-src https://media.kiln.example\"",
                )
            )
        },
        (
            Ask(
                "shop: films",
                f"{SHOP}/",
                headers={**SAFE, "Content-Security-Policy": "media-src https://media"},
            ),
        ),
    ),
    Good(
        "set-plain-never-again",
        "new header",
        "Two years, as the list of the browsers wants it.",
        {
            _HEADERS: swap(
                ("max-age=31536000; includeSubDomains", "max-age=63072000; includeSubDomains; preload")
            )
        },
        (
            Ask(
                "api: two years", f"{API}/v1/pots", headers={"Strict-Transport-Security": "63072000.*preload"}
            ),
        ),
    ),
    Good(
        "set-cookie-flags",
        "new header",
        "The configurator's cookie stays on TLS, and in the shop.",
        {
            _SHOP: swap(
                (
                    "        proxy_cookie_path / /configurator/;\n",
                    "        proxy_cookie_path / /configurator/;\n        proxy_cookie_flags ~ secure httponly samesite=lax;\n",
                )
            )
        },
        (
            Ask(
                "shop: configurator's cookie",
                f"{SHOP}/configurator/",
                headers={"Set-Cookie": "(?i)path=/configurator/.*secure"},
            ),
        ),
    ),
    Good(
        "set-no-proxy-header",
        "FastCGI",
        "Scripts never see a header called Proxy.",
        {
            _PHP: swap(
                ("fastcgi_param PATH_INFO ", 'fastcgi_param HTTP_PROXY      "";\nfastcgi_param PATH_INFO ')
            )
        },
    ),
    Good(
        "set-balancer-ipv6",
        "TLS",
        "The balancers get addresses of the other kind.",
        {_MAIN: swap(("    real_ip_header ", "    set_real_ip_from  2001:db8:7::/48;\n    real_ip_header "))},
    ),
]

ENDED = [
    Good(
        "ended-raw-photos",
        "closed on purpose",
        "The photographer's share is no longer shown.",
        {
            _MEDIA: swap(
                (
                    "    # The photographer's share is mounted elsewhere.\n    location /raw/ {\n        root /mnt/photos;\n    }\n",
                    "    location /raw/ {\n        return 404;\n    }\n",
                )
            )
        },
        ends=("media: a raw photo",),
        accept=("media.kiln.example/raw/*",),
    ),
    Good(
        "ended-forum",
        "closed on purpose",
        "The forum's archive is gone for good.",
        {
            _CLASSIC: swap(
                (
                    "    location = /forum.php {\n        include snippets/php.conf;\n    }\n",
                    "    location = /forum.php {\n        return 410;\n    }\n",
                )
            )
        },
        ends=("classic: a thread", "classic: its second page"),
        accept=("classic.kiln.example/forum*",),
    ),
    Good(
        "ended-temporary",
        "changed on purpose",
        "The news will not come back; their address is sent on for good.",
        {_CLASSIC: swap(("/archive/ redirect;", "/archive/ permanent;"))},
        (Ask("classic: news for good", f"{CLASSIC}/news/", 301, location=f"{CLASSIC}/archive/$"),),
        ends=("classic: news",),
        accept=("classic.kiln.example/news*",),
    ),
    Good(
        "ended-move-of-a-potter",
        "changed on purpose",
        "Orla is back; she has no pages yet but ours.",
        {"maps/potters-moved.map": swap(("orla       orla-ceramics.example;\n", ""))},
        (
            Ask(
                "potters: Orla",
                "https://orla.potters.kiln.example/house-rules.html",
                body="Rules of the house",
            ),
        ),
        ends=("potters: moved",),
        accept=("orla.potters.kiln.example/*",),
    ),
    Good(
        "ended-guessing-of-languages",
        "changed on purpose",
        "Terms are shown in the language of the law, with a way to the other one by cookie.",
        {
            _MAPS: swap(
                (
                    "# --- which of two shop fronts",
                    "map $cookie_lang $lang_chosen {\n    default en;\n    de      de;\n    fr      fr;\n}\n\n# --- which of two shop fronts",
                )
            ),
            _SHOP: swap(("/terms/$lang.html /terms/en.html", "/terms/$lang_chosen.html /terms/en.html")),
        },
        (Ask("shop: terms, German chosen", f"{SHOP}/terms", body="Geschaefts", send={"Cookie": "lang=de"}),),
        ends=("shop: terms in German",),
        accept=("kiln.example/terms",),
    ),
]

CASES = [*SECURITY, *ENDED]
