"""The way in: certificates, listening, strangers, redirects, partners behind a balancer."""

# ruff: noqa: E501 - configurations are quoted as they stand
from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.case import Bad, swap
from tests.benchmarks.catch_rate.quay.users import users

_EDGE = "conf.d/10-edge.conf"
_API = "conf.d/20-api.conf"
_TENANTS = "conf.d/40-tenants.conf"
_PARTNERS = "conf.d/70-partners.conf"
_MAIN = "nginx.conf"

_STAR = "include/tls-star.inc"

TLS = [
    Bad(
        "tls-one-star-for-all",
        "certificates",
        "One include for all sites: a star covers one level only.",
        {
            _TENANTS: swap(
                (
                    "    ssl_certificate     /etc/ssl/quay/star-app.crt;\n    ssl_certificate_key /etc/ssl/quay/star-app.key;\n",
                    "    include include/tls-star.inc;\n",
                )
            )
        },
        users("tenant: small one", "tenant: large one"),
    ),
    Bad(
        "tls-of-2022",
        "certificates",
        "The wrong one of two files.",
        {_STAR: swap(("star.crt", "star-2022.crt"), ("star.key", "star-2022.key"))},
        users("api: alive", "www: home"),
    ),
    Bad(
        "tls-of-the-developers",
        "certificates",
        "The developers' certificate comes along with their branch.",
        {_STAR: swap(("star.crt", "dev.crt"), ("star.key", "dev.key"))},
        users("console: home"),
    ),
    Bad(
        "tls-leaf-only",
        "certificates",
        "The file without the chain.",
        {_STAR: swap(("star.crt", "star-only.crt"))},
        users("api: alive", "files: fetched"),
    ),
    Bad(
        "tls-own-certificate-asked",
        "certificates",
        "Client certificates for the partners, asked of everybody: the line stands in the include.",
        {
            _STAR: "ssl_certificate     /etc/ssl/quay/star.crt;\nssl_certificate_key /etc/ssl/quay/star.key;\nssl_client_certificate /etc/ssl/quay/authority.crt;\nssl_verify_client on;\n"
        },
        users("api: alive", "www: home"),
    ),
]

LISTENING = [
    Bad(
        "listen-no-ipv6",
        "listening",
        "A line is lost; over IPv6 the API is a stranger's name.",
        {_API: swap(("    listen [::]:443 ssl http2;\n", ""))},
        users("api: over IPv6"),
    ),
    Bad(
        "listen-health-on-loopback",
        "listening",
        "Hardened; the balancers ask from elsewhere. The running nginx cannot even take it up, the next one does.",
        {_EDGE: swap(("    listen 8090;", "    listen 127.0.0.1:8090;"))},
        after_restart=users("edge: alive"),
    ),
    Bad(
        "listen-health-other-port",
        "listening",
        "The port is the one of the new image.",
        {_EDGE: swap(("    listen 8090;", "    listen 8091;"))},
        users("edge: alive"),
    ),
    Bad(
        "listen-console-file-renamed",
        "listening",
        "Switched off by renaming while somebody looked for something else.",
        {"conf.d/30-console.conf": None, "conf.d/30-console.conf.off": "# see the history\n"},
        users("console: home", "console: news"),
    ),
    Bad(
        "listen-api-name-of-staging",
        "listening",
        "Written for staging, merged to main.",
        {_API: swap(("server_name api.quay.example;", "server_name api.staging.quay.example;"))},
        users("api: v1", "api: alive"),
    ),
]

STRANGERS = [
    Bad(
        "strangers-sent-on",
        "strangers",
        "The redirect is made the default, so that a forgotten name works as well - for everybody's names.",
        {
            _EDGE: swap(
                (
                    "    listen 80 default_server;\n    listen [::]:80 default_server;\n    server_name _;\n    return 444;",
                    "    listen 80;\n    listen [::]:80;\n    server_name nothing.invalid;\n    return 444;",
                ),
                (
                    "    listen 80;\n    listen [::]:80;\n    server_name quay.example",
                    "    listen 80 default_server;\n    listen [::]:80 default_server;\n    server_name quay.example",
                ),
            )
        },
        users("strangers: plain"),
    ),
    Bad(
        "strangers-get-the-api",
        "strangers",
        "The block with the odd directive goes; the first server of the port answers strangers.",
        {
            _EDGE: swap(
                (
                    "server {\n    listen 443 ssl http2 default_server;\n    listen [::]:443 ssl http2 default_server;\n    server_name _;\n    ssl_reject_handshake on;\n}\n\n",
                    "",
                )
            )
        },
        (
            Ask(
                "strangers: a name that we do not have", "https://nothing.quay.example/healthz", trouble="TLS"
            ),
        ),
    ),
]

REDIRECTS = [
    Bad(
        "plain-only-the-short-name",
        "redirects",
        "The wildcard is 'covered by the default server', which says nothing to anybody.",
        {
            _EDGE: swap(
                ("server_name quay.example *.quay.example;", "server_name quay.example www.quay.example;")
            )
        },
        users("api: plain"),
    ),
    Bad(
        "plain-all-to-one",
        "redirects",
        "$host is not to be trusted, says a scanner; so all go to one name.",
        {
            _EDGE: swap(
                ("return 308 https://$host$request_uri;", "return 308 https://www.quay.example$request_uri;")
            )
        },
        users("api: plain"),
    ),
    Bad(
        "plain-path-lost",
        "redirects",
        "$request_uri gets lost when the line is written anew.",
        {_EDGE: swap(("return 308 https://$host$request_uri;", "return 308 https://$host/;"))},
        users("api: plain"),
    ),
    Bad(
        "plain-before-the-challenge",
        "redirects",
        "The redirect moves out of its location: at the server's level it comes first.",
        {
            _EDGE: swap(
                (
                    "    location / {\n        return 308 https://$host$request_uri;\n    }\n",
                    "    return 308 https://$host$request_uri;\n",
                )
            )
        },
        users("www: certificate renewal"),
    ),
    Bad(
        "plain-home-circle",
        "redirects",
        "The short name is to be the long one's own site; www now sends to the short one, which sends to www.",
        {
            "conf.d/50-www.conf": swap(
                (
                    "    include include/headers.inc;\n\n    root  /srv/www/site;",
                    "    include include/headers.inc;\n\n    if ($request_uri = /) {\n        return 301 https://quay.example/;\n    }\n\n    root  /srv/www/site;",
                )
            )
        },
        users("www: home"),
    ),
]

PARTNERS = [
    Bad(
        "partners-line-not-read",
        "partners",
        "The word is unknown to the one who tidies the listen lines.",
        {
            _PARTNERS: swap(
                (
                    "    listen 8443 ssl proxy_protocol;\n    listen [::]:8443 ssl proxy_protocol;",
                    "    listen 8443 ssl;\n    listen [::]:8443 ssl;",
                )
            )
        },
        users("partners: theirs"),
    ),
    Bad(
        "partners-header-instead",
        "partners",
        "As on the other gateway, whose balancer writes a header.",
        {_PARTNERS: swap(("real_ip_header proxy_protocol;", "real_ip_header X-Forwarded-For;"))},
        users("partners: theirs"),
    ),
    Bad(
        "partners-balancer-unknown",
        "partners",
        "The balancers' network is cleared out with the old data centre's.",
        {_MAIN: swap(("    set_real_ip_from 198.18.0.0/15;\n", ""))},
        users("partners: theirs"),
    ),
    Bad(
        "partners-sorted",
        "partners",
        "The rules are sorted, for the eye: the order counts.",
        {
            _PARTNERS: swap(
                (
                    "    allow 203.0.113.0/24;\n    allow 192.0.2.7;\n    deny  all;",
                    "    deny  all;\n    allow 192.0.2.7;\n    allow 203.0.113.0/24;",
                )
            )
        },
        users("partners: theirs"),
    ),
    Bad(
        "partners-too-wide",
        "partners",
        "A partner's second network, written as one mask over both and what lies beside them.",
        {_PARTNERS: swap(("allow 203.0.113.0/24;", "allow 203.0.112.0/22;"))},
        users("partners: not for strangers"),
    ),
]

CASES = [*TLS, *LISTENING, *STRANGERS, *REDIRECTS, *PARTNERS]
