"""What a whole site notices at once: left over, switched off, pointed elsewhere."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.case import Bad, swap
from tests.benchmarks.catch_rate.kiln.users import users

_MAIN, _UP, _SHOP, _API = (
    "nginx.conf",
    "conf.d/05-upstreams.conf",
    "conf.d/20-shop.conf",
    "conf.d/30-api.conf",
)
_MEDIA, _STUDIO = "conf.d/40-media.conf", "conf.d/50-studio.conf"
_CLASSIC, _PHP = "conf.d/70-classic.conf", "snippets/php.conf"
_LISTEN = "    listen 443 ssl http2;\n    listen [::]:443 ssl http2;\n    server_name "

LEFT = [
    Bad(
        "plain-closed-for-the-night",
        "left over",
        "The shop was closed for stocktaking; the line is still there, and is merged with the rest.",
        {_SHOP: swap(("    root  /srv/kiln/public;\n", "    root  /srv/kiln/public;\n    return 503;\n"))},
        users("shop: home", "shop: a page"),
    ),
    Bad(
        "plain-password-for-the-preview",
        "left over",
        "The preview asked everybody for a password; its branch is merged as it was.",
        {
            _SHOP: swap(
                (
                    "    root  /srv/kiln/public;\n",
                    "    root  /srv/kiln/public;\n    auth_basic           Preview;\n    auth_basic_user_file /etc/nginx/htpasswd/staff;\n",
                )
            )
        },
        users("shop: home", "shop: terms"),
    ),
    Bad(
        "plain-name-of-the-preview",
        "left over",
        "The API answers to the preview's name only.",
        {_API: swap(("server_name api.kiln.example;", "server_name api.preview.kiln.example;"))},
        users("api: a thing", "api: stock"),
    ),
    Bad(
        "plain-nobody-but-us",
        "left over",
        "Closed to all but the office during an attack.",
        {
            _MEDIA: swap(
                ("    root /srv/media;\n", "    root /srv/media;\n    include snippets/office.conf;\n")
            )
        },
        users("media: a picture", "media: chart"),
    ),
]

OFF = [
    Bad(
        "plain-file-switched-off",
        "switched off",
        "A file is given another ending, so that it is left alone for a moment.",
        {_STUDIO: None, "conf.d/50-studio.conf.off": "# the studio, off for a moment\n"},
        users("studio: with a password", "studio: ping"),
    ),
    Bad(
        "plain-numbers-below-seventy",
        "switched off",
        "Drafts are to have numbers from 70 on and are not read; one number was in use.",
        {_MAIN: swap(("    include conf.d/*.conf;", "    include conf.d/[0-6]*.conf;"))},
        users("classic: home", "classic: archive"),
    ),
    Bad(
        "plain-pool-empty",
        "switched off",
        "The only process is taken out while it is restarted.",
        {_UP: swap(("    server 127.0.0.1:8630;", "    server 127.0.0.1:8630 down;"))},
        users("shop: configurator", "shop: configurator begins"),
    ),
    Bad(
        "plain-port-of-another-machine",
        "switched off",
        "The ports of the machine behind the proxy, where TLS is at 8443.",
        {_STUDIO: swap((_LISTEN, _LISTEN.replace("443", "8443")))},
        users("studio: with a password", "studio: ping"),
    ),
]

ELSEWHERE = [
    Bad(
        "plain-root-one-letter",
        "pointed elsewhere",
        "A letter is lost in the path of all the media.",
        {_MEDIA: swap(("    root /srv/media;", "    root /srv/medi;"))},
        users("media: a picture", "media: a course"),
    ),
    Bad(
        "plain-root-of-a-release",
        "pointed elsewhere",
        "Releases are to be switched by a link, which the first release will make.",
        {_SHOP: swap(("    root  /srv/kiln/public;", "    root  /srv/kiln/current/public;"))},
        users("shop: home", "shop: the guide"),
    ),
    Bad(
        "plain-tls-to-the-inside",
        "pointed elsewhere",
        "All traffic is to be encrypted, by writing so; those inside do not speak it.",
        {
            _STUDIO: swap(
                (
                    "https://$host/;\n        proxy_pass http://studio;",
                    "https://$host/;\n        proxy_pass https://studio;",
                )
            )
        },
        users("studio: with a password", "studio: from the office"),
    ),
    Bad(
        "plain-http-to-php",
        "pointed elsewhere",
        "Scripts are proxied like all the others; what listens there speaks FastCGI.",
        {_PHP: swap(("fastcgi_pass        php;", "proxy_pass          http://php;"))},
        users("shop: home", "classic: a thread"),
    ),
    Bad(
        "plain-sent-to-the-new-shop",
        "pointed elsewhere",
        "The old site is to be sent on, page for page, to where those pages never were.",
        {
            _CLASSIC: swap(
                (
                    "    root  /srv/classic;\n",
                    "    root  /srv/classic;\n    return 301 https://kiln.example$request_uri;\n",
                )
            )
        },
        users("classic: home", "classic: archive"),
    ),
    Bad(
        "plain-processes-moved",
        "pointed elsewhere",
        "The API's processes move to a socket each, one day before they do.",
        {
            _UP: swap(
                ("    server 127.0.0.1:8611 weight", "    server unix:/run/kiln/api-1.sock weight"),
                ("    server 127.0.0.1:8612  ", "    server unix:/run/kiln/api-2.sock  "),
                ("    server 127.0.0.1:8619 backup;", "    server unix:/run/kiln/api-3.sock backup;"),
            )
        },
        users("api: a thing", "api: stock"),
    ),
]

CASES = [*LEFT, *OFF, *ELSEWHERE]
