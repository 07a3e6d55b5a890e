"""The configurations that changes are made to, each of a firm with a house style of its own."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.catch_rate.case import BASE, Base, Certificates, enabled
from tests.benchmarks.catch_rate.cases import BAD, GOOD
from tests.benchmarks.catch_rate.kiln import KILN
from tests.benchmarks.catch_rate.quay import QUAY
from tests.benchmarks.catch_rate.users import ASKS

_SITES = ("00-default", "intranet", "old", "shop", "wiki", "www")


def _furnish_orchard(root: Path) -> None:
    (root / "var/www/orchard/.env").write_text("TOKEN=not for you\n")
    current = root / "var/www/current"
    if not current.is_symlink():
        current.symlink_to("/var/www/orchard")


ORCHARD = Base(
    name="orchard",
    directory=BASE,
    asks=ASKS,
    bad=BAD,
    good=GOOD,
    programs=("tests.benchmarks.catch_rate.app",),
    ready="/run/orchard/ready",
    certificates=Certificates(
        "/etc/ssl/orchard",
        issued={
            "shop": (("shop.orchard.example",), 90),
            "shop-2023": (("shop.orchard.example",), -200),
            "shop-2026": (("shop.orchard.example",), 365),
            "www": (("www.orchard.example", "orchard.example"), 90),
            "www-long": (("www.orchard.example",), 300),
            "wiki": (("wiki.orchard.example",), 90),
            "jobs": (("jobs.orchard.example",), 90),
            "old": (("old.orchard.example",), 90),
            "intranet": (("intranet.orchard.example",), 90),
            "fallback": (("fallback.invalid",), 3650),
        },
        strangers={"own": (("www.orchard.example",), 90)},
    ),
    distribution=("mime.types", "fastcgi_params", "proxy_params"),
    links={enabled(site): f"/etc/nginx/sites-available/{site}" for site in _SITES},
    private="htpasswd/*",
    names=("127.0.0.1 orders.internal",),
    caches=("nginx", "nginx-large", "nginx-orders", "nginx-wiki"),
    furnish=_furnish_orchard,
)

BASES = {base.name: base for base in (ORCHARD, QUAY, KILN)}
